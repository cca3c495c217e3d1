// jitsi-meet as far as the client looks: its globals, and a room that emits what was recorded.
"use strict";

const asked = new URLSearchParams(location.search);
const listeners = new Map();
let conference;

window.APP = {
    conference: {},
    store: {
        getState: () => ({
            "features/base/conference": { conference },
            "features/base/jwt": { jwt: window.JWT },
        }),
    },
};

const room = {
    getName: () => asked.get("room"),
    myUserId: () => asked.get("me"),
    on(event, listener) {
        listeners.set(event, [...(listeners.get(event) || []), listener]);
    },
    off(event, listener) {
        listeners.set(event, (listeners.get(event) || []).filter((known) => known !== listener));
    },
};

function emit(event, ...args) {
    for (const listener of listeners.get(event) || []) listener(...args);
}

/** Undoes the encoding of tests/samples. */
function revive(value) {
    if (value === "__NaN") return NaN;
    if (value === "__undefined") return undefined;
    if (Array.isArray(value)) return value.map(revive);
    if (value === null || typeof value !== "object") return value;
    if ("__map" in value) return new Map(value.__map);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
}

function enterRoom() {
    conference = room;
    window.APP.conference._room = room;
    emit("conference.joined");
}

/** Whether the client listens. */
function isFollowed() {
    return (listeners.get("cq.local_stats_updated") || []).length > 0;
}

/** As lib-jitsi-meet does it: one object, that is emitted again and again, and changed in between. */
function replay(events) {
    const stats = {};
    for (const event of events) {
        Object.assign(stats, revive(event));
        emit("cq.local_stats_updated", stats);
        for (const key of Object.keys(stats)) delete stats[key];
    }
}

function leaveRoom() {
    conference = undefined;
    delete window.APP.conference._room;
    emit("conference.left");
}
