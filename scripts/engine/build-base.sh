#!/usr/bin/env bash
# Sees to it that the engine has a base image with Node 24 and npm: made here where this is Debian and root, else pulled.
# Prints nothing but its name on stdout. Ends with 3 and one line when neither can be.
set -uo pipefail
. "$(dirname "$0")/settings.sh"

# The machine's own certificates go in: behind a proxy with its own authority npm would trust nobody.
make_base() {
  local rootfs=$cache/rootfs-$node_version npm=usr/local/lib/node_modules/npm node tar
  node=$root/node_modules/node-linux-$1/bin/node
  mkdir -p "$cache"
  rm -rf "$rootfs"
  timeout 600 debootstrap --variant=minbase --include=ca-certificates bookworm "$rootfs" || return
  rm -rf "$rootfs"/var/cache/apt/archives/*.deb "$rootfs"/var/lib/apt/lists/*
  cp -L "$node" "$rootfs/usr/local/bin/node" || return
  mkdir -p "$rootfs/$npm"
  tar=$(cd "$cache" && npm pack --silent npm@$npm_version) || return
  tar -C "$rootfs/$npm" --strip-components=1 -xzf "$cache/$tar" && rm -f "$cache/$tar" || return
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$rootfs/usr/local/bin/npm"
  cp -L /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/ca-certificates.crt" || return
  tar -C "$rootfs" --numeric-owner -c . | docker import \
    -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' -c 'CMD ["node"]' - "$base_image" || return
  rm -rf "$rootfs"
}

image_there "$base_image" && { echo "$base_image"; exit; }
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ -x "$root/node_modules/node-linux-$arch/bin/node" ]; then
  command -v debootstrap >/dev/null ||
    timed 'installing debootstrap' timeout 300 apt-get install -y -qq --no-install-recommends debootstrap
  timed 'making the base image' make_base $arch && { echo "$base_image"; exit; }
fi
pulled=node:24-bookworm-slim
image_there $pulled || timed "pulling $pulled" timeout 300 docker pull $pulled && { echo $pulled; exit; }
cannot "no base image: $pulled cannot be pulled, and only root on Debian can make one (debootstrap); run docker pull $pulled"
