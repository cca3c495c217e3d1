"""Finished sessions as spans: ids, numbers, events, links; made from samples in Redis."""

from typing import Any

import pytest
from entries import write
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sink_requests import SinkSpan

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.entry import Sample, Tally, in_order
from otel_jcmc.sessions.leg import Leg
from otel_jcmc.sessions.pushes import Event
from otel_jcmc.sessions.span_ids import conference_span_id, session_span_id, trace_id
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.traces.spans import fold_conference, fold_session

CONFERENCE = "0123456789ab"
MEMBER = CONFERENCE + "c" * 20
START = 1_800_000_000_000
SID = MEMBER + f"{START:011x}" + "0beef"
LEG = Leg(SID, "session-1", START, START + 120_000, "left", 1, START - 60_000, "", 0)
QUALITY, LOSS, PATHS = 1, 12, 13
WIFI = {82: "udp", 83: "wifi", 84: "host", 85: "false"}
WHO = {
    64: "standup",
    65: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    66: "1a2b3c4d",
    68: "meeting-9",
    69: "eu-west",
    70: "Ada",
    71: "Chrome",
    72: "126.0.0.0",
    73: "Windows",
    74: "10",
    75: "opus",
    76: "VP9",
    13: [WIFI],
}


def numbers(quality: float | None, loss: float | None = None, trip: float | None = None) -> Any:
    """Return a push's numbers."""
    found: list[Any] = [None] * LAST_METRIC_ID
    found[QUALITY - 1], found[LOSS - 1] = quality, loss
    found[PATHS - 1] = None if trip is None else [trip]
    return found


def sample(after_s: float, *vitals: float | None, **more: Any) -> Sample:
    """Return a sample of so many seconds after the start."""
    found = Sample(START + int(after_s * 1000), numbers(*vitals), **more)
    if "worst" not in more:
        given = [*vitals, None, None][:3]
        found.worst, found.best = [*given], [*given]
    return found


def span_of(packed: bytes) -> SinkSpan:
    return SinkSpan.of(Span.FromString(packed))


def folded(*samples: Sample, leg: Leg = LEG, about: Any = None) -> SinkSpan:
    """Return the span of *leg*; its samples are written and read as in Redis."""
    stored = in_order([write(each) for each in samples])
    return span_of(fold_session(leg, stored, WHO if about is None else about).span)


def test_a_span_says_what_the_page_was_and_what_the_participant_said() -> None:
    span = folded(about=WHO | {96: "visitor"}, leg=LEG._replace(word="2 choppy, then nothing"))
    assert span.attributes["jitsi.participant.role"] == "visitor"
    assert span.attributes["jitsi.session.feedback.rating"] == 2
    assert span.attributes["jitsi.session.feedback.text"] == "choppy, then nothing"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("", {}),
        ("4 ", {"jitsi.session.feedback.rating": 4}),
        (" no star chosen", {"jitsi.session.feedback.text": "no star chosen"}),
    ],
)
def test_a_span_has_of_what_was_said_what_there_is(word: str, told: dict[str, Any]) -> None:
    of_redis = {"session": "session-1", "started": "1", "ended": "2", "reason": "left", "leg": "1"}
    leg = Leg.from_redis(SID, {**of_redis, "instance": "1", **({"word": word} if word else {})})
    found = folded(leg=leg).attributes
    assert {name: each for name, each in found.items() if "feedback" in name} == told
    assert "jitsi.participant.role" not in found


def test_ids_follow_from_what_they_name_and_stay_as_they_are() -> None:
    """A restart with another version during a conference must not split its trace."""
    assert trace_id(CONFERENCE, START).hex() == "03989f7dddd052223bd0aa40b2cb98eb"
    assert conference_span_id(CONFERENCE, START).hex() == "093e07e8c9812716"
    assert session_span_id(SID, START, "session-1", 1).hex() == "ecfd00fa1caf7a1c"


