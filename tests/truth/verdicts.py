"""
The verdicts of the rules on the pushes of a recorded conference through a bridge.

`python -m truth.verdicts [RECORDING...]` prints a table: for each story and each tab, the number of
pushes with each state and cause since the story began.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator

from recordings import Recording, bridge_names, load

from otel_jcmc.verdict.judge import Judge, Verdict
from otel_jcmc.wire.push import PushParser

_PARSER = PushParser()
_JUDGE = Judge()


def began(recording: Recording) -> float:
    """Return the second in which the first step of the story was made."""
    plan = (line for line in recording.lines if line.who == "plan")
    return next(line.t for line in plan if line.kind != "story")


def verdicts(recording: Recording, tab: str) -> Iterator[tuple[float, Verdict]]:
    """Yield of each push of *tab* since the story began when it came, and what is said of it."""
    start = began(recording)
    for line in recording.of("push", tab):
        if line.t < start:
            continue
        report = _PARSER.parse(json.dumps(line.data["body"]).encode())
        if report.session.end:
            continue
        _JUDGE.note(report.numbers, report.session.interval_ms, is_direct=False)
        yield line.t - start, _JUDGE.judge(report.numbers)


def words(verdict: Verdict) -> str:
    """Return a state and a cause in words: `bad, uplink`."""
    state = "unknown" if verdict.state is None else verdict.state.name.lower()
    return f"{state}, {verdict.cause.word}" if verdict.cause else state


def main(names: list[str]) -> None:
    """Print the table."""
    print("| story | tab | pushes |\n| --- | --- | --- |")
    for name in names or bridge_names():
        recording = load(name)
        for tab in recording.tabs:
            counts = Counter(words(each) for _, each in verdicts(recording, tab))
            told = "; ".join(f"{count} {what}" for what, count in counts.most_common())
            print(f"| {name.removeprefix('sfu-')} | {tab} | {told} |")


if __name__ == "__main__":
    main(sys.argv[1:])
