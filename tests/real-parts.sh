#!/bin/bash
# Puts the real parts of the tests in place: Prometheus, Redis, nginx, Chromium, what rotel needs.
#   tests/real-parts.sh [prometheus] [redis] [nginx] [browser] [rotel] [node]   default: not node
# The first three need no root: their packages are unpacked into .cache, so that no service is
# started and nothing outside is touched. The others are installed with apt.
set -eu
cd "$(dirname "$0")/.."
cache=$PWD/.cache
updated=

can_apt() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }
update() {
    [ -n "$updated" ] || apt-get update -qq
    updated=yes
}
install() { # package...
    if ! can_apt; then
        echo "the tests need a package: as root, apt-get install $*" >&2
        exit 1
    fi
    update
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
unpack() { # folder package...
    folder=$1
    shift
    mkdir -p "$folder"
    if ! (cd "$folder" && apt-get download -qq "$@" 2>/dev/null); then
        if ! can_apt; then
            echo "the tests need these packages: as root, apt-get update, then again; or install $*" >&2
            exit 1
        fi
        update
        (cd "$folder" && apt-get download -qq "$@")
    fi
    for package in "$folder"/*.deb; do dpkg -x "$package" "$folder"; done
    rm "$folder"/*.deb
}
prometheus() {
    command -v prometheus >/dev/null && command -v promtool >/dev/null && return
    [ -x "$cache/prometheus/usr/bin/promtool" ] || unpack "$cache/prometheus" prometheus
}
redis() {
    # Beside Valkey, which is in the venv: the store is promised to work on both.
    command -v redis-server >/dev/null && return
    [ -x "$cache/redis/redis-server" ] && return
    unpack "$cache/redis" redis-server redis-tools libjemalloc2 liblzf1 liblua5.1-0 lua-cjson lua-bitop
    cat >"$cache/redis/redis-server" <<'SH'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu) exec "$here/usr/bin/redis-server" "$@"
SH
    chmod +x "$cache/redis/redis-server"
}
nginx() {
    type -P nginx >/dev/null || [ -x /usr/sbin/nginx ] && return
    [ -x "$cache/nginx/usr/sbin/nginx" ] || unpack "$cache/nginx" nginx
}
browser() {
    command -v chromium >/dev/null || command -v chromium-headless-shell >/dev/null \
        || install chromium-headless-shell
}
rotel() {
    # rotel embeds the system's Python, whatever version runs the tests.
    ldconfig -p | grep -q 'libpython3\.11\.so\.1\.0' || install libpython3.11
    command -v openssl >/dev/null || install openssl
}
node() {
    # For `make check` alone. -P: a command, not this function.
    type -P node npm >/dev/null || install nodejs npm
}
[ $# -gt 0 ] || set -- prometheus redis nginx browser rotel
for part in "$@"; do "$part"; done
