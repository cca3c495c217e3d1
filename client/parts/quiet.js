/*
 * Access to the page's objects, and words for its console, that can't break the page.
 */

import { SETTINGS } from "./loading.js";

/** @param {...unknown} words */
export const debug = (...words) => SETTINGS.debug && console.debug("otel_jcmc", ...words);

/**
 * Catches what *action* throws, because all code around us is the page's.
 * @template T
 * @param {() => T} action
 */
export function attempt(action) {
    try {
        return action();
    } catch (error) {
        debug(error);
    }
}

/**
 * The value at *path* in *object*, if any. May throw.
 * @param {Untrusted} object @param {string[]} path
 * @returns {Untrusted}
 */
export const follow = (object, path) => path.reduce((value, key) => value?.[key], object);

/**
 * The value at a dotted path, if any.
 * @param {Untrusted} object @param {string} path
 * @returns {Untrusted}
 */
export const read = (object, path) => attempt(() => follow(object, path.split(".")));

/**
 * The result of a method, if the object has that method.
 * @param {Untrusted} object @param {string} method @param {unknown[]} args
 * @returns {Untrusted}
 */
export const ask = (object, method, ...args) => attempt(() => object?.[method]?.(...args));

/**
 * Text that the server accepts; half an emoji would cost the whole push.
 * @param {Untrusted} value
 */
export const text = (value, limit = 256) =>
    typeof value === "string"
        ? value.slice(0, limit).replace(/[\0\uD800-\uDFFF]/gu, "") || undefined
        : undefined;
