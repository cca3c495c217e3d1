"""
Where somebody is whose page does not say: where the others of the room are.

The original's page tells of no bridge, and not that there is none. Who shares a conference with
somebody on a bridge is on that one, if all who tell name the same; who shares it with somebody
without a bridge has none either: a direct call has two people.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from otel_jcmc.verdict.everybody import Everybody, Place


def complete(everybody: Everybody) -> Everybody:
    """Return *everybody* counted where they are, as far as others of their rooms tell."""
    lacking = {place for place, _ in everybody.counts if not (place.bridge or place.is_direct)}
    if not lacking:
        return everybody
    told = _told(everybody, {place.conference for place in lacking})
    where = {place: _completed(place, told[place.conference]) for place in lacking}
    counts: Counter[tuple[Place, int | None]] = Counter()
    for (place, state), people in everybody.counts.items():
        counts[where.get(place, place), state] += people
    ill = [each._replace(place=where.get(each.place, each.place)) for each in everybody.ill]
    return everybody._replace(counts=counts, ill=ill)


def _told(everybody: Everybody, conferences: set[str]) -> Mapping[str, set[Place]]:
    """Return the places in *conferences* of which it is known by which bridge they are, or none."""
    found: dict[str, set[Place]] = defaultdict(set)
    for place, _ in everybody.counts:
        if (place.bridge or place.is_direct) and place.conference in conferences:
            found[place.conference].add(place)
    return found


def _completed(place: Place, others: set[Place]) -> Place:
    """Return *place* with the bridge of the *others*, or without one as they are."""
    if any(each.is_direct for each in others):
        return place._replace(is_direct=True)
    bridges = {each.bridge for each in others}
    return place._replace(bridge=bridges.pop()) if len(bridges) == 1 else place
