"""
Adds up how long a session was in each state of the verdict, for which cause and at which place.

The functions take pushes with the state and cause that verdict/judge.py has added. For each
interval, they make a `Stretch` for each state and cause. A bad state has a stretch for each place
too: the bridge, its region, and the participant's network. The stretches are part of the entry of
the interval (entry.py). Limits keep stretches few and short whatever a client pushes, because each
participant has an entry in every interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import BRIDGE, NETWORK_TYPE, REGION
from otel_jcmc.catalogue.metrics import CAUSE_ID, LIST_ID, STATE_ID
from otel_jcmc.verdict.rules import State
from otel_jcmc.wire.push import Report

TENTH_MS: Final = 100
# An interval counts the bad time of at most this number of places separately. Participants change
# networks, but not at each push.
MOST_PLACES: Final = 4
PLACE_LENGTH: Final = 64
_STATE, _CAUSE = STATE_ID - 1, CAUSE_ID - 1
# The bridge's region and name, and the kind of the participant's network.
_Place = tuple[str, str, str]
_NOWHERE: Final[_Place] = ("", "", "")
Key = tuple[int | None, int, _Place]
UNKNOWN: Final[Key] = (None, 0, _NOWHERE)
GOOD: Final[Key] = (State.GOOD.value, 0, _NOWHERE)

# (state, cause, place) -> the ms of this interval that the session has spent in it so far.
Times = dict[Key, float]


class Stretch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    The time of an interval that a session spent in one state, for one cause, at one place.

    Attributes:
        tenths: the length of this time, in tenths of a second.
        state: the number of a state of verdict/rules.py; None: not known.
        cause: the id of a cause of verdict/rules.py; 0: the cause is not known, or the state has
            none.
        region, bridge, network: the place of a bad state; *network* is the kind of network that the
            browser named. Empty: not known, or the state is not bad.
    """

    tenths: int
    state: int | None = None
    cause: int = 0
    region: str = ""
    bridge: str = ""
    network: str = ""


def key_of(report: Report) -> Key:
    """Return state, cause and place of a push; the place is empty if the state is not bad."""
    state = report.numbers[_STATE]
    if not state:
        # Nearly all pushes are good, so this case is decided first.
        return UNKNOWN if state is None else GOOD
    cause = report.numbers[_CAUSE] or 0
    return state, cause, _place_of(report.attributes) if state == State.BAD else _NOWHERE


def spend(times: Times, key: Key, ms: float) -> None:
    """
    Add *ms* to the time of *key* in *times*.

    If *times* has MOST_PLACES other places already, the time is added without the place of *key*.
    """
    if key[2] != _NOWHERE and key not in times:
        places = sum(of[2] != _NOWHERE for of in times)
        if places >= MOST_PLACES:
            key = key[0], key[1], _NOWHERE
    times[key] = times.get(key, 0.0) + ms


def _place_of(attributes: Mapping[int, Any]) -> _Place:
    """
    Return region, bridge and network of a participant, each cut to PLACE_LENGTH characters.

    The network is that of the participant's first transport.
    """
    paths: Sequence[Mapping[int, str]] = attributes.get(LIST_ID) or ({},)
    return (
        attributes.get(REGION.id, "")[:PLACE_LENGTH],
        attributes.get(BRIDGE.id, "")[:PLACE_LENGTH],
        paths[0].get(NETWORK_TYPE.id, "")[:PLACE_LENGTH],
    )


def stretches_of(times: Times) -> list[list[Any]]:
    """Return *times* as rows for an entry, a `Stretch` each, without empty fields at the end."""
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
    """Return the fields of *stretch* as a row for an entry, without empty fields at the end."""
    row = [*msgspec.structs.astuple(stretch)]
    while row[-1] in ("", None) or (row[-1] == 0 and len(row) == 3):
        row.pop()
    return row


def time_of(row: Sequence[Any]) -> tuple[int, int | None, int]:
    """Return the tenths of a second, the state and the cause in *row*, a stretch in an entry."""
    size = len(row)
    return row[0], row[1] if size > 1 else None, row[2] if size > 2 else 0
