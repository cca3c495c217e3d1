/*
 * What the page and the browser provide; tests provide something else.
 */

import { SETTINGS } from "./loading.js";
import { text } from "./quiet.js";
import { readStore } from "./room.js";

export const browser = () => ({
    fetch,
    now: () => performance.timeOrigin + performance.now(), // never goes back
    random: Math.random,
    setTimeout,
    clearTimeout,
    // Read again for each push, because jitsi-meet renews it during a call.
    token: () => text(SETTINGS.sendJwt && readStore("jwt.jwt"), 8192),
});
