"""
Reads the project's English by the rules of tools/prose.toml; `make check` runs it.

It reads README.md and its neighbours, docs/, the docstrings and comments of the package, and the
comments of the browser's files and of the shipped configuration. Code is not prose: blocks, and
what stands in backquotes. Spelling is typos' (typos.toml).

    python -m tools.prose                  prints each place that breaks a rule that is on
    python -m tools.prose --all [FILE...]  the same for every rule
    python -m tools.prose --counts         how often each rule is broken, and where most often
"""

import argparse
import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
RULES: Final = Path(__file__).with_name("prose.toml")
# Generated from other files, or a copy of them: mended there.
_NOT_READ: Final = ("docs/rooms.md",)
_SHIPPED: Final = ("collector-config", "deploy")
_WITH_COMMENTS: Final = {".yaml", ".conf", ".env", ".sh", ".service"}
# Between backquotes, and a parameter that a docstring names.
_CODE: Final = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|(?<!\*)\*\w+\*(?!\*)", re.DOTALL)
# Of JavaScript, Lua, YAML and nginx.
_COMMENT: Final = re.compile(r"\s*(?://|/?\*+|--|#)(?![!/*#-])\s?(?=.*[a-z])(.*?)(?:\*/)?$")
# Of such a comment: a tag of JSDoc; an example, which stands further to the right.
_APART: Final = re.compile(r"@\w+ |\s{2}")
# A number is one word, with its point or comma.
_WORD: Final = re.compile(r"\d[\d.,]*|[\w']+")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
# An item of a list, a heading, a row of a table; of a docstring, an attribute.
_BEGINS: Final = re.compile(r"\s*([-*]|\d+\.|#+) +|\s*\||\s{4}(?=[\w, *]+: )")
_ENDS: Final = re.compile(r"(?<=[.!?])\s+(?=[\"']?[A-Z0-9]|\([a-zA-Z]|\w+[./]\w)")


class Piece(NamedTuple):
    """Prose that belongs together, such as a paragraph, a table's cell or a comment."""

    line: int
    text: str


class Rule(NamedTuple):
    """A rule: what it finds, what its writer is told, and whether `make check` holds it."""

    name: str
    say: str
    on: bool
    pages: bool
    words: int
    pattern: re.Pattern[str]


class Found(NamedTuple):
    """A place that breaks a rule."""

    path: Path
    line: int
    rule: Rule
    text: str


def rules(path: Path = RULES) -> list[Rule]:
    """Return the rules of *path*: a pattern each, or the most words of a sentence."""
    entries: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Rule(
            name,
            entry["say"],
            entry["on"],
            entry.get("pages", False),
            entry.get("words", 0),
            re.compile(entry.get("pattern", "(?!)"), re.MULTILINE),
        )
        for name, entry in entries.items()
    ]


def markdown(text: str) -> Iterator[Piece]:
    """Yield the prose of a page of Markdown: paragraphs, items of lists, cells, headings."""
    text = re.sub(r"^ *```.*?^ *```$|<!--.*?-->", _blank, text, flags=re.MULTILINE | re.DOTALL)
    start, lines = 1, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        begins = _BEGINS.match(line)
        if lines and (begins or not line.strip()):
            yield Piece(start, "\n".join(lines))
            lines = []
        if begins and begins[0].endswith("|"):
            yield from (Piece(number, cell) for cell in line.strip().strip("|").split(" | "))
        elif line.strip():
            start = start if lines else number
            lines.append(line[begins.end() :] if begins else line)


def _blank(found: re.Match[str]) -> str:
    """Return as many empty lines as *found* has."""
    return "\n" * found[0].count("\n")


