/*
 * JMMC: what a room's events mean for the stay, and the upload loss.
 */

import { clientId } from "./client_id.js";
import { takeReport } from "./connection.js";
import { countLost, readJmmcStats } from "./jmmc_state.js";
import { ask, attempt, text } from "./quiet.js";
import { isOutside, listen } from "./room.js";

/**
 * Follows one room object; returns a function that releases it.
 * @param {Untrusted} room @param {JmmcPusher} pusher @param {Timers} timers
 */
export function hookJmmcRoom(room, pusher, { setTimeout }) {
    let isOver = false; // late stats must not begin a new stay
    /** @type {{active?: Untrusted, lost?: number, sent?: number}} */
    let last = {};

    /** @param {Untrusted} stats */
    function push(stats) {
        if (isOver || isOutside(room)) return;
        const [conf, pid] = [text(ask(room, "getName")), text(ask(room, "myUserId"), 128)];
        if (!conf || !pid) return;
        const stay = pusher.begin({ uid: clientId(), conf, pid });
        const sample = readJmmcStats(stats, pid);
        takeReport(room, setTimeout, (active, report) => {
            attempt(() => {
                const { lost, sent } = countLost(report);
                // Another connection has its own counters.
                const since = last.active === active ? last : {};
                const share = (lost - (since.lost || 0)) / (sent - (since.sent || 0));
                sample["u.pl"] = share >= 0 ? Math.min(share, 1) * 100 : NaN;
                last = { active, lost, sent };
            });
            attempt(() => pusher.push(stay, sample));
        });
    }

    function end() {
        isOver = true;
        pusher.end();
    }

    const unlisten = listen(room, {
        "cq.local_stats_updated": push,
        "conference.joined": () => {
            isOver = false;
        },
        "conference.left": end,
        "conference.kicked": end,
        "conference.failed": end,
    });
    return {
        release() {
            unlisten();
            end();
        },
    };
}
