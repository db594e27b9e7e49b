#!/usr/bin/env bash
# Builds fake-gcs-server and toxiproxy from their Go modules, once, and puts each alone into an image.
# Ends with 3 and one line when there is no Go that can.
set -uo pipefail
. "$(dirname "$0")/settings.sh"

# go_binary MODULE VERSION BUILT-NAME NAME: $cache/bin/NAME-VERSION
go_binary() {
  local target=$cache/bin/$4-$2 aside
  [ -x "$target" ] && return
  mkdir -p "$cache/bin"
  aside=$(mktemp -d "$cache/bin/.build-XXXXXX")
  CGO_ENABLED=0 GOBIN=$aside timeout 900 go install -trimpath -ldflags='-s -w' "$1@v$2" && mv "$aside/$3" "$target"
  local code=$?
  rm -rf "$aside"
  return $code
}

# image TAG BINARY COMMAND...: nothing in it but the binary; COMMAND as JSON strings
image() {
  local tag=$1 binary=$2 context
  context=$(mktemp -d)
  cp "$binary" "$context/server"
  printf 'FROM scratch\nCOPY server /server\nENTRYPOINT ["/server"]\nCMD [%s]\n' "$3" >"$context/Dockerfile"
  timed "packing $1" docker build -q -t "$tag" "$context"
  local code=$?
  rm -rf "$context"
  return $code
}

image_there $gcs_image && image_there $toxiproxy_image && exit 0
gcs=$cache/bin/fake-gcs-server-$gcs_version
toxiproxy=$cache/bin/toxiproxy-$toxiproxy_version
if [ ! -x "$gcs" ] || [ ! -x "$toxiproxy" ]; then
  command -v go >/dev/null || cannot 'there is no Go to build the storage emulator with; install Go 1.26 or later (go.dev/dl)'
  timed 'building fake-gcs-server' go_binary github.com/fsouza/fake-gcs-server $gcs_version fake-gcs-server fake-gcs-server &&
    timed 'building toxiproxy' go_binary github.com/Shopify/toxiproxy/v2/cmd/server $toxiproxy_version server toxiproxy ||
    cannot "$(go version) cannot build the emulators; install Go 1.26 or later (go.dev/dl), and let it reach its module proxy"
fi
image $gcs_image "$gcs" '"-scheme", "http", "-port", "4443", "-backend", "memory"' || exit 1
image $toxiproxy_image "$toxiproxy" '"-host=0.0.0.0"' || exit 1
