"""The board "The service": whether otel_jcmc itself is well. The same in both namings."""

from tools.dashboards import parts
from tools.dashboards.boards import board, query_variable, row
from tools.dashboards.names import Names, selector
from tools.dashboards.panels import (
    GREEN,
    RED,
    YELLOW,
    Json,
    Query,
    lines,
    stat,
    timeline,
)

_RANGE = "[$__rate_interval]"


def service_board(names: Names) -> Json:
    """Return the board; the naming tells only what it is called."""
    variables = [
        query_variable(
            "instance", "Replica", "label_values(otel_jcmc_build_info, instance)", is_many=True
        )
    ]
    return board(
        parts.SERVICE_UID + names.suffix,
        "Jitsi calls: the service",
        "Whether otel_jcmc itself is well. Every replica has to be scraped (/metrics/service).",
        variables,
        row(4, *_stats()),
        row(8, _pushes(), _refused(), _failed()),
        row(8, _latency(), _collections(), _exports()),
        row(8, _joins(), _failed_joins(), _dropped()),
        row(7, _stores(), _looks(), _people(), title="Store and looks"),
        row(8, _connections(), _cut(), _readers(), title="Connections and readers"),
        row(8, _samples(), _sessions(), _bytes(), title="History"),
        row(8, _spans(), _waiting(), _errors(), title="Traces and faults of ours"),
    )


def _own(name: str, *matchers: str) -> str:
    """Return the selector of a metric of the chosen replicas."""
    return selector(f"otel_jcmc_{name}", ['instance=~"$instance"', *matchers])


def _rate(name: str, by: str, *matchers: str) -> str:
    return f"sum by ({by}) (rate({_own(name, *matchers)}{_RANGE}))"


def _stats() -> list[Json]:
    pushes = "sum(rate(otel_jcmc_pushes_total[5m]))"
    refused = 'sum(rate(otel_jcmc_pushes_total{outcome="refused"}[5m]))'
    failed = 'sum(rate(otel_jcmc_pushes_total{outcome="failed"}[5m]))'
    return [
        parts.service_stat(),
        parts.looks_stat(),
        stat(
            "Replicas", "count(otel_jcmc_build_info) or vector(0)", "That are scraped and answer."
        ),
        stat("Pushes per second", pushes, "All of them, of five minutes.", unit="reqps"),
        stat(
            "Refused",
            f"{refused} / ({pushes} > 0) or vector(0)",
            "The senders' fault, of five minutes: docs/runbooks/OtelJcmcPushesRefused.md.",
            unit="percentunit",
            colours={0.05: YELLOW, 0.2: RED},
        ),
        stat(
            "Failed",
            f"{failed} / ({pushes} > 0) or vector(0)",
            "Our fault, of five minutes: docs/runbooks/OtelJcmcPushesFailing.md.",
            unit="percentunit",
            colours={0.01: YELLOW, 0.05: RED},
        ),
    ]


def _pushes() -> Json:
    expr = _rate("pushes_total", "outcome")
    return lines("Pushes", "By outcome.", Query(expr, "{{outcome}}"), unit="reqps")


def _refused() -> Json:
    expr = _rate("pushes_total", "reason", 'outcome="refused"')
    about = "By reason: docs/reasons.md. All reasons begin at 0."
    return lines("Refused pushes", about, Query(expr, "{{reason}}"), unit="reqps")


def _failed() -> Json:
    expr = _rate("pushes_total", "reason", 'outcome="failed"')
    return lines("Failed pushes", "By reason: the store.", Query(expr, "{{reason}}"), unit="reqps")


def _latency() -> Json:
    buckets = f"sum by (le) (rate({_own('push_duration_seconds_bucket')}{_RANGE}))"
    return lines(
        "Push to the store's answer",
        "Of the oldest push of each batch.",
        Query(f"histogram_quantile(0.5, {buckets})", "median"),
        Query(f"histogram_quantile(0.99, {buckets})", "99th percentile"),
        unit="s",
    )


