/*
 * Oddities of lib-jitsi-meet's statistics.
 */

import { read, text } from "./quiet.js";

/**
 * The number at a path of *stats*; NaN: not known.
 * @param {Untrusted} stats @param {string} path
 */
export function readNumber(stats, path) {
    const value = read(stats, path);
    // An estimate of 0 means none: Firefox has none, and the library used to begin with 0.
    return value === 0 && path.startsWith("bandwidth") ? NaN : value;
}

/** @param {Untrusted} transport */
export const protocol = (transport) =>
    /^(?:ssl)?(tcp|udp)$/.exec(text(read(transport, "type")) || "")?.[1];
