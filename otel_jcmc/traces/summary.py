"""
Reduces the log of a leg to a few numbers, attributes and events for its span.

The samples of a leg (sessions/entry.py) come in, in order of time. They may come from several
processes if several processes took the leg's pushes. The attributes and events of the leg's span go
out, with the names that JCMC_NAMING=otel has in the catalogue. The fields for the conference's hash
go out too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BROWSER_VERSION,
    CLIENT,
    MEETING,
    PEER_TO_PEER,
    REGION,
    SESSION,
    USERNAME,
    WORST_SOURCE,
)
from otel_jcmc.catalogue.metrics import LIST_ID
from otel_jcmc.catalogue.rows import Scope
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Event
from otel_jcmc.sessions.vitals import COUNTED_FIELDS, LOWER_IS_WORSE, VITALS, vitals

# For quality, loss and round trip: the word in the names of attributes, and the factor that
# converts a value to the attribute's unit.
WORDS: Final = (("quality", 1.0), ("packet_loss", 0.01), ("round_trip_time", 0.001))
# Attributes that a session's span never has. A trace names a participant only by its id in Jitsi.
# The worst source belongs to one push, not to a session.
_NEVER: Final = {USERNAME.id, CLIENT.id, SESSION.id, WORST_SOURCE.id}
NAMED: Final = [
    (row.id, row.otel_name or "jitsi.meeting.id", dict(row.otel_values), row.scope is Scope.PATH)
    for row in ATTRIBUTES
    if row.id not in _NEVER and (row.otel_name or row is MEETING)
]
_OF_NETWORK: Final = [each for each in NAMED if each[3]]
# Kinds of events that tell a state, and the state at a session's beginning. A log may repeat these
# events. An event becomes part of the span only if its state differs from the state before.
_AT_FIRST: Final = {"verdict": "verdict.good", "stats": "stats.resumed"}
# For each counter: the word in the name of its attribute, and the factor to the attribute's unit.
_COUNTERS: Final = {
    "freezes": ("freezes", 1),
    "freeze_time": ("freeze_time", 0.001),
    "frames_dropped": ("frames_dropped", 1),
}
_NETWORK_CHANGED: Final = "jitsi.session.network.changed"
_REGION_CHANGED: Final = "jitsi.session.region.changed"


def numbers_of(samples: Iterable[Sample]) -> tuple[dict[str, float], dict[str, str]]:
    """
    Return quality, loss and round trip over all *samples*, in two forms.

    The first dict has attributes of the session's span, the second has fields of the conference.
    """
    sums = [[0.0, 0.0, 0.0] for _ in VITALS]
    worst: list[float | None] = [None] * len(VITALS)
    for sample in samples:
        lasts = vitals(sample.numbers)
        for index, lower in enumerate(LOWER_IS_WORSE):
            tally = sample.tally[index] if index < len(sample.tally) else None
            # A single push covers no time yet and has no tally. Its value then counts as the mean.
            mean, known, bad = (lasts[index], 1, 0) if tally is None else tally
            if mean is not None:
                weight = max(known, 1)
                for at, value in enumerate((mean * weight, weight, bad)):
                    sums[index][at] += value
            # A push may contain only the values that changed. The tally has the other values.
            extreme = mean if sample.worst[index] is None else sample.worst[index]
            if extreme is not None:
                before = worst[index]
                pick = min if lower else max
                worst[index] = extreme if before is None else pick(before, extreme)
    told: dict[str, float] = {}
    kept: dict[str, str] = {}
    for index, (word, times) in enumerate(WORDS):
        total, weights, bad_ms = sums[index]
        extreme = worst[index]
        if not weights or extreme is None:
            continue
        share = min(1.0, bad_ms / weights)
        told[f"jitsi.session.{word}.average"] = rounded(total / weights * times)
        told[f"jitsi.session.{word}.worst"] = rounded(extreme * times)
        told[f"jitsi.session.{word}.bad_share"] = rounded(share)
        kept[("<" if LOWER_IS_WORSE[index] else ">") + VITALS[index]] = repr(extreme)
    return told, kept


def counted_in(samples: Iterable[Sample]) -> dict[str, float]:
    """Return attribute -> total over *samples*, for each counter that at least one sample has."""
    told: dict[str, float] = {}
    for sample in samples:
        for field, count in zip(COUNTED_FIELDS, sample.counts, strict=False):
            if count is not None:
                word, times = _COUNTERS[field]
                name = f"jitsi.session.video.{word}"
                told[name] = told.get(name, 0) + count * times
    return {name: rounded(each) for name, each in told.items()}


def rounded(value: float) -> float:
    """Return *value* rounded to six decimals, without the inexact last digits of a float."""
    return round(value, 6)


def named(attributes: Mapping[int, Any], rows: Iterable[Any]) -> dict[str, Any]:
    """
    Return name -> value for the *attributes* (by catalogue id) that *rows* list.

    If there are several transports, only the first transport's attributes are returned.
    """
    paths = attributes.get(LIST_ID) or [{}]
    found: dict[str, Any] = {}
    for id_, name, words, is_of_path in rows:
        text = (paths[0] if is_of_path else attributes).get(id_)
        if text is None:
            continue
        if id_ == BROWSER_VERSION.id:
            text = text.partition(".")[0]
        found[name] = text == "true" if id_ == PEER_TO_PEER.id else words.get(text, text)
    return found


def events_of(samples: Sequence[Sample]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """
    Yield the time in ms, the name and the attributes of each event, in order of time.

    If two processes have written the same change of a state, the change gives only one event.
    """
    found = [
        (event, _told_by(event))
        for sample in samples
        for event in sample.events
        # An earlier version also wrote events about quality, which are no longer used.
        if event.what.partition(".")[0] in _AT_FIRST
    ]
    found += _changes(samples)
    states = dict(_AT_FIRST)
    for event, told in sorted(found, key=lambda each: each[0].at_ms):
        kind, _, rest = event.what.partition(".")
        if kind not in states:
            yield event.at_ms, event.what, told
            continue
        state = f"{kind}.{rest.partition('.')[0]}"
        if states[kind] != state:
            states[kind] = state
            yield event.at_ms, f"jitsi.session.{state}", told


def _told_by(event: Event) -> dict[str, Any]:
    """Return the attributes of *event*: the cause, if its text is like `verdict.bad.uplink`."""
    cause = event.what.split(".")[2:]
    return {"jitsi.verdict.cause": cause[0]} if cause else {}


def _changes(samples: Sequence[Sample]) -> Iterator[tuple[Event, dict[str, Any]]]:
    """Yield an event for each change of network or region, with the new values."""
    kinds: tuple[tuple[str, list[Any]], ...] = (
        (_NETWORK_CHANGED, _OF_NETWORK),
        (_REGION_CHANGED, [each for each in NAMED if each[0] == REGION.id]),
    )
    known: dict[str, dict[str, Any]] = {}
    for sample in samples:
        if sample.attributes is None:
            continue
        for name, rows in kinds:
            told = named(sample.attributes, rows)
            # A heartbeat has no such attributes. Then the former values are kept.
            if told:
                if name in known and known[name] != told:
                    yield Event(sample.at_ms, name), told
                known[name] = told
