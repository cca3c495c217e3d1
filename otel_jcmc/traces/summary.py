"""
Reduces the log of a leg to a few numbers, attributes and events for its span.

The samples of a leg come in, in the order of time (sessions/entry.py); several processes may have
taken its pushes. The attributes and events of the leg's span go out, with the names of
JCMC_NAMING=otel (catalogue). The fields that Redis keeps for the conference's span also go out.
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

# For quality, loss and round trip, in this order: the word in names of attributes, and the factor
# that converts the value to its base unit.
WORDS: Final = (("quality", 1.0), ("packet_loss", 0.01), ("round_trip_time", 0.001))
# Attributes that no span has. A span names a participant only by its id in Jitsi. The worst source
# belongs to one push, not to a session.
_NEVER: Final = {USERNAME.id, CLIENT.id, SESSION.id, WORST_SOURCE.id}
NAMED: Final = [
    (row.id, row.otel_name or "jitsi.meeting.id", dict(row.otel_values), row.scope is Scope.PATH)
    for row in ATTRIBUTES
    if row.id not in _NEVER and (row.otel_name or row is MEETING)
]
_OF_NETWORK: Final = [each for each in NAMED if each[3]]
# Kinds of events that a log may repeat -> the state with which a session begins. An event is left
# out if it equals the last event of its kind. Two verdicts are equal if state and cause are equal.
_AT_FIRST: Final = {"verdict": "verdict.good", "stats": "stats.resumed"}
# Counter -> the word in names of attributes, and the factor that converts it to its base unit.
_COUNTERS: Final = {
    "freezes": ("freezes", 1),
    "freeze_time": ("freeze_time", 0.001),
    "frames_dropped": ("frames_dropped", 1),
}
_NETWORK_CHANGED: Final = "jitsi.session.network.changed"
_REGION_CHANGED: Final = "jitsi.session.region.changed"


def numbers_of(samples: Iterable[Sample]) -> tuple[dict[str, float], dict[str, str]]:
    """
    Return the average, the worst value and the ratio of bad time for quality, loss and round trip.

    The first dictionary has the attributes of the leg's span. The second has the worst values, as
    fields that Redis keeps for the conference's span.
    """
    sums = [[0.0, 0.0, 0.0] for _ in VITALS]
    worst: list[float | None] = [None] * len(VITALS)
    for sample in samples:
        lasts = vitals(sample.numbers)
        for index, lower in enumerate(LOWER_IS_WORSE):
            tally = sample.tally[index] if index < len(sample.tally) else None
            # A single push has no duration yet, so its value counts as the average.
            mean, known, bad = (lasts[index], 1, 0) if tally is None else tally
            if mean is not None:
                weight = max(known, 1)
                for at, value in enumerate((mean * weight, weight, bad)):
                    sums[index][at] += value
            # A push may have only the values that changed. The tally then has the other values.
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
    """Return attribute -> sum over all *samples*, for each counter that at least one push has."""
    told: dict[str, float] = {}
    for sample in samples:
        for field, count in zip(COUNTED_FIELDS, sample.counts, strict=False):
            if count is not None:
                word, times = _COUNTERS[field]
                name = f"jitsi.session.video.{word}"
                told[name] = told.get(name, 0) + count * times
    return {name: rounded(each) for name, each in told.items()}


def rounded(value: float) -> float:
    """Return *value* rounded to six decimals, to remove a float's inexact last digits."""
    return round(value, 6)


def named(attributes: Mapping[int, Any], rows: Iterable[Any]) -> dict[str, Any]:
    """
    Return name -> value, for each of *rows* that *attributes* has.

    If there are several transports, the first gives the values of the network path.
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
    Return the time in ms, name and attributes of each event in *samples*, in order of time.

    If two processes noted the same event, it is returned only once.
    """
    found = [
        (event, _told_by(event))
        for sample in samples
        for event in sample.events
        # An earlier version also wrote events about the quality; they are left out.
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
    """Return the attributes of *event*: the cause, if `what` has one, as in "verdict.bad.path"."""
    cause = event.what.split(".")[2:]
    return {"jitsi.verdict.cause": cause[0]} if cause else {}


def _changes(samples: Sequence[Sample]) -> Iterator[tuple[Event, dict[str, Any]]]:
    """Return an event for each change of the network or region, with the new values."""
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
            # A heartbeat (a push without new statistics) has no attributes. They are then not
            # known, which is no change.
            if told:
                if name in known and known[name] != told:
                    yield Event(sample.at_ms, name), told
                known[name] = told
