"""
docs/performance.md and the README's table of costs from the last results, and the pictures.

The results stand beside it as docs/performance.json, so that no figure is ever typed.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import plots, results
from benchmarks.report.bench import ROOT
from benchmarks.report.page import with_costs, written_into

DOCS = ROOT / "docs"
PAGE, KEPT = DOCS / "performance.md", DOCS / "performance.json"
README = ROOT / "README.md"
PICTURES = DOCS / "pictures"


def write(source: Path = results.PATH) -> None:
    """Take over the results in *source*."""
    if source.exists():
        KEPT.write_text(source.read_text())
    known = json.loads(KEPT.read_text())
    PAGE.write_text(written_into(PAGE.read_text(), known))
    README.write_text(with_costs(README.read_text(), known))
    PICTURES.mkdir(exist_ok=True)
    for picture in _drawn(known):
        print(picture.relative_to(ROOT))
    print(PAGE.relative_to(ROOT))


def _drawn(known: results.Results) -> Iterator[Path]:
    """Draw what there are results for, and return where."""
    curves = {
        name: points
        for measured in known["measurements"].values()
        for name, points in measured["curves"].items()
    }
    for name, draw in plots.PICTURES.items():
        if name in curves:
            path = PICTURES / f"{name}.svg"
            draw(curves[name], path)
            yield path
