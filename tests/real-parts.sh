#!/bin/bash
# Puts the real parts of the tests in place: Prometheus, Chromium, and the library that rotel needs.
#   tests/real-parts.sh [prometheus] [browser] [rotel]     default: all
# Prometheus needs no root: its package is unpacked into .cache. The others are installed with apt.
set -eu
cd "$(dirname "$0")/.."
cache=$PWD/.cache/prometheus

can_apt() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }
updated=
install() { # package...
    if can_apt; then
        [ -n "$updated" ] || apt-get update -qq
        updated=yes
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "the tests need a package: as root, apt-get install $*" >&2
        exit 1
    fi
}
prometheus() {
    command -v prometheus >/dev/null && command -v promtool >/dev/null && return
    [ -x "$cache/usr/bin/promtool" ] && return
    if ! command -v apt-get >/dev/null; then
        echo "the tests need Prometheus on PATH: its packages have prometheus and promtool" >&2
        exit 1
    fi
    mkdir -p "$cache"
    # The package alone: no service is started, and nothing outside .cache is touched.
    (cd "$cache" && { apt-get download -qq prometheus 2>/dev/null || { can_apt && apt-get update -qq && apt-get download -qq prometheus; }; })
    dpkg -x "$cache"/prometheus_*.deb "$cache"
    rm "$cache"/prometheus_*.deb
}
browser() {
    command -v chromium >/dev/null || command -v chromium-headless-shell >/dev/null || install chromium-headless-shell
}
rotel() {
    # rotel embeds the system's Python, whatever version runs the tests.
    ldconfig -p | grep -q 'libpython3\.11\.so\.1\.0' || install libpython3.11
}
[ $# -gt 0 ] || set -- prometheus browser rotel
for part in "$@"; do "$part"; done
