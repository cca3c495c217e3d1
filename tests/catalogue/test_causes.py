"""The causes of failed calls: a closed list, the same as in the docs."""

import re
from pathlib import Path

import pytest

from otel_jcmc.catalogue.causes import CAUSES, WORDS, cause_of

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


def test_a_word_is_fit_for_a_label_and_stands_for_one_error() -> None:
    assert all(re.fullmatch(r"[a-z][a-z_]{2,40}", word) for word in WORDS)
    assert len(set(CAUSES.values())) == len(CAUSES)
    assert len(WORDS) == len(CAUSES) + 1


@pytest.mark.parametrize("error", [None, 5, "", "Ada", "conference.iceFailed ", ["x"], {}])
def test_whatever_is_not_listed_is_other(error: object) -> None:
    assert cause_of(error) == "other"


def test_the_page_on_the_client_has_each_error_and_its_word() -> None:
    listed = re.findall(r"^\| `(\w+)` \| `(con\w+\.[\w.]+)` \|$", PAGE, re.MULTILINE)
    assert {error: word for word, error in listed} == CAUSES
