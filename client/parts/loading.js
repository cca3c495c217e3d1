/*
 * How the page has loaded us, and what the server has filled in.
 */

// As one of config.analytics.scriptURLs: without a handler the page takes it for a failure.
try {
    window.JitsiMeetJS.app.analyticsHandlers.push(
        class {
            sendEvent() {}
            setUserProperties() {}
            dispose() {}
        },
    );
} catch {
    // By a script tag, then.
}

/** @type {Settings} Filled in by the server. */
export const SETTINGS = {};

/** @type {Untrusted} */
const script = document.currentScript; // known only now

/**
 * Where pushes go. Absolute, by the script's own URL: a page's <base> does not matter.
 * @param {string} path beside the script @param {string} base where the script is inline
 */
export const findPushUrl = (path, base) => new URL(SETTINGS.pushUrl || path, script?.src || base);
