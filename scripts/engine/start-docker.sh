#!/usr/bin/env bash
# Sees to it that a Docker engine answers: takes the one that is there, else installs Debian's and starts it.
# Ends with 3 and one line when neither can be.
set -uo pipefail
. "$(dirname "$0")/settings.sh"

answers() { timeout 10 docker info >/dev/null 2>&1; }

install_engine() {
  export DEBIAN_FRONTEND=noninteractive
  timeout 300 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends docker.io runc iptables
}

# No rules of the engine's own in the host's firewall: they would stay behind, and would cut off other bridges of the
# machine. Published ports go through docker-proxy, and image builds through the host's network.
start_engine() {
  mkdir -p "$cache"
  ip link show docker0 >/dev/null 2>&1 || touch "$cache/docker0.ours"
  setsid dockerd --iptables=false --ip6tables=false --pidfile "$cache/dockerd.pid" --host "$socket" \
    >"$cache/dockerd.log" 2>&1 </dev/null &
  local deadline=$((SECONDS + 30))
  until answers; do
    [ $SECONDS -lt $deadline ] && kill -0 $! 2>/dev/null || { tail -n 20 "$cache/dockerd.log" >&2; return 1; }
    sleep 0.2
  done
}

if command -v docker >/dev/null && answers; then exit 0; fi
how='install Docker (Debian: apt-get install docker.io), start it, and let this user reach it'
[ "$(uname -s)" = Linux ] || cannot "no Docker engine answers; $how"
[ "$(id -u)" = 0 ] || cannot "no Docker engine answers, and only root can start one; $how"
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  command -v apt-get >/dev/null || cannot "there is no Docker engine, and no apt-get to bring one; $how"
  timed 'installing the engine' install_engine || cannot "the Docker engine could not be installed; $how"
  # Where services start by themselves, it is up now.
  answers && exit 0
fi
timed 'starting the engine' start_engine || cannot "dockerd does not start ($cache/dockerd.log); $how"
