#!/usr/bin/env bash
# Stops the engine that start-docker.sh started, and takes its bridge away; leaves any other engine alone.
set -uo pipefail
. "$(dirname "$0")/settings.sh"

pid=$(cat "$cache/dockerd.pid" 2>/dev/null) || exit 0
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || exit 0
kill -TERM "$pid"
deadline=$((SECONDS + 20))
while kill -0 "$pid" 2>/dev/null; do
  [ $SECONDS -lt $deadline ] || { echo "dockerd ($pid) does not end"; exit 1; }
  sleep 0.1
done
if [ -f "$cache/docker0.ours" ]; then
  ip link delete docker0 2>/dev/null
  rm -f "$cache/docker0.ours"
fi
exit 0
