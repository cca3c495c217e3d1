"""
Packs the pushes of one interval into a few bytes: when each push came, and how the call was then.

Nearly every push takes two bytes: the time since the push before, and the state of the call. If
several processes took pushes of one session, history uses these times to put the pushes in order.
`Story` gets the pushes in order and finds the events of the session.

    1 byte   tenths of a second since the push before; 0 for the first push; 255: the next two bytes
             have this number
    1 byte   2 bits: the state (3: not known); 1 bit: whether the push had no vitals; 5 bits: cause
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_jcmc.verdict.rules import OUTAGE, UNKNOWN, WORD_OF, State

# The first 300 pushes of an interval are kept. Of the pushes after these, only the last is kept.
MOST: Final = 300
UNKNOWN_CODE: Final = 3 << 6
SILENT: Final = 1 << 5
_CAUSE: Final = SILENT - 1
_TENTH_MS: Final = 100
LONGER: Final = 0xFF
_LONGEST: Final = 0xFFFF
_WORDS: Final = {state.value: state.name.lower() for state in State}

# At the index of a push's second byte: its state, its cause, and whether it had no vitals.
_HOW: Final = [
    (None if code >> 6 == UNKNOWN_CODE >> 6 else code >> 6, code & _CAUSE, bool(code & SILENT))
    for code in range(256)
]


class Push(NamedTuple):
    """
    One push, with the fields that history keeps of it.

    Attributes:
        at_ms: when the push came, Unix time in ms.
        state: the number of a `State` of verdict/rules.py; None: not known.
        cause: the number of a cause in verdict/rules.py; 0: not known.
        is_silent: whether the push had none of the three vitals (vitals.py).
    """

    at_ms: int
    state: int | None
    cause: int = 0
    is_silent: bool = False


class Event(NamedTuple):
    """
    A change in a session: its call gets another state, or its statistics stop or come back.

    Attributes:
        at_ms: when the push came that shows the change, Unix time in ms.
        what: the event's name: `verdict.good`, or a state with its cause, such as
            `verdict.fair.uplink`, or `stats.stopped` or `stats.resumed`. Logs of an earlier version
            also have `quality.bad` and `quality.good`.
        value: the number that showed the change; only events of an earlier version have it.
    """

    at_ms: int
    what: str
    value: float | None = None


def code_of(state: float | None, cause: float | None, *, is_silent: bool) -> int:
    """Return the second byte of a push: *state*, *cause*, and whether it had no vitals."""
    code = UNKNOWN_CODE if state is None else int(state) << 6
    return code | (is_silent and SILENT) | int(cause or 0) & _CAUSE


def bytes_of(tenths: int, code: int) -> bytes:
    """Return the bytes of a push that came *tenths* tenths of a second after the push before."""
    if tenths < LONGER:
        return bytes((max(0, tenths), code))
    return bytes((LONGER, *min(tenths, _LONGEST).to_bytes(2), code))


def pack(pushes: Iterable[Push]) -> bytes:
    """Return *pushes*, which must be ordered by time, in the packed form of this module."""
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
    """Return the pushes in *packed*, ordered by time; *last_ms* is the time of the last push."""
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
    Return two lists: the tenths of a second before each push of *packed*, and its second byte.

    A push may take four bytes instead of two, so a slice with step 2 would not be enough.
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
    Return how many outages begin in *pushes*, which must be ordered by time.

    If the first push is in an outage, this outage counts too.
    """
    begun, is_out = 0, False
    for push in pushes:
        begun += push.cause == OUTAGE.id and not is_out
        is_out = push.cause == OUTAGE.id
    return begun


class Story:
    """Finds the events of one session: its pushes must be given to `hear`, ordered by time."""

    __slots__ = ("_state", "_was_silent")

    def __init__(self) -> None:
        """Begin a session that has no push yet."""
        self._state: int | None = None
        self._was_silent: bool | None = None

    def hear(self, push: Push) -> list[Event]:
        """Compare *push*, the session's next push, with those before; return the new events."""
        found: list[Event] = []
        if push.state is not None and push.state != self._state:
            # If the session's first known state is good, nothing has changed: this is no event.
            if push.state or self._state:
                found.append(Event(push.at_ms, _event_of(push)))
            self._state = push.state
        # A participant that has just joined has no statistics yet: its statistics have not stopped.
        if self._was_silent is None and push.is_silent:
            return found
        if self._was_silent is (not push.is_silent):
            what = "stats.stopped" if push.is_silent else "stats.resumed"
            found.append(Event(push.at_ms, what))
        self._was_silent = push.is_silent
        return found


def _event_of(push: Push) -> str:
    """Return the event's name: the state of *push*, and its cause if the state is not good."""
    assert push.state is not None
    word = f"verdict.{_WORDS[push.state]}"
    return f"{word}.{WORD_OF.get(push.cause, UNKNOWN)}" if push.state else word
