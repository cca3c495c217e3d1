"""
Reads recorded pushes: what pages pushed in disturbed calls, for a crowd to push again.

recorded.json.xz has these pushes, by story and by browser tab; tests/crowds makes the file from
recordings. All values of a recorded push are used together, because they belong together. A "kind"
is the trouble that a participant had, such as an outage, as a bridge would see it.
"""

import json
import lzma
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

STUTTER_PERCENT: Final = 2.0
STUTTER_MS: Final = 10.0
_FILE: Final = Path(__file__).with_name("recorded.json.xz")


class Interval(NamedTuple):
    """
    One recorded push: the values of one interval.

    Attributes:
        number: the push's place in the file; `nth`: its place in its part of the story, from 0.
        covers_ms, age_ms: the time that the push covers, and how old its statistics were.
        labels: the labels of its connection quality.
        values: metric -> value, None if not known; `round_trip` is the transport's round trip.
    """

    number: int
    nth: int
    covers_ms: int
    age_ms: int
    labels: dict[str, str]
    values: dict[str, float | None]


class Spell(NamedTuple):
    """
    The pushes of one browser tab of a recording.

    Attributes:
        derived: what was changed in the pushes afterwards; empty: they are as recorded.
        before, during, after: the pushes before, while and after something happened in the story.
    """

    story: str
    tab: str
    interval_ms: int
    browser: str
    derived: str
    before: Sequence[Interval]
    during: Sequence[Interval]
    after: Sequence[Interval]


class Kind(NamedTuple):
    """
    Something that can happen to a participant.

    Attributes:
        cause: the cause that a verdict should have; `pair`: the cause if there is no bridge.
        is_bad: whether the call is bad, so that the participant would complain; otherwise fair.
        told_by: the stories and tabs of recordings in which it happens.
        is_of_network: whether the network is at fault: without a bridge, a verdict can't say at
            which end.
    """

    cause: str
    is_bad: bool
    told_by: tuple[tuple[str, str], ...]
    is_of_network: bool = True


def _both(*stories: str) -> tuple[tuple[str, str], ...]:
    return tuple((story, tab) for story in stories for tab in ("ada", "bob"))


def _of_three(*stories: str, tabs: tuple[str, ...] = ("ada",)) -> tuple[tuple[str, str], ...]:
    """Return each of *stories*, as recorded with three participants and a bridge, with its tabs."""
    return tuple((f"sfu-{story}", tab) for story in stories for tab in tabs)


_OTHERS: Final = ("bob", "cid")
KINDS: Final = {
    "outage": Kind(
        "outage",
        True,
        _both("dead-both", "dead-up", "dead-for-good")
        + _of_three("dead-both", "dead-up", "dead-down"),
        False,
    ),
    "downlink": Kind(
        "downlink", True, (("loss-down", "ada"), ("loss-up", "bob"), *_of_three("loss-down"))
    ),
    "uplink": Kind(
        "uplink", True, (("loss-up", "ada"), ("loss-down", "bob"), *_of_three("loss-up"))
    ),
    "delay": Kind("path", False, _both("delay")),
    "far": Kind("path", True, _both("far") + _of_three("delay")),
    "received": Kind("received", True, (("loss-up", "bob"), ("loss-down", "ada"))),
    "received of two": Kind(
        "received",
        False,
        (("one-of-two", "bob"), ("one-of-two", "ada"), *_of_three("loss-up", tabs=_OTHERS)),
    ),
    "slow receiver": Kind(
        "device", True, _both("slow-receiver") + _of_three("slow-receiver"), False
    ),
    "slow sender": Kind("device", False, _both("slow-sender"), False),
    "slow page": Kind("device", False, _of_three("slow", "slow-sender"), False),
}
# Story and tab of recordings in which nothing happens to that tab, even if something happens to
# another tab.
_CALM: Final = {
    *_both("hidden"),
    ("muted", "ada"),
    *_of_three("sound", "hidden", "last-n", tabs=("ada", *_OTHERS)),
    *_of_three("loss-down", "delay", tabs=_OTHERS),
}
# A story that begins in the middle of a disturbed call, so it has no calm pushes.
_NEVER_CALM: Final = "dead-up-v2193"


