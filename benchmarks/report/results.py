"""
The results file: what was measured, on which machine, of which commit.

A run replaces what it has measured and keeps the rest, as long as the machine is the same and the
rounds are as long. Git ignores it; `--write-docs` takes from it what docs/performance.md shows.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report.bench import ROOT, Bench
from benchmarks.report.machine import describe

Results = dict[str, Any]
PATH = ROOT / "benchmarks" / "results" / "latest.json"


def begin(*, quick: bool, path: Path = PATH) -> Results:
    """Return the results so far, to which more may be added."""
    found = describe()
    known: Results = {"quick": quick, "machine": found["machine"], "measurements": {}}
    if path.exists():
        last: Results = json.loads(path.read_text())
        if all(last.get(part) == known[part] for part in ("quick", "machine")):
            known["measurements"] = last["measurements"]
    return known | {"versions": found["versions"]}


def keep(
    known: Results, bench: Bench, seconds: float, error: str | None, path: Path = PATH
) -> None:
    """Add what *bench* has measured, and write it all."""
    measured = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": known["versions"]["commit"],
        "seconds": round(seconds),
        "error": error,
        "figures": [asdict(figure) for figure in bench.figures],
        "curves": bench.curves,
    }
    known["measurements"][bench.title] = _short(measured)
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(known, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n")


def _short(value: Any) -> Any:
    """Return *value* with its numbers to five digits: what follows is noise."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
