"""
The intervals of a story in which anything is wrong at all, whatever the rules say of it.

A story also has times in which nobody would complain: a bridge repairs the picture, or a slow
computer has good moments. Harm is what a person hears, sees or is limited by, beyond the quiet part
of the same recording of the same tab: sound that was filled in, a frozen picture, packets lost on
any way, a limit on sending, an outage, or a round trip longer by LONGER_MS. Jitter and the time in
its buffer are not harm: if they are too large, sound is filled in or the picture freezes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import gt
from typing import Final

from otel_jcmc.simulate.recorded import Interval, Spell

_LOSSES: Final = ("packetloss_download", "packetloss_download_worst", "packetloss_upload")
_LIMITS: Final = ("limitation_cpu", "limitation_bandwidth")
_OUTAGES: Final = ("outage_down", "outage_up")
SHOWN: Final = ("audio_concealed", "freeze_time", *_LOSSES, *_LIMITS, *_OUTAGES)
# What the original's page tells of it, in whole percent.
SHOWN_BY_ORIGINALS: Final = ("packetloss_download",)
LONGER_MS: Final = 100


def harmed(spells: Iterable[Spell]) -> dict[bool, set[int]]:
    """Return the numbers of the intervals with harm, as pages of the original tell it or not."""
    spells = list(spells)
    quiet: Mapping[tuple[str, ...], list[Interval]] = defaultdict(list)
    for each in spells:
        quiet[_tab(each)].extend(each.before)
    return {
        is_original: _harmed(spells, quiet, is_original=is_original)
        for is_original in (False, True)
    }


def _harmed(
    spells: list[Spell], quiet: Mapping[tuple[str, ...], list[Interval]], *, is_original: bool
) -> set[int]:
    shown = ("round_trip", *(SHOWN_BY_ORIGINALS if is_original else SHOWN))

    def told(of: Interval) -> list[float]:
        values = [of.values.get(name) or 0 for name in shown]
        return [round(value) for value in values] if is_original else values

    none = [0.0] * len(shown)
    most = {tab: [*map(max, *map(told, parts), none, none)] for tab, parts in quiet.items()}
    return {
        interval.number
        for each in spells
        for interval in each.during
        if _is_more(told(interval), most.get(_tab(each), none))
    }


def _is_more(told: list[float], most: list[float]) -> bool:
    """Say whether any of *told* is more than the most in the quiet, the round trip by far."""
    return told[0] > most[0] + LONGER_MS or any(map(gt, told[1:], most[1:]))


def _tab(spell: Spell) -> tuple[str, ...]:
    return spell.story, spell.tab, spell.browser, str(spell.interval_ms)
