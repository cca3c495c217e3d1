"""
What collector-config/, the Dockerfile and .dockerignore promise, as far as it can be seen without
a container engine: promtool reads Prometheus' files and runs the rules' tests, and the rest is
checked for what a start would stumble over (a name, port, file or user that doesn't fit).
"""

from __future__ import annotations

import functools
import http.server
import json
import math
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import Service, eventually, push_body, request
from otlp_sink import OtlpSink
from series_names import PARTICIPANT_NAMES

from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.store.embedded import EmbeddedStore

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "collector-config"
RULES = sorted((CONFIG / "rules").glob("*.yaml"))
RULE_TESTS = sorted((CONFIG / "rules/tests").glob("*.yaml"))
DASHBOARDS = sorted((CONFIG / "grafana/dashboards").glob("*.json"))
COLLECTORS = ["otelcol-otlp.yaml", "otelcol-scrape.yaml"]
SCRAPERS = ["prometheus.yaml", "prometheus-otlp.yaml", "otelcol-scrape.yaml"]

OWN_NAMES = {
    "otel_jcmc_pushes_total",
    "otel_jcmc_fields_dropped_total",
    "otel_jcmc_participants",
    "otel_jcmc_conferences",
    "otel_jcmc_participants_suppressed_total",
    "otel_jcmc_connections_cut_total",
    "otel_jcmc_history_samples_total",
    "otel_jcmc_store_up",
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
}
PROMETHEUS_NAMES = {"up", "scrape_samples_post_metric_relabeling"}
# Ports that images listen on without being told.
IMAGE_PORTS = {"valkey": {6379}, "prometheus": {9090}, "grafana": {3000}}


def run_promtool(*arguments: str | Path) -> None:
    """Run promtool and fail with what it says when it is not content."""
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
    """Return what a YAML or JSON file of ours says."""
    return yaml.safe_load(path.read_text())


def rules(path: Path) -> list[dict[str, Any]]:
    """Return the rules of one file, recorded names and alerts alike."""
    return [rule for group in load(path)["groups"] for rule in group["rules"]]


def recorded(path: Path) -> set[str]:
    """Return the names that one file records."""
    return {rule["record"] for rule in rules(path) if "record" in rule}


