"""
Sessions as JSON and CSV.

In come what sessions/history.py has read, out go the pieces of an answer, made as they are sent: a
log of a day is megabytes of text. Metrics have the names of their fields, attributes those of their
labels.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    OS_NAME,
    OS_VERSION,
    PARTICIPANT,
    REGION,
    ROLE,
)
from otel_jcmc.catalogue.metrics import CAUSE_ID, LIST_ID, METRICS, MOS_ID, PUSHED, STATE_ID
from otel_jcmc.intake.privacy import name_of
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.entry import read as read_entry
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.pushes import Story
from otel_jcmc.sessions.span_ids import session_span_id, trace_id
from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITALS, vitals
from otel_jcmc.store.sid import sid_conference
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State
from otel_jcmc.web.session_query import View

JSON: Final = "application/json"
CSV: Final = "text/csv; charset=utf-8"
# So many samples are one piece of an answer.
PIECE: Final = 200
_FIELD: Final = {row.id: row.field for row in METRICS}
_PUSHED: Final = frozenset(row.id for row in PUSHED)
_NAME: Final = {row.id: name_of(row) for row in ATTRIBUTES}
_STATE: Final = {state.value: state.name.lower() for state in State}
_VERDICT: Final = ("state", "cause", "audio_mos")
_encode: Final = msgspec.json.Encoder().encode


def list_text(found: Sequence[PastSession], after: str | None) -> bytes:
    """Return a page of sessions as JSON."""
    return _encode({"sessions": [about(each) for each in found], "next": after}) + b"\n"


def about(session: PastSession) -> dict[str, Any]:
    """Return who it was and when, as JSON has it."""
    known = session.attributes
    until_ms = session.last_ms if session.ended_ms is None else session.ended_ms
    paths = known.get(LIST_ID, [])
    return {
        "id": session.sid,
        "conference": known.get(CONFERENCE.id),
        "client_id": known.get(CLIENT.id),
        "participant_id": known.get(PARTICIPANT.id),
        "session_id": session.session_id,
        "started": _time(session.started_ms),
        "last_push": _time(session.last_ms),
        "ended": None if session.ended_ms is None else _time(session.ended_ms),
        "end_reason": session.reason,
        "end_cause": session.cause or None,
        "duration_seconds": max(0, until_ms - session.started_ms) / 1000,
        "samples_count": session.samples,
        "browser": _joined(known, BROWSER_NAME.id, BROWSER_VERSION.id),
        "system": _joined(known, OS_NAME.id, OS_VERSION.id),
        "region": known.get(REGION.id),
        "bridge": known.get(BRIDGE.id),
        "role": known.get(ROLE.id),
        "rating": session.rating,
        "feedback": session.feedback,
        "transports": [_named(path) for path in paths],
        "leg": session.leg,
        "previous": session.previous or None,
        **_span(session),
    }


def _span(session: PastSession) -> dict[str, str | None]:
    """Return the ids of the session's span, null where sessions become none."""
    if not session.instance.isdigit():
        return {"trace_id": None, "span_id": None}
    instance, sid = int(session.instance), session.sid
    return {
        "trace_id": trace_id(sid_conference(sid), instance).hex(),
        "span_id": session_span_id(sid, instance, session.session, session.leg).hex(),
    }


def session_text(
    session: PastSession, entries: Sequence[bytes], view: View, interval_ms: int
) -> Iterator[bytes]:
    """
    Return *session* with the samples in *entries*, piece by piece.

    A sample has the metrics of *view*, or all that were ever pushed; null: not known then. Beside
    them is what the service said of the call, where it did. Between two that are further apart than
    an interval and a time to live nothing was there: a gap.
    """
    log = _Log(entries, view, interval_ms + session.ttl_ms)
    if view.is_csv:
        yield from _csv(log)
        return
    head = about(session) | {"interval_seconds": interval_ms / 1000, "metrics": log.fields}
    head["summary"] = log.summary
    # The samples come into the object that the head has begun.
    yield _encode(head)[:-1] + b',"samples":['
    between = b""
    for piece in log.rows():
        yield between + b",".join(map(_encode, piece))
        between = b","
    yield b"]}\n"


