"""
Sends metrics to an OTLP receiver: the requests of one collection.

`MetricDelivery.export` sends the requests and returns the outcome. If the receiver is away for a
moment, the request is sent again within its time limit. If the receiver refuses a request because
it is too large, the receiver gets smaller requests, in later exports too. A problem is logged once
when it begins and once when it ends.

Source: OpenTelemetry protocol exporter specification, protocol/exporter.md.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic, time_ns
from typing import Any, Final

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from otel_jcmc.metrics.histograms import Family
from otel_jcmc.otlp.sender import Outcome, Sender, Sent
from otel_jcmc.otlp.told import Told, add_over

log = logging.getLogger(__name__)

OK: Final = "ok"
PARTIAL: Final = "partial"
FAILED: Final = "failed"
FIRST_BACKOFF_SECONDS: Final = 0.5


class MetricDelivery:
    """
    Sends metrics to one receiver.

    Attributes:
        most_bytes: the most bytes of a request before compression, one byte less than a request
            that the receiver refused as too large. None: it has refused none.
        outcome: the outcome of the last export; empty: no export has ended yet.
        why: why the receiver did not take all points of the last export; empty: it took all.

    Concurrency: one export at a time; `stop` from any thread.
    """

    def __init__(
        self,
        send: Callable[[Any], Sent],
        what: str,
        request_seconds: float = 10.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """
        Send by *send*; *what* names the metrics in the log.

        A request may take *request_seconds*, including its retries.
        """
        self._send = send
        self._what = what
        self._request_seconds = request_seconds
        self._clock = clock
        self.outcome = self.why = ""
        self._stopped = threading.Event()
        self._taken = 0
        self.most_bytes: int | None = None

    def stop(self) -> None:
        """Stop sending failed requests again, because the service ends."""
        self._stopped.set()

    def export(self, requests: Iterable[Any], deadline: float) -> str:
        """
        Send all *requests* of one collection, until one fails or the clock reaches *deadline*.

        Returns OK, PARTIAL if the receiver rejected some points, or FAILED.
        """
        known, self._taken = self.most_bytes, 0
        sent = self._deliver_all(requests, deadline)
        if sent is None:
            # No participant was live.
            return OK
        if not self._taken:
            # The receiver took no request at all, so the size was not the cause.
            self.most_bytes = known
        elif self.most_bytes != known:
            log.warning(
                "otlp: the receiver takes no request of more than %d bytes of %s: they have no more"
                " from now on; nginx has such a limit in client_max_body_size, a Collector in"
                " max_recv_msg_size_mib",
                *(self.most_bytes, self._what),
            )
        if sent.answer is not Outcome.TAKEN:
            return self._end(FAILED, 0, sent.why)
        return self._end(PARTIAL if sent.rejected else OK, sent.rejected)

    def _deliver_all(self, requests: Iterable[Any], deadline: float) -> Sent | None:
        """Send *requests* until one fails; return the outcome, None without any request."""
        rejected, sent = 0, None
        for request in self._small(requests):
            if self._clock() > deadline:
                return Sent(Outcome.AWAY, "it is too slow for OTEL_METRIC_EXPORT_TIMEOUT")
            sent = self._deliver(request, deadline)
            if sent.answer is not Outcome.TAKEN:
                return sent
            rejected += sent.rejected
        return sent and Sent(Outcome.TAKEN, rejected=rejected)

    def _small(self, requests: Iterable[Any]) -> Iterator[Any]:
        """Return *requests*, but divide a request that is larger than the receiver accepts."""
        for request in requests:
            if self.most_bytes and request.ByteSize() > self.most_bytes and _count(request) > 1:
                yield from self._small(halves(request))
            else:
                yield request

    def _deliver(self, request: Any, deadline: float) -> Sent:
        """Send *request*; divide it if it is too large, repeat it if the receiver is away."""
        ends = min(deadline, self._clock() + self._request_seconds)
        backoff = FIRST_BACKOFF_SECONDS
        sent = self._send(request)
        while sent.answer is Outcome.AWAY and sent.is_passing:
            jitter = random.uniform(0.5, 1.0)  # noqa: S311  # no secret
            pause = max(sent.after_seconds, backoff * jitter)
            if self._clock() + pause > ends or self._stopped.wait(pause):
                break
            backoff *= 2
            sent = self._send(request)
        if sent.is_too_large and _count(request) > 1:
            self.most_bytes = request.ByteSize() - 1
            return self._deliver_all(halves(request), deadline) or sent
        self._taken += sent.answer is Outcome.TAKEN
        return sent

    def _end(self, outcome: str, rejected: int, why: str = "") -> str:
        """Remember and return the *outcome* of an export; log it if it has changed."""
        self.why = f"rejects {rejected} points; its own log says why" if rejected else why
        if outcome != self.outcome:
            if outcome == OK:
                log.info("otlp: the receiver takes %s", self._what)
            elif outcome == FAILED:
                log.warning("otlp: the receiver does not take %s: %s", self._what, why)
            else:
                log.warning(
                    "otlp: the receiver rejects %d points of %s; its own log says why",
                    *(rejected, self._what),
                )
        self.outcome = outcome
        return outcome


class OwnMetricExporter(MetricExporter):
    """
    Exports the service's own metrics, which the SDK's reader collects, and our histograms.

    Attributes:
        delivery: sends the requests, and has the outcome of the last export.
    """

    def __init__(
        self,
        sender: Sender,
        what: str,
        request_seconds: float = 10.0,
        histograms: Callable[[], list[Family]] = list,
        since: Callable[[], int] = time_ns,
    ) -> None:
        """
        Send by *sender*, with the temporality and aggregation that environment variables set.

        *histograms* returns the histograms to add, which are always cumulative. *since* returns the
        Unix time in ns at which the counting began, perhaps in an earlier process.
        """
        exporter = sender.exporter
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._sender = sender
        self._histograms, self._since = histograms, since
        self.delivery = MetricDelivery(sender.send, what, request_seconds)
        self._told = Told()

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: Any
    ) -> MetricExportResult:
        """
        Export *metrics_data* and the histograms, and end the series that are no longer there.

        Send one request, or several smaller requests if the receiver accepts only these.
        """
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

        from otel_jcmc.otlp.histograms import add_histograms, begin_counters

        deadline = monotonic() + timeout_millis / 1000
        request = encode_metrics(metrics_data)
        begin_counters(request, self._since())
        add_over(request, self._told, time_ns())
        add_histograms(request, self._histograms(), time_ns())
        outcome = self.delivery.export([request], deadline)
        self._told.end(is_taken=outcome != FAILED)
        return MetricExportResult.FAILURE if outcome == FAILED else MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002  # the SDK's
        """Return True: no metrics wait here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:  # noqa: ARG002  # the SDK's
        """Send no failed request again, and close the connections."""
        self.delivery.stop()
        self._sender.shut_down()


def halves(request: Any) -> Iterator[Any]:
    """Return two requests, each with half of *request*'s points, under the same resource."""
    count = _count(request)
    for start, stop in ((0, count // 2), (count // 2, count)):
        half = type(request)()
        half.CopyFrom(request)
        place = 0
        for resource in half.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = _points(metric)
                    size = len(points)
                    del points[max(0, stop - place) :]
                    del points[: max(0, start - place)]
                    place += size
                kept = [metric for metric in scope.metrics if _points(metric)]
                del scope.metrics[:]
                scope.metrics.extend(kept)
        yield half


def _count(request: Any) -> int:
    """Return how many points *request* has."""
    return sum(
        len(_points(metric))
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def _points(metric: Any) -> Any:
    """Return the points of *metric*, which may be a metric of any kind."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else []
