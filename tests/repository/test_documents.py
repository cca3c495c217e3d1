"""The documents as a whole: an index leads to each page, and each command can be typed."""

import re
from pathlib import Path

import pytest

from otel_jcmc.command.arguments import make_parser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for page in DOCS.rglob("*.md") if page.parent.name != "decisions"),
        *(ROOT / folder / "README.md" for folder in ("collector-config", "benchmarks")),
    ]
)
_, COMMANDS = make_parser()
TARGETS = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# Where a path that CONTRIBUTING.md names may begin.
PLACES = (ROOT, ROOT / "otel_jcmc", ROOT / "collector-config")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def listed(index: Path) -> set[Path]:
    """Return the files to which the rows and items of *index* lead."""
    lines = re.findall(r"^\s*(?:\||- ).*$", index.read_text(encoding="utf-8"), re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s#]+)", "\n".join(lines))
    return {(index.parent / target).resolve() for target in targets}


def faults(text: str) -> list[str]:
    """Return each command, option and target of make that *text* names and that does not exist."""
    found = []
    for command, rest in re.findall(r"\botel-jcmc ([a-z]+)\b([^`|>&#\n]*)", text):
        options = re.findall(r"(?<=\s)--[a-z-]+", rest)
        known = COMMANDS[command]._option_string_actions if command in COMMANDS else {}
        if command not in COMMANDS or any(option not in known for option in options):
            found.append(f"otel-jcmc {command}{rest}")
    targets = re.findall(r"(?:`|^\$ )make ([a-z0-9]+)", text, re.MULTILINE)
    return found + [f"make {target}" for target in targets if target not in TARGETS]


@pytest.mark.parametrize("index", sorted(DOCS.rglob("README.md")), ids=name)
def test_a_page_has_a_line_in_the_index_of_its_folder(index: Path) -> None:
    there = {page for page in index.parent.glob("*.md") if page != index}
    lines = listed(index) | listed(DOCS / "README.md")
    assert sorted(page.name for page in there - lines) == []


def test_a_folder_of_pages_has_a_line_in_the_index() -> None:
    """A folder without an index of its own is its own list, by file names."""
    folders = {page.parent for page in DOCS.rglob("*.md")} - {DOCS}
    assert len(folders) >= 2
    lines = listed(DOCS / "README.md")
    assert sorted(each.name for each in folders if not {each, each / "README.md"} & lines) == []


def test_only_a_line_of_a_list_or_a_table_counts(tmp_path: Path) -> None:
    index = tmp_path / "README.md"
    index.write_text("[a](a.md)\n- [b](b.md)\n| [c](c.md#d) | c, [e](e/) |\n")
    assert listed(index) == {tmp_path / name for name in ("b.md", "c.md", "e")}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    assert faults(page.read_text(encoding="utf-8")) == []


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "`otel-jcmc serv`, `otel-jcmc sessions --room a | wc`\n$ make tests\n`make test`\n"
    text += "$ otel-jcmc serve --workers 2 # --no\n"
    assert faults(text) == ["otel-jcmc serv", "otel-jcmc sessions --room a ", "make tests"]


def test_every_path_that_contributors_are_sent_to_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {word for code in re.findall(r"`([^`\n]+)`", text) for word in code.split()}
    paths = {word.removesuffix(",") for word in named if "/" in word and ".venv" not in word}
    assert len(paths) > 15
    lost = [path for path in paths if not any(list(place.glob(path)) for place in PLACES)]
    # A release makes dist/.
    assert set(lost) - {"dist/"} == set()


def test_what_contributors_read_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split()) <= 900


def test_what_everybody_reads_first_is_short() -> None:
    """Of README.md all words count, those of its blocks and tables too."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1200
