"""
The shape of a push in which all is well, as types that msgspec decodes and checks in one go.

In comes the body of a push; out goes what its Report is made of, or None when anything in it is
out of the ordinary: then push.py goes through it field by field and tells what is wrong. Both
follow from the same rows of catalogue.py. Called by push.py first: nearly every push is of this
shape, and costs a third.
"""

from functools import cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from otel_jcmc.catalogue import (
    ATTRIBUTES,
    CLIENT,
    CONFERENCE,
    LAST_METRIC_ID,
    MEETING,
    METRICS,
    PARTICIPANT,
    SESSION,
    Attribute,
    Kind,
    Scope,
)
from otel_jcmc.checks import is_guid, is_no_address, is_session_id
from otel_jcmc.push_session import END_REASONS, MAX_AGE_MS, MAX_INTERVAL_MS, MAX_SEQ, Session

MAX_TRANSPORTS: Final = 8
# What a label holds that has nothing to say.
ABSENT: Final = frozenset(("", "undefined"))

# Session, attributes and numbers as Report has them, and whatever the push has for a token.
Taken = tuple[Session, dict[int, Any], list[Any], Any]


def labels_of(scope: Scope) -> dict[str, Attribute]:
    """Return the attributes that a metric's `labels` may hold, by their key on the wire."""
    rows = (row for row in ATTRIBUTES if row.scope is scope and ".labels." in row.field)
    return {row.field.rpartition(".")[2]: row for row in rows}


def _object(name: str, fields: list[Any], *, is_closed: bool = True) -> Any:
    """Return the type of a JSON object with these *fields*, and no others if it *is_closed*."""
    return msgspec.defstruct(name, fields, forbid_unknown_fields=is_closed, frozen=True, gc=False)


def _number(minimum: int, maximum: int) -> Any:
    """Return the type of a number within the bounds."""
    bounds = Meta(ge=minimum, le=maximum)
    return Annotated[int, bounds] | Annotated[float, bounds]


def _text(row: Attribute, shortest: int = 0) -> Any:
    """Return the type of a text, as far as a type can tell."""
    if row.choices:
        return Literal[(*row.choices, *ABSENT)]
    return Annotated[str, Meta(min_length=shortest, max_length=row.max_length)]


@cache
def _entry(minimum: int, maximum: int, labels: Scope | None = None) -> Any:
    """Return the type of a metric's entry; metrics with the same bounds share it."""
    fields: list[Any] = [("value", _number(minimum, maximum) | None)]
    if labels is not None:
        rows = labels_of(labels).items()
        of = _object("Labels", [(key, _text(row) | None, None) for key, row in rows])
        fields.append(("labels", of | None, None))
    return _object("Entry", fields)


def _metrics() -> Any:
    """Return the type of `metrics`: fields in the order of their ids, the list at the end."""
    absent = _entry(0, 0, Scope.QUALITY)(None)
    numbers: list[Any] = []
    lists: list[Any] = []
    for row in sorted(METRICS, key=lambda row: row.id):
        if row.is_list:
            path: Any = _entry(row.minimum, row.maximum, Scope.PATH)
            lists.append((row.field, Annotated[list[path], Meta(max_length=MAX_TRANSPORTS)], ()))
        else:
            labels = Scope.QUALITY if row.field == "connectionquality" else None
            numbers.append((row.field, _entry(row.minimum, row.maximum, labels), absent))
    return _object("Metrics", numbers + lists)


