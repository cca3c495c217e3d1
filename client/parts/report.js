/*
 * The browser's own report on a connection (getStats), read against the one before.
 */

import { watchPicture } from "./picture.js";

/**
 * What grows while a stream is in use, and falls when it is reset.
 * @type {Record<string, string>}
 */
const BEATS = {
    "inbound-rtp": "packetsReceived",
    "outbound-rtp": "packetsSent",
    "remote-inbound-rtp": "sent",
    "candidate-pair": "bytesReceived",
    "media-source": "timestamp",
    transport: "timestamp",
};

/**
 * What the browser's report on a peer connection tells of the interval since *before*.
 * Streams that are not in use are left out: what they last said stands still for good.
 * @param {Map<string, Untrusted>} lazy an RTCStatsReport
 * @param {Map<string, Untrusted>} [before] `streams` of the same connection's last reading
 * @param {Media} [media] what the page knows
 * @returns {Reading}
 */
export function readReport(lazy, before, media) {
    // Once through: at each look Chromium makes its objects anew, which is most of the cost.
    const report = new Map(lazy);
    const pairs = new Set(); // that are in use, by their ids: one, where media are bundled
    report.forEach((stat) => {
        pairs.add(stat.selectedCandidatePairId); // of a transport
        if (stat.selected) pairs.add(stat.id); // Firefox before 142 has no transports
    });
    const streams = new Map();
    /** @type {Stream[]} */
    const live = [[media, false, ["page"]]];
    /** @type {string[]} Of the largest layer of our video. */
    let largest = [];
    let lines = 0;
    /** @type {Reading["codecs"]} */
    const codecs = {};
    /** @type {Untrusted} */
    let transport;

    report.forEach((stat) => {
        const beat = BEATS[stat.type];
        if (!beat || (beat === "bytesReceived" && !pairs.has(stat.id))) return;
        const old = before?.get(stat.id);
        let now = stat;
        if (beat === "sent") {
            // The peer reports when it likes, on what was sent up to then. Chromium counts
            // what it sends to probe the bandwidth in, as packets of video.
            const out = report.get(stat.localId);
            const sent = out?.packetsSent - (out?.retransmittedPacketsSent || 0);
            now = old && old.timestamp === stat.timestamp ? old : { ...stat, sent };
        }
        const growth = now[beat] - old?.[beat];
        const then = growth >= 0 && old;
        const types = [`${stat.type}:any`];
        if (growth !== 0) types.push(stat.type, `${stat.type}:${stat.kind}`);
        if (stat.type === "inbound-rtp") {
            const { isOn, owner } = media?.tracks.get(stat.trackIdentifier) || {};
            now = { ...watchPicture(stat, then, isOn), owner };
            if (then) then.stops = then.stood = 0; // those are an interval's
            if (!now.rests && (growth || isOn)) types.push("inbound-rtp:moving");
        }
        if (media?.isOpen) types.push(`${stat.type}:open`);
        streams.set(stat.id, now);
        live.push([now, then, types]);
        if (growth === 0) return;
        if (stat.type === "candidate-pair") {
            const local = report.get(stat.localCandidateId);
            const remote = report.get(stat.remoteCandidateId);
            // As the library would have it among its transports.
            transport = {
                ...local, // its networkType
                type: local?.protocol,
                localCandidateType: local?.candidateType,
                remoteCandidateType: remote?.candidateType,
                rtt: stat.currentRoundTripTime * 1000,
                localip: `${local?.address}:`,
                ip: `${remote?.address}:`,
            };
        }
        if (stat.type === "outbound-rtp") {
            const sent = (stat.framesPerSecond > 0 && stat.frameHeight) || 0;
            if (sent >= lines) [lines, largest] = [sent, types];
            const [kind, codec] = String(report.get(stat.codecId)?.mimeType).split("/");
            codecs[kind] = codec;
        }
    });
    largest.push("outbound-rtp:largest");
    return { live, codecs, transport, streams };
}
