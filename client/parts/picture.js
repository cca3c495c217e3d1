/*
 * Whether a received picture moves, and for how long it stood still.
 */

/**
 * Returns an inbound-rtp with its number of `stops` since *old* and the seconds that it `stood`.
 * The browser counts both when the next frame comes. It counts more than 5 s as a pause, like a
 * camera that was off (Chromium 156). A picture that should not move `rests` until the first frame.
 * @param {Untrusted} stat @param {Untrusted} old the one of the previous sample, if it goes on
 * @param {boolean | null} [isOn] whether it should move; undefined: the page does not know; null:
 *     it can't be judged
 */
export function watchPicture(stat, old, isOn) {
    /** @param {string} member */
    const grew = (member) => Math.max(0, stat[member] - old[member]);
    const seconds = grew("timestamp") / 1000;
    const frames = stat.framesDecoded - (old.framesDecoded || 0);
    const hasMoved = !(frames <= 0);
    const isOff = isOn === false;
    // If presence came too early, the library calls a camera muted that is on. Then it is unknown
    // whether it is on, except that Firefox sends one black frame a second if it is off.
    const isFalse =
        isOff &&
        !(frames && seconds >= 1 && Math.abs(frames - seconds) < 1.1) &&
        (old.isFalse || (old.isOff && hasMoved));
    const shouldMove = isFalse ? undefined : isOn;
    const rests =
        isOn === null ||
        shouldMove === false ||
        stat.contentType === "screenshare" || // it may stand still
        !old ||
        (old.rests && !old.hasMoved);
    /** The counted part that was not reported. @param {string} member @param {string} pauses @param
    {number} less */
    const rest = (member, pauses, less) =>
        Math.max(0, grew(member) + ((shouldMove && grew(pauses)) || 0) - less);
    let [stops, stood, told] = [0, 0, old.told || 0]; // told: reported seconds of the current stop
    if (rests) told = 0;
    else if (hasMoved) {
        stops = rest("freezeCount", "pauseCount", told && 1);
        stood = rest("totalFreezesDuration", "totalPausesDuration", told);
        told = 0;
    } else if (shouldMove && (told || seconds >= 1)) {
        // Within the first second the next frame may be on its way.
        stops = told ? 0 : 1;
        stood = seconds;
        told += seconds;
    }
    return { ...stat, hasMoved, isOff, isFalse, shouldMove, rests, stops, stood, told };
}