class Recorded:
    """The recorded pushes of *spells*; None: all recorded pushes of the package."""

    def __init__(self, spells: Sequence[Spell] | None = None) -> None:
        """Keep *spells*, or read those of the package."""
        self._spells = read() if spells is None else spells
        self._calm: dict[tuple[int, str], list[Interval]] = {}

    def during(self, kind: str, interval_ms: int, browser: str = "Chromium") -> list[Spell]:
        """
        Return the spells in which a *kind* of trouble happens.

        If *browser* has none, spells of another browser are returned. Derived spells are used only
        if no recorded spell exists. Spells with only one push while the trouble lasts are used only
        if no others exist, because that push shows only the beginning.
        """
        told_by = KINDS[kind].told_by
        found = [
            each
            for each in self._spells
            if (each.story, each.tab) in told_by and each.interval_ms == interval_ms and each.during
        ]
        found = [each for each in found if each.browser == browser] or found
        found = [each for each in found if not each.derived] or found
        return [each for each in found if len(each.during) > 1] or found

    def calm(self, interval_ms: int, browser: str = "Chromium") -> list[Interval]:
        """
        Return the recorded pushes in which all was well, without those right after a join.

        If *browser* has none, those of another browser are used. Pushes are left out if the
        recording machine was too slow for a moment: sound was made up, pictures stood still, or the
        page's own timers were late. The list is used again: callers must not change it.
        """
        # The list is kept, because it is asked for once for each participant of a crowd.
        if (told := self._calm.get((interval_ms, browser))) is None:
            told = self._calm[interval_ms, browser] = self._find_calm(interval_ms, browser)
        return told

    def _find_calm(self, interval_ms: int, browser: str) -> list[Interval]:
        found: dict[bool, list[Interval]] = {True: [], False: []}
        for each in self._spells:
            if each.derived or each.story == _NEVER_CALM or each.interval_ms != interval_ms:
                continue
            parts = each.before
            if (each.story, each.tab) in _CALM:
                parts = [*parts, *each.during, *each.after]
            found[each.browser == browser] += [part for part in parts if not _stutters(part)]
        return found[True] or found[False]

    @property
    def stories(self) -> set[str]:
        """The stories of the spells."""
        return {each.story for each in self._spells}


@cache
def read(file: Path = _FILE) -> tuple[Spell, ...]:
    """
    Return all spells of a *file*, by default of the package's file.

    The first push of each spell is left out: right after a join little is known.
    """
    return tuple(_spells(json.loads(lzma.decompress(file.read_bytes()))))


def _spells(told: list[dict[str, Any]]) -> Iterable[Spell]:
    number = 0
    for each in told:
        parts: dict[str, list[Interval]] = {"b": [], "d": [], "a": []}
        columns = zip(each["covers_ms"], each["ages_ms"], each["labels"], strict=True)
        rows = zip(*each["values"].values(), strict=True)
        for at, (phase, about, row) in enumerate(zip(each["phases"], columns, rows, strict=True)):
            if at:
                values = dict(zip(each["values"], row, strict=True))
                parts[phase].append(Interval(number, len(parts[phase]), *about, values))
            number += 1
        yield Spell(
            each["story"],
            each["tab"],
            each["interval_ms"],
            each["browser"],
            each["derived"],
            parts["b"],
            parts["d"],
            parts["a"],
        )


def _stutters(interval: Interval) -> bool:
    made_up, stood, late = (
        interval.values.get(name) or 0
        for name in ("audio_concealed", "freeze_time", "event_loop_delay")
    )
    return made_up > STUTTER_PERCENT or stood > 0 or late > STUTTER_MS
