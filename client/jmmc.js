/**
 * otel_jcmc's browser client for the wire of the Jitsi Meet Metrics Collector (JMMC).
 * In: `cq.local_stats_updated`, which lib-jitsi-meet emits on the room, every 10 s by default, and
 * for the loss on the way up the browser's own report (getStats).
 * Out: a POST that opens a session, which a cookie names; one with the first metrics; and from then
 * on one for each three samples, with what has changed. It must not disturb the call.
 */
(() => {
    "use strict";

    // As one of config.analytics.scriptURLs: without a handler the page takes it for a failure.
    try {
        window.JitsiMeetJS.app.analyticsHandlers.push(
            class {
                sendEvent() {}
                setUserProperties() {}
                dispose() {}
            },
        );
    } catch {
        // By a script tag, then.
    }
    // Loaded twice, or beside our other client, it would push twice.
    if (window.otelJmmc || window.otelJcmc) return;

    /** @type {Settings} Filled in by the server. */
    const SETTINGS = {};
    // Known only now. Absolute: a page's <base> does not matter.
    /** @type {Untrusted} */
    const script = document.currentScript;
    const PUSH_URL = new URL(
        SETTINGS.pushUrl || "push",
        script?.src || "http://127.0.0.1:3000/jmmc/getClient",
    );

    const SAMPLES = 3; // of a push: 30 s
    const POLL_MS = 1000;
    const TIMEOUT_MS = 10000;
    const REPORT_TIMEOUT_MS = 1000; // a dying connection need not answer getStats()
    const BACKOFF_MS = 1000;
    const MAX_WAIT_MS = 300000;
    const CLIENT_ID_KEY = "otel_jcmc.client_id";
    const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

    /**
     * The numbers that are averaged: path on the wire -> path in the library's stats. Not its loss
     * on the way up, which is always 0.
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

    /** @param {...unknown} words */
    const debug = (...words) => SETTINGS.debug && console.debug("otel_jcmc", ...words);

    /**
     * What *action* throws stays here: all around us is the page's code.
     * @template T
     * @param {() => T} action
     */
    function attempt(action) {
        try {
            return action();
        } catch (error) {
            debug(error);
        }
    }

    /**
     * The value at a dotted path, if any.
     * @param {Untrusted} object @param {string} path
     * @returns {Untrusted}
     */
    const read = (object, path) =>
        attempt(() => path.split(".").reduce((value, key) => value?.[key], object));

    /**
     * What a method answers, if there is one.
     * @param {Untrusted} object @param {string} method @param {unknown[]} args
     * @returns {Untrusted}
     */
    const ask = (object, method, ...args) => attempt(() => object?.[method]?.(...args));

    /**
     * Part of jitsi-meet's store.
     * @param {string} name
     */
    const feature = (name) =>
        read(ask(read(window, "APP.store"), "getState"), `features/base/${name}`);

    /**
     * Text that the wire takes; half an emoji would cost the whole push.
     * @param {Untrusted} value
     */
    const text = (value, limit = 256) =>
        typeof value === "string"
            ? value.slice(0, limit).replace(/[\0\uD800-\uDFFF]/gu, "") || undefined
            : undefined;

    /**
     * The parts of the library's "address:port": an IPv4 address as a number, and the port.
     * @param {Untrusted} endpoint
     * @returns {Untrusted[]}
     */
    function address(endpoint) {
        const [, ip = "", port] = /^((?:\d+\.){3}\d+):(\d+)$/.exec(endpoint) || [];
        const number = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
        return port ? [number, Number(port)] : [];
    }

    /**
     * What a sample tells of *stats*, by paths of the wire; undefined or NaN: not known. Keeps no
     * part of it: the library emits it again, changed.
     * @param {Untrusted} stats @param {string} [me]
     * @returns {JmmcState}
     */
    function readStats(stats, me = "", collectAddresses = SETTINGS.collectAddresses) {
        /** @type {JmmcState} */
        const sample = {};
        for (const [key, path] of AVERAGED) {
            const value = read(stats, path);
            // An estimate of 0 is none: Firefox has none, and the library once began with 0.
            sample[key] = value === 0 && path.startsWith("bandwidth") ? NaN : value;
        }
        /** @param {string} name @returns {Untrusted[]} of each stream that is ours */
        const own = (name) => attempt(() => Object.values(read(stats, name)[me])) || [];
        const [largest] = own("resolution").sort((a, b) => b.height - a.height);
        sample["res.h"] = read(largest, "height");
        sample["res.w"] = read(largest, "width");
        for (const codec of own("codec")) {
            sample["cdc.a"] = text(read(codec, "audio"), 64) || sample["cdc.a"];
            sample["cdc.v"] = text(read(codec, "video"), 64) || sample["cdc.v"];
        }
        const transport = read(stats, "transport.0");
        sample["t.tp"] = /^(?:ssl)?(tcp|udp)$/.exec(read(transport, "type"))?.[1];
        sample["t.sr"] = text(read(stats, "serverRegion"));
        if (collectAddresses) {
            [sample["t.ip"], sample["t.p"]] = address(read(transport, "ip"));
            [sample["t.lip"], sample["t.lp"]] = address(read(transport, "localip"));
        }
        return sample;
    }

    /**
     * How many packets of ours are lost, of how many, as the other side reports it.
     * @param {Map<string, Untrusted>} report an RTCStatsReport
     */
    function countLost(report) {
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
     * One state of several samples, newest last: the average of the numbers that are one, and of
     * everything else what was known last.
     * @param {JmmcState[]} samples
     * @returns {JmmcState}
     */
    function combine(samples) {
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
     * What of *state* is not in *known*, as the wire nests it.
     * @param {JmmcState} state @param {JmmcState} known
     */
    function changes(state, known) {
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

    let pageClientId = ""; // where storage is forbidden
    /** A GUID (version 4); a page on http: has no crypto.randomUUID. */
    function clientId() {
        const known = attempt(() => localStorage.getItem(CLIENT_ID_KEY)) || "";
        if (GUID.test(known)) return known;
        pageClientId =
            pageClientId ||
            "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () =>
                (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16),
            );
        attempt(() => localStorage.setItem(CLIENT_ID_KEY, pageClientId));
        return pageClientId;
    }

    /**
     * One stay at a time, from a join to its end. What the server is known to have is kept, so a
     * push that failed costs nothing: the next one has all that has changed since.
     * @param {JmmcEnvironment} environment
     * @returns {JmmcPusher}
     */
    function createPusher({ url, fetch, now, random, setTimeout, clearTimeout, token }) {
        /** @type {?JmmcStay} */
        let stay = null;
        /** @type {?AbortController} */
        let inFlight = null;
        let timer = 0;
        let notBefore = 0;
        let failures = 0; // since changes were taken

        function pump() {
            clearTimeout(timer);
            const of = stay;
            if (!of?.isDue || inFlight) return;
            const delay = notBefore - now();
            if (delay > 0) timer = setTimeout(pump, delay);
            else post(of);
        }

        /** @param {JmmcStay} of */
        function post(of) {
            const { uid, conf, pid } = of.who;
            const { state, known } = of;
            // With its id each time: another tab's cookie takes the place of ours.
            const m = known ? { ...changes(state, known), pid } : { br: "?", os: "?", pid };
            const request = new AbortController();
            inFlight = request;
            /** @param {Untrusted} [response] */
            const settle = (response) => {
                if (inFlight !== request) return;
                inFlight = null;
                clearTimeout(timeout);
                const status = read(response, "status");
                debug("answer", status);
                if (status === 200) {
                    // The server fills in who opens a session, and then knows nothing else.
                    of.known = known ? state : {};
                    of.isDue = of.state !== of.known;
                    if (known) failures = 0;
                } else {
                    if (status === 400) of.known = null; // a session that it does not know
                    notBefore = now() + waitMs(status, response);
                }
                pump();
            };
            const timeout = setTimeout(() => {
                request.abort();
                settle(); // a fetch wrapped by the page need not heed the signal
            }, TIMEOUT_MS);
            try {
                fetch(url, {
                    method: "POST",
                    // Without a type it is a simple request, text/plain: no preflight.
                    body: JSON.stringify({ uid, conf, m, token: attempt(token) }),
                    credentials: "include", // the cookie that names the session
                    referrerPolicy: "no-referrer", // the page's address can hold a token
                    signal: request.signal,
                }).then(settle, () => settle());
            } catch {
                settle();
            }
        }

        /** @param {Untrusted} status @param {Untrusted} response */
        function waitMs(status, response) {
            // Refused or not there: that passes.
            if (status > 400 && status < 429) return MAX_WAIT_MS;
            const backoffMs = random() * Math.min(MAX_WAIT_MS, BACKOFF_MS * 2 ** failures++);
            // Opened anew at once; but where cookies are forbidden that does not help.
            if (status === 400 && failures === 1) return 0;
            if (status !== 429 && status !== 503) return backoffMs;
            const askedMs = ask(response.headers, "get", "Retry-After") * 1000;
            return askedMs > 0 ? Math.min(askedMs, MAX_WAIT_MS) : backoffMs;
        }

        return {
            begin(who) {
                stay = stay || { who, samples: [], state: {}, known: null, isDue: false };
                return stay;
            },
            push(of, sample) {
                if (of !== stay) return;
                of.samples.push(sample);
                // The first goes as it is: who joins is seen at once.
                if (of.isSeen && of.samples.length < SAMPLES) return;
                // The one number for which the wire has a word for not known.
                const gone = "d.bw" in of.state ? { "d.bw": null } : {};
                of.state = { ...of.state, ...gone, ...combine(of.samples) };
                of.samples = [];
                of.isSeen = of.isDue = true;
                pump();
            },
            end() {
                clearTimeout(timer);
                inFlight?.abort();
                stay = inFlight = null;
            },
        };
    }

    function findRoom() {
        const current = read(feature("conference"), "conference");
        const rooms = [current, read(window, "APP.conference._room")];
        return rooms.find((room) => typeof read(room, "on") === "function");
    }

    /**
     * Follows one room object; returns what lets go of it.
     * @param {Untrusted} room @param {JmmcPusher} pusher @param {JmmcEnvironment} environment
     */
    function hookRoom(room, pusher, { setTimeout }) {
        let isOver = false; // stats that trail in bring nobody back
        /** @type {{peer?: Untrusted, lost?: number, sent?: number}} */
        let last = {};

        /** @param {Untrusted} stats */
        function push(stats) {
            if (isOver || (read(room, "isJoined") && !ask(room, "isJoined"))) return;
            const [conf, pid] = [text(ask(room, "getName")), text(ask(room, "myUserId"), 128)];
            if (!conf || !pid) return;
            const stay = pusher.begin({ uid: clientId(), conf, pid });
            const sample = readStats(stats, pid);
            const peer = read(ask(room, "getActivePeerConnection"), "peerconnection");
            /** @param {Untrusted} [report] */
            const finish = (report) => {
                attempt(() => {
                    const { lost, sent } = countLost(report);
                    // Another connection has counters of its own.
                    const since = last.peer === peer ? last : {};
                    const share = (lost - (since.lost || 0)) / (sent - (since.sent || 0));
                    sample["u.pl"] = share >= 0 ? Math.min(share, 1) * 100 : NaN;
                    last = { peer, lost, sent };
                });
                attempt(() => pusher.push(stay, sample));
            };
            const late = new Promise((resolve) => setTimeout(() => resolve(0), REPORT_TIMEOUT_MS));
            if (peer) Promise.race([ask(peer, "getStats"), late]).then(finish, () => finish());
            else finish();
        }

        function end() {
            isOver = true;
            pusher.end();
        }

        /** @param {(stats: Untrusted) => void} listener @returns {(stats: Untrusted) => void} */
        const quiet = (listener) => (stats) => {
            attempt(() => listener(stats));
        };
        const listeners = Object.entries({
            "cq.local_stats_updated": push,
            "conference.joined": () => {
                isOver = false;
            },
            "conference.left": end,
            "conference.kicked": end,
            "conference.failed": end,
        }).map(([event, listener]) => [event, quiet(listener)]);

        for (const listener of listeners) ask(room, "on", ...listener);
        return () => {
            for (const listener of listeners) ask(room, "off", ...listener);
            end();
        };
    }

    /** @returns {JmmcEnvironment} */
    const browser = () => ({
        url: PUSH_URL.href,
        fetch,
        now: () => performance.timeOrigin + performance.now(), // never runs back
        random: Math.random,
        setTimeout,
        clearTimeout,
        // Anew for each push: jitsi-meet renews it during a call.
        token: () => (SETTINGS.sendJwt ? text(read(feature("jwt"), "jwt"), 8192) : undefined),
    });

    let stop = () => {};

    /**
     * Looks for the room as long as the page lives: a rejoin or a breakout room is a new one.
     * @param {Partial<JmmcEnvironment>} [overrides]
     */
    function start(overrides) {
        stop();
        const environment = { ...browser(), ...overrides };
        const { setTimeout, clearTimeout } = environment;
        const pusher = createPusher(environment);
        /** @type {Untrusted} */
        let room;
        /** @type {(() => void) | undefined} */
        let unhook;
        let timer = 0;

        function release() {
            clearTimeout(timer);
            unhook?.();
            room = unhook = undefined;
        }

        function poll() {
            const found = findRoom();
            if (found !== room) {
                release();
                room = found;
                unhook = found && attempt(() => hookRoom(found, pusher, environment));
            }
            timer = setTimeout(poll, POLL_MS);
        }

        stop = release;
        poll();
    }

    window.otelJmmc = {
        version: SETTINGS.version,
        readStats,
        createPusher,
        start,
        stop: () => stop(),
    };
    attempt(start);
})();
