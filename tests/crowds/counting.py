"""How often the rules are right: counts of what was true and what they said."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

NONE: Final = "none"
# The matrices of an outcome.
KINDS: Final = ("causes", "harmed", "ours", "originals", "whole", "scopes", "standing")


@dataclass
class Matrix:
    """How often what was true, and was said."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def recall(self, word: str) -> float | None:
        """Return the share of what was *word* and was called so."""
        return self._share(word, 0)

    def precision(self, word: str) -> float | None:
        """Return the share of what was called *word* and was so."""
        return self._share(word, 1)

    def _share(self, word: str, side: int) -> float | None:
        of = sum(count for pair, count in self.counts.items() if pair[side] == word)
        return self.counts[word, word] / of if of else None

    def add(self, other: "Matrix") -> None:
        """Take the counts of *other* too."""
        self.counts += other.counts


@dataclass
class Outcome:
    """
    What came of a story.

    Attributes:
        causes, scopes: of looks at participants who are affected, or are called so.
        harmed: of the causes, where the push shows any harm (harm.py).
        ours, originals: of the causes, by whose page it is.
        whole: of the causes, also where the page can't tell.
        standing: of looks: what stood out by its scope, true and said.
        unknowable: looks in which the page could not tell.
    """

    causes: Matrix = field(default_factory=Matrix)
    harmed: Matrix = field(default_factory=Matrix)
    ours: Matrix = field(default_factory=Matrix)
    originals: Matrix = field(default_factory=Matrix)
    whole: Matrix = field(default_factory=Matrix)
    scopes: Matrix = field(default_factory=Matrix)
    standing: Matrix = field(default_factory=Matrix)
    unknowable: int = 0

    def add(self, other: "Outcome") -> None:
        """Take the counts of *other* too."""
        for kind in KINDS:
            getattr(self, kind).add(getattr(other, kind))
        self.unknowable += other.unknowable
