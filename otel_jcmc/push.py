"""
The wire format of a push: bytes in, a checked Report out.

In comes the body of `POST /metrics/push`; out goes a Report with the fields that are well formed,
keyed by the catalogue's ids, and the list of those that were dropped and why. Strict about
identity (PushRefused), tolerant of everything else: one bad field costs that field. Every check
follows from a row of catalogue.py. Called by receiver.py once per push.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue import (
    ATTRIBUTES,
    CLIENT,
    CONFERENCE,
    METRICS,
    PARTICIPANT,
    Attribute,
    Metric,
    Scope,
)
from otel_jcmc.checks import echo, text_fault
from otel_jcmc.faults import Fault, PushRefused, Reason
from otel_jcmc.push_session import Session, take_session

MAX_TRANSPORTS = 8

_NUMBERS = (int, float)
_ABSENT: Final = frozenset(("", "undefined"))
_METRIC_OF = {row.field: row for row in METRICS}
_BOUNDS_OF = {row.field: (row.id, row.minimum, row.maximum) for row in METRICS if not row.is_list}


def _labels_of(scope: Scope) -> dict[str, Attribute]:
    """Return the attributes that a metric's `labels` may hold, by their key on the wire."""
    rows = (row for row in ATTRIBUTES if row.scope is scope and ".labels." in row.field)
    return {row.field.rpartition(".")[2]: row for row in rows}


_QUALITY_LABELS = _labels_of(Scope.QUALITY)
_PATH_LABELS = _labels_of(Scope.PATH)
_NO_LABELS: dict[str, Attribute] = {}
_LABELS_OF = {
    row.field: _QUALITY_LABELS if row.field == "connectionquality" else _NO_LABELS
    for row in METRICS
}


@dataclass(slots=True)
class Report:
    """
    One participant's state as one push tells it.

    Attributes:
        fields: catalogue id -> number, text, or for a list metric [[value, {id: text}], ...].
            Mutable: enrich.py adds to it. A metric that is not known now is not in it.
        dropped: what was bad, in the order it was met.
    """

    conference: str
    client_id: str
    participant_id: str
    session: Session
    fields: dict[int, Any]
    dropped: list[Fault] = field(default_factory=list)


def parse_push(body: bytes, collect: frozenset[str] = frozenset()) -> Report:
    """
    Check the *body* of a push; *collect* names what personal attributes are kept.

    Raises:
        PushRefused: not a JSON object, wrong identity (every fault of it), or nothing kept.
    """
    push = _decode(body)
    if type(push) is not dict:
        raise PushRefused([Fault("", Reason.NOT_AN_OBJECT)])
    dropped = [
        Fault(echo(key), Reason.UNKNOWN_FIELD)
        for key in push
        if key not in ("default_labels", "session", "metrics", "token")
    ]
    fields = _identity(push.get("default_labels"), dropped)
    session, kept = take_session(push.get("session"), fields, dropped)
    kept += _metrics(push.get("metrics"), fields, dropped, collect)
    if not kept:
        raise PushRefused([Fault("metrics", Reason.NOTHING_KEPT), *dropped])
    return Report(
        fields[CONFERENCE.id], fields[CLIENT.id], fields[PARTICIPANT.id], session, fields, dropped
    )


