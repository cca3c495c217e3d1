"""What a span says of a call: state, cause, place; and a search for bad calls finds it."""

from typing import Any

import pytest
import redis
from entries import write
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from recording import SPANS, process, push, read_log, sids
from sink_requests import SinkSpan

from otel_jcmc.catalogue.attributes import CONFERENCE, PARTICIPANT
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.entry import Sample, in_order
from otel_jcmc.sessions.leg import Leg
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.traces.spans import fold_conference, fold_session
from otel_jcmc.verdict.journal import Entry

START = 1_800_000_000_000
ROOM = f"0123456789ab:{START}"
SID = "0123456789ab" + "c" * 20 + f"{START:011x}" + "0beef"
LEG = Leg(SID, "session-1", START, START + 300_000, "left", 1, START, "", 0)
OUTAGE, DOWNLINK, DEVICE, UPLINK = 1, 2, 5, 7


def folded(*stretches: Stretch, leg: Leg = LEG, counts: Any = ()) -> SinkSpan:
    """Return the span of a session, with an entry for each of *stretches*, read as from Redis."""
    none: list[Any] = [None] * LAST_METRIC_ID
    logged = [
        Sample(START + 30_000 * number, none, stretches=[each])
        for number, each in enumerate(stretches)
    ]
    logged += [Sample(START, none, counts=each) for each in counts]
    span = fold_session(leg, in_order([write(each) for each in logged]), {}).span
    return SinkSpan.of(Span.FromString(span))


def said(span: SinkSpan, start: str = "jitsi.verdict.") -> dict[str, Any]:
    """Return the attributes of *span* with this beginning, without it."""
    return {
        name.removeprefix(start): value
        for name, value in span.attributes.items()
        if name.startswith(start)
    }


def status(span: SinkSpan) -> tuple[int, str]:
    return span.message.status.code, span.message.status.message


def test_a_span_says_how_far_it_reached_by_what_stood_out_then() -> None:
    """A minute on a bad bridge, then two minutes alone; another's outage does not count."""
    sick = Stretch(300, 2, DOWNLINK, "eu", "jvb-1", "wifi")
    logged = [
        Sample(START + 30_000 * number, [None] * LAST_METRIC_ID, stretches=[sick])
        for number in range(1, 7)
    ]
    about = {CONFERENCE.id: "standup", PARTICIPANT.id: "ada"}
    entries = [
        Entry("bridge", "jvb-1", "eu", START, START + 65_000, 1.0, (9, 9, 9, 9)),
        Entry("bridge", "jvb-2", "eu", START, START + 300_000, 1.0, (9, 9, 9, 9)),
        Entry("conference", "retro", "", START, START + 300_000, 1.0, (9, 9, 9, 9)),
    ]
    samples = in_order([write(each) for each in logged])
    span = SinkSpan.of(Span.FromString(fold_session(LEG, samples, about, entries).span))
    assert said(span, "jitsi.verdict.scope") == {
        "": "participant",
        "_share.participant": 0.666667,
        "_share.bridge": 0.333333,
    }
    unknown = SinkSpan.of(Span.FromString(fold_session(LEG, samples, about).span))
    assert said(unknown, "jitsi.verdict.scope") == {}
    for a_moment in (Stretch(0, 2, DOWNLINK, "eu", "jvb-1"), Stretch(300, 0)):
        log = in_order([write(Sample(START, [None] * LAST_METRIC_ID, stretches=[a_moment]))])
        span = SinkSpan.of(Span.FromString(fold_session(LEG, log, about, entries).span))
        assert said(span, "jitsi.verdict.scope") == {}


def test_a_span_says_where_it_was_bad_not_only_where_it_ended() -> None:
    """Twenty bad pushes in eu over wifi on one bridge, then ten good ones in ap over a vpn."""
    span = folded(Stretch(2000, 2, UPLINK, "eu", "jvb-1", "wifi"), Stretch(1000, 0))
    assert said(span) == {
        "state": "bad",
        "cause": "uplink",
        "time.known": 300.0,
        "time.unknown": 0.0,
        "share.good": 0.333333,
        "share.fair": 0.0,
        "share.bad": 0.666667,
        "cause_share.uplink": 0.666667,
        "bad.region": "eu",
        "bad.regions": ["eu"],
        "bad.regions_share": [1.0],
        "bad.bridge": "jvb-1",
        "bad.bridges": ["jvb-1"],
        "bad.bridges_share": [1.0],
        "bad.network": "wifi",
        "bad.networks": ["wifi"],
        "bad.networks_share": [1.0],
    }
    assert status(span) == (Status.STATUS_CODE_ERROR, "bad for 67 % of the time, cause: uplink")