def test_ids_differ_by_each_part() -> None:
    traces = {trace_id(CONFERENCE, START), trace_id(CONFERENCE, START + 1), trace_id("f" * 12, 1)}
    assert len(traces) == 3
    spans = {
        session_span_id(*parts)
        for parts in (
            (SID, START, "session-1", 1),
            (SID, START, "session-1", 2),
            (SID, START, "session-2", 1),
            (SID, START + 1, "session-1", 1),
            (MEMBER + f"{START + 1:011x}" + "0beef", START, "session-1", 1),
        )
    }
    assert len(spans) == 5
    assert len(trace_id(CONFERENCE, START)) == 16
    assert {len(span) for span in spans} == {8}


def test_an_id_of_zeros_is_none(monkeypatch: Any) -> None:
    class Zeros:
        def digest(self) -> bytes:
            return bytes(8)

    monkeypatch.setattr("otel_jcmc.sessions.span_ids.blake2b", lambda *_, **__: Zeros())
    assert conference_span_id(CONFERENCE, START) == b"\1" * 8


def test_a_session_says_who_where_and_how() -> None:
    span = folded(sample(10, 90, 1, 40))
    assert span.name == "jitsi.session"
    assert span.message.kind == Span.SPAN_KIND_INTERNAL
    assert span.message.flags == 0x101
    assert (span.start_ms, span.end_ms) == (START, START + 120_000)
    assert span.attributes == {
        "session.id": "session-1",
        "jitsi.session.key": SID,
        "jitsi.conference.name": "standup",
        "jitsi.participant.id": "1a2b3c4d",
        "jitsi.meeting.id": "meeting-9",
        "jitsi.region": "eu-west",
        "user_agent.name": "Chrome",
        "user_agent.version": "126",
        "user_agent.os.name": "Windows",
        "user_agent.os.version": "10",
        "jitsi.audio.codec": "opus",
        "jitsi.video.codec": "VP9",
        "network.transport": "udp",
        "network.connection.type": "wifi",
        "jitsi.ice.candidate.type": "host",
        "jitsi.p2p": False,
        "jitsi.session.end.reason": "left",
        "jitsi.session.leg": 1,
        "jitsi.session.quality.average": 90.0,
        "jitsi.session.quality.worst": 90.0,
        "jitsi.session.quality.bad_share": 0.0,
        "jitsi.session.packet_loss.average": 0.01,
        "jitsi.session.packet_loss.worst": 0.01,
        "jitsi.session.packet_loss.bad_share": 0.0,
        "jitsi.session.round_trip_time.average": 0.04,
        "jitsi.session.round_trip_time.worst": 0.04,
        "jitsi.session.round_trip_time.bad_share": 0.0,
    }


def test_neither_names_of_people_nor_what_lasts_in_a_browser_leave() -> None:
    """Collected names are labels of a gauge in one naming; a trace never has them."""
    assert b"Ada" not in fold_session(LEG, [], WHO).span
    assert b"3fa85f64" not in fold_session(LEG, [], WHO).span


def test_the_words_are_those_of_the_semantic_conventions() -> None:
    about = WHO | {13: [{83: "ethernet", 85: "true"}]}
    span = folded(about=about)
    assert span.attributes["network.connection.type"] == "wired"
    assert span.attributes["jitsi.p2p"] is True


def test_an_average_weighs_by_the_time_that_was_known() -> None:
    span = folded(
        sample(30, 100, tally=[Tally(100, 30_000, 0), None, Tally(20, 1_000, 0)]),
        sample(60, 20, tally=[Tally(40, 10_000, 10_000), None, Tally(920, 1_000, 1_000)]),
    )
    assert span.attributes["jitsi.session.quality.average"] == 85.0
    assert span.attributes["jitsi.session.quality.bad_share"] == 0.25
    assert span.attributes["jitsi.session.round_trip_time.bad_share"] == 0.5
    assert "jitsi.session.packet_loss.average" not in span.attributes


