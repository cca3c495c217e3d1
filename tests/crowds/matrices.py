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
    "whole": "all, also where the page can't see it",
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
    for part, title in _TITLES.items():
        if told := results.get(part):
            parts += [f"## {title}", *_tables(told), _ALL, *_wholes(told)]
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
            made += ["Recall of causes in a part of these looks, and in all looks of the story:"]
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
            "This test counts false alarms. For an hour no bridge, region or conference has a",
            f"fault. The service looks {found.looks} times at {found.people:,} participants in",
            f"{found.rooms:,} conferences, most of them of five participants. At any time 2 % of",
            "the participants have a bad call of their own, for a minute each. In",
            f"{found.conferences} of {looks:,} cases a look found that a conference stood out:",
            f"{100_000 * found.conferences / looks:.1f} of 100,000. The longest such case lasted",
            f"{found.longest} looks. A region, a bridge, a browser or the fleet stood out in",
            f"{found.wide} looks.",
            "",
            "Several participants of one conference can be bad at the same time by chance. If each",
            "is bad with a probability of 0.02, the number of such looks in 100,000 looks is:",
            "",
            "- three of three: 0.02^3 = 0.8",
            "- three of four: 4 x 0.02^3 x 0.98 + 0.02^4 = 3.2",
            "- four of five: 5 x 0.02^4 x 0.98 + 0.02^5 = 0.08",
            "- at least three of five, if three bad participants were enough for the rules:",
            "  0.08 + 10 x 0.02^3 x 0.98^2 = 7.8",
            "- four of six: 15 x 0.02^4 x 0.98^2 and smaller terms = 0.2",
        )
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_TITLES: Final = {
    "told": "Results with the recordings that the rules were made with",
    "held": "Results with the held out recordings",
}
_ALL: Final = """All crowds together. The first column is the true cause or scope, the other columns
are what the verdict named; each cell is a number of looks at participants:"""
_HEAD: Final = """# Is the verdict right?

<!-- Generated by `make verdicts`. Do not edit. -->

See here how often the [verdict](verdict.md) is right. Recall is the share of the true faults that
the verdict finds. Precision is the share of true faults among all faults that the verdict names.
For this test a program simulates crowds of participants. A *story* says which participants have
which fault, and when. There is no network: the program takes each push from a recorded call and
gives it another identity. The code of the service checks the push and judges the call. Every 10 s
the service looks at the states of all participants (a *look*). To try the same on a running
service: `otel-jcmc simulate --story NAME --truth FILE`.

## How to read a cell

- Each column is for one crowd. The column's title says how many conferences ("rooms") the crowd
  has. If the title names no size, the conferences have different sizes. If the title names no
  interval, pages push every 10 s.
- A cell is *recall / precision* in percent. In the tables of causes and scopes, the number in
  brackets says how many times a look found a participant with this fault. The table "stands out" is
  about conferences, bridges, regions and fleets that are bad as a whole; there the number in
  brackets is the number of looks. **Bold** is a recall under 90 % or a precision under 95 %.
- A browser can know of a fault 5 s after the fault begins. The test counts from one push after this
  moment until the story ends.
- **Two recalls.** The first tables count every interval of a story that the page can see. Some of
  these intervals are so good that no participant would complain: a slow computer has good moments,
  and if one of several senders loses packets, a bridge repairs the picture. If a call is good, the
  verdict names no cause; the last tables count these intervals in the column `none`. So the tables
  headed "Recall of causes in a part of these looks" repeat the recall for the intervals *that show
  any harm*. Harm means one of these: sound that the browser made up, a picture that stood still,
  packets lost in either direction or of any stream, a limit on what the page sends, or an outage.
  Each of these must be worse than in the recording of the same browser tab without a fault. A round
  trip that is longer by 100 ms is harm too. The test for harm (tests/crowds/harm.py) uses no rule
  and no threshold of the verdict. In these tables, *all* means every interval of the story, even if
  the page cannot see the fault.

## What does not count

The tables leave out these faults, because the pushes cannot show them:

- 30 % of the pages have JCMC's client (the *original*), which sends only 13 fields. Outages, loss
  of sent packets and slow computers of these pages do not count.
- If the page of a bad sender is the original's, the tables do not count whether the rules find this
  sender.
- If the connection of a page was interrupted for a moment, its next push has null in all fields.
  Such a push counts only if the fault is an outage.
- If a page pushes every 2 s, only two of five pushes contain the loss of sent packets. The other
  pushes do not count for `uplink`.
- A conference, bridge, region or fleet counts as standing out only if the pushes can show it. For a
  conference, at least three participants must be bad, and more than half of those whose state is
  known. For a bridge, a region or the fleet, at least five participants in two conferences must be
  bad. If fewer than four of the thing's conferences are known, more than half of the participants
  whose state is known must be bad in each of these conferences. A fleet of several bridges must
  have ten known conferences. If fewer participants are bad than these conditions require, the
  tables leave out the bridge, region or fleet, and its conferences.
- If only pages of the original receive a bad sender, and each of them also receives other senders,
  no push shows which sender is bad. The tables then leave out the scope of this sender.

## The recordings

- We recorded calls of two participants, and calls of three participants over a bridge. To record a
  slow computer, we stopped and continued the process of a page again and again, so that it ran for
  a twentieth to a fortieth of the time. We did not record two faults, but computed them from
  recorded intervals: a computer that limits the video that it sends, and, if no recording has this
  fault, one bad sender of two (`derived` in otel_jcmc/simulate/recorded.json.xz).
- Recordings of a slow computer and of calls without a fault have `event_loop_delay`. The older
  recordings, of bad networks, do not have it.
- If one of several senders is bad, the original's page reports the mean loss of all audio and video
  streams, in whole percent. In the recordings this mean is 2 %, and the state "fair" begins above
  2.5 %. Our page reports the loss of the worst stream. But if one of two senders loses 7 % and the
  page pushes every 2 s, the MOS of the sound is still over 4.0 in one push of three. Then the call
  is good, and the verdict names no cause.
- A fault of a bridge, a region or the fleet affects 70 to 100 % of its participants.

## The held out recordings

- The held out recordings test the rules with calls that we did not use to make the rules. They are
  in tests/recordings/held. Their faults differ from those of the other recordings: 9 and 13 % of
  loss instead of 10 %, longer and shorter delays, other outages, cameras with half as many lines,
  and a slow process that runs for other shares of the time. No rule was made or changed with these
  recordings; the verdict judged them after the last change of the rules. We later used an earlier
  set of held out recordings to make the rules, so that set is no longer held out.
- We made one recording again, and then the verdict judged all held out recordings again. In the
  first version of this recording the network delayed packets by 190 ms each way. The round trip was
  therefore 380 ms, which the rules call fair, but the test program counted this call as bad. With
  the first version the rules found 57 to 100 % of the bad conferences, and 69 to 100 % of the bad
  bridges. In the second version the delay is 215 ms each way. We changed no other recording.
- `outage` has a lower precision than 95 %, because the rules find false outages on pages that lose
  13 % of received packets and push every 10 s. Two of some thirty such pushes have an `outage_up`
  of 6 to 7 s, because connectivity checks got no answer. These pushes were computed from recordings
  of pages that pushed every 2 s, and these recordings have no outage. Later we recorded eight
  pushes of real pages that pushed every 10 s; they had no outage either.
- `uplink` in the crowd that pushes every 2 s: one push of 263 without a fault, just after a join,
  had a jitter of 37 ms with a round trip of 20 ms. The rules trust a jitter if the round trip is at
  least half as long, so the rules named the cause `uplink`.
- `device` in the crowd that pushes every 2 s: in the intervals that the rules did not find, no
  picture stood still, and timers were less than 50 ms late. The rules call such an interval
  good."""
