"""
Makes one span of each ended leg of a session, and one span of each ended conference.

The hashes that store/stays.lua writes come in, with the samples of a leg's log (sessions/entry.py).
OTLP spans as bytes go out, and the fields of each session that its conference's hash keeps. The
same input always gives the same bytes. The ids in a span are digests of conference, instance,
member, session and leg. So all replicas give the same ids to the same span.

Source: opentelemetry-proto, trace.proto; names of JCMC_NAMING=otel (catalogue).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from otel_jcmc.catalogue.attributes import CLIENT, CONFERENCE, MEETING, PARTICIPANT
from otel_jcmc.otlp.values import key_values
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.sessions.span_ids import conference_span_id, session_span_id, trace_id
from otel_jcmc.sessions.vitals import VITALS
from otel_jcmc.store.participant import leg_name, read_word, session_name
from otel_jcmc.store.sid import began_ms, sid_conference
from otel_jcmc.traces.summary import (
    NAMED,
    WORDS,
    counted_in,
    events_of,
    named,
    numbers_of,
    rounded,
)
from otel_jcmc.traces.verdicts import conference_verdict, scopes_of, verdict_of
from otel_jcmc.verdict.journal import Entry

SESSION_SPAN: Final = "jitsi.session"
CONFERENCE_SPAN: Final = "jitsi.conference"
# The most events of a span: the default limit in OpenTelemetry's specification.
MAX_EVENTS: Final = 128
# The W3C flag "sampled", because every session becomes a span, and the flag that tells that the
# parent span comes from the same service.
_FLAGS: Final = 0x1 | SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
NS_IN_MS: Final = 1_000_000

# The reason of a session's end that makes its span an error, even if the call was good. No other
# reason does this.
_FAILED: Final = "failed"


def fold_session(
    leg: Leg,
    samples: Sequence[Sample],
    about: Mapping[int, Any],
    entries: Sequence[Entry] | None = None,
) -> Folded:
    """
    Return the span of *leg*, made from its *samples* in order of time.

    Args:
        about: attributes of the leg by catalogue id; a sample's value replaces the value here.
        entries: the journal's entries about things that stood out during the leg; None: not known.
    """
    attributes = dict(about)
    for sample in samples:
        # A push without numbers has no transports. Then the transports of earlier pushes are kept.
        attributes.update({id_: each for id_, each in (sample.attributes or {}).items() if each})
    numbers, kept = numbers_of(samples)
    ended = max(leg.ended, leg.started)
    verdict = verdict_of(samples, ended - leg.started)
    span = _span(SESSION_SPAN, sid_conference(leg.sid), leg.instance, leg.started, ended)
    span.span_id = session_span_id(leg.sid, leg.instance, leg.session, leg.number)
    span.parent_span_id = conference_span_id(sid_conference(leg.sid), leg.instance)
    told = _told_of(leg, attributes) | numbers | counted_in(samples) | verdict.told
    if entries is not None and CONFERENCE.id in attributes:
        who = attributes[CONFERENCE.id], attributes.get(PARTICIPANT.id, "")
        told |= scopes_of(samples, *who, entries)
    span.attributes.extend(key_values(told))
    _set_status(span, *_failure_of(leg), verdict.problem)
    _add_link(span, leg)
    _add_events(span, samples, leg.started, ended)
    for field, row in (("name", CONFERENCE), ("meeting", MEETING)):
        if text := attributes.get(row.id):
            kept[field] = text
    kept |= {">last": str(ended), **verdict.kept}
    return Folded(_packed(span), kept, attributes.get(CLIENT.id) or "")


def _told_of(leg: Leg, attributes: dict[int, Any]) -> dict[str, Any]:
    """Return the attributes of *leg*'s span about its participant, its end and its rating."""
    rating, feedback = read_word(leg.word)
    previous = None
    if leg.previous:
        previous = _name_of(leg.session, leg.number - 1, leg.previous, attributes)
    return {
        "session.id": _name_of(leg.session, leg.number, leg.sid, attributes),
        "session.previous_id": previous,
        "jitsi.session.key": leg.sid,
        **named(attributes, NAMED),
        "jitsi.session.end.reason": leg.reason,
        "jitsi.session.end.cause": leg.cause or None,
        "jitsi.session.leg": leg.number,
        "jitsi.session.feedback.rating": rating,
        "jitsi.session.feedback.text": feedback,
    }


