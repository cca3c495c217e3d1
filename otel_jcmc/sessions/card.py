r"""
The card of a session: search finds the session by its card, and lists show the card's content.

log.lua writes it with each entry, beside the session's log, into the hash `cards` of the partition
(sid -> card). When the session has ended, the card also gets `e=<reason>` and a newline. search.lua
reads cards inside Redis. A card consists of:

    4 bytes  the last push: tenths of a second since 2024, big-endian
    2 bytes  badness (totals.py), the order of "worst first"
    2 bytes  the length of the next part
    msgpack  Totals
    text     lines (lines.py), those of the attributes first: "\nc=standup\np=8c87df52\n"
"""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.lines import CAUSE_LINE, END_LINE, STATE_LINE
from otel_jcmc.sessions.stretches import TENTH_MS
from otel_jcmc.sessions.totals import Totals, judged, pack, unpack
from otel_jcmc.verdict.rules import State

_MADE: Final = {STATE_LINE, CAUSE_LINE, END_LINE}
_STATE_LINES: Final = {None: b""} | {
    state: f"{STATE_LINE}={state.name.lower()}\n".encode() for state in State
}
_HEAD: Final = struct.Struct(">IHH")


class Card(NamedTuple):
    """
    The content of a card.

    Attributes:
        last_ms: when the last push that the card counts came, Unix time in ms.
        lines: the first character of each line -> the line's text, in lower case.
    """

    last_ms: int
    totals: Totals
    lines: dict[str, str]


def write_card(last_ms: int, totals: Totals, text: bytes) -> bytes:
    """Return the card of a session with these *totals*; *text* is the lines from `text_of`."""
    packed = pack(totals)
    tenths = (last_ms - EPOCH_MS) // TENTH_MS
    state, cause, badness = judged(totals)
    lines = _STATE_LINES[state]
    if cause:
        lines += f"{CAUSE_LINE}={cause}\n".encode()
    return _HEAD.pack(tenths, badness, len(packed)) + packed + text + lines


def packed_totals(card: bytes) -> bytes:
    """Return the totals in a *card* of `write_card`, as totals.py packs them."""
    start = _HEAD.size
    return card[start : start + _HEAD.unpack_from(card)[2]]


def lines_text(lines: Mapping[str, str]) -> bytes:
    """Return *lines* of a card as text, without the lines about its totals and its end."""
    kept = (f"{mark}={text}\n" for mark, text in lines.items() if mark not in _MADE)
    return ("\n" + "".join(kept)).encode()


def read_card(card: bytes) -> Card:
    """
    Return the content of *card*.

    Raises:
        ValueError: the card is damaged.
    """
    try:
        tenths, _, size = _HEAD.unpack_from(card)
        start = _HEAD.size + size
        totals = unpack(card[_HEAD.size : start])
        rows = card[start:].decode().split("\n")
    except (struct.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged card: {error}") from error
    lines = {mark: text for mark, between, text in (row.partition("=") for row in rows) if between}
    return Card(EPOCH_MS + tenths * TENTH_MS, totals, lines)


def totals_of(card: bytes) -> Totals | None:
    """Return the totals of a stored *card*; None if the card is empty or can't be read."""
    try:
        return read_card(card).totals if card else None
    except ValueError:
        return None
