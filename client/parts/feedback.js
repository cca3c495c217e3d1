/*
 * The participant's word: of a rating there is no event, but the page hands it to the library.
 */

import { ask, attempt, read } from "./quiet.js";

/**
 * Hears what the page gives *room*, also when it has been left; the library gets it as ever.
 * @param {Untrusted} room
 */
export function hearFeedback(room) {
    const send = read(room, "sendFeedback");
    // A room that is followed again is heard already.
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