def metric_names(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression reads; a pattern becomes the names it means."""
    found = set()
    for pattern in re.findall(r'__name__=~"([^"]+)"', expression):
        meant = {name for name in PARTICIPANT_NAMES if re.fullmatch(pattern, name)}
        found |= meant or {pattern}
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    words = re.findall(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?!\w)(?!\s*\()", bare)
    return found | {word for word in words if word not in {"and", "or", "unless", "bool", "offset"}}


def dashboard_expressions() -> list[str]:
    """Return every expression that a panel asks for, its variables filled in."""
    return [
        target["expr"].replace("$conference", ".*").replace("$__rate_interval", "1m")
        for path in DASHBOARDS
        for panel in load(path)["panels"]
        for target in panel.get("targets", [])
    ]


def texts(node: Any) -> Iterator[str]:
    """Yield every text value of a parsed file."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from texts(child)


def services() -> dict[str, dict[str, Any]]:
    """Return compose.yaml's services, with the defaults of its variables filled in."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (CONFIG / "compose.yaml").read_text())
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (source, target) of each volume of a service."""
    split = [volume.split(":") for volume in service.get("volumes", [])]
    return [(source, target) for source, target, *_ in split]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order: (COPY, a b /c/)."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", "")
    return [
        (keyword, rest.strip())
        for keyword, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def instruction(keyword: str) -> str:
    """Return the last of the Dockerfile's instructions of one kind: the one that counts."""
    return [rest for name, rest in instructions() if name == keyword][-1]


def listening() -> dict[str, set[int]]:
    """Return the ports that each service of compose.yaml listens on inside its network."""
    collector, tempo = load(CONFIG / "otelcol-otlp.yaml"), load(CONFIG / "tempo.yaml")
    ends = [text for text in texts(collector) if text.startswith("0.0.0.0:")]
    tempo_ends = [text for text in texts(tempo) if text.startswith("0.0.0.0:")]
    return IMAGE_PORTS | {
        "otel_jcmc": {int(instruction("EXPOSE"))},
        "collector": {int(end.rpartition(":")[2]) for end in ends},
        "tempo": {tempo["server"]["http_listen_port"]}
        | {int(end.rpartition(":")[2]) for end in tempo_ends},
    }


# Prometheus: its files, the rules, the alerts.


@pytest.mark.parametrize("name", ["prometheus.yaml", "prometheus-otlp.yaml"])
def test_prometheus_accepts_its_configuration(name: str) -> None:
    run_promtool("check", "config", CONFIG / name)


def test_prometheus_accepts_every_rule() -> None:
    run_promtool("check", "rules", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(path: Path) -> None:
    run_promtool("test", "rules", path)


def test_every_rule_has_a_test() -> None:
    tested = "\n".join(path.read_text() for path in RULE_TESTS)
    names = {rule.get("record") or rule["alert"] for path in RULES for rule in rules(path)}
    assert {name for name in names if not re.search(rf"\b{name}\b", tested)} == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do_first() -> None:
    for rule in rules(CONFIG / "rules/alerts.yaml"):
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["for"], rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert re.search(r"\b[Ff]irst\b", rule["annotations"]["description"]), rule["alert"]


def test_templates_of_alerts_are_of_the_plain_kind() -> None:
    """promtool reads a template but doesn't fill it in, so a slip would show in a page at night."""
    plain = r" \$(?:value(?: \| humanize\w*)?|labels\.\w+) "
    for rule in rules(CONFIG / "rules/alerts.yaml"):
        for text in rule["annotations"].values():
            for template in re.findall(r"\{\{(.*?)\}\}", text):
                assert re.fullmatch(plain, template), f"{rule['alert']}: {template}"


def test_both_namings_record_the_same_names() -> None:
    jcmc = recorded(CONFIG / "rules/recording-jcmc.yaml")
    assert jcmc == recorded(CONFIG / "rules/recording-otel.yaml")
    assert len(jcmc) == 20


def test_rules_read_only_what_the_contracts_or_other_rules_have() -> None:
    known = PARTICIPANT_NAMES | OWN_NAMES | PROMETHEUS_NAMES
    known = known.union(*(recorded(path) for path in RULES))
    for path in RULES:
        for rule in rules(path):
            assert metric_names(rule["expr"]) - known == set(), rule


def test_alerts_work_with_both_namings() -> None:
    for rule in rules(CONFIG / "rules/alerts.yaml"):
        assert metric_names(rule["expr"]) & PARTICIPANT_NAMES == set(), rule["alert"]


@pytest.mark.parametrize("name", SCRAPERS)
def test_limits_of_a_scrape_let_through_all_good_input(name: str) -> None:
    """A page over a limit is refused whole, so one long name must not lose everybody's metrics."""
    found = load(CONFIG / name)
    found = found.get("receivers", {}).get("prometheus", {}).get("config", found)
    for job in found["scrape_configs"]:
        # 10,000 participants, each with eight transports, and who each is.
        assert job["sample_limit"] >= 10_000 * (len(METRICS) + 7 + 1)
        assert job["label_limit"] >= 14
        assert job["label_name_length_limit"] >= len("jitsi_ice_remote_candidate_type")
        assert job["label_value_length_limit"] >= 256 * 4


def test_an_alert_comes_before_the_sample_limit() -> None:
    found = {rule["alert"]: rule for rule in rules(CONFIG / "rules/alerts.yaml")}
    alert = found["OtelJcmcScrapeNearLimit"]
    assert alert["expr"].endswith("> 480000")
    assert "refused at 600,000" in alert["annotations"]["summary"]


# Collector.


@pytest.mark.parametrize("name", COLLECTORS)
def test_every_component_of_a_collector_is_defined_and_used(name: str) -> None:
    found = load(CONFIG / name)
    pipelines = found["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        used = {component for pipeline in pipelines for component in pipeline[kind]}
        assert used == set(found[kind]), kind
    assert set(found["service"].get("extensions", [])) == set(found.get("extensions", {}))


@pytest.mark.parametrize("name", COLLECTORS)
def test_the_memory_limiter_stands_first_in_every_pipeline(name: str) -> None:
    for pipeline in load(CONFIG / name)["service"]["pipelines"].values():
        assert pipeline["processors"] == ["memory_limiter", "batch"]


def test_metrics_stay_in_the_collector_as_long_as_a_participant_lives() -> None:
    """The larger of the TTL (30 s) and 2.5 export intervals (15 s), in whole seconds."""
    exporter = load(CONFIG / "otelcol-otlp.yaml")["exporters"]["prometheus"]
    assert exporter["metric_expiration"] == f"{math.ceil(max(30, 2.5 * 15))}s" == "38s"


def test_names_come_out_of_the_collector_as_on_our_own_page() -> None:
    exporter = load(CONFIG / "otelcol-otlp.yaml")["exporters"]["prometheus"]
    assert exporter["translation_strategy"] == "UnderscoreEscapingWithSuffixes"
    assert exporter["without_scope_info"] is True
    assert not {"namespace", "const_labels", "resource_to_telemetry_conversion"} & set(exporter)


# Grafana.


def test_every_dashboard_expression_parses(tmp_path: Path) -> None:
    found = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(dashboard_expressions())
    ]
    assert len(found) > 20
    written = tmp_path / "dashboards.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": found}]}))
    run_promtool("check", "rules", written)


