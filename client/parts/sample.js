/*
 * A sample: the library's statistics and the report's figures, and one made of several.
 */

import { READINGS } from "./fields.js";
import { evaluate } from "./readings.js";
import { SETTINGS } from "./loading.js";
import { text } from "./quiet.js";
import { metric, readTransport } from "./stats.js";

const WAYS = /** @type {const} */ (["upload", "download"]);
const CHECKS_KBITS = 5; // more than checks and reports of a silent call
/** What a path is needed for. */
const MEASURED = /^(connectionq|packetloss|jitter|round|transport|bandwidth|bitrate)/;

/**
 * Adds to *sample* what the report tells.
 * @param {Sample} sample @param {Reading} reading @param {boolean} [isP2P]
 * @param {boolean} [isDown] nothing comes from the other side just now
 */
export function addReading({ metrics }, { live, codecs, transport, rates }, isP2P, isDown) {
    let worstSource;
    for (const row of READINGS) {
        const [value, stat] = evaluate(row, live, isDown);
        metrics[row[0]] = metric(value);
        // Below, it would be another one in each sample.
        if (row[0] === "packetloss_download_worst" && value >= 1) worstSource = text(stat.owner);
    }
    // The peer has not reported: what is known is of one way alone.
    if (metrics.packetloss_upload.value === null && live.some((stream) => stream[0]?.localId))
        metrics.packetloss_total = metric(NaN);
    for (const way of WAYS) {
        if (!rates || metrics[`bitrate_${way}`].value) continue;
        // The library says 0 before it has an interval, and when nothing arrives.
        if (!(rates[way] > 0 && rates[way] < CHECKS_KBITS))
            forget(metrics, (name) => name.startsWith("bitrate") && name.endsWith(way));
    }
    const { value, labels } = metrics.connectionquality;
    metrics.connectionquality = metric(value, {
        ...labels,
        worstSource,
        audioCodec: text(codecs.audio, 64),
        videoCodec: text(codecs.video, 64),
    });
    if (transport && !metrics.transport_rtt.length) {
        transport.p2p = isP2P;
        metrics.transport_rtt.push(readTransport(transport, SETTINGS.collectAddresses));
    }
}

/**
 * Takes out of *sample* what nobody could measure in an outage.
 * @param {Sample} sample @param {{isDown: () => boolean, isUp: () => boolean}} outages
 */
export function withhold({ metrics }, { isDown, isUp }) {
    const isAny = isDown();
    if (isAny || isUp())
        forget(metrics, (name) => MEASURED.test(name) && (isAny || !name.includes("download")));
}

/** @param {Sample["metrics"]} metrics @param {(name: string) => boolean} isUnknown */
function forget(metrics, isUnknown) {
    for (const [name, known] of Object.entries(metrics)) {
        if (!isUnknown(name)) continue;
        metrics[name] = Array.isArray(known)
            ? known.map(({ labels }) => metric(NaN, labels))
            : metric(NaN, known.labels);
    }
}

/**
 * Of several samples a count is added up; everything else is averaged.
 * @param {string} metric
 */
const isCount = (metric) =>
    READINGS.some(([name, how, , , per]) => name === metric && /(growth|changes)$/.test(how) && !per);

/**
 * One sample of several, newest last; the newest says what is no number.
 * @param {Sample[]} samples
 * @returns {Sample}
 */
export function combine(samples) {
    const metrics = { ...samples[samples.length - 1].metrics };
    for (const [name, last] of Object.entries(metrics)) {
        if (Array.isArray(last)) continue;
        const values = samples.map((one) => one.metrics[name].value).filter(Number.isFinite);
        // NaN of none: not known.
        const sum = values.reduce((all, value) => (all || 0) + value, NaN);
        metrics[name] = metric(isCount(name) ? sum : sum / values.length, last.labels);
    }
    return { metrics };
}
