// Plays one tab of a recording (tests/recordings) to the real client file, in a world of fakes.js.

/**
 * The pushes of one tab that arrive, each with the second in which it was sent, by the recording's
 * own lines and clock: statistics, events of the room, and at each moment the browser's own report
 * that was the truth then. They are answered by *answers*, one after the other.
 */
async function replay({ lines, id, intervalMs, isByBridge, answers }) {
    const raws = lines.filter((line) => line.kind === "raw");
    const world = Object.assign(makeWorld(), { answers });
    const room = makeRoom({ id, joined: false });
    const connections = new Map();
    let seconds = 0; // of the recording
    let count = 1;
    let isCut = false;
    let isSample = false; // statistics are being told
    const began = world.now();
    const secondsNow = () => (world.now() - began) / 1000;

    /** What was recorded right after now, as the client asked itself; else the last before. */
    function lineNow() {
        const at = raws.findIndex((raw) => raw.t >= seconds);
        if (at >= 0 && raws[at].t - seconds < 0.5) return raws[at];
        return raws[at < 0 ? raws.length - 1 : at - 1];
    }
    const reportNow = () => lineNow()?.data;

    // Of a conference by a bridge there is a report with each sample alone. A look between two that
    // found the last one again would see that nothing has come since: it finds the next, if that is
    // at most a second away.
    let looked;
    function look() {
        let line = lineNow();
        const next = raws[raws.indexOf(line) + 1];
        if (isByBridge && !isSample && line === looked && next?.t - secondsNow() < 1.2) line = next;
        looked = line;
        return makeReport(line?.data?.report || []);
    }

    function connectionNow() {
        const now = reportNow();
        if (!now) return undefined;
        if (!connections.has(now.connection)) connections.set(now.connection, { peerconnection: {} });
        const known = connections.get(now.connection);
        known.isP2P = now.p2p;
        Object.assign(known.peerconnection, {
            iceConnectionState: now.ice,
            connectionState: now.ice === "completed" ? "connected" : now.ice,
            getStats: async () => look(),
            getSenders: () => [], // what they were asked for is not recorded
        });
        return known;
    }

    // The timers that ask how late they are come as late as they did then.
    const waits = lines.filter((line) => line.kind === "late");
    const setTimer = world.setTimeout;
    world.setTimeout = (action, ms) => {
        const at = secondsNow();
        const next = ms === 250 ? waits.find((line) => line.t > at) : undefined;
        const left = next ? next.data.length - Math.round((next.t - at) / 0.25) : 0;
        return setTimer(action, ms + (next?.data[Math.max(0, left)] || 0));
    };

    const tracks = new Map();
    const nameOf = ({ owner, kind }) => `${owner} ${kind}`;
    /** A track of the room, the same one each time, as it was recorded last. */
    function track(recorded) {
        const name = nameOf(recorded);
        if (!tracks.has(name)) {
            const made = {
                getParticipantId: () => made.now.owner,
                getType: () => made.now.kind,
                isMuted: () => made.now.isMuted,
                isLocal: () => made.now.owner === undefined,
                getTrack: () => made.track,
            };
            tracks.set(name, made);
        }
        const { id, kind, isMuted } = recorded;
        const media = { id, kind, readyState: "live", enabled: !isMuted };
        return Object.assign(tracks.get(name), { now: recorded, track: media });
    }
    const tracksNow = () => (reportNow()?.tracks || []).map(track);

    /** The track that the next report has muted, or not muted any more. */
    function switchedNow() {
        const at = raws.findIndex((raw) => raw.t >= seconds);
        const [before, after] = [raws[at - 1], raws[at]].map((raw) => raw?.data?.tracks || []);
        const isSwitched = (one) =>
            before.some((each) => nameOf(each) === nameOf(one) && each.isMuted !== one.isMuted);
        return after.filter(isSwitched).map((one) => tracks.get(nameOf(one)))[0];
    }

    Object.assign(room, {
        getActivePeerConnection: connectionNow,
        getParticipantCount: () => count,
        getLocalTracks: () => tracksNow().filter((each) => each.isLocal()),
        getLocalAudioTrack: () => room.getLocalTracks().find((each) => each.getType() === "audio"),
        getParticipants: () => {
            const others = tracksNow().filter((each) => !each.isLocal());
            return [...new Set(others.map((each) => each.getParticipantId()))].map((owner) => ({
                getId: () => owner,
                getTracks: () => others.filter((each) => each.getParticipantId() === owner),
            }));
        },
    });

    const fetchOf = world.fetch;
    world.fetch = (...asked) => {
        if (isCut) world.answers.unshift("pending");
        const promise = fetchOf(...asked);
        world.calls[world.calls.length - 1].isWaiting = isCut;
        return promise;
    };

    /** What waits in a cut goes on when the way is there again. */
    async function mend() {
        isCut = false;
        for (const [at, call] of world.calls.entries()) {
            if (call.isWaiting && !call.aborted) await world.answer(at, 200);
            call.isWaiting = false;
        }
    }

    const play = {
        stats({ stats, participants }) {
            count = participants;
            isSample = true;
            room.emit("cq.local_stats_updated", stats);
            isSample = false;
        },
        event({ event, words }) {
            if (event === "conference.joined") room.joined = true;
            if (event === "conference.left") room.joined = false;
            if (event === "conference.userJoined") count++;
            if (event === "conference.userLeft") count--;
            room.emit(event, ...(event === "conference.trackMuteChanged" ? [switchedNow()] : words));
        },
        raw(now) {
            Object.defineProperty(document, "hidden", { value: now?.hidden === true, configurable: true });
        },
        "cut pushes": () => { isCut = true; },
        "mend pushes": mend,
    };

    window.config = { pcStatsInterval: intervalMs };
    setPage(room);
    otelJcmc.start(world);
    for (const line of lines) {
        await world.advance(Math.max(0, 1000 * (line.t - seconds)));
        seconds = line.t;
        await play[line.kind]?.(line.data);
        await world.advance(0);
    }
    const arrived = world.calls.filter((call) => !call.aborted && !call.isWaiting);
    const pushes = arrived.map(({ at, options }) => ({ t: at / 1000, body: JSON.parse(options.body) }));
    otelJcmc.stop();
    setPage(null);
    delete window.config;
    delete document.hidden;
    return pushes;
}
