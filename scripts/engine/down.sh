#!/usr/bin/env bash
# The end of up.sh: says and removes what tests left in the engine (1 if there was anything), then stops the engine if
# up.sh started it. Images and caches stay for the next time.
set -uo pipefail
. "$(dirname "$0")/settings.sh"

code=0
if timeout 10 docker info >/dev/null 2>&1; then
  containers=$(docker ps -aq --filter label=skein.test)
  networks=$(docker network ls -q --filter label=skein.test)
  if [ -n "$containers$networks" ]; then
    echo 'left behind by tests:'
    docker ps -a --filter label=skein.test
    docker network ls --filter label=skein.test
    # shellcheck disable=SC2086
    { [ -z "$containers" ] || docker rm -f -v $containers; [ -z "$networks" ] || docker network rm $networks; } >/dev/null
    code=1
  fi
fi
bash "$root/scripts/engine/stop-docker.sh" || code=1
exit $code