def test_dashboards_read_only_recorded_names() -> None:
    """So that they work with both namings, and count a participant once."""
    known = set[str]().union(*(recorded(path) for path in RULES))
    for expression in dashboard_expressions():
        assert metric_names(expression) - known == set(), expression


def test_dashboards_use_the_provisioned_data_sources() -> None:
    provisioned = load(CONFIG / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
    uids = {source["uid"] for source in provisioned}
    assert uids == {"prometheus", "tempo"}
    for path in DASHBOARDS:
        used = re.findall(r'"datasource": \{[^}]*"uid": "([^"]*)"', path.read_text())
        assert used
        assert set(used) <= uids


def test_grafana_finds_the_dashboards_where_its_provider_looks() -> None:
    (provider,) = load(CONFIG / "grafana/provisioning/dashboards/dashboards.yaml")["providers"]
    assert ("./grafana/dashboards", provider["options"]["path"]) in mounts(services()["grafana"])


# Compose.


def test_every_address_is_a_service_that_listens_there() -> None:
    files = [*COLLECTORS, *SCRAPERS, "grafana/provisioning/datasources/datasources.yaml"]
    found = [text for name in files for text in texts(load(CONFIG / name))]
    found += [text for service in services().values() for text in texts(service.get("environment"))]
    addresses = [
        match for text in found for match in re.findall(r"(?:^|//)([a-z][\w.-]*):(\d+)", text)
    ]
    assert len(addresses) >= 7
    for host, port in addresses:
        assert int(port) in listening().get(host, set()), f"{host}:{port}"


def test_published_ports_are_on_loopback_and_lead_to_a_listener() -> None:
    for name, service in services().items():
        for published in service.get("ports", []):
            address, _, inside = published.split(":")
            assert address == "127.0.0.1", name
            assert int(inside) in listening()[name], name


def test_every_image_is_pinned_to_a_version() -> None:
    for name, service in services().items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", service["image"]), name


def test_every_container_is_without_privileges_on_a_read_only_file_system() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name
        user = instruction("USER") if "build" in service else service["user"]
        assert re.fullmatch(r"[1-9]\d*:\d+", user), name


def test_every_mounted_file_exists_and_is_read_only() -> None:
    volumes = set(load(CONFIG / "compose.yaml")["volumes"])
    used = set()
    for name, service in services().items():
        for source, target in mounts(service):
            if source.startswith("./"):
                assert (CONFIG / source).exists(), f"{name}: {source}"
                assert f"{source}:{target}:ro" in service["volumes"], f"{name}: {source}"
            else:
                used.add(source)
    assert used == volumes


def test_what_a_service_waits_for_can_come_true() -> None:
    """A health check that is waited for has to exist; the Collector's image can't have one."""
    found = services()
    for name, service in found.items():
        assert ("healthcheck" in service) == (name not in {"otel_jcmc", "collector"}), name
        for other, wait in service.get("depends_on", {}).items():
            wanted = "healthcheck" in found[other]
            assert wanted or wait["condition"] == "service_started", f"{name}: {other}"
    assert instruction("HEALTHCHECK")


def test_the_collectors_garbage_collector_knows_its_memory() -> None:
    """80 % of the container's 1 GiB, where the memory limiter's hard limit is."""
    collector = services()["collector"]
    assert collector["mem_limit"] == "1g"
    assert collector["environment"]["GOMEMLIMIT"] == f"{1024 * 80 // 100}MiB"
    limiter = load(CONFIG / "otelcol-otlp.yaml")["processors"]["memory_limiter"]
    assert limiter["limit_percentage"] == 80


def test_the_store_refuses_rather_than_drops_and_saves_nothing() -> None:
    command = " ".join(services()["valkey"]["command"])
    assert "--maxmemory 256mb --maxmemory-policy noeviction" in command
    assert "--save  --appendonly no" in command


# Image.


def test_base_images_are_pinned_to_a_version_and_the_same() -> None:
    images = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", images.pop())


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    ignore = [line for line in ignore if line and not line.startswith("#")]
    kept = {line[1:] for line in ignore if line.startswith("!")}
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY"]
    sources = {source for line in copied if not line[0].startswith("--from") for source in line}
    assert ignore[0] == "*"
    assert sources == kept
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert "\nhatchling==" in (ROOT / "requirements/run.txt").read_text()


def test_nothing_is_installed_without_a_hash_or_from_elsewhere() -> None:
    installs = [
        json.loads(rest) for name, rest in instructions() if name == "RUN" and "pip" in rest
    ]
    installs = [command for command in installs if "install" in command or "wheel" in command]
    assert len(installs) == 4
    for command in installs:
        hashed = "--require-hashes" in command and "-r" in command
        offline = "--no-deps" in command and {"--no-index", "--no-build-isolation"} & set(command)
        assert hashed or offline, command


def test_the_image_starts_without_a_shell() -> None:
    assert json.loads(instruction("ENTRYPOINT")) == ["otel-jcmc"]
    assert json.loads(instruction("CMD")) == ["serve"]
    for name, rest in instructions():
        if name == "RUN":
            assert isinstance(json.loads(rest), list)


def test_what_the_image_imports_to_compile_it_is_there() -> None:
    run = [json.loads(rest) for name, rest in instructions() if name == "RUN"]
    [arguments] = [arguments for python, *arguments in run if python == "/app/bin/python"]
    subprocess.run([sys.executable, *arguments], check=True)


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_the_health_check_says_what_the_service_says(status: int, exit_code: int) -> None:
    asked = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        # A proxy that nobody answers on: the check must not ask it.
        environment = {"JCMC_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9"}
        said = health_check(environment)
        server.shutdown()
        thread.join()
    assert said == exit_code
    assert asked == ["/-/healthy"]


def test_the_health_check_fails_when_nobody_answers() -> None:
    assert health_check({"PORT": "9"}) == 1


def health_check(environment: dict[str, str]) -> int:
    """Run the Dockerfile's HEALTHCHECK here, with this Python, and return its exit code."""
    python, *arguments = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert python == "python"
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_the_service_writes_to_no_file(redis_server: EmbeddedStore, short_path: Path) -> None:
    """So a root file system can be read-only: the kernel lets it and its exporter write none."""
    with OtlpSink() as sink:
        service = Service(
            short_path,
            REDIS_URL=redis_server.url,
            JCMC_ADMIN_PORT="0",
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
            OTEL_METRIC_EXPORT_INTERVAL="200",
            PYTHONDONTWRITEBYTECODE="1",
        )
        # Not its log, which is a pipe in a container and a file here.
        limited = 'ulimit -f 0 && exec "$@" 2>/dev/null'
        service.command = ["/bin/sh", "-c", limited, "sh", sys.executable, "-m", "otel_jcmc"]
        with service:
            assert service.push(push_body(conference="read-only")).body == "OK"
            page = request(f"{service.admin_url}/metrics").body
            assert 'roomname="read-only"' in page
            eventually(lambda: sink.points("jitsi_"))
