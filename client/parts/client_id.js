/*
 * Random GUIDs, and the id that recognises a browser.
 */

import { attempt } from "./quiet.js";

const CLIENT_ID_KEY = "otel_jcmc.client_id";
// Where pages of JCMC and of JMMC keep it: a browser keeps its id when a deployment changes.
const FORMER_KEY = "jmmc_staticUserId";
const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** A random GUID (version 4); a page on http: has no crypto.randomUUID. */
export const guid = () =>
    "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () =>
        (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16),
    );

let known = guid(); // until storage has one; if storage is forbidden, for good
export function clientId() {
    attempt(() => {
        /** @type {Untrusted} */
        const kept = localStorage[CLIENT_ID_KEY] || localStorage[FORMER_KEY];
        if (GUID.test(kept)) known = kept;
        localStorage[CLIENT_ID_KEY] = known;
    });
    return known;
}
