/*
 * Whether a received picture moves, and for how long it stood still.
 */

/**
 * An inbound-rtp, with how often it `stops` since *old* and, in seconds, how long it `stood`. The
 * browser books both when the next frame comes, and more than 5 s as a pause, like a camera that
 * was off (Chromium 156). What nobody should see moving `rests` until after a frame has come.
 * @param {Untrusted} stat @param {Untrusted} old the one of the sample before, if it goes on
 * @param {boolean | null} [isOn] whether it should move; undefined: the page does not know; null: it
 *     is not to be judged
 */
export function watchPicture(stat, old, isOn) {
    /** @param {string} member */
    const grew = (member) => Math.max(0, stat[member] - old[member]);
    const seconds = grew("timestamp") / 1000;
    const frames = stat.framesDecoded - (old.framesDecoded || 0);
    const hasMoved = !(frames <= 0);
    const isOff = isOn === false;
    // Where presence came too early the library calls a camera muted that is on: then nobody knows,
    // but for the one black frame a second that Firefox sends of one that is off.
    const isFalse =
        isOff &&
        !(frames && seconds >= 1 && Math.abs(frames - seconds) < 1.1) &&
        (old.isFalse || (old.isOff && hasMoved));
    const shouldMove = isFalse ? undefined : isOn;
    const rests =
        isOn === null ||
        shouldMove === false ||
        stat.contentType === "screenshare" || // nothing on it need move
        !old ||
        (old.rests && !old.hasMoved);
    /** What is booked less what was told. @param {string} member @param {string} pauses @param {number} less */
    const rest = (member, pauses, less) =>
        Math.max(0, grew(member) + ((shouldMove && grew(pauses)) || 0) - less);
    let [stops, stood, told] = [0, 0, old.told || 0]; // told: seconds of a stop that goes on
    if (rests) told = 0;
    else if (hasMoved) {
        stops = rest("freezeCount", "pauseCount", told && 1);
        stood = rest("totalFreezesDuration", "totalPausesDuration", told);
        told = 0;
    } else if (shouldMove && (told || seconds >= 1)) {
        // Within a second the next frame may be on its way.
        stops = told ? 0 : 1;
        stood = seconds;
        told += seconds;
    }
    return { ...stat, hasMoved, isOff, isFalse, shouldMove, rests, stops, stood, told };
}
