"""tools/prose.py: what it reads, what it leaves out, and that each of its rules finds its fault."""

from pathlib import Path

import pytest

from tools import prose

PAGE = """# A heading

One line of a paragraph,
and the next. A second `sentence
in code` here.

```sh
no prose
```

- an item
  goes on
- another
  ```
  no prose either
  ```

| a cell | one more |
| --- | --- |
<!-- no prose -->
"""

CODE = '''"""What comes in."""

# A comment,
# of two lines.
text = "no prose"  # beside code


def one() -> None:
    """
    Return *nothing* at all.

    Attributes:
        name: who it is.
        number: how many.
    """  # noqa: D103
'''

# A sentence that breaks the rule, for each rule.
BROKEN = {
    "videobridge": "The videobridge is away.",
    "meeting": "A meeting has ended.",
    "attendee": "Each attendee pushes.",
    "door": "Both doors take it.",
    "somebody": "Then nobody pushes.",
    "told": "It tells the state.",
    "filler": "It is simply away.",
    "long-sentence": " ".join(["word"] * 41) + ".",
    "who-subject": "Who left is gone.",
    "who-bare": "It is said of who left.",
    "who-is-not": "Pages who are not known push.",
    "what-subject": "What is left is gone.",
    "of-start": "Of each the last one.",
    "is-there": "A value is there.",
    "is-no": "It is no page.",
}
FINE = (
    "The bridge of jitsi-videobridge has a meeting id and `a meeting`.",
    " ".join(["word"] * 40) + ". docs/page.md has more. (b) another.",
    " ".join(["1,000.5"] * 40) + ".",
    "Who may read",
    "What it costs",
    "Who may read?",
    "What is left? That is no longer known.",
    "Participants who left end their part of the conference.",
)


def test_prose_is_what_stands_in_no_block() -> None:
    assert [(piece.line, piece.text.strip()) for piece in prose.markdown(PAGE)] == [
        (1, "A heading"),
        (3, "One line of a paragraph,\nand the next. A second `sentence\nin code` here."),
        (11, "an item\n  goes on"),
        (13, "another"),
        (18, "a cell"),
        (18, "one more"),
        (19, "---"),
        (19, "---"),
    ]


def test_of_python_docstrings_and_comments_are_read() -> None:
    found = {(piece.line, piece.text.strip()) for piece in prose.python(CODE) if piece.text}
    assert found == {
        (1, "What comes in."),
        (3, "A comment,\nof two lines."),
        (5, "beside code"),
        (9, "Return *nothing* at all."),
        (11, "Attributes:"),
        (12, "name: who it is."),
        (13, "number: how many."),
    }


def test_of_other_files_whole_lines_of_comment_are_read() -> None:
    text = """#!/bin/sh
# One comment
# of two lines.
key: value  # no line of its own
####
// Another.
/** A third. */
 * A fourth,
-- and a fifth.
--
-- A sixth.
-- @param {string} one that has
--     two lines
"""
    assert [tuple(each) for each in prose.comments(text)] == [
        (2, "One comment\nof two lines."),
        (6, "Another.\nA third. \nA fourth,\nand a fifth."),
        (11, "A sixth."),
        (12, "@param {string} one that has"),
        (13, "    two lines"),
    ]


def test_code_and_links_are_no_words() -> None:
    assert prose.plain("Of `who is` and *name*, [a page](who.md): **bold** _it_ a_b.") == (
        "Of X and X, a page: bold it a_b."
    )


@pytest.mark.parametrize("rule", prose.rules(), ids=lambda rule: rule.name)
def test_a_rule_finds_its_fault_and_nothing_else(rule: prose.Rule, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("\n\n".join(["A first sentence. " + BROKEN[rule.name], *FINE]))
    found = list(prose.look([page], [rule]))
    assert [each.line for each in found] == [1]
    assert rule.say


def test_a_docstring_may_be_half_a_sentence(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text('"""What comes in. A meeting."""\n')
    assert [each.rule.name for each in prose.look([code], prose.rules())] == ["meeting"]


@pytest.fixture
def _one_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules of our own, one of them off: whatever is in force, these tests hold."""
    kept = tmp_path / "rules.toml"
    kept.write_text(
        "[old]\non = false\npattern = 'There (is|are)'\nsay = 'Name who has it.'\n"
        "[attendee]\non = true\npattern = 'attendee'\nsay = 'Our word is participant.'\n"
    )
    own = prose.rules(kept)
    monkeypatch.setattr(prose, "rules", lambda: own)


@pytest.mark.usefixtures("_one_off")
def test_only_a_rule_that_is_on_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("There is a store.\n")
    assert prose.main([str(page)]) == 0
    assert prose.main(["--all", str(page)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{page}:1: old: 'There is a store.'. Name who has it")
    page.write_text("All is well.\nThe attendee pushes.\n")
    assert prose.main([str(page)]) == 1
    assert capsys.readouterr().out.startswith(f"{page}:2: attendee: ")


@pytest.mark.usefixtures("_one_off")
def test_counts_name_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("There is a store. There are two.\n")
    prose.main(["--counts", str(page)])
    assert f"    2 off old: {page} 2\n" in capsys.readouterr().out
