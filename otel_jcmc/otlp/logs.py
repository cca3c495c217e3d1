"""
Sends log records to an OTLP receiver: one request, with a resource for each service in it.

Source: opentelemetry-proto, logs_service.proto.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.otlp.sender import Sender, Sent
from otel_jcmc.version import __version__

_SCOPE: Final = InstrumentationScope("otel_jcmc", __version__, SCHEMA_URL)


class Noted(NamedTuple):
    """A record, and the `service.instance.id` of the service that noticed the event."""

    instance: str
    record: LogRecord


class LogSender:
    """
    Sends log records to one receiver.

    Concurrency: one request at a time.
    """

    def __init__(self, sender: Sender, resource_of: Callable[[str], Resource]) -> None:
        """Send by *sender*; *resource_of* returns the resource for a `service.instance.id`."""
        self._sender = sender
        self._resource_of = resource_of

    def send(self, noted: Iterable[Noted]) -> Sent:
        """Send the records in *noted* in one request, once, and return the outcome."""
        by_instance: dict[str, list[LogRecord]] = {}
        for instance, record in noted:
            by_instance.setdefault(instance, []).append(record)
        request = ExportLogsServiceRequest()
        for instance, records in by_instance.items():
            request.resource_logs.append(_framed(self._resource_of(instance), records))
        return self._sender.send(request)


def _framed(resource: Resource, records: list[LogRecord]) -> ResourceLogs:
    """Return *records* under *resource* and our scope."""
    # The SDK's encoder of spans makes resource and scope, which have the same form in requests of
    # logs. The SDK's encoder of logs is not used, because the SDK may change it at any time.
    nothing = SpanContext(1, 1, is_remote=False)
    (of,) = encode_spans(
        [ReadableSpan("", nothing, resource=resource, instrumentation_scope=_SCOPE)]
    ).resource_spans
    scope = ScopeLogs(
        scope=of.scope_spans[0].scope,
        schema_url=of.scope_spans[0].schema_url,
        log_records=records,
    )
    return ResourceLogs(resource=of.resource, schema_url=of.schema_url, scope_logs=[scope])
