"""
Makes the objects that read all live participants, make metrics, and search for what stands out.

The input is the settings. The output is objects of `metrics` and `verdict`, not started yet.
"""

from collections.abc import Callable
from concurrent.futures import Executor

from otel_jcmc.catalogue.levels import Level
from otel_jcmc.config.settings import Settings
from otel_jcmc.metrics.collection import Gauges
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.metrics.levels import Bounds
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.watch import Watch
from otel_jcmc.service.recording import keeping_of
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.live import Store
from otel_jcmc.verdict.record import Record
from otel_jcmc.verdict.settling import Settling


def make_gauges(settings: Settings) -> Gauges:
    """Return the gauges that *settings* want, such as those of conferences and of bridges."""
    bounds = Bounds(settings.series_conferences, settings.series_bridges, settings.series_regions)
    return Gauges(
        settings.naming,
        settings.metrics_prefix,
        settings.series,
        bounds,
        settings.series_participants,
    )


def make_histograms(settings: Settings) -> Histograms | None:
    """Return the histograms of all participants; None if *settings* do not want them."""
    if Level.HISTOGRAMS not in settings.series:
        return None
    return Histograms(
        settings.naming,
        settings.metrics_prefix,
        settings.bad_packet_loss,
        settings.bad_round_trip_ms,
        settings.series_regions,
    )


def make_record(settings: Settings, redis_url: str) -> Record:
    """Return the journal of what stands out; Redis keeps its entries as long as history."""
    return Record(redis_url, settings.key_prefix, keeping_of(settings).keep_ms)


def make_reader(
    settings: Settings, store: Store, redis_url: str, thread: Executor | None = None
) -> SnapshotReader:
    """Return the object that reads all participants in *store*, and what stands out among them."""
    record = make_record(settings, redis_url)
    return SnapshotReader(store, record, settings.metrics_expiration_seconds * 1000, thread)


def make_watch(
    settings: Settings,
    reader: SnapshotReader,
    redis_url: str,
    holder: str,
    count: Callable[[str], None],
) -> Watch:
    """
    Return the loop that searches for what stands out, in the replica that has the lease.

    *holder* is the name of this replica. Only one replica has the lease at a time.
    """
    record = make_record(settings, redis_url)
    lease = Lease(redis_url, record.lease_key, holder)
    return Watch(reader, record, lease, Settling(settings.bad_packet_loss), count)
