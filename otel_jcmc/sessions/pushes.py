"""
Packs the pushes of an interval into a few bytes: when each push came, and how the call was.

Most pushes take two bytes: the time since the previous push, and the state. If several processes
took pushes of one session, these bytes allow to put all pushes in order of time. `Story` returns
the events of a session from its pushes. The bytes of a push:

    1 byte   tenths of a second since the previous push, 0 for the first push; 255: the next two
             bytes have the number
    1 byte   2 bits state (3: not known), 1 bit whether statistics were silent, 5 bits cause
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_jcmc.verdict.rules import OUTAGE, UNKNOWN, WORD_OF, State

# An interval keeps at most this number of pushes. Of further pushes, it keeps only the last.
MOST: Final = 300
UNKNOWN_CODE: Final = 3 << 6
SILENT: Final = 1 << 5
_CAUSE: Final = SILENT - 1
_TENTH_MS: Final = 100
LONGER: Final = 0xFF
_LONGEST: Final = 0xFFFF
_WORDS: Final = {state.value: state.name.lower() for state in State}

# Code, the second byte of a push -> state, cause, and whether statistics were silent.
_HOW: Final = [
    (None if code >> 6 == UNKNOWN_CODE >> 6 else code >> 6, code & _CAUSE, bool(code & SILENT))
    for code in range(256)
]


class Push(NamedTuple):
    """
    The part of a push that history keeps.

    Attributes:
        at_ms: the time of the push, Unix time in ms.
        state: a state of verdict/rules.py; None: not known.
        cause: the id of a cause of verdict/rules.py; 0: no known cause.
        is_silent: whether the push had neither quality, nor loss, nor round trip.
    """

    at_ms: int
    state: int | None
    cause: int = 0
    is_silent: bool = False


class Event(NamedTuple):
    """
    Something that happened in a session.

    Attributes:
        what: the name: `verdict.good`, or a state with its cause, such as `verdict.fair.uplink`;
            `stats.stopped` or `stats.resumed`. Earlier versions also wrote `quality.bad` and
            `quality.good`.
        value: the quality at the event; only events of earlier versions have it.
    """

    at_ms: int
    what: str
    value: float | None = None


def code_of(state: float | None, cause: float | None, *, is_silent: bool) -> int:
    """Return the byte for the state and cause of a push, and for whether it *is_silent*."""
    code = UNKNOWN_CODE if state is None else int(state) << 6
    return code | (is_silent and SILENT) | int(cause or 0) & _CAUSE


def bytes_of(tenths: int, code: int) -> bytes:
    """Return the bytes of a push that came *tenths* of a second after the previous push."""
    if tenths < LONGER:
        return bytes((max(0, tenths), code))
    return bytes((LONGER, *min(tenths, _LONGEST).to_bytes(2), code))


def pack(pushes: Iterable[Push]) -> bytes:
    """Return the bytes of *pushes*, which are in order of time."""
    packed = bytearray()
    before = None
    for push in pushes:
        at = push.at_ms // _TENTH_MS
        packed += bytes_of(0 if before is None else at - before, _code(push))
        before = at
    return bytes(packed)


def _code(push: Push) -> int:
    return code_of(push.state, push.cause, is_silent=push.is_silent)


def unpack(packed: bytes, last_ms: int) -> list[Push]:
    """Return the pushes in *packed* in order of time; the last push came at *last_ms* (Unix ms)."""
    gaps: Sequence[int] = packed[::2]
    codes: Sequence[int] = packed[1::2]
    if LONGER in gaps:
        gaps, codes = _apart(packed)
    gaps = gaps[: len(codes)]
    when = last_ms - sum(gaps) * _TENTH_MS
    found: list[Push] = []
    for gap, code in zip(gaps, codes, strict=True):
        when += gap * _TENTH_MS
        found.append(Push(when, *_HOW[code]))
    return found


def _apart(packed: bytes) -> tuple[list[int], list[int]]:
    """
    Return the tenths before each push, and the second byte of each push.

    This also reads *packed* pushes that take four bytes.
    """
    gaps, codes = [], []
    at, end = 0, len(packed)
    while at + 1 < end:
        gap = packed[at]
        if gap == LONGER:
            gap = int.from_bytes(packed[at + 1 : at + 3])
            at += 2
        at += 1
        if at < end:
            gaps.append(gap)
            codes.append(packed[at])
        at += 1
    return gaps, codes


def begun_outages(pushes: Iterable[Push]) -> int:
    """
    Return the number of outages that begin in *pushes*, which are in order of time.

    If the first push has an outage, this outage counts too.
    """
    begun, is_out = 0, False
    for push in pushes:
        begun += push.cause == OUTAGE.id and not is_out
        is_out = push.cause == OUTAGE.id
    return begun


class Story:
    """Finds the events of a session: give `hear` its pushes in order of time."""

    __slots__ = ("_state", "_was_silent")

    def __init__(self) -> None:
        """Begin a session that has no pushes yet."""
        self._state: int | None = None
        self._was_silent: bool | None = None

    def hear(self, push: Push) -> list[Event]:
        """Return the events at *push*, compared with the previous push; often there are none."""
        found: list[Event] = []
        if push.state is not None and push.state != self._state:
            # If the first push is good, no event says that the session became good.
            if push.state or self._state:
                found.append(Event(push.at_ms, _event_of(push)))
            self._state = push.state
        # A participant that has just joined has no statistics yet, so no event says that they
        # stopped.
        if self._was_silent is None and push.is_silent:
            return found
        if self._was_silent is (not push.is_silent):
            what = "stats.stopped" if push.is_silent else "stats.resumed"
            found.append(Event(push.at_ms, what))
        self._was_silent = push.is_silent
        return found


def _event_of(push: Push) -> str:
    """Return the name of the event for the state and cause of *push*."""
    assert push.state is not None
    word = f"verdict.{_WORDS[push.state]}"
    return f"{word}.{WORD_OF.get(push.cause, UNKNOWN)}" if push.state else word
