"""
`python -m truth`: plays every story, keeps the recordings, and writes docs/truth.md.

With `--table` it plays none, and makes the page from the existing recordings. With `--keep`, the
recordings of 2 s, or of each `--interval`, replace those in tests/recordings. `--browser Firefox`
plays four stories, as root, in a network of its own. Stories of conferences through a bridge are
played only if named: `bridge` names all of them, and `held` those that test the verdict. The page
is about calls of two.
"""

import argparse
import lzma
import os
import sys
import tempfile
from pathlib import Path

from conference.bridge_stories import bridge_stories
from conference.firefox import in_own_network, is_in_own_network
from conference.held_stories import held_stories, seen_stories
from conference.recorder import CHROMIUM, FIREFOX, running_bed
from conference.stories import Story, stories
from e2e.parts import ROOT
from recordings import FOLDER as KEPT
from recordings import HELD, SEEN, Recording, read
from truth.compare import compare
from truth.table import page

FOLDER = ROOT / ".cache" / "truth"
PAGE = ROOT / "docs" / "truth.md"
INTERVALS_MS = (2000, 10000)
KEPT_MS = 2000
FIREFOX_STORIES = ["loss-up", "dead-both", "muted", "leave"]


def main() -> int:
    """Run the command; what is out of bounds is no error, it is what the page is for."""
    parser = argparse.ArgumentParser(prog="truth", description=__doc__)
    parser.add_argument("stories", nargs="*", help="those to tell; all, if none is named")
    parser.add_argument("--interval", type=int, action="append", help="in ms; 2000 and 10000")
    parser.add_argument("--table", action="store_true", help="tell none, make the page alone")
    parser.add_argument("--browser", choices=(CHROMIUM, FIREFOX), default=CHROMIUM)
    parser.add_argument("--keep", action="store_true", help="for the tests, in tests/recordings")
    asked = parser.parse_args()
    if asked.browser == FIREFOX and not (asked.table or is_in_own_network()):
        own = in_own_network([sys.executable, "-m", "truth", *sys.argv[1:]])
        os.execvp(own[0], own)
    if not asked.table:
        _tell(asked.interval or list(INTERVALS_MS), _names(asked), asked.browser)
    if asked.keep:
        for name in _names(asked) or list(stories(KEPT_MS)):
            for interval_ms in asked.interval or [KEPT_MS]:
                _keep(name, interval_ms, asked.browser)
    text = _page()
    PAGE.write_text(text, encoding="utf-8")
    print(text[text.index("## The table") :])
    return 0


def _names(asked: argparse.Namespace) -> list[str]:
    """Return the stories to tell, none for all."""
    named: list[str] = asked.stories
    if named == ["bridge"]:
        return list(bridge_stories(KEPT_MS))
    if named == ["held"]:
        return list(held_stories())
    return named or (FIREFOX_STORIES if asked.browser == FIREFOX else [])


def _tell(intervals_ms: list[int], names: list[str], browser: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="truth") as folder,
        running_bed(Path(folder), browser) as bed,
    ):
        for interval_ms in intervals_ms:
            for story in _chosen(interval_ms, names):
                path = _path(story.name, interval_ms, browser)
                bed.tell(story, interval_ms).write(path)
                load, _, _ = os.getloadavg()
                print(
                    f"{story.name}, {interval_ms} ms: load {load:.1f}", file=sys.stderr, flush=True
                )


def _chosen(interval_ms: int, names: list[str]) -> list[Story]:
    """Return the stories called *names*; none: all of two. Those by a bridge have to be named."""
    if not names:
        return list(stories(interval_ms).values())
    all_ = stories(interval_ms) | bridge_stories(interval_ms) | seen_stories() | held_stories()
    return [all_[name] for name in names]


def _keep(name: str, interval_ms: int, browser: str) -> None:
    path = _path(name, interval_ms, browser)
    packed = lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME)
    stem = path.stem.replace(f"-{KEPT_MS}", "").replace("-10000", "-10s")
    folder = HELD if name in held_stories() else SEEN if name in seen_stories() else KEPT
    kept = folder / f"{stem}.jsonl.xz"
    kept.write_bytes(packed)
    print(f"{kept.name}: {len(packed)} bytes", file=sys.stderr)


def _path(story: str, interval_ms: int, browser: str = CHROMIUM) -> Path:
    of = "" if browser == CHROMIUM else f"-{browser.lower()}"
    return FOLDER / f"{story}-{interval_ms}{of}.jsonl"


def _page() -> str:
    paths = [
        _path(name, interval_ms, browser)
        for name in stories(KEPT_MS)
        for browser in (CHROMIUM, FIREFOX)
        for interval_ms in INTERVALS_MS
    ]
    recordings: list[Recording] = [read(path) for path in paths if path.exists()]
    return page(recordings, [compare(each) for each in recordings])


if __name__ == "__main__":
    sys.exit(main())
