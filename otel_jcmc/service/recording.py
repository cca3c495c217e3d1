"""
Makes the objects that record, read and erase sessions, and decides how long sessions are kept.

The input is the settings. The output is objects of `sessions`, not started yet; None in place of an
object whose data is not kept.
"""

from functools import partial
from typing import Final

from otel_jcmc.config.settings import Settings
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.log import SessionLogs
from otel_jcmc.sessions.quota import Bounds, Quota
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.sessions.shares import Shares
from otel_jcmc.sessions.summaries import Summaries
from otel_jcmc.sessions.summarizer import Summarizer
from otel_jcmc.sessions.summing import Summing
from otel_jcmc.sessions.sweep import Sweep
from otel_jcmc.sessions.vitals import Thresholds
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.keeping import SETTLE_MS, Keeping
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.link import AnyLink
from otel_jcmc.store.scripts import run_all
from otel_jcmc.verdict.record import Record

# Without history, Redis keeps a session this long, because its span may wait that long to be sent.
HOURS_WITHOUT_HISTORY: Final = 24


def keeping_of(settings: Settings) -> Keeping:
    """Return the `Keeping` of *settings*: which data of sessions is kept, and how long."""
    sends_spans = settings.traces_exporter == "otlp"
    grace_ms = settings.session_grace_seconds * 1000
    keep_ms = (settings.history_hours or HOURS_WITHOUT_HISTORY) * 3_600_000
    # When a participant leaves, the process that gets this push writes the last entry at once. But
    # other processes may have pushes of the same interval in memory, and write them later.
    settle_ms = settings.history_interval_seconds * 1000 + SETTLE_MS
    sums_up = settings.summary_days > 0
    if sends_spans or sums_up:
        keep_ms = max(keep_ms, 2 * (grace_ms + settle_ms))
    has_history = settings.history_hours > 0
    return Keeping(
        settings.keeps_sessions, sends_spans, grace_ms, keep_ms, settle_ms, has_history, sums_up
    )


def make_recorder(settings: Settings, redis_url: str) -> Recorder | None:
    """Return the object that records sessions; None if no data of sessions is kept."""
    if not settings.keeps_sessions:
        return None
    logs = SessionLogs(redis_url, settings.keys, keeping_of(settings), settings.history_samples)
    bounds = Bounds(settings.history_sessions, settings.history_max_bytes)
    keep_seconds = (settings.history_hours or HOURS_WITHOUT_HISTORY) * 3600.0
    quota = Quota(logs.link, settings.keys, keeping_of(settings), bounds)
    thresholds = Thresholds(
        settings.bad_quality, settings.bad_packet_loss, settings.bad_round_trip_ms
    )
    shares = None
    if settings.limit_address_participants:
        shares = Shares(bounds, keep_seconds, lambda: quota.fullness)
    interval = settings.history_interval_seconds
    return Recorder(logs, quota, interval, thresholds, shares=shares)


def make_summaries(settings: Settings, link: AnyLink) -> Summaries | None:
    """Return the object that reads summaries, by *link*; None if no summaries are kept."""
    if not settings.summary_days:
        return None
    return Summaries(partial(run_all, link), settings.keys)


def make_summing(settings: Settings, link: AnyLink) -> Summing | None:
    """Return the object that makes summaries of ended sessions; None if no summaries are kept."""
    summaries = make_summaries(settings, link)
    if summaries is None:
        return None
    bounds = settings.summary_days, settings.summary_max_bytes
    return Summing(summaries, *bounds, names=settings.summary_names)


def make_summarizer(
    settings: Settings, redis_url: str, holder: str, record: Record
) -> Summarizer | None:
    """
    Return the loop that makes summaries while *holder* has the lease.

    Return None if no summaries are kept, or if the exporter makes them together with spans.
    """
    link = AgreedLink(open_link(redis_url), settings.keys)
    summing = make_summing(settings, link)
    if summing is None or settings.traces_exporter == "otlp":
        return None
    lease = Lease(redis_url, f"{settings.key_prefix}:summaries:lease", holder)
    sweep = Sweep(link, settings.keys, keeping_of(settings), record, summing)
    return Summarizer(lease, link, sweep)


def make_history(settings: Settings, redis_url: str) -> tuple[History | None, Erasure | None]:
    """
    Return the object that reads sessions and the object that erases them.

    Return None for both if no data of sessions is kept and no events are sent. If only events are
    sent, the second object erases the events that wait in Redis.
    """
    if not settings.keeps_sessions and settings.logs_exporter != "otlp":
        return None, None
    interval_ms = settings.history_interval_seconds * 1000
    expiration_ms = settings.metrics_expiration_seconds * 1000
    history = History(redis_url, settings.keys, interval_ms, expiration_ms)
    keeping = keeping_of(settings)
    record = Record(redis_url, settings.key_prefix, keeping.keep_ms)
    return history, Erasure(history, keeping, interval_ms, record)
