"""
Completes the place of participants whose page does not tell it, from others of the conference.

The original's page names no bridge, and does not tell whether there is one. If all others of its
conference name the same bridge, the participant is on that bridge. If one of them has no bridge,
the participant has none either: a direct call has two participants.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from otel_jcmc.verdict.everybody import Everybody, Place


def complete(everybody: Everybody) -> Everybody:
    """Return *everybody* with places completed, as far as others of their conferences tell."""
    lacking = {place.conference for place, _ in everybody.counts if _is_lacking(place)}
    # If no page names a bridge, as with the original's pages, nothing can be completed.
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
    """Say whether it is unknown which bridge *place* has, and whether it has one."""
    return not (place.bridge or place.is_direct)


def _told(everybody: Everybody, conferences: set[str]) -> Mapping[str, list[Place]]:
    """Return the places in *conferences* with a known bridge, or known to have none."""
    found: dict[str, list[Place]] = defaultdict(list)
    for place, _ in everybody.counts:
        if place.conference in conferences and not _is_lacking(place):
            found[place.conference].append(place)
    return found


def _completed(place: Place, others: Iterable[Place]) -> Place:
    """Return *place* with the bridge of the *others*, or without one as they are."""
    if any(each.is_direct for each in others):
        return place._replace(is_direct=True)
    bridges = {each.bridge for each in others}
    return place._replace(bridge=bridges.pop()) if len(bridges) == 1 else place
