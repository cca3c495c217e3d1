/**
 * otel_jcmc's browser client for the wire of the Jitsi Meet Metrics Collector (JMMC).
 * In: `cq.local_stats_updated`, which lib-jitsi-meet emits on the room, every 10 s by default, and
 * the browser's own report (getStats) for the upload loss.
 * Out: a POST that opens a session, which a cookie names; one with the first metrics; then one for
 * every three samples, with what has changed. It must not disturb the call.
 */

import { browser } from "./parts/browser.js";
import { hookJmmcRoom } from "./parts/jmmc_hook.js";
import { createJmmcPusher } from "./parts/jmmc_pusher.js";
import { readJmmcStats } from "./parts/jmmc_state.js";
import { findPushUrl, SETTINGS } from "./parts/loading.js";
import { attempt } from "./parts/quiet.js";
import { followRooms } from "./parts/room.js";

const { href: url } = findPushUrl("push", "http://127.0.0.1:3000/jmmc/");

const client = {
    version: SETTINGS.version,
    readStats: readJmmcStats,
    createPusher: createJmmcPusher,
    stop() {},

    /** @param {Partial<JmmcEnvironment>} [overrides] */
    start(overrides) {
        client.stop();
        const environment = { ...browser(), url, ...overrides };
        const pusher = createJmmcPusher(environment);
        client.stop = followRooms((room) => hookJmmcRoom(room, pusher, environment), environment);
    },
};

// If it is loaded twice, or with our other client, only the first may push.
if (!window.otelJmmc && !window.otelJcmc) {
    window.otelJmmc = client;
    attempt(client.start);
}
