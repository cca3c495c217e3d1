/*
 * What a room's events mean for the session, and how a sample is made.
 */

import { clientId } from "./client_id.js";
import { takeReport } from "./connection.js";
import { watchDelay } from "./delay.js";
import { hearFeedback } from "./feedback.js";
import { SETTINGS } from "./loading.js";
import { readMedia } from "./media.js";
import { createOutages } from "./outage.js";
import { ask, attempt, read, text } from "./quiet.js";
import { readReport } from "./report.js";
import { isOutside, listen, readStore } from "./room.js";
import { addReading, withhold } from "./sample.js";
import { readStats } from "./stats.js";

// Errors that ask the user for something, or lead to another server: the join goes on.
const ASKS = /required$|membersOnly$|redirected$/i;

/**
 * The default labels, if known. The room comes first, because the page may be in another room.
 * @param {Untrusted} room @param {string} [noId] the id of a participant that has none yet
 */
function identify(room, noId) {
    const page = read(window, "APP.conference");
    const participant = text(ask(room, "myUserId") || ask(page, "getMyUserId"), 128) || noId;
    // The page has the name as in the address, the library in lower case.
    const name = text(ask(room, "getName") || ask(read(page, "roomName"), "toLowerCase"));
    return participant && name
        ? { client_id: clientId(), participant_id: participant, roomname: name }
        : null;
}

/**
 * What the page is, unless an ordinary participant. A hidden one, like a recorder, is not counted.
 * @param {Untrusted} room
 */
function findRole(room) {
    if (read(window, "config.iAmRecorder") || ask(room, "isHidden")) return "recorder";
    if (read(window, "config.iAmSipGateway")) return "gateway";
    return readStore("visitors.iAmVisitor", "") ? "visitor" : undefined;
}

/**
 * Ends the session for *error*, even one that has not begun.
 * @param {Untrusted} room @param {Pusher} pusher
 * @param {Untrusted} error the library's name of it @param {number} joinMs
 */
export function failJoin(room, pusher, error, joinMs) {
    if (ASKS.test(error)) return;
    pusher.begin(() => identify(room, "none"));
    pusher.end("failed", {
        cause: text(error, 64),
        joinMs,
        // Only the region is known: no bridge has been chosen yet.
        sample: readStats({ serverRegion: read(window, "config.deploymentInfo.region") }),
    });
}

/**
 * Follows one room object; returns functions for its beat and its release.
 * @param {Untrusted} room @param {Pusher} pusher @param {Timers & {now: () => number}} timers
 * @returns {Hooked}
 */
export function hookRoom(room, pusher, timers) {
    const { setTimeout, now } = timers;
    let isOver = false; // late stats must not begin a new session
    let isFailed = false;
    let breaks = 0; // how often earlier readings have become invalid
    let since = ask(room, "isJoined") ? NaN : now(); // NaN: the time of the join is unknown
    let joinMs = NaN;
    /** @type {{active?: Untrusted, streams?: Reading["streams"], at?: number}} */
    let last = {};
    const outages = createOutages();
    const delay = watchDelay(timers);
    /** @type {Set<Untrusted>} Tracks, and source names, that were switched since the last sample.
    */
    const switched = new Set();

    function begin() {
        if (isOver || isOutside(room)) return;
        pusher.begin(() => identify(room), {
            intervalMs: read(window, "config.pcStatsInterval"),
            findMeetingId: () => text(ask(room, "getMeetingUniqueId")),
            outages,
            findRole: () => findRole(room),
        });
    }

    /** Once a second: checks a suspected outage more often than the library reports. */
    function beat() {
        // The growth while a page stood still belongs to no interval.
        if (outages.beat(now())) last = {};
        if (!outages.isSuspect()) return;
        takeReport(room, setTimeout, (active, report) => {
            if (report && last.active === active)
                attempt(() => outages.look(new Map(report), now()));
        });
    }

    /** @param {EndReason} reason */
    function end(reason) {
        breaks++;
        since = NaN;
        isOver = isOver || reason === "left" || reason === "kicked";
        pusher.end(reason);
    }

    /** @param {Untrusted} error */
    function fail(error) {
        breaks++;
        // The time that a person takes to answer does not count for the join.
        if (ASKS.test(error)) since = NaN;
        // The library may try again, and fail again: that is still one join.
        else if (isOver || isFailed) pusher.end("failed");
        else failJoin(room, pusher, error, now() - since);
        isFailed = !ASKS.test(error);
    }

    function quiet() {
        breaks++;
        pusher.quiet();
    }

    /** @param {Untrusted} stats */
    function push(stats) {
        begin();
        const participants = ask(room, "getParticipantCount");
        const sample = readStats(stats, {
            username: SETTINGS.collectUsername && readStore("settings.displayName"),
            participants,
            joinMs,
            // The bridge's own name, from the address of its channel; a password follows it there.
            bridge: /\/colibri-ws\/([^/?#]+)/.exec(read(room, "rtc._channel._wsUrl"))?.[1],
        });
        if (outages.beat(now())) last = {};
        // The others have left: that is not an outage.
        if (participants === 1) outages.drop();
        const began = breaks;
        takeReport(room, setTimeout, (active, report) => {
            // The next push has what this one leaves out.
            if (began !== breaks) return;
            attempt(() => {
                if (!report) return;
                // Another connection has its own counters.
                if (last.active !== active) last = { active };
                // Read once: Chromium makes the objects again at each access, most of the cost.
                const copy = new Map(report);
                if (participants !== 1) outages.look(copy, now());
                const media = attempt(() => readMedia(room, active, switched));
                switched.clear();
                if (media) media.delay = delay.take();
                const { streams, at = 0 } = last;
                const reading = readReport(copy, streams, media, {
                    isDown: outages.isDown(),
                    isOver: outages.isOver(),
                    isUp: outages.isUp(),
                    isProven: outages.isProven(at),
                });
                last = { active, streams: reading.streams, at: now() };
                outages.settle();
                addReading(sample, reading, read(active, "isP2P"), outages.isDown());
            });
            withhold(sample, outages);
            attempt(() => pusher.push(sample));
        });
    }

    const unlisten = listen(room, {
        "cq.local_stats_updated": push,
        "conference.trackMuteChanged": (track) => switched.add(track),
        // The sources that the bridge stops forwarding; a track's status shows those that begin.
        "conference.forwardedSourcesChanged": (names) => names.forEach(switched.add, switched),
        "conference.joined": () => {
            isOver = isFailed = false;
            joinMs = now() - since;
            begin();
        },
        "conference.left": () => end("left"),
        "conference.kicked": () => end("kicked"),
        // Final in most cases; but stats of a joined room begin a new session.
        "conference.failed": fail,
        "conference.suspendDetected": () => end("suspended"),
        "conference.connectionInterrupted": quiet,
        "conference.userLeft": () => {
            if (ask(room, "getParticipantCount") > 1) return;
            outages.drop();
            quiet();
        },
    });
    hearFeedback(room);
    if (ask(room, "isJoined")) begin();
    else {
        // It may have failed before it was found, so its beginning is unknown.
        const error = readStore("conference.error.name");
        if (error) {
            since = NaN;
            fail(error);
        }
    }
    return {
        beat,
        release(reason) {
            delay.stop();
            unlisten();
            end(reason);
        },
    };
}
