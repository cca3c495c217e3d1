/*
 * Random GUIDs, and the one by which a browser is known again.
 */

import { attempt } from "./quiet.js";

const CLIENT_ID_KEY = "otel_jcmc.client_id";
const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** A random GUID (version 4); a page on http: has no crypto.randomUUID. */
export const guid = () =>
    "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () =>
        (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16),
    );

const pageClientId = guid(); // until storage has it; where that is forbidden, for good
export function clientId() {
    /** @type {Untrusted} */
    const known = attempt(() => localStorage.getItem(CLIENT_ID_KEY));
    if (GUID.test(known)) return known;
    attempt(() => localStorage.setItem(CLIENT_ID_KEY, pageClientId));
    return pageClientId;
}
