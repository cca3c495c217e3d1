"""
Makes the arguments of moves.lua, which replaces finished sessions and conferences in Redis.

moves.lua replaces a session by its span and its summary, and an instance of a conference by its
span. The functions here get the span and the summary, and return the arguments. sweep.py runs the
script with these arguments.
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
    A summary, and the list of summaries to which it is added; without a summary, fields are empty.

    Attributes:
        row: the packed summary (summary.py).
        name: the key of the list, without the prefix that all keys of the partition have.
        until_ms: when the list expires, Unix time in ms.
        besides: bytes that Redis needs for the row, in addition to the row's own bytes.
    """

    row: bytes = b""
    name: str = ""
    until_ms: int = 0
    besides: int = 0


NOT_KEPT: Final = Kept()


def session_move(leg: Leg, folded: Folded, kept: Kept, *, keeps_log: bool) -> tuple[Any, ...]:
    """
    Return the arguments that replace *leg* by its span in *folded* and its summary in *kept*.

    If *keeps_log* is False, moves.lua also removes the leg's log and card.
    """
    span = folded.span and marked(folded.span, folded.client, sid_member(leg.sid))
    client = client_digest(folded.client).hex() if folded.client else ""
    pairs = [part for pair in folded.kept.items() for part in pair]
    return WAITS_MS, span, leg.sid, leg.instance, int(keeps_log), client, *kept, *pairs


def room_move(room: str, span: bytes, emptied: str) -> tuple[Any, ...]:
    """
    Return the arguments that replace an instance of a conference by its *span*.

    *room* is "conference:instance". *emptied* is the time when a participant was last in this
    instance, as sweep.lua returned this time.
    """
    return WAITS_MS, span, room, emptied
