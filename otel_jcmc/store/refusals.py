"""
Whether Redis takes writes, judged by its own replies: for the log and for readiness.

The replies to pushes and to a write that only tries come in; the reason why writes are refused goes
out. A refusal is over when a try has worked and nothing was refused for a while. At the edge of its
memory Redis refuses some writes and takes others, and it always takes leaves.
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
        why: why writes are refused, in words for the public: Redis's own words may repeat parts of
            a push. Empty while writes are taken.
    """

    def __init__(self) -> None:
        """Begin without a refusal."""
        self.why = ""
        self._at = 0.0
        self._trouble = Trouble(
            log, "store: Redis refuses writes: %s", "store: Redis takes writes again"
        )

    def add(self, replies: Iterable[Any]) -> None:
        """Remember a refusal among the *replies* to pushes; an accepted push proves nothing."""
        for reply in _faults(replies):
            self._refuse(reply)
            return

    def settle(self, replies: Iterable[Any]) -> None:
        """Judge by the *replies* to a write that tries."""
        # A user that may not run this write may still push: then pushes alone tell.
        told = (each for each in _faults(replies) if not isinstance(each, NoPermissionError))
        refusal = next(told, None)
        if refusal is not None:
            self._refuse(refusal)
        elif self.why and monotonic() - self._at > REFUSAL_OVER_SECONDS:
            self.why = ""
            self._trouble.update("")

    def _refuse(self, error: Exception) -> None:
        """Remember *error*, and log it if it is another one than before."""
        code = code_of(error)
        self.why = f"Redis refuses writes: {code}, {_MEANS.get(code, 'the log says more')}"
        self._at = monotonic()
        self._trouble.update(without_script(str(error)))


def _faults(replies: Iterable[Any]) -> Iterator[Exception]:
    """Return the errors among *replies*, without PartAway: a part that is away refuses nothing."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, PartAway):
            yield reply
