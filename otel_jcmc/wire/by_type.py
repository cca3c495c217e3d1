"""
Checks a push quickly: msgspec decodes its body and checks the fields' types in one step.

The input is the body of a push. The output is the values of its Report, or None if the push has a
fault or something that this file can't judge. If this file returns None, push.py checks the push
field by field, and finds its faults. Both files use the same rows and rules. schema.py makes the
JSON Schema from the types of this file. For the schema, the types have descriptions, and the checks
of texts that Python does here are written as JSON Schema too; msgspec ignores both when it decodes.
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from otel_jcmc.catalogue.attributes import CLIENT, CONFERENCE, PARTICIPANT, SESSION
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, LIST_ID, MAX_INTERVAL_MS, PUSHED
from otel_jcmc.catalogue.rows import Attribute, Kind, Metric
from otel_jcmc.wire.rules import (
    ABSENT,
    GUID,
    PATH,
    QUALITY,
    SESSION_ID,
    Rules,
    is_guid,
    is_no_address,
    is_session_id,
)
from otel_jcmc.wire.session import (
    END_REASONS,
    FAILED,
    MAX_AGE_MS,
    MAX_CAUSE,
    MAX_SEQ,
    TEXTS,
    Session,
    note_failure,
)

# The description of the token in a body.
IN_BODY: Final = "The token as text, if a header can't be sent."
_NOT_KNOWN: Final = Meta(description="null: not known now.")

# What a push contains: session, attributes and numbers as Report has them, and its field `token`.
Taken = tuple[Session, dict[int, Any], list[Any], Any]
# One item for each label, in the order in which the type of `labels` has them: the label's
# attribute id, a further check of its text or None, and whether the text is kept.
_LabelChecks = list[tuple[int, Any, bool]]

# A Report's numbers have a place for every metric id, but a push has fields for only some of them.
# _INSIDE has the other ids below the largest id of a push, _BEHIND a None for each id above it.
_LAST_FILLED: Final = max(row.id for row in PUSHED if not row.is_list)
_INSIDE: Final = sorted({*range(1, _LAST_FILLED)} - {row.id for row in PUSHED if not row.is_list})
_BEHIND: Final = [None] * (LAST_METRIC_ID - _LAST_FILLED)
_VALUE_OF: Final = attrgetter("value")
# For each kind of label, a check beyond its type and NUL; None: no further check. Add a new kind
# here.
_CHECKS: Final[dict[Kind, Any]] = {Kind.TEXT: None, Kind.CHOICE: None, Kind.ADDRESS: is_no_address}
# For each kind of text, the checks of Python as JSON Schema.
_SCHEMAS: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: {"pattern": r"^[^\u0000]*$"},
    Kind.GUID: {"pattern": f"^{GUID}$"},
    Kind.SESSION: {"pattern": f"^{SESSION_ID}$"},
    Kind.ADDRESS: {
        "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"enum": sorted(ABSENT)}],
    },
}


def _object(name: str, fields: list[Any]) -> Any:
    """Return the type of a JSON object that has only *fields*; msgspec refuses other fields."""
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, frozen=True, gc=False)


def _number(minimum: int, maximum: int) -> Any:
    """Return the type of a number from *minimum* to *maximum*."""
    bounds = Meta(ge=minimum, le=maximum)
    return Annotated[int, bounds] | Annotated[float, bounds]


def text_type(row: Attribute, shortest: int = 0) -> Any:
    """Return the type of the texts of attribute *row*, of *shortest* characters or more."""
    if row.choices:
        return Annotated[Literal[(*row.choices, *ABSENT)], Meta(description=row.brief)]
    told = Meta(
        min_length=shortest or None,
        # The patterns of GUIDs and session ids fix their length.
        max_length=None if row.kind in (Kind.GUID, Kind.SESSION) else row.max_length,
        description=row.brief,
        extra_json_schema=_SCHEMAS[row.kind],
    )
    return Annotated[str, told]


def _labels(rules: Rules, metric: str) -> Any:
    """Return the type of the JSON object `labels` of *metric*."""
    rows = rules.labels_of(metric).items()
    fields = [(key, text_type(row) | None, None) for key, row in rows]
    return _object(f"Labels of {metric}", fields)


def _metrics(rules: Rules) -> Any:
    """Return the type of `metrics`: first its fields by ascending id, then the list metric."""
    entries: dict[Any, Any] = {}
    no_labels = _object("No labels", [])

    def entry(row: Metric, labels: str = "") -> Any:
        """Return the type of a metric's {value, labels}, made once for equal bounds and labels."""
        key = (row.minimum, row.maximum, labels)
        if key not in entries:
            value: Any = _number(row.minimum, row.maximum) | None
            known = _labels(rules, labels) if labels else no_labels
            fields = [("value", Annotated[value, _NOT_KNOWN]), ("labels", known | None, None)]
            entries[key] = _object(f"Entry {len(entries)}", fields)
        return entries[key]

    absent = _object("Absent", [("value", None, None), ("labels", None, None)])()
    numbers: list[Any] = []
    lists: list[Any] = []
    for row in sorted(PUSHED, key=lambda row: row.id):
        told = f"{row.brief}; {row.unit}."
        if row.is_list:
            most = Meta(max_length=rules.transports, description=told)
            path: Any = entry(row, PATH)
            lists.append((row.field, Annotated[list[path], most], ()))
        else:
            labels = QUALITY if row.field == QUALITY else ""
            kind: Any = Annotated[entry(row, labels), Meta(description=told)]
            numbers.append((row.field, kind, absent))
    return _object("Metrics", numbers + lists)


