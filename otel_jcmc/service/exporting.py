"""
Makes the objects of the process that sends participants, spans and events by OTLP.

The input is the settings, the output is objects of `otlp`, `traces` and `logs`. They open no
connection until they run.
"""

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from otel_jcmc.config.settings import Settings
from otel_jcmc.metrics.own import make_resource
from otel_jcmc.otlp.delivery import Sending
from otel_jcmc.otlp.metrics import MetricDelivery
from otel_jcmc.otlp.outbox import EVENTS, Outbox
from otel_jcmc.otlp.process import ParticipantExport, report_to_parent
from otel_jcmc.otlp.sender import Sender, Signal
from otel_jcmc.service.recording import keeping_of, make_summing
from otel_jcmc.service.watching import make_gauges, make_reader, make_record
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.lease import Lease, Leases
from otel_jcmc.store.live import Store


def make_exports(
    settings: Settings, redis_url: str, holder: str
) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
    """
    Return one function for each kind of data; its coroutine sends until the process ends.

    *holder* is the name under which this process holds leases in Redis.

    Raises:
        ExporterCannotStart: a variable of OTEL_EXPORTER_OTLP_* has an unusable value.
    """
    resource = make_resource(settings.service_name, settings.resource_attributes, "")
    sends_spans = settings.traces_exporter == "otlp"
    sends_events = settings.logs_exporter == "otlp"
    if "otlp" in settings.metrics_exporter or not (sends_spans or sends_events):
        seconds = settings.otlp_timeout_ms / 1000
        sender = Sender(Signal.METRICS, settings.otlp_protocol, seconds)
        yield ParticipantExport(
            make_reader(settings, Store(redis_url, settings.keys), redis_url),
            _make_lease(settings, redis_url, holder),
            make_gauges(settings),
            MetricDelivery(sender.send, "participants", seconds),
            resource,
            settings.export_interval_ms / 1000,
            settings.export_timeout_ms / 1000,
        ).run
    if sends_spans:
        from otel_jcmc.otlp.spans import SpanSender
        from otel_jcmc.traces.delivery import Traces, without_marks
        from otel_jcmc.traces.sweep import Sweep

        seconds = settings.spans_timeout_ms / 1000
        link = AgreedLink(open_link(redis_url), settings.keys)
        spans = SpanSender(Sender(Signal.SPANS, settings.spans_protocol, seconds), resource)
        yield Traces(
            Sending(
                Lease(redis_url, f"{settings.key_prefix}:traces:lease", holder),
                Outbox(link, settings.keys, settings.traces_waiting),
                without_marks(spans.send),
                report_to_parent,
            ),
            link,
            Sweep(
                link,
                settings.keys,
                keeping_of(settings),
                make_record(settings, redis_url),
                make_summing(settings, link),
            ),
        ).run
    if sends_events:
        yield _make_logs(settings, redis_url, holder)


def _make_logs(
    settings: Settings, redis_url: str, holder: str
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a function; its coroutine sends events, without end, while *holder* has the lease."""
    from otel_jcmc.logs.delivery import Logs, as_records
    from otel_jcmc.logs.onsets import Onsets
    from otel_jcmc.otlp.logs import LogSender

    link = AgreedLink(open_link(redis_url), settings.keys)
    record = make_record(settings, redis_url)
    sender = Sender(Signal.LOGS, settings.logs_protocol, settings.logs_timeout_ms / 1000)
    resource_of = partial(make_resource, settings.service_name, settings.resource_attributes)
    return Logs(
        Sending(
            Lease(redis_url, f"{settings.key_prefix}:logs:lease", holder),
            Outbox(link, settings.keys, settings.logs_waiting, EVENTS),
            as_records(LogSender(sender, resource_of)),
            report_to_parent,
        ),
        link,
        Onsets(record, link, settings.keys, settings.logs_waiting, holder),
        record,
    ).run


def _make_lease(settings: Settings, redis_url: str, holder: str) -> Lease | Leases:
    """
    Return the lease, or the leases, for the export of participants.

    A lease belongs to one process at a time. *holder* exports the participants whose lease it has.
    """
    # If only the worst participants are exported, one process must compare all participants.
    if settings.export_shares == 1 or settings.series_participants:
        return Lease(redis_url, f"{settings.key_prefix}:otlp:lease", holder)
    base = f"{settings.key_prefix}:{{otlp}}:"
    return Leases(redis_url, base, holder, settings.export_shares)
