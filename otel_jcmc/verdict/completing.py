"""
Where somebody is whose page does not say: where the others of the room are.

The original's page tells of no bridge, and not that there is none. Who shares a conference with
somebody on a bridge is on that one, if all who tell name the same; who shares it with somebody
without a bridge has none either: a direct call has two people.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from otel_jcmc.verdict.everybody import Everybody, Place


def complete(everybody: Everybody) -> Everybody:
    """Return *everybody* counted where they are, as far as others of their rooms tell."""
    lacking = {place for place, _ in everybody.counts if not (place.bridge or place.is_direct)}
    if not lacking:
        return everybody
    told = _told(everybody, {place.conference for place in lacking})
    where = {
        place: _completed(place, told[place.conference])
        for place in lacking
        if place.conference in told
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


def _told(everybody: Everybody, conferences: set[str]) -> Mapping[str, list[Place]]:
    """Return the places in *conferences* of which it is known by which bridge they are, or none."""
    found: dict[str, list[Place]] = defaultdict(list)
    for place, _ in everybody.counts:
        if place.conference in conferences and (place.bridge or place.is_direct):
            found[place.conference].append(place)
    return found


def _completed(place: Place, others: Iterable[Place]) -> Place:
    """Return *place* with the bridge of the *others*, or without one as they are."""
    if any(each.is_direct for each in others):
        return place._replace(is_direct=True)
    bridges = {each.bridge for each in others}
    return place._replace(bridge=bridges.pop()) if len(bridges) == 1 else place
