"""
The matrices of what was true and what was said, in docs/verdict-matrices.json, and their page.

Each crowd of CROWDS plays every story several times. A cell of the page has recall and precision in
percent, and the number of looks. Values below RECALL or PRECISION are bold.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from crowds.bed import hold
from crowds.counting import KINDS, NONE, Matrix, Outcome
from crowds.quiet import Quiet
from crowds.seats import Bench
from e2e.parts import ROOT

from otel_jcmc.simulate.recorded import Spell
from otel_jcmc.simulate.recorded import read as read_spells
from otel_jcmc.simulate.stories import NAMES

RESULTS: Final = ROOT / "docs" / "verdict-matrices.json"
PAGE: Final = ROOT / "docs" / "verdict-matrices.md"
RECALL, PRECISION = 0.90, 0.95
CAUSES: Final = ("outage", "downlink", "received", "device", "path", "uplink", "pair")
SCOPES: Final = ("fleet", "region", "bridge", "conference", "sender", "participant")


class Crowd(NamedTuple):
    """One crowd: *rooms* of a *size*, or of several, whose pages push each *interval* seconds."""

    name: str
    rooms: int
    size: int | None = None
    interval: int = 10
    seeds: int = 6


CROWDS: Final = (
    Crowd("2 rooms", 2, seeds=12),
    Crowd("20 rooms", 20),
    Crowd("2,000 rooms", 2000, seeds=1),
    Crowd("20 rooms of 2", 20, 2),
    Crowd("20 rooms of 3", 20, 3),
    Crowd("20 rooms of 8", 20, 8),
    Crowd("20 rooms of 40", 20, 40, seeds=3),
    Crowd("20 rooms, each 2 s", 20, interval=2),
)
HELD: Final = ROOT / "tests" / "crowds" / "held.json.xz"
# The parts of a story's looks of which the page has recall alone.
PARTS: Final = {
    "harmed": "that show any harm",
    "ours": "at our pages",
    "originals": "at the original's pages",
    "whole": "all, also where the page can't tell",
}


def tell_all(crowd: Crowd, spells: Sequence[Spell] | None = None) -> Outcome:
    """Return what came of all stories, told to *crowd* in *spells*, or in the package's."""
    total, bench = Outcome(), Bench()
    for name in NAMES:
        for seed in range(crowd.seeds):
            total.add(
                hold(
                    name,
                    crowd.rooms,
                    size=crowd.size,
                    interval=crowd.interval,
                    seed=seed,
                    spells=spells,
                    bench=bench,
                )
            )
    return total


def write(*, held: bool) -> None:
    """Tell all stories to all crowds, and write results and page; *held* does what was held out."""
    results = read()
    spells = read_spells(HELD) if held else None
    results["held" if held else "told"] = {
        crowd.name: _kept(tell_all(crowd, spells)) for crowd in CROWDS
    }
    _write(results)


def write_quiet(found: Quiet) -> None:
    """Keep what a quiet hour has *found*, and write the page."""
    results = read()
    results["quiet"] = found._asdict()
    _write(results)


def read() -> dict[str, Any]:
    """Return the results that are kept."""
    if not RESULTS.exists():
        return {}
    known: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return known


