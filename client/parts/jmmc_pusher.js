/*
 * JMMC: one stay at a time, from a join to its end. What the server is known to have is kept, so
 * a push that failed costs nothing: the next one has all that has changed since.
 */

import { changes, combineStates } from "./jmmc_state.js";
import { createLine, MAX_WAIT_MS } from "./line.js";
import { attempt } from "./quiet.js";

const SAMPLES = 3; // of a push: 30 s

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
        // With its id each time: another tab's cookie takes the place of ours.
        const m = known ? { ...changes(state, known), pid } : { br: "?", os: "?", pid };
        line.post(
            environment.url,
            {
                // Without a type it is a simple request, text/plain: no preflight.
                body: JSON.stringify({ uid, conf, m, token: attempt(environment.token) }),
                credentials: "include", // the cookie that names the session
            },
            (status, response) => {
                if (status === 200) {
                    // The server fills in who opens a session, and then knows nothing else.
                    of.known = known ? state : {};
                    if (known) line.failures = 0;
                    return 0;
                }
                // Refused or not there: that passes.
                if (status > 400 && status < 429) return MAX_WAIT_MS;
                const backoffMs = line.backoffMs(response);
                if (status !== 400) return backoffMs;
                of.known = null; // a session that it does not know
                // Opened anew at once; but where cookies are forbidden that does not help.
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
            // The first goes as it is: who joins is seen at once.
            if (of.samples.length < of.every) return;
            // The one number for which the wire has a word for not known.
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
