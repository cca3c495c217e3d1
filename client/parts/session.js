/*
 * Sessions: from a join to its end, with an id, a count of pushes and a heartbeat.
 */

import { guid } from "./client_id.js";
import { combine } from "./sample.js";
import { createSender } from "./sender.js";
import { readStats } from "./stats.js";

const MAX_INTERVAL_MS = 100000; // the server keeps three intervals, at most 5 minutes

/** @param {Untrusted} ms */
function interval(ms) {
    // lib-jitsi-meet's default; and a page's URL hash can set next to nothing.
    const known = Number.isFinite(ms) ? ms : 10000;
    return Math.round(Math.min(Math.max(known, 1000), MAX_INTERVAL_MS));
}

/**
 * @param {Environment} environment @param {Sender} sender
 * @param {Identify} identify @param {BeginOptions} options
 * @returns {Session}
 */
function createSession(environment, sender, identify, { intervalMs, findMeetingId }) {
    const { now, random, setTimeout, clearTimeout, jitterMs = 0 } = environment;
    const pushMs = Math.min(environment.intervalMs || 0, MAX_INTERVAL_MS);
    const id = guid();
    let seq = 0;
    /** @type {ReturnType<Identify>} */
    let labels = null;
    /** @type {string | undefined} */
    let meetingId;
    let sampleMs = interval(intervalMs);
    let every = 1; // so many samples has one push
    // Tabs that join in the same second do not push in the same second.
    const delayMs = random() * Math.min(jitterMs, sampleMs);
    let knownAt = now();
    /** @type {number[] | undefined} */
    let gaps;
    /** @type {Sample[]} */
    let samples = [];
    let isKnown = false; // the server has, or is about to have, numbers that are not nulls
    let turn = 0;
    let heartbeat = 0;

    /**
     * @param {{metrics?: object}} sample @param {object} [end]
     * @returns {MakeBody}
     */
    const makeBody = (sample, end, at = knownAt) => (token) => {
        labels = labels || identify();
        meetingId = findMeetingId?.() || meetingId; // a room that was left has none
        return (
            labels &&
            JSON.stringify({
                default_labels: labels,
                session: {
                    id,
                    meeting_id: meetingId,
                    seq: seq++,
                    interval_ms: every * sampleMs,
                    stats_age_ms: Math.round(now() - at),
                    end,
                },
                token,
                ...sample,
            })
        );
    };

    function flush() {
        sender.offer(makeBody(combine(samples)));
        samples = [];
        turn = 0;
    }

    /** Pushes what was gathered when this tab's turn in an interval has come. */
    function offer() {
        if (delayMs) turn = turn || setTimeout(flush, delayMs);
        else flush();
    }

    /** If no sample comes for so long, stats have stopped: nulls, again and again. */
    function watch(quietMs = 2.5 * sampleMs) {
        clearTimeout(heartbeat);
        heartbeat = setTimeout(() => {
            samples = [readStats()];
            isKnown = false;
            offer();
            watch(every * sampleMs);
        }, quietMs);
    }

    sender.begin();
    watch();
    return {
        push(sample) {
            // The middle of three: an interrupted connection brings events off the beat.
            gaps = gaps ? [...gaps, now() - knownAt].slice(-3) : [];
            if (gaps.length === 3) sampleMs = interval([...gaps].sort((a, b) => a - b)[1]);
            every = Math.round(pushMs / sampleMs) || 1;
            knownAt = now();
            samples.push(sample);
            // The first goes as it is: who joins is seen at once.
            if (!isKnown || samples.length >= every) {
                isKnown = true;
                offer();
            }
            watch();
        },
        quiet() {
            if (isKnown) watch(0);
        },
        end(reason, { cause, joinMs, sample } = {}) {
            clearTimeout(heartbeat);
            clearTimeout(turn);
            if (seq) sender.last(makeBody({}, { reason, cause }));
            // A server that has heard nothing of the session is told nothing, but that it failed.
            // That can wait, for a token or a server: the page is still there.
            else sender.offer(sample ? makeBody(sample, { reason, cause, join_ms: joinMs }) : null);
        },
    };
}

/**
 * One session at a time.
 * @param {Environment} environment
 * @returns {Pusher}
 */
export function createPusher(environment) {
    const sender = createSender(environment);
    /** @type {?Session} */
    let session = null;
    return {
        begin(identify, options = {}) {
            session = session || createSession(environment, sender, identify, options);
        },
        push: (sample) => session?.push(sample),
        quiet: () => session?.quiet(),
        end(reason, failure) {
            session?.end(reason, failure);
            session = null;
        },
    };
}
