"""
Sends spans to an OTLP receiver: makes one request of the encoded spans that wait in Redis.

Source: opentelemetry-proto, trace_service.proto.
"""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no hints
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.otlp.sender import Outcome, Sender, Sent
from otel_jcmc.version import __version__

_SCOPE: Final = InstrumentationScope("otel_jcmc", __version__, SCHEMA_URL)


class SpanSender:
    """
    Sends spans to one receiver, under the service's resource.

    Concurrency: one request at a time.
    """

    def __init__(self, sender: Sender, resource: Resource) -> None:
        """Send spans by *sender*, with *resource* in each request."""
        self._sender = sender
        # The SDK's own encoder makes resource and scope. The spans themselves are encoded already.
        nothing = SpanContext(1, 1, is_remote=False)
        frame = encode_spans(
            [ReadableSpan("", nothing, resource=resource, instrumentation_scope=_SCOPE)]
        )
        del frame.resource_spans[0].scope_spans[0].spans[:]
        self._frame = frame

    def send(self, spans: Iterable[bytes]) -> Sent:
        """Send *spans* in one request, once, and return the outcome."""
        request = ExportTraceServiceRequest()
        request.CopyFrom(self._frame)
        try:
            made = [Span.FromString(span) for span in spans]
        except DecodeError:
            # Another program uses our key prefix in Redis. No receiver would accept its item.
            return Sent(Outcome.BAD, "it is not a span")
        request.resource_spans[0].scope_spans[0].spans.extend(made)
        return self._sender.send(request)
