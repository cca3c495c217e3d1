/*
 * The room of the page's call: where jitsi-meet keeps it, its events, and when it changes.
 */

import { ask, attempt, read } from "./quiet.js";

/**
 * The value at a path of jitsi-meet's store.
 * @param {string} path
 */
export const readStore = (path, feature = "base/") =>
    read(ask(read(window, "APP.store"), "getState"), `features/${feature}${path}`);

/** @param {Untrusted} room */
export const isOutside = (room) => read(room, "isJoined") && !ask(room, "isJoined");

/**
 * Listens to events of *room*; returns a function that stops it.
 * @param {Untrusted} room @param {Record<string, (stats: Untrusted) => void>} listeners
 */
export function listen(room, listeners) {
    const quiet = Object.entries(listeners).map(([event, listener]) => [
        event,
        /** @param {Untrusted} stats */
        (stats) => attempt(() => listener(stats)),
    ]);
    /** @param {string} method */
    const tell = (method) => quiet.map((each) => ask(room, method, ...each));
    tell("on");
    return () => tell("off");
}

/**
 * Looks for the room as long as the page lives: a rejoin or a breakout room is a new one. Returns
 * a function that stops it.
 * @param {(room: Untrusted) => Hooked} hook @param {Timers} timers
 * @param {(room: Untrusted) => void} [look] called each time
 */
export function followRooms(hook, { setTimeout, clearTimeout }, look) {
    /** @type {Untrusted} */
    let room;
    /** @type {Hooked | undefined} */
    let hooked;
    let timer = 0;

    /** @type {Unhook} */
    function release(reason) {
        clearTimeout(timer);
        hooked?.release(reason);
        room = hooked = undefined;
    }

    function poll() {
        const rooms = [readStore("conference.conference"), read(window, "APP.conference._room")];
        const found = rooms.find((one) => typeof read(one, "on") === "function");
        if (found !== room) {
            release("left");
            room = found;
            hooked = found && attempt(() => hook(found));
        }
        attempt(() => hooked?.beat?.());
        attempt(() => look?.(room));
        clearTimeout(timer);
        // Often before a join: its duration counts from when the room was found.
        timer = setTimeout(poll, room ? 1000 : 100);
    }

    // The page is closed, or cached by the browser, which may show it again.
    const life = new AbortController();
    addEventListener("pagehide", () => release("closed"), life);
    addEventListener("pageshow", poll, life);
    poll();
    return () => {
        life.abort();
        release("left");
    };
}
