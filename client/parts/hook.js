/*
 * What a room's events mean for the session, and what one sample is made of.
 */

import { clientId } from "./client_id.js";
import { takeReport } from "./connection.js";
import { hearFeedback } from "./feedback.js";
import { SETTINGS } from "./loading.js";
import { createOutages } from "./outage.js";
import { ask, attempt, read, text } from "./quiet.js";
import { readReport } from "./report.js";
import { isOutside, listen, readStore } from "./room.js";
import { addReading, withhold } from "./sample.js";
import { readStats } from "./stats.js";

/**
 * The default labels, if known. The room first: the page may be in another.
 * @param {Untrusted} room
 */
function identify(room) {
    const page = read(window, "APP.conference");
    const participant = text(ask(room, "myUserId") || ask(page, "getMyUserId"), 128);
    const name = text(ask(room, "getName") || read(page, "roomName"));
    return participant && name
        ? { client_id: clientId(), participant_id: participant, roomname: name }
        : null;
}

/**
 * What the page is, if no ordinary participant. Who is hidden is counted by nobody, as a recorder.
 * @param {Untrusted} room
 */
function findRole(room) {
    if (read(window, "config.iAmRecorder") || ask(room, "isHidden")) return "recorder";
    if (read(window, "config.iAmSipGateway")) return "gateway";
    return readStore("visitors.iAmVisitor", "") ? "visitor" : undefined;
}

/**
 * Follows one room object; returns what lets go of it.
 * @param {Untrusted} room @param {Pusher} pusher @param {Timers & {now: () => number}} timers
 * @returns {Hooked}
 */
export function hookRoom(room, pusher, { setTimeout, now }) {
    let isOver = false; // stats that trail in bring nobody back
    let ends = 0;
    /** @type {{active?: Untrusted, streams?: Reading["streams"], at?: number}} */
    let last = {};
    const outages = createOutages();

    function begin() {
        if (isOver || isOutside(room)) return;
        pusher.begin(() => identify(room), {
            intervalMs: read(window, "config.pcStatsInterval"),
            findMeetingId: () => text(ask(room, "getMeetingUniqueId")),
            outages,
            findRole: () => findRole(room),
        });
    }

    /** Once a second: looks at an outage more often than the library does. */
    function beat() {
        // What has grown since a page stood still belongs to no interval.
        if (outages.beat(now())) last = {};
        if (!outages.isSuspect()) return;
        takeReport(room, setTimeout, (active, report) => {
            if (report && last.active === active)
                attempt(() => outages.look(new Map(report), now()));
        });
    }

    /** @param {EndReason} reason */
    function end(reason) {
        ends++;
        isOver = isOver || reason === "left" || reason === "kicked";
        pusher.end(reason);
    }

    /** @param {Untrusted} stats */
    function push(stats) {
        begin();
        const participants = ask(room, "getParticipantCount");
        const sample = readStats(stats, {
            username: SETTINGS.collectUsername && readStore("settings.displayName"),
            participants,
        });
        if (outages.beat(now())) last = {};
        // The others have gone: that is no outage.
        if (participants === 1) outages.drop();
        const began = ends;
        takeReport(room, setTimeout, (active, report) => {
            attempt(() => {
                if (!report) return;
                // Another connection has counters of its own.
                if (last.active !== active) last = { active };
                // Once through: at each look Chromium makes its objects anew, most of the cost.
                const copy = new Map(report);
                if (participants !== 1) outages.look(copy, now());
                const { streams, at = 0 } = last;
                const reading = readReport(copy, streams, {
                    isDown: outages.isDown(),
                    isOver: outages.isOver(),
                    isUp: outages.isUp(),
                    isProven: outages.isProven(at),
                });
                last = { active, streams: reading.streams, at: now() };
                addReading(sample, reading, read(active, "isP2P"));
            });
            withhold(sample, outages);
            if (began === ends) attempt(() => pusher.push(sample));
        });
    }

    const unlisten = listen(room, {
        "cq.local_stats_updated": push,
        "conference.joined": () => {
            isOver = false;
            begin();
        },
        "conference.left": () => end("left"),
        "conference.kicked": () => end("kicked"),
        // For good, mostly; but stats of a joined room begin a new session.
        "conference.failed": () => end("failed"),
        "conference.suspendDetected": () => end("suspended"),
    });
    hearFeedback(room);
    if (ask(room, "isJoined")) begin();
    return {
        beat,
        release(reason) {
            unlisten();
            end(reason);
        },
    };
}
