/*
 * The peer connection that a room uses, and the browser's report on it.
 */

import { ask, read } from "./quiet.js";

/**
 * Calls *finish* with the connection and its report, or without a report if none comes.
 * @param {Untrusted} room @param {Timers["setTimeout"]} setTimeout
 * @param {(active: Untrusted, report?: Untrusted) => void} finish
 */
export function takeReport(room, setTimeout, finish) {
    const active = ask(room, "getActivePeerConnection");
    const peer = read(active, "peerconnection");
    if (!peer) finish(active);
    else
        Promise.race([
            ask(peer, "getStats"),
            // A dying connection may never answer.
            new Promise((resolve) => setTimeout(resolve, 1000)),
        ]).then(
            (report) => finish(active, report),
            () => finish(active),
        );
}
