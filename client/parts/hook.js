/*
 * What a room's events mean for the session, and what one sample is made of.
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

// An error that asks a person for something, or leads to another server: the join goes on.
const ASKS = /required$|membersOnly$|redirected$/i;

/**
 * The default labels, if known. The room first: the page may be in another.
 * @param {Untrusted} room @param {string} [nobody] stands for a participant that has no id yet
 */
function identify(room, nobody) {
    const page = read(window, "APP.conference");
    const participant = text(ask(room, "myUserId") || ask(page, "getMyUserId"), 128) || nobody;
    // The page has it as the address has it, the library in small letters.
    const name = text(ask(room, "getName") || ask(read(page, "roomName"), "toLowerCase"));
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
 * Ends the session for *error*; one that has not begun, too.
 * @param {Untrusted} room @param {Pusher} pusher
 * @param {Untrusted} error the library's name of it @param {number} joinMs
 */
export function failJoin(room, pusher, error, joinMs) {
    if (ASKS.test(error)) return;
    pusher.begin(() => identify(room, "none"));
    pusher.end("failed", {
        cause: text(error, 64),
        joinMs,
        // All that is known of where: no bridge has been chosen yet.
        sample: readStats({ serverRegion: read(window, "config.deploymentInfo.region") }),
    });
}

/**
 * Follows one room object; returns what lets go of it.
 * @param {Untrusted} room @param {Pusher} pusher @param {Timers & {now: () => number}} timers
 * @returns {Hooked}
 */
export function hookRoom(room, pusher, timers) {
    const { setTimeout, now } = timers;
    let isOver = false; // stats that trail in bring nobody back
    let isFailed = false;
    let breaks = 0; // what was read before one is not true any more
    let since = ask(room, "isJoined") ? NaN : now(); // NaN: nobody knows since when it is joined
    let joinMs = NaN;
    /** @type {{active?: Untrusted, streams?: Reading["streams"], at?: number}} */
    let last = {};
    const outages = createOutages();
    const delay = watchDelay(timers);
    /** @type {Set<Untrusted>} Tracks, and names of sources, that were on and off since a sample. */
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
        breaks++;
        since = NaN;
        isOver = isOver || reason === "left" || reason === "kicked";
        pusher.end(reason);
    }

    /** @param {Untrusted} error */
    function fail(error) {
        breaks++;
        // How long a person takes to answer is not the join's.
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
            // What the bridge calls itself, of its channel's address; there is a password behind it.
            bridge: /\/colibri-ws\/([^/?#]+)/.exec(read(room, "rtc._channel._wsUrl"))?.[1],
        });
        if (outages.beat(now())) last = {};
        // The others have gone: that is no outage.
        if (participants === 1) outages.drop();
        const began = breaks;
        takeReport(room, setTimeout, (active, report) => {
            // What is not pushed is in the next one.
            if (began !== breaks) return;
            attempt(() => {
                if (!report) return;
                // Another connection has counters of its own.
                if (last.active !== active) last = { active };
                // Once through: at each look Chromium makes its objects anew, most of the cost.
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
        // Those that the bridge stops to forward; what it begins with is in the status of a track.
        "conference.forwardedSourcesChanged": (names) => names.forEach(switched.add, switched),
        "conference.joined": () => {
            isOver = isFailed = false;
            joinMs = now() - since;
            begin();
        },
        "conference.left": () => end("left"),
        "conference.kicked": () => end("kicked"),
        // For good, mostly; but stats of a joined room begin a new session.
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
        // It may have failed before it was found: nobody knows when it was begun.
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
