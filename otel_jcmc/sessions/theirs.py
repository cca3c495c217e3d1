"""
Finds an erased client in data about other participants: as the sender that spoils their calls.

The journal names a sender as `conference/participant` (verdict/journal.py), and pushes of other
participants name the participant whose stream they receive worst. Both names do not contain the
client; the digest in the participant's Redis key shows whether the participant is the client's.
"""

from collections.abc import Collection
from typing import NamedTuple

from otel_jcmc.store.participant import client_digest, member_digest
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry

_BETWEEN = "/"


class Theirs(NamedTuple):
    """
    The subject of an erasure.

    Attributes:
        clients: the ids of the clients to erase, each as it was pushed.
        conferences: the conferences in which they are erased; empty: all.
        members: the members (as in a sid) that are known to belong to these clients.
    """

    clients: Collection[str]
    conferences: Collection[str]
    members: Collection[str]

    def has(self, conference: str, participant: str) -> bool:
        """Say whether *participant* of *conference* belongs to one of the clients."""
        digests = (member_digest(conference, client, participant) for client in self.clients)
        return any(digest in self.members for digest in digests)

    def is_named(self, name: str) -> bool:
        """
        Say whether *name*, `conference/participant`, belongs to one of the clients.

        Both parts may contain a slash.
        """
        parts = name.split(_BETWEEN)
        return any(
            self.has(_BETWEEN.join(parts[:at]), _BETWEEN.join(parts[at:]))
            for at in range(1, len(parts))
        )

    def is_told_of(self, entry: Entry) -> bool:
        """
        Say whether *entry* of the journal names a participant of the clients as a sender.

        This also finds participants whose sessions history has dropped.
        """
        if entry.scope != Scope.SENDER.value:
            return False
        if self.is_named(entry.name):
            return True
        starts = [f"{conference}{_BETWEEN}" for conference in self.conferences]
        return any(client_digest(each).hex() == entry.client for each in self.clients) and (
            not starts or entry.name.startswith(tuple(starts))
        )
