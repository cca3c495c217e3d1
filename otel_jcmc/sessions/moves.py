"""
The arguments of moves.lua, which replaces a finished session or conference by span and summary.

The span and the summary come in; the script's arguments go out. sweep.py sends them.
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
    A summary, and the list in which it is kept; all fields are empty if there is no summary.

    Attributes:
        row: the packed summary (summary.py).
        name: the name of its list, without the beginning of the partition's keys.
        until_ms: until when the list is kept, Unix time in ms.
        besides: bytes that Redis needs for the row besides the row's own bytes.
    """

    row: bytes = b""
    name: str = ""
    until_ms: int = 0
    besides: int = 0


NOT_KEPT: Final = Kept()


def session_move(leg: Leg, folded: Folded, kept: Kept, *, keeps_log: bool) -> tuple[Any, ...]:
    """Return the arguments that replace *leg* by its span in *folded* and its summary *kept*."""
    span = folded.span and marked(folded.span, folded.client, sid_member(leg.sid))
    client = client_digest(folded.client).hex() if folded.client else ""
    pairs = [part for pair in folded.kept.items() for part in pair]
    return WAITS_MS, span, leg.sid, leg.instance, int(keeps_log), client, *kept, *pairs


def room_move(room: str, span: bytes, emptied: str) -> tuple[Any, ...]:
    """
    Return the arguments that replace the instance *room* of a conference by its *span*.

    *emptied* is when a participant was last there, as sweep.lua returned it.
    """
    return WAITS_MS, span, room, emptied
