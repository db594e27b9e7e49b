#!/usr/bin/env bash
# Builds the image of Dockerfile.cloud from this checkout; layers that did not change are taken from the engine.
set -uo pipefail
. "$(dirname "$0")/settings.sh"

base=$("$root/scripts/engine/build-base.sh") || exit
# The host's network: an engine without firewall rules gives its containers no way out.
build() {
  timeout 900 docker build --force-rm --network host -f "$root/Dockerfile.cloud" --build-arg "BASE_IMAGE=$base" -t "$product_image" "$root"
}
timed 'building the product image' build
