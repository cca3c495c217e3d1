/*
 * Random GUIDs, and the one by which a browser is known again.
 */

import { attempt } from "./quiet.js";

const CLIENT_ID_KEY = "otel_jcmc.client_id";
// Where pages of JCMC and of JMMC keep it: a browser stays the same one when a deployment moves.
const FORMER_KEY = "jmmc_staticUserId";
const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** A random GUID (version 4); a page on http: has no crypto.randomUUID. */
export const guid = () =>
    "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () =>
        (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16),
    );

const pageClientId = guid(); // until storage has it; where that is forbidden, for good
export function clientId() {
    const [own, former] = [CLIENT_ID_KEY, FORMER_KEY].map((key) => {
        /** @type {Untrusted} */
        const known = attempt(() => localStorage.getItem(key));
        return GUID.test(known) ? known : "";
    });
    const id = own || former || pageClientId;
    if (!own) attempt(() => localStorage.setItem(CLIENT_ID_KEY, id));
    return id;
}
