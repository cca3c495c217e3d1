/*
 * The line to the server: one request at a time, and a wait after a failure.
 */

import { ask, debug, read } from "./quiet.js";

export const MAX_WAIT_MS = 300000;

/**
 * @param {BrowserEnvironment} environment
 * @param {() => void} postNext posts what waits, if anything does
 */
export function createLine({ fetch, now, random, setTimeout, clearTimeout }, postNext) {
    /** @type {?AbortController} */
    let inFlight = null;
    let timer = 0;

    const line = {
        notBefore: 0,
        failures: 0,

        pump() {
            clearTimeout(timer);
            const delay = line.notBefore - now();
            if (delay > 0) timer = setTimeout(line.pump, delay);
            else if (!inFlight) postNext();
        },

        /**
         * Posts. *settle* gets the answer, or none, and returns how long the next request must
         * wait.
         * @param {Untrusted} url @param {RequestInit} options
         * @param {(status: number, response?: Untrusted) => number} settle
         * @param {(response: Response) => unknown} [take] reads the response before *settle*
         */
        post(url, options, settle, take) {
            const request = new AbortController();
            inFlight = request;
            /** @param {Untrusted} [response] */
            const finish = (response) => {
                if (inFlight !== request) return;
                inFlight = null;
                clearTimeout(timeout);
                const status = read(response, "status");
                debug("answer", status);
                line.wait(settle(status, response));
                line.pump();
            };
            const timeout = setTimeout(() => {
                request.abort();
                finish(); // if the page has wrapped fetch, it may ignore the signal
            }, 10000);
            try {
                fetch(url, {
                    method: "POST",
                    referrerPolicy: "no-referrer", // the page's address may hold a token
                    signal: request.signal,
                    ...options,
                })
                    .then(take)
                    .then(finish, () => finish());
            } catch {
                finish();
            }
        },

        /** @param {number} ms */
        wait(ms) {
            line.notBefore = Math.max(line.notBefore, now() + Math.min(ms, MAX_WAIT_MS));
        },

        /**
         * The wait after one more failure: what the server asks for, or longer each time.
         * @param {Untrusted} response
         */
        backoffMs(response) {
            const ownMs = random() * Math.min(MAX_WAIT_MS, 1000 * 2 ** line.failures++);
            // Seconds or a date; neither if CORS hides the header.
            const asked = ask(read(response, "headers"), "get", "Retry-After");
            const askedMs = asked >= 0 ? asked * 1000 : Date.parse(asked) - now();
            return askedMs > 0 ? askedMs : ownMs;
        },

        /** Drops the request on its way and the one that waits. */
        drop() {
            clearTimeout(timer);
            inFlight?.abort();
            inFlight = null;
        },
    };
    return line;
}
