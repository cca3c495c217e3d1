/*
 * The participant's rating: it has no event, but the page hands it to the library.
 */

import { ask, attempt, read } from "./quiet.js";

/**
 * Notes the rating that the page gives *room*, even after leaving; the library gets it unchanged.
 * @param {Untrusted} room
 */
export function hearFeedback(room) {
    const send = read(room, "sendFeedback");
    // A room that is followed again is wrapped already.
    if (!send || send.isHeard) return;
    /** @type {Untrusted} @param {unknown[]} word */
    const hear = (...word) => {
        ask(window.otelJcmc, "rate", ...word);
        return send.apply(room, word);
    };
    hear.isHeard = true;
    attempt(() => {
        room.sendFeedback = hear;
    });
}
