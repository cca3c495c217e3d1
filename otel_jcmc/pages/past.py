"""
Makes texts and stripes of a session for all pages of history: participant, end, and states.

Sessions and their spells from history come in; texts and stripes go out.
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
    """Return the display name, or the participant's id if names are not collected."""
    who = session.attributes
    return who.get(USERNAME.id) or who.get(PARTICIPANT.id) or "unknown participant"


def band(spell: Spell, from_ms: int, to_ms: int) -> Stripe:
    """Return *spell* as a stripe on an axis from *from_ms* to *to_ms*, with its text."""
    parts = [spell.state, CAUSES.get(spell.cause, spell.cause) if spell.cause else ""]
    parts += [SCOPES.get(spell.scope, spell.scope) if spell.scope else ""]
    said = ", ".join(filter(None, parts)) + f": {duration(spell.to_ms - spell.from_ms)}"
    return stripe(from_ms, to_ms, spell.from_ms, spell.to_ms, spell.state, said)
