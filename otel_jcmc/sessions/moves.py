"""
What moves.lua is told: where what is over goes, of a session and of a conference.

In come the span and the summary that were made of it, out come the script's arguments; sweep.py
sends them.
"""

from typing import Any, Final, NamedTuple

from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.sessions.span_marks import marked
from otel_jcmc.store.participant import client_digest
from otel_jcmc.store.scripts import script
from otel_jcmc.store.sid import sid_member

# For which a span waits in Redis with nobody there to send it.
WAITS_MS: Final = 7 * 86_400_000

MOVES: Final = script("sessions/moves")


class Kept(NamedTuple):
    """
    A summary, and where it is kept; empty: there is none.

    Attributes:
        row: packed (summary.py).
        name: of its list below the partition's keys.
        until_ms: Unix time.
        besides: bytes of Redis that it takes besides its own.
    """

    row: bytes = b""
    name: str = ""
    until_ms: int = 0
    besides: int = 0


NOT_KEPT: Final = Kept()


def session_move(leg: Leg, folded: Folded, kept: Kept, *, keeps_log: bool) -> tuple[Any, ...]:
    """Return what moves *leg*, which became *folded* and *kept*."""
    span = folded.span and marked(folded.span, folded.client, sid_member(leg.sid))
    client = client_digest(folded.client).hex() if folded.client else ""
    pairs = [part for pair in folded.kept.items() for part in pair]
    return WAITS_MS, span, leg.sid, leg.instance, int(keeps_log), client, *kept, *pairs


def room_move(room: str, span: bytes, emptied: str) -> tuple[Any, ...]:
    """Return what moves the conference *room* that was *emptied*, which became *span*."""
    return WAITS_MS, span, room, emptied
