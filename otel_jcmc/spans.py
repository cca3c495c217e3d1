"""
What is over, as spans: a session's log folded into one, and the conference above them.

In come the hashes that stays.lua and outbox.lua keep and the samples of samples.py, out come OTLP
spans as bytes, the same for the same input, and what a conference keeps of each of its sessions.
Ids are digests of conference, instance, member, session and leg: whoever makes the span of a
session, and how often, makes it with the same ids. Called by sweep.py.

Source: opentelemetry-proto, trace.proto; names as JCMC_NAMING=otel has them (catalogue.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from otel_jcmc.catalogue import (
    ATTRIBUTES,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    MEETING,
    METRICS,
    PEER_TO_PEER,
    REGION,
    SESSION,
    USERNAME,
    Scope,
)
from otel_jcmc.participants import session_name
from otel_jcmc.samples import Event, Sample
from otel_jcmc.vitals import LOWER_IS_WORSE, VITALS, vitals

SESSION_SPAN: Final = "jitsi.session"
CONFERENCE_SPAN: Final = "jitsi.conference"
# The specification's default limit of a span's events.
MAX_EVENTS: Final = 128
# Sampled, since it is all of what there was (W3C); and whether its parent is remote is known: no.
_FLAGS: Final = 0x1 | SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
# A session of which one of the vitals was bad for a larger share of its time had a bad time.
BAD_SHARE: Final = 0.1
NS_IN_MS: Final = 1_000_000

# Of each vital: its word in attributes, and what makes it a base unit.
_WORDS: Final = (("quality", 1.0), ("packet_loss", 0.01), ("round_trip_time", 0.001))
# Ended in order: by itself, by another's doing, or by a fault, which is the only one told as such.
_FAILED: Final = "failed"
(_PATHS,) = [row.id for row in METRICS if row.is_list]
# Who it is beside the participant's id in Jitsi is nobody's business in a trace.
_NEVER: Final = {USERNAME.id, CLIENT.id, SESSION.id}
_NAMED: Final = [
    (row.id, row.otel_name or "jitsi.meeting.id", dict(row.otel_values), row.scope is Scope.PATH)
    for row in ATTRIBUTES
    if row.id not in _NEVER and (row.otel_name or row is MEETING)
]
_OF_NETWORK: Final = [each for each in _NAMED if each[3]]
_EVENT_NAMES: Final = {
    "quality.bad": "jitsi.session.quality.bad",
    "quality.good": "jitsi.session.quality.good",
    "stats.stopped": "jitsi.session.stats.stopped",
    "stats.resumed": "jitsi.session.stats.resumed",
}
_NETWORK_CHANGED: Final = "jitsi.session.network.changed"
_REGION_CHANGED: Final = "jitsi.session.region.changed"
# What an event says again if it says the same as the last of its kind.
_STATE_OF: Final = {what: what.partition(".")[0] for what in _EVENT_NAMES}
_AT_FIRST: Final = {"quality": "quality.good", "stats": "stats.resumed"}


class Leg(NamedTuple):
    """One leg of a session as Redis has it; times in ms of Redis's clock."""

    sid: str
    session: str
    started: int
    ended: int
    reason: str
    number: int
    instance: int
    previous: str
    former: int

    @classmethod
    def of(cls, sid: str, of_redis: Mapping[str, str]) -> "Leg":
        """
        Return the leg that is told by its hash.

        Raises:
            KeyError, ValueError: the hash is not what stays.lua writes.
        """
        return cls(
            sid,
            of_redis["session"],
            int(of_redis["started"]),
            int(of_redis["ended"]),
            of_redis["reason"],
            int(of_redis["leg"]),
            int(of_redis["instance"]),
            of_redis.get("previous", ""),
            int(of_redis.get("former", 0)),
        )


class Folded(NamedTuple):
    """A session's span, and what its conference keeps of it: fields as outbox.lua takes them."""

    span: bytes
    kept: dict[str, str]


def trace_id(conference: str, instance: int) -> bytes:
    """Return the trace of the *conference*, 12 hex digits, whose *instance* began then (ms)."""
    return _digest(16, "trace", conference, str(instance))


def conference_span_id(conference: str, instance: int) -> bytes:
    """Return the id of the span that is the root of that trace."""
    return _digest(8, "conference", conference, str(instance))


