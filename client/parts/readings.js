/*
 * Figures of the browser's own report: what each row of the table makes of the streams in use.
 */

import { follow } from "./quiet.js";

/**
 * The sum of *terms* over *streams*, of those that are there; NaN if none is.
 * @param {Term[]} terms @param {Stream[]} streams @param {boolean} [isLevel]
 */
function total(terms, streams, isLevel) {
    let sum = NaN;
    for (const [factor, type, ...path] of terms) {
        for (const [stat, before] of streams) {
            if (stat.type !== type) continue;
            const now = follow(stat, path);
            const value = isLevel ? now : Math.max(0, now - follow(before, path));
            if (Number.isFinite(value)) sum = (sum || 0) + factor * value;
        }
    }
    return sum;
}

/**
 * What one row tells of the streams in use, not finite if it is not known.
 * @param {Row} row @param {Stream[]} live
 */
export function evaluate([, how, of, times, per], live) {
    const isLevel = how.endsWith("level");
    const isMin = how === "min growth";
    const found = (how === "growth" || how === "share" ? [live] : live.map((stream) => [stream]))
        // A shared screen stands still because nothing on it moves.
        .filter(([one]) => !isMin || one[0].contentType !== "screenshare")
        .map((group) => {
            // One lost of the two that a silent stream sends is no 50 % loss.
            const whole = per ? Math.max(how.endsWith("share") ? 20 : 0, total(per, group)) : 1;
            return Math.max(0, total(of, group, isLevel)) / whole;
        })
        .filter(Number.isFinite);
    const value = Math[isMin ? "min" : "max"](...found) * times;
    return times === 100 ? Math.min(value, 100) : value;
}
