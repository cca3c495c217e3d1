"""`readReport` over time: outages, resets, late reports of the peer, and random cases."""

import random
from typing import Any

import pytest
from client.pages import Tab
from client.reports import (
    READ,
    Report,
    Stat,
    faults,
    inbound,
    known,
    metrics_of,
    outbound,
    pair,
    peers,
    recorded,
    series,
    transport,
)

from otel_jcmc.catalogue.metrics import PUSHED

BOUNDS = {row.field: (row.minimum, row.maximum) for row in PUSHED}
LABELS = {
    "client_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "participant_id": "1a2b3c4d",
    "roomname": "standup",
}


def test_in_an_outage_nothing_is_received_and_nothing_of_it_is_known(tab: Tab) -> None:
    """Neither 0 frames a second of a muted peer nor a loss of 100 %, as the library would say."""

    def report(received: int, sent: int, at: int) -> Report:
        return [
            inbound("A", received, packetsLost=0, jitter=0.01, timestamp=at),
            inbound("V", received, packetsLost=0, framesDecoded=received, timestamp=at),
            outbound("O", sent, framesPerSecond=25),
            peers("O", 1, 0, jitter=0.02),
        ]

    reports = [report(100, 100, 0), report(200, 200, 10000), report(200, 300, 20000)]
    assert known(tab, reports) == {"framerate_upload": 25}


def test_a_path_on_which_nothing_comes_has_no_round_trip(tab: Tab) -> None:
    """The browser repeats its last value, and its estimate, as long as the path lasts."""

    def report(received: int, at: int) -> Report:
        members = {"availableOutgoingBitrate": 3e6, "bytesReceived": received, "timestamp": at}
        path = pair("P", 0.02, received, **members)
        return [transport("T", "P"), path]

    reports = [report(100, 0), report(200, 10000), report(200, 20000), report(300, 30000)]
    assert series(tab, reports, "round_trip_time") == [None, 20, None, 20]
    assert series(tab, reports, "bandwidth_available_upload") == [3000, 3000, None, 3000]


def test_loss_after_an_outage_counts_when_packets_come_again(tab: Tab) -> None:
    def report(received: int, lost: int) -> Report:
        return [inbound("A", received, packetsLost=lost)]

    reports = [report(100, 0), report(100, 0), report(150, 50)]
    assert series(tab, reports, "packetloss_total") == [None, None, 50]


