"""
Makes texts and coloured bars of a session, for all pages of history.

The input is sessions, and spells: the times in which a call had one state and one cause. The output
is texts, such as the participant's name, and bars of the class `Stripe`.
"""

from typing import Final

from otel_jcmc.catalogue.attributes import PARTICIPANT, USERNAME
from otel_jcmc.pages.charts import Stripe, stripe
from otel_jcmc.pages.words import CAUSES, SCOPES, duration
from otel_jcmc.sessions.blame import Spell
from otel_jcmc.sessions.past import PastSession

# At most this many times on an axis.
TICKS: Final = 6


def until(session: PastSession, now_ms: int) -> int:
    """Return the end of *session*, or *now_ms* if it is live; Unix time in ms."""
    return max(session.last_ms, now_ms if session.ended_ms is None else session.ended_ms)


def name_of(session: PastSession) -> str:
    """Return the display name of *session*; if names are not collected, the participant's id."""
    who = session.attributes
    return who.get(USERNAME.id) or who.get(PARTICIPANT.id) or "unknown participant"


def band(spell: Spell, from_ms: int, to_ms: int) -> Stripe:
    """Return *spell* as a bar, with its text, on an axis from *from_ms* to *to_ms*."""
    parts = [spell.state, CAUSES.get(spell.cause, spell.cause) if spell.cause else ""]
    parts += [SCOPES.get(spell.scope, spell.scope) if spell.scope else ""]
    said = ", ".join(filter(None, parts)) + f": {duration(spell.to_ms - spell.from_ms)}"
    return stripe(from_ms, to_ms, spell.from_ms, spell.to_ms, spell.state, said)
