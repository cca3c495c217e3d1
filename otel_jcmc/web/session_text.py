"""
Writes one session with its samples, as JSON or CSV.

A session and its entries, as sessions/history.py reads them, come in. The answer goes out in
pieces. Each piece is made after the piece before was sent, because the log of a day is megabytes of
text. The answer names a metric like its field in a push, and an attribute like its label.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import JMMC, SENDER
from otel_jcmc.catalogue.metrics import CAUSE_ID, METRICS, MOS_ID, PUSHED, STATE_ID
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.entry import read as read_entry
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.pushes import Story
from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITALS, vitals
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State
from otel_jcmc.web.session_about import about, named, time_text
from otel_jcmc.web.session_query import View

JSON: Final = "application/json"
CSV: Final = "text/csv; charset=utf-8"
# The number of samples in one piece of an answer.
PIECE: Final = 200
_FIELD: Final = {row.id: row.field for row in METRICS}
_PUSHED: Final = frozenset(row.id for row in PUSHED)
_STATE: Final = {state.value: state.name.lower() for state in State}
_VERDICT: Final = ("state", "cause", "audio_mos")
_encode: Final = msgspec.json.Encoder().encode


def session_text(
    session: PastSession,
    entries: Sequence[bytes],
    view: View,
    interval_ms: int,
    scope: str | None = None,
) -> Iterator[bytes]:
    """
    Return *session* with the samples in *entries*, as JSON or CSV, in pieces.

    A sample has the metrics of *view*, or all metrics that the session ever pushed. null means that
    the metric was not known then. A sample also has the verdict and the audio score, if known. If
    the time between two samples is longer than *interval_ms* plus the time after which the
    participant expires, the later sample has this time as `gap_seconds`.

    *scope* says how far the trouble reached during most of the bad time; None: not known.
    """
    # Only JMMC pages leave unchanged values out. Other clients push all known values: if a value is
    # missing, it was unknown, and an earlier value must not replace it.
    is_filled = view.fill and session.attributes.get(SENDER.id) == JMMC
    log = _Log(entries, view.ids, interval_ms + session.ttl_ms, fill=is_filled)
    if view.is_csv:
        yield from _csv(log)
        return
    head = about(session, scope)
    head |= {"interval_seconds": interval_ms / 1000, "metrics": log.fields}
    head["summary"] = log.summary(head["summary"] or {})
    # The head is sent without its last brace, because the samples follow in the same JSON object.
    yield _encode(head)[:-1] + b',"samples":['
    between = b""
    for piece in log.rows():
        yield between + b",".join(map(_encode, piece))
        between = b","
    yield b"]}\n"


class _Log:
    """
    Makes the samples of one session from its entries, in the order of their times.

    Attributes:
        fields: the names of the metrics in a row.
        judged: the members of _VERDICT that at least one sample has.
    """

    def __init__(
        self, entries: Sequence[bytes], ids: list[int] | None, apart_ms: int, *, fill: bool
    ) -> None:
        """
        Read *entries* once to find what they have, and keep them packed.

        Packed entries take a twentieth of the memory of their values. *ids* are the wanted metrics;
        None: all that were pushed. A gap is a time between samples longer than *apart_ms*. *fill*
        replaces unknown values by the last known ones.
        """
        timed: list[tuple[int, bytes]] = []
        known: set[int] = set()
        judged: set[str] = set()
        self._sums = [_Sum(is_lower) for is_lower in LOWER_IS_WORSE]
        for entry in entries:
            with suppress(ValueError):
                sample = read_entry(entry)
                timed.append((sample.at_ms, entry))
                known.update(i for i, each in enumerate(sample.numbers, 1) if _is_known(each))
                judged.update(_verdict_of(sample))
                self._add(sample)
        # If two processes took pushes of one session, each process wrote its own entries, so the
        # entries may be out of order.
        timed.sort(key=lambda each: each[0])
        self._entries = [entry for _, entry in timed]
        self._ids = ids or sorted(known & _PUSHED)
        self._fill = fill
        self._apart_ms = apart_ms
        self._story = Story()
        self.fields = [_FIELD[id_] for id_ in self._ids]
        self.judged = [name for name in _VERDICT if name in judged]

    def _add(self, sample: Sample) -> None:
        """Add quality, loss and round trip in *sample* to the sums of the session."""
        lasts = vitals(sample.numbers)
        for index, of in enumerate(self._sums):
            tally = sample.tally[index] if index < len(sample.tally) else None
            # Earlier versions recorded no tally if the service sent no spans: then the last value
            # of the interval counts, with the weight 1.
            mean, weight = (lasts[index], 1) if tally is None else (tally.mean, tally.known_ms)
            of.add(sample.worst[index], mean, max(weight, 1), sample.best[index])

    def summary(self, of_all: dict[str, Any]) -> dict[str, dict[str, float | None]]:
        """
        Return the worst, mean and best value of quality, loss and round trip.

        *of_all* is the summary from the session's card. If this summary has a value, the value is
        returned instead of the value from the log.
        """
        return {
            name: each.to_dict() | of_all.get(name, {})
            for name, each in zip(VITALS, self._sums, strict=True)
        }

    def rows(self) -> Iterator[list[dict[str, Any]]]:
        """Return the samples, ready for JSON, in lists of at most PIECE samples."""
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
        """
        Return *sample*, ready for JSON.

        *kept* has the last known value of each metric by its id; this function updates it.
        """
        told = {id_: sample.numbers[id_ - 1] for id_ in self._ids} | _counted(sample, self._ids)
        if self._fill:
            kept.update((id_, each) for id_, each in told.items() if _is_known(each))
            told = {id_: kept.get(id_) for id_ in self._ids}
        row: dict[str, Any] = {
            "time": time_text(sample.at_ms),
            "metrics": dict(zip(self.fields, told.values(), strict=True)),
            "worst": dict(zip(VITALS, sample.worst, strict=True)),
            "best": dict(zip(VITALS, sample.best, strict=True)),
        }
        if verdict := _verdict_of(sample):
            row["verdict"] = verdict
        if sample.attributes is not None:
            row["attributes"] = named(sample.attributes)
        happened = [*sample.events]
        for push in sample.pushes:
            happened += self._story.hear(push)
        if happened:
            row["events"] = [
                {"time": time_text(each.at_ms), "what": each.what, "value": each.value}
                for each in happened
            ]
        return row


def _counted(sample: Sample, ids: Sequence[int]) -> dict[int, int]:
    """
    Return id -> count in the whole interval, for those of *ids* that count something.

    `sample.numbers` would only have the counts of the last push.
    """
    known = zip(COUNTED, sample.counts, strict=False)
    return {at + 1: count for at, count in known if count is not None and at + 1 in ids}


def _verdict_of(sample: Sample) -> dict[str, Any]:
    """Return the state of the call, its cause and the audio score; omit what is not known."""
    mos, state, cause = (sample.numbers[id_ - 1] for id_ in (MOS_ID, STATE_ID, CAUSE_ID))
    told = (_STATE.get(state), WORD_OF.get(cause, UNKNOWN) if state else None, mos)
    return {name: each for name, each in zip(_VERDICT, told, strict=True) if each is not None}


class _Sum:
    """Finds the worst, mean and best value of one vital: quality, loss or round trip."""

    def __init__(self, lower_is_worse: bool) -> None:  # noqa: FBT001  # as LOWER_IS_WORSE has it
        """Begin without values; *lower_is_worse* says whether the lowest value is the worst one."""
        self._worse, self._better = (min, max) if lower_is_worse else (max, min)
        self._worst: list[float] = []
        self._best: list[float] = []
        self._total, self._weights = 0.0, 0.0

    def add(
        self, worst: float | None, mean: float | None, weight: float, best: float | None
    ) -> None:
        """Add the values of one interval (None: not known); *weight* is the weight of *mean*."""
        if worst is not None:
            self._worst = [self._worse([worst, *self._worst])]
        if best is not None:
            self._best = [self._better([best, *self._best])]
        if mean is not None:
            self._total += mean * weight
            self._weights += weight

    def to_dict(self) -> dict[str, float | None]:
        """Return worst, mean, best and bad share; the bad share is None: a log does not have it."""
        return {
            "worst": next(iter(self._worst), None),
            "mean": round(self._total / self._weights, 2) if self._weights else None,
            "best": next(iter(self._best), None),
            "bad_share": None,
        }


def _csv(log: _Log) -> Iterator[bytes]:
    """
    Return the samples of *log* as CSV (RFC 4180), in pieces.

    If a metric is a list, the cell has the worst value of the list. Names that people chose are
    only in cells with JSON, so no spreadsheet takes a name for a formula.
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
    """Return whether *value* is known; a list is known if at least one of its values is known."""
    return _worst(value) is not None


def _worst(value: Any) -> Any:
    """Return *value*; if it is a list of round trips, return the highest known one."""
    if type(value) is list:
        return max((each for each in value if each is not None), default=None)
    return value
