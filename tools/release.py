"""
Makes a release: `make release VERSION=0.2.0`. It publishes nothing.

What is written, built and checked is made in a worktree of its own: where a check fails, the
repository is as it was. At the end main has the release's commit and tag, and dist/ what it built.

The changelog's heading dates the release (https://keepachangelog.com), the number is a Semantic
Version without a suffix. Two builds of one tag are the same bytes: SOURCE_DATE_EPOCH is that date
(https://reproducible-builds.org/specs/source-date-epoch/).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from tools.package import PackageFault, build, check, try_out

ROOT: Final = Path(__file__).parents[1]
VERSION_FILE: Final = Path("otel_jcmc", "version.py")
CHANGELOG: Final = Path("CHANGELOG.md")
UNRELEASED: Final = "## [Unreleased]"


class NotReleased(Exception):
    """There is no release: the text says why, and what to do."""


def git(*words: str, at: Path = ROOT) -> str:
    """Run git at *at* and return what it prints."""
    done = subprocess.run(["git", *words], cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReleased(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def number(version: str) -> tuple[int, ...]:
    """Return the numbers of *version*, which sort as versions do."""
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        raise NotReleased(f"{version!r} is no version: three numbers, such as VERSION=0.2.0")
    return tuple(map(int, version.split(".")))


def current(text: str) -> str:
    """Return the version that the text of version.py names."""
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise NotReleased(f"{VERSION_FILE} names no version")
    return found[1]


def dated(changelog: str, version: str, today: date) -> str:
    """
    Return *changelog* with a dated heading for *version*, above what was not released.

    A heading that is there already stays, with its date.

    Raises:
        NotReleased: Nothing is written under "Unreleased", or something is although the version
            has its heading already.
    """
    head, _, below = changelog.partition(f"{UNRELEASED}\n")
    waiting = below.partition("\n## [")[0].strip()
    if re.search(rf"^## \[{re.escape(version)}\] - ", changelog, re.MULTILINE):
        if waiting:
            raise NotReleased(f"{CHANGELOG}: {version} has its heading, move what is above it down")
        return changelog
    if not waiting:
        raise NotReleased(
            f"{CHANGELOG} has nothing under {UNRELEASED!r}: nothing is to be released"
        )
    return f"{head}{UNRELEASED}\n\n## [{version}] - {today.isoformat()}\n{below}"


def day_of(changelog: str, version: str) -> int:
    """Return when *version* is dated, midnight in UTC, in seconds since 1970."""
    found = re.search(rf"^## \[{re.escape(version)}\] - (\S+)$", changelog, re.MULTILINE)
    if found is None:
        raise NotReleased(f"{CHANGELOG} has no dated heading for {version}")
    return int(datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp())


def look(version: str) -> None:
    """Raise NotReleased where *version* can't be released from here."""
    wanted = number(version)
    if changed := git("status", "--porcelain"):
        raise NotReleased(f"commit or remove what is not committed first:\n{changed}")
    if (branch := git("branch", "--show-current")) != "main":
        raise NotReleased(f"a release is made on main, this is {branch or 'no branch'}")
    if git("tag", "--list", f"v{version}"):
        raise NotReleased(f"v{version} is released: its tag is there")
    if wanted < number(now := current((ROOT / VERSION_FILE).read_text(encoding="utf-8"))):
        raise NotReleased(f"{version} is older than {now}, which {VERSION_FILE} names")


@contextmanager
def worktree() -> Iterator[Path]:
    """Give a worktree of what main has, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        tree = Path(folder, "tree")
        git("worktree", "add", "--quiet", "--detach", str(tree), "main")
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def write(tree: Path, version: str) -> int:
    """Write and commit number and date in *tree*; return the date as day_of does."""
    today = datetime.now(UTC).date()
    changelog = dated((tree / CHANGELOG).read_text(encoding="utf-8"), version, today)
    (tree / CHANGELOG).write_text(changelog, encoding="utf-8")
    text = (tree / VERSION_FILE).read_text(encoding="utf-8")
    text = text.replace(f'"{current(text)}"', f'"{version}"')
    (tree / VERSION_FILE).write_text(text, encoding="utf-8")
    if git("status", "--porcelain", at=tree):
        git("commit", "--quiet", "--all", "--message", f"release: {version}", at=tree)
    return day_of(changelog, version)


def release(version: str) -> list[Path]:
    """Make the release *version* and return what is in dist/ for it."""
    look(version)
    with worktree() as tree, tempfile.TemporaryDirectory(prefix="dist-") as folder:
        day = write(tree, version)
        built = build(tree, Path(folder, "one"), day)
        again = build(tree, Path(folder, "two"), day)
        if [each.read_bytes() for each in built] != [each.read_bytes() for each in again]:
            raise NotReleased("two builds are not the same bytes")
        check(built, version, tree)
        try_out(built[0], version, tree)
        commit = git("rev-parse", "HEAD", at=tree)
        git("merge", "--quiet", "--ff-only", commit)
        git("tag", "--annotate", f"v{version}", "--message", f"otel_jcmc {version}", commit)
        dist = ROOT / "dist"
        dist.mkdir(exist_ok=True)
        return [Path(shutil.copy(each, dist)) for each in built]


def main() -> int:
    """Make a release, and say what is left to do."""
    version = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        built = release(version)
    except (NotReleased, PackageFault) as fault:
        print(f"not released: {fault}", file=sys.stderr)
        return 1
    files = " ".join(str(each.relative_to(ROOT)) for each in built)
    print(
        f"otel_jcmc {version} is built, checked and tagged here. Nothing is published. To publish:"
    )
    print(f"  git push origin main v{version}")
    print(f"  .venv/bin/uv publish {files}")
    print(f"  docker build -t otel-jcmc:{version} .   and push it to your registry")
    print(f"To take it back: git tag -d v{version}, and git reset --hard HEAD~1 if it committed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
