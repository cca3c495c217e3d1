"""What the page knows of media, in a push: which streams to expect, and its own picture."""

import json
from typing import Any

import pytest
from client.pages import Tab
from client.reports import Report, Stat, inbound

# A room with a track of Bob's, a connection with reports, and the pushes of its samples.
SETUP = """
    const world = makeWorld();
    const room = makeRoom();
    setPage(room);
    otelJcmc.start(world);
    const makeTrack = (id, type = "video", about = {}) => {
        const track = {
            muted: false, status: "active", track: { id }, getType: () => type,
            isMuted: () => track.muted, getParticipantId: () => "bob",
            getSourceName: () => `bob-${id}`, getTrackStreamingStatus: () => track.status, ...about,
        };
        return track;
    };
    const track = makeTrack("T");
    const tracks = [track];
    room.getParticipants = () => [{ getTracks: () => tracks }];
    const connection = makeConnection(argument || [[]]);
    room.getActivePeerConnection = () => connection;
    const next = async () => { room.stats(50); await world.advance(2000); };
"""
END = """
    const calls = world.sent();
    otelJcmc.stop();
    delete window.APP;
    return calls.map((call) => call.body.metrics);
"""


def pushed(tab: Tab, body: str, reports: list[Report] | None = None) -> list[dict[str, Any]]:
    """Return the metrics of each push of *body*."""
    metrics: list[dict[str, Any]] = tab.run(SETUP + body + END, reports)
    return metrics


def values(metrics: list[dict[str, Any]], name: str) -> list[float | None]:
    return [each[name]["value"] for each in metrics]


def video(at: int, frames: int) -> Stat:
    """Return a received video at second *at*, which was frozen if *frames* did not grow."""
    stat = inbound("V", 100 + at, kind="video", trackIdentifier="T", timestamp=1000 * at)
    return stat | {"framesDecoded": frames, "freezeCount": 0, "totalFreezesDuration": 0}


STANDING: list[Report] = [[video(at, 90)] for at in (0, 2, 4, 6)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", [None, 2000, 2000]),
        ("track.status = 'interrupted'", [None, 2000, 2000]),
        ("track.status = 'inactive'", [None, None, None]),
        ("track.status = 'restoring'", [None, None, None]),
        # Not displayed, or an older library: the bridge may hold it back.
        ("track.status = null", [None, 0, 0]),
        ("delete track.getTrackStreamingStatus", [None, 0, 0]),
        # There is no bridge.
        ("track.status = null; connection.isP2P = true", [None, 2000, 2000]),
        ("track.muted = true", [None, None, None]),
        ("track.track.id = 'another'", [None, 0, 0]),
        ("room.getLastN = () => 0", [None, None, None]),
        ("room.getLastN = () => -1", [None, 2000, 2000]),
        ("room.getParticipants = () => { throw new Error('no'); }", [None, 0, 0]),
        ("delete connection.peerconnection.getSenders", [None, 0, 0]),
    ],
)
def test_a_picture_that_stands_still_is_a_freeze_if_it_should_move(
    tab: Tab, body: str, expected: list[float | None]
) -> None:
    metrics = pushed(tab, f"{body}; for (let i = 0; i < 3; i++) await next();", STANDING)
    assert values(metrics, "freeze_time") == expected


def test_in_a_hidden_page_nothing_freezes(tab: Tab) -> None:
    body = """Object.defineProperty(document, "hidden", { value: true, configurable: true });
        try { for (let i = 0; i < 3; i++) await next(); } finally { delete document.hidden; }"""
    assert values(pushed(tab, body, STANDING), "freeze_time") == [None, None, None]


@pytest.mark.parametrize(
    "event",
    [
        "room.emit('conference.trackMuteChanged', track)",
        "room.emit('conference.forwardedSourcesChanged', ['bob-T'], [], 5)",
    ],
)
def test_what_was_off_between_two_samples_is_not_judged(tab: Tab, event: str) -> None:
    """The next one that moves is judged."""
    reports = [[video(at, frames)] for at, frames in ((0, 90), (2, 95), (4, 99), (6, 99))]
    body = f"await next(); {event}; for (let i = 0; i < 3; i++) await next();"
    assert values(pushed(tab, body, reports), "freeze_time") == [None, None, 0, 2000]


def test_what_another_did_is_not_held_against_a_track(tab: Tab) -> None:
    body = """await next();
        room.emit("conference.trackMuteChanged", makeTrack("X"));
        room.emit("conference.forwardedSourcesChanged", ["bob-X"], ["bob-T"], 5);
        await next();"""
    assert values(pushed(tab, body, STANDING), "freeze_time") == [None, 2000]


