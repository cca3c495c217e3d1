"""The documents: each link leads to an existing file and heading, each setting exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sources import setting_names

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in (
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / folder / "README.md" for folder in ("collector-config", "benchmarks")),
    )
    if path.is_file()
)
# Names that the documents quote as wrong, or that nobody sets.
NO_SETTINGS = {"JCMC_INSTANCE_ID"}


def without_code(text: str) -> str:
    """Return *text* without its code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the heading of each link within the repository; pictures are links too."""
    text = without_code(path.read_text(encoding="utf-8"))
    pictures = re.findall(r"""\b(?:src|srcset|href)="([^"]+)""", text)
    for target in [*re.findall(r"\]\(([^)\s]+)\)", text), *pictures]:
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, heading = target.partition("#")
        yield ((path.parent / file).resolve() if file else path), heading


def headings(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    found: set[str] = set()
    for title in re.findall(r"^#{1,6} +(.*?) *$", text, re.MULTILINE):
        said = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        name = re.sub(r"[^\w\- ]", "", said).replace(" ", "-")
        again = sum(1 for each in found if re.fullmatch(rf"{re.escape(name)}(-\d+)?", each))
        found.add(f"{name}-{again}" if again else name)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(path: Path) -> None:
    dead = [
        f"{file.relative_to(ROOT)}#{heading}"
        for file, heading in links(path)
        if not file.exists() or (heading and heading not in headings(file))
    ]
    assert dead == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_told_of_is_one(path: Path) -> None:
    """A setting that an operator copies from here must not stop the start."""
    if path.name == "CHANGELOG.md":
        return
    told = set(re.findall(r"\bJCMC_[A-Z][A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    assert told - setting_names(Settings) - NO_SETTINGS == set()


def test_the_index_has_each_decision_by_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\[(\d+\. [^]]+)\]\((\S+)\)", index)
    assert sorted((name, f"# {title}") for title, name in listed) == sorted(
        (page.name, page.read_text(encoding="utf-8").partition("\n")[0])
        for page in folder.glob("0*.md")
    )


def test_links_and_headings_are_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text(
        "# A `b` [c](x.md)\n## A, twice?\n## A twice\n[to](b.md#d) `[no](c.md)`\n"
        "```sh\n# no heading\n[no](d.md)\n```\n[here](#a-twice) [out](https://a.example)\n"
    )
    assert headings(page) == {"a-b-c", "a-twice", "a-twice-1"}
    found = [(file.name, heading) for file, heading in links(page)]
    assert found == [("x.md", ""), ("b.md", "d"), ("a.md", "a-twice")]
