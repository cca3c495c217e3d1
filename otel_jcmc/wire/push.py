"""
Makes a checked Report from the body of a push.

The input is the body of `POST /metrics/push`. The output is a Report with the well-formed fields by
the catalogue's ids, and with the list of dropped fields and why each was dropped. If the identity
(client, participant or conference) is bad, PushRefused is raised. Any other bad field is dropped,
and the rest of the push is kept. Every check follows from a row of the catalogue and the limits of
the deployment. by_type.py checks pushes without faults; this file finds the faults of all others.
"""

import json
import math
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import CLIENT, CONFERENCE, PARTICIPANT
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, PUSHED
from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.catalogue.rows import Attribute, Metric
from otel_jcmc.wire.by_type import Shape
from otel_jcmc.wire.rules import (
    ABSENT,
    PATH,
    QUALITY,
    Rules,
    echo,
    make_rules,
    text_fault,
)
from otel_jcmc.wire.session import Session, take_session

_NUMBERS = (int, float)
_METRIC_OF = {row.field: row for row in PUSHED}
_BOUNDS_OF = {
    row.field: (row.id - 1, row.minimum, row.maximum) for row in PUSHED if not row.is_list
}
_BAD: Final = object()
# The client id of test pushes. It is a GUID of version 4, like the ids of browsers, but no browser
# will ever make this one by chance.
TEST_CLIENT: Final = "7e57c11e-0000-4000-8000-000000000000"
_NO_LABELS: dict[str, Attribute] = {}


class Report(msgspec.Struct, gc=False):
    """
    One participant's latest state, from a checked push.

    Attributes:
        attributes: catalogue id -> text; for a list metric one {id: text} for each of its values.
            Mutable: intake/intake.py adds to it.
        numbers: the metrics' values: the value of the metric with id n is at n - 1. The value of a
            list metric is a list. None, also in a list, means that the value is not known now.
        dropped: the dropped fields and their reasons, in the order in which they were found.
        token: the token in the body, not checked yet; empty if there is none.
        sent: the numbers in this push itself, if the other numbers are kept from earlier pushes;
            None: this push has all numbers.
        fresh: the numbers that are new enough to judge the call by; None: all numbers.
        is_test: `otel-jcmc doctor` sent the push, to see whether pushes arrive. The participant
            appears in no output, and goes into no history.
    """

    conference: str
    client_id: str
    participant_id: str
    session: Session
    attributes: dict[int, Any]
    numbers: list[Any]
    dropped: list[Fault] = []  # msgspec makes a new one each time
    token: str = ""
    sent: list[Any] | None = None
    fresh: list[Any] | None = None
    is_test: bool = False


class PushParser:
    """Checks the bodies of pushes by the rules of one deployment, and makes Reports of them."""

    def __init__(self, rules: Rules | None = None) -> None:
        """Prepare the checks for *rules*; None: the rules that follow from default settings."""
        self._rules = rules or make_rules()
        self._take_ordinary = Shape(self._rules).take
        self._quality_labels = self._rules.labels_of(QUALITY)
        self._path_labels = self._rules.labels_of(PATH)

    def parse(self, body: bytes) -> Report:
        """
        Return the Report of the push in *body*.

        Raises:
            PushRefused: the body is no JSON object, its identity is wrong (the error names every
                fault of the identity), or no other field is well formed.
        """
        ordinary = self._take_ordinary(body)
        return _report(*ordinary, []) if ordinary else self.parse_by_field(body)

    def parse_by_field(self, body: bytes) -> Report:
        """
        Return the Report of a push, with or without faults, after a check field by field.

        This takes three times as long as the check by by_type.py.

        Raises:
            PushRefused: as `parse`.
        """
        push = decode(body)
        if type(push) is not dict:
            raise PushRefused([Fault("", Reason.NOT_AN_OBJECT)])
        dropped = [
            Fault(echo(key), Reason.UNKNOWN_FIELD)
            for key in push
            if key not in ("default_labels", "session", "metrics", "token")
        ]
        attributes = _identity(push.get("default_labels"), self._rules, dropped)
        session, kept = take_session(push.get("session"), self._rules, attributes, dropped)
        numbers: list[Any] = [None] * LAST_METRIC_ID
        kept += self._metrics(push.get("metrics"), numbers, attributes, dropped)
        if not kept:
            raise PushRefused([Fault("metrics", Reason.NOTHING_KEPT), *dropped])
        return _report(session, attributes, numbers, push.get("token"), dropped)

    def _metrics(
        self, metrics: Any, numbers: list[Any], attributes: dict[int, Any], dropped: list[Fault]
    ) -> int:
        """Put the well-formed *metrics* into *numbers*; return how many, with nulls."""
        if metrics is None:
            return 0
        if type(metrics) is not dict:
            dropped.append(Fault("metrics", Reason.NOT_AN_OBJECT))
            return 0
        kept = 0
        for name, entry in metrics.items():
            # The commonest case comes first: a number within bounds, without labels.
            if type(entry) is dict and len(entry) == 1 and (bounds := _BOUNDS_OF.get(name)):
                value: Any = entry.get("value")
                at, minimum, maximum = bounds
                if type(value) in _NUMBERS and minimum <= value <= maximum:
                    numbers[at] = value
                    kept += 1
                    continue
            row = _METRIC_OF.get(name)
            where = f"metrics.{name}"
            if row is None:
                dropped.append(Fault(f"metrics.{echo(name)}", Reason.UNKNOWN_FIELD))
            elif row.is_list:
                kept += self._transports(row, entry, numbers, attributes, dropped)
            elif (value := _value(row, entry, where, dropped)) is not _BAD:
                numbers[row.id - 1] = value
                kept += 1
                if len(entry) > 1:
                    known = self._quality_labels if name == QUALITY else _NO_LABELS
                    self._labels(entry, known, where, attributes, dropped)
        return kept

    def _transports(
        self,
        row: Metric,
        sent: Any,
        numbers: list[Any],
        attributes: dict[int, Any],
        dropped: list[Fault],
    ) -> int:
        """Put the well-formed elements of a list metric into *numbers*; return their number."""
        name = f"metrics.{row.field}"
        if type(sent) is not list:
            dropped.append(Fault(name, Reason.NOT_A_LIST))
            return 0
        most = self._rules.transports
        if len(sent) > most:
            dropped.append(Fault(f"{name}[{most}]", Reason.TOO_MANY))
        values: list[Any] = []
        paths: list[dict[int, Any]] = []
        kept = 0 if sent else 1
        for index, entry in enumerate(sent[:most]):
            where = f"{name}[{index}]"
            value = _value(row, entry, where, dropped)
            if value is _BAD:
                continue
            kept += 1
            path: dict[int, Any] = {}
            if len(entry) > 1:
                self._labels(entry, self._path_labels, where, path, dropped)
            if value is not None:
                values.append(value)
                paths.append(path)
        if values:
            numbers[row.id - 1] = values
            attributes[row.id] = paths
        return kept

    def _labels(
        self,
        entry: dict[str, Any],
        known: dict[str, Attribute],
        where: str,
        attributes: dict[int, Any],
        dropped: list[Fault],
    ) -> None:
        """Add the well-formed labels of *entry* to *attributes*, and the bad ones to *dropped*."""
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
            elif value is None or (type(value) is str and value in ABSENT):
                continue
            elif reason := text_fault(value, row):
                dropped.append(Fault(f"{where}.labels.{key}", reason))
            elif row.id not in self._rules.dropped:
                attributes[row.id] = value


