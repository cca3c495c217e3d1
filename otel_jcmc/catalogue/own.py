"""
The metrics of the service itself, one row each.

metrics/own.py observes them; docs/metrics.md, alerts and dashboards build on the names.
"""

from typing import Final, NamedTuple


class OwnMetric(NamedTuple):
    """One metric of the service itself; its Prometheus name follows from name, kind and unit."""

    name: str
    kind: str
    labels: tuple[str, ...]
    brief: str
    unit: str = ""

    @property
    def prometheus_name(self) -> str:
        """The name in a scrape, which is also what a Collector makes of it."""
        suffix = "_total" if self.kind == "counter" else "_seconds" if self.unit == "s" else ""
        return self.name.replace(".", "_") + suffix


OWN_METRICS: Final = (
    OwnMetric(
        "otel_jcmc.pushes",
        "counter",
        ("outcome", "reason"),
        "Pushes by outcome: accepted, refused (the sender), failed (us)",
    ),
    OwnMetric(
        "otel_jcmc.last_push_timestamp",
        "gauge",
        (),
        "Time of the last push that was stored, Unix time; absent: none since the start",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_scrape_timestamp",
        "gauge",
        (),
        "Time of the last scrape of participants or verdicts that was read to its end, Unix time",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_export_timestamp",
        "gauge",
        (),
        "Time of the last export of participants that an OTLP receiver has taken, in whole or in"
        " part, Unix time",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_spans_timestamp",
        "gauge",
        (),
        "Time when an OTLP receiver has last taken spans, Unix time",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.last_events_timestamp",
        "gauge",
        (),
        "Time when an OTLP receiver has last taken events, Unix time",
        "s",
    ),
    OwnMetric(
        "otel_jcmc.fields_dropped",
        "counter",
        ("reason",),
        "Fields of pushes that were dropped while the rest was kept",
    ),
    OwnMetric(
        "otel_jcmc.push_tokens",
        "counter",
        ("outcome", "reason"),
        "Requests for a push token by outcome: accepted, refused (the page), failed (us)",
    ),
    OwnMetric("otel_jcmc.participants", "gauge", (), "Participants live in the last collection"),
    OwnMetric(
        "otel_jcmc.conferences",
        "gauge",
        (),
        "Conferences of the participants live in the last collection",
    ),
    OwnMetric(
        "otel_jcmc.participants_suppressed",
        "counter",
        ("reason",),
        "Pushes of newcomers that were refused by a limit",
    ),
    OwnMetric(
        "otel_jcmc.joins",
        "counter",
        ("outcome", "region"),
        "Participants that came by outcome: joined, or failed before there was a call; region of"
        " the server, empty where no page has told it",
    ),
    OwnMetric(
        "otel_jcmc.joins_failed",
        "counter",
        ("cause", "region"),
        "Joins that failed, by what lib-jitsi-meet gave as its error",
    ),
    OwnMetric("otel_jcmc.connections", "gauge", (), "Connections open, on all ports"),
    OwnMetric(
        "otel_jcmc.connections_cut",
        "counter",
        ("reason",),
        "Connections ended early: refused or idle (too many), head_too_large, head_too_slow,"
        " body_too_slow, answer_too_slow",
    ),
    OwnMetric(
        "otel_jcmc.reads_refused",
        "counter",
        ("door", "reason"),
        "Readers sent away from scrape or pages: address, token_missing, token_wrong",
    ),
    OwnMetric(
        "otel_jcmc.store_up",
        "gauge",
        (),
        "1 if Redis answered when last asked, in a cluster for all partitions, else 0",
    ),
    OwnMetric(
        "otel_jcmc.partitions_unread",
        "gauge",
        (),
        "Partitions that the last collection could not read: 0 when it had everybody, else nothing"
        " is told that is counted from everybody",
    ),
    OwnMetric(
        "otel_jcmc.push_duration",
        "histogram",
        (),
        "Time from a push's body to the store's answer, of the oldest of each batch",
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
        "Looks for what stands out, of the replica that makes them, by outcome: ok, failed (Redis"
        " away), lost (another replica makes them by now)",
    ),
    OwnMetric(
        "otel_jcmc.standing_known",
        "gauge",
        (),
        "Whether the last scrape of this process knew what stands out: 1, or 0, when nobody has"
        " looked for half a minute or Redis is away",
    ),
    OwnMetric(
        "otel_jcmc.spans",
        "counter",
        ("outcome",),
        "Spans of sessions and conferences by outcome: sent, rejected (the receiver), dropped (us:"
        " more waited than may, or nothing was known of the session any more)",
    ),
    OwnMetric(
        "otel_jcmc.spans_waiting",
        "gauge",
        (),
        "Spans that wait for the receiver, at the replica that sends",
    ),
    OwnMetric(
        "otel_jcmc.events",
        "counter",
        ("outcome",),
        "Events by outcome: sent, rejected (the receiver), dropped (us: more waited than may, or"
        " more of one participant in a minute)",
    ),
    OwnMetric(
        "otel_jcmc.events_waiting",
        "gauge",
        (),
        "Events that wait for the receiver, at the replica that sends",
    ),
    OwnMetric(
        "otel_jcmc.history_samples",
        "counter",
        ("outcome",),
        "Samples of sessions by outcome: written, dropped (Redis away for long, or it refuses),"
        " refused (its address has had its share), failed (us); out_of_memory: refused by Redis"
        " at first, and tried again",
    ),
    OwnMetric(
        "otel_jcmc.history_sessions_evicted",
        "counter",
        ("reason",),
        "Sessions that left history before their time: number (or bytes), out_of_memory (of Redis)",
    ),
    OwnMetric("otel_jcmc.history_sessions", "gauge", (), "Sessions in Redis, whoever wrote them"),
    OwnMetric("otel_jcmc.history_bytes", "gauge", (), "Bytes of Redis that they take, about"),
    OwnMetric("otel_jcmc.history_waiting", "gauge", (), "Samples that wait for Redis"),
    OwnMetric(
        "otel_jcmc.callback_errors",
        "counter",
        ("gauge",),
        "Gauges left out of a collection because their callback failed",
    ),
    OwnMetric(
        "otel_jcmc.workers",
        "gauge",
        (),
        "Processes that take pushes and have told of themselves within 5 s",
    ),
    OwnMetric(
        "otel_jcmc.process_starts",
        "counter",
        ("process",),
        "Starts of processes of this service: worker (takes pushes), reader (only answers scrapes)",
    ),
    OwnMetric(
        "otel_jcmc.build_info",
        "gauge",
        ("version", "python_version"),
        "Versions of the service and of Python; always 1",
    ),
)
