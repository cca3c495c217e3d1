/**
 * otel_jcmc's browser client: reports to a server how good this participant's Jitsi Meet call is.
 * In: `cq.local_stats_updated`, which lib-jitsi-meet emits on the room, every 10 s by default, and
 * at that moment the browser's own report on the connection (getStats).
 * Out: a POST for each event, and one when the participant leaves. It must not disturb the call.
 */

import { browser } from "./parts/browser.js";
import { failJoin, hookRoom } from "./parts/hook.js";
import { findPushUrl, SETTINGS } from "./parts/loading.js";
import { attempt } from "./parts/quiet.js";
import { readReport } from "./parts/report.js";
import { followRooms } from "./parts/room.js";
import { addReading } from "./parts/sample.js";
import { createPusher } from "./parts/session.js";
import { watchConnection } from "./parts/signalling.js";
import { readStats } from "./parts/stats.js";

const pushUrl = findPushUrl("metrics/push", "http://127.0.0.1:3000");

const client = {
    version: SETTINGS.version,
    readStats,
    readReport,
    addReading,
    createPusher,
    stop() {},

    /**
     * Rates the call, now or when it is over. Pages call this if they ask for the rating
     * themselves; the client notes the ratings that Jitsi asks for.
     * @param {Untrusted} _stars 1 to 5 @param {Untrusted} [_comment]
     */
    rate(_stars, _comment) {},

    /** @param {Partial<Environment>} [overrides] */
    start(overrides) {
        client.stop();
        /** @type {Environment} */
        const environment = {
            ...SETTINGS,
            ...browser(),
            url: pushUrl.href,
            tokenUrl: SETTINGS.tokenUrl && new URL(SETTINGS.tokenUrl, pushUrl),
            isCrossOrigin: pushUrl.origin !== location.origin,
            ...overrides,
        };
        const pusher = createPusher(environment);
        const unfollow = followRooms(
            (room) => hookRoom(room, pusher, environment),
            environment,
            watchConnection(environment.now, (error, joinMs) =>
                failJoin(null, pusher, error, joinMs),
            ),
        );
        client.rate = (...word) => attempt(() => pusher.rate(...word));
        client.stop = () => {
            client.rate = client.stop = () => {};
            unfollow();
        };
    },
};

// If it is loaded twice, only the first copy may push.
if (!window.otelJcmc) {
    window.otelJcmc = client;
    attempt(client.start);
}
