/*
 * Sessions: from a join to its end, with an id, a count of pushes and a heartbeat.
 */

import { guid } from "./client_id.js";
import { SETTINGS } from "./loading.js";
import { text } from "./quiet.js";
import { combine, withhold } from "./sample.js";
import { createSender } from "./sender.js";
import { metric, readStats } from "./stats.js";

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
function createSession(environment, sender, identify, options) {
    const { intervalMs, findMeetingId, findRole, outages } = options;
    const { now, random, setTimeout, clearTimeout, jitterMs = 0 } = environment;
    const pushMs = Math.min(environment.intervalMs || 0, MAX_INTERVAL_MS);
    const id = guid();
    let seq = 0;
    /** @type {ReturnType<Identify>} */
    let labels = null;
    /** @type {string | undefined} */
    let meetingId;
    /** @type {string | undefined} */
    let role;
    /** @type {Metric | undefined} */
    let rating;
    /** @type {string | undefined} */
    let feedback;
    /** @type {EndReason | undefined} */
    let reason;
    /** @type {Failure | undefined} */
    let failure;
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
    /** @type {string | undefined} where the participant is connected, or was when an outage began */
    let region;
    /** @type {string | undefined} the same, of the bridge; with a peer there is none */
    let bridge;
    /** @type {string | undefined} whether all transports go to the peer, or did */
    let p2p;

    /**
     * What *metrics* say when they go: with outages, where they began, and a rating.
     * @param {Sample["metrics"]} [metrics] @param {Told} [told]
     */
    function complete(metrics, told) {
        if (!metrics) return rating && { rating };
        const { value, labels } = metrics.connectionquality;
        if (!(told?.down || told?.up)) {
            region = labels?.serverregion || region;
            /** @type {Metric[]} */
            const paths = metrics.transport_rtt;
            if (paths[0]) {
                bridge = labels?.bridge;
                p2p = paths.every((path) => path.labels?.p2p === "true") ? "true" : undefined;
            }
        }
        const made = {
            ...metrics,
            connectionquality: metric(value ?? NaN, {
                ...labels,
                serverregion: region,
                bridge,
                p2p,
            }),
            ...(told && { outage_down: metric(told.down), outage_up: metric(told.up) }),
            ...(rating && { rating }),
        };
        // It may have become one since the sample.
        if (outages) withhold({ metrics: made }, outages);
        return made;
    }

    /**
     * @param {Sample["metrics"]} [metrics] @param {object} [end]
     * @returns {MakeBody}
     */
    function makeBody(metrics, end, at = knownAt) {
        /** @type {MakeBody} */
        const make = (token) => {
            labels = labels || identify();
            // A room that was left has none.
            meetingId = findMeetingId?.() || meetingId;
            role = role || findRole?.();
            const told = outages?.tell(now());
            make.taken = told?.taken;
            return (
                labels &&
                JSON.stringify({
                    default_labels: labels,
                    session: {
                        id,
                        meeting_id: meetingId,
                        role,
                        seq: seq++,
                        interval_ms: every * sampleMs,
                        stats_age_ms: Math.round(now() - at),
                        feedback,
                        end,
                    },
                    token,
                    metrics: complete(metrics, told),
                })
            );
        };
        return make;
    }

    function flush() {
        sender.offer(makeBody(combine(samples).metrics));
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

    /** @param {EndReason} why @param {Failure} [how] */
    function end(why, how = {}) {
        const { cause, joinMs, sample } = how;
        reason = why;
        failure = how;
        clearTimeout(heartbeat);
        clearTimeout(turn);
        if (seq) sender.last(makeBody(undefined, { reason, cause }));
        // A server that has heard nothing of the session is told nothing, but that it failed.
        // That can wait, for a token or a server: the page is still there.
        else
            sender.offer(
                sample ? makeBody(sample.metrics, { reason, cause, join_ms: joinMs }) : null,
            );
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
        rate(stars, comment) {
            rating = metric(stars >= 1 ? stars : NaN); // -1: none was chosen
            feedback = text(SETTINGS.collectFeedback && comment);
            // Mostly it comes when the call is over: the end is told again, with it.
            if (reason) end(reason, failure);
        },
        quiet() {
            if (isKnown) watch(0);
        },
        end,
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
    /** @type {?Session} */
    let last = null;
    return {
        begin(identify, options = {}) {
            session = last = session || createSession(environment, sender, identify, options);
        },
        push: (sample) => session?.push(sample),
        rate: (...word) => last?.rate(...word),
        quiet: () => session?.quiet(),
        end(reason, failure) {
            session?.end(reason, failure);
            session = null;
        },
    };
}
