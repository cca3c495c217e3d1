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
    // The default of lib-jitsi-meet; a page's URL hash can set almost 0.
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
    let every = 1; // how many samples make one push
    // Tabs that join in the same second push in different seconds.
    const delayMs = random() * Math.min(jitterMs, sampleMs);
    let knownAt = now();
    /** @type {number[] | undefined} */
    let gaps;
    /** @type {Sample[]} */
    let samples = [];
    let isKnown = false; // the server has, or will soon have, numbers that are not null
    let turn = 0;
    let heartbeat = 0;
    /** @type {string | undefined} where the participant is connected, or was before an outage */
    let region;
    /** @type {string | undefined} the bridge, likewise; a peer-to-peer call has none */
    let bridge;
    /** @type {string | undefined} whether all transports go to the peer, likewise */
    let p2p;

    /**
     * Completes *metrics* before they are sent: outages, the place where they began, and a rating.
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
        // An outage may have begun since the sample.
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
            // A room that was left has no meeting id any more.
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

    /** Pushes the gathered samples at this tab's turn in the interval. */
    function offer() {
        if (delayMs) turn = turn || setTimeout(flush, delayMs);
        else flush();
    }

    /** If no sample comes for *quietMs*, stats have stopped: then pushes nulls, again and again. */
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
        // If no push was sent, the client reports a failure only. That push may wait for a
        // token or the server, because the page is still there.
        else
            sender.offer(
                sample ? makeBody(sample.metrics, { reason, cause, join_ms: joinMs }) : null,
            );
    }

    sender.begin();
    watch();
    return {
        push(sample) {
            // The median of three, because an interrupted connection brings extra events.
            gaps = gaps ? [...gaps, now() - knownAt].slice(-3) : [];
            if (gaps.length === 3) sampleMs = interval([...gaps].sort((a, b) => a - b)[1]);
            every = Math.round(pushMs / sampleMs) || 1;
            knownAt = now();
            samples.push(sample);
            // The first goes at once, so that a new participant is seen at once.
            if (!isKnown || samples.length >= every) {
                isKnown = true;
                offer();
            }
            watch();
        },
        rate(stars, comment) {
            rating = metric(stars >= 1 ? stars : NaN); // -1: none was chosen
            feedback = text(SETTINGS.collectFeedback && comment);
            // Most ratings come after the call: then the end is sent again, with the rating.
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
