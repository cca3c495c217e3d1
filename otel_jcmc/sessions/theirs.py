"""
Finds the names of an erased client's participants in data about other participants.

The journal names a participant whose sending spoils calls as `conference/participant`
(verdict/journal.py). Pushes of other participants name the participant whose stream they receive
worst. Neither name contains the client id. The participant's key in Redis contains a digest of
conference, client id and participant id. With this digest, this file finds whether a participant
belongs to a client.
"""

from collections.abc import Collection
from typing import NamedTuple

from otel_jcmc.store.participant import client_digest, member_digest
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry

_BETWEEN = "/"


class Theirs(NamedTuple):
    """
    The clients that an operator erases.

    Attributes:
        clients: the ids of the clients, as they were pushed.
        conferences: the conferences in which these clients are erased; empty: all conferences.
        members: the members (Redis keys of participants) that belong to these clients.
    """

    clients: Collection[str]
    conferences: Collection[str]
    members: Collection[str]

    def has(self, conference: str, participant: str) -> bool:
        """Say whether *participant* of *conference* belongs to one of *clients*."""
        digests = (member_digest(conference, client, participant) for client in self.clients)
        return any(digest in self.members for digest in digests)

    def is_named(self, name: str) -> bool:
        """
        Say whether the participant *name* belongs to one of *clients*.

        *name* is `conference/participant`; the conference and the participant may contain slashes.
        """
        parts = name.split(_BETWEEN)
        return any(
            self.has(_BETWEEN.join(parts[:at]), _BETWEEN.join(parts[at:]))
            for at in range(1, len(parts))
        )

    def is_told_of(self, entry: Entry) -> bool:
        """
        Say whether *entry* of the journal is about a sender that belongs to one of *clients*.

        The answer is also right if history has already dropped the sender's sessions.
        """
        if entry.scope != Scope.SENDER.value:
            return False
        if self.is_named(entry.name):
            return True
        starts = [f"{conference}{_BETWEEN}" for conference in self.conferences]
        return any(client_digest(each).hex() == entry.client for each in self.clients) and (
            not starts or entry.name.startswith(tuple(starts))
        )
