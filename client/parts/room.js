/*
 * The room of the page's call: where jitsi-meet has it, its events, and when it is another one.
 */

import { ask, attempt, read } from "./quiet.js";

/**
 * What is at a path of jitsi-meet's store.
 * @param {string} path
 */
export const readStore = (path, feature = "base/") =>
    read(ask(read(window, "APP.store"), "getState"), `features/${feature}${path}`);

/** @param {Untrusted} room */
export const isOutside = (room) => read(room, "isJoined") && !ask(room, "isJoined");

/**
 * Listens to events of *room*; returns what ends that.
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
 * what ends that.
 * @param {(room: Untrusted) => Hooked} hook @param {Timers} timers
 * @param {(room: Untrusted) => void} [look] is called each time
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
        // How long a join takes is known from when its room was found.
        timer = setTimeout(poll, room ? 1000 : 100);
    }

    // Closed, or kept by the browser, which need not show it again.
    const life = new AbortController();
    addEventListener("pagehide", () => release("closed"), life);
    addEventListener("pageshow", poll, life);
    poll();
    return () => {
        life.abort();
        release("left");
    };
}