def _write(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
    PAGE.write_text(page(results), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


def _kept(outcome: Outcome) -> dict[str, Any]:
    """Return *outcome* for the file."""
    return {
        kind: sorted([*pair, count] for pair, count in getattr(outcome, kind).counts.items())
        for kind in KINDS
    } | {"unknowable": outcome.unknowable}


def matrix(kept: Iterable[list[Any]]) -> Matrix:
    """Return a matrix of the file."""
    made = Matrix()
    for true, said, count in kept:
        made.counts[true, said] += count
    return made


def page(results: dict[str, Any]) -> str:
    """Return docs/verdict-matrices.md."""
    parts = [_HEAD]
    for part, title in (("told", "What the rules were made with"), ("held", "What was held out")):
        if told := results.get(part):
            parts += [f"## {title}", *_tables(told), "All crowds together:", *_wholes(told)]
    if quiet := results.get("quiet"):
        parts += ["## A quiet hour", _quiet(Quiet(**quiet))]
    return "\n\n".join(parts) + "\n"


def _tables(told: dict[str, Any]) -> list[str]:
    """Return a table of causes, one of scopes, one of what stands out; a column a crowd."""
    crowds = [crowd.name for crowd in CROWDS if crowd.name in told]
    made = []
    titles = {"causes": "cause", "scopes": "scope of a participant", "standing": "stands out"}
    for kind, title in titles.items():
        words = CAUSES if kind == "causes" else SCOPES
        rows = [
            (f"`{word}`", *(_cell(matrix(told[crowd][kind]), word) for crowd in crowds))
            for word in words
            if kind != "standing" or word in SCOPES[:4]
        ]
        made.append(_table((title, *crowds), rows))
        if kind == "causes":
            made += ["Recall of causes in parts of these looks, and in more of them:"]
            made += [_table(("cause", "looks", *crowds), list(_parts(told, crowds)))]
    return made


def _parts(told: dict[str, Any], crowds: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each cause and part of the looks."""
    for word in CAUSES:
        for part, says in PARTS.items():
            cells = [_recall(matrix(told[crowd][part]), word) for crowd in crowds]
            if set(cells) != {"-"}:
                yield (f"`{word}`", says, *cells)


def _recall(found: Matrix, word: str) -> str:
    """Return recall in percent, and of how many looks."""
    recall = found.recall(word)
    count = sum(count for (true, _), count in found.counts.items() if true == word)
    return "-" if recall is None else f"{_percent(recall, RECALL)} ({count})"


def _cell(found: Matrix, word: str) -> str:
    """Return recall and precision in percent, and of how many looks."""
    recall, precision = found.recall(word), found.precision(word)
    count = sum(count for (true, _), count in found.counts.items() if true == word)
    if recall is None:
        return "-" if precision is None else f"- / {_percent(precision, PRECISION)}"
    told = "-" if precision is None else _percent(precision, PRECISION)
    return f"{_percent(recall, RECALL)} / {told} ({count})"


def _percent(share: float, least: float) -> str:
    text = f"{100 * share:.0f}"
    return text if share >= least else f"**{text}**"


def _wholes(told: dict[str, Any]) -> list[str]:
    """Return the whole matrix of causes and that of scopes, all crowds together."""
    made = []
    for kind, words in (("causes", CAUSES), ("scopes", SCOPES)):
        all_ = matrix([each for crowd in told.values() for each in crowd[kind]])
        said = [
            *(*words, "downlink_or_received", "unknown", NONE),
        ]
        said = [word for word in said if any(pair[1] == word for pair in all_.counts)]
        rows = [
            (
                f"`{true}`" if true != NONE else "none",
                *(str(all_.counts[true, word]) for word in said),
            )
            for true in (*words, NONE)
            if any(pair[0] == true for pair in all_.counts)
        ]
        made.append(_table((f"true {kind}", *(f"said `{word}`" for word in said)), rows))
    return made


def _quiet(found: Quiet) -> str:
    looks = found.conference_looks
    return "\n".join(
        (
            f"{found.people:,} people in {found.rooms:,} rooms, most of them of five,",
            f"{found.looks} looks. At any time 2 % are bad by themselves, each for a minute or so.",
            f"Of {looks:,} looks at a conference {found.conferences} found one that stood out,",
            f"{100_000 * found.conferences / looks:.1f} of 100,000; the longest for",
            f"{found.longest} looks. Looks in which a region, a bridge, a browser or the fleet",
            f"stood out: {found.wide}.",
            "",
            "What chance makes, of 100,000 looks at a room in which each is bad with 0.02:",
            "",
            "- three of three: 0.02^3 = 0.8",
            "- three of four: 4 x 0.02^3 x 0.98 + 0.02^4 = 3.2",
            "- four of five: 5 x 0.02^4 x 0.98 + 0.02^5 = 0.08",
            "- three of five, were that enough: 10 x 0.02^3 x 0.98^2 more, 7.8 in all",
            "- four of six: 15 x 0.02^4 x 0.98^2 and less = 0.2",
        )
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_HEAD: Final = """# Is the verdict right?

<!-- Generated by `make verdicts`. Do not edit. -->

A crowd whose truth is known is told to the rules, without a network: each push is one of a recorded
call with another identity, checked and judged as the service does it; each 10 s everybody is looked
at. `otel-jcmc simulate --story NAME --truth FILE` tells the same to a running service.

- A cell is *recall / precision* in percent, and in brackets the looks at participants to whom it
  happens (of what stands out: the looks). **Bold** misses 90 % or 95 %.
- 30 % of the pages are the original's, which tell 13 fields. What a page can never tell is not
  counted for the rules or against them: outages, loss up, slow computers of the original's pages;
  whose stream it is where the sender's page is the original's; anything but an outage where all is
  null, as a page pushes when its connection was interrupted for a moment.
- Counted from one push after what the browser can know begins (5 s), to its end.
- A sender's loss up is known in two of five pushes where they come each 2 s; the others are not
  counted for `uplink`.
- A label of what stands out says what can be decided of what pages tell. In a conference three are
  bad, and most of those known. Anything wider has five bad people in two conferences; of fewer than
  four conferences most of those known are bad in each; a fleet of several bridges has ten that are
  known. What has less is not counted, nor are its conferences. A sender whom only pages of the
  original hear, beside others, has no scope that could be known.
- **Two recalls.** The first tables count every interval of a story of which the page can tell,
  also where nobody would have complained: a slow computer has good moments, and of what one of
  several senders loses a bridge repairs the picture. Who is good has no cause: the column `none` of
  the last tables. So the tables of parts say it again of the intervals *that show any harm*: sound
  made up, a picture that stood, packets lost on any way or of any stream, a limit of what is sent,
  or an outage, each beyond what the same tab had in the quiet part of the same recording; or a
  round trip longer by 100 ms. No rule and no threshold of the verdict is asked for that
  (tests/crowds/harm.py). *All* has every interval of the story, whatever the page can tell.
- Of one bad sender of several the original's page tells the mean of all streams, sound and picture,
  in whole percent: recorded were 2 %, which is fair to nobody. Our page tells the worst stream.
  With 2 s between two pushes one of two senders that loses 7 % is heard with a score of over 4.0
  in one push of three: that is good, and what is good has no cause.
- Recorded were calls of two, and of three by a bridge. A slow computer is a page's process that is
  stopped and continued, so that it runs for a twentieth to a fortieth of the time. One that limits
  what it sends is made of a recorded interval, and so is one bad sender of two where nobody
  recorded it (`derived` in otel_jcmc/simulate/recorded.json.xz).
- Recordings of a slow computer and of nothing that happens have `event_loop_delay`; the older ones
  of networks do not.
- Held out are recordings of their own (tests/recordings/held), with other figures: 9 and 13 % of
  loss for 10 %, longer and shorter ways, other outages, cameras of half the lines, and other shares
  of the time for a slow process. No rule was made or changed with them; they were judged after the
  last change. Those that had been held out before are among what rules were made with.
- One of them was recorded anew and all judged again: 190 ms each way are a round trip of 380 ms,
  which is fair, where the crowd's truth says bad. Then 57 to 100 % of bad conferences were found,
  and 69 to 100 % of bridges. Now it is 215 ms. Nothing else was changed.
- What misses there. `outage`, precision: of pages with 10 s between two pushes that lose 13 % on
  the way down two of some thirty pushes have an outage up of 6 to 7 s, since checks went
  unanswered. They are made of recorded pages with 2 s between two, which told none; nor did any of
  eight pushes of real pages with 10 s between two, recorded afterwards. `uplink` at 2 s: one calm
  push of 263, after a join, had 37 ms of jitter and a round trip of 20 ms, which can have it.
  `device` at 2 s: no picture stood, and timers came less than 50 ms late; that is good. In 2,000
  rooms some intervals of it are said often.
- What happens at a bridge, in a region or in the fleet reaches 70 to 100 % of the people there."""