def push_type(rules: Rules) -> Any:
    """Return the type of a whole push under *rules*."""
    cause = Meta(max_length=MAX_CAUSE, description="For a failure: lib-jitsi-meet's error.")
    tried = Meta(description="For a failed join: ms for which it was tried; null: not known.")
    join_ms: Any = _number(0, MAX_INTERVAL_MS) | None
    end: Any = _object(
        "End",
        [
            ("reason", Literal[*END_REASONS]),
            ("cause", Annotated[str, cause] | None, None),
            ("join_ms", Annotated[join_ms, tried], -1),
        ],
    )
    # `end` may have more fields than this type. msgspec skips those fields without checking that
    # they are UTF-8.
    open_end = Annotated[end | None, Meta(extra_json_schema={"additionalProperties": True})]
    rows = [rules.rows[row.id] for row in (CLIENT, PARTICIPANT, CONFERENCE)]
    who = [(row.field.rpartition(".")[2], text_type(row, 1)) for row in rows]
    session = _object(
        "Session",
        [
            ("id", text_type(SESSION, 1), ""),
            ("seq", Annotated[int, Meta(ge=0, le=MAX_SEQ)], -1),
            ("interval_ms", _number(0, MAX_INTERVAL_MS), 0),
            ("stats_age_ms", _number(0, MAX_AGE_MS), 0),
            ("end", open_end, None),
            *((key, text_type(rules.rows[row.id]) | None, None) for key, row in TEXTS.items()),
        ],
    )
    return _object(
        "Push",
        [
            ("default_labels", _object("Identity", who)),
            ("session", session | None, None),
            ("metrics", _metrics(rules) | None, None),
            ("token", Annotated[Any, Meta(description=IN_BODY)], None),
        ],
    )


class _Odd(Exception):
    """The push has a field that this file does not judge; push.py must check the push."""


class Shape:
    """Decodes and checks pushes by the types that are made from a deployment's rules."""

    def __init__(self, rules: Rules) -> None:
        """Make the types for *rules*, which takes some milliseconds."""
        self._decode = msgspec.json.Decoder(push_type(rules)).decode
        self._texts = _checks(rules, TEXTS.values())
        self._quality = _checks(rules, rules.labels_of(QUALITY).values())
        self._path = _checks(rules, rules.labels_of(PATH).values())

    def take(self, body: bytes) -> Taken | None:
        """Return session, attributes, numbers and token of *body*; None: push.py must check it."""
        try:
            push = self._decode(body)
            session, attributes = self._whose(push)
            numbers = self._numbers(push.metrics, attributes)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _Odd):
            return None
        if push.session is None and numbers.count(None) == LAST_METRIC_ID:
            return None
        return session, attributes, numbers, push.token

    def _whose(self, push: Any) -> tuple[Session, dict[int, Any]]:
        """Return the session, and the attributes that say who pushes and in which session."""
        client_id, participant_id, conference = astuple(push.default_labels)
        if not is_guid(client_id) or "\0" in participant_id or "\0" in conference:
            raise _Odd
        attributes = {
            CLIENT.id: client_id,
            PARTICIPANT.id: participant_id,
            CONFERENCE.id: conference,
        }
        if push.session is None:
            return Session(), attributes
        id_, seq, interval_ms, age_ms, end, *texts = astuple(push.session)
        if id_ and not is_session_id(id_):
            raise _Odd
        if any(texts):
            _take_labels(texts, self._texts, attributes)
        reason = end.reason if end else ""
        session = Session(id_, seq, int(interval_ms), reason, stats_age_ms=int(age_ms))
        if reason == FAILED:
            note_failure(session, end.cause, end.join_ms)
        return session, attributes

    def _numbers(self, metrics: Any, attributes: dict[int, Any]) -> list[Any]:
        """Return the metrics' values by their ids, and add their labels to *attributes*."""
        if metrics is None:
            return [None] * LAST_METRIC_ID
        found = astuple(metrics)
        numbers = [*map(_VALUE_OF, found[:-1])]
        for id_ in _INSIDE:
            numbers.insert(id_ - 1, None)
        numbers += _BEHIND
        quality = metrics.connectionquality.labels
        if quality is not None:
            _take_labels(astuple(quality), self._quality, attributes)
        values = []
        taken = []
        for path in found[-1]:
            labels: dict[int, Any] = {}
            if path.labels is not None:
                _take_labels(astuple(path.labels), self._path, labels)
            if path.value is not None:
                values.append(path.value)
                taken.append(labels)
        if values:
            numbers[LIST_ID - 1] = values
            attributes[LIST_ID] = taken
        return numbers


def _checks(rules: Rules, rows: Iterable[Attribute]) -> _LabelChecks:
    """Return each attribute's id in *rows*, its text's check, and whether the text is kept."""
    return [(row.id, _CHECKS[row.kind], row.id not in rules.dropped) for row in rows]


def _take_labels(texts: Sequence[Any], checks: _LabelChecks, into: dict[int, Any]) -> None:
    """Add the kept *texts* to *into*, by attribute id; raise _Odd if a check fails."""
    # compress() skips labels without a text, because most labels are missing.
    for value, (id_, is_bad, is_kept) in compress(zip(texts, checks, strict=True), texts):
        if value != "undefined":
            if "\0" in value or (is_bad and is_bad(value)):
                raise _Odd
            if is_kept:
                into[id_] = value
