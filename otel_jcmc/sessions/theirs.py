"""
Finds an erased client where others are told about it: as the sender that spoils their calls.

What stands out names a sender as `conference/participant` (verdict/journal.py), and pushes of
others name the participant whose stream they receive worst. Neither tells whose participant that
is; the digest in the participant's Redis key does.
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
        clients: their ids, each as it was pushed.
        conferences: only these; empty: all.
        members: the participants that are known to belong to them, as a sid has them.
    """

    clients: Collection[str]
    conferences: Collection[str]
    members: Collection[str]

    def has(self, conference: str, participant: str) -> bool:
        """Say whether that participant is one of theirs."""
        digests = (member_digest(conference, client, participant) for client in self.clients)
        return any(digest in self.members for digest in digests)

    def is_named(self, name: str) -> bool:
        """Say whether `conference/participant` is one of theirs; both parts may contain a slash."""
        parts = name.split(_BETWEEN)
        return any(
            self.has(_BETWEEN.join(parts[:at]), _BETWEEN.join(parts[at:]))
            for at in range(1, len(parts))
        )

    def is_told_of(self, entry: Entry) -> bool:
        """Say whether *entry* names one of theirs as a sender; history may have dropped it."""
        if entry.scope != Scope.SENDER.value:
            return False
        if self.is_named(entry.name):
            return True
        starts = [f"{conference}{_BETWEEN}" for conference in self.conferences]
        return any(client_digest(each).hex() == entry.client for each in self.clients) and (
            not starts or entry.name.startswith(tuple(starts))
        )
