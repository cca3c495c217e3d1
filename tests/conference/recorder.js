// Tells the site what happens in this page's conference, if the page is asked to be recorded.
"use strict";

(() => {
    const asked = new URLSearchParams(location.search);
    const NOBODY_READS = ["certificate", "peer-connection", "data-channel"];
    const LOUD = ["audioLevelsChanged", "endpoint_message_received", "endpoint_stats_received"];
    const connections = new Map();
    const loud = new Set(LOUD.map((event) => `conference.${event}`));

    /** JSON cannot hold all: the encoding of tests/samples. */
    function encode(_, value) {
        if (value instanceof Map) return { __map: [...value] };
        if (Number.isNaN(value)) return "__NaN";
        // What is beyond is the error of the browser's sums.
        if (typeof value === "number") return Math.round(value * 1e6) / 1e6;
        return value === undefined ? "__undefined" : value;
    }

    async function tell(kind, data) {
        const body = JSON.stringify({ t: Date.now() / 1000, kind, data }, encode);
        await fetch(`/record?tab=${asked.get("me")}`, { method: "POST", body }).catch(() => {});
    }

    /** What is of use of a report: of the candidates only those of the pair in use. */
    function trim(report) {
        const all = [...report.values()];
        const used = new Set(all.map((stat) => stat.selectedCandidatePairId));
        const pairs = all.filter((stat) => used.has(stat.id) || stat.selected);
        for (const pair of pairs) used.add(pair.id).add(pair.localCandidateId).add(pair.remoteCandidateId);
        return all
            .filter((stat) => !NOBODY_READS.includes(stat.type))
            .filter((stat) => !/candidate/.test(stat.type) || used.has(stat.id))
            .map((stat) => ({ ...stat }));
    }

    /** The browser's own report on the connection that the conference uses now; null: none. */
    async function tellReport(room) {
        const active = room.getActivePeerConnection();
        const peer = active?.peerconnection;
        if (!peer) return tell("raw", null);
        if (!connections.has(active)) connections.set(active, connections.size + 1);
        const report = trim(await peer.getStats());
        return tell("raw", {
            connection: connections.get(active),
            p2p: active.isP2P,
            ice: peer.iceConnectionState,
            hidden: document.hidden,
            tracks: [...room.getLocalTracks(), ...room.getParticipants().flatMap((one) => one.getTracks())]
                .map((track) => ({
                    owner: track.isLocal() ? undefined : track.getParticipantId(),
                    kind: track.getType(),
                    isMuted: track.isMuted(),
                    id: track.getTrack()?.id,
                })),
            report,
        });
    }

    let late = []; // by how many ms each timer came that was set as the client sets its own
    function wait() {
        const due = performance.now() + 250;
        setTimeout(() => {
            late.push(Math.round(10 * Math.max(0, performance.now() - due)) / 10);
            wait();
        }, 250);
    }

    /** Begins to record *room*, before it is joined. */
    function record(room) {
        wait();
        const { conference, connectionQuality } = JitsiMeetJS.events;
        for (const event of new Set(Object.values(conference))) {
            if (loud.has(event)) continue;
            room.on(event, (...words) => tell("event", {
                event,
                // The rest is the library's objects.
                words: words.filter((word) => ["string", "number", "boolean"].includes(typeof word)),
                id: room.myUserId(),
            }));
        }
        room.on(connectionQuality.LOCAL_STATS_UPDATED, (stats) => {
            tell("stats", { stats, participants: room.getParticipantCount() });
            tell("late", late);
            late = [];
            tellReport(room);
        });
        // A conference by a bridge has many streams: its reports are those of the statistics.
        if (asked.get("focus")) return;
        setInterval(() => APP.conference._room === room && tellReport(room), 1000);
    }

    window.record = asked.get("record") ? record : () => {};
})();
