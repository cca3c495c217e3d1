"""
Every measurement gets a Bench: it says how long the rounds may be, and collects the figures.

A figure is the median of its rounds. The best stands beside it, because other work on the machine
can only make a round slower.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.report.machine import Usage
from benchmarks.report.pace import Pace

ROOT = Path(__file__).parents[2]
# The spread of fewer rounds means nothing.
ENOUGH_ROUNDS = 8


@dataclass
class Figure:
    """
    One result.

    Attributes:
        value: the median of the rounds.
        best: the least of them, of a rate the most.
        rounds: what each round gave.
        target: what the value should not exceed; None: it is told, not judged.
        others_percent: how busy others kept the machine meanwhile, on average.
        slowed_percent: how much slower than at its best the machine was, on average; see pace.py.
    """

    name: str
    value: float
    best: float
    unit: str
    rounds: list[float]
    target: float | None = None
    others_percent: float | None = None
    slowed_percent: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the value is within its target, None when it has none."""
        return None if self.target is None else self.value <= self.target

    @property
    def middle(self) -> tuple[float, float] | None:
        """Between which two values half of the rounds are; None: there are too few to tell."""
        if len(self.rounds) < ENOUGH_ROUNDS:
            return None
        low, _, high = quantiles(self.rounds, n=4)
        return low, high


@dataclass
class Bench:
    """
    One measurement of a run: how long it may take, and its figures so far.

    Attributes:
        curves: name -> what a picture or another table is made of.
    """

    title: str
    quick: bool
    pace: Pace = field(default_factory=lambda: Pace(0.1))
    figures: list[Figure] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)
    _others: list[float] = field(default_factory=list)
    _paces: list[float] = field(default_factory=list)

    def choose(self, whole: int, quick: int) -> int:
        """Return *quick* when the run is to be short."""
        return quick if self.quick else whole

    def say(self, step: str) -> None:
        """Show on a terminal what is being done."""
        if sys.stderr.isatty():
            print(f"\r{self.title}: {step}\033[K", end="", file=sys.stderr, flush=True)

    def rounds(self, whole: int, quick: int) -> Iterator[int]:
        """Go through so many rounds, each at the machine's own pace, and show which one it is."""
        count = self.choose(whole, quick)
        self._paces = []
        for number in range(count):
            self.say(f"round {number + 1} of {count}")
            before = self.pace.wait()
            yield number
            self._paces += [before, self.pace.now()]

    def note(self, usage: Usage) -> Usage:
        """Remember how busy others were, for the next figures."""
        self._others.append(usage.others_percent)
        return usage

    def add(
        self, name: str, rounds: Sequence[float], unit: str, target: float | None = None
    ) -> float:
        """Add a figure of which less is better, and return its value."""
        others = sum(self._others) / len(self._others) if self._others else None
        value = median(rounds)
        paces = self._paces
        slowed = 100 * (sum(paces) / len(paces) - 1) if paces else None
        figure = Figure(name, value, min(rounds), unit, list(rounds), target, others, slowed)
        self.figures.append(figure)
        return value

    def add_rate(self, name: str, rounds: Sequence[float], unit: str) -> float:
        """Add a figure of which more is better, and return its value."""
        value = self.add(name, rounds, unit)
        self.figures[-1].best = max(rounds)
        return value

    def add_ratio(self, name: str, value: float, of: float) -> None:
        """Add how many times *of* the *value* is, both measured in this run."""
        self.add(name, [value / of], "x")