def _decode(body: bytes) -> Any:
    """Return the JSON in *body*; the slow way only for what msgspec takes for malformed."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Lone surrogates and 1e999 are JSON, and cost their field alone.
        return json.loads(body.decode(), parse_constant=_refuse_constant, parse_int=_parse_int)
    except (ValueError, RecursionError):
        raise PushRefused([Fault("", Reason.NOT_JSON)]) from None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)


def _parse_int(digits: str) -> float:
    """Return an integer, or infinity where it is longer than Python will convert."""
    return int(digits) if len(digits) < 400 else math.inf


def _identity(labels: Any, dropped: list[Fault]) -> dict[int, Any]:
    """Return the three identity fields by their ids; refuse the push if one is wrong."""
    if type(labels) is not dict:
        reason = Reason.MISSING if labels is None else Reason.NOT_AN_OBJECT
        raise PushRefused([Fault("default_labels", reason)])
    fields: dict[int, Any] = {}
    faults = []
    for row in (CLIENT, PARTICIPANT, CONFERENCE):
        value = labels.get(row.field[15:])
        is_there = value is not None and value != ""
        fault = text_fault(value, row) if is_there else Reason.MISSING
        if fault:
            faults.append(Fault(row.field, fault))
        else:
            fields[row.id] = value
    if faults:
        raise PushRefused(faults)
    if len(labels) > 3:
        dropped += [
            Fault(f"default_labels.{echo(key)}", Reason.UNKNOWN_FIELD)
            for key in labels
            if key not in ("client_id", "participant_id", "roomname")
        ]
    return fields


def _metrics(
    metrics: Any, fields: dict[int, Any], dropped: list[Fault], collect: frozenset[str]
) -> int:
    """Add the well-formed *metrics* to *fields* and return how many there were, null included."""
    if metrics is None:
        return 0
    if type(metrics) is not dict:
        dropped.append(Fault("metrics", Reason.NOT_AN_OBJECT))
        return 0
    kept = 0
    for name, entry in metrics.items():
        # The hot case first: a number within bounds, and nothing beside it.
        if type(entry) is dict and len(entry) == 1 and (bounds := _BOUNDS_OF.get(name)):
            value: Any = entry.get("value")
            id_, minimum, maximum = bounds
            if type(value) in _NUMBERS and minimum <= value <= maximum:
                fields[id_] = value
                kept += 1
                continue
        row = _METRIC_OF.get(name)
        if row is None:
            dropped.append(Fault(f"metrics.{echo(name)}", Reason.UNKNOWN_FIELD))
        elif row.is_list:
            kept += _transports(row, entry, fields, dropped, collect)
        elif _is_kept(row, entry, f"metrics.{name}", fields, dropped):
            kept += 1
            if len(entry) > 1:
                _labels(entry, _LABELS_OF[name], f"metrics.{name}", fields, dropped, collect)
    return kept


def _is_kept(
    row: Metric, entry: Any, where: str, fields: dict[int, Any], dropped: list[Fault]
) -> bool:
    """Add one metric's value to *fields* unless it is null, and say whether it is well formed."""
    if type(entry) is not dict:
        dropped.append(Fault(where, Reason.NOT_AN_OBJECT))
        return False
    value = entry.get("value", entry)
    if value is None:
        return True
    if type(value) in _NUMBERS and row.minimum <= value <= row.maximum:
        fields[row.id] = value
        return True
    dropped.append(Fault(f"{where}.value", _value_fault(value, entry)))
    return False


def _transports(
    row: Metric, sent: Any, fields: dict[int, Any], dropped: list[Fault], collect: frozenset[str]
) -> int:
    """Add the well-formed elements of a list metric, at most MAX_TRANSPORTS; return how many."""
    name = f"metrics.{row.field}"
    if type(sent) is not list:
        dropped.append(Fault(name, Reason.NOT_A_LIST))
        return 0
    if len(sent) > MAX_TRANSPORTS:
        dropped.append(Fault(f"{name}[{MAX_TRANSPORTS}]", Reason.TOO_MANY))
    paths = []
    kept = 0 if sent else 1
    for index, entry in enumerate(sent[:MAX_TRANSPORTS]):
        path: dict[int, Any] = {}
        where = f"{name}[{index}]"
        if not _is_kept(row, entry, where, path, dropped):
            continue
        kept += 1
        if len(entry) > 1:
            _labels(entry, _PATH_LABELS, where, path, dropped, collect)
        value = path.pop(row.id, None)
        if value is not None:
            paths.append([value, path])
    if paths:
        fields[row.id] = paths
    return kept


def _labels(
    entry: dict[str, Any],
    known: dict[str, Attribute],
    where: str,
    fields: dict[int, Any],
    dropped: list[Fault],
    collect: frozenset[str],
) -> None:
    """Add the well-formed labels of *entry* to *fields*; a bad one is dropped alone."""
    dropped += [
        Fault(f"{where}.{echo(key)}", Reason.UNKNOWN_FIELD)
        for key in entry
        if key not in ("value", "labels")
    ]
    labels = entry.get("labels")
    if labels is None:
        return
    if type(labels) is not dict:
        dropped.append(Fault(f"{where}.labels", Reason.NOT_AN_OBJECT))
        return
    for key, value in labels.items():
        row = known.get(key)
        if row is None:
            dropped.append(Fault(f"{where}.labels.{echo(key)}", Reason.UNKNOWN_FIELD))
        elif value is None or (type(value) is str and value in _ABSENT):
            continue
        elif reason := text_fault(value, row):
            dropped.append(Fault(f"{where}.labels.{key}", reason))
        elif not row.collect or row.collect in collect:
            fields[row.id] = value


def _value_fault(value: Any, entry: dict[str, Any]) -> Reason:
    """Return why a metric's *value* is none; *entry* stands for a value that is not there."""
    if value is entry:
        return Reason.MISSING
    return Reason.OUT_OF_RANGE if type(value) in _NUMBERS else Reason.NOT_A_NUMBER
