"""
`outage.js`: what the client reports of a path that lets nothing through, and what it leaves out.

The recording is of two tabs in a real direct call. From 10.8 s to 22.8 s nothing that ada sent
arrived. Ada went on receiving media until ICE gave up at 18.5 s, and after that only checks.
"""

import random
from typing import Any

import pytest
from client.pages import Tab
from client.reports import inbound, outbound, pair, peers, transport
from recordings import load

CUT, HEALED = 10.75, 22.75
MEASURED = [
    *("connectionquality", "packetloss_upload", "packetloss_download", "packetloss_total"),
    *("jitter_upload", "jitter_download", "round_trip_time", "bandwidth_upload"),
    *("bandwidth_available_upload", "bitrate_upload", "bitrate_download"),
]
REPLAY = """
delete window.APP;
const world = makeWorld();
let at = argument.events[0].t;
const [diedAt, livedAt] = argument.dead;
const fetch = world.fetch;
world.fetch = (...all) => {
    if (diedAt <= at && at < livedAt) world.answers.unshift("reject");
    return fetch(...all);
};
const room = makeRoom();
let report = [];
const connection = { isP2P: true, peerconnection: { getStats: async () => makeReport(report) } };
room.getActivePeerConnection = () => connection;
room.getParticipantCount = () => argument.participants;
window.config = { pcStatsInterval: argument.interval };
setPage(room);
startIn(world);

for (const { t, report: next, stats } of argument.events) {
    await world.advance(1000 * (t - at) - 1);
    at = t;
    if (next) report = next;
    await world.advance(1);
    if (stats) room.emit("cq.local_stats_updated", revive(stats));
}
await world.advance(argument.more);
const calls = world.sent();
otelJcmc.stop();
delete window.config;
return calls;
"""

Event = dict[str, Any]


def replay(
    tab: Tab,
    events: list[Event],
    dead: tuple[float, float] = (0, 0),
    participants: int = 2,
    interval: int = 2000,
    more: int = 0,
) -> list[dict[str, Any]]:
    """
    Return the pushes of a page that sees *events*; `t` is in the recording's time.

    While its server is *dead*, from one time to another, pushes fail.
    """
    argument = {
        "events": events,
        "dead": dead,
        "participants": participants,
        "interval": interval,
        "more": more,
    }
    began = events[0]["t"]
    calls = tab.run(REPLAY, argument)
    return [{"t": began + call["at"] / 1000, **call["body"]} for call in calls]


def events_of(who: str) -> list[Event]:
    """
    Return the events that the page of *who* saw in the recording.

    The library's events have the time of a report, because no report was taken at their own time.
    """
    events: list[Event] = []
    for line in load("dead-up-v2193").lines:
        if line.who == who and line.kind == "raw":
            events.append({"t": line.t, "report": line.data["report"]})
        elif line.who == who and line.kind == "stats" and events and "stats" not in events[-1]:
            events[-1]["stats"] = line.data["stats"]
    return events


