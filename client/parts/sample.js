/*
 * A sample: the library's statistics and the report's figures, and one made of several.
 */

import { READINGS } from "./fields.js";
import { SETTINGS } from "./loading.js";
import { text } from "./quiet.js";
import { metric, readTransport } from "./stats.js";

/**
 * Adds to *sample* what the report tells.
 * @param {Sample} sample @param {Reading} reading @param {boolean} [isP2P]
 */
export function addReading({ metrics }, { values, codecs, transport }, isP2P) {
    for (const [name] of READINGS) metrics[name] = metric(values[name]);
    const { value, labels } = metrics.connectionquality;
    metrics.connectionquality = metric(value, {
        ...labels,
        audioCodec: text(codecs.audio, 64),
        videoCodec: text(codecs.video, 64),
    });
    if (transport && !metrics.transport_rtt.length) {
        transport.p2p = isP2P;
        metrics.transport_rtt.push(readTransport(transport, SETTINGS.collectAddresses));
    }
}

// Of several samples these are added up; everything else is averaged.
const COUNTS = READINGS.flatMap(([name, how, , per]) =>
    how.endsWith("growth") && !per ? name : [],
);

/**
 * One sample of several, newest last; the newest says what is no number.
 * @param {Sample[]} samples
 * @returns {Sample}
 */
export function combine(samples) {
    const metrics = { ...samples[samples.length - 1].metrics };
    for (const name of Object.keys(metrics)) {
        if (Array.isArray(metrics[name])) continue;
        const values = samples.map((one) => one.metrics[name].value).filter(Number.isFinite);
        const sum = values.reduce((all, value) => all + value, 0);
        // 0 / 0 for none: not known.
        const value = sum / (COUNTS.includes(name) && values.length ? 1 : values.length);
        metrics[name] = metric(value, metrics[name].labels);
    }
    return { metrics };
}
