/*
 * The page's connection to the signalling. If it fails, there may be no room that reports it.
 */

import { ask } from "./quiet.js";
import { readStore } from "./room.js";

/**
 * Returns a function to call regularly with the room, if there is one.
 * @param {() => number} now
 * @param {(error: Untrusted, joinMs: number) => void} fail gets the library's name of an error
 */
export function watchConnection(now, fail) {
    let idleAt = NaN; // when the page was last seen without connecting
    /** @type {Untrusted} */
    let told;

    /** @param {Untrusted} room */
    return (room) => {
        const { connecting, error } = readStore("connection");
        if (connecting) return;
        // A call that goes on has a session, and that session's events report its end.
        if (error && error !== told && !ask(room, "isJoined")) fail(error.name, now() - idleAt);
        told = error;
        idleAt = now();
    };
}
