"""
`python -m crowds`: plays the crowd's stories to the rules, and writes docs/verdict-matrices.md.

With `--material` it makes the crowd's intervals (otel_jcmc/simulate) again, from the present
recordings and client file, and also the held-out ones (HELD). With `--held` it judges these once:
no rule is made with them. With `--quiet` it plays an hour in which nothing should stand out. The
page has all three.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from client.pages import opened_tab, running_chromium, running_origin
from conference.held_stories import story_of
from crowds.material import Spell, derived, packed, spells
from e2e.parts import ROOT
from recordings import HELD as HELD_FOLDER
from recordings import SEEN, Recording, bridge_names, load, names, read

FILE = ROOT / "otel_jcmc" / "simulate" / "recorded.json.xz"
HELD = ROOT / "tests" / "crowds" / "held.json.xz"


def main() -> int:
    """Run the command; a rule that misses its target is no error, it is what the page is for."""
    parser = argparse.ArgumentParser(prog="crowds", description=__doc__)
    parser.add_argument("--material", action="store_true", help="make the intervals anew")
    parser.add_argument("--held", action="store_true", help="judge by what was held out")
    parser.add_argument("--quiet", action="store_true", help="10,000 people for an hour of looks")
    asked = parser.parse_args()
    if asked.material:
        for file, recordings in ((FILE, told()), (HELD, held())):
            file.write_bytes(material(recordings))
            print(f"wrote {file.relative_to(ROOT)}")
        return 0
    # They read the file when they are imported.
    from crowds import matrices
    from crowds.quiet import hold_quiet

    if asked.quiet:
        matrices.write_quiet(hold_quiet(10_000))
    else:
        matrices.write(held=asked.held)
    return 0


def told() -> Iterable[tuple[str, Recording]]:
    """Yield the recordings that rules are made with, and what story each tells."""
    for name in (*names(), *bridge_names()):
        # Nobody has joined in the one. Of the others a browser's report each 10 s is known, and
        # the client looks at one each second: what it made of them would be outages.
        if name != "failed-join" and not name.endswith("-10s"):
            yield name, load(name)
    yield from _of_folder(SEEN)


def held() -> Iterable[tuple[str, Recording]]:
    """Yield the recordings that are held out, and what story each is like."""
    return _of_folder(HELD_FOLDER)


def _of_folder(folder: Path) -> Iterable[tuple[str, Recording]]:
    for path in sorted(folder.glob("*.jsonl.xz")):
        yield story_of(path.name.partition(".")[0]), read(path)


def material(recordings: Iterable[tuple[str, Recording]]) -> bytes:
    """Return a file of intervals, made of *recordings*."""
    found: list[Spell] = []
    with running_chromium() as browser, running_origin() as origin:
        for name, recording in recordings:
            with opened_tab(browser, origin) as tab:
                tab.load_client()
                found += spells(tab, name, recording)
    return packed([*found, *derived(found)])


if __name__ == "__main__":
    sys.exit(main())
