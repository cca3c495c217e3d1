/*
 * The library's statistics in the form of a push.
 */

import { FIELDS, READINGS } from "./fields.js";
import { protocol, readNumber } from "./library.js";
import { SETTINGS } from "./loading.js";
import { attempt, read, text } from "./quiet.js";

/**
 * Undefined labels are left out of the JSON.
 * @param {Untrusted} number @param {Labels} labels
 * @returns {Metric}
 */
export const metric = (number, labels = {}) => ({
    value: Number.isFinite(number) ? Math.round(number * 1000) / 1000 : null,
    labels: JSON.stringify(labels) === "{}" ? undefined : labels,
});

/**
 * The address in the library's "address:port"; undefined for a name ("….local"). IPv6 comes with
 * and without brackets: the port follows the last colon.
 * @param {Untrusted} endpoint
 */
const address = (endpoint) =>
    /^\[?((\d+\.){3}\d+|[\da-f.]*:[\da-f.:]+)\]?$/i.exec(
        String(endpoint).replace(/:\d*$/, ""),
    )?.[1];

/** @param {Untrusted} transport @param {boolean} [collectAddresses] */
export function readTransport(transport, collectAddresses) {
    const p2p = read(transport, "p2p");
    /** @param {string} name */
    const own = (name) => text(read(transport, name));
    return metric(read(transport, "rtt"), {
        protocol: protocol(transport),
        networkType: own("networkType"),
        localCandidateType: own("localCandidateType"),
        remoteCandidateType: own("remoteCandidateType"),
        p2p: typeof p2p === "boolean" ? String(p2p) : undefined,
        src_ip: address(collectAddresses && own("localip")),
        dst_ip: address(collectAddresses && own("ip")),
    });
}

/**
 * Reads *stats* for a push. Keeps no part of it, because the library changes it and emits it again.
 * @type {ReadStats}
 */
export function readStats(
    stats,
    { username, participants, joinMs, bridge, collectAddresses = SETTINGS.collectAddresses } = {},
) {
    /** @type {Sample["metrics"]} */
    const metrics = {};
    for (const path of FIELDS) {
        metrics[path.toLowerCase().replace(/\./g, "_")] = metric(readNumber(stats, path));
    }
    metrics.conference_participants = metric(participants);
    metrics.join_time = metric(joinMs);
    for (const [name] of READINGS) metrics[name] = metric(NaN);
    /** @type {Untrusted[]} */
    const transports = attempt(() => stats?.transport?.filter(Boolean).slice(0, 8)) || [];
    // The far end of any other transport may be a person's.
    const bridged = transports.find((one) => read(one, "p2p") === false);
    metrics.connectionquality = metric(metrics.connectionquality.value, {
        serverregion: text(read(stats, "serverRegion")),
        bridge: text(bridged && (bridge || read(bridged, "ip"))),
        username: text(username),
    });
    metrics.transport_rtt = transports.map((one) => readTransport(one, collectAddresses));
    return { metrics };
}
