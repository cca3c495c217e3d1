/*
 * What the page knows of the media: whose streams should arrive, and how ours should be sent.
 */

/**
 * May throw.
 * @param {Untrusted} room @param {Untrusted} active the connection in use
 * @param {Set<Untrusted>} switched tracks, and source names, that changed since the last sample
 * @returns {Media}
 */
export function readMedia(room, active, switched) {
    // The page is hidden, or asks for no video.
    const isUnseen = document.hidden || room.getLastN?.() === 0;
    /** @type {Media["tracks"]} */
    const tracks = new Map();
    let expected = 0;
    for (const participant of room.getParticipants?.() || []) {
        for (const track of participant.getTracks()) {
            // The videos that jitsi-meet shows have a status.
            const status = track.getTrackStreamingStatus?.();
            /** @type {boolean | undefined | null} null: can't be judged */
            let isOn = !track.isMuted();
            if (track.getType() === "video") {
                // Otherwise: inactive, or restoring.
                if (isOn) isOn = status ? /^(active|interrupted)/.test(status) || null : active.isP2P || undefined;
                if (isUnseen) isOn = null;
            }
            if (isOn) expected++;
            // It was off for a moment.
            if (switched.has(track) || switched.has(track.getSourceName?.())) isOn = null;
            tracks.set(track.track?.id, { isOn, owner: track.getParticipantId() });
        }
    }
    let wantedHeight = NaN;
    for (const sender of active.peerconnection.getSenders()) {
        const height = sender.track?.getSettings().height; // sound has none
        for (const layer of (height && sender.getParameters().encodings) || []) {
            const wanted = layer.active ? height / (layer.scaleResolutionDownBy || 1) : 0;
            wantedHeight = Math.max(wantedHeight || 0, wanted);
        }
    }
    const isOpen = room.getLocalAudioTrack?.()?.isMuted() === false;
    return { expected, wantedHeight, tracks, isOpen };
}