def _collections() -> Json:
    total = _rate("collection_duration_seconds_sum", "exporter")
    count = _rate("collection_duration_seconds_count", "exporter")
    return lines(
        "Time to collect, mean",
        "From the read of the store to the end of the export. Prometheus gives up at 10 s.",
        Query(f"{total} / {count}", "{{exporter}}"),
        unit="s",
    )


def _exports() -> Json:
    expr = _rate("exports_total", "exporter, outcome")
    query = Query(expr, "{{exporter}}: {{outcome}}")
    return lines("Exports", "Scrapes and OTLP by outcome.", query, unit="ops")


def _joins() -> Json:
    expr = _rate("joins_total", "outcome")
    return lines(
        "Joins", "Joined, or failed before a call.", Query(expr, "{{outcome}}"), unit="ops"
    )


def _failed_joins() -> Json:
    expr = _rate("joins_failed_total", "cause")
    about = "By what lib-jitsi-meet gives as its error: docs/runbooks/JitsiJoinsFailing.md."
    return lines("Failed joins", about, Query(expr, "{{cause}}"), unit="ops")


def _dropped() -> Json:
    expr = _rate("fields_dropped_total", "reason")
    about = "Of pushes whose rest was kept, by reason."
    return lines("Dropped fields", about, Query(expr, "{{reason}}"), unit="ops")


def _stores() -> Json:
    return timeline(
        "Store, as each replica sees it",
        "Whether Redis answers.",
        Query(f"min by (instance) ({_own('store_up')})", "{{instance}}"),
        {0: ("away", RED), 1: ("up", GREEN)},
    )


def _looks() -> Json:
    expr = _rate("looks_total", "outcome")
    about = "For what stands out, each 10 s by one of the replicas."
    return lines("Looks", about, Query(expr, "{{outcome}}"), unit="ops")


def _people() -> Json:
    kept_out = f"sum by (reason) (increase({_own('participants_suppressed_total')}[5m]))"
    about = "Newcomers that a limit kept out, in five minutes."
    return lines("Kept out by a limit", about, Query(kept_out, "{{reason}}"))


def _connections() -> Json:
    expr = f"sum by (instance) ({_own('connections')})"
    return lines("Connections", "Open, on all ports.", Query(expr, "{{instance}}"))


def _cut() -> Json:
    expr = _rate("connections_cut_total", "reason")
    return lines(
        "Connections cut", "Ended early, by reason.", Query(expr, "{{reason}}"), unit="ops"
    )


def _readers() -> Json:
    expr = _rate("reads_refused_total", "door, reason")
    about = "Sent away from scrape and pages."
    return lines("Readers refused", about, Query(expr, "{{door}}: {{reason}}"), unit="ops")


def _samples() -> Json:
    expr = _rate("history_samples_total", "outcome")
    return lines("Samples", "Of sessions, by outcome.", Query(expr, "{{outcome}}"), unit="ops")


def _sessions() -> Json:
    expr = f"max({_own('history_sessions')})"
    return lines("Sessions", "In Redis, whoever wrote them.", Query(expr, "sessions"))


def _bytes() -> Json:
    expr = f"max({_own('history_bytes')})"
    about = "Of Redis, at most JCMC_HISTORY_MAX_BYTES."
    return lines("Bytes of history", about, Query(expr, "bytes"), unit="bytes")


def _spans() -> Json:
    spans, events = (_rate(f"{what}_total", "outcome") for what in ("spans", "events"))
    about = (
        "Of sessions and conferences, and of what happens, by outcome; none without"
        " OTEL_TRACES_EXPORTER and OTEL_LOGS_EXPORTER."
    )
    queries = Query(spans, "spans {{outcome}}"), Query(events, "events {{outcome}}")
    return lines("Spans and events", about, *queries, unit="ops")


def _waiting() -> Json:
    queries = (Query(f"max({_own(f'{what}_waiting')})", what) for what in ("spans", "events"))
    return lines("Spans and events that wait", "For the receiver.", *queries)


def _errors() -> Json:
    expr = f"sum(increase({_own('callback_errors_total')}[5m]))"
    about = "Gauges left out of a collection, in five minutes: a fault of ours, report it."
    return lines("Gauges that failed", about, Query(expr, "gauges"))
