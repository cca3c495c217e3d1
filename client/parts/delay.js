/*
 * How late the page's own timers run because its process or thread waits for the CPU.
 */

const EVERY_MS = 250;
const ASLEEP_MS = 3000; // a closed notebook or a debugger: longer does not mean a slow page

/**
 * Sets a timer again and again until `stop`, and measures how late it runs.
 * @param {Timers & {now: () => number}} timers
 */
export function watchDelay({ setTimeout, clearTimeout, now }) {
    let least = Infinity; // the system's clock rounds up by so much, which is not the page's delay
    let sum = NaN; // not yet: a page that has just joined is busy with the join
    let count = 0;
    let timer = 0;

    function wait() {
        const due = now() + EVERY_MS;
        const wasHidden = document.hidden;
        timer = setTimeout(() => {
            const late = now() - due;
            // The browser itself delays the timers of a hidden page.
            if (wasHidden || document.hidden) sum = NaN;
            else if (late < ASLEEP_MS) {
                least = Math.min(least, late);
                sum += late;
                count++;
            }
            wait();
        }, EVERY_MS);
    }

    wait();
    return {
        /** The mean delay since the last call, in ms; NaN: not known. */
        take() {
            const mean = sum / count - least;
            sum = count = 0;
            return mean;
        },
        stop: () => clearTimeout(timer),
    };
}
