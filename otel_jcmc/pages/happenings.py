"""
Lists the events of a session in plain words, in order of time.

The input is the session and its samples. The output is lines for a list: when the call became
better or worse, when the bridge or the network changed, and how the session ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import BRIDGE, NETWORK_TYPE, PROTOCOL, REGION
from otel_jcmc.catalogue.metrics import LIST_ID
from otel_jcmc.pages.words import CAUSES, ENDS
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.pushes import Event

_OTHERS: Final = {
    "stats.stopped": "the browser stopped giving statistics",
    "stats.resumed": "the browser gives statistics again",
    "quality.bad": "the connection quality became bad",
    "quality.good": "the connection quality became good again",
}
# Attributes whose change is shown, with their names on the page.
_PLACES: Final = (("Region", REGION.id), ("Bridge", BRIDGE.id))
_PATHS: Final = (("Network", NETWORK_TYPE.id), ("Protocol", PROTOCOL.id))


class Happening(NamedTuple):
    """An event as *text*, with its time; *word*: the new state of the call; empty: no new state."""

    at_ms: int
    word: str
    text: str


def happenings(session: PastSession, samples: Sequence[Sample]) -> list[Happening]:
    """Return the events of *session*, in order of time, from its *samples*."""
    told = [_told(each) for sample in samples for each in sample.events]
    told += _moves(samples)
    told.sort(key=lambda each: each.at_ms)
    first = "they came back" if session.previous else "they joined"
    found = [Happening(session.started_ms, "", first), *told]
    if session.ended_ms is not None:
        found.append(Happening(session.ended_ms, "", end_text(session)))
    return found


def end_text(session: PastSession) -> str:
    """Return in words how *session* ended; if the call failed, with the cause."""
    reason = session.reason or "live"
    cause = f": {session.cause.replace('_', ' ')}" if session.cause else ""
    return ENDS.get(reason, reason) + cause


def _told(event: Event) -> Happening:
    """Return *event* with its text for the page."""
    kind, _, rest = event.what.partition(".")
    if kind != "verdict":
        return Happening(event.at_ms, "", _OTHERS.get(event.what, event.what))
    state, _, cause = rest.partition(".")
    return Happening(event.at_ms, state, CAUSES.get(cause, cause))


def _moves(samples: Iterable[Sample]) -> Iterator[Happening]:
    """Yield each change of region, bridge, network or protocol."""
    known: dict[str, str] = {}
    for sample in samples:
        if sample.attributes is None:
            continue
        for name, value in _where(sample.attributes):
            before = known.get(name, value)
            known[name] = value
            if value != before:
                yield Happening(sample.at_ms, "", f"{name} changed from {before} to {value}")


def _where(attributes: Mapping[int, Any]) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of region, bridge, and the first transport's network and protocol."""
    paths: Sequence[Mapping[int, Any]] = attributes.get(LIST_ID) or ({},)
    for names, of in ((_PLACES, attributes), (_PATHS, paths[0])):
        for name, id_ in names:
            if of.get(id_):
                yield name, str(of[id_])
