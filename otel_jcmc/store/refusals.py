"""
Judges by the replies of Redis whether it takes writes, for the log and for readiness.

The input is the replies to pushes and to trial writes; a trial write changes nothing in Redis. The
output is the reason why Redis refuses writes. A refusal is over when a trial write has worked and
Redis has refused no write for REFUSAL_OVER_SECONDS. One accepted write is not enough: a Redis whose
memory is nearly full refuses some writes and takes others, and it always takes leaves.
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
    Remembers and logs why Redis refuses writes, for as long as Redis refuses them.

    Attributes:
        why: why Redis refuses writes, for the public. It does not contain Redis's own text, which
            may repeat parts of a push. Empty while Redis takes writes.
    """

    def __init__(self) -> None:
        """Begin without a refusal."""
        self.why = ""
        self._at = 0.0
        self._trouble = Trouble(
            log, "store: Redis refuses writes: %s", "store: Redis takes writes again"
        )

    def add(self, replies: Iterable[Any]) -> None:
        """
        Remember a refusal among the *replies* to pushes.

        An accepted push does not end a refusal: Redis may refuse the next push.
        """
        for reply in _faults(replies):
            self._refuse(reply)
            return

    def settle(self, replies: Iterable[Any]) -> None:
        """Set or clear `why` by the *replies* to a trial write in each partition."""
        # The ACL of Redis may forbid the trial write and allow pushes. Such a reply is no refusal.
        told = (each for each in _faults(replies) if not isinstance(each, NoPermissionError))
        refusal = next(told, None)
        if refusal is not None:
            self._refuse(refusal)
        elif self.why and monotonic() - self._at > REFUSAL_OVER_SECONDS:
            self.why = ""
            self._trouble.update("")

    def _refuse(self, error: Exception) -> None:
        """Remember *error*, and log it if it differs from the last error."""
        code = code_of(error)
        self.why = f"Redis refuses writes: {code}, {_MEANS.get(code, 'the log says more')}"
        self._at = monotonic()
        self._trouble.update(without_script(str(error)))


def _faults(replies: Iterable[Any]) -> Iterator[Exception]:
    """Return the errors among *replies* except PartAway: a master that is away refuses nothing."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, PartAway):
            yield reply
