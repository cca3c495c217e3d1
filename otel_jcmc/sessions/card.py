r"""
Writes and reads cards. A card has the totals of one session, and the text in which a search looks.

Each time that log.lua writes an entry of a session, it also writes the session's card, into the
hash `cards` of the partition (sid -> card). When the session has ended, `e=<reason>` and a newline
are added to the card. search.lua reads cards inside Redis. Lists of sessions show the content of
cards. A card consists of:

    4 bytes  the last push: tenths of a second since 2024, big-endian
    2 bytes  badness (totals.py); a list with the worst sessions first is sorted by it
    2 bytes  how many bytes the Totals take
    msgpack  Totals
    text     lines (lines.py), the lines of attributes first: "\nc=standup\np=8c87df52\n"
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
    The content of a card, unpacked.

    Attributes:
        last_ms: when the last push that the card counts came, Unix time in ms.
        totals: the sums over all pushes of the session.
        lines: the first character of each line -> the text after the line's `=`, in lower case.
    """

    last_ms: int
    totals: Totals
    lines: dict[str, str]


def write_card(last_ms: int, totals: Totals, text: bytes) -> bytes:
    """
    Return the card of a session with these *totals*.

    *last_ms* is when the session's last push came, Unix time in ms. *text* has the lines that
    `text_of` (lines.py) returns.
    """
    packed = pack(totals)
    tenths = (last_ms - EPOCH_MS) // TENTH_MS
    state, cause, badness = judged(totals)
    lines = _STATE_LINES[state]
    if cause:
        lines += f"{CAUSE_LINE}={cause}\n".encode()
    return _HEAD.pack(tenths, badness, len(packed)) + packed + text + lines


def packed_totals(card: bytes) -> bytes:
    """Return the bytes of the packed totals (totals.py) in a *card* that `write_card` returned."""
    start = _HEAD.size
    return card[start : start + _HEAD.unpack_from(card)[2]]


def lines_text(lines: Mapping[str, str]) -> bytes:
    """Return *lines* of a card as text, without the lines for state, cause and end."""
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
    """Return the totals of a stored *card*; None if the card is empty or damaged."""
    try:
        return read_card(card).totals if card else None
    except ValueError:
        return None