_IDENTITY: Final = _object(
    "Identity",
    [(row.field.rpartition(".")[2], _text(row, 1)) for row in (CLIENT, PARTICIPANT, CONFERENCE)],
)
_SESSION: Final = _object(
    "Session",
    [
        ("id", _text(SESSION, 1), ""),
        ("meeting_id", _text(MEETING) | None, None),
        ("seq", Annotated[int, Meta(ge=0, le=MAX_SEQ)], -1),
        ("interval_ms", _number(0, MAX_INTERVAL_MS), 0),
        ("stats_age_ms", _number(0, MAX_AGE_MS), 0),
        ("end", _object("End", [("reason", Literal[*END_REASONS])], is_closed=False) | None, None),
    ],
)
_PUSH: Final = _object(
    "Push",
    [
        ("default_labels", _IDENTITY),
        ("session", _SESSION | None, None),
        ("metrics", _metrics() | None, None),
        ("token", Any, None),
    ],
)
_decode: Final = msgspec.json.Decoder(_PUSH).decode
_LIST: Final = next(row.id for row in METRICS if row.is_list)
# Places among the numbers that no field of `metrics` fills; ids are not used again.
_EMPTY: Final = sorted(
    {*range(1, LAST_METRIC_ID + 1)} - {row.id for row in METRICS if not row.is_list}
)
# What there is to check of a label beyond its type and NUL; a new kind has to be put here.
_CHECKS: Final[dict[Kind, Any]] = {Kind.TEXT: None, Kind.CHOICE: None, Kind.ADDRESS: is_no_address}


def _rules(scope: Scope) -> list[tuple[int, Any, str]]:
    """Return id, check and setting of each label in the order of its type."""
    return [(row.id, _CHECKS[row.kind], row.collect) for row in labels_of(scope).values()]


_QUALITY_RULES: Final = _rules(Scope.QUALITY)
_PATH_RULES: Final = _rules(Scope.PATH)


class _Odd(Exception):
    """There is something that a type can't tell."""


def take_ordinary(body: bytes, collect: frozenset[str]) -> Taken | None:
    """Return what the push in *body* tells; None when there is anything to say about it."""
    try:
        push = _decode(body)
        session, attributes = _whose(push)
        numbers = _numbers(push.metrics, attributes, collect)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _Odd):
        return None
    if push.session is None and numbers.count(None) == LAST_METRIC_ID:
        return None
    return session, attributes, numbers, push.token


def _whose(push: Any) -> tuple[Session, dict[int, Any]]:
    """Return the session and who it is."""
    client_id, participant_id, conference = astuple(push.default_labels)
    if not is_guid(client_id) or "\0" in participant_id or "\0" in conference:
        raise _Odd
    attributes = {CLIENT.id: client_id, PARTICIPANT.id: participant_id, CONFERENCE.id: conference}
    if push.session is None:
        return Session(), attributes
    id_, meeting, seq, interval_ms, _, end = astuple(push.session)
    if id_ and not is_session_id(id_):
        raise _Odd
    if meeting:
        if "\0" in meeting:
            raise _Odd
        attributes[MEETING.id] = meeting
    return Session(id_, seq, int(interval_ms), end.reason if end else ""), attributes


def _numbers(metrics: Any, attributes: dict[int, Any], collect: frozenset[str]) -> list[Any]:
    """Return the numbers, and add to *attributes* what labels them."""
    if metrics is None:
        return [None] * LAST_METRIC_ID
    found = astuple(metrics)
    numbers = [entry.value for entry in found[:-1]]
    for id_ in _EMPTY:
        numbers.insert(id_ - 1, None)
    quality = metrics.connectionquality.labels
    if quality is not None:
        _take_labels(quality, _QUALITY_RULES, attributes, collect)
    values = []
    taken = []
    for path in found[-1]:
        labels: dict[int, Any] = {}
        if path.labels is not None:
            _take_labels(path.labels, _PATH_RULES, labels, collect)
        if path.value is not None:
            values.append(path.value)
            taken.append(labels)
    if values:
        numbers[_LIST - 1] = values
        attributes[_LIST] = taken
    return numbers


def _take_labels(
    labels: Any, rules: list[tuple[int, Any, str]], into: dict[int, Any], collect: frozenset[str]
) -> None:
    """Add to *into* what *labels* say."""
    for value, (id_, is_bad, setting) in zip(astuple(labels), rules, strict=False):
        if not value or value == "undefined":
            continue
        if "\0" in value or (is_bad and is_bad(value)):
            raise _Odd
        if not setting or setting in collect:
            into[id_] = value
