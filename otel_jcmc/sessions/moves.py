"""
The arguments of moves.lua: where a session or a conference that is over goes.

The span and the summary that were made of it come in; the script's arguments go out. sweep.py sends
them.
"""

from typing import Any, Final, NamedTuple

from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.sessions.span_marks import marked
from otel_jcmc.store.participant import client_digest
from otel_jcmc.store.scripts import script
from otel_jcmc.store.sid import sid_member

# How long a span waits in Redis when no replica sends spans.
WAITS_MS: Final = 7 * 86_400_000

MOVES: Final = script("sessions/moves")


class Kept(NamedTuple):
    """
    A summary, and where it is kept; empty: there is none.

    Attributes:
        row: packed (summary.py).
        name: of its list, below the partition's keys.
        until_ms: Unix time.
        besides: bytes that Redis needs for it besides its own.
    """

    row: bytes = b""
    name: str = ""
    until_ms: int = 0
    besides: int = 0


NOT_KEPT: Final = Kept()


def session_move(leg: Leg, folded: Folded, kept: Kept, *, keeps_log: bool) -> tuple[Any, ...]:
    """Return the arguments that move *leg*, which became *folded* and *kept*."""
    span = folded.span and marked(folded.span, folded.client, sid_member(leg.sid))
    client = client_digest(folded.client).hex() if folded.client else ""
    pairs = [part for pair in folded.kept.items() for part in pair]
    return WAITS_MS, span, leg.sid, leg.instance, int(keeps_log), client, *kept, *pairs


def room_move(room: str, span: bytes, emptied: str) -> tuple[Any, ...]:
    """Return the arguments that move the conference *room*, *emptied* then, which became *span*."""
    return WAITS_MS, span, room, emptied
