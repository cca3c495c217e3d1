"""
Reads recorded pushes of browsers in disturbed conferences, which simulated participants push again.

recorded.json.xz has these pushes; tests/crowds makes this file from recordings of real browsers. A
story is what was done in a recording, such as the loss of packets. Pushes are in the file by story
and browser tab. The simulation never mixes the values of different recorded pushes, because the
values of one push belong together. A kind is the trouble that a participant has, such as an outage.
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
    The values of one recorded push.

    Attributes:
        number: the position of the push in the file, from 0.
        nth: the position of the push in `before`, `during` or `after` of its spell, from 0.
        covers_ms: the length of the time that the push covers.
        age_ms: how old the push's statistics were when it was sent.
        labels: the labels of the push's `connectionquality`.
        values: metric -> value, None if not known. `round_trip` is the transport's round trip time.
    """

    number: int
    nth: int
    covers_ms: int
    age_ms: int
    labels: dict[str, str]
    values: dict[str, float | None]


class Spell(NamedTuple):
    """
    The pushes of one browser tab in a recording.

    Attributes:
        derived: what was changed in the pushes after the recording; empty: nothing.
        before, during, after: the pushes before the story's trouble, while it lasted, and after it.
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
        cause: the cause that a verdict on the participant should name.
        is_bad: whether the verdict should be bad, because the participant would complain. If not,
            the verdict should be fair.
        told_by: the story and the tab of each recording in which a participant has this trouble.
        is_of_network: whether the network causes the trouble. If so, the verdict should name the
            cause `pair` in a conference without a bridge, because the verdict then can't know
            which of the two networks is bad.
    """

    cause: str
    is_bad: bool
    told_by: tuple[tuple[str, str], ...]
    is_of_network: bool = True


def _both(*stories: str) -> tuple[tuple[str, str], ...]:
    return tuple((story, tab) for story in stories for tab in ("ada", "bob"))


def _of_three(*stories: str, tabs: tuple[str, ...] = ("ada",)) -> tuple[tuple[str, str], ...]:
    """Return pairs of story and tab, for recordings with three participants and a bridge."""
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
# Story and tab of recordings in which this tab has no trouble, even if another tab has trouble.
_CALM: Final = {
    *_both("hidden"),
    ("muted", "ada"),
    *_of_three("sound", "hidden", "last-n", tabs=("ada", *_OTHERS)),
    *_of_three("loss-down", "delay", tabs=_OTHERS),
}
# This story begins when the trouble has already begun, so it has no calm pushes.
_NEVER_CALM: Final = "dead-up-v2193"


class Recorded:
    """Finds recorded pushes with a kind of trouble, and recorded pushes without trouble."""

    def __init__(self, spells: Sequence[Spell] | None = None) -> None:
        """Search in *spells*; None: in all spells of recorded.json.xz."""
        self._spells = read() if spells is None else spells
        self._calm: dict[tuple[int, str], list[Interval]] = {}

    def during(self, kind: str, interval_ms: int, browser: str = "Chromium") -> list[Spell]:
        """
        Return the spells in which the tab has trouble of *kind* and pushes every *interval_ms*.

        If *browser* has no such spell, return those of other browsers. Spells that were changed
        after the recording are used only if there is no other spell. Spells with only one push
        during the trouble are used only if there is no other spell, because this push shows only
        the beginning of the trouble.
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

        If *browser* has no such pushes, return those of other browsers. The list lacks pushes from
        moments when the recording machine was too slow. In these pushes, the browser concealed
        missing sound, a picture stood still, or the page's timers were late. Later calls return the
        same list: callers must not change it.
        """
        # The list is kept, because this method is called for each participant of a crowd.
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
        """The names of all recorded stories."""
        return {each.story for each in self._spells}


@cache
def read(file: Path = _FILE) -> tuple[Spell, ...]:
    """
    Return all spells of *file*, by default recorded.json.xz.

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
