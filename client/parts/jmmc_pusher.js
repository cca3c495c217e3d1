/*
 * JMMC: one stay at a time, from a join to its end. It remembers what the server has, so a failed
 * push loses nothing: the next one holds everything that has changed since.
 */

import { changes, combineStates } from "./jmmc_state.js";
import { createLine, MAX_WAIT_MS } from "./line.js";
import { attempt } from "./quiet.js";

const SAMPLES = 3; // in one push: 30 s

/**
 * @param {JmmcEnvironment} environment
 * @returns {JmmcPusher}
 */
export function createJmmcPusher(environment) {
    /** @type {?JmmcStay} */
    let stay = null;
    const line = createLine(environment, () => {
        const of = stay;
        if (!of || of.state === of.known) return;
        const { uid, conf, pid } = of.who;
        const { state, known } = of;
        // With its id each time, because another tab's cookie may replace ours.
        const m = known ? { ...changes(state, known), pid } : { br: "?", os: "?", pid };
        line.post(
            environment.url,
            {
                // Without a content type it is a simple request, text/plain: no preflight.
                body: JSON.stringify({ uid, conf, m, token: attempt(environment.token) }),
                credentials: "include", // the cookie that names the session
            },
            (status, response) => {
                if (status === 200) {
                    // A session that opens gets its first values from the server; it has no others.
                    of.known = known ? state : {};
                    if (known) line.failures = 0;
                    return 0;
                }
                // Refused or not found: that passes.
                if (status > 400 && status < 429) return MAX_WAIT_MS;
                const backoffMs = line.backoffMs(response);
                if (status !== 400) return backoffMs;
                of.known = null; // the server does not know this session
                // Open it again at once; but if cookies are forbidden, that does not help.
                return line.failures === 1 ? 0 : backoffMs;
            },
        );
    });

    return {
        begin(who) {
            stay = stay || { who, samples: [], state: {}, known: null, every: 1 };
            return stay;
        },
        push(of, sample) {
            if (of !== stay) return;
            of.samples.push(sample);
            // The first goes at once, so that a new participant is seen at once.
            if (of.samples.length < of.every) return;
            // The only number that the wire can call unknown.
            const gone = "d.bw" in of.state ? { "d.bw": null } : {};
            of.state = { ...of.state, ...gone, ...combineStates(of.samples) };
            of.samples = [];
            of.every = SAMPLES;
            line.pump();
        },
        end() {
            stay = null;
            line.drop();
        },
    };
}
