/*
 * What a room's events mean for the session, and what one sample is made of.
 */

import { clientId } from "./client_id.js";
import { takeReport } from "./connection.js";
import { SETTINGS } from "./loading.js";
import { readMedia } from "./media.js";
import { ask, attempt, read, text } from "./quiet.js";
import { readReport } from "./report.js";
import { isOutside, listen, readStore } from "./room.js";
import { addReading } from "./sample.js";
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
 * Follows one room object; returns what lets go of it.
 * @param {Untrusted} room @param {Pusher} pusher @param {Timers} timers
 * @returns {Unhook}
 */
export function hookRoom(room, pusher, { setTimeout }) {
    let isOver = false; // stats that trail in bring nobody back
    let ends = 0;
    /** @type {{active?: Untrusted, streams?: Reading["streams"]}} */
    let last = {};
    /** @type {Set<Untrusted>} Tracks, and names of sources, that were on and off since a sample. */
    const switched = new Set();

    function begin() {
        if (isOver || isOutside(room)) return;
        pusher.begin(() => identify(room), {
            intervalMs: read(window, "config.pcStatsInterval"),
            findMeetingId: () => text(ask(room, "getMeetingUniqueId")),
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
        const sample = readStats(stats, {
            username: SETTINGS.collectUsername && readStore("settings.displayName"),
            participants: ask(room, "getParticipantCount"),
        });
        const began = ends;
        takeReport(room, setTimeout, (active, report) => {
            attempt(() => {
                if (!report) return;
                // Another connection has counters of its own.
                if (last.active !== active) last = { active };
                const media = attempt(() => readMedia(room, active, switched));
                switched.clear();
                const reading = readReport(report, last.streams, media);
                last.streams = reading.streams;
                addReading(sample, reading, read(active, "isP2P"));
            });
            if (began === ends) attempt(() => pusher.push(sample));
        });
    }

    const unlisten = listen(room, {
        "cq.local_stats_updated": push,
        "conference.trackMuteChanged": (track) => switched.add(track),
        // Those that the bridge stops to forward; what it begins with is in the status of a track.
        "conference.forwardedSourcesChanged": (names) => names.forEach(switched.add, switched),
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
    if (ask(room, "isJoined")) begin();
    return (reason) => {
        unlisten();
        end(reason);
    };
}
