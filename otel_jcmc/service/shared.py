"""
Holds the values that all processes of one service share, and the number of each process.

`serve` makes a `Shared` before it forks. Each process then gets a `Place`: its number and the
`Shared`. Workers, the processes that take pushes, have the numbers 0, 1 and so on. The process that
answers readers has the next number. Without workers, one process does both, and has number 0.
"""

import secrets
import uuid
from typing import NamedTuple, Self

from otel_jcmc.metrics.places import Places


class Shared(NamedTuple):
    """
    The values that all processes of one service share; made before the first process is forked.

    Attributes:
        workers: how many processes only take pushes; 0: one process does everything.
        relay_path: the socket on which the process that reads gets requests from workers.
        instance_id: the id of the whole service, in our own metrics and in leases.
        privacy_key: the key for hashes if the settings have no key; the same in each process.
        counted: memory in which each process publishes its counts; None: there is only one process.
    """

    workers: int
    relay_path: str
    instance_id: str
    privacy_key: str
    counted: Places | None

    @classmethod
    def made(cls, workers: int = 0, relay_path: str = "") -> Self:
        """Return new values, with random ids and keys, for a service that starts now."""
        counted = Places(workers + 1) if workers else None
        return cls(workers, relay_path, str(uuid.uuid4()), secrets.token_urlsafe(), counted)

    @property
    def places(self) -> list["Place"]:
        """The places of all processes; the process that reads is last."""
        return [Place(slot, self) for slot in range(self.workers + 1)]


class Place(NamedTuple):
    """Which process of a service this is: its number (*slot*), and the values that all share."""

    slot: int
    shared: Shared

    @classmethod
    def alone(cls) -> Self:
        """Return the place of a process that does everything."""
        return cls(0, Shared.made())

    @property
    def takes(self) -> bool:
        """Whether this process takes pushes."""
        return self.shared.workers == 0 or not self.reads

    @property
    def reads(self) -> bool:
        """Whether this process answers readers: scrapes, pages and history."""
        return self.slot == self.shared.workers

    @property
    def name(self) -> str:
        """The name of this process in the log."""
        return "the reader" if self.reads else f"worker {self.slot + 1}"
