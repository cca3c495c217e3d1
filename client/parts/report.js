/*
 * The browser's own report on a connection (getStats), read against the one before.
 */

/**
 * What grows while a stream is in use, and falls when it is reset.
 * @type {Record<string, string>}
 */
const BEATS = {
    "inbound-rtp": "packetsReceived",
    "outbound-rtp": "packetsSent",
    "remote-inbound-rtp": "sent",
    "candidate-pair": "bytesReceived",
};

/**
 * What the browser's report on a peer connection tells of the interval since *before*.
 * Streams that are not in use are left out: what they last said stands still for good.
 * @param {Map<string, Untrusted>} lazy an RTCStatsReport
 * @param {Map<string, Untrusted>} [before] `streams` of the same connection's last reading
 * @returns {Reading}
 */
export function readReport(lazy, before) {
    // Once through: at each look Chromium makes its objects anew, which is most of the cost.
    const report = new Map(lazy);
    const pairs = new Set(); // that are in use, by their ids: one, where media are bundled
    report.forEach((stat) => {
        pairs.add(stat.selectedCandidatePairId); // of a transport
        if (stat.selected) pairs.add(stat.id); // Firefox before 142 has no transports
    });
    const streams = new Map();
    /** @type {Stream[]} */
    const live = [];
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
        streams.set(stat.id, now);
        const growth = now[beat] - old?.[beat];
        if (growth === 0) return;
        live.push([now, growth > 0 && old]);
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
            const [kind, codec] = String(report.get(stat.codecId)?.mimeType).split("/");
            codecs[kind] = codec;
        }
    });
    return { live, codecs, transport, streams };
}