def python(text: str) -> Iterator[Piece]:
    """Yield the docstrings of a Python file, by paragraphs, and its comments."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if said := ast.get_docstring(node):
            first = node.body[0].lineno
            for piece in markdown(said):
                yield Piece(first + piece.line - 1, piece.text)
    last, comment = -1, Piece(0, "")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or re.match(r"# *(noqa|type:|pragma)", token.string):
            continue
        said, line = token.string.lstrip("# "), token.start[0]
        if line == last + 1 and token.line.lstrip().startswith("#"):
            comment = Piece(comment.line, f"{comment.text}\n{said}")
        else:
            yield comment
            comment = Piece(line, said)
        last = line
    yield comment


def comments(text: str) -> Iterator[Piece]:
    """Yield the comments of another file that are lines of their own; a tag begins a new piece."""
    start, lines = 0, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        said = _COMMENT.match(line)
        if lines and (not said or _APART.match(said[1])):
            yield Piece(start, "\n".join(lines))
            lines = []
        if said:
            start = start if lines else number
            lines.append(said[1])


def plain(text: str) -> str:
    """Return *text* without marks: code is one word, a link is what it says."""
    words = _LINK.sub(r"\1", _CODE.sub("X", text))
    return re.sub(r"\*\*|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)", "", words)


def broken(path: Path, piece: Piece, by: Iterable[Rule]) -> Iterator[Found]:
    """Yield where *piece* breaks a rule."""
    text = plain(piece.text)
    at = 0
    for sentence in _ENDS.split(text):
        at = text.index(sentence, at)
        for rule in by:
            if rule.words and len(_WORD.findall(sentence)) > rule.words:
                yield Found(path, piece.line + text.count("\n", 0, at), rule, sentence)
            for match in rule.pattern.finditer(sentence):
                line = piece.line + text.count("\n", 0, at + match.start())
                yield Found(path, line, rule, sentence[max(0, match.start() - 30) :])


def files() -> list[Path]:
    """Return every file that has prose."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    pages += [ROOT / folder / "README.md" for folder in ("collector-config", "benchmarks")]
    kept = [page for page in pages if str(page.relative_to(ROOT)) not in _NOT_READ]
    code = [*(ROOT / "otel_jcmc").rglob("*.py"), *(ROOT / "otel_jcmc").rglob("*.lua")]
    code += [*(ROOT / "client").glob("*.[jt]s"), *(ROOT / "client" / "parts").glob("*.js")]
    shipped = [each for name in _SHIPPED for each in (ROOT / name).rglob("*")]
    return sorted([*kept, *code, *(each for each in shipped if each.suffix in _WITH_COMMENTS)])


def look(paths: Iterable[Path], by: Sequence[Rule]) -> Iterator[Found]:
    """Yield every place of *paths* that breaks one of the rules."""
    for path in paths:
        read = {".py": python, ".md": markdown}.get(path.suffix, comments)
        held = [rule for rule in by if read is markdown or not rule.pages]
        for piece in read(path.read_text(encoding="utf-8")):
            yield from broken(path, piece, held)


def name(path: Path) -> str:
    """Return *path* as it is told."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def counted(found: Sequence[Found], by: Sequence[Rule]) -> Iterator[str]:
    """Yield a line a rule: how often it is broken, and in which five files most often."""
    for rule in by:
        where = Counter(name(each.path) for each in found if each.rule == rule)
        most = ", ".join(f"{path} {number}" for path, number in where.most_common(5))
        yield f"{where.total():5} {'on ' if rule.on else 'off'} {rule.name}: {most}"


def main(words: Sequence[str] | None = None) -> int:
    """Look, print, and return 1 where a rule that is on is broken."""
    parser = argparse.ArgumentParser(prog="python -m tools.prose", description="reads our English")
    parser.add_argument("--all", action="store_true", help="every rule, also those that are off")
    parser.add_argument("--counts", action="store_true", help="how often each rule is broken")
    parser.add_argument("files", nargs="*", type=Path, help="all that have prose, if none is named")
    asked = parser.parse_args(words)
    by = [rule for rule in rules() if rule.on or asked.all or asked.counts]
    found = list(look([path.resolve() for path in asked.files] or files(), by))
    if asked.counts:
        print("\n".join(counted(found, by)))
    else:
        for each in found:
            text = " ".join(each.text.split())[:90]
            print(f"{name(each.path)}:{each.line}: {each.rule.name}: {text!r}. {each.rule.say}")
    return 1 if any(each.rule.on for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
