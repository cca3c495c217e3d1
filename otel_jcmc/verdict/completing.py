"""
Finds the bridge of participants whose page does not name one, from the rest of the conference.

A page with the client of the original JCMC names no bridge, and does not report whether its call
uses a bridge. If all other pages of the conference that name a bridge name the same bridge, the
participant is on that bridge. If another page reports a direct connection, the participant has a
direct connection too: such a call has only two participants.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from otel_jcmc.verdict.everybody import Everybody, Place


def complete(everybody: Everybody) -> Everybody:
    """Return *everybody* with the bridge added to each place where the conference tells it."""
    lacking = {place.conference for place, _ in everybody.counts if _is_lacking(place)}
    # If no page of these conferences names a bridge, no place can be completed.
    told = _told(everybody, lacking) if lacking else {}
    if not told:
        return everybody
    where = {
        place: _completed(place, told[place.conference])
        for place, _ in everybody.counts
        if place.conference in told and _is_lacking(place)
    }
    counts = dict(everybody.counts)
    for key in [key for key in counts if key[0] in where]:
        found = where[key[0]], key[1]
        counts[found] = counts.pop(key) + counts.get(found, 0)
    ill = [
        each._replace(place=where[each.place]) if each.place in where else each
        for each in everybody.ill
    ]
    return everybody._replace(counts=counts, ill=ill)


def _is_lacking(place: Place) -> bool:
    """Say whether *place* names no bridge, and does not say that the connection is direct."""
    return not (place.bridge or place.is_direct)


def _told(everybody: Everybody, conferences: set[str]) -> Mapping[str, list[Place]]:
    """Return, for each of *conferences*, its places that have a bridge or are direct."""
    found: dict[str, list[Place]] = defaultdict(list)
    for place, _ in everybody.counts:
        if place.conference in conferences and not _is_lacking(place):
            found[place.conference].append(place)
    return found


def _completed(place: Place, others: Iterable[Place]) -> Place:
    """Return *place* as direct if one of *others* is; otherwise with their bridge, if only one."""
    if any(each.is_direct for each in others):
        return place._replace(is_direct=True)
    bridges = {each.bridge for each in others}
    return place._replace(bridge=bridges.pop()) if len(bridges) == 1 else place
