/*
 * Delivery of pushes: the newest wins (no queue), with a token where one is wanted.
 */

import { createLine, MAX_WAIT_MS } from "./line.js";
import { ask, attempt } from "./quiet.js";

/**
 * @param {Environment} environment
 * @returns {Sender}
 */
export function createSender(environment) {
    const { url, tokenUrl, isCrossOrigin, now, random } = environment;
    let pushToken = ""; // the server's own, where it gives one
    let renewAt = 0;
    let refusals = 0; // since a push was taken
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
            // Before its end; tabs that began together do not ask together.
            renewAt = now() + expires_in * (500 + random() * 400);
        }
        return response;
    }

    /**
     * @param {?MakeBody} make null: asks for a token
     * @param {boolean} isLast @param {boolean} [keepalive] outlives the page
     */
    function post(make, isLast, keepalive = isLast) {
        const token = make && getToken();
        // A header needs a preflight, for which a page that closes has no time.
        const isInBody = isLast && isCrossOrigin;
        const body = make && attempt(() => make(isInBody ? token : undefined));
        const taken = make?.taken;
        if (make && !body) return;
        line.wait(1000);
        line.post(
            make ? url : tokenUrl,
            {
                // Without one it is a simple request, text/plain: no preflight.
                headers: token && !isInBody ? { Authorization: `Bearer ${token}` } : {},
                body,
                keepalive,
                credentials: "omit",
            },
            (status, response) => {
                lastStatus = status;
                if (status === 200) taken?.();
                // All that outlives a page has 64 KiB together, and others of the page may have
                // them: then fetch rejects. It goes once more, for as long as the page is there.
                if (keepalive && !status) {
                    post(make, isLast, false);
                    return 0;
                }
                const isRefused = status > 400 && status < 406; // 405: nginx has only files there
                if (status < 500 && status !== 429 && !isRefused) {
                    line.failures = 0;
                    if (token) refusals = 0;
                    return 0; // taken, or bad: the next may be better
                }
                if (!isLast) waiting = waiting || make;
                if (status === 401) {
                    renewAt = 0;
                    // The page has a newer one, or the server gives one; that once.
                    if (tokenUrl ? !refusals++ : getToken() !== token) return 0;
                }
                // Refused or not there: that passes.
                return isRefused ? MAX_WAIT_MS : line.backoffMs(response);
            },
            make ? undefined : renew,
        );
    }

    return {
        /** Another conference may be allowed at once. */
        begin() {
            if (lastStatus === 403) line.notBefore = 0;
        },
        offer(make) {
            waiting = make;
            line.pump();
        },
        /** Goes at once, whatever we wait for; nothing older goes any more. */
        last(make) {
            waiting = null;
            line.drop();
            post(make, true);
        },
    };
}