def _report(
    session: Session,
    attributes: dict[int, Any],
    numbers: list[Any],
    token: Any,
    dropped: list[Fault],
) -> Report:
    """Return a Report with these values; its token is empty if *token* is no text."""
    return Report(
        attributes[CONFERENCE.id],
        attributes[CLIENT.id],
        attributes[PARTICIPANT.id],
        session,
        attributes,
        numbers,
        dropped,
        token if type(token) is str else "",
    )


def decode(body: bytes) -> Any:
    """
    Return the JSON in *body*; Python's slower parser runs only if msgspec rejects the body.

    Raises:
        PushRefused: the body is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Lone surrogates and 1e999 are valid JSON: later only the field that has them is dropped.
        return json.loads(body.decode(), parse_constant=_refuse_constant, parse_int=_parse_int)
    except (ValueError, RecursionError):
        raise PushRefused([Fault("", Reason.NOT_JSON)]) from None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python's parser accepts but JSON does not have."""
    raise ValueError(name)


def _parse_int(digits: str) -> float:
    """Return an integer, or infinity if it has more digits than Python converts."""
    return int(digits) if len(digits) < 400 else math.inf


def _identity(labels: Any, rules: Rules, dropped: list[Fault]) -> dict[int, Any]:
    """Return client, participant and conference by attribute id; PushRefused if one is wrong."""
    if type(labels) is not dict:
        reason = Reason.MISSING if labels is None else Reason.NOT_AN_OBJECT
        raise PushRefused([Fault("default_labels", reason)])
    attributes: dict[int, Any] = {}
    faults = []
    for row in (CLIENT, PARTICIPANT, CONFERENCE):
        value = labels.get(row.field[15:])
        is_there = value is not None and value != ""
        fault = text_fault(value, rules.rows[row.id]) if is_there else Reason.MISSING
        if fault:
            faults.append(Fault(row.field, fault))
        else:
            attributes[row.id] = value
    if faults:
        raise PushRefused(faults)
    if len(labels) > 3:
        dropped += [
            Fault(f"default_labels.{echo(key)}", Reason.UNKNOWN_FIELD)
            for key in labels
            if key not in ("client_id", "participant_id", "roomname")
        ]
    return attributes


def _value(row: Metric, entry: Any, where: str, dropped: list[Fault]) -> Any:
    """Return the value in a metric's *entry*, None for null; _BAD if it is not well formed."""
    if type(entry) is not dict:
        dropped.append(Fault(where, Reason.NOT_AN_OBJECT))
        return _BAD
    value = entry.get("value", _BAD)
    if value is None or (type(value) in _NUMBERS and row.minimum <= value <= row.maximum):
        return value
    dropped.append(Fault(f"{where}.value", _value_fault(value)))
    return _BAD


def _value_fault(value: Any) -> Reason:
    """Return why a metric's *value* is bad; _BAD stands for an entry without a value."""
    if value is _BAD:
        return Reason.MISSING
    return Reason.OUT_OF_RANGE if type(value) in _NUMBERS else Reason.NOT_A_NUMBER
