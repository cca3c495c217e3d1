"""An event that waits as a record: always the same, and good even from a later version."""

import pytest
from sink_requests import SinkEvent

from otel_jcmc.catalogue.events import EVENTS
from otel_jcmc.logs.delivery import as_records
from otel_jcmc.logs.records import noted_of
from otel_jcmc.otlp.logs import LogSender
from otel_jcmc.otlp.sender import Outcome
from otel_jcmc.sessions.events import payload_of
from otel_jcmc.sessions.span_ids import session_span_id, trace_id

MEMBER = "0123456789ab" + "c" * 20
START = 1_800_000_000_000
SID = MEMBER + f"{START:011x}" + "0beef"
WHO = {64: "standup", 65: "3fa85f64-5717-4562-b3fc-2c963f66afa6", 66: "1a2b3c4d", 69: "eu-west"}


def item(
    event: str = "jitsi.session.outage.ended", whose: str = f"{MEMBER} {SID} {START} 2"
) -> bytes:
    payload = payload_of(WHO, "session-1", "service-1", {})
    return f"{START + 9000} {START + 1000} 7500 {event} {'ab' * 16} {whose}\n".encode() + payload


def event_of(packed: bytes) -> SinkEvent:
    return SinkEvent.of(noted_of(packed).record)


def test_it_is_the_same_each_time() -> None:
    one, two = noted_of(item()), noted_of(item())
    assert one.record.SerializeToString() == two.record.SerializeToString()
    assert one.instance == "service-1"


def test_it_has_times_ids_and_who_it_was() -> None:
    event = event_of(item())
    assert (event.at_ms, event.observed_ms) == (START + 9000, START + 9000)
    assert event.trace_id == trace_id(SID[:12], START).hex()
    assert event.span_id == session_span_id(SID, START, "session-1", 2).hex()
    assert event.attributes == {
        "log.record.uid": "ab" * 16,
        "session.id": "session-1.2",
        "jitsi.session.key": SID,
        "jitsi.conference.name": "standup",
        "jitsi.participant.id": "1a2b3c4d",
        "jitsi.region": "eu-west",
        "jitsi.session.outage.duration": 7.5,
    }


def test_an_outage_began_when_nothing_came_any_more() -> None:
    event = event_of(item("jitsi.session.outage.began"))
    assert (event.at_ms, event.observed_ms) == (START + 1000, START + 9000)


def test_without_a_leg_it_is_of_no_trace() -> None:
    event = event_of(item(whose=f"{MEMBER}   "))
    assert (event.trace_id, event.span_id, event.message.flags) == ("", "", 0)
    assert "jitsi.session.key" not in event.attributes
    assert event.attributes["session.id"] == "session-1"


def test_where_sessions_are_no_spans_it_is_of_no_trace_and_has_their_key() -> None:
    event = event_of(item(whose=f"{MEMBER} {SID}  1"))
    assert (event.trace_id, event.attributes["jitsi.session.key"]) == ("", SID)


def test_an_event_of_a_later_version_is_sent_as_well_as_this_one_can() -> None:
    event = event_of(item("jitsi.session.waved"))
    assert (event.name, event.severity) == ("jitsi.session.waved", "INFO")
    assert event.attributes["jitsi.participant.id"] == "1a2b3c4d"


@pytest.mark.parametrize("packed", [b"", b"something else", b"1 2 3 a b\n", item()[:-4]])
def test_what_is_no_event_is_never_sent_and_goes(packed: bytes) -> None:
    class Unasked:
        def send(self, _request: object) -> None:
            raise AssertionError

    sender = LogSender(Unasked(), lambda _instance: None)  # type: ignore[arg-type, return-value]
    assert as_records(sender)([packed]).answer is Outcome.BAD


def test_every_event_has_a_name_of_its_own_and_some_words() -> None:
    assert len({each.name for each in EVENTS}) == len(EVENTS)
    assert all(each.brief and each.attributes for each in EVENTS)
    assert {each.severity.name for each in EVENTS} == {"INFO", "WARN", "ERROR"}
