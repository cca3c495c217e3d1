/*
 * How the page has loaded us, and the settings from the server.
 */

// Loaded by config.analytics.scriptURLs, the page needs a handler, or it takes it for a failure.
try {
    window.JitsiMeetJS.app.analyticsHandlers.push(
        class {
            sendEvent() {}
            setUserProperties() {}
            dispose() {}
        },
    );
} catch {
    // Loaded by a script tag.
}

/** @type {Settings} Filled in by the server. */
export const SETTINGS = {};

/** @type {Untrusted} */
const script = document.currentScript; // known only during loading

/**
 * Where pushes go. Absolute, from the script's own URL: a page's <base> does not matter.
 * @param {string} path beside the script @param {string} base if the script is inline
 */
export const findPushUrl = (path, base) => new URL(SETTINGS.pushUrl || path, script?.src || base);