def test_the_worst_of_an_interval_counts_though_its_last_push_was_good() -> None:
    span = folded(
        sample(30, 100, 0, 40, worst=[12, 30, 900], best=[100, 0, 40]), sample(60, 90, 1, 50)
    )
    assert span.attributes["jitsi.session.quality.worst"] == 12
    assert span.attributes["jitsi.session.packet_loss.worst"] == 0.3
    assert span.attributes["jitsi.session.round_trip_time.worst"] == 0.9


def test_zero_is_a_value() -> None:
    span = folded(sample(10, 0, 0, 0))
    assert span.attributes["jitsi.session.quality.worst"] == 0
    assert span.attributes["jitsi.session.quality.average"] == 0


def test_without_a_sample_there_is_still_the_session() -> None:
    """A kill in the first seconds may lose the log, but not the session."""
    span = folded(about={})
    assert span.attributes == {
        "session.id": "session-1",
        "jitsi.session.key": SID,
        "jitsi.session.end.reason": "left",
        "jitsi.session.leg": 1,
    }
    nameless = folded(leg=LEG._replace(session=""), about={})
    assert nameless.attributes["session.id"] == SID


def test_a_session_without_an_id_has_the_one_of_its_series() -> None:
    span = folded(leg=LEG._replace(session=""))
    assert span.attributes["session.id"] == "1150f283-c914-5b81-a8c1-a5c3f8810148"


def test_a_failure_tells_its_cause_where_it_is_known() -> None:
    failed = folded(leg=LEG._replace(reason="failed", cause="ice_failed"))
    assert failed.attributes["jitsi.session.end.cause"] == "ice_failed"
    for leg in (LEG, LEG._replace(reason="failed")):
        assert "jitsi.session.end.cause" not in folded(leg=leg).attributes


def test_of_the_ends_only_a_failure_is_an_error() -> None:
    for reason in ("left", "kicked", "closed", "suspended", "expired", "replaced"):
        span = folded(leg=LEG._replace(reason=reason))
        assert span.message.status.code == Status.STATUS_CODE_UNSET
    failed = folded(leg=LEG._replace(reason="failed"))
    assert failed.message.status.code == Status.STATUS_CODE_ERROR
    assert failed.message.status.message == "failed"
    told = folded(leg=LEG._replace(reason="failed", cause="ice_failed"))
    assert told.message.status.message == "failed: ice_failed"


def test_all_sessions_of_an_instance_are_one_trace_under_its_conference() -> None:
    one = folded()
    two = folded(leg=LEG._replace(sid=CONFERENCE + "d" * 20 + SID[32:]))
    root = span_of(fold_conference(f"{CONFERENCE}:{START - 60_000}", {"last": str(START)}))
    assert one.trace_id == two.trace_id == root.trace_id
    assert one.parent_id == two.parent_id == root.span_id
    assert root.parent_id == ""
    assert len({one.span_id, two.span_id, root.span_id}) == 3


def test_a_further_leg_is_linked_to_the_one_before() -> None:
    first = folded()
    sid = MEMBER + f"{START + 300_000:011x}" + "0beef"
    second = LEG._replace(
        sid=sid, number=2, instance=START + 300_000, previous=SID, former=LEG.instance
    )
    (link,) = folded(leg=second).links
    assert link == (first.trace_id, first.span_id, {"jitsi.session.leg": 1})
    assert folded(leg=second).trace_id != first.trace_id
    assert first.links == []
    # It began before there were traces.
    assert folded(leg=second._replace(former=0)).links == []


def test_a_further_leg_is_a_session_of_its_own_that_names_the_one_before() -> None:
    later = MEMBER + f"{START + 300_000:011x}" + "0beef"
    names = ("session.id", "session.previous_id", "jitsi.session.key")

    def told(number: int, session: str = "session-1", about: Any = None) -> list[Any]:
        leg = LEG._replace(sid=later, previous=SID, session=session, number=number)
        found = folded(leg=leg, about=about).attributes
        return [found.get(name) for name in names]

    assert told(2) == ["session-1.2", "session-1", later]
    assert told(3) == ["session-1.3", "session-1.2", later]
    # If the server names the session, each leg has its own id anyway: that of its series.
    before = "1150f283-c914-5b81-a8c1-a5c3f8810148"
    assert told(2, "") == ["ac419220-231a-5d39-9095-64ed994c242b", before, later]
    assert told(2, "", {}) == [later, SID, later]
    assert "session.previous_id" not in folded().attributes