def session_span_id(sid: str, instance: int, session: str, leg: int) -> bytes:
    """Return the id of the span of a session's leg, which its *sid* names."""
    return _digest(8, "session", sid[:12], str(instance), sid[:43], session, str(leg))


def _digest(size: int, *parts: str) -> bytes:
    """Return a digest of *parts*; nothing but zeros would be no id."""
    found = blake2b("\0".join(parts).encode(), digest_size=size, person=b"otel_jcmc").digest()
    return found if any(found) else b"\1" * size


def fold_session(leg: Leg, samples: Sequence[Sample], about: Mapping[int, Any]) -> Folded:
    """
    Return the span of *leg*, of its *samples* in their order.

    *about* is what is known of it by catalogue id if it is in no sample.
    """
    attributes = dict(about)
    for sample in samples:
        attributes.update(sample.attributes or {})
    numbers, kept = _numbers(samples)
    ended = max(leg.ended, leg.started)
    span = _span(SESSION_SPAN, sid_conference(leg.sid), leg.instance, leg.started, ended)
    span.span_id = session_span_id(leg.sid, leg.instance, leg.session, leg.number)
    span.parent_span_id = conference_span_id(sid_conference(leg.sid), leg.instance)
    # Of who was killed with his log nobody knows who he was.
    name = leg.session or (
        session_name(attributes, float(leg.started)) if CLIENT.id in attributes else leg.sid
    )
    told = {"session.id": name, **_named(attributes, _NAMED)}
    told |= {"jitsi.session.end.reason": leg.reason, "jitsi.session.leg": leg.number, **numbers}
    span.attributes.extend(_key_values(told))
    if leg.reason == _FAILED:
        span.status.code = Status.STATUS_CODE_ERROR
    if leg.previous and leg.former:
        link = span.links.add()
        link.trace_id = trace_id(sid_conference(leg.previous), leg.former)
        link.span_id = session_span_id(leg.previous, leg.former, leg.session, leg.number - 1)
        link.attributes.extend(_key_values({"jitsi.session.leg": leg.number - 1}))
    _add_events(span, samples, leg.started, ended)
    for field, row in (("name", CONFERENCE), ("meeting", MEETING)):
        if text := attributes.get(row.id):
            kept[field] = text
    return Folded(_packed(span), kept | {">last": str(ended)})


def fold_conference(room: str, of_redis: Mapping[str, str]) -> bytes:
    """
    Return the span of a conference, *room* being "conference:instance", of its hash.

    Raises:
        ValueError: the hash is not what stays.lua and outbox.lua write.
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
        "jitsi.conference.sessions.bad": int(of_redis.get("bad", 0)),
    }
    for (word, times), vital in zip(_WORDS, VITALS, strict=True):
        if (worst := of_redis.get(vital)) is not None:
            told[f"jitsi.conference.{word}.worst"] = _rounded(float(worst) * times)
    span.attributes.extend(_key_values(told))
    return _packed(span)


def sid_conference(sid: str) -> str:
    """Return the conference of a session, as Redis's keys have it."""
    return sid[:12]


def _span(name: str, conference: str, instance: int, started: int, ended: int) -> Span:
    """Return a span of a conference's trace."""
    return Span(
        name=name,
        trace_id=trace_id(conference, instance),
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=started * NS_IN_MS,
        end_time_unix_nano=ended * NS_IN_MS,
        flags=_FLAGS,
    )


def _packed(span: Span) -> bytes:
    """Return *span* as it is sent."""
    packed: bytes = span.SerializeToString(deterministic=True)
    return packed


