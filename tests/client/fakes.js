// What the tests put around the real client file: a clock, a network and a Jitsi room that do as they are told.

/** Undoes the encoding of tests/samples. */
function revive(value) {
    if (value === "__NaN") return NaN;
    if (value === "__undefined") return undefined;
    if (Array.isArray(value)) return value.map(revive);
    if (value === null || typeof value !== "object") return value;
    if ("__map" in value) return new Map(value.__map);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
}

/** Time and network: time passes by `advance` alone, and each request gets the next of `answers`, else a 200. */
function makeWorld() {
    const epoch = Date.UTC(2026, 0, 1, 12, 0, 0);
    let time = 0;
    let lastTimer = 0;
    const timers = new Map();
    const calls = [];

    const settleMicrotasks = async () => {
        for (let i = 0; i < 20; i++) await Promise.resolve();
    };

    function respond(call, answer) {
        if (answer === "reject") return call.reject(new TypeError("Failed to fetch"));
        const { status, headers = {}, body = "OK" } = typeof answer === "number" ? { status: answer } : answer;
        const response = new Response(status === 204 ? null : body, { status, headers });
        response.json = async () => JSON.parse(body); // the real one takes real time
        return call.resolve(response);
    }

    const world = {
        url: "https://metrics.example.org/metrics/push",
        calls,
        answers: [],
        chance: 0.5,
        now: () => epoch + time,
        random: () => world.chance,
        setTimeout(action, ms) {
            timers.set(++lastTimer, { at: time + ms, action });
            return lastTimer;
        },
        clearTimeout: (timer) => { timers.delete(timer); },
        fetch(url, options) {
            const answer = world.answers.length ? world.answers.shift() : 200;
            if (answer === "throw") {
                calls.push({ at: time, url, options });
                throw new TypeError("fetch is broken");
            }
            if (answer === "nothing") {
                calls.push({ at: time, url, options });
                return undefined;
            }
            return new Promise((resolve, reject) => {
                const call = { at: time, url, options, resolve, reject };
                calls.push(call);
                options.signal.addEventListener("abort", () => {
                    call.aborted = true;
                    if (answer !== "deaf") reject(new DOMException("aborted", "AbortError"));
                });
                if (answer !== "pending" && answer !== "deaf") respond(call, answer);
            });
        },
        /** Answers a call that is pending. */
        async answer(index, answer) {
            respond(calls[index], answer);
            await settleMicrotasks();
        },
        async advance(ms) {
            const end = time + ms;
            await settleMicrotasks();
            for (;;) {
                const due = [...timers].filter(([, timer]) => timer.at <= end);
                if (!due.length) break;
                const [id, { at, action }] = due.reduce((first, next) => (next[1].at < first[1].at ? next : first));
                timers.delete(id);
                time = Math.max(time, at);
                action();
                await settleMicrotasks();
            }
            time = end;
        },
        /** Time passes and nothing happens, as on a notebook that is closed. */
        sleep(ms) { time += ms; },
        pendingTimers: () => timers.size,
        /** What was sent, as plain data. */
        sent: () => calls.map(({ at, url, options, aborted }) => ({
            at,
            url,
            aborted: aborted === true,
            method: options.method,
            contentType: options.headers["Content-Type"],
            authorization: options.headers.Authorization,
            credentials: options.credentials,
            keepalive: options.keepalive,
            referrerPolicy: options.referrerPolicy,
            body: JSON.parse(options.body),
        })),
    };
    return world;
}

const LABELS = {
    client_id: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    participant_id: "1a2b3c4d",
    roomname: "standup",
};

/** A pusher in a world of its own, its session begun. */
function makePusher(options, environment = {}) {
    const world = Object.assign(makeWorld(), environment);
    const pusher = otelJcmc.createPusher(world);
    pusher.begin(() => LABELS, options);
    const push = (quality) => pusher.push(otelJcmc.readStats({ connectionQuality: quality }));
    return { world, pusher, push };
}

/** A room as lib-jitsi-meet has it, as far as the client looks. */
function makeRoom({ id = "1a2b3c4d", name = "standup", meeting = "meeting-1", joined = true } = {}) {
    const listeners = [];
    const room = {
        joined,
        isJoined: () => room.joined,
        myUserId: () => id,
        getName: () => name,
        getParticipantCount: () => 2,
        getMeetingUniqueId: () => (room.joined ? meeting : undefined),
        on: (event, listener) => { listeners.push([event, listener]); },
        off: (event, listener) => {
            const at = listeners.findIndex(([name, known]) => name === event && known === listener);
            if (at >= 0) listeners.splice(at, 1);
        },
        emit: (event, ...args) => {
            for (const [name, listener] of [...listeners]) if (name === event) listener(...args);
        },
        stats: (quality) => room.emit("cq.local_stats_updated", { connectionQuality: quality }),
        listenerCount: () => listeners.length,
    };
    return room;
}

/** jitsi-meet's globals around a room; `null`: in no room. */
function setPage(room, { displayName, jwt } = {}) {
    window.APP = {
        store: {
            getState: () => ({
                "features/base/conference": { conference: room || undefined },
                "features/base/settings": { displayName },
                "features/base/jwt": { jwt },
            }),
        },
        conference: { _room: room || undefined, roomName: "Standup", getMyUserId: () => "page-id" },
    };
}

/** The client started over in a world of its own. */
function startIn(world = makeWorld()) {
    otelJcmc.start(world);
    return world;
}

/** An RTCStatsReport of a list of stats; revive first what comes from Python. */
const makeReport = (list) => new Map(list.map((stat) => [stat.id, stat]));

/** The metrics of reports on one peer connection, one after the other; *of* each: what the page knows, isDown. */
function readReports(lists, isP2P, of = []) {
    let before;
    return lists.map((list, i) => {
        const { tracks = {}, isDown, ...media } = of[i] || {};
        const known = { ...media, tracks: new Map(Object.entries(tracks)) };
        const reading = otelJcmc.readReport(makeReport(revive(list)), before, known);
        before = reading.streams;
        const sample = otelJcmc.readStats({ connectionQuality: 100 });
        otelJcmc.addReading(sample, reading, isP2P, isDown);
        return sample.metrics;
    });
}

/** What a room answers as its active peer connection; `getStats` gives the next of *lists*, then the last. */
function makeConnection(lists, isP2P = false) {
    const queue = [...lists];
    const getStats = async () => makeReport(revive(queue.length > 1 ? queue.shift() : queue[0]));
    return { isP2P, peerconnection: { getStats, getSenders: () => [] } };
}

/** What client/jmmc.js sent, as plain data. */
const sentJmmc = (world) =>
    world.calls.map(({ at, url, options, aborted }) => {
        const { uid, ...body } = JSON.parse(options.body);
        return { at, url, uid, body, aborted: aborted === true, options: { ...options, body: undefined, signal: undefined } };
    });
