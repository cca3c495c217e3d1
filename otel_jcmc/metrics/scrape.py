"""
One scrape: read who is live, run the gauges, render, compress.

The read happens on the event loop, everything else in a thread, so that pushes go on meanwhile.
The text is made while it is read, a batch at a time: a gigabyte of it is never held, and who reads
slowly holds up nothing but its own text. All of it is of the moment of the read.

With Redis away the answer holds what this process counts by itself: absent beats stale. With a part
of a cluster away it holds the participants of the others, and nothing that is counted from all.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from time import monotonic
from typing import Final, NamedTuple

from isal import isal_zlib

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.metrics.accept import takes_gzip, wants_openmetrics
from otel_jcmc.metrics.collection import Gauges
from otel_jcmc.metrics.own import Telemetry
from otel_jcmc.metrics.prometheus import OPENMETRICS, TEXT, metric_name, render
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.snapshot import Snapshot

# 17 MB take 76 ms by zlib at its quickest, 16 ms by ISA-L, to the same size within a tenth.
_GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31
# Of what goes out. To hand work to the thread takes as long as to render 200 series.
_BATCH_BYTES: Final = 1_048_576
_TYPE: Final = re.compile(rb"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_HISTOGRAM_PARTS: Final = ("_bucket", "_count", "_sum")


class Exposition:
    """
    The answer to a scrape, made while it is read.

    Attributes:
        headers: what describes it; how long it is nobody knows before its end.
    """

    def __init__(
        self,
        headers: dict[str, str],
        pieces: Iterator[bytes],
        reader: SnapshotReader,
        done: Callable[[bool], None],
    ) -> None:
        """Make *pieces* in *reader*'s thread; *done* hears once whether all were asked for."""
        self.headers = headers
        self._pieces = pieces
        self._reader = reader
        self._done: Callable[[bool], None] | None = done

    async def more(self) -> list[bytes]:
        """
        Return the next pieces, none of them empty; no pieces: that was all.

        Raises:
            Exception: whatever stops the text; what was returned before is not all of it.
        """
        pieces = await self._reader.in_thread(partial(_batch, self._pieces))
        if not pieces:
            self._tell(is_whole=True)
        return pieces

    def end(self) -> None:
        """Say that nobody asks for more."""
        self._tell(is_whole=False)

    def _tell(self, *, is_whole: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(is_whole)


def _batch(pieces: Iterator[bytes]) -> list[bytes]:
    """Return the next of *pieces*, as many as one turn of the thread is for."""
    batch: list[bytes] = []
    size = 0
    for piece in pieces:
        if piece:
            batch.append(piece)
            size += len(piece)
        if size >= _BATCH_BYTES:
            break
    return batch


class Page(NamedTuple):
    """
    What one scrape asks for.

    Attributes:
        partitions: whose participants are told; empty: nobody's, None: everybody's.
        levels: whether conferences, bridges and so on are told; needs all partitions.
        own: whether the service's own metrics are, and the histograms, which processes count.
    """

    partitions: tuple[int, ...] | None = ()
    levels: bool = False
    own: bool = False


EVERYTHING: Final = Page(None, levels=True, own=True)
VERDICTS: Final = Page(levels=True)
SERVICE: Final = Page(own=True)


@dataclass(slots=True)
class Scraper:
    """What a scrape needs; any number may run at a time, each on a snapshot of its own."""

    reader: SnapshotReader
    gauges: Gauges
    telemetry: Telemetry

    async def scrape(
        self, accept: str, accept_encoding: str, page: Page = EVERYTHING
    ) -> Exposition:
        """Return the exposition of who is live now, in the format that is asked for."""
        started = monotonic()
        is_openmetrics = wants_openmetrics(accept)
        is_gzip = takes_gzip(accept_encoding)
        taken: Snapshot | None = None
        if page != SERVICE:
            every = self.reader.store.keys.every
            partitions = every if page.levels or page.partitions is None else page.partitions
            with suppress(StoreUnavailable):
                taken = await self.reader.take(partitions)
            # Of what was read here: pushes may have found a new master before.
            self.telemetry.store_up = taken is not None and not taken.unread
            self.telemetry.standing_known = int(bool(taken and taken.look))
            self.telemetry.partitions_unread = taken.unread if taken else len(partitions)
        if page.levels:
            self.telemetry.record_snapshot(*(taken.counts if taken else (None, None)))
        is_read = taken is not None
        job = partial(self._collect, taken, page, is_openmetrics=is_openmetrics)
        # From now on what is rendered has the snapshot, and it ends with that, in the thread.
        del taken
        pieces = await self.reader.in_thread(job)
        del job
        headers = {
            "content-type": OPENMETRICS if is_openmetrics else TEXT,
            "vary": "accept, accept-encoding",
        }
        if is_gzip:
            headers["content-encoding"] = "gzip"
            pieces = _packed(pieces)

        def done(is_whole: bool) -> None:  # noqa: FBT001  # its one argument
            if page != SERVICE:
                outcome = "ok" if is_whole and is_read else "failed"
                self.telemetry.record_export("prometheus", outcome, monotonic() - started)

        return Exposition(headers, pieces, self.reader, done)

    async def names(self) -> list[str]:
        """
        Return the Prometheus names of all series that a scrape has now, sorted; it counts as none.

        With Redis away they are those of what this process counts by itself.
        """
        taken: Snapshot | None = None
        with suppress(StoreUnavailable):
            taken = await self.reader.take()
        job = partial(self._names, taken)
        del taken
        return await self.reader.in_thread(job)

    def _names(self, taken: Snapshot | None) -> list[str]:
        """Return the names of the series of what was *taken*, and of what this process counts."""
        own = self.telemetry.instruments.exposition(openmetrics=False)
        found = set[str]()
        for piece in render((), own, self.telemetry.fleet()):
            for name, kind in _TYPE.findall(piece):
                parts = _HISTOGRAM_PARTS if kind == b"histogram" else ("",)
                found |= {name.decode() + part for part in parts}
        for gauge in self.gauges.collect(taken):
            values = chain.from_iterable(column.values for column in gauge.columns)
            if any(value is not None for value in values):
                found.add(metric_name(gauge.name, gauge.unit))
        return sorted(found)

    def _collect(
        self, taken: Snapshot | None, page: Page, *, is_openmetrics: bool
    ) -> Iterator[bytes]:
        """Collect of what was *taken*, None with Redis away; return what renders it."""
        participants = page.partitions != ()
        gauges = self.gauges.collect(taken, participants=participants, levels=page.levels)
        own = self.telemetry.instruments.exposition(openmetrics=is_openmetrics) if page.own else b""
        histograms = self.telemetry.fleet() if page.own else ()
        return _holding(taken, render(gauges, own, histograms, is_openmetrics=is_openmetrics))


def _holding(_taken: Snapshot | None, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Return *pieces*, and hold the snapshot they are of until the last one is there."""
    yield from pieces


def _packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return *pieces* compressed, piece by piece."""
    packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
