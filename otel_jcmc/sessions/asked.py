"""
The conditions of a search for sessions, and a check whether a session meets these conditions.

history.py runs such a search. search.py finds sessions by their cards. If the card of a session
does not show whether the session meets the conditions, history.py calls `is_asked` for this
session.
"""

import struct
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import CONFERENCE
from otel_jcmc.sessions.lines import LIVE, Condition, is_met, text_of
from otel_jcmc.sessions.past import PastSession, is_of
from otel_jcmc.store.participant import client_digest

# Two fields at the start of a card (card.py): badness, and the length of the packed totals, which
# stand before the lines.
_HEAD: Final = struct.Struct(">4xHH")


class Asked(NamedTuple):
    """
    The conditions of a search for sessions.

    Attributes:
        conferences: names of conferences, as Redis has them. The session's conference must be one
            of these conferences; empty: any conference.
        clients: client ids, as Redis has them. The session's client must have one of these ids;
            empty: any client. An id in lower case also matches the same id with capital letters.
        from_ms, to_ms: the participant must have been in the session at some moment between these
            times, Unix time in ms; None: no limit.
        after: the last session of the previous answer, after which this answer continues: its sid,
            or, if the worst sessions come first, its badness and its sid. Empty: the answer begins
            with the first session.
        limit: how many sessions the answer has at most.
        conditions: conditions on the lines of the session's card. A search with conditions is quick
            only if *conferences* and *clients* are empty, because the search then reads only cards.
        end: the reason why the session ended, or `live` if the session has not ended; empty: any.
        by_badness: true: the worst sessions come first; false: the newest sessions come first.
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
        """Whether the search must look at the cards of all sessions."""
        return bool(self.conditions or self.end or self.by_badness)


def is_asked(session: PastSession, asked: Asked) -> bool:
    """Say whether *session* meets all conditions of *asked*."""
    about = session.attributes
    return (
        # If the attributes are not known, the caller has already compared the conference's digest
        # in the sid.
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
    Say whether the lines of the card of *session* meet all *conditions*.

    If the session has no card, this function makes the lines from the session's attributes.
    """
    text = text_of(session.attributes)
    if session.card:
        start = _HEAD.size + _HEAD.unpack_from(session.card)[1]
        text = session.card[start:].decode(errors="replace")
    return all(is_met(each, text) for each in conditions)


def badness_of(session: PastSession) -> int:
    """Return the badness (totals.py) in the card of *session*; 0 if the session has no card."""
    return int(_HEAD.unpack_from(session.card)[0]) if session.card else 0


def _is_of_clients(session: PastSession, clients: Collection[str]) -> bool:
    """Say whether *session* belongs to one of *clients*, by its attributes or its digest."""
    if session.attributes or not session.client:
        return is_of(session.attributes, clients)
    return any(client_digest(client).hex() == session.client for client in clients)
