/*
 * A sample: the library's statistics and the report's figures; and one sample made of several.
 */

import { READINGS } from "./fields.js";
import { evaluate } from "./readings.js";
import { SETTINGS } from "./loading.js";
import { text } from "./quiet.js";
import { metric, readTransport } from "./stats.js";

const WAYS = /** @type {const} */ (["upload", "download"]);
const CHECKS_KBITS = 5; // more than the checks and reports of a silent call
/** The metrics that need a path. */
const MEASURED = /^(connectionq|packetloss|jitter|round|transport|bandwidth|bitrate)/;

/**
 * Adds the figures of the report to *sample*.
 * @param {Sample} sample @param {Reading} reading @param {boolean} [isP2P]
 * @param {boolean} [isDown] whether nothing arrives from the other side now
 */
export function addReading({ metrics }, { live, codecs, transport, rates }, isP2P, isDown) {
    let worstSource;
    for (const row of READINGS) {
        const [value, stat] = evaluate(row, live, isDown);
        metrics[row[0]] = metric(value);
        // Below 1 % it would be another source in each sample.
        if (row[0] === "packetloss_download_worst" && value >= 1) worstSource = text(stat.owner);
    }
    // The peer has not reported, so the loss of one way only is known.
    if (metrics.packetloss_upload.value === null && live.some((stream) => stream[0]?.localId))
        metrics.packetloss_total = metric(NaN);
    for (const way of WAYS) {
        if (!rates || metrics[`bitrate_${way}`].value) continue;
        // The library says 0 before its first interval, and when nothing arrives.
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
 * Removes from *sample* what could not be measured in an outage.
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
 * Whether a metric of several samples is a sum; all others are averaged.
 * @param {string} metric
 */
const isCount = (metric) =>
    READINGS.some(([name, how, , , per]) => name === metric && /(growth|changes)$/.test(how) && !per);

/**
 * One sample of several, the newest last; what is not a number comes from the newest.
 * @param {Sample[]} samples
 * @returns {Sample}
 */
export function combine(samples) {
    const metrics = { ...samples[samples.length - 1].metrics };
    for (const [name, last] of Object.entries(metrics)) {
        if (Array.isArray(last)) continue;
        const values = samples.map((one) => one.metrics[name].value).filter(Number.isFinite);
        // NaN if no sample has a value: not known.
        const sum = values.reduce((all, value) => (all || 0) + value, NaN);
        metrics[name] = metric(isCount(name) ? sum : sum / values.length, last.labels);
    }
    return { metrics };
}
