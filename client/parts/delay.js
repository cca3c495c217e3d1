/*
 * How late the page's own timers come, where its process or its thread waits for the CPU.
 */

const EVERY_MS = 250;
const ASLEEP_MS = 3000; // a notebook that was closed, a debugger: that is no slow page

/**
 * Sets a timer again and again until `stop`, and looks when it comes.
 * @param {Timers & {now: () => number}} timers
 */
export function watchDelay({ setTimeout, clearTimeout, now }) {
    let least = Infinity; // what the system's clock rounds up to is not the page's
    let sum = NaN; // a page that has just joined is busy with that
    let count = 0;
    let timer = 0;

    function wait() {
        const due = now() + EVERY_MS;
        const wasHidden = document.hidden;
        timer = setTimeout(() => {
            const late = now() - due;
            // Of a hidden page the browser itself holds timers back.
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
        /** The mean since it was asked last, in ms; NaN: not known. */
        take() {
            const mean = sum / count - least;
            sum = count = 0;
            return mean;
        },
        stop: () => clearTimeout(timer),
    };
}
