/*
 * The browser's own report on a connection (getStats), compared with the previous one.
 */

import { pairsInUse } from "./outage.js";
import { watchPicture } from "./picture.js";

/**
 * The member that grows while a stream is in use, and falls when it is reset.
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
 * Reads from the browser's report on a peer connection what happened in the interval since
 * *before*.
 * Streams that are not in use are left out, because their last values never change again.
 * @param {Map<string, Untrusted>} report an RTCStatsReport, or its copy
 * @param {Map<string, Untrusted>} [before] `streams` of the same connection's last reading
 * @param {Media} [media] what the page knows
 * @param {Path} [path] what can't be measured now
 * @returns {Reading}
 */
export function readReport(report, before, media, { isDown, isOver, isUp, isProven = true } = {}) {
    const pairs = pairsInUse(report);
    const streams = new Map();
    /** @type {Stream[]} */
    const live = [[media, false, ["page"]]];
    /** @type {string[]} The types of our video's largest layer. */
    let largest = [];
    let lines = 0;
    /** @type {Reading["codecs"]} */
    const codecs = {};
    /** @type {Untrusted} */
    let transport;
    /** @type {Reading["rates"]} */
    let rates;
    let hasSound = false; // is sent

    report.forEach((stat) => {
        const beat = BEATS[stat.type];
        if (!beat || (beat === "bytesReceived" && !pairs.has(stat.id))) return;
        let old = before?.get(stat.id);
        let now = stat;
        if (beat === "sent") {
            // The peer reports at its own times, on what was sent until then. Chromium's count
            // includes the packets that probe the bandwidth, as packets of video.
            const out = report.get(stat.localId);
            const sent = out?.packetsSent - (out?.retransmittedPacketsSent || 0);
            if (stat.kind === "audio" && sent > before?.get(stat.localId)?.packetsSent) hasSound = true;
            // While nothing proves that packets arrive, the peer's report does not count.
            now = old && (old.timestamp === stat.timestamp || !isProven) ? old : { ...stat, sent };
        }
        const growth = now === old ? 0 : now[beat] - old?.[beat];
        // If the browser takes a loss back, the next loss is reduced by it.
        if (growth >= 0 && old.packetsLost > now.packetsLost)
            now = { ...now, packetsLost: old.packetsLost };
        const isLost = isDown || (isUp && beat === "sent");
        // Packets that an outage has lost do not count as loss afterwards.
        if (isOver && old) old = { ...old, packetsLost: NaN };
        const then = growth >= 0 && old;
        const types = [`${stat.type}:any`];
        if (growth !== 0) types.push(stat.type, `${stat.type}:${stat.kind}`);
        if (stat.type === "inbound-rtp") {
            const { isOn, owner } = media?.tracks.get(stat.trackIdentifier) || {};
            now = { ...watchPicture(now, then, isOn), owner };
            if (then) then.stops = then.stood = 0; // they count within one interval
            if (!now.rests && (growth || now.shouldMove)) types.push("inbound-rtp:moving");
        }
        if (media?.isOpen) types.push(`${stat.type}:open`);
        streams.set(stat.id, isLost ? { ...now, packetsLost: NaN, sent: NaN } : now);
        live.push([now, then, types]);
        if (stat.type === "candidate-pair") {
            const kbits = 8 / (stat.timestamp - old?.timestamp);
            rates = {
                upload: kbits * (stat.bytesSent - old?.bytesSent),
                download: kbits * growth,
            };
        }
        if (growth === 0) return;
        if (stat.type === "candidate-pair") {
            const local = report.get(stat.localCandidateId);
            const remote = report.get(stat.remoteCandidateId);
            // In the form of the library's transports.
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
    for (const [stat, , types] of live)
        if (types.includes("remote-inbound-rtp") && (!hasSound || stat.kind === "audio"))
            types.push("remote-inbound-rtp:counted");
    return { live, codecs, transport, rates, streams };
}