def test_it_is_the_same_bytes_each_time() -> None:
    places = [Stretch(50, 2, 7, region) for region in ("eu", "ap", "us")]
    events = [Event(START + 5_000, "verdict.bad.uplink")]
    samples = [sample(10, 90, 1, 40, events=events, stretches=places, counts=[1, 2, 3])]
    assert len({fold_session(LEG, samples, WHO).span for _ in range(5)}) == 1


def test_an_end_before_the_start_is_none() -> None:
    span = folded(leg=LEG._replace(ended=START - 5))
    assert span.start_ms == span.end_ms == START


# Events.

BAD, GOOD = "jitsi.session.verdict.bad", "jitsi.session.verdict.good"


def test_what_happened_is_told_in_order() -> None:
    span = folded(
        sample(60, 90, events=[Event(START + 41_000, "verdict.good")]),
        sample(30, 20, events=[Event(START + 11_000, "verdict.bad.downlink_or_received")]),
        sample(40, 20, events=[Event(START + 31_000, "verdict.fair.unknown")]),
        sample(90, None, events=[Event(START + 80_000, "stats.stopped")]),
        sample(110, 90, events=[Event(START + 100_000, "stats.resumed")]),
    )
    assert span.events == [
        (START + 11_000, BAD, {"jitsi.verdict.cause": "downlink_or_received"}),
        (START + 31_000, "jitsi.session.verdict.fair", {"jitsi.verdict.cause": "unknown"}),
        (START + 41_000, GOOD, {}),
        (START + 80_000, "jitsi.session.stats.stopped", {}),
        (START + 100_000, "jitsi.session.stats.resumed", {}),
    ]


def test_what_two_processes_have_seen_is_told_once() -> None:
    span = folded(
        sample(30, 20, events=[Event(START + 10_000, "verdict.bad.uplink")]),
        sample(31, 20, events=[Event(START + 20_000, "verdict.bad.outage")]),
        sample(60, 90, events=[Event(START + 40_000, "verdict.good")]),
        sample(61, 90, events=[Event(START + 50_000, "verdict.good")]),
    )
    assert [(at - START, name) for at, name, _ in span.events] == [(10_000, BAD), (40_000, GOOD)]


def test_what_an_earlier_version_said_of_the_quality_is_no_verdict() -> None:
    span = folded(sample(30, 20, events=[Event(START + 10_000, "quality.bad", 20)]))
    assert span.events == []


def test_a_change_of_network_or_region_says_what_it_is_now() -> None:
    cell = {82: "tcp", 83: "cellular", 84: "relay", 85: "false"}
    span = folded(
        sample(10, 90, attributes=WHO),
        sample(40, 90, attributes=WHO | {13: [cell]}),
        sample(70, 90, attributes=WHO | {13: [cell], 69: "us-east"}),
    )
    assert span.events == [
        (
            START + 40_000,
            "jitsi.session.network.changed",
            {
                "network.transport": "tcp",
                "network.connection.type": "cell",
                "jitsi.ice.candidate.type": "relay",
                "jitsi.p2p": False,
            },
        ),
        (START + 70_000, "jitsi.session.region.changed", {"jitsi.region": "us-east"}),
    ]
    # And the span has the last state.
    assert span.attributes["network.connection.type"] == "cell"
    assert span.attributes["jitsi.region"] == "us-east"


def test_a_change_stands_among_what_happened() -> None:
    span = folded(
        sample(10, 90, attributes=WHO),
        sample(40, 90, attributes=WHO | {69: "us-east"}),
        sample(60, 20, events=[Event(START + 50_000, "verdict.bad.uplink")]),
    )
    assert [name for _, name, _ in span.events] == ["jitsi.session.region.changed", BAD]


