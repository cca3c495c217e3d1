"""The card of a session: written and read again, and search.lua finds each part."""

import struct

import pytest

from otel_jcmc.catalogue.attributes import (
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    PARTICIPANT,
    REGION,
    USERNAME,
)
from otel_jcmc.sessions.card import read_card, write_card
from otel_jcmc.sessions.lines import text_of
from otel_jcmc.sessions.totals import Totals, add, new_totals

AT_MS = 1_796_000_000_000
ATTRIBUTES = {CONFERENCE.id: "Design\nReview", PARTICIPANT.id: "8c87df52"}


def totals() -> Totals:
    """Return the totals of a minute, half of it bad by an outage."""
    found = new_totals()
    add(found, [(500, 600, 300), None, None], [10, None, None], [(300, 2, 1), (300, 0, 0)], [], 1)
    return found


def test_what_is_written_is_read() -> None:
    card = read_card(write_card(AT_MS, totals(), text_of(ATTRIBUTES).encode()))
    assert card.last_ms == AT_MS
    assert card.totals == totals()


def test_lines_are_folded_and_hold_no_other_line() -> None:
    told = {
        CONFERENCE.id: "Board\ns=good",
        CLIENT.id: "AB",
        USERNAME.id: "Ann = Böll",
        REGION.id: "eu",
        BROWSER_NAME.id: "Chrome",
        BROWSER_VERSION.id: "126.0.1",
    }
    card = write_card(AT_MS, totals(), text_of(told).encode())
    assert read_card(card + b"e=left\n").lines == {
        "c": "board s=good",
        "i": "ab",
        "n": "ann = böll",
        "r": "eu",
        "w": "chrome 126",
        "s": "bad",
        "u": "outage",
        "e": "left",
    }
    assert b"\nr=eu\n" in card


def test_the_head_is_where_search_looks() -> None:
    card = write_card(AT_MS, totals(), text_of({}).encode())
    tenths, bad, size = struct.unpack(">IHH", card[:8])
    assert tenths == (AT_MS - 1_704_067_200_000) // 100
    # Thirty of 120 seconds: a quarter of the worst value.
    assert bad == round(0xFFFF / 4)
    assert card[8 + size :] == b"\ns=bad\nu=outage\n"


def test_a_name_is_cut() -> None:
    card = read_card(write_card(AT_MS, new_totals(), text_of({CONFERENCE.id: "x" * 500}).encode()))
    assert card.lines == {"c": "x" * 100}


@pytest.mark.parametrize("card", [b"", b"\0" * 8, b"\0" * 7, b"\0\0\0\0\0\0\0\1\xc1", b"\xff" * 40])
def test_a_damaged_card_is_told(card: bytes) -> None:
    with pytest.raises(ValueError, match="damaged card"):
        read_card(card)
