"""
What every page of history says of a session: whose it was, until when, and how it was when.

In come sessions and their spells as history has them, out come texts and stripes.
"""

from typing import Final

from otel_jcmc.catalogue.attributes import PARTICIPANT, USERNAME
from otel_jcmc.pages.charts import Stripe, stripe
from otel_jcmc.pages.words import CAUSES, SCOPES, duration
from otel_jcmc.sessions.blame import Spell
from otel_jcmc.sessions.past import PastSession

# Most times on an axis.
TICKS: Final = 6


def until(session: PastSession, now_ms: int) -> int:
    """Return until when *session* was there; of one that goes on it is *now_ms*."""
    return max(session.last_ms, now_ms if session.ended_ms is None else session.ended_ms)


def name_of(session: PastSession) -> str:
    """Return what others see, the participant's id where nobody is told names."""
    who = session.attributes
    return who.get(USERNAME.id) or who.get(PARTICIPANT.id) or "somebody who is not known"


def band(spell: Spell, from_ms: int, to_ms: int) -> Stripe:
    """Return *spell* in a picture of *from_ms* to *to_ms*, with what it says in words."""
    parts = [spell.state, CAUSES.get(spell.cause, spell.cause) if spell.cause else ""]
    parts += [SCOPES.get(spell.scope, spell.scope) if spell.scope else ""]
    said = ", ".join(filter(None, parts)) + f": {duration(spell.to_ms - spell.from_ms)}"
    return stripe(from_ms, to_ms, spell.from_ms, spell.to_ms, spell.state, said)
