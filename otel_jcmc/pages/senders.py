"""
Who sends badly, by what is known of it: who stands out, and whom others say that they hear so.

In come what stands out and whose stream each one gets worst who is not well, out comes whom to
blame in a conference. A page that gets several streams knows that, also of a sender whose own page
knows nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry


def is_sender(entry: Entry) -> bool:
    """Say whether *entry* is of somebody who spoils the call of others."""
    return entry.scope == Scope.SENDER


def split_sender(entry: Entry) -> tuple[str, str]:
    """Return the conference and the participant of a sender, see `sender_name`."""
    conference, _, participant = entry.name.rpartition("/")
    return conference, participant


class Senders:
    """Who sends badly, in all conferences; participants are told by their ids."""

    def __init__(self, standing: Iterable[Entry]) -> None:
        """Begin with those who are among what is *standing* out."""
        # The last one counts: who spoils most.
        found = sorted(filter(is_sender, standing), key=lambda each: each.coverage[0])
        self._standing = dict(map(split_sender, found))
        self._heard: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, conference: str, source: str) -> None:
        """Count somebody of *conference* who is not well by the stream of *source*."""
        self._heard[conference][source] += 1

    def worst_in(self, conference: str) -> str:
        """Return who stands out, else whom most of those hear badly who know; empty: nobody."""
        if conference in self._standing:
            return self._standing[conference]
        heard = self._heard.get(conference)
        if not heard:
            return ""
        participant, count = heard.most_common(1)[0]
        return participant if 2 * count > heard.total() else ""

    def heard_badly(self, conference: str, participant: str) -> int:
        """Return how many of *conference* get the stream of *participant* worst of all."""
        return self._heard[conference][participant] if conference in self._heard else 0