def told(pushes: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Return the time and some values of each of *pushes*."""
    return [
        (round(push["t"], 1), *(push["metrics"][name]["value"] for name in names))
        for push in pushes
        if "metrics" in push
    ]


def test_who_hears_nothing_is_told_of_it_until_it_is_over(tab: Tab) -> None:
    """Bob, to whom nothing comes from 10.8 s to 22.8 s."""
    pushes = replay(tab, events_of("bob"))
    down = dict(told(pushes, "outage_down"))
    assert {t: ms for t, ms in down.items() if ms} == {
        15.1: pytest.approx(4300, abs=100),
        17.1: pytest.approx(6300, abs=100),
        19.2: pytest.approx(8400, abs=100),
        21.1: pytest.approx(10300, abs=100),
        23.1: pytest.approx(1000 * (HEALED - CUT), abs=500),
    }
    # Meanwhile it is not known whether Bob's packets arrive.
    up = dict(told(pushes, "outage_up"))
    assert {t for t, ms in up.items() if ms is None} == {15.1, 17.1, 19.2, 21.1}
    assert {ms for ms in up.values() if ms is not None} == {0}


def test_who_is_heard_by_nobody_is_told_of_it_until_it_is_over(tab: Tab) -> None:
    """Ada, whose packets are all lost."""
    pushes = replay(tab, events_of("ada"))
    up = dict(told(pushes, "outage_up"))
    assert {t: ms for t, ms in up.items() if ms} == {
        17.1: pytest.approx(6200, abs=300),
        19.2: pytest.approx(8300, abs=300),
        21.1: pytest.approx(10300, abs=300),
        23.2: pytest.approx(1000 * (HEALED - CUT), abs=500),
    }
    # The other side's checks arrive all the time.
    assert {ms for _, ms in told(pushes, "outage_down")} == {0}


@pytest.mark.parametrize(
    ("who", "names", "since", "until"),
    [
        ("bob", MEASURED, 14.2, 21.2),
        ("ada", [name for name in MEASURED if not name.endswith("download")], 16.2, 21.2),
        # One report is not enough for an outage, but it is enough to leave out wrong values.
        ("bob", ["packetloss_upload", "packetloss_download", "jitter_download"], 12.2, 24.2),
        ("ada", ["packetloss_upload", "packetloss_total"], 12.7, 24.2),
        ("ada", ["packetloss_download"], 19.7, 24.2),
    ],
)
def test_what_nobody_can_measure_is_not_known(
    tab: Tab, who: str, names: list[str], since: float, until: float
) -> None:
    pushes = [push for push in replay(tab, events_of(who)) if since < push["t"] < until]
    assert len(pushes) >= 2
    for push in pushes:
        known = {name for name in names if push["metrics"][name]["value"] is not None}
        # Values that come after the outage are known again.
        if push["t"] > HEALED:
            known &= {name for name in names if name.startswith("packetloss")}
        if who == "ada" and push["t"] < 19:
            known -= {"packetloss_total"}
        assert known == set(), push["t"]


def test_loss_that_belongs_to_an_outage_is_not_told_as_loss_when_it_is_over(tab: Tab) -> None:
    """It was 100 % up and 57 % down, long after the path was good again."""
    for who in ("ada", "bob"):
        rows = told(replay(tab, events_of(who)), "packetloss_upload", "packetloss_download")
        assert {value for _, *values in rows for value in values} == {0, None}


def test_what_was_not_taken_is_told_in_the_first_push_that_is(tab: Tab) -> None:
    """Media and pushes usually fail together."""
    pushes = replay(tab, events_of("bob"), dead=(CUT, 31.2), more=120_000)
    rows = [(t, ms) for t, ms in told(pushes, "outage_down") if t > HEALED]
    failed = [ms for t, ms in rows if t < 31.2]
    taken = [ms for t, ms in rows if t >= 31.2]
    # Each failed push has everything; the accepted one is the last to have it.
    assert failed
    assert [*failed, taken[0]] == [pytest.approx(12_000, abs=500)] * (len(failed) + 1)
    assert set(taken[1:]) <= {0, None}
    assert len(taken) > 2


# Reports made by hand, one a second: a path, and the other side's report on one stream.


def path(
    at_s: float, heard_s: float, asked: int, answered: int, arrived: int, **changes: Any
) -> Event:
    """Return a page's report at *at_s*; *arrived*: its packets at the other side."""
    now = 1000 * at_s
    members: dict[str, Any] = {
        "timestamp": now,
        "bytesReceived": 1000 * heard_s,
        "bytesSent": 1000 * at_s,
        "lastPacketReceivedTimestamp": 1000 * heard_s,
        "requestsSent": asked,
        "responsesReceived": answered,
        "requestsReceived": int(heard_s / 2.5),
        **changes,
    }
    report = [
        transport("T", "P"),
        pair("P", 0.05, **{name: it for name, it in members.items() if it is not None}),
        outbound("O", round(50 * at_s)),
        peers("O", now - 100, 0, jitter=0.01 + arrived / 1e6),
        inbound("I", round(50 * heard_s), packetsLost=0, timestamp=now),
    ]
    return {"t": at_s, "report": report}


def with_stats(events: list[Event], every: int) -> list[Event]:
    """Add the library's statistics to one of every *every* events."""
    stats = {
        "connectionQuality": 100,
        "serverRegion": "eu-west",
        "bitrate": {"upload": 400, "download": 400},
    }
    return [
        event | ({"stats": stats} if not index % every else {})
        for index, event in enumerate(events)
    ]


@pytest.mark.parametrize("every", [2, 10])
@pytest.mark.parametrize("began", [20.0, 21.0, 23.0, 27.0, 29.0])
def test_a_dead_link_of_12_s_is_12_s_however_seldom_the_library_looks(
    tab: Tab, every: int, began: float
) -> None:
    ended = began + 12.0
    events = []
    for at in range(80):
        is_dead = began < at < ended
        checks = int((began if is_dead else at if at <= began else at - 12) / 2.5)
        events.append(path(at, began if is_dead else at, int(at / 2.5), checks, checks))
    rows = told(replay(tab, with_stats(events, every), interval=1000 * every), "outage_down")
    assert max(ms for _, ms in rows) == pytest.approx(12_000, abs=1000)
    assert rows[-1][1] == 0


@pytest.mark.parametrize("every", [2, 10])
def test_a_link_that_is_dead_upwards_alone_is_told_so(tab: Tab, every: int) -> None:
    events = []
    for at in range(60):
        is_dead = 20 < at < 32
        checks = int(min(at, 20) / 2.5) + (int((at - 32) / 2.5) if at >= 32 else 0)
        events.append(path(at, at, int(at / 2.5), checks, 20 if is_dead else at))
    pushes = replay(tab, with_stats(events, every), interval=1000 * every)
    rows = told(pushes, "outage_up", "outage_down")
    assert max(ms for _, ms, _ in rows) == pytest.approx(12_000, abs=2500)
    assert {ms for _, _, ms in rows} == {0}


def test_a_silent_call_in_which_checks_come_alone_has_no_outage(tab: Tab) -> None:
    events = []
    for at in range(120):
        check = 2.5 * int(at / 2.5)
        events.append(path(at, check, int(at / 2.5) + 2, int(at / 2.5), 0))
    rows = told(replay(tab, with_stats(events, 2)), "outage_up", "outage_down")
    assert {tuple(values) for _, *values in rows} == {(0, 0)}


@pytest.mark.parametrize("every", [2, 10])
def test_10_percent_of_loss_each_way_is_no_outage(tab: Tab, every: int) -> None:
    """One check in five has no answer then, and will never have one."""
    chance = random.Random(1)
    asked, answered, events = 0, 0, []
    for at in range(600):
        if not at % 2:
            asked += 1
            answered += chance.random() < 0.81
        events.append(path(at, at - 0.1, asked, answered, at))
    pushes = replay(tab, with_stats(events, every), interval=1000 * every)
    rows = told(pushes, "outage_up", "outage_down")
    assert len(rows) >= 60
    assert {(up, down) for _, up, down in rows} == {(0, 0)}


def test_a_page_that_stood_still_knows_of_no_outage(tab: Tab) -> None:
    """A notebook slept: the last packets are a minute old, because the page did not run."""
    events = [path(at, at, int(at / 2.5), int(at / 2.5), at) for at in range(20)]
    events += [path(at, 20 if at < 82 else at, 8, 8, 20) for at in range(80, 100)]
    argument = {"events": with_stats(events, 2), "still": [20, 80]}
    calls = tab.run(
        REPLAY.replace(
            "await world.advance(1000 * (t - at) - 1);",
            "if (t === 80) world.sleep(60999); else await world.advance(1000 * (t - at) - 1);",
        ),
        argument | {"dead": (0, 0), "participants": 2, "interval": 2000, "more": 0},
    )
    assert {call["body"]["metrics"]["outage_down"]["value"] for call in calls} == {0}


def test_who_is_alone_has_no_outage(tab: Tab) -> None:
    events = [path(at, min(at, 20), int(at / 2.5), int(min(at, 20) / 2.5), 0) for at in range(40)]
    rows = told(replay(tab, with_stats(events, 2), participants=1), "outage_down", "outage_up")
    assert {tuple(values) for _, *values in rows} == {(None, None)}


def test_who_is_left_alone_has_no_outage_before_the_next_statistics(tab: Tab) -> None:
    events = with_stats([path(at, at, int(at / 2.5), int(at / 2.5), at) for at in range(10)], 2)
    argument = {"events": events, "dead": (0, 0), "participants": 2, "interval": 2000, "more": 0}
    last = "const calls = world.sent();"
    left = """room.getParticipantCount = () => 1;
    room.emit("conference.userLeft", "bob");
    await world.advance(1);"""
    calls = tab.run(REPLAY.replace(last, f"{left}\n{last}"), argument)
    known = {name for name, it in calls[-1]["body"]["metrics"].items() if it and it.get("value")}
    assert known == set()
    assert calls[-1]["body"]["metrics"]["outage_down"] == {"value": None}
    assert calls[-2]["body"]["metrics"]["outage_down"] == {"value": 0}


def test_safari_which_does_not_say_when_it_heard_last_tells_it_all_the_same(tab: Tab) -> None:
    events = [
        path(at, at if not 20 < at < 32 else 20, 9, 9, at, lastPacketReceivedTimestamp=None)
        for at in range(60)
    ]
    rows = told(replay(tab, with_stats(events, 2)), "outage_down")
    assert max(ms for _, ms in rows) == pytest.approx(12_000, abs=1500)


def test_firefox_which_counts_no_checks_knows_of_none_upwards(tab: Tab) -> None:
    events = [path(at, at, 0, 0, at, requestsSent=None, responsesReceived=None) for at in range(20)]
    rows = told(replay(tab, with_stats(events, 2)), "outage_up", "outage_down")
    assert {tuple(values) for _, *values in rows} == {(None, 0)}


def test_a_heartbeat_says_how_long_and_where(tab: Tab) -> None:
    """The statistics stop together with the path."""
    events = [path(at, min(at, 10), int(at / 2.5), int(min(at, 10) / 2.5), 0) for at in range(40)]
    events = [
        event if event["t"] <= 12 else {"t": event["t"], "report": event["report"]}
        for event in with_stats(events, 2)
    ]
    pushes = replay(tab, events)
    beats = [push for push in pushes if push["t"] > 14]
    assert len(beats) >= 8
    for push in beats:
        metrics = push["metrics"]
        assert metrics["outage_down"]["value"] == pytest.approx(1000 * (push["t"] - 10), abs=100)
        assert metrics["connectionquality"] == {
            "value": None,
            # Where it was: in an outage the library has no transport.
            "labels": {"serverregion": "eu-west", "p2p": "true"},
        }
        assert {name for name, it in metrics.items() if it and it.get("value") is not None} == {
            "outage_down"
        }


def test_an_outage_keeps_the_bridge_and_the_region_that_it_began_in(tab: Tab) -> None:
    events = with_stats(
        [path(at, min(at, 20), int(at / 2.5), int(min(at, 20) / 2.5), 0) for at in range(40)], 2
    )
    for event in events:
        if "stats" in event:
            is_late = event["t"] > 26
            event["stats"] = event["stats"] | {
                "serverRegion": "us-east" if is_late else "eu-west",
                "transport": [{"p2p": False, "ip": f"203.0.113.{8 if is_late else 7}:10000"}],
            }
    pushes = replay(tab, events)
    found = {
        (labels["serverregion"], labels["bridge"], push["t"] > 26)
        for push in pushes
        for labels in [push["metrics"]["connectionquality"]["labels"]]
    }
    began = "eu-west", "203.0.113.7:10000"
    assert found == {(*began, False), (*began, True)}
