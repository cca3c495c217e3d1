"""
In which intervals of a story anything is wrong at all, whatever the rules say of it.

A story goes on where nobody would complain: a bridge repairs the picture, a slow computer has good
moments. Harm is what a person hears, sees or is limited by, beyond what the same tab had in the
quiet part of the same recording: sound made up, a picture that stood, packets lost on any way, a
limit of what is sent, an outage, and a round trip longer by LONGER_MS. Jitter and the time in its
buffer are none: where they are too much, sound is made up or the picture stands.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
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
        is_original: {
            interval.number
            for each in spells
            for interval in each.during
            if _is_harmed(interval, quiet[_tab(each)], is_original=is_original)
        }
        for is_original in (False, True)
    }


def _tab(spell: Spell) -> tuple[str, ...]:
    return spell.story, spell.tab, spell.browser, str(spell.interval_ms)


def _is_harmed(interval: Interval, quiet: list[Interval], *, is_original: bool) -> bool:
    def told(of: Interval, name: str) -> float:
        value = of.values.get(name) or 0
        return round(value) if is_original else value

    shown = SHOWN_BY_ORIGINALS if is_original else SHOWN
    longest = max((told(each, "round_trip") for each in quiet), default=0)
    return told(interval, "round_trip") > longest + LONGER_MS or any(
        told(interval, name) > max((told(each, name) for each in quiet), default=0)
        for name in shown
    )