@pytest.mark.anyio
async def test_a_call_that_moves_in_the_middle_of_an_interval_is_told_to_the_push(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """From pushes to the span: thirty bad ones, twenty of them in eu over wifi."""
    bad: dict[str, Any] = {"f45": 2, "f46": 7, "f47": 10_000}
    eu = bad | {"f69": "eu", "f98": "jvb-1", "f13": [[41, {83: "wifi", 84: "host"}]]}
    ap = bad | {"f69": "ap", "f98": "jvb-9", "f13": [[300, {83: "vpn", 84: "relay"}]]}
    async with process(each_server, SPANS) as here:
        for number in range(30):
            await here.push(push(**eu if number < 20 else ap))
            await here.wait(10)
        await here.wait(20)
        (sid,) = sids(each_client)
        samples = read_log(each_client, sid)
    assert len(samples) == 10
    span = SinkSpan.of(Span.FromString(fold_session(LEG, samples, {}).span))
    ends_in = {
        "jitsi.region": "ap",
        "jitsi.bridge.name": "jvb-9",
        "network.connection.type": "vpn",
        "jitsi.ice.candidate.type": "relay",
    }
    assert {name: span.attributes[name] for name in ends_in} == ends_in
    assert said(span, "jitsi.verdict.bad.") == {
        "region": "eu",
        "regions": ["eu", "ap"],
        "regions_share": [0.666667, 0.333333],
        "bridge": "jvb-1",
        "bridges": ["jvb-1", "jvb-9"],
        "bridges_share": [0.666667, 0.333333],
        "network": "wifi",
        "networks": ["wifi", "vpn"],
        "networks_share": [0.666667, 0.333333],
    }
    assert said(span)["time.known"] == 300.0
    assert status(span)[1] == "bad for 100 % of the time, cause: uplink"


def test_a_session_over_two_regions_has_both_by_the_time_that_was_bad_there() -> None:
    span = folded(
        Stretch(300, 2, DOWNLINK, "ap", "jvb-9", "vpn"),
        Stretch(500, 2, UPLINK, "eu", "jvb-1", "wifi"),
        Stretch(200, 2, DOWNLINK, "eu", "jvb-2", "ethernet"),
    )
    found = said(span, "jitsi.verdict.bad.")
    assert (found["region"], found["regions"]) == ("eu", ["eu", "ap"])
    assert found["regions_share"] == [0.7, 0.3]
    assert found["bridges"] == ["jvb-1", "jvb-9", "jvb-2"]
    assert found["bridges_share"] == [0.5, 0.3, 0.2]
    # In the words of the semantic conventions.
    assert found["networks"] == ["wifi", "vpn", "wired"]
    assert said(span, "jitsi.verdict.cause") == {
        "": "downlink",
        "_share.downlink": 0.5,
        "_share.uplink": 0.5,
    }


def test_few_are_named_and_what_nobody_knows_is_not() -> None:
    span = folded(
        *(Stretch(100 - number, 2, OUTAGE, f"region-{number}") for number in range(9)),
        Stretch(36, 2, OUTAGE),
    )
    found = said(span, "jitsi.verdict.bad.")
    assert found == {
        "region": "region-0",
        "regions": ["region-0", "region-1", "region-2"],
        "regions_share": [0.111111, 0.11, 0.108889],
    }


def test_a_call_that_was_good_throughout_is_no_error() -> None:
    span = folded(Stretch(300, 0), Stretch(300, 0))
    assert said(span) == {
        "state": "good",
        "time.known": 60.0,
        "time.unknown": 240.0,
        "share.good": 1.0,
        "share.fair": 0.0,
        "share.bad": 0.0,
    }
    assert status(span) == (Status.STATUS_CODE_UNSET, "")


def test_of_a_call_of_which_nothing_is_known_nothing_is_said() -> None:
    """Not 0: a participant alone was neither good nor bad."""
    span = folded(Stretch(300), Stretch(300))
    assert said(span) == {"time.known": 0.0, "time.unknown": 300.0}
    assert status(span) == (Status.STATUS_CODE_UNSET, "")
    # Nor about a session whose entries are an earlier version's.
    assert said(folded()) == {}


def test_shares_are_of_the_time_that_is_known_and_the_rest_is_not() -> None:
    """Time without pushes is unknown, too."""
    span = folded(Stretch(900), Stretch(75, 0), Stretch(25, 2, OUTAGE))
    assert said(span, "jitsi.verdict.share.") == {"good": 0.75, "fair": 0.0, "bad": 0.25}
    assert said(span, "jitsi.verdict.time.") == {"known": 10.0, "unknown": 290.0}


def test_a_tenth_of_the_time_may_be_bad() -> None:
    tenth = folded(Stretch(900, 0), Stretch(100, 2, OUTAGE, "eu"))
    assert said(tenth)["state"] == "good"
    assert "cause" not in said(tenth)
    # Known values are told all the same.
    assert said(tenth, "jitsi.verdict.bad.")["region"] == "eu"
    assert said(tenth)["cause_share.outage"] == 0.1
    assert status(tenth) == (Status.STATUS_CODE_UNSET, "")
    more = folded(Stretch(899, 0), Stretch(101, 2, OUTAGE))
    assert status(more) == (Status.STATUS_CODE_ERROR, "bad for 10 % of the time, cause: outage")


def test_a_call_that_was_fair_says_why_and_is_no_error() -> None:
    span = folded(Stretch(860, 0), Stretch(60, 2, OUTAGE), Stretch(80, 1, DEVICE))
    assert (said(span)["state"], said(span)["cause"]) == ("fair", "device")
    assert said(span)["cause_share.device"] == 0.08
    assert status(span) == (Status.STATUS_CODE_UNSET, "")


def test_the_cause_of_a_bad_call_is_that_of_its_bad_time() -> None:
    span = folded(Stretch(500, 1, DEVICE), Stretch(300, 2), Stretch(200, 2, UPLINK))
    assert said(span)["cause"] == "unknown"
    assert said(span, "jitsi.verdict.cause_share.") == {
        "device": 0.5,
        "unknown": 0.3,
        "uplink": 0.2,
    }


def test_a_call_that_was_bad_and_failed_says_both() -> None:
    leg = LEG._replace(reason="failed", cause="ice_failed")
    span = folded(Stretch(100, 2, OUTAGE), leg=leg)
    assert status(span) == (
        Status.STATUS_CODE_ERROR,
        "failed: ice_failed; bad for 100 % of the time, cause: outage",
    )
    good = folded(Stretch(100, 0), leg=leg)
    assert status(good) == (Status.STATUS_CODE_ERROR, "failed: ice_failed")


def test_what_a_later_version_says_is_not_known_here() -> None:
    span = folded(Stretch(100, 3, 2), Stretch(100, 2, 99))
    assert said(span, "jitsi.verdict.time.") == {"known": 10.0, "unknown": 290.0}
    assert said(span)["cause"] == "unknown"


def test_what_was_counted_is_that_of_the_whole_session() -> None:
    span = folded(counts=[[2, 1500, 0], [], [1, 250, None]])
    assert said(span, "jitsi.session.video.") == {
        "freezes": 3,
        "freeze_time": 1.75,
        "frames_dropped": 0,
    }
    assert said(folded(counts=[[None, None, 4]]), "jitsi.session.video.") == {"frames_dropped": 4}


# A conference.


def conference(**of_redis: str) -> SinkSpan:
    told = {name.replace("__", ":"): value for name, value in of_redis.items()}
    return SinkSpan.of(Span.FromString(fold_conference(ROOM, told)))


def kept(*stretches: Stretch) -> dict[str, str]:
    """Return what a conference keeps of a session's verdict."""
    entry = write(Sample(START, [], stretches=[*stretches]))
    found = fold_session(LEG, in_order([entry]), {}).kept
    return {field: value for field, value in found.items() if field != ">last"}


def test_a_conference_keeps_of_each_session_whether_it_was_bad_and_why() -> None:
    bad = {"+known": "1", "+bad": "1", ">state": "2", "+cause:outage": "1"}
    assert kept(Stretch(100, 0), Stretch(100, 2, OUTAGE)) == bad
    assert kept(Stretch(100, 1, DEVICE)) == {"+known": "1", "+bad": "0", ">state": "1"}
    assert kept(Stretch(100, 0)) == {"+known": "1", "+bad": "0", ">state": "0"}
    assert kept(Stretch(100)) == {}


def test_a_conference_says_how_many_were_bad_and_why_most_of_them() -> None:
    span = conference(
        sessions="5", known="4", bad="3", state="2", cause__uplink="1", cause__outage="2"
    )
    assert said(span, "jitsi.conference.sessions.") == {
        "count": 5,
        "most": 0,
        "known": 4,
        "bad": 3,
    }
    assert said(span) == {"state": "bad", "cause": "outage"}
    assert status(span) == (Status.STATUS_CODE_ERROR, "3 of 4 sessions bad, cause: outage")


def test_one_bad_participant_makes_no_bad_conference() -> None:
    span = conference(sessions="2", known="2", bad="1", state="2", cause__uplink="1")
    assert said(span) == {"state": "bad", "cause": "uplink"}
    assert status(span) == (Status.STATUS_CODE_UNSET, "")


def test_a_conference_of_which_nothing_is_known_has_no_state() -> None:
    assert said(conference(sessions="2")) == {}
    assert said(conference(sessions="2", known="2", state="0", bad="0")) == {"state": "good"}
