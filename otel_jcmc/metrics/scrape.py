"""
Answers one scrape: reads live participants, runs the gauges, renders the text and compresses it.

The read runs on the event loop, everything else in a thread, so pushes continue. The text is made
in batches while the scraper reads it: memory never holds a gigabyte of text, and a slow scraper
delays only its own answer. All values are from the moment of the read.

If Redis is away, the answer has only the service's own metrics and the fleet's histograms: old
values of participants would mislead more than no values. If a master of a Redis cluster is away,
the answer has the participants of the other masters, and no figure that counts all participants.
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

# To compress 17 MB, zlib at its quickest level takes 76 ms and ISA-L 16 ms; the compressed sizes
# differ by less than a tenth.
_GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31
# How many bytes of text the thread makes before it gives them to the event loop. To change between
# the two takes as long as to render 200 series.
_BATCH_BYTES: Final = 1_048_576
_TYPE: Final = re.compile(rb"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_HISTOGRAM_PARTS: Final = ("_bucket", "_count", "_sum")


class Exposition:
    """
    The answer to a scrape, made while the scraper reads it.

    Attributes:
        headers: the headers of the answer, without its length, which is known only at its end.
    """

    def __init__(
        self,
        headers: dict[str, str],
        pieces: Iterator[bytes],
        reader: SnapshotReader,
        done: Callable[[bool], None],
    ) -> None:
        """Make *pieces* in *reader*'s thread; at the end call *done* once: True if none is left."""
        self.headers = headers
        self._pieces = pieces
        self._reader = reader
        self._done: Callable[[bool], None] | None = done

    async def more(self) -> list[bytes]:
        """
        Return a list of the next pieces of the text, none of them empty; an empty list: the end.

        Raises:
            Exception: making the text failed; the pieces returned so far are not the whole text.
        """
        pieces = await self._reader.in_thread(partial(_batch, self._pieces))
        if not pieces:
            self._tell(is_whole=True)
        return pieces

    def end(self) -> None:
        """End the answer: the scraper will ask for no more pieces."""
        self._tell(is_whole=False)

    def _tell(self, *, is_whole: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(is_whole)


def _batch(pieces: Iterator[bytes]) -> list[bytes]:
    """Return the next *pieces* until they have _BATCH_BYTES; an empty list at the end."""
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
    The metrics that one scrape asks for.

    Attributes:
        partitions: the partitions whose participants are included; empty: none, None: all.
        levels: whether conferences, bridges and other groups are included; if so, all partitions
            are read.
        own: whether the service's own metrics and the fleet's histograms are included.
    """

    partitions: tuple[int, ...] | None = ()
    levels: bool = False
    own: bool = False


EVERYTHING: Final = Page(None, levels=True, own=True)
VERDICTS: Final = Page(levels=True)
SERVICE: Final = Page(own=True)


@dataclass(slots=True)
class Scraper:
    """Answers scrapes. Several scrapes may run at the same time, each with its own snapshot."""

    reader: SnapshotReader
    gauges: Gauges
    telemetry: Telemetry

    async def scrape(
        self, accept: str, accept_encoding: str, page: Page = EVERYTHING
    ) -> Exposition:
        """Return the exposition of what *page* asks for, in the format that the headers ask for."""
        started = monotonic()
        is_openmetrics = wants_openmetrics(accept)
        is_gzip = takes_gzip(accept_encoding)
        taken: Snapshot | None = None
        if page != SERVICE:
            every = self.reader.store.keys.every
            partitions = every if page.levels or page.partitions is None else page.partitions
            with suppress(StoreUnavailable):
                taken = await self.reader.take(partitions)
            # `Store.up` is not used here: after a fail-over, pushes may work before reads do.
            self.telemetry.store_up = taken is not None and not taken.unread
            self.telemetry.standing_known = int(bool(taken and taken.look))
            self.telemetry.partitions_unread = taken.unread if taken else len(partitions)
        if page.levels:
            self.telemetry.record_snapshot(*(taken.counts if taken else (None, None)))
        is_read = taken is not None
        job = partial(self._collect, taken, page, is_openmetrics=is_openmetrics)
        # Only the rendering keeps the snapshot now, so the thread frees it at the end.
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
        Return the sorted Prometheus names of all series that a scrape has now.

        The call does not count as a scrape. If Redis is away, only series of the service's own
        metrics and the fleet's histograms are named.
        """
        taken: Snapshot | None = None
        with suppress(StoreUnavailable):
            taken = await self.reader.take()
        job = partial(self._names, taken)
        del taken
        return await self.reader.in_thread(job)

    def _names(self, taken: Snapshot | None) -> list[str]:
        """Return the sorted names of the series of *taken*, of own metrics and of histograms."""
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
        """Collect from *taken* (None: Redis is away); return the pieces of the rendered text."""
        participants = page.partitions != ()
        gauges = self.gauges.collect(taken, participants=participants, levels=page.levels)
        own = self.telemetry.instruments.exposition(openmetrics=is_openmetrics) if page.own else b""
        histograms = self.telemetry.fleet() if page.own else ()
        return _holding(taken, render(gauges, own, histograms, is_openmetrics=is_openmetrics))


def _holding(_taken: Snapshot | None, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield *pieces*, and keep a reference to their snapshot until the last piece is made."""
    yield from pieces


def _packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the gzip stream of *pieces*, piece by piece."""
    packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
