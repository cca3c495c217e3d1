"""
Makes the arguments of moves.lua, which replaces ended sessions and conferences in Redis.

The script puts the span and the summary of a session in the place of the session, and the span of a
conference in the place of the conference. sweep.py runs the script.
"""

from typing import Any, Final, NamedTuple

from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.sessions.span_marks import marked
from otel_jcmc.store.participant import client_digest
from otel_jcmc.store.scripts import script
from otel_jcmc.store.sid import sid_member

# Redis keeps a span for this time if no replica sends spans.
WAITS_MS: Final = 7 * 86_400_000

MOVES: Final = script("sessions/moves")


class Kept(NamedTuple):
    """
    A summary, and the list in Redis that keeps it; all fields are empty if no summary is made.

    Attributes:
        row: the packed summary (summary.py).
        name: the name of the list's key, without the prefix of the partition.
        until_ms: the time until which Redis keeps the list, Unix time in ms.
        besides: the bytes that Redis needs for the row in addition to the bytes of the row.
    """

    row: bytes = b""
    name: str = ""
    until_ms: int = 0
    besides: int = 0


NOT_KEPT: Final = Kept()


def session_move(leg: Leg, folded: Folded, kept: Kept, *, keeps_log: bool) -> tuple[Any, ...]:
    """
    Return the arguments of moves.lua for *leg*: its span (*folded*) and its summary (*kept*).

    *keeps_log* says whether the log of the leg remains in Redis.
    """
    span = folded.span and marked(folded.span, folded.client, sid_member(leg.sid))
    client = client_digest(folded.client).hex() if folded.client else ""
    pairs = [part for pair in folded.kept.items() for part in pair]
    return WAITS_MS, span, leg.sid, leg.instance, int(keeps_log), client, *kept, *pairs


def room_move(room: str, span: bytes, emptied: str) -> tuple[Any, ...]:
    """
    Return the arguments of moves.lua for the instance *room* of a conference, and its *span*.

    *emptied* is the time at which the last participant left, in the form that sweep.lua returns.
    """
    return WAITS_MS, span, room, emptied
