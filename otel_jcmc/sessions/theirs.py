"""
What names an erased client where something else is told: who spoils the calls of others.

What stands out names a sender as `conference/participant` (verdict/journal.py), and what others
push names the participant whose stream they get worst. Neither says whose participant that is; the
digest that is a participant's key in Redis does.
"""

from collections.abc import Collection
from typing import NamedTuple

from otel_jcmc.store.participant import client_digest, member_digest
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry

_BETWEEN = "/"


class Theirs(NamedTuple):
    """
    Whom an erasure is of.

    Attributes:
        clients: their ids, each as it was pushed.
        conferences: those alone; empty: all.
        members: the participants that are known to be theirs, as a sid has them.
    """

    clients: Collection[str]
    conferences: Collection[str]
    members: Collection[str]

    def has(self, conference: str, participant: str) -> bool:
        """Say whether that participant is one of theirs."""
        digests = (member_digest(conference, client, participant) for client in self.clients)
        return any(digest in self.members for digest in digests)

    def is_named(self, name: str) -> bool:
        """Say whether `conference/participant` is one of theirs; both may hold the sign."""
        parts = name.split(_BETWEEN)
        return any(
            self.has(_BETWEEN.join(parts[:at]), _BETWEEN.join(parts[at:]))
            for at in range(1, len(parts))
        )

    def is_told_of(self, entry: Entry) -> bool:
        """Say whether *entry* is of one of theirs as a sender; history may have let it go."""
        if entry.scope != Scope.SENDER.value:
            return False
        if self.is_named(entry.name):
            return True
        starts = [f"{conference}{_BETWEEN}" for conference in self.conferences]
        return any(client_digest(each).hex() == entry.client for each in self.clients) and (
            not starts or entry.name.startswith(tuple(starts))
        )
