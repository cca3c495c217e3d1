/*
 * JMMC: the library's statistics in the form of its wire, and what has changed in them.
 */

import { protocol, readNumber } from "./library.js";
import { SETTINGS } from "./loading.js";
import { attempt, read, text } from "./quiet.js";

/**
 * The numbers that are averaged: path on the wire -> path in the library's stats. The library's
 * upload loss is left out, because it is always 0.
 */
const AVERAGED = Object.entries({
    cq: "connectionQuality",
    "u.bw": "bandwidth.upload",
    "u.ab": "bitrate.audio.upload",
    "u.vb": "bitrate.video.upload",
    "u.pl": "",
    "d.bw": "bandwidth.download",
    "d.ab": "bitrate.audio.download",
    "d.vb": "bitrate.video.download",
    "d.pl": "packetLoss.download",
});

/**
 * The parts of the library's "address:port": an IPv4 address as a number, and the port.
 * @param {Untrusted} endpoint
 * @returns {Untrusted[]}
 */
function addressAndPort(endpoint) {
    const [, ip = "", port] = /^((?:\d+\.){3}\d+):(\d+)$/.exec(endpoint) || [];
    const number = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    return port ? [number, Number(port)] : [];
}

/**
 * Returns the values of *stats* by paths of the wire; undefined or NaN: not known. Keeps no part of
 * *stats*, because the library changes it and emits it again.
 * @param {Untrusted} stats @param {string} [me]
 * @returns {JmmcState}
 */
export function readJmmcStats(stats, me = "", collectAddresses = SETTINGS.collectAddresses) {
    /** @type {JmmcState} */
    const sample = {};
    for (const [key, path] of AVERAGED) sample[key] = readNumber(stats, path);
    /** @param {string} name @returns {Untrusted[]} the values of each of our own streams */
    const own = (name) => attempt(() => Object.values(read(stats, name)[me])) || [];
    const [largest] = own("resolution").sort((a, b) => b.height - a.height);
    sample["res.h"] = read(largest, "height");
    sample["res.w"] = read(largest, "width");
    for (const codec of own("codec")) {
        sample["cdc.a"] = text(read(codec, "audio"), 64) || sample["cdc.a"];
        sample["cdc.v"] = text(read(codec, "video"), 64) || sample["cdc.v"];
    }
    const transport = read(stats, "transport.0");
    sample["t.tp"] = protocol(transport);
    sample["t.sr"] = text(read(stats, "serverRegion"));
    if (collectAddresses) {
        [sample["t.ip"], sample["t.p"]] = addressAndPort(read(transport, "ip"));
        [sample["t.lip"], sample["t.lp"]] = addressAndPort(read(transport, "localip"));
    }
    return sample;
}

/**
 * How many of our packets are lost, and of how many, as the other side reports it.
 * @param {Map<string, Untrusted>} report an RTCStatsReport
 */
export function countLost(report) {
    const counted = { lost: 0, sent: 0 };
    report.forEach((stat) => {
        const sent = stat.type === "remote-inbound-rtp" && report.get(stat.localId)?.packetsSent;
        if (!sent || !Number.isFinite(stat.packetsLost)) return;
        counted.lost += stat.packetsLost;
        counted.sent += sent;
    });
    return counted;
}

/**
 * One state of several samples, the newest last: numbers are averaged; for everything else the
 * last known value counts.
 * @param {JmmcState[]} samples
 * @returns {JmmcState}
 */
export function combineStates(samples) {
    /** @type {JmmcState} */
    const state = {};
    for (const sample of samples) {
        for (const [key, value] of Object.entries(sample)) state[key] = value ?? state[key];
    }
    for (const [key] of AVERAGED) {
        const values = samples.map((sample) => sample[key]).filter(Number.isFinite);
        const sum = values.reduce((all, value) => all + value, 0);
        state[key] = Math.round((sum / values.length) * 10) / 10;
    }
    for (const [key, value] of Object.entries(state)) {
        if (value === undefined || Number.isNaN(value)) delete state[key];
    }
    return state;
}

/**
 * What differs in *state* from *known*, nested as on the wire.
 * @param {JmmcState} state @param {JmmcState} known
 */
export function changes(state, known) {
    /** @type {Untrusted} */
    const m = {};
    for (const [path, value] of Object.entries(state)) {
        if (value === known[path]) continue;
        const [key, below] = path.split(".");
        if (below) m[key] = { ...m[key], [below]: value };
        else m[key] = value;
    }
    return m;
}