def _name_of(session: str, number: int, sid: str, attributes: Mapping[int, Any]) -> str:
    """Return the name of a leg; if the page sent no session id, *session* is empty."""
    if session:
        return leg_name(session, number)
    # If the participant's log is lost, its client id is not known, and the sid is the name.
    return session_name(attributes, float(began_ms(sid))) if CLIENT.id in attributes else sid


def _add_link(span: Span, leg: Leg) -> None:
    """Link *span*, the span of *leg*, with the span of the session's previous leg, if any."""
    if leg.previous and leg.former:
        link = span.links.add()
        link.trace_id = trace_id(sid_conference(leg.previous), leg.former)
        link.span_id = session_span_id(leg.previous, leg.former, leg.session, leg.number - 1)
        link.attributes.extend(key_values({"jitsi.session.leg": leg.number - 1}))


def fold_conference(room: str, of_redis: Mapping[str, str]) -> bytes:
    """
    Return the span of a conference, made from *of_redis*, the conference's hash in Redis.

    *room* is the conference's digest, a colon, and the start of the instance in ms.

    Raises:
        ValueError: the hash is not in the form that store/stays.lua and sessions/moves.lua write.
    """
    conference, _, started = room.partition(":")
    instance = int(started)
    ended = max(int(of_redis.get("last", 0)), instance)
    span = _span(CONFERENCE_SPAN, conference, instance, instance, ended)
    span.span_id = conference_span_id(conference, instance)
    told: dict[str, Any] = {
        CONFERENCE.otel_name: of_redis.get("name"),
        "jitsi.meeting.id": of_redis.get("meeting"),
        "jitsi.conference.sessions.count": int(of_redis.get("sessions", 0)),
        "jitsi.conference.sessions.most": int(of_redis.get("most", 0)),
    }
    verdict, problem = conference_verdict(of_redis)
    told |= verdict
    _set_status(span, problem)
    for (word, times), vital in zip(WORDS, VITALS, strict=True):
        if (worst := of_redis.get(vital)) is not None:
            told[f"jitsi.conference.{word}.worst"] = rounded(float(worst) * times)
    span.attributes.extend(key_values(told))
    return _packed(span)


def _span(name: str, conference: str, instance: int, started: int, ended: int) -> Span:
    """Return a span without attributes, from *started* to *ended* (ms), in a conference's trace."""
    return Span(
        name=name,
        trace_id=trace_id(conference, instance),
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=started * NS_IN_MS,
        end_time_unix_nano=ended * NS_IN_MS,
        flags=_FLAGS,
    )


def _failure_of(leg: Leg) -> list[str]:
    """Return the error text of *leg* in a list; an empty list if *leg* did not fail."""
    if leg.reason != _FAILED:
        return []
    return [f"{_FAILED}: {leg.cause}" if leg.cause else _FAILED]


def _set_status(span: Span, *problems: str) -> None:
    """If a text in *problems* is not empty, set the status of *span* to error with the texts."""
    if said := "; ".join(filter(None, problems)):
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = said


def _packed(span: Span) -> bytes:
    """Return *span* in OTLP's protobuf encoding."""
    packed: bytes = span.SerializeToString(deterministic=True)
    return packed


def _add_events(span: Span, samples: Sequence[Sample], started: int, ended: int) -> None:
    """Add the events in *samples* to *span*, up to MAX_EVENTS; count the events left out."""
    for number, (at, name, told) in enumerate(events_of(samples)):
        if number < MAX_EVENTS:
            event = span.events.add()
            event.name = name
            event.time_unix_nano = min(max(at, started), ended) * NS_IN_MS
            event.attributes.extend(key_values(told))
        else:
            span.dropped_events_count += 1
