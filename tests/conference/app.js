// Stands for the jitsi-meet app around the real lib-jitsi-meet: its globals, and a way in and out.
"use strict";

const asked = new URLSearchParams(location.search);
// Another focus has a bridge, and then nobody calls anybody directly.
const focus = asked.get("focus") || "focus.meet.local";
const lines = Number(asked.get("lines")) || 360;
const config = {
    disableSimulcast: true,
    hosts: { domain: "meet.local", muc: "conference.meet.local", focus },
    serviceUrl: asked.get("xmpp"),
    p2p: { enabled: focus === "focus.meet.local", stunServers: [], backToP2PDelay: 1, codecPreferenceOrder: ["VP8"] },
    pcStatsInterval: Number(asked.get("interval")),
    disableAudioLevels: true,
    disableThirdPartyRequests: true,
    e2eping: { enabled: false },
};
const state = {
    "features/base/conference": {},
    "features/base/jwt": {},
    "features/base/settings": { displayName: asked.get("me") },
};
window.config = config;
window.APP = {
    conference: {
        _room: undefined,
        roomName: asked.get("room"),
        getMyUserId: () => APP.conference._room?.myUserId(),
    },
    store: { getState: () => state },
};
let connected;
let tracks;

/** The next *event* of *emitter*; one of *failures* is an error. */
function next(emitter, event, ...failures) {
    return new Promise((resolve, reject) => {
        emitter.addEventListener(event, resolve);
        for (const failure of failures) {
            emitter.addEventListener(failure, (...why) => reject(new Error([failure, ...why])));
        }
    });
}

async function connect() {
    const { events } = JitsiMeetJS;
    JitsiMeetJS.setLogLevel(JitsiMeetJS.logLevels.ERROR);
    await JitsiMeetJS.init(config);
    tracks = await JitsiMeetJS.createLocalTracks({
        devices: ["audio", "video"],
        constraints: { video: { height: { ideal: lines, max: lines } } },
    });
    const connection = new JitsiMeetJS.JitsiConnection(null, undefined, config);
    const { CONNECTION_ESTABLISHED, CONNECTION_FAILED } = events.connection;
    const established = next(connection, CONNECTION_ESTABLISHED, CONNECTION_FAILED);
    connection.connect();
    await established;
    return connection;
}

/** Joins, with a room object that is new each time; returns the participant's id. */
async function join() {
    connected = connected || connect();
    const connection = await connected;
    const room = connection.initJitsiConference(asked.get("room"), config);
    record(room);
    const { CONFERENCE_JOINED, CONFERENCE_FAILED, TRACK_ADDED } = JitsiMeetJS.events.conference;
    // Sound that nobody plays is not decoded, and has no samples to count.
    room.on(TRACK_ADDED, (track) => {
        if (track.isLocal()) return;
        const player = document.createElement(track.getType());
        player.autoplay = true;
        document.body.append(player);
        track.attach(player);
    });
    const joined = next(room, CONFERENCE_JOINED, CONFERENCE_FAILED);
    await Promise.all(tracks.map((track) => room.addTrack(track)));
    APP.conference._room = room;
    room.on(CONFERENCE_FAILED, (name) => {
        state["features/base/conference"].error = { name };
    });
    room.join();
    await joined;
    state["features/base/conference"].conference = room;
    return room.myUserId();
}

async function leave() {
    await APP.conference._room.leave();
    state["features/base/conference"].conference = undefined;
    APP.conference._room = undefined;
}

/** Nobody more gets into the conference from now on: mod_full.lua takes its subject at its word. */
const fill = () => APP.conference._room.setSubject("full");

/** The camera's picture is sent no more, or again. */
async function muteCamera(isMuted) {
    const camera = tracks.find((track) => track.getType() === "video");
    await (isMuted ? camera.mute() : camera.unmute());
}

/** The page is told that nobody sees it, as one in a background tab is. */
function hide(isHidden) {
    Object.defineProperties(document, {
        hidden: { value: isHidden, configurable: true },
        visibilityState: { value: isHidden ? "hidden" : "visible", configurable: true },
    });
    document.dispatchEvent(new Event("visibilitychange"));
}

/**
 * Packets of sound that this browser has sent, and those that the other has missed. Not of the
 * picture: that has padding among what is sent, of which nobody says that it is lost.
 */
async function countUplink() {
    const connection = APP.conference._room.getActivePeerConnection().peerconnection;
    const count = {};
    for (const entry of (await connection.getStats()).values()) {
        if (entry.kind !== "audio") continue;
        if (entry.type === "outbound-rtp") count.sent = entry.packetsSent;
        if (entry.type === "remote-inbound-rtp") count.lost = entry.packetsLost;
    }
    return count;
}
