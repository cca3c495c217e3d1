/*
 * The page's connection to the signalling. Where it fails there need not be a room to tell of it.
 */

import { ask } from "./quiet.js";
import { readStore } from "./room.js";

/**
 * Returns what is to be called now and then with the room, if there is one.
 * @param {() => number} now
 * @param {(error: Untrusted, joinMs: number) => void} fail hears the library's name of an error
 */
export function watchConnection(now, fail) {
    let idleAt = NaN; // when the page was last seen not to connect
    /** @type {Untrusted} */
    let told;

    /** @param {Untrusted} room */
    return (room) => {
        const { connecting, error } = readStore("connection");
        if (connecting) return;
        // A call that goes on has a session, and ends or does not.
        if (error && error !== told && !ask(room, "isJoined")) fail(error.name, now() - idleAt);
        told = error;
        idleAt = now();
    };
}