class _Log:
    """
    The samples of one session in the order of their times.

    Attributes:
        fields: the names of the metrics that a row has.
        judged: what the service said of any sample, of _VERDICT.
        summary: worst, mean and best of quality, loss and round trip.
    """

    def __init__(self, entries: Sequence[bytes], view: View, apart_ms: int) -> None:
        """Look through *entries* once; they are kept as they are, a twentieth of what they say."""
        timed: list[tuple[int, bytes]] = []
        known: set[int] = set()
        judged: set[str] = set()
        sums = [_Sum(is_lower) for is_lower in LOWER_IS_WORSE]
        for entry in entries:
            with suppress(ValueError):
                sample = read_entry(entry)
                timed.append((sample.at_ms, entry))
                known.update(i for i, each in enumerate(sample.numbers, 1) if _is_known(each))
                judged.update(_verdict_of(sample))
                last = vitals(sample.numbers)
                for each, *told in zip(sums, sample.worst, last, sample.best, strict=True):
                    each.add(*told)
        # Two processes that took pushes of one session wrote each its own.
        timed.sort(key=lambda each: each[0])
        self._entries = [entry for _, entry in timed]
        self._ids = view.ids or sorted(known & _PUSHED)
        self._fill = view.fill
        self._apart_ms = apart_ms
        self._story = Story()
        self.fields = [_FIELD[id_] for id_ in self._ids]
        self.judged = [name for name in _VERDICT if name in judged]
        self.summary = {name: each.to_dict() for name, each in zip(VITALS, sums, strict=True)}

    def rows(self) -> Iterator[list[dict[str, Any]]]:
        """Return the samples as JSON has them, some at a time."""
        before_ms = 0
        kept: dict[int, Any] = {}
        for start in range(0, len(self._entries), PIECE):
            piece = []
            for entry in self._entries[start : start + PIECE]:
                sample = read_entry(entry)
                row = self._row(sample, kept)
                if before_ms and sample.at_ms - before_ms > self._apart_ms:
                    row["gap_seconds"] = (sample.at_ms - before_ms) / 1000
                before_ms = sample.at_ms
                piece.append(row)
            yield piece

    def _row(self, sample: Sample, kept: dict[int, Any]) -> dict[str, Any]:
        """Return one sample; *kept* is what was known before, and is brought up to date."""
        told = {id_: sample.numbers[id_ - 1] for id_ in self._ids} | _counted(sample, self._ids)
        if self._fill:
            kept.update((id_, each) for id_, each in told.items() if _is_known(each))
            told = {id_: kept.get(id_) for id_ in self._ids}
        row: dict[str, Any] = {
            "time": _time(sample.at_ms),
            "metrics": dict(zip(self.fields, told.values(), strict=True)),
            "worst": dict(zip(VITALS, sample.worst, strict=True)),
            "best": dict(zip(VITALS, sample.best, strict=True)),
        }
        if verdict := _verdict_of(sample):
            row["verdict"] = verdict
        if sample.attributes is not None:
            row["attributes"] = _named(sample.attributes)
        happened = [*sample.events]
        for push in sample.pushes:
            happened += self._story.hear(push)
        if happened:
            row["events"] = [
                {"time": _time(each.at_ms), "what": each.what, "value": each.value}
                for each in happened
            ]
        return row


def _counted(sample: Sample, ids: Sequence[int]) -> dict[int, int]:
    """Return what was counted in the whole interval, of *ids*: a last push has its own alone."""
    known = zip(COUNTED, sample.counts, strict=False)
    return {at + 1: count for at, count in known if count is not None and at + 1 in ids}


def _verdict_of(sample: Sample) -> dict[str, Any]:
    """Return how the call was and why, and what the participant heard, as far as it is known."""
    mos, state, cause = (sample.numbers[id_ - 1] for id_ in (MOS_ID, STATE_ID, CAUSE_ID))
    told = (_STATE.get(state), WORD_OF.get(cause, UNKNOWN) if state else None, mos)
    return {name: each for name, each in zip(_VERDICT, told, strict=True) if each is not None}


class _Sum:
    """Worst, mean and best of one vital."""

    def __init__(self, lower_is_worse: bool) -> None:  # noqa: FBT001  # as LOWER_IS_WORSE has it
        """Begin with nothing."""
        self._worse, self._better = (min, max) if lower_is_worse else (max, min)
        self._worst: list[float] = []
        self._best: list[float] = []
        self._total, self.count = 0.0, 0

    def add(self, worst: float | None, last: float | None, best: float | None) -> None:
        """Add what is known of one interval."""
        if worst is not None:
            self._worst = [self._worse([worst, *self._worst])]
        if best is not None:
            self._best = [self._better([best, *self._best])]
        if last is not None:
            self._total += last
            self.count += 1

    def to_dict(self) -> dict[str, float | None]:
        """Return them; the mean is of the intervals' last pushes."""
        return {
            "worst": next(iter(self._worst), None),
            "mean": round(self._total / self.count, 2) if self.count else None,
            "best": next(iter(self._best), None),
        }


def _csv(log: _Log) -> Iterator[bytes]:
    """
    Return the samples of *log* as CSV (RFC 4180).

    Of a list it has the worst. What people chose for names is in JSON, in a cell that no
    spreadsheet takes for a formula.
    """
    edges = [f"{name}_{which}" for name in VITALS for which in ("worst", "best")]
    page = io.StringIO()
    writer = csv.writer(page)
    verdict = [f"verdict.{name}" for name in log.judged]
    writer.writerow(["time", *log.fields, *edges, "gap_seconds", "attributes", "events", *verdict])
    for piece in log.rows():
        for row in piece:
            numbers = row["metrics"].values()
            writer.writerow(
                [
                    row["time"],
                    *map(_worst, numbers),
                    *(row[which][name] for name in VITALS for which in ("worst", "best")),
                    row.get("gap_seconds"),
                    *(
                        _encode(row[part]).decode() if part in row else None
                        for part in ("attributes", "events")
                    ),
                    *(row.get("verdict", {}).get(name) for name in log.judged),
                ]
            )
        yield page.getvalue().encode()
        page.seek(0)
        page.truncate()
    yield page.getvalue().encode()


def _is_known(value: Any) -> bool:
    """Say whether anything is known of a metric; of a list something may be."""
    return _worst(value) is not None


def _worst(value: Any) -> Any:
    """Return *value*, of a list the highest that is known: it is a round trip."""
    if type(value) is list:
        return max((each for each in value if each is not None), default=None)
    return value


def _named(attributes: dict[int, Any]) -> dict[str, Any]:
    """Return *attributes* by their labels' names; of a list metric under that of its field."""
    return {
        _NAME[id_] if id_ in _NAME else _FIELD[id_]: [_named(each) for each in value]
        if isinstance(value, list)
        else value
        for id_, value in attributes.items()
        if id_ in _NAME or id_ in _FIELD
    }


def _joined(known: dict[int, Any], *ids: int) -> str | None:
    """Return the texts of *ids* with blanks, None when there is none."""
    return " ".join(known[id_] for id_ in ids if known.get(id_)) or None


def _time(ms: int) -> str:
    """Return Unix time in ms as RFC 3339 has it."""
    whole = datetime.fromtimestamp(ms / 1000, UTC)
    return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")
