"""
`python -m truth`: tells every story, keeps the recordings, and writes docs/truth.md.

With `--table` it tells none, and makes the page of the recordings that are there. With `--keep`
those of 2 s take the place of what tests/recordings has.
"""

import argparse
import lzma
import os
import sys
import tempfile
from pathlib import Path

from conference.recorder import running_bed
from conference.stories import stories
from e2e.parts import ROOT
from recordings import FOLDER as KEPT
from recordings import Recording, read
from truth.compare import compare
from truth.table import page

FOLDER = ROOT / ".cache" / "truth"
PAGE = ROOT / "docs" / "truth.md"
INTERVALS_MS = (2000, 10000)
KEPT_MS = 2000


def main() -> int:
    """Run the command; what is out of bounds is no error, it is what the page is for."""
    parser = argparse.ArgumentParser(prog="truth", description=__doc__)
    parser.add_argument("stories", nargs="*", help="those to tell; all, if none is named")
    parser.add_argument("--interval", type=int, action="append", help="in ms; 2000 and 10000")
    parser.add_argument("--table", action="store_true", help="tell none, make the page alone")
    parser.add_argument("--keep", action="store_true", help="for the tests, in tests/recordings")
    asked = parser.parse_args()
    if not asked.table:
        _tell(asked.interval or list(INTERVALS_MS), asked.stories)
    if asked.keep:
        _keep(asked.stories or list(stories(KEPT_MS)))
    text = _page()
    PAGE.write_text(text, encoding="utf-8")
    print(text[text.index("## The table") :])
    return 0


def _tell(intervals_ms: list[int], names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="truth") as folder, running_bed(Path(folder)) as bed:
        for interval_ms in intervals_ms:
            for story in stories(interval_ms).values():
                if names and story.name not in names:
                    continue
                bed.tell(story, interval_ms).write(_path(story.name, interval_ms))
                load, _, _ = os.getloadavg()
                print(
                    f"{story.name}, {interval_ms} ms: load {load:.1f}", file=sys.stderr, flush=True
                )


def _keep(names: list[str]) -> None:
    for name in names:
        raw = _path(name, KEPT_MS).read_bytes()
        packed = lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)
        (KEPT / f"{name}.jsonl.xz").write_bytes(packed)
        print(f"{name}: {len(packed)} bytes", file=sys.stderr)


def _path(story: str, interval_ms: int) -> Path:
    return FOLDER / f"{story}-{interval_ms}.jsonl"


def _page() -> str:
    paths = [_path(name, each) for name in stories(2000) for each in INTERVALS_MS]
    recordings: list[Recording] = [read(path) for path in paths if path.exists()]
    return page(recordings, [compare(each) for each in recordings])


if __name__ == "__main__":
    sys.exit(main())
