#!/usr/bin/env bash
# Brings what the suites in containers need: an engine, the emulators, the product's image. Quick when it is all there.
#
#   scripts/engine/up.sh FILE     writes into FILE, for a shell to source, what the suites ask for: SKEIN_ENGINE and the
#                                 images, or SKEIN_ENGINE_MISSING with the reason as one line
#   scripts/engine/down.sh        stops what this started
#
# Ends with 0 also when there can be no engine here; with 1 when what it was to build is broken.
set -uo pipefail
. "$(dirname "$0")/settings.sh"
here=$root/scripts/engine
file=${1:?up.sh FILE: where to write the variables}

mkdir -p "$cache" && exec 9>"$cache/up.lock" && flock 9 || exit 1
SKEIN_ENGINE_REASON=$(mktemp)
export SKEIN_ENGINE_REASON
trap 'rm -f "$SKEIN_ENGINE_REASON"' EXIT
for part in start-docker build-emulators build-product; do
  if [ $part = build-emulators ]; then # compiles; making the base image mostly waits for downloads
    SKEIN_ENGINE_REASON=/dev/null bash "$here/build-base.sh" >/dev/null 9>&- &
  fi
  bash "$here/$part.sh" 9>&-
  case $? in
    0) [ $part != build-emulators ] || wait ;;
    3)
      reason=$(cat "$SKEIN_ENGINE_REASON")
      echo "   no suites in containers: $reason"
      printf 'export SKEIN_ENGINE_MISSING=%q\n' "$reason" >"$file"
      exit 0
      ;;
    *) exit 1 ;;
  esac
done
{
  printf 'export SKEIN_ENGINE=%q\n' "$DOCKER_HOST"
  printf 'export SKEIN_ENGINE_GCS=%q SKEIN_ENGINE_TOXIPROXY=%q\n' "$gcs_image" "$toxiproxy_image"
  printf 'export SKEIN_ENGINE_PRODUCT=%q\n' "$product_image"
} >"$file"
