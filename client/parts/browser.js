/*
 * What the page and the browser give us; tests give something else.
 */

import { SETTINGS } from "./loading.js";
import { text } from "./quiet.js";
import { readStore } from "./room.js";

export const browser = () => ({
    fetch,
    now: () => performance.timeOrigin + performance.now(), // never runs back
    random: Math.random,
    setTimeout,
    clearTimeout,
    // Anew for each push: jitsi-meet renews it during a call.
    token: () => text(SETTINGS.sendJwt && readStore("jwt.jwt"), 8192),
});
