"""
Adds up how long a session was good, fair or bad in an interval, by which cause and where.

verdict/judge.py has put a state and a cause into the numbers of each push. `spend` adds up the time
by state and cause; for bad states it adds up each place separately. `stretches_of` returns the
times as rows of an entry (entry.py), a row for each `Stretch`. Each participant has an entry every
interval, so the rows must stay few and short: places are limited, and their names are cut.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import BRIDGE, NETWORK_TYPE, REGION
from otel_jcmc.catalogue.metrics import CAUSE_ID, LIST_ID, STATE_ID
from otel_jcmc.verdict.rules import State
from otel_jcmc.wire.push import Report

TENTH_MS: Final = 100
# Bad time is counted separately for at most this many places of an interval: people change
# networks, but not at each push.
MOST_PLACES: Final = 4
PLACE_LENGTH: Final = 64
_STATE, _CAUSE = STATE_ID - 1, CAUSE_ID - 1
# A place: the bridge's region, the bridge's name, and the kind of the participant's network.
_Place = tuple[str, str, str]
_NOWHERE: Final[_Place] = ("", "", "")
Key = tuple[int | None, int, _Place]
UNKNOWN: Final[Key] = (None, 0, _NOWHERE)
GOOD: Final[Key] = (State.GOOD.value, 0, _NOWHERE)

# For each key (state, cause, place): for how many ms of the interval so far the session had this
# state, cause and place.
Times = dict[Key, float]


class Stretch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    How long a session had one state, one cause and one place in an interval.

    Attributes:
        tenths: the time in tenths of a second; separate times in the interval are added up.
        state: the number of a state of verdict/rules.py; None: the state is not known.
        cause: the id of a cause; 0: the cause is not known, or the state has no cause.
        region, bridge, network: the place, if the state is bad; the network as the browser names
            it. Empty: the place is not known, or the state is not bad.
    """

    tenths: int
    state: int | None = None
    cause: int = 0
    region: str = ""
    bridge: str = ""
    network: str = ""


def key_of(report: Report) -> Key:
    """Return the state and cause of a push; if the state is bad, also the push's place."""
    state = report.numbers[_STATE]
    if not state:
        # Nearly all pushes are good.
        return UNKNOWN if state is None else GOOD
    cause = report.numbers[_CAUSE] or 0
    return state, cause, _place_of(report.attributes) if state == State.BAD else _NOWHERE


def spend(times: Times, key: Key, ms: float) -> None:
    """
    Add *ms* to the time of *key* in *times*.

    If *times* has MOST_PLACES places already, time at a new place is counted without a place.
    """
    if key[2] != _NOWHERE and key not in times:
        places = sum(of[2] != _NOWHERE for of in times)
        if places >= MOST_PLACES:
            key = key[0], key[1], _NOWHERE
    times[key] = times.get(key, 0.0) + ms


def _place_of(attributes: Mapping[int, Any]) -> _Place:
    """
    Return the region and bridge in *attributes*, and the network of the first transport.

    Names are cut to PLACE_LENGTH characters.
    """
    paths: Sequence[Mapping[int, str]] = attributes.get(LIST_ID) or ({},)
    return (
        attributes.get(REGION.id, "")[:PLACE_LENGTH],
        attributes.get(BRIDGE.id, "")[:PLACE_LENGTH],
        paths[0].get(NETWORK_TYPE.id, "")[:PLACE_LENGTH],
    )


def stretches_of(times: Times) -> list[list[Any]]:
    """Return *times* as rows of an entry: for each key a `Stretch` without empty last fields."""
    rows = []
    for (state, cause, place), ms in times.items():
        row: list[Any] = [round(ms / TENTH_MS)]
        if state is not None:
            row.append(state)
        if cause or place != _NOWHERE:
            row += (cause, *place)
            while not row[-1]:
                row.pop()
        rows.append(row)
    return rows


def short(stretch: Stretch) -> list[Any]:
    """Return the fields of *stretch* as a row of an entry, without empty last fields."""
    row = [*msgspec.structs.astuple(stretch)]
    while row[-1] in ("", None) or (row[-1] == 0 and len(row) == 3):
        row.pop()
    return row


def time_of(row: Sequence[Any]) -> tuple[int, int | None, int]:
    """Return the tenths, state and cause of *row*, a `Stretch` in an entry."""
    size = len(row)
    return row[0], row[1] if size > 1 else None, row[2] if size > 2 else 0
