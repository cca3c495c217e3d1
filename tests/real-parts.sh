#!/bin/bash
# Puts the real parts of the tests in place: Prometheus, Redis, nginx, Chromium, what rotel needs,
# and a clock that can be set for one process.
#   tests/real-parts.sh [prometheus] [alertmanager] [redis] [nginx] [browser] [rotel] [clock]
#                       [systemd]           the default
#                       [conference] [node]     for `make e2e`; for that and for `make check`
#                       [wrk]                   for `make bench`
#                       [proxies]               for `make fuzz`: HAProxy and Caddy
#                       [firefox]               for `make truth ARGS='--browser Firefox'`
# What is unpacked into .cache needs no root: no service is started and nothing outside is touched.
# The rest is installed with apt.
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
alertmanager() {
    command -v amtool >/dev/null && command -v prometheus-alertmanager >/dev/null && return
    [ -x "$cache/alertmanager/prometheus-alertmanager" ] && return
    [ -x "$cache/alertmanager/usr/bin/amtool" ] || unpack "$cache/alertmanager" prometheus-alertmanager
    # Debian's reads its templates from /usr/share alone: of the same length, a path in its folder.
    LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|usr//share/prometheus/alertmanager|g' \
        "$cache/alertmanager/usr/bin/prometheus-alertmanager"
    cat >"$cache/alertmanager/prometheus-alertmanager" <<'SH'
#!/bin/sh
cd "$(dirname "$0")" && exec usr/bin/prometheus-alertmanager "$@"
SH
    chmod +x "$cache/alertmanager/prometheus-alertmanager"
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
wrk() {
    type -P wrk >/dev/null && return
    [ -x "$cache/wrk/wrk" ] && return
    unpack "$cache/wrk" wrk libluajit-5.1-2
    cat >"$cache/wrk/wrk" <<'SH'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu) exec "$here/usr/bin/wrk" "$@"
SH
    chmod +x "$cache/wrk/wrk"
}
systemd() {
    # What it says of a unit; nothing of it is started.
    type -P systemd-analyze >/dev/null || install systemd libseccomp2
}
clock() {
    [ -n "$(find "$cache/clock" -name 'libfaketimeMT.so.1' 2>/dev/null)" ] \
        || unpack "$cache/clock" libfaketime
}
nginx() {
    type -P nginx >/dev/null || [ -x /usr/sbin/nginx ] && return
    [ -x "$cache/nginx/usr/sbin/nginx" ] || unpack "$cache/nginx" nginx
}
browser() {
    command -v chromium >/dev/null || command -v chromium-headless-shell >/dev/null \
        || install chromium-headless-shell
}
firefox() {
    command -v firefox-esr >/dev/null || command -v firefox >/dev/null || install firefox-esr
}
proxies() {
    [ -x "$cache/proxies/usr/bin/caddy" ] \
        || unpack "$cache/proxies" haproxy caddy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
}
rotel() {
    # rotel embeds the system's Python, whatever version runs the tests.
    ldconfig -p | grep -q 'libpython3\.11\.so\.1\.0' || install libpython3.11
    command -v openssl >/dev/null || install openssl
}
node() {
    # -P: a command, not this function.
    type -P node npm >/dev/null || install nodejs npm
}
conference() {
    node
    package lib-jitsi-meet @lyno/lib-jitsi-meet@2.6726.2 \
        7219c05db541cb1aa2064d1ba86837bf01d533f527aeaa7ae91f52265e72afcd
    package jquery jquery@3.6.0 \
        81aba42cff61ab4f21ddf493eb1873dd9702a685eca9a8a182c9d4002846f0f8
    command -v prosody >/dev/null && return
    [ -x "$cache/prosody/prosody" ] && return
    unpack "$cache/prosody" prosody lua5.4 lua-expat lua-filesystem lua-sec lua-socket libicu72
    sed -i "s|='/usr/lib/prosody|='$cache/prosody/usr/lib/prosody|" "$cache/prosody/usr/bin/prosody"
    cat >"$cache/prosody/prosody" <<'SH'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(echo "$here"/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH="$libraries"
export LUA_PATH="$here/usr/share/lua/5.4/?.lua;;" LUA_CPATH="$libraries/lua/5.4/?.so;;"
exec "$here/usr/bin/lua5.4" "$here/usr/bin/prosody" "$@"
SH
    chmod +x "$cache/prosody/prosody"
}
package() { # folder package@version sha256
    # Not installed: the library's build is whole as it is, and its dependencies are not to be had.
    [ -d "$cache/$1" ] && return
    rm -rf "$cache/$1.new"
    mkdir -p "$cache/$1.new"
    (
        cd "$cache/$1.new"
        npm pack --silent "$2" >/dev/null
        printf '%s  %s\n' "$3" *.tgz | sha256sum --check --quiet
        tar -xzf *.tgz --strip-components=1
        rm ./*.tgz
    )
    mv "$cache/$1.new" "$cache/$1"
}
[ $# -gt 0 ] || set -- prometheus alertmanager redis nginx browser rotel clock systemd
for part in "$@"; do "$part"; done
