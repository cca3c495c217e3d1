"""
Holds the values that the processes of one service share, and says which process this one is.

`serve` makes a `Shared` before it forks; each process gets it with its own number, as a `Place`.
The processes that take pushes have the numbers from 0 on; the process that reads has the number
after them. A process that does both alone has number 0, and the service has 0 workers.
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
        relay_path: the socket at which the process that reads answers the others.
        instance_id: names the whole service in our own metrics and in leases.
        privacy_key: for hashes if the settings have no key; the same in each process.
        counted: where each process publishes its counts; None: there is only one process.
    """

    workers: int
    relay_path: str
    instance_id: str
    privacy_key: str
    counted: Places | None

    @classmethod
    def made(cls, workers: int = 0, relay_path: str = "") -> Self:
        """Return the shared values of a service that starts now."""
        counted = Places(workers + 1) if workers else None
        return cls(workers, relay_path, str(uuid.uuid4()), secrets.token_urlsafe(), counted)

    @property
    def places(self) -> list["Place"]:
        """The places of all processes; the process that reads is last."""
        return [Place(slot, self) for slot in range(self.workers + 1)]


class Place(NamedTuple):
    """Which process of a service this is."""

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
        """Whether this process answers readers."""
        return self.slot == self.shared.workers

    @property
    def name(self) -> str:
        """The name of this process in the log."""
        return "the reader" if self.reads else f"worker {self.slot + 1}"
