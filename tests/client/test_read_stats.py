"""`readStats`: what a push says of the library's statistics, recorded and invented."""

import ipaddress
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from client.pages import Tab
from client.reports import NOTHING_KNOWN, READ

SAMPLES = Path(__file__).parents[1] / "samples"
LIBRARY = {
    "connectionquality",
    "bandwidth_upload",
    "bandwidth_download",
    "bitrate_audio_upload",
    "bitrate_audio_download",
    "bitrate_video_upload",
    "bitrate_video_download",
    "bitrate_upload",
    "bitrate_download",
}
# Metrics from the room, or from the browser's own report (test_read_report.py).
OTHERS = {"conference_participants", "join_time", *READ}
SCALARS = LIBRARY | OTHERS
PERCENTS = {
    "connectionquality",
    "packetloss_upload",
    "packetloss_download",
    "packetloss_total",
    "audio_concealed",
    "limitation_none",
    "limitation_cpu",
    "limitation_bandwidth",
}
QUALITY_LABELS = {"serverregion", "bridge", "username", "audioCodec", "videoCodec"}
TRANSPORT_LABELS = {
    "protocol",
    "networkType",
    "localCandidateType",
    "remoteCandidateType",
    "p2p",
    "src_ip",
    "dst_ip",
}


def read(tab: Tab, stats: str, **options: Any) -> dict[str, Any]:
    """Return the metrics that readStats makes of a JavaScript expression."""
    sample = tab.run(f"return otelJcmc.readStats({stats}, argument);", options)
    assert list(sample) == ["metrics"]
    metrics: dict[str, Any] = sample["metrics"]
    assert faults_of(metrics) == []
    return metrics


def recorded(name: str) -> list[dict[str, Any]]:
    """Return the events of a file in tests/samples, in their encoding."""
    lines = (SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["data"] for line in lines]


def faults_of(metrics: Any) -> list[str]:
    """Return where *metrics* violates the wire format, by the contract."""
    faults = []
    if set(metrics) != SCALARS | {"transport_rtt"}:
        return [f"names: {sorted(metrics)}"]
    for name in SCALARS:
        faults += faults_of_metric(name, metrics[name], QUALITY_LABELS)
        if name != "connectionquality" and "labels" in metrics[name]:
            faults.append(f"{name}: labels")
    if not isinstance(metrics["transport_rtt"], list) or len(metrics["transport_rtt"]) > 8:
        return [*faults, "transport_rtt: not a list of at most 8"]
    for element in metrics["transport_rtt"]:
        faults += faults_of_metric("transport_rtt", element, TRANSPORT_LABELS)
        labels = element.get("labels", {})
        for address in (labels.get("src_ip"), labels.get("dst_ip")):
            if address is not None and not is_address(address):
                faults.append(f"address: {address}")
        if labels.get("protocol") not in {None, "udp", "tcp"}:
            faults.append(f"protocol: {labels['protocol']}")
        if labels.get("p2p") not in {None, "true", "false"}:
            faults.append(f"p2p: {labels['p2p']}")
    return faults


def faults_of_metric(name: str, metric: Any, allowed: set[str]) -> list[str]:
    """Return what is wrong with one `{"value": …, "labels": …}`."""
    faults = []
    if not isinstance(metric, dict) or not {"value"} <= set(metric) <= {"value", "labels"}:
        return [f"{name}: {metric}"]
    value = metric["value"]
    if value is not None:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            return [f"{name}: value {value}"]
        if value < 0 or (name in PERCENTS and value > 100):
            faults.append(f"{name}: value {value}")
    if "labels" not in metric:
        return faults
    labels = metric["labels"]
    if not isinstance(labels, dict) or not labels or not set(labels) <= allowed:
        return [*faults, f"{name}: labels {labels}"]
    return faults + [
        f"{name}: label {key}"
        for key, text in labels.items()
        if not isinstance(text, str) or not 1 <= len(text) <= 256 or "\0" in text
    ]


