"""
Finds the participant in a conference whose stream others receive badly.

The input is the senders that stand out, and for each participant with a bad call the sender of its
worst stream. The output is the worst sender of a conference. A client that receives several streams
names the sender of the worst stream, so that sender is found even if its own client pushes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry


def is_sender(entry: Entry) -> bool:
    """Say whether *entry* is a sender that causes bad calls for others."""
    return entry.scope == Scope.SENDER


def split_sender(entry: Entry) -> tuple[str, str]:
    """Return the conference and the participant of a sender that stands out (`sender_name`)."""
    conference, _, participant = entry.name.rpartition("/")
    return conference, participant


class Senders:
    """The bad senders of all conferences; participants are named by their ids."""

    def __init__(self, standing: Iterable[Entry]) -> None:
        """Begin with the senders among *standing*, which stand out."""
        # Sorted by the number of receivers with a bad call. A dict keeps the last value of a key,
        # so it keeps the worst sender of each conference.
        found = sorted(filter(is_sender, standing), key=lambda each: each.coverage[0])
        self._standing = dict(map(split_sender, found))
        self._heard: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, conference: str, source: str) -> None:
        """Count one participant of *conference* whose call is bad because of *source*'s stream."""
        self._heard[conference][source] += 1

    def worst_in(self, conference: str) -> str:
        """
        Return the worst sender in *conference*; empty: none.

        It is the sender that stands out, or the sender that over half of the receivers with a bad
        call name.
        """
        if conference in self._standing:
            return self._standing[conference]
        heard = self._heard.get(conference)
        if not heard:
            return ""
        participant, count = heard.most_common(1)[0]
        return participant if 2 * count > heard.total() else ""

    def heard_badly(self, conference: str, participant: str) -> int:
        """Return how many in *conference* have a bad call because of *participant*'s stream."""
        return self._heard[conference][participant] if conference in self._heard else 0
