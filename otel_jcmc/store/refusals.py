"""
Whether Redis takes writes, judged by its replies: for the log and for readiness.

The input is the replies to pushes and to trial writes, which change nothing. The output is the
reason why writes are refused. A refusal is over when a trial write has worked and Redis has refused
nothing for REFUSAL_OVER_SECONDS. A Redis whose memory is nearly full refuses some writes and takes
others, and it always takes leaves.
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
        """
        Remember a refusal among the *replies* to pushes.

        An accepted push does not end a refusal: Redis may refuse the next push.
        """
        for reply in _faults(replies):
            self._refuse(reply)
            return

    def settle(self, replies: Iterable[Any]) -> None:
        """Begin or end a refusal, by the *replies* to a trial write in each partition."""
        # A user of Redis that may not run the trial write may still push: then only the replies to
        # pushes show a refusal.
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
    """Return the errors among *replies*, without PartAway: a part that is away refuses nothing."""
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, PartAway):
            yield reply
