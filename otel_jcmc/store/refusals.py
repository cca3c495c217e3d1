"""
Whether Redis takes writes, by its own replies: for the log, and for who asks whether we are ready.

In go the replies to pushes and to a write that only tries; out comes why writes are refused. A
refusal is over when a try has worked and nothing was refused for a while: at the edge of its memory
Redis refuses some writes and takes others, and it always takes leaves.
"""

import logging
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final

from redis.exceptions import NoPermissionError

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.store.commands import PartAway, code_of, without_script

log = logging.getLogger(__name__)

REFUSAL_OVER_SECONDS: Final = 10.0
_MEANS: Final = {"OOM": "it is out of memory", "READONLY": "it is a replica"}


class Refusals:
    """
    What Redis refuses, for as long as it does.

    Attributes:
        why: writes are refused, for everybody to read: Redis's own words may repeat what it was
            sent. Empty while they are taken.
    """

    def __init__(self) -> None:
        """Nothing is refused yet."""
        self.why = ""
        self._at = 0.0
        self._trouble = Trouble(
            log, "store: Redis refuses writes: %s", "store: Redis takes writes again"
        )

    def add(self, replies: Iterable[Any]) -> None:
        """Take note of a refusal among the *replies* to pushes; what is taken proves nothing."""
        for reply in _faults(replies):
            self._refuse(reply)
            return

    def settle(self, replies: Iterable[Any]) -> None:
        """Take note of the *replies* to a write that tries."""
        # Who may not try may still push: then pushes alone tell.
        told = (each for each in _faults(replies) if not isinstance(each, NoPermissionError))
        refusal = next(told, None)
        if refusal is not None:
            self._refuse(refusal)
        elif self.why and monotonic() - self._at > REFUSAL_OVER_SECONDS:
            self.why = ""
            self._trouble.update("")

    def _refuse(self, error: Exception) -> None:
        """Remember *error*, and say so if it is another one than before."""
        code = code_of(error)
        self.why = f"Redis refuses writes: {code}, {_MEANS.get(code, 'the log says more')}"
        self._at = monotonic()
        self._trouble.update(without_script(str(error)))


def _faults(replies: Iterable[Any]) -> Iterator[Exception]:
    """Return the errors among *replies*; a part of a cluster that is away refuses nothing."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, PartAway):
            yield reply
