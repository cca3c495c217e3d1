"""
Finds out whether a name in data about other participants is a participant of an erased client.

The journal names a sender whose stream spoils calls as `conference/participant`
(verdict/journal.py). A push names the participant whose stream arrives worst. These names do not
contain the client id. `Theirs` therefore calculates a member from the conference, the
participant and the erased client's id. If this member is one of the client's known members, the
name is a participant of the client.
"""

from collections.abc import Collection
from typing import NamedTuple

from otel_jcmc.store.participant import client_digest, member_digest
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry

_BETWEEN = "/"


class Theirs(NamedTuple):
    """
    The clients that an operator erases, and their participants.

    Attributes:
        clients: the ids of the clients to erase, spelled as they were pushed.
        conferences: the conferences in which the clients are erased; empty: all conferences.
        members: the members (as in a sid) of the clients' participants, as far as they are known.
    """

    clients: Collection[str]
    conferences: Collection[str]
    members: Collection[str]

    def has(self, conference: str, participant: str) -> bool:
        """Return whether *participant* of *conference* is a participant of one of the clients."""
        digests = (member_digest(conference, client, participant) for client in self.clients)
        return any(digest in self.members for digest in digests)

    def is_named(self, name: str) -> bool:
        """
        Return whether *name*, `conference/participant`, is a participant of one of the clients.

        The conference and the participant may contain slashes, so *name* is split at each slash,
        and each of the results is checked.
        """
        parts = name.split(_BETWEEN)
        return any(
            self.has(_BETWEEN.join(parts[:at]), _BETWEEN.join(parts[at:]))
            for at in range(1, len(parts))
        )

    def is_told_of(self, entry: Entry) -> bool:
        """
        Return whether *entry* of the journal names a participant of the clients as a sender.

        The entry has a digest of the client id, so this also finds participants whose sessions
        history has dropped.
        """
        if entry.scope != Scope.SENDER.value:
            return False
        if self.is_named(entry.name):
            return True
        starts = [f"{conference}{_BETWEEN}" for conference in self.conferences]
        return any(client_digest(each).hex() == entry.client for each in self.clients) and (
            not starts or entry.name.startswith(tuple(starts))
        )
