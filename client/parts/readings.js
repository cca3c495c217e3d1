/*
 * Figures of the browser's own report: what each row of the table makes of the streams in use.
 */

import { follow } from "./quiet.js";

/**
 * The sum of *terms* over *streams*, of those that are there; NaN if none is.
 * @param {Term[]} terms @param {Stream[]} streams @param {string} how @param {boolean} [isDown]
 */
function total(terms, streams, how, isDown) {
    let sum = NaN;
    for (const [factor, type, ...path] of terms) {
        // Chromium calls nearly all that it makes up in an outage silence.
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
 * What one row tells of the streams in use, not finite if it is not known, and the stat that told
 * it, where that is one.
 * @param {Row} row @param {Stream[]} live
 * @param {boolean} [isDown] nothing comes from the other side just now
 * @returns {[value: number, stat?: Untrusted]}
 */
export function evaluate([, how, of, times, per], live, isDown) {
    // One lost of the two that a silent stream sends is no 50 % loss.
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