def test_the_peers_report_counts_once_over_its_own_interval(tab: Tab) -> None:
    """
    Every third report is new, as Chromium does for audio: the loss over the whole is correct.

    The peer lost 30, 60 and 0 packets; 100 were sent between two samples, 300 for each report.
    """
    lost = [0, 0, 0, 30, 30, 30, 90, 90, 90, 90]
    reports = [
        [outbound("O", 100 * i), peers("O", 3000 * (i // 3), lost[i], jitter=0.01)]
        for i in range(10)
    ]
    upload = series(tab, reports, "packetloss_upload")
    assert upload == [None, None, None, 10, None, None, 20, None, None, 0]
    assert sum(value * 3 for value in upload if value is not None) == 90
    # The level, too: an old one is not pushed again.
    jitter = series(tab, reports, "jitter_upload")
    assert jitter == [10, None, None, 10, None, None, 10, None, None, 10]


def test_what_is_sent_again_is_not_sent_twice(tab: Tab) -> None:
    """The peer counts a packet once, however often it was requested."""
    first = [outbound("O", 100, retransmittedPacketsSent=10), peers("O", 1, 0)]
    second = [outbound("O", 250, retransmittedPacketsSent=60), peers("O", 2, 20)]
    # 20 of (250 - 60) - (100 - 10)
    assert known(tab, [first, second])["packetloss_upload"] == 20


def test_loss_that_is_taken_back_is_none(tab: Tab) -> None:
    """A packet that comes twice makes up for a lost one (RFC 3550, 6.4.1), also for a later one."""

    def report(packets: int, lost: int, at: int) -> Report:
        ours = inbound("A", packets, packetsLost=lost)
        return [ours, outbound("O", packets), peers("O", at, lost)]

    reports = [report(100, 5, 1), report(200, -3, 2), report(300, -3, 3), report(400, 7, 4)]
    assert series(tab, reports, "packetloss_upload") == [None, 0, 0, 2]
    # 2 + 2 of 100 + 100 + 2
    assert series(tab, reports, "packetloss_total") == [None, 0, 0, 1.98]


def test_packets_that_are_lost_and_found_again_and_again_are_not_lost(tab: Tab) -> None:
    reports = [[inbound("A", 100 * at, packetsLost=50 * (at % 2))] for at in range(5)]
    assert series(tab, reports, "packetloss_download") == [None, 33.333, 0, 0, 0]


def test_a_stream_that_begins_again_at_0_gives_no_spike(tab: Tab) -> None:
    """A reset: levels still count, growth counts from the next report on."""

    def report(packets: int, at: int) -> Report:
        return [
            inbound(
                "V",
                packets,
                timestamp=at,
                packetsLost=packets // 10,
                jitter=0.01,
                framesDecoded=packets,
                freezeCount=packets // 100,
                totalFreezesDuration=packets / 100,
                framesDropped=packets // 50,
            ),
            outbound("O", packets, totalEncodeTime=packets / 100, framesEncoded=packets),
            peers("O", at, packets // 10),
        ]

    steps = (10000, 10100, 50, 150)
    reports = [report(packets, 10000 * i) for i, packets in enumerate(steps)]
    assert series(tab, reports, "freezes") == [None, 1, None, 1]
    assert series(tab, reports, "freeze_time") == [None, 1000, None, 1000]
    assert series(tab, reports, "frames_dropped") == [None, 2, None, 2]
    assert series(tab, reports, "framerate_download") == [None, 10, None, 10]
    assert series(tab, reports, "encode_time") == [None, 10, None, 10]
    assert series(tab, reports, "packetloss_upload") == [None, 10, None, 10]
    assert series(tab, reports, "jitter_download") == [10, 10, 10, 10]


def test_one_counter_that_falls_costs_itself_alone(tab: Tab) -> None:
    first = inbound("V", 100, freezeCount=50, totalFreezesDuration=9, framesDropped=3)
    second = inbound("V", 200, freezeCount=1, totalFreezesDuration=10, framesDropped=4)
    other = [inbound("W", packets, freezeCount=packets // 50) for packets in (100, 200)]
    assert known(tab, [[first, other[0]], [second, other[1]]]) == {
        "freezes": 2,
        "freeze_time": 1000,
        "frames_dropped": 1,
    }


def test_a_stream_that_comes_late_gives_no_spike(tab: Tab) -> None:
    """A participant joins that has sent for long, or whose picture is wanted again."""
    old = [inbound("V1", 100, freezeCount=2), inbound("V1", 200, freezeCount=3)]
    late = [inbound("V2", 90000, freezeCount=700), inbound("V2", 90100, freezeCount=701)]
    reports = [[old[0]], [old[1], late[0]], [old[1] | {"packetsReceived": 300}, late[1]], [late[1]]]
    assert series(tab, reports, "freezes") == [None, 1, 1, None]
    # A stream that goes takes its past along.
    back = [*reports, [inbound("V2", 90300, freezeCount=703), inbound("V1", 999, freezeCount=9)]]
    assert series(tab, back, "freezes")[-1] == 2


def test_freeze_time_is_that_of_the_worst_stream(tab: Tab) -> None:
    def report(packets: int, one: float, other: float) -> Report:
        members = {"totalFreezesDuration": one, "freezeCount": packets // 100}
        return [
            inbound("V1", packets, **members),
            inbound("V2", packets, **(members | {"totalFreezesDuration": other})),
        ]

    assert known(tab, [report(100, 10, 20), report(300, 14, 21)]) == {
        "freezes": 4,
        "freeze_time": 4000,
    }


def test_a_loss_of_more_than_was_sent_is_all(tab: Tab) -> None:
    first = [outbound("O", 100), peers("O", 1, 0)]
    second = [outbound("O", 110), peers("O", 2, 80)]
    assert known(tab, [first, second]) == {"packetloss_upload": 100, "packetloss_total": 100}


def test_the_loss_is_that_of_all_streams_together(tab: Tab) -> None:
    """The worst of several is too high by chance."""
    first = [outbound("A", 100), outbound("V", 100), peers("A", 1, 0), peers("V", 1, 0)]
    second = [outbound("A", 200), outbound("V", 600), peers("A", 2, 10), peers("V", 2, 20)]
    assert known(tab, [first, second]) == {"packetloss_upload": 5, "packetloss_total": 5}


def test_one_packet_of_a_few_is_no_great_loss(tab: Tab) -> None:
    """Fewer than 20 packets count as 20."""
    first = [outbound("A", 100), peers("A", 1, 0)]
    second = [outbound("A", 102), peers("A", 2, 1)]
    assert known(tab, [first, second])["packetloss_upload"] == 5


@pytest.mark.parametrize("value", ["__NaN", None, "12", True, {}, [7], "__undefined"])
def test_a_member_that_is_no_number_is_not_known(tab: Tab, value: Any) -> None:
    first = inbound("V", 100, freezeCount=1, jitter=value, framesDropped=1)
    second = inbound("V", 200, freezeCount=2, jitter=value)
    assert known(tab, [[first], [second]]) == {"freezes": 1}


def chance_member(chance: random.Random, value: Any) -> Any:
    """Return *value*, or now and then something that no report should have."""
    if chance.random() < 0.95:
        return value
    return chance.choice(("__NaN", "__undefined", None, "17", "many", True, {}))


class Walk:
    """A stream whose counters grow at random, and now and then begin again."""

    SLOW = (
        *("freezeCount", "pauseCount", "framesDropped", "packetsLost"),
        *("retransmittedPacketsSent", "responsesReceived", "selectedCandidatePairChanges"),
    )
    FAST = ("framesDecoded", "framesEncoded", "packetsReceived", "packetsSent", "bytesReceived")
    SAMPLES = (
        *("totalSamplesReceived", "concealedSamples", "silentConcealedSamples"),
        "jitterBufferEmittedCount",
    )
    SECONDS = (
        *("totalFreezesDuration", "totalPausesDuration", "totalEncodeTime", "totalDecodeTime"),
        *("totalRoundTripTime", "jitterBufferDelay", "totalAudioEnergy"),
    )

    def __init__(self, chance: random.Random, kind: str, name: str) -> None:
        self.chance = chance
        self.kind = kind
        self.name = name
        self.counters: dict[str, float] = {}
        self.is_there = True

    def step(self, at: float) -> Stat | None:
        """Return the stream in the next report."""
        if self.chance.random() < 0.05:
            self.is_there = not self.is_there
        if self.chance.random() < 0.05:
            self.counters = {}
        if self.chance.random() < 0.8:
            self.grow()
        if not self.is_there:
            return None
        stat: Stat = {"type": self.kind, "id": self.name, **self.counters, **self.levels()}
        durations = [self.counters.get(f"limited{i}", 0) for i in range(4)]
        reasons = zip(("none", "cpu", "bandwidth", "other"), durations, strict=True)
        stat["qualityLimitationDurations"] = dict(reasons)
        stat["timestamp"] = at if self.chance.random() < 0.7 else at - 10000
        kept = {
            key: chance_member(self.chance, value)
            for key, value in stat.items()
            if key in ("type", "id") or self.chance.random() < 0.95
        }
        return kept | {"type": self.kind, "id": self.name}

    def grow(self) -> None:
        chance = self.chance
        growth = {key: float(chance.randrange(5)) for key in self.SLOW}
        growth["packetsLost"] -= 1  # may fall
        growth |= {key: float(chance.randrange(300)) for key in self.FAST}
        growth |= {key: float(chance.randrange(480000)) for key in self.SAMPLES}
        growth |= {key: chance.random() * 5 for key in self.SECONDS}
        growth |= {f"limited{i}": chance.random() * 5 for i in range(4)}
        for key, by in growth.items():
            self.counters[key] = self.counters.get(key, 0) + by

    def levels(self) -> Stat:
        chance = self.chance
        return {
            "jitter": chance.random(),
            "framesPerSecond": chance.randrange(60),
            "frameWidth": chance.randrange(4000),
            "frameHeight": chance.randrange(4000),
            "currentRoundTripTime": chance.random() * 3,
            "kind": chance.choice(("audio", "video")),
            "trackIdentifier": chance.choice("ABCD"),
            "iceLocalUsernameFragment": chance.choice("UVW"),
            "availableOutgoingBitrate": chance.randrange(10**8),
            "contentType": chance.choice(("", "screenshare")),
            "localId": f"outbound-rtp{chance.randrange(50)}",
            "codecId": chance.choice(("C", "none")),
            "selected": chance.random() < 0.1,
            "nominated": chance.random() < 0.5,
            "state": chance.choice(("succeeded", "failed")),
        }


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_counters_do_each_value_is_null_or_within_bounds(tab: Tab, seed: int) -> None:
    """And the server accepts every such push completely."""
    chance = random.Random(seed)  # numbers of people who are not there
    kinds = (
        *("inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "candidate-pair", "media-source"),
        "transport",
    )
    # One stream of each kind shows what the sums of two hundred would hide.
    walks = [
        Walk(chance, kind, f"{kind}{i}") for i in range(20 if seed % 2 else 1) for kind in kinds
    ]
    codec = {"type": "codec", "id": "C", "mimeType": "audio/opus"}
    reports = []
    for i in range(15):
        steps = [walk.step(10000.0 * i) for walk in walks]
        reports.append([codec, transport("T", "candidate-pair0"), *filter(None, steps)])
    pages = [
        {
            "tracks": {
                name: {"isOn": chance.choice((True, False)), "owner": chance.choice((None, "bob"))}
                for name in "ABC"
            },
            "expected": chance.randrange(9),
            "wantedHeight": chance.choice((360, "__NaN", None)),
            "isOpen": chance.random() < 0.5,
            "isDown": chance.random() < 0.3,
        }
        for _ in reports
    ]
    pushed = metrics_of(tab, reports, pages)
    told = 0
    for metrics in pushed:
        for name in READ:
            value = metrics[name]["value"]
            low, high = BOUNDS[name]
            assert value is None or low <= value <= high, f"{name}: {value}"
            told += value is not None
        assert faults({"default_labels": LABELS, "metrics": metrics}) == []
    assert told > 100


@pytest.mark.parametrize(
    "name",
    [
        "head-bridge-shim-vp8-360",
        "head-jvb-raw-getstats",
        "head-jvb-vp8-360",
        "head-p2p-av1-720-10s",
        "lyno-2021-p2p",
    ],
)
def test_the_server_takes_every_recorded_event_whole(tab: Tab, name: str) -> None:
    samples = tab.run(
        """return argument.map((event) => otelJcmc.readStats(revive(event),
            { username: "Ada", participants: 2, collectAddresses: true }));""",
        recorded(name),
    )
    assert [faults({"default_labels": LABELS, **sample}) for sample in samples] == [[]] * len(
        samples
    )


def test_the_server_takes_every_recorded_report_whole(tab: Tab) -> None:
    reports = recorded("lyno-2021-p2p-getstats")
    pushed = metrics_of(tab, reports, is_p2p=True)
    assert [faults({"default_labels": LABELS, "metrics": metrics}) for metrics in pushed] == [
        []
    ] * 16


@pytest.mark.parametrize(
    "report",
    [
        "[]",
        "[{}]",
        "[{ id: 5 }]",
        '[{ id: "A", type: "inbound-rtp" }]',
        '[{ id: "A", type: "toString" }, { id: "B", type: "__proto__" }]',
        '[{ id: "A", type: "transport", selectedCandidatePairId: "none" }]',
        '[{ id: "A", type: "remote-inbound-rtp", localId: "none" }]',
        '[{ id: "O", type: "outbound-rtp", qualityLimitationDurations: 5, codecId: {} }]',
    ],
)
def test_of_an_odd_report_nothing_is_known(tab: Tab, report: str) -> None:
    metrics = tab.run(f"const list = {report}; return readReports([list, list])[1];")
    assert {name for name in READ if metrics[name]["value"] is not None} == set()


def test_a_round_trip_of_0_ms_is_a_value(tab: Tab) -> None:
    reports = [[pair("P", 0, answers), transport("T", "P")] for answers in (3, 4)]
    assert known(tab, reports)["round_trip_time"] == 0