def is_address(text: str) -> bool:
    """Say whether *text* is exactly an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("head-bridge-shim-vp8-360", 96),
        ("head-jvb-raw-getstats", 13),
        ("head-jvb-vp8-360", 89),
        ("head-p2p-av1-720-10s", 10),
        ("lyno-2021-p2p", 20),
    ],
)
@pytest.mark.parametrize("addresses", ["false", "true"])
def test_every_recorded_event_gives_a_push_of_the_contract(
    tab: Tab, name: str, count: int, addresses: str
) -> None:
    samples = tab.run(
        """return argument.events.map((event) => otelJcmc.readStats(
            revive(event), { collectAddresses: argument.addresses === "true" }));""",
        {"events": recorded(name), "addresses": addresses},
    )
    assert len(samples) == count
    assert [faults_of(sample["metrics"]) for sample in samples] == [[]] * count
    # The far end of a transport to the bridge is the operator's.
    told = json.dumps(samples)
    bridges = re.sub(r'"bridge": "192\.0\.2\.2:\d+"', "", told)
    assert ("192.0.2." in bridges) is (addresses == "true")
    assert (bridges != told) is ('"p2p": "false"' in told)


def written(
    quality: float | None,
    bandwidth: tuple[float | None, float | None],
    audio: tuple[int, int],
    video: tuple[int, int],
    bitrate: tuple[int, int],
    _loss: int,
    transport: list[dict[str, Any]],
) -> dict[str, Any]:
    """
    Return the metrics of these numbers: (upload, download); nothing else is known.

    The library's *_loss* of received packets is not read, because it is 0 if nothing arrives.
    """
    return {name: {"value": None} for name in OTHERS} | {
        "connectionquality": {"value": quality},
        "bandwidth_upload": {"value": bandwidth[0]},
        "bandwidth_download": {"value": bandwidth[1]},
        "bitrate_audio_upload": {"value": audio[0]},
        "bitrate_audio_download": {"value": audio[1]},
        "bitrate_video_upload": {"value": video[0]},
        "bitrate_video_download": {"value": video[1]},
        "bitrate_upload": {"value": bitrate[0]},
        "bitrate_download": {"value": bitrate[1]},
        "transport_rtt": transport,
    }


def udp(rtt_ms: int, p2p: str, **others: str) -> dict[str, Any]:
    """Return a transport like all recorded ones, with these changes."""
    labels = {
        "protocol": "udp",
        "networkType": "ethernet",
        "localCandidateType": "prflx",
        "remoteCandidateType": "host",
        "p2p": p2p,
    }
    return {"value": rtt_ms, "labels": labels | others}


ZERO = ((0, 0), (0, 0), (0, 0), 0)


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        pytest.param(
            "head-jvb-vp8-360", 1, written(100, (None, None), *ZERO, []), id="the first event"
        ),
        pytest.param(
            "head-jvb-vp8-360",
            3,
            written(100, (1642, None), *ZERO, [udp(1, "false")]),
            id="no estimate yet: NaN",
        ),
        pytest.param(
            "head-jvb-vp8-360",
            7,
            written(
                33.143,
                (1642, 2701),
                (20, 24),
                (212, 99),
                (232, 123),
                0,
                [udp(2, "false")],
            ),
            id="a bridge",
        ),
        pytest.param(
            "head-jvb-vp8-360",
            33,
            written(13, (219, 2722), (23, 20), (68, 86), (91, 106), 14, []),
            id="loss, and no transport",
        ),
        pytest.param(
            "head-jvb-vp8-360",
            35,
            written(
                14.857,
                (161, 2722),
                (24, 18),
                (80, 28),
                (104, 46),
                24,
                [udp(249, "false")],
            ),
            id="loss and delay",
        ),
        pytest.param(
            "head-jvb-vp8-360",
            65,
            written(
                35.856,
                (424, 3138),
                (23, 24),
                (0, 168),
                (23, 192),
                0,
                [udp(1, "false")],
            ),
            id="video muted",
        ),
        pytest.param(
            "head-jvb-vp8-360",
            74,
            written(
                32.286,
                (439, 3173),
                (23, 24),
                (203, 159),
                (226, 183),
                0,
                [udp(0, "false")],
            ),
            id="a round trip of 0 ms is a value",
        ),
        pytest.param(
            "head-bridge-shim-vp8-360",
            96,
            written(
                39.4,
                (425, 3080),
                (1, 24),
                (196, 196),
                (197, 220),
                0,
                [udp(1, "false")],
            ),
            id="audio muted",
        ),
        pytest.param(
            "head-p2p-av1-720-10s",
            5,
            written(100, (2033, None), (24, 23), (479, 455), (503, 478), 0, [udp(1, "true")]),
            id="peer to peer has no estimate",
        ),
        pytest.param(
            "head-p2p-av1-720-10s",
            7,
            written(100, (2033, None), (24, 23), (618, 582), (642, 605), 2, []),
            id="peer to peer with loss",
        ),
        pytest.param(
            "lyno-2021-p2p",
            1,
            written(100, (3499, None), (21, 0), (215, 0), (236, 0), 0, [udp(1, "true")]),
            id="the library of 2021",
        ),
    ],
)
def test_a_recorded_event_becomes_these_numbers(
    tab: Tab, name: str, line: int, expected: dict[str, Any]
) -> None:
    sample = tab.run("return otelJcmc.readStats(revive(argument));", recorded(name)[line - 1])
    quality = sample["metrics"]["connectionquality"]
    is_bridged = [each["labels"]["p2p"] for each in expected["transport_rtt"]] == ["false"]
    bridge = quality.pop("labels", {}).get("bridge", "")
    assert bool(re.fullmatch(r"192\.0\.2\.2:\d+", bridge)) is is_bridged
    assert sample == {"metrics": expected}


def test_a_peer_without_an_address_has_no_address_label(tab: Tab) -> None:
    """The remote address of line 2 is ":60526", because the browser hides it."""
    sample = tab.run(
        "return otelJcmc.readStats(revive(argument), { collectAddresses: true });",
        recorded("head-p2p-av1-720-10s")[1],
    )
    assert sample["metrics"]["transport_rtt"] == [
        udp(8, "true", remoteCandidateType="prflx", src_ip="192.0.2.2")
    ]


def test_an_outage_keeps_its_zero(tab: Tab) -> None:
    """The event between the usual ones, when the connection is interrupted."""
    metrics = read(
        tab,
        """{connectionQuality: 0, jvbRTT: undefined, serverRegion: "eu-west",
            bandwidth: {upload: 2500, download: 5000}, bitrate: {upload: 0, download: 0,
            audio: {upload: 0, download: 0}, video: {upload: 0, download: 0}},
            packetLoss: {upload: 0, download: 100, total: 100}, transport: []}""",
    )
    assert metrics == written(0, (2500, 5000), (0, 0), (0, 0), (0, 0), 100, []) | {
        "connectionquality": {"value": 0, "labels": {"serverregion": "eu-west"}}
    }


def test_the_region_is_a_label_of_the_quality(tab: Tab) -> None:
    metrics = read(tab, '{connectionQuality: 97.5, serverRegion: "ap-south"}')
    assert metrics["connectionquality"] == {"value": 97.5, "labels": {"serverregion": "ap-south"}}


BRIDGED = '{ip: "203.0.113.7:10000", p2p: false}'
PEER = '{ip: "198.51.100.4:50000", p2p: true}'
OLD = '{ip: "198.51.100.4:50000"}'


@pytest.mark.parametrize(
    ("transports", "channel", "bridge"),
    [
        ([BRIDGED], None, "203.0.113.7:10000"),
        ([BRIDGED], "jvb-a", "jvb-a"),
        ([PEER, BRIDGED], "jvb-a", "jvb-a"),
        ([PEER, BRIDGED], None, "203.0.113.7:10000"),
        ([PEER], "jvb-a", None),
        ([OLD], "jvb-a", None),
        ([], "jvb-a", None),
        (["{p2p: false}"], None, None),
        (["{p2p: false, ip: 7}"], None, None),
    ],
)
def test_the_bridge_is_named_where_a_transport_goes_to_one_for_certain(
    tab: Tab, transports: list[str], channel: str | None, bridge: str | None
) -> None:
    stats = f"{{connectionQuality: 97.5, transport: [{', '.join(transports)}]}}"
    metrics = read(tab, stats, **({"bridge": channel} if channel else {}))
    told = metrics["connectionquality"].get("labels", {}).get("bridge")
    assert told == bridge


def test_a_name_is_a_label_of_the_quality_when_it_is_given(tab: Tab) -> None:
    metrics = read(tab, "{connectionQuality: 97.5}", username="Ada")
    assert metrics["connectionquality"] == {"value": 97.5, "labels": {"username": "Ada"}}


def test_transports_of_every_kind_are_labelled(tab: Tab) -> None:
    metrics = read(
        tab,
        """{transport: [
            {rtt: 41, type: "udp", p2p: false, networkType: "wifi", localCandidateType: "host",
             ip: "198.51.100.4:10000", localip: "10.0.0.7:51000"},
            {rtt: 8.5, type: "ssltcp", p2p: true, localCandidateType: "relay", networkType: "",
             ip: "[2001:db8::1]:443", localip: "2001:db8::2:51001"},
            {rtt: NaN, type: "tcp", p2p: undefined, networkType: null,
             ip: "0f6b6a9e-8f4e-4d1e-9e1c-3b8d5f0a4c11.local:5", localip: "undefined:undefined"},
            {rtt: 0, type: "quic"}]}""",
        collectAddresses=True,
    )
    assert metrics["transport_rtt"] == [
        {
            "value": 41,
            "labels": {
                "protocol": "udp",
                "networkType": "wifi",
                "localCandidateType": "host",
                "p2p": "false",
                "src_ip": "10.0.0.7",
                "dst_ip": "198.51.100.4",
            },
        },
        {
            "value": 8.5,
            "labels": {
                "protocol": "tcp",
                "localCandidateType": "relay",
                "p2p": "true",
                "src_ip": "2001:db8::2",
                "dst_ip": "2001:db8::1",
            },
        },
        {"value": None, "labels": {"protocol": "tcp"}},
        {"value": 0},
    ]


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("192.0.2.17:5000", "192.0.2.17"),
        ("192.0.2.17", "192.0.2.17"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1:5000", "2001:db8::1"),
        ("2001:db8:1:2:3:4:5:6:5000", "2001:db8:1:2:3:4:5:6"),
        ("::1:9", "::1"),
        ("fe80::1%eth0:9", None),
        ("printer.local:5000", None),
        ("1.2.3:5", None),
        (":37214", None),
        ("", None),
        ("192.0.2.1/24:5", None),
        ("a:b@192.0.2.1:80", None),
    ],
)
def test_an_address_comes_without_its_port(tab: Tab, endpoint: str, address: str | None) -> None:
    metrics = read(
        tab, json.dumps({"transport": [{"rtt": 5, "ip": endpoint}]}), collectAddresses=True
    )
    labels = {"labels": {"dst_ip": address}} if address else {}
    assert metrics["transport_rtt"] == [{"value": 5, **labels}]


def test_addresses_are_not_collected_unless_asked_for(tab: Tab) -> None:
    metrics = read(tab, '{transport: [{rtt: 5, ip: "192.0.2.1:5", localip: "192.0.2.2:5"}]}')
    assert metrics["transport_rtt"] == [{"value": 5}]


def test_what_was_read_does_not_change_with_the_object(tab: Tab) -> None:
    """The library changes the object that it has emitted, and emits it again."""
    both = tab.run(
        """const stats = { connectionQuality: 90, bitrate: { upload: 1, audio: { upload: 2 } },
                           transport: [{ rtt: 3, type: "udp" }], serverRegion: "north" };
        const sample = otelJcmc.readStats(stats);
        const before = JSON.stringify(sample);
        stats.connectionQuality = 10;
        stats.serverRegion = "south";
        stats.bitrate.upload = 11;
        stats.bitrate.audio.upload = 12;
        stats.transport[0].rtt = 13;
        stats.transport.push({ rtt: 14 });
        return [before, JSON.stringify(sample), JSON.stringify(otelJcmc.readStats(stats))];"""
    )
    assert both[0] == both[1]
    assert both[0] != both[2]


@pytest.mark.parametrize(
    "stats", ["undefined", "null", "{}", "5", '"text"', "[]", "Symbol('s')", "() => 1"]
)
def test_of_nothing_nothing_is_known(tab: Tab, stats: str) -> None:
    assert read(tab, stats) == NOTHING_KNOWN


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", '"97"', "true", "10n", "[5]", "{}", "null", "undefined"],
)
def test_what_is_no_finite_number_is_null(tab: Tab, value: str) -> None:
    metrics = read(
        tab, f"{{connectionQuality: {value}, bitrate: {{upload: {value}, audio: {value}}}}}"
    )
    assert metrics == NOTHING_KNOWN


@pytest.mark.parametrize(
    "stats",
    [
        """new Proxy({}, { get() { throw new Error("no"); } })""",
        """{ get connectionQuality() { throw 1; }, get bitrate() { throw 2; },
             get serverRegion() { throw 3; }, get transport() { throw 4; },
             packetLoss: { get upload() { throw 5; } } }""",
        """{ transport: new Proxy([], { get() { throw new Error("no"); } }) }""",
        """(() => { const { proxy, revoke } = Proxy.revocable([], {}); revoke();
                    return { transport: proxy, bandwidth: proxy }; })()""",
        """{ transport: { length: 3, 0: { rtt: 5 } } }""",
        """{ transport: "udp", bitrate: 7, bandwidth: "abc", packetLoss: [1], serverRegion: {} }""",
        """{ transport: [null, undefined, 0, ""], serverRegion: "" }""",
    ],
)
def test_hostile_statistics_are_not_known(tab: Tab, stats: str) -> None:
    assert read(tab, stats, collectAddresses=True) == NOTHING_KNOWN


def test_one_getter_that_throws_costs_its_own_value_only(tab: Tab) -> None:
    metrics = read(
        tab,
        """{ connectionQuality: 55, bitrate: { get upload() { throw 1; }, download: 7 },
             transport: [{ get rtt() { throw 2; }, type: "udp" }, { rtt: 9 }] }""",
    )
    assert metrics == NOTHING_KNOWN | {
        "connectionquality": {"value": 55},
        "bitrate_download": {"value": 7},
        "transport_rtt": [{"value": None, "labels": {"protocol": "udp"}}, {"value": 9}],
    }


def test_labels_of_the_wrong_type_are_left_out(tab: Tab) -> None:
    metrics = read(
        tab,
        """{ serverRegion: 5, transport: [{ rtt: 1, type: { toString() { throw 1; } }, p2p: "yes",
             networkType: 4, localCandidateType: [], ip: 7, localip: {} }] }""",
        collectAddresses=True,
    )
    assert metrics == NOTHING_KNOWN | {"transport_rtt": [{"value": 1}]}


def test_of_a_thousand_transports_eight_are_told(tab: Tab) -> None:
    metrics = read(tab, "{transport: Array.from({length: 1000}, (_, i) => ({rtt: i}))}")
    assert [element["value"] for element in metrics["transport_rtt"]] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_text_is_cut_to_what_the_wire_takes(tab: Tab) -> None:
    """256 characters; no NUL, and no half of an emoji at the cut."""
    region = tab.run(
        r"""const region = "\0" + "x".repeat(254) + "\u{1F600}" + "y";
        return otelJcmc.readStats({ serverRegion: region }).metrics.connectionquality.labels;"""
    )
    assert region == {"serverregion": "x" * 254}


def test_every_path_of_the_table_is_found_in_a_recorded_event(tab: Tab) -> None:
    """A misspelt path would give null for ever, and null is no fault."""
    metrics = tab.run(
        "return otelJcmc.readStats(revive(argument)).metrics;", recorded("head-jvb-vp8-360")[6]
    )
    assert {name for name in LIBRARY if metrics[name]["value"] is None} == set()
