"""
A session's log folded: into a few numbers, into what it was, and into what happened.

In come the samples of a leg in their order (sessions/entry.py), of one process or of several that
took its pushes; out come the attributes and events of its span, by the names that JCMC_NAMING=otel
has (catalogue), and what its conference keeps of it.
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
from otel_jcmc.sessions.entry import Event, Sample
from otel_jcmc.sessions.vitals import LOWER_IS_WORSE, VITALS, vitals

# A session of which loss or round trip was bad for a larger share of its time had a bad time.
BAD_SHARE: Final = 0.1
_PICTURE: Final = "quality"

# Of each vital: its word in attributes, and what makes it a base unit.
WORDS: Final = (("quality", 1.0), ("packet_loss", 0.01), ("round_trip_time", 0.001))
# Who it is beside the participant's id in Jitsi is nobody's business in a trace; and the worst
# source is that of one push, not of a session.
_NEVER: Final = {USERNAME.id, CLIENT.id, SESSION.id, WORST_SOURCE.id}
NAMED: Final = [
    (row.id, row.otel_name or "jitsi.meeting.id", dict(row.otel_values), row.scope is Scope.PATH)
    for row in ATTRIBUTES
    if row.id not in _NEVER and (row.otel_name or row is MEETING)
]
_OF_NETWORK: Final = [each for each in NAMED if each[3]]
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


def numbers_of(samples: Iterable[Sample]) -> tuple[dict[str, float], dict[str, str]]:
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
            # Of a push that says what has changed since the one before, the rest is in its tally.
            extreme = mean if sample.worst[index] is None else sample.worst[index]
            if extreme is not None:
                before = worst[index]
                pick = min if lower else max
                worst[index] = extreme if before is None else pick(before, extreme)
    told: dict[str, float] = {}
    kept: dict[str, str] = {}
    was_bad = False
    for index, (word, times) in enumerate(WORDS):
        total, weights, bad_ms = sums[index]
        extreme = worst[index]
        if not weights or extreme is None:
            continue
        share = min(1.0, bad_ms / weights)
        # Quality has no say, as in the alerts: it is of the sent picture more than of the network.
        was_bad = was_bad or (word != _PICTURE and share > BAD_SHARE)
        told[f"jitsi.session.{word}.average"] = rounded(total / weights * times)
        told[f"jitsi.session.{word}.worst"] = rounded(extreme * times)
        told[f"jitsi.session.{word}.bad_share"] = rounded(share)
        kept[("<" if LOWER_IS_WORSE[index] else ">") + VITALS[index]] = repr(extreme)
    return told, kept | {"+bad": str(int(was_bad))}


def rounded(value: float) -> float:
    """Return *value* without the noise of a float's last digits."""
    return round(value, 6)


def named(attributes: Mapping[int, Any], rows: Iterable[Any]) -> dict[str, Any]:
    """Return those of *attributes* that *rows* are of, by their names; of a transport the first."""
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
        (_REGION_CHANGED, [each for each in NAMED if each[0] == REGION.id]),
    )
    known: dict[str, dict[str, Any]] = {}
    for sample in samples:
        if sample.attributes is None:
            continue
        for name, rows in kinds:
            told = named(sample.attributes, rows)
            # A heartbeat has none: that is not to know, not to be without.
            if told:
                if name in known and known[name] != told:
                    yield Event(sample.at_ms, name), told
                known[name] = told
