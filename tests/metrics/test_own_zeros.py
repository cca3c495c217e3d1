"""metrics/own.py: counters with a closed list begin at 0, so the first increase is visible."""

import re
from pathlib import Path

from harness import Service
from otlp_sink import OtlpSink

from otel_jcmc.catalogue.reasons import DROPS, FAILURES, LATE, REFUSALS, Reason

# Each counter with a closed list, and its number of series before the first count.
ALWAYS = {
    # 1 accepted, 2 accepted though late, 27 refused, 4 failed.
    "otel_jcmc_pushes_total": 35,
    "otel_jcmc_fields_dropped_total": 14,
    "otel_jcmc_participants_suppressed_total": 4,
    "otel_jcmc_joins_total": 2,
    "otel_jcmc_joins_failed_total": 28,
    "otel_jcmc_connections_cut_total": 6,
    "otel_jcmc_reads_refused_total": 8,
    "otel_jcmc_looks_total": 3,
    "otel_jcmc_history_samples_total": 5,
    "otel_jcmc_history_sessions_evicted_total": 2,
    "otel_jcmc_exports_total": 2,
}
WITH_OTLP = ALWAYS | {
    "otel_jcmc_exports_total": 5,
    "otel_jcmc_spans_total": 3,
    "otel_jcmc_events_total": 3,
    # Accepted, two refused, four failed.
    "otel_jcmc_push_tokens_total": 7,
}
# It begins with the start of the process that tells it.
STARTS = "otel_jcmc_process_starts_total"
# A zero for each gauge; these are only some of them.
GAUGES = ("jitsi_jcmc_packetloss_download", "jitsi_jcmc_standing_out", "jitsi_jcmc_info")


def counters(page: str) -> dict[str, list[float]]:
    """Return the values of each counter on *page*."""
    found: dict[str, list[float]] = {}
    for name, value in re.findall(
        r"^(otel_jcmc_\w+_total)(?:\{[^}]*\})? (\S+)$", page, re.MULTILINE
    ):
        found.setdefault(name, []).append(float(value))
    return found


def test_every_counter_of_a_closed_list_begins_with_zeros(service: Service) -> None:
    page = service.get("/metrics/service").body
    found = counters(page)
    gauges = found.pop("otel_jcmc_callback_errors_total")
    assert found.pop(STARTS) == [1]
    assert {name: len(values) for name, values in found.items()} == ALWAYS
    assert not any(value for values in [*found.values(), gauges] for value in values)
    for name in GAUGES:
        assert f'otel_jcmc_callback_errors_total{{gauge="{name}"}} 0.0' in page


def test_what_only_some_deployments_have_begins_with_zeros_there(short_path: Path) -> None:
    with (
        OtlpSink() as sink,
        Service(
            short_path,
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
            JCMC_PUSH_AUTH="token",
            JCMC_CORS_ALLOWED_ORIGINS="https://meet.example.org",
        ) as service,
    ):
        found = counters(service.get("/metrics/service").body)
    del found["otel_jcmc_callback_errors_total"], found[STARTS]
    assert {name: len(values) for name, values in found.items()} == WITH_OTLP


def test_the_first_refusal_is_an_increase(service: Service) -> None:
    """Prometheus sees no increase in a series that begins with 1."""
    series = 'otel_jcmc_pushes_total{outcome="refused",reason="not_json"}'
    before = service.own(series)
    assert service.push("{").status == 400
    assert (before, service.own(series)) == (0, 1)


def test_every_reason_has_a_place() -> None:
    assert {*REFUSALS, *FAILURES, *LATE, *DROPS} == set(Reason)
    assert {str(reason) for reason in set(REFUSALS) & set(DROPS)} == {
        "not_an_object",
        "missing",
        "not_text",
        "bad_text",
        "too_long",
    }
