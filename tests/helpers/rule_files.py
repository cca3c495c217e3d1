"""Reads the files of collector-config/ and runs promtool: names that rules and boards may use."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from series_names import LEVEL_NAMES, PARTICIPANT_NAMES

from tools import promql

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "collector-config"
RULES = sorted((CONFIG / "rules").glob("*.yaml"))
ALERTS = [path for path in RULES if path.stem.startswith("alerts")]
RULE_TESTS = sorted((CONFIG / "rules/tests").glob("*.yaml"))

OWN_NAMES = {
    "otel_jcmc_pushes_total",
    "otel_jcmc_fields_dropped_total",
    "otel_jcmc_participants",
    "otel_jcmc_conferences",
    "otel_jcmc_participants_suppressed_total",
    "otel_jcmc_connections_cut_total",
    "otel_jcmc_history_samples_total",
    "otel_jcmc_store_up",
    "otel_jcmc_partitions_unread",
    "otel_jcmc_push_duration_seconds_bucket",
    "otel_jcmc_push_duration_seconds_sum",
    "otel_jcmc_push_duration_seconds_count",
    "otel_jcmc_collection_duration_seconds_bucket",
    "otel_jcmc_collection_duration_seconds_sum",
    "otel_jcmc_collection_duration_seconds_count",
    "otel_jcmc_exports_total",
    "otel_jcmc_spans_total",
    "otel_jcmc_push_tokens_total",
    "otel_jcmc_build_info",
    "otel_jcmc_looks_total",
    "otel_jcmc_standing_known",
    "otel_jcmc_joins_total",
    "otel_jcmc_joins_failed_total",
    "otel_jcmc_connections",
    "otel_jcmc_reads_refused_total",
    "otel_jcmc_history_sessions",
    "otel_jcmc_history_bytes",
    "otel_jcmc_spans_waiting",
    "otel_jcmc_events_total",
    "otel_jcmc_events_waiting",
    "otel_jcmc_callback_errors_total",
    "otel_jcmc_process_starts_total",
    "otel_jcmc_workers",
    "otel_jcmc_last_push_timestamp_seconds",
    "otel_jcmc_last_scrape_timestamp_seconds",
    "otel_jcmc_last_export_timestamp_seconds",
    "otel_jcmc_last_spans_timestamp_seconds",
    "otel_jcmc_last_events_timestamp_seconds",
}
PROMETHEUS_NAMES = {"up", "scrape_samples_post_metric_relabeling"}
# Metrics of jitsi-videobridge itself.
BRIDGE_NAMES = {"jitsi_jvb_stress_level", "jitsi_jvb_participants", "jitsi_jvb_graceful_shutdown"}
KNOWN = PARTICIPANT_NAMES | LEVEL_NAMES | OWN_NAMES | PROMETHEUS_NAMES | BRIDGE_NAMES


def run_promtool(*arguments: str | Path) -> None:
    """Run promtool; fail with its output if it complains."""
    cached = ROOT / ".cache/prometheus/usr/bin/promtool"
    promtool = shutil.which("promtool") or (str(cached) if cached.exists() else None)
    if promtool is None:
        pytest.fail("promtool is missing: run tests/real-parts.sh prometheus", pytrace=False)
    done = subprocess.run(
        [promtool, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


@functools.cache
def load(path: Path) -> Any:
    """Return the content of one of our YAML or JSON files."""
    return yaml.safe_load(path.read_text())


def rules(path: Path) -> list[dict[str, Any]]:
    """Return the rules of one file, both recording rules and alerts."""
    return [rule for group in load(path)["groups"] for rule in group["rules"]]


def recorded(path: Path) -> set[str]:
    """Return the names that one file records."""
    return {rule["record"] for rule in rules(path) if "record" in rule}


def metric_names(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression reads; a pattern becomes the names it means."""
    return promql.metric_names(expression, KNOWN)
