"""
Checks the `session` object of a push: the session's id, the push's number, how the session ended.

The input is the object `session`. The output is its well-formed fields. A bad field is dropped; the
other fields are kept.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import FEEDBACK, MEETING, ROLE, SESSION
from otel_jcmc.catalogue.causes import cause_of
from otel_jcmc.catalogue.metrics import MAX_INTERVAL_MS
from otel_jcmc.catalogue.reasons import Fault, Reason
from otel_jcmc.wire.rules import (
    ABSENT,
    Rules,
    echo,
    number_fault,
    text_fault,
    whole_number_fault,
)

MAX_SEQ = 2**32 - 1
# Fields of `session` that become attributes of the Report: key -> attribute.
TEXTS: Final = {row.field.partition(".")[2]: row for row in (MEETING, ROLE, FEEDBACK)}
END_REASONS = frozenset(("left", "kicked", "closed", "suspended", "failed"))
# If `stats_age_ms` is larger than this (a day), the browser's clock is wrong.
MAX_AGE_MS = 86_400_000
# The most characters of an error's name; all names of lib-jitsi-meet are shorter.
MAX_CAUSE: Final = 128
FAILED: Final = "failed"


class Session(msgspec.Struct, gc=False):
    """
    The values of `session` in a push.

    Attributes:
        id: the id that the client gives; empty: store/participant.py makes an id.
        seq: number of this push in the session; -1: the push does not say it.
        interval_ms: the time that this client waits between two pushes; 0: the push does not say.
        end: why the participant leaves; empty: the participant does not leave.
        cause: why the session failed, a word of catalogue/causes.py; empty: the push does not say.
        join_ms: how many ms the participant tried to join in vain; -1: no failed join.
        stats_age_ms: age of the browser's newest statistics; 0: the push does not say.
    """

    id: str = ""
    seq: int = -1
    interval_ms: int = 0
    end: str = ""
    cause: str = ""
    join_ms: int = -1
    stats_age_ms: int = 0


def take_session(
    sent: Any, rules: Rules, attributes: dict[int, Any], dropped: list[Fault]
) -> tuple[Session, int]:
    """Return the session from *sent*, the push's `session`, and how many fields are well formed."""
    session = Session()
    if sent is None:
        return session, 0
    if type(sent) is not dict:
        dropped.append(Fault("session", Reason.NOT_AN_OBJECT))
        return session, 0
    kept = 0 if sent else 1
    for key, value in sent.items():
        if take := _SESSION_FIELDS.get(key):
            reason = take(session, value)
        elif key == "end":
            reason = _take_end(session, value, dropped)
        elif row := TEXTS.get(key):
            reason = _take_text(value, row.id, rules, attributes)
        else:
            reason = Reason.UNKNOWN_FIELD
        if reason:
            dropped.append(Fault(f"session.{echo(key)}", reason))
        else:
            kept += 1
    return session, kept


def _take_id(session: Session, value: Any) -> Reason | None:
    reason = text_fault(value, SESSION)
    if not reason:
        session.id = value
    return reason


def _take_text(value: Any, id_: int, rules: Rules, attributes: dict[int, Any]) -> Reason | None:
    if value is None or (type(value) is str and value in ABSENT):
        return None
    reason = text_fault(value, rules.rows[id_])
    if not reason and id_ not in rules.dropped:
        attributes[id_] = value
    return reason


def _take_seq(session: Session, value: Any) -> Reason | None:
    reason = whole_number_fault(value, MAX_SEQ)
    if not reason:
        session.seq = int(value)
    return reason


def _take_interval(session: Session, value: Any) -> Reason | None:
    reason = number_fault(value, 0, MAX_INTERVAL_MS)
    if not reason:
        session.interval_ms = int(value)
    return reason


def _take_age(session: Session, value: Any) -> Reason | None:
    reason = number_fault(value, 0, MAX_AGE_MS)
    if not reason:
        session.stats_age_ms = int(value)
    return reason


def _take_end(session: Session, value: Any, dropped: list[Fault]) -> Reason | None:
    if value is None:
        return None
    if type(value) is not dict:
        return Reason.NOT_AN_OBJECT
    reason = value.get("reason")
    if type(reason) is not str:
        return Reason.NOT_TEXT
    if reason not in END_REASONS:
        return Reason.UNKNOWN_WORD
    session.end = reason
    error, join_ms = value.get("cause"), value.get("join_ms")
    # If the error or the join's duration is bad, only that field is dropped.
    if error is not None and (fault := _cause_fault(error)):
        dropped.append(Fault("session.end.cause", fault))
        error = ""
    if join_ms is not None and (fault := number_fault(join_ms, 0, MAX_INTERVAL_MS)):
        dropped.append(Fault("session.end.join_ms", fault))
        join_ms = -1
    elif "join_ms" not in value:
        join_ms = -1
    if reason == FAILED:
        note_failure(session, error, join_ms)
    return None


def _cause_fault(error: Any) -> Reason | None:
    """Return why *error* is no valid name of lib-jitsi-meet's error; None if it is valid."""
    if type(error) is not str:
        return Reason.NOT_TEXT
    return Reason.TOO_LONG if len(error) > MAX_CAUSE else None


def note_failure(session: Session, error: str | None, join_ms: float | None) -> None:
    """Put into *session* the cause that *error* stands for, and the ms that a join was tried."""
    if error is not None:
        session.cause = cause_of(error)
    # A failed join counts even if the client does not know how long it took.
    session.join_ms = 0 if join_ms is None else int(join_ms)


# Field of `session` -> the function that takes its value, or returns why the value is bad.
_SESSION_FIELDS: Final[dict[str, Callable[[Session, Any], Reason | None]]] = {
    "id": _take_id,
    "seq": _take_seq,
    "interval_ms": _take_interval,
    "stats_age_ms": _take_age,
}
