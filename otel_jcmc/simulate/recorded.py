"""
Reads recorded pushes of real pages in disturbed calls, so that a crowd can push them again.

recorded.json.xz has these pushes, by story and by browser tab. tests/crowds makes the file from
recordings. A crowd always takes all values of a recorded push together, because they belong
together. A "kind" is a kind of trouble, such as an outage. Its name fits a call through a bridge.
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
    One recorded push, with the values of one interval.

    Attributes:
        number: the index of the push in the file, from 0.
        nth: the index of the push in its part (before, during or after) of the spell, from 0.
        covers_ms, age_ms: the time that the push covers, and the age of its statistics.
        labels: the labels of the push's metric `connectionquality`.
        values: metric -> value; None: not known. `round_trip` is the transport's round trip.
    """

    number: int
    nth: int
    covers_ms: int
    age_ms: int
    labels: dict[str, str]
    values: dict[str, float | None]


class Spell(NamedTuple):
    """
    The recorded pushes of one browser tab in one story.

    Attributes:
        derived: how the recorded pushes were changed afterwards; empty: they were not changed.
        before, during, after: the pushes before, during and after the trouble of the story.
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
    A kind of trouble that a participant can have.

    Attributes:
        cause: the cause that a verdict should have in a conference with a bridge.
        is_bad: whether the call is bad, so that the participant would complain; False: it is fair.
        told_by: the recordings with this trouble: each a story and a tab.
        is_of_network: whether the network is at fault. If there is no bridge, a verdict then can't
            decide whose network is bad, and the cause is `pair`.
    """

    cause: str
    is_bad: bool
    told_by: tuple[tuple[str, str], ...]
    is_of_network: bool = True


def _both(*stories: str) -> tuple[tuple[str, str], ...]:
    return tuple((story, tab) for story in stories for tab in ("ada", "bob"))


def _of_three(*stories: str, tabs: tuple[str, ...] = ("ada",)) -> tuple[tuple[str, str], ...]:
    """Return (story, tab) for recordings of *stories* with three participants and a bridge."""
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
# The recordings (story and tab) whose tab has no trouble. Another tab of the same story may have
# trouble.
_CALM: Final = {
    *_both("hidden"),
    ("muted", "ada"),
    *_of_three("sound", "hidden", "last-n", tabs=("ada", *_OTHERS)),
    *_of_three("loss-down", "delay", tabs=_OTHERS),
}
# This story begins in the middle of a disturbed call. So its pushes before the trouble are not
# calm.
_NEVER_CALM: Final = "dead-up-v2193"


class Recorded:
    """Finds recorded pushes for a kind of trouble, and pushes without trouble."""

    def __init__(self, spells: Sequence[Spell] | None = None) -> None:
        """Use the pushes in *spells*; None: all recorded pushes of the package."""
        self._spells = read() if spells is None else spells
        self._calm: dict[tuple[int, str], list[Interval]] = {}

    def during(self, kind: str, interval_ms: int, browser: str = "Chromium") -> list[Spell]:
        """
        Return the spells of *browser*, pushed every *interval_ms*, with a *kind* of trouble.

        If *browser* has no such spells, spells of another browser are returned. Derived spells are
        returned only if no unchanged spells exist. A spell with only one push during the trouble
        shows only how the trouble begins. Such a spell is returned only if no longer spell exists.
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
        Return the recorded pushes without trouble, except the first push after a join.

        If *browser* has no such pushes, pushes of another browser are returned. Pushes are left out
        if the recording machine was too slow for a moment: the browser filled gaps in the sound,
        pictures stood still, or the page's timers were late. Callers must not change the list,
        because later calls return the same list.
        """
        # The list is kept, because a crowd asks for it once for each participant.
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
        """The names of the stories of all spells."""
        return {each.story for each in self._spells}


@cache
def read(file: Path = _FILE) -> tuple[Spell, ...]:
    """
    Return all spells (recorded pushes of a tab in a story) of a *file*, by default the package's.

    The first push of each spell is left out, because a page knows few values right after a join.
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
