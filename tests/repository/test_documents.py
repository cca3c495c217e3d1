"""The documents as a whole: an index leads to each page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def listed(index: Path) -> set[Path]:
    """Return the files to which the rows and items of *index* lead."""
    lines = re.findall(r"^\s*(?:\||- ).*$", index.read_text(encoding="utf-8"), re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s#]+)", "\n".join(lines))
    return {(index.parent / target).resolve() for target in targets}


@pytest.mark.parametrize(
    "index", sorted(DOCS.rglob("README.md")), ids=lambda path: path.parent.name
)
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