def test_attributes_that_only_another_process_tells_again_are_no_change() -> None:
    span = folded(
        sample(10, 90, attributes=WHO),
        sample(11, 90, attributes=WHO),
        sample(40, None, attributes=WHO | {13: []}),
        sample(70, 90, attributes=WHO),
    )
    assert span.events == []


def test_a_last_push_without_numbers_hides_no_transport() -> None:
    span = folded(
        sample(10, 90, attributes=WHO), sample(40, None, attributes=WHO | {13: []}), about={}
    )
    assert span.attributes["network.transport"] == "udp"


def test_events_are_bounded_and_what_is_left_out_is_counted() -> None:
    events = [
        Event(START + each * 100, "verdict.bad.path" if each % 2 else "verdict.good")
        for each in range(1, 301)
    ]
    span = folded(sample(60, 90, events=events))
    assert len(span.events) == 128
    assert span.message.dropped_events_count == 300 - 128


def test_an_event_is_within_its_span() -> None:
    span = folded(
        sample(200, 90, events=[Event(START + 180_000, "verdict.bad.path")]), sample(0, 90)
    )
    assert [at for at, _, _ in span.events] == [START + 120_000]


# What a conference keeps of its sessions, and its own span.


def kept(*samples: Sample, leg: Leg = LEG) -> dict[str, str]:
    return fold_session(leg, in_order([write(each) for each in samples]), WHO).kept


def test_a_conference_keeps_the_worst_and_what_was_said_of_the_call() -> None:
    bad = [Tally(20, 60_000, 0), Tally(3, 60_000, 7_000), None]
    stretches = [Stretch(530, 0), Stretch(70, 2, 7)]
    assert kept(sample(60, 10, 3.5, 400, tally=bad, stretches=stretches)) == {
        "name": "standup",
        "meeting": "meeting-9",
        "<quality": "10.0",
        ">loss": "3.5",
        ">round_trip": "400",
        "+known": "1",
        "+bad": "1",
        ">state": "2",
        "+cause:uplink": "1",
        ">last": str(LEG.ended),
    }


def test_a_low_quality_and_a_loss_of_its_own_are_no_bad_call() -> None:
    """There is one definition of bad: the verdict's."""
    dark = [Tally(5, 60_000, 60_000), Tally(9, 60_000, 60_000), None]
    found = kept(sample(60, 5, 9, tally=dark, stretches=[Stretch(600, 0)]))
    assert (found["+bad"], found[">state"]) == ("0", "0")
    assert "+bad" not in kept(sample(60, 5, 9, tally=dark))


def test_a_conference_says_how_long_how_many_and_how_bad() -> None:
    of_redis = {
        "sessions": "12",
        "here": "0",
        "most": "7",
        "there": "0",
        "known": "9",
        "bad": "2",
        "state": "2",
        "cause:outage": "1",
        "cause:uplink": "1",
        "name": "standup",
        "meeting": "meeting-9",
        "last": str(START + 3_600_000),
        "quality": "4.5",
        "loss": "12.25",
        "round_trip": "812",
        "emptied": str(START),
    }
    span = span_of(fold_conference(f"{CONFERENCE}:{START}", of_redis))
    assert span.name == "jitsi.conference"
    assert (span.start_ms, span.end_ms) == (START, START + 3_600_000)
    assert span.attributes == {
        "jitsi.conference.name": "standup",
        "jitsi.meeting.id": "meeting-9",
        "jitsi.conference.sessions.count": 12,
        "jitsi.conference.sessions.most": 7,
        "jitsi.conference.sessions.known": 9,
        "jitsi.conference.sessions.bad": 2,
        "jitsi.verdict.state": "bad",
        "jitsi.verdict.cause": "outage",
        "jitsi.conference.quality.worst": 4.5,
        "jitsi.conference.packet_loss.worst": 0.1225,
        "jitsi.conference.round_trip_time.worst": 0.812,
    }


def test_a_conference_of_which_nothing_is_known_is_a_span_all_the_same() -> None:
    span = span_of(fold_conference(f"{CONFERENCE}:{START}", {}))
    assert (span.start_ms, span.end_ms) == (START, START)
