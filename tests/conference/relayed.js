// Leads this page's calls through the relay; loaded before anything else.
"use strict";

(() => {
    const asked = new URLSearchParams(location.search);
    const me = asked.get("me");
    const host = asked.get("host") || "127.0.0.1";
    const CANDIDATE = /candidate:\S+ \d+ udp \d+ ([\d.]+) (\d+) typ/i;

    /** The address that stands for one of ours, or of another's. */
    async function standIn(ip, port, sender = "") {
        return (await fetch(`/stand-in?${new URLSearchParams({ ip, port, sender })}`)).text();
    }

    /** A candidate's line with its stand-in's address; null for what the relay does not carry. */
    async function relayed(line) {
        const [, ip, port] = CANDIDATE.exec(line) || [];
        if (ip !== host) return null;
        return line.replace(`${ip} ${port} typ`, `${await standIn(ip, port)} typ`);
    }

    const { addIceCandidate, setLocalDescription, setRemoteDescription } =
        RTCPeerConnection.prototype;
    const known = new WeakSet();

    Object.assign(RTCPeerConnection.prototype, {
        async setLocalDescription(...args) {
            if (!known.has(this)) {
                known.add(this);
                this.addEventListener("icecandidate", ({ candidate }) => {
                    const [, ip, port] = CANDIDATE.exec(candidate?.candidate) || [];
                    if (ip === host) standIn(ip, port, me);
                });
            }
            return setLocalDescription.apply(this, args);
        },
        async addIceCandidate(candidate, ...rest) {
            if (!candidate?.candidate) return addIceCandidate.call(this, candidate, ...rest);
            const line = await relayed(candidate.candidate);
            if (line === null) return undefined;
            const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
            const changed = { candidate: line, sdpMid, sdpMLineIndex, usernameFragment };
            return addIceCandidate.call(this, changed, ...rest);
        },
        async setRemoteDescription(description, ...rest) {
            const lines = await Promise.all(description.sdp.split("\r\n").map(
                (line) => (line.startsWith("a=candidate:") ? relayed(line) : line),
            ));
            const sdp = lines.filter((line) => line !== null).join("\r\n");
            return setRemoteDescription.call(this, { type: description.type, sdp }, ...rest);
        },
    });
})();
