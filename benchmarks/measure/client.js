// Called in the page by client.py: a call as the browser has it, and samples of it.

/** A real call within the page: so many streams of sound and picture, and the receiving side. */
async function makeCall(participants) {
    const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
    const sound = new AudioContext();
    for (let i = 0; i < participants; i++) {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [64, 36];
        const paint = canvas.getContext("2d");
        setInterval(() => paint.fillRect(Math.random() * 64, 0, 9, 9), 200);
        const tone = sound.createOscillator();
        const track = sound.createMediaStreamDestination();
        tone.connect(track);
        tone.start();
        for (const stream of [canvas.captureStream(5), track.stream])
            for (const each of stream.getTracks()) there.addTrack(each, stream);
    }
    // What the participant sends itself.
    const canvas = document.createElement("canvas");
    canvas.getContext("2d");
    for (const each of canvas.captureStream(5).getTracks()) here.addTrack(each);
    const gathered = async (peer) => {
        for (let i = 0; peer.iceGatheringState !== "complete"; i++) {
            if (i > 200) throw new Error(`candidates are ${peer.iceGatheringState}`);
            await new Promise((go) => setTimeout(go, 50));
        }
        return peer.localDescription;
    };
    await there.setLocalDescription(await there.createOffer());
    await here.setRemoteDescription(await gathered(there));
    await here.setLocalDescription(await here.createAnswer());
    await there.setRemoteDescription(await gathered(here));
    for (let i = 0; here.connectionState !== "connected"; i++) {
        if (i > 200) throw new Error(`the call is ${here.connectionState}`);
        await new Promise((go) => setTimeout(go, 50));
    }
    return here;
}

const listeners = [];

/** A page of Jitsi Meet with this call in it. */
function setCall(peerconnection) {
    const others = peerconnection.getReceivers().map(({ track }) => ({
        getTracks: () => [{
            track,
            isMuted: () => false,
            getType: () => track.kind,
            getTrackStreamingStatus: () => "active",
            getSourceName: () => track.id,
            getParticipantId: () => track.id.slice(0, 8),
        }],
    }));
    const room = {
        on: (event, listener) => listeners.push([event, listener]),
        off: () => {},
        isJoined: () => true,
        myUserId: () => "1a2b3c4d",
        getName: () => "standup",
        getParticipantCount: () => 3,
        getParticipants: () => others,
        getLastN: () => -1,
        getLocalAudioTrack: () => ({ isMuted: () => false }),
        getActivePeerConnection: () => ({ peerconnection, isP2P: false }),
    };
    window.APP = { conference: { _room: room }, store: { getState: () => ({}) } };
}

/** So many samples, one after the other; the browser keeps a report for 50 ms. */
async function sample(count, isTold) {
    const stats = {
        connectionQuality: 97.5,
        bandwidth: { upload: 2900, download: 5100 },
        bitrate: { upload: 1234, download: 2435, audio: { upload: 24, download: 31 }, video: {} },
        packetLoss: { upload: 0, download: 1, total: 1 },
        transport: [{ ip: "198.51.100.4:1", localip: "10.0.0.7:2", type: "udp", rtt: 41, p2p: false }],
    };
    const peer = window.APP.conference._room.getActivePeerConnection().peerconnection;
    for (let i = 0; i < count; i++) {
        await peer.getStats(); // as Jitsi does
        if (isTold) for (const [event, tell] of listeners) if (event.startsWith("cq.")) tell(stats);
        await new Promise((go) => setTimeout(go, 60));
    }
}

const load = (url) =>
    new Promise((resolve, reject) => {
        const script = document.createElement("script");
        Object.assign(script, { src: url, onload: resolve, onerror: reject });
        document.head.append(script);
    });

/**
 * A call of so many others, sampled with the client told of it, which pushes each sample, and not
 * told in turns. Whoever measures is asked for a word at the start and after each turn.
 */
async function measure({ others, count, isSent, clientFile }) {
    setCall(await makeCall(others));
    await load(clientFile);
    const began = performance.now();
    otelJcmc.start({
        // So fast that each sample is pushed: the client sends one a second at most.
        now: () => began + 100 * (performance.now() - began),
        jitterMs: 0,
        ...(!isSent && { fetch: async () => new Response("OK") }),
    });
    for (let turn = 0; turn < 6; turn++) {
        await sample(turn < 2 ? 10 : count, turn % 2 === 1); // the first two warm up
        await fetch("/turn", { method: "POST" });
    }
}

const asked = JSON.parse(decodeURIComponent(location.search.slice(1)));
measure(asked).catch((error) => fetch("/failed", { method: "POST", body: String(error) }));