def test_streams_that_should_come_are_counted(tab: Tab) -> None:
    body = """tracks.push(
            makeTrack("A", "audio", { getTrackStreamingStatus: undefined }),
            makeTrack("B", "audio", { isMuted: () => true }),
            makeTrack("C", "video", { getTrackStreamingStatus: () => "inactive" }),
            makeTrack("D", "video", { getTrackStreamingStatus: () => null }),
        );
        await next();
        tracks.length = 0;
        await next();"""
    assert values(pushed(tab, body), "streams_expected") == [2, 0]


def test_without_a_page_that_tells_no_stream_is_expected(tab: Tab) -> None:
    body = "room.getParticipants = () => { throw new Error('no'); }; await next();"
    assert values(pushed(tab, body), "streams_expected") == [None]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([(True, 4), (True, 2), (False, 1)], 360),
        ([(True, None)], 720),
        ([(False, 1), (False, 1)], 0),
        ([], None),
    ],
)
def test_the_wanted_height_is_that_of_the_largest_layer_that_is_on(
    tab: Tab, layers: list[tuple[bool, int | None]], expected: int | None
) -> None:
    encodings = [{"active": on, "scaleResolutionDownBy": scale} for on, scale in layers]
    body = f"""const camera = {{ getSettings: () => ({{ height: 720 }}) }};
        const parameters = () => ({{ encodings: {json.dumps(encodings)} }});
        connection.peerconnection.getSenders = () => [
            {{ track: null }}, {{ track: {{ getSettings: () => ({{}}) }} }},
            {{ track: camera, getParameters: parameters }},
        ];
        await next();"""
    assert values(pushed(tab, body), "resolution_height_wanted") == [expected]


def test_a_real_sender_tells_the_wanted_height(tab: Tab) -> None:
    """As the library sets it, in this browser."""
    body = """const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [640, 360];
        canvas.getContext("2d");
        const [camera] = canvas.captureStream().getTracks();
        const peer = new RTCPeerConnection();
        const { sender } = peer.addTransceiver(camera, {
            sendEncodings: [
                { rid: "1", scaleResolutionDownBy: 4 }, { rid: "2", scaleResolutionDownBy: 2 },
                { rid: "3", active: false },
            ],
        });
        connection.peerconnection.getSenders = () => peer.getSenders();
        await next();
        peer.close();"""
    assert values(pushed(tab, body), "resolution_height_wanted") == [180]


@pytest.mark.parametrize(
    ("microphone", "energies", "expected"),
    [
        ("{ isMuted: () => false }", (1, 1, 1.5), [None, 1, 0]),
        ("{ isMuted: () => true }", (1, 1, 1), [None, None, None]),
        ("null", (1, 1, 1), [None, None, None]),
        ("{ isMuted: () => false }", ("__undefined",) * 3, [None, None, None]),
    ],
)
def test_a_microphone_that_gives_nothing_is_silent(
    tab: Tab, microphone: str, energies: tuple[float | str, ...], expected: list[float | None]
) -> None:
    """Not one that speaks, is muted or missing, and not in a browser that cannot tell."""
    reports: list[Report] = [
        [{"type": "media-source", "id": "S", "timestamp": i, "totalAudioEnergy": energy}]
        for i, energy in enumerate(energies)
    ]
    body = (
        f"room.getLocalAudioTrack = () => ({microphone}); await next(); await next(); await next();"
    )
    assert values(pushed(tab, body, reports), "microphone_silent") == expected


def test_whose_stream_loses_the_most_is_told_from_1_percent_on(tab: Tab) -> None:
    reports: list[Report] = [
        [
            inbound("A", 100 * i, packetsLost=0, trackIdentifier="A"),
            inbound("T", 100 * i, packetsLost=lost, trackIdentifier="T"),
        ]
        for i, lost in enumerate((0, 0, 25, 25))
    ]
    body = """tracks.push(makeTrack("A", "audio", { getParticipantId: () => "ann" }));
        for (let i = 0; i < 4; i++) await next();"""
    metrics = pushed(tab, body, reports)
    assert values(metrics, "packetloss_download_worst") == [None, 0, 20, 0]
    assert values(metrics, "packetloss_download_best") == [None, 0, 0, 0]
    labels = [each["connectionquality"].get("labels") for each in metrics]
    assert labels == [None, None, {"worstSource": "bob"}, None]
