#!/bin/sh
# Writes pb/onnx.pb.go anew from onnx.proto. Needs protoc (Debian, Ubuntu:
# apt-get install protobuf-compiler); the plugin is the one pinned in tools/go.mod.
set -eu
cd "$(dirname "$0")"
plugin=$(mktemp -d)
trap 'rm -rf "$plugin"' EXIT
printf '#!/bin/sh\nexec go tool -modfile=../../tools/go.mod protoc-gen-go "$@"\n' >"$plugin/protoc-gen-go"
chmod +x "$plugin/protoc-gen-go"
PATH="$plugin:$PATH" protoc --go_out=pb --go_opt=paths=source_relative onnx.proto
