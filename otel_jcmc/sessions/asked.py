"""
The conditions of a search for sessions, and whether a session meets them.

history.py answers such a search. search.py finds candidates by their cards and asks here if a card
is not enough.
"""

import struct
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import CONFERENCE
from otel_jcmc.sessions.lines import LIVE, Condition, is_met, text_of
from otel_jcmc.sessions.past import PastSession, is_of
from otel_jcmc.store.participant import client_digest

# Parts of a card's head (card.py): badness, and the length of what comes before its lines.
_HEAD: Final = struct.Struct(">4xHH")


class Asked(NamedTuple):
    """
    The conditions of a search for sessions.

    Attributes:
        conferences, clients: names as they are stored, one of which must match; empty: any. A
            client given in lower case matches in any case.
        from_ms, to_ms: the session's participant was there in this time, Unix time in ms.
        after: where to continue: the last sid of the former answer, with the badness before it if
            the worst come first; empty: from the start.
        conditions: what the session's card must have. Only these conditions, without names, make a
            search quick.
        end: why the session ended, `live` if it goes on; empty: any.
        by_badness: whether the worst sessions come first; otherwise the newest do.
    """

    conferences: Collection[str] = ()
    clients: Collection[str] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    after: str = ""
    limit: int = 50
    conditions: Sequence[Condition] = ()
    end: str = ""
    by_badness: bool = False

    @property
    def is_of_cards(self) -> bool:
        """Whether all cards must be looked at."""
        return bool(self.conditions or self.end or self.by_badness)


def is_asked(session: PastSession, asked: Asked) -> bool:
    """Say whether *session* meets all conditions of *asked*."""
    about = session.attributes
    return (
        # If the attributes are not known, the digest in the sid has decided already.
        (not asked.conferences or about.get(CONFERENCE.id) in (None, *asked.conferences))
        and (not asked.clients or _is_of_clients(session, asked.clients))
        and (asked.to_ms is None or session.started_ms <= asked.to_ms)
        and (
            asked.from_ms is None
            or session.ended_ms is None
            or max(session.ended_ms, session.last_ms) >= asked.from_ms
        )
        and (not asked.end or asked.end == (session.reason or LIVE))
        and (not asked.conditions or _meets(session, asked.conditions))
    )


def _meets(session: PastSession, conditions: Sequence[Condition]) -> bool:
    """
    Say whether *session* meets *conditions*, by the lines of its card.

    For a session without a card, the lines are made from its attributes.
    """
    text = text_of(session.attributes)
    if session.card:
        start = _HEAD.size + _HEAD.unpack_from(session.card)[1]
        text = session.card[start:].decode(errors="replace")
    return all(is_met(each, text) for each in conditions)


def badness_of(session: PastSession) -> int:
    """Return how bad *session* was; 0 if nothing is known."""
    return int(_HEAD.unpack_from(session.card)[0]) if session.card else 0


def _is_of_clients(session: PastSession, clients: Collection[str]) -> bool:
    """Say whether *session* belongs to one of *clients*."""
    if session.attributes or not session.client:
        return is_of(session.attributes, clients)
    return any(client_digest(client).hex() == session.client for client in clients)
