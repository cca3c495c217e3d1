#!/bin/sh
# Makes one Valkey Cluster of the masters in the arguments, each as address:port, with an equal share
# of the slots each. A second run changes nothing.
set -eu

at() { # node command...
    node=$1
    shift
    valkey-cli -h "${node%:*}" -p "${node#*:}" "$@"
}
has() { # node line of its CLUSTER INFO
    at "$1" cluster info | tr -d '\r' | grep -qx "$2"
}

first=$1
number=0
for node; do
    until [ "$(at "$node" ping)" = PONG ]; do sleep 0.2; done
    from=$((16384 * number / $#))
    number=$((number + 1))
    # A new node knows no other node and has no slots.
    if has "$node" cluster_slots_assigned:0 && has "$node" cluster_known_nodes:1; then
        at "$node" cluster set-config-epoch "$number"
        at "$node" cluster addslotsrange "$from" $((16384 * number / $# - 1))
    fi
done
for node; do
    [ "$node" = "$first" ] || at "$first" cluster meet "${node%:*}" "${node#*:}"
done
for node; do
    until has "$node" cluster_state:ok && has "$node" cluster_slots_ok:16384; do sleep 0.2; done
done
echo "$# masters are one cluster"
