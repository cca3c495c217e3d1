/*
 * Delivery of pushes: the newest wins (no queue), with a token if one is needed.
 */

import { createLine, MAX_WAIT_MS } from "./line.js";
import { ask, attempt } from "./quiet.js";

/**
 * @param {Environment} environment
 * @returns {Sender}
 */
export function createSender(environment) {
    const { url, tokenUrl, isCrossOrigin, now, random } = environment;
    let pushToken = ""; // from the server, if it issues tokens
    let renewAt = 0;
    let refusals = 0; // since the last accepted push
    const getToken = () => (tokenUrl ? pushToken : ask(environment, "token"));
    /** @type {?MakeBody} */
    let waiting = null;
    let lastStatus = 0;
    const line = createLine(environment, () => {
        if (!waiting) return;
        const make = tokenUrl && now() >= renewAt ? null : waiting;
        if (make) waiting = null;
        post(make, false);
    });

    /** @param {Response} response */
    async function renew(response) {
        if (response.ok) {
            const { token, expires_in } = await response.json();
            pushToken = token;
            // Before it expires, at a random time, so that tabs do not ask together.
            renewAt = now() + expires_in * (500 + random() * 400);
        }
        return response;
    }

    /**
     * @param {?MakeBody} make null: ask for a token
     * @param {boolean} isLast @param {boolean} [keepalive] whether it outlives the page
     */
    function post(make, isLast, keepalive = isLast) {
        const token = make && getToken();
        // A header needs a preflight, and a closing page has no time for it.
        const isInBody = isLast && isCrossOrigin;
        const body = make && attempt(() => make(isInBody ? token : undefined));
        const taken = make?.taken;
        if (make && !body) return;
        line.wait(1000);
        line.post(
            make ? url : tokenUrl,
            {
                // Without a header it is a simple request, text/plain: no preflight.
                headers: token && !isInBody ? { Authorization: `Bearer ${token}` } : {},
                body,
                keepalive,
                credentials: "omit",
            },
            (status, response) => {
                lastStatus = status;
                if (status === 200) taken?.();
                // All requests that outlive a page share 64 KiB, and the page may use them up: then
                // fetch rejects. It is sent once more, as long as the page lives.
                if (keepalive && !status) {
                    post(make, isLast, false);
                    return 0;
                }
                const isRefused = status > 400 && status < 406; // 405: nginx has only files there
                if (status < 500 && status !== 429 && !isRefused) {
                    line.failures = 0;
                    if (token) refusals = 0;
                    return 0; // accepted, or wrong: the next may be better
                }
                if (!isLast) waiting = waiting || make;
                if (status === 401) {
                    renewAt = 0;
                    // The page has a newer token, or the server issues one; but only once.
                    if (tokenUrl ? !refusals++ : getToken() !== token) return 0;
                }
                // Refused or not found: that passes.
                return isRefused ? MAX_WAIT_MS : line.backoffMs(response);
            },
            make ? undefined : renew,
        );
    }

    return {
        /** A new session: another conference may be allowed at once. */
        begin() {
            if (lastStatus === 403) line.notBefore = 0;
        },
        offer(make) {
            waiting = make;
            line.pump();
        },
        /** Posts at once, without any wait; older pushes are dropped. */
        last(make) {
            waiting = null;
            line.drop();
            post(make, true);
        },
    };
}