def _numbers(samples: Iterable[Sample]) -> tuple[dict[str, float], dict[str, str]]:
    """Return of quality, loss and round trip what a span tells, and what its conference keeps."""
    sums = [[0.0, 0.0, 0.0] for _ in VITALS]
    worst: list[float | None] = [None] * len(VITALS)
    for sample in samples:
        lasts = vitals(sample.numbers)
        for index, lower in enumerate(LOWER_IS_WORSE):
            tally = sample.tally[index] if index < len(sample.tally) else None
            # A single push has lasted no time yet, and is what there is.
            mean, known, bad = (lasts[index], 1, 0) if tally is None else tally
            if mean is not None:
                weight = max(known, 1)
                for at, value in enumerate((mean * weight, weight, bad)):
                    sums[index][at] += value
            extreme = sample.worst[index]
            if extreme is not None:
                before = worst[index]
                pick = min if lower else max
                worst[index] = extreme if before is None else pick(before, extreme)
    told: dict[str, float] = {}
    kept: dict[str, str] = {}
    was_bad = False
    for index, (word, times) in enumerate(_WORDS):
        total, weights, bad_ms = sums[index]
        extreme = worst[index]
        if not weights or extreme is None:
            continue
        share = min(1.0, bad_ms / weights)
        was_bad = was_bad or share > BAD_SHARE
        told[f"jitsi.session.{word}.average"] = _rounded(total / weights * times)
        told[f"jitsi.session.{word}.worst"] = _rounded(extreme * times)
        told[f"jitsi.session.{word}.bad_share"] = _rounded(share)
        kept[("<" if LOWER_IS_WORSE[index] else ">") + VITALS[index]] = repr(extreme)
    return told, kept | {"+bad": str(int(was_bad))}


def _rounded(value: float) -> float:
    """Return *value* without the noise of a float's last digits."""
    return round(value, 6)


def _named(attributes: Mapping[int, Any], rows: Iterable[Any]) -> dict[str, Any]:
    """Return those of *attributes* that *rows* are of, by their names; of a transport the first."""
    paths = attributes.get(_PATHS) or [{}]
    found: dict[str, Any] = {}
    for id_, name, words, is_of_path in rows:
        text = (paths[0] if is_of_path else attributes).get(id_)
        if text is None:
            continue
        if id_ == BROWSER_VERSION.id:
            text = text.partition(".")[0]
        found[name] = text == "true" if id_ == PEER_TO_PEER.id else words.get(text, text)
    return found


def _add_events(span: Span, samples: Sequence[Sample], started: int, ended: int) -> None:
    """Add what happened to *span*, as much of it as a span takes."""
    for number, (at, name, told) in enumerate(_events(samples)):
        if number < MAX_EVENTS:
            event = span.events.add()
            event.name = name
            event.time_unix_nano = min(max(at, started), ended) * NS_IN_MS
            event.attributes.extend(_key_values(told))
        else:
            span.dropped_events_count += 1


def _events(samples: Sequence[Sample]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Return what happened, in order and once, though two processes have told of it."""
    found = [*((event, _told_by(event)) for sample in samples for event in sample.events)]
    found += _changes(samples)
    states = dict(_AT_FIRST)
    for event, told in sorted(found, key=lambda each: each[0].at_ms):
        state = _STATE_OF.get(event.what)
        if state is not None:
            if states.get(state) == event.what:
                continue
            states[state] = event.what
        yield event.at_ms, _EVENT_NAMES.get(event.what, event.what), told


def _told_by(event: Event) -> dict[str, Any]:
    """Return what an *event* of the log tells."""
    return {} if event.value is None else {"jitsi.session.quality.value": event.value}


def _changes(samples: Sequence[Sample]) -> Iterator[tuple[Event, dict[str, Any]]]:
    """Return each change of network and region, with what it is from then on."""
    kinds: tuple[tuple[str, list[Any]], ...] = (
        (_NETWORK_CHANGED, _OF_NETWORK),
        (_REGION_CHANGED, [each for each in _NAMED if each[0] == REGION.id]),
    )
    known: dict[str, dict[str, Any]] = {}
    for sample in samples:
        if sample.attributes is None:
            continue
        for name, rows in kinds:
            told = _named(sample.attributes, rows)
            # A heartbeat has none: that is not to know, not to be without.
            if told:
                if name in known and known[name] != told:
                    yield Event(sample.at_ms, name), told
                known[name] = told


def _key_values(told: Mapping[str, Any]) -> Iterator[KeyValue]:
    """Return what is *told* as OTLP has it; None is left out."""
    for key, value in told.items():
        if value is None:
            continue
        if isinstance(value, bool):
            made = AnyValue(bool_value=value)
        elif isinstance(value, int):
            made = AnyValue(int_value=value)
        elif isinstance(value, float):
            made = AnyValue(double_value=value)
        else:
            made = AnyValue(string_value=value)
        yield KeyValue(key=key, value=made)
