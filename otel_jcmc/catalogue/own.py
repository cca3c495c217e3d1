"""
The metrics of the service itself, one row each.

metrics/own.py gives their values. docs/metrics.md, alerts and dashboards use their names.
"""

from typing import Final, NamedTuple


class OwnMetric(NamedTuple):
    """One metric of the service itself. Its Prometheus name follows from name, kind and unit."""

    name: str
    kind: str
    labels: tuple[str, ...]
    brief: str
    unit: str = ""

    @property
    def prometheus_name(self) -> str:
        """The metric's name in a scrape. A Collector makes the same name from the name in OTLP."""
        suffix = "_total" if self.kind == "counter" else "_seconds" if self.unit == "s" else ""
        return self.name.replace(".", "_") + suffix


OWN_METRICS: Final = (
    OwnMetric(
        "otel_jcmc.pushes",
        "counter",
        ("outcome", "reason"),
        "Pushes by outcome: accepted, refused (the sender is wrong), failed (the service is)",
    ),
    OwnMetric(
        "otel_jcmc.last_push_timestamp",
        "gauge",
        (),
        "Unix time of the last stored push; absent if the service has stored none since its start",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_scrape_timestamp",
        "gauge",
        (),
        "Unix time of the last scrape of participants or verdicts that the scraper read to its end",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_export_timestamp",
        "gauge",
        (),
        "Unix time of the last export of participants that an OTLP receiver accepted, wholly or in"
        " part",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_spans_timestamp",
        "gauge",
        (),
        "Unix time when an OTLP receiver last accepted spans",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_events_timestamp",
        "gauge",
        (),
        "Unix time when an OTLP receiver last accepted events",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.fields_dropped",
        "counter",
        ("reason",),
        "Fields that were dropped from pushes whose other fields were kept",
    ),
    OwnMetric(
        "otel_jcmc.push_tokens",
        "counter",
        ("outcome", "reason"),
        "Requests for a push token by outcome: accepted, refused (the page may not), failed (the"
        " service)",
    ),
    OwnMetric("otel_jcmc.participants", "gauge", (), "Live participants in the last collection"),
    OwnMetric(
        "otel_jcmc.conferences",
        "gauge",
        (),
        "Conferences with live participants in the last collection",
    ),
    OwnMetric(
        "otel_jcmc.participants_suppressed",
        "counter",
        ("reason",),
        "Pushes of new participants that a limit refused",
    ),
    OwnMetric(
        "otel_jcmc.joins",
        "counter",
        ("outcome", "region"),
        "Joins of participants by outcome: joined, or failed before the call began; region is the"
        " server's, empty if no page has sent it",
    ),
    OwnMetric(
        "otel_jcmc.joins_failed",
        "counter",
        ("cause", "region"),
        "Failed joins, by the error that lib-jitsi-meet gave",
    ),
    OwnMetric("otel_jcmc.connections", "gauge", (), "Open connections on all ports"),
    OwnMetric(
        "otel_jcmc.connections_cut",
        "counter",
        ("reason",),
        "Connections that the service ended early: refused or idle (there were too many),"
        " head_too_large, head_too_slow, body_too_slow, answer_too_slow",
    ),
    OwnMetric(
        "otel_jcmc.reads_refused",
        "counter",
        ("door", "reason"),
        "Requests to read the scrape or pages that were refused: address, token_missing,"
        " token_wrong",
    ),
    OwnMetric(
        "otel_jcmc.store_up",
        "gauge",
        (),
        "1 if Redis last answered, in a cluster for all partitions; otherwise 0",
    ),
    OwnMetric(
        "otel_jcmc.partitions_unread",
        "gauge",
        (),
        "Partitions that the last collection could not read; unless it is 0, all figures that need"
        " every participant are absent",
    ),
    OwnMetric(
        "otel_jcmc.push_duration",
        "histogram",
        (),
        "Time from a push's complete body to the store's answer, for the oldest push of each batch",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.collection_duration",
        "histogram",
        ("exporter",),
        "Time from the read of the store to the end of the export",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.exports",
        "counter",
        ("exporter", "outcome"),
        "Collections by exporter, prometheus or otlp, and outcome: ok, failed, or partial when an"
        " OTLP receiver rejected some points",
    ),
    OwnMetric(
        "otel_jcmc.looks",
        "counter",
        ("outcome",),
        "Searches for what stands out, at the replica that makes them, by outcome: ok, failed"
        " (Redis is away), lost (another replica has taken over)",
    ),
    OwnMetric(
        "otel_jcmc.standing_known",
        "gauge",
        (),
        "1 if the last scrape of this process knew what stands out; 0 if no replica has searched"
        " for half a minute, or Redis is away",
    ),
    OwnMetric(
        "otel_jcmc.spans",
        "counter",
        ("outcome",),
        "Spans of sessions and conferences by outcome: sent, rejected (by the receiver), dropped"
        " (by the service: too many waited, or the session's data were already gone)",
    ),
    OwnMetric(
        "otel_jcmc.spans_waiting",
        "gauge",
        (),
        "Spans that wait for the receiver, as the sending replica counts them",
    ),
    OwnMetric(
        "otel_jcmc.events",
        "counter",
        ("outcome",),
        "Events by outcome: sent, rejected (by the receiver), dropped (by the service: too many"
        " waited, or one participant had too many in a minute)",
    ),
    OwnMetric(
        "otel_jcmc.events_waiting",
        "gauge",
        (),
        "Events that wait for the receiver, as the sending replica counts them",
    ),
    OwnMetric(
        "otel_jcmc.history_samples",
        "counter",
        ("outcome",),
        "Samples of sessions by outcome: written, dropped (Redis was away for long, or refused"
        " them), refused (the address has used up its share), failed (the service); out_of_memory:"
        " Redis refused them at first, and the service tried again",
    ),
    OwnMetric(
        "otel_jcmc.history_sessions_evicted",
        "counter",
        ("reason",),
        "Sessions removed from history before their time, because of: number (or bytes),"
        " out_of_memory (Redis)",
    ),
    OwnMetric(
        "otel_jcmc.history_sessions", "gauge", (), "Sessions in Redis, of all replicas together"
    ),
    OwnMetric(
        "otel_jcmc.history_bytes", "gauge", (), "Bytes that sessions take in Redis, approximately"
    ),
    OwnMetric("otel_jcmc.history_waiting", "gauge", (), "Samples that wait to be written to Redis"),
    OwnMetric(
        "otel_jcmc.callback_errors",
        "counter",
        ("gauge",),
        "Gauges that a collection left out because their callback failed",
    ),
    OwnMetric(
        "otel_jcmc.workers",
        "gauge",
        (),
        "Processes that take pushes and have reported within the last 5 s",
    ),
    OwnMetric(
        "otel_jcmc.process_starts",
        "counter",
        ("process",),
        "Starts of this service's processes: worker (takes pushes), reader (only answers scrapes)",
    ),
    OwnMetric(
        "otel_jcmc.build_info",
        "gauge",
        ("version", "python_version"),
        "Versions of the service and of Python; always 1",
    ),
)
