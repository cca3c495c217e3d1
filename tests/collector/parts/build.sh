#!/bin/bash
# Builds the parts of `make collector` from pinned modules with checksums, once, into .cache/collector:
#   tests/collector/parts/build.sh [prometheus] [collector] [alertmanager] [jaeger]     the default: all
# It needs Go and a proxy for Go modules. A part is built again when its modules or flags have changed.
set -eu
cd "$(dirname "$0")"
out=$(cd ../../.. && mkdir -p .cache/collector && cd .cache/collector && pwd)
export GOFLAGS=-mod=readonly GOTOOLCHAIN=local
export PATH=$PATH:/usr/local/go/bin

# Without what finds targets in clouds, which no file of collector-config/ asks for: half the time.
without_clouds=-tags=remove_all_sd

build() { # part output-or-folder [flag] package...
    part=$1 to=$2
    shift 2
    sum=$(cat "$part"/go.* "$part"/*.go build.sh 2>/dev/null | sha256sum)
    [ "$(cat "$out/$part.sum" 2>/dev/null)" != "$sum" ] || return 0
    if ! type -P go >/dev/null; then
        echo "make collector needs Go 1.26 or newer: https://go.dev/dl/" >&2
        exit 1
    fi
    echo "building $part: some minutes, once" >&2
    mkdir -p "$out/bin"
    (cd "$part" && nice -n 19 go build -trimpath -ldflags='-s -w' -o "$out/bin/$to" "$@")
    echo "$sum" >"$out/$part.sum"
}
prometheus() {
    from=github.com/prometheus/prometheus/cmd
    build prometheus "" $without_clouds $from/prometheus $from/promtool
}
collector() { build collector otelcol $without_clouds .; }
alertmanager() {
    from=github.com/prometheus/alertmanager/cmd
    build alertmanager "" $from/alertmanager $from/amtool
}
jaeger() { build jaeger "" github.com/jaegertracing/jaeger/cmd/jaeger; }
[ $# -gt 0 ] || set -- prometheus collector alertmanager jaeger
for part in "$@"; do "$part"; done
