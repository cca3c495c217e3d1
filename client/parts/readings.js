/*
 * Figures of the browser's own report: each row of the table, evaluated on the streams in use.
 */

import { follow } from "./quiet.js";

/**
 * The sum of the known *terms* over *streams*; NaN if none is known.
 * @param {Term[]} terms @param {Stream[]} streams @param {string} how @param {boolean} [isDown]
 */
function total(terms, streams, how, isDown) {
    let sum = NaN;
    for (const [factor, type, ...path] of terms) {
        // In an outage, Chromium counts nearly all sound that it conceals as silent.
        if (isDown && factor < 0) continue;
        for (const [stat, before, types] of streams) {
            if (!types.includes(type)) continue;
            const now = follow(stat, path);
            const then = follow(before, path);
            let value = Math.max(0, now - then);
            if (how.endsWith("level")) value = now;
            if (how === "changes") value = now && then ? Number(now !== then) : NaN;
            if (Number.isFinite(value)) sum = (sum || 0) + factor * value;
        }
    }
    return sum;
}

/**
 * The value of one row for the streams in use, not finite if unknown, and the stat that it comes
 * from, if that is one.
 * @param {Row} row @param {Stream[]} live
 * @param {boolean} [isDown] whether nothing arrives from the other side now
 * @returns {[value: number, stat?: Untrusted]}
 */
export function evaluate([, how, of, times, per], live, isDown) {
    // A silent stream sends two packets: one lost of them is not a loss of 50 %.
    const atLeast = how.endsWith("share") ? 20 : 0;
    const isMin = how.startsWith("min");
    const groups = isMin || how.startsWith("max") ? live.map((stream) => [stream]) : [live];
    let found = NaN;
    let stat;
    for (const group of groups) {
        const whole = per ? Math.max(atLeast, total(per, group, "growth", isDown)) : 1;
        let value = Math.max(0, total(of, group, how, isDown)) / whole;
        if (how === "stillness" && value >= 0) value = value ? 0 : 1;
        if (!Number.isFinite(value) || (isMin ? value >= found : value <= found)) continue;
        found = value;
        [[stat]] = group;
    }
    found *= times;
    return [times === 100 ? Math.min(found, 100) : found, stat];
}
