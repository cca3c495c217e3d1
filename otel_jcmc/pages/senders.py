"""
Finds the participant to blame in a conference: a sender that others receive badly.

Senders that stand out come in, and for each participant with a bad call the sender of its worst
stream. The sender to blame in a conference goes out. A client that receives several streams can
name the sender of the bad stream, even if the sender's own client pushes nothing.
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
        # The dict keeps the last sender of each conference: the one with the most bad receivers.
        found = sorted(filter(is_sender, standing), key=lambda each: each.coverage[0])
        self._standing = dict(map(split_sender, found))
        self._heard: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, conference: str, source: str) -> None:
        """Count a participant of *conference* whose call is bad by the stream of *source*."""
        self._heard[conference][source] += 1

    def worst_in(self, conference: str) -> str:
        """Return the sender that stands out, or that most bad receivers name; empty: none."""
        if conference in self._standing:
            return self._standing[conference]
        heard = self._heard.get(conference)
        if not heard:
            return ""
        participant, count = heard.most_common(1)[0]
        return participant if 2 * count > heard.total() else ""

    def heard_badly(self, conference: str, participant: str) -> int:
        """Return how many in *conference* have a bad call by the stream of *participant*."""
        return self._heard[conference][participant] if conference in self._heard else 0
