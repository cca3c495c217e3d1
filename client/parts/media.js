/*
 * What the page knows of the media: whose streams should come, and how ours should go out.
 */

/**
 * It can throw.
 * @param {Untrusted} room @param {Untrusted} active the connection in use
 * @param {Set<Untrusted>} switched tracks, and names of sources, since the sample before
 * @returns {Media}
 */
export function readMedia(room, active, switched) {
    // Nobody looks, or asks for video.
    const isUnseen = document.hidden || room.getLastN?.() === 0;
    /** @type {Media["tracks"]} */
    const tracks = new Map();
    let expected = 0;
    for (const participant of room.getParticipants?.() || []) {
        for (const track of participant.getTracks()) {
            // Of videos that jitsi-meet shows.
            const status = track.getTrackStreamingStatus?.();
            /** @type {boolean | undefined | null} null: not to be judged */
            let isOn = !track.isMuted();
            if (track.getType() === "video") {
                // Else: inactive, or restoring.
                if (isOn) isOn = status ? /^(active|interrupted)/.test(status) || null : active.isP2P || undefined;
                if (isUnseen) isOn = null;
            }
            if (isOn) expected++;
            // Off for a moment.
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
