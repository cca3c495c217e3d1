"""
How long a session was in each state of the verdict, from which cause, and where it was bad.

Pushes come in, with the numbers that verdict/judge.py has added. For an interval, a `Stretch` goes
out for each state and cause, and for bad states also for each place, in the form of an entry
(entry.py). Stretches are few and short, whatever a client pushes, because each participant has an
entry with them every interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import BRIDGE, NETWORK_TYPE, REGION
from otel_jcmc.catalogue.metrics import CAUSE_ID, LIST_ID, STATE_ID
from otel_jcmc.verdict.rules import State
from otel_jcmc.wire.push import Report

TENTH_MS: Final = 100
# For so many places of an interval, bad time is counted separately: people change networks, but not
# at each push.
MOST_PLACES: Final = 4
PLACE_LENGTH: Final = 64
_STATE, _CAUSE = STATE_ID - 1, CAUSE_ID - 1
# The bridge's region and name, and the kind of the participant's network.
_Place = tuple[str, str, str]
_NOWHERE: Final[_Place] = ("", "", "")
Key = tuple[int | None, int, _Place]
UNKNOWN: Final[Key] = (None, 0, _NOWHERE)
GOOD: Final[Key] = (State.GOOD.value, 0, _NOWHERE)

# State, cause and place -> ms of the interval so far.
Times = dict[Key, float]


class Stretch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    The part of an interval that a session was in one state, by one cause, at one place.

    Attributes:
        tenths: how long, in tenths of a second.
        state: the number of a state of verdict/rules.py; None: not known.
        cause: the id of a cause; 0: no known cause, or the state has none.
        region, bridge, network: the place where it was bad, the network in the browser's words;
            empty: not known, or not bad.
    """

    tenths: int
    state: int | None = None
    cause: int = 0
    region: str = ""
    bridge: str = ""
    network: str = ""


def key_of(report: Report) -> Key:
    """Return state and cause of a push, and also its place if the state is bad."""
    state = report.numbers[_STATE]
    if not state:
        # Nearly all pushes are good.
        return UNKNOWN if state is None else GOOD
    cause = report.numbers[_CAUSE] or 0
    return state, cause, _place_of(report.attributes) if state == State.BAD else _NOWHERE


def spend(times: Times, key: Key, ms: float) -> None:
    """Add *ms* to the time of *key*, or of *key* without its place beyond MOST_PLACES."""
    if key[2] != _NOWHERE and key not in times:
        places = sum(of[2] != _NOWHERE for of in times)
        if places >= MOST_PLACES:
            key = key[0], key[1], _NOWHERE
    times[key] = times.get(key, 0.0) + ms


def _place_of(attributes: Mapping[int, Any]) -> _Place:
    """Return a participant's place, with the network of its first transport; long names are cut."""
    paths: Sequence[Mapping[int, str]] = attributes.get(LIST_ID) or ({},)
    return (
        attributes.get(REGION.id, "")[:PLACE_LENGTH],
        attributes.get(BRIDGE.id, "")[:PLACE_LENGTH],
        paths[0].get(NETWORK_TYPE.id, "")[:PLACE_LENGTH],
    )


def stretches_of(times: Times) -> list[list[Any]]:
    """Return *times* in the form of an entry: a row for each `Stretch`, without its empty tail."""
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
    """Return the fields of *stretch*, without its empty tail."""
    row = [*msgspec.structs.astuple(stretch)]
    while row[-1] in ("", None) or (row[-1] == 0 and len(row) == 3):
        row.pop()
    return row


def time_of(row: Sequence[Any]) -> tuple[int, int | None, int]:
    """Return tenths, state and cause of a stretch's *row* in an entry."""
    size = len(row)
    return row[0], row[1] if size > 1 else None, row[2] if size > 2 else 0
