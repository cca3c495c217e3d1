/*
 * Figures of the browser's own report: what each row of the table makes of the streams in use.
 */

import { READINGS } from "./fields.js";

/** @param {string} terms @returns {Term[]} */
const parse = (terms) =>
    terms.split(" ").map((term) => /^(-?)([^.]*)\.?(\w*)\.?(\w*)/.exec(term)?.slice(1) || []);

/** @type {ParsedRow[]} once, and not for each sample */
export const ROWS = READINGS.map(([name, how, of, per, times]) => [
    name,
    how,
    parse(of),
    per && parse(per),
    times,
]);

/** @param {Untrusted} stat @param {Term} term */
const member = (stat, [, , outer, inner]) => (inner ? stat?.[outer]?.[inner] : stat?.[outer]);

/**
 * The sum of *terms* over *streams*, of those that are there; NaN if none is.
 * @param {Term[]} terms @param {Stream[]} streams @param {boolean} [isLevel]
 */
function total(terms, streams, isLevel) {
    let sum = NaN;
    for (const term of terms) {
        for (const [stat, before] of streams) {
            if (stat.type !== term[1]) continue;
            const now = member(stat, term);
            const value = isLevel ? now : Math.max(0, now - member(before, term));
            if (Number.isFinite(value)) sum = (sum || 0) + (term[0] ? -value : value);
        }
    }
    return sum;
}

/**
 * What one row tells of the streams in use, not finite if it is not known.
 * @param {ParsedRow} row @param {Stream[]} live
 */
export function evaluate([, how, of, per, times], live) {
    const isLevel = how.endsWith("level");
    const groups = how === "growth" ? [live] : live.map((stream) => [stream]);
    const found = groups
        // A shared screen stands still because nothing on it moves.
        .filter(([one]) => how !== "min growth" || one[0].contentType !== "screenshare")
        .map((group) => {
            // One lost of the two that a silent stream sends is no 50 % loss.
            const least = how === "max share" ? 20 : 0;
            const whole = per ? Math.max(least, total(per, group)) : 1;
            return Math.max(0, total(of, group, isLevel)) / whole;
        })
        .filter(Number.isFinite);
    const value = Math[how.startsWith("min") ? "min" : "max"](...found) * times;
    return times === 100 ? Math.min(value, 100) : value;
}
