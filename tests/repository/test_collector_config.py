"""
Checks collector-config/, the Dockerfile and .dockerignore without a container engine.

These are the faults at which a start would fail: a name, port, file or user that does not fit.
test_rules.py tests the rules, test_dashboards.py the dashboards.
"""

from __future__ import annotations

import http.server
import json
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.nginx import BESIDE, LOCATIONS, fenced
from e2e.parts import is_open
from harness import Service, eventually, push_body, request
from otlp_sink import OtlpSink
from ports import free_port
from redis_parts import RedisServer, redis_cli
from rule_files import CONFIG, ROOT, load

from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.config.settings import Settings
from otel_jcmc.store.embedded import EmbeddedStore

COLLECTORS = ["otelcol-otlp.yaml", "otelcol-scrape.yaml"]
SCRAPERS = [
    *("prometheus.yaml", "prometheus-replicas.yaml"),
    *("prometheus-otlp.yaml", "otelcol-scrape.yaml"),
]

# Default ports of the images.
IMAGE_PORTS = {
    "valkey": {6379},
    "prometheus": {9090},
    "grafana": {3000},
    "alertmanager": {9093},
    **{f"valkey-{number}": {6379} for number in (1, 2, 3)},
}
# The services that start by default, and those of each profile: in addition or, with names,
# instead.
ALONE = {"otel_jcmc", "valkey"}
AROUND = {"prometheus", "alertmanager", "collector", "tempo", "grafana"}
NODES = {"valkey-1", "valkey-2", "valkey-3"}
REPLICAS = {"replica-a", "replica-b"}


def texts(node: Any) -> Iterator[str]:
    """Yield every text value of a parsed file."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from texts(child)


def services() -> dict[str, dict[str, Any]]:
    """Return compose.yaml's services, with the defaults of its variables."""
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
    """Return the last of the Dockerfile's instructions of one kind, which is the valid one."""
    return [rest for name, rest in instructions() if name == keyword][-1]


def listening() -> dict[str, set[int]]:
    """Return the ports on which each service of compose.yaml listens in its network."""
    collector, tempo = load(CONFIG / "otelcol-otlp.yaml"), load(CONFIG / "tempo.yaml")
    ends = [text for text in texts(collector) if text.startswith("0.0.0.0:")]
    tempo_ends = [text for text in texts(tempo) if text.startswith("0.0.0.0:")]
    ours = {int(instruction("EXPOSE"))}
    of_nginx = re.findall(r"listen (\d+);", (CONFIG / "nginx.conf").read_text())
    return IMAGE_PORTS | {
        "otel_jcmc": ours,
        "replica-a": ours,
        "replica-b": ours,
        "nginx": set(map(int, of_nginx)),
        "collector": {int(end.rpartition(":")[2]) for end in ends},
        "tempo": {tempo["server"]["http_listen_port"]}
        | {int(end.rpartition(":")[2]) for end in tempo_ends},
    }


# Scrapes.


def jobs(name: str) -> dict[str, dict[str, Any]]:
    """Return the scrape jobs of one file, by their page."""
    found = load(CONFIG / name)
    found = found.get("receivers", {}).get("prometheus", {}).get("config", found)
    return {job.get("metrics_path", "/metrics"): job for job in found["scrape_configs"]}


@pytest.mark.parametrize("name", SCRAPERS)
def test_limits_of_a_scrape_let_through_all_good_input(name: str) -> None:
    """A page over a limit is refused as a whole: one long name must not lose all metrics."""
    # 10,000 participants, each with eight transports and its info.
    participants = 10_000 * (len(METRICS) + 7 + 1)
    # 10,000 conferences, 200 bridges, 50 regions, the fleet, 700 things that stand out.
    verdicts = 10_000 * 4 + 250 * 12 + 12 + 700 * 6
    # Counters; and for each of 51 regions two and 28 of joins, and five histograms.
    service = 300 + 51 * (2 + 28) + 51 * 70
    least = {
        "/metrics": participants + verdicts + service,
        "/metrics/participants": participants,
        "/metrics/verdicts": verdicts,
        "/metrics/service": service,
    }
    for page, job in jobs(name).items():
        assert job["sample_limit"] >= least[page], page
        assert job["label_limit"] >= 14
        assert job["label_name_length_limit"] >= len("jitsi_ice_remote_candidate_type")
        assert job["label_value_length_limit"] >= 256 * 4


@pytest.mark.parametrize(
    "name", ["prometheus.yaml", "prometheus-replicas.yaml", "otelcol-scrape.yaml"]
)
def test_every_page_is_scraped_once(name: str) -> None:
    """Together they are all of /metrics, and no series comes twice."""
    assert set(jobs(name)) == {"/metrics/service", "/metrics/verdicts", "/metrics/participants"}


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
    for kind, pipeline in load(CONFIG / name)["service"]["pipelines"].items():
        after = {"metrics": ["batch"], "traces": [], "logs": []}[kind]
        assert pipeline["processors"] == ["memory_limiter", *after]


def test_the_collector_answers_for_no_span_that_it_has_in_memory_alone() -> None:
    """tests/collector/test_outages.py tests it in practice."""
    exporter = load(CONFIG / "otelcol-otlp.yaml")["exporters"]["otlp_grpc/tempo"]
    assert exporter["sending_queue"] == exporter["retry_on_failure"] == {"enabled": False}


def test_metrics_stay_in_the_collector_as_long_as_a_participant_lives() -> None:
    """The larger of the time to live (30 s) and 2.5 export intervals (15 s), in whole seconds."""
    exporter = load(CONFIG / "otelcol-otlp.yaml")["exporters"]["prometheus"]
    assert exporter["metric_expiration"] == f"{math.ceil(max(30, 2.5 * 15))}s" == "38s"


def test_names_come_out_of_the_collector_as_on_our_own_page() -> None:
    exporter = load(CONFIG / "otelcol-otlp.yaml")["exporters"]["prometheus"]
    assert exporter["translation_strategy"] == "UnderscoreEscapingWithSuffixes"
    assert exporter["without_scope_info"] is True
    assert not {"namespace", "const_labels", "resource_to_telemetry_conversion"} & set(exporter)


def test_grafana_finds_the_dashboards_where_its_provider_looks() -> None:
    (provider,) = load(CONFIG / "grafana/provisioning/dashboards/dashboards.yaml")["providers"]
    assert ("./grafana/dashboards/jcmc", provider["options"]["path"]) in mounts(
        services()["grafana"]
    )


# Compose.


def test_every_address_is_a_service_that_listens_there() -> None:
    files = [*COLLECTORS, *SCRAPERS, "prometheus-otlp-receiver.yaml"]
    files.append("grafana/provisioning/datasources/datasources.yaml")
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


@pytest.mark.parametrize(
    ("service", "module", "image"),
    [
        ("collector", "receiver/prometheusreceiver", r"\1.\2.\3"),
        # By the numbers of its releases as a module: 0.316.0 is 3.16.0.
        ("prometheus", "prometheus/prometheus", r"v3.\2.\3"),
        ("alertmanager", "prometheus/alertmanager", r"v\1.\2.\3"),
    ],
)
def test_an_image_is_of_the_release_that_is_run(service: str, module: str, image: str) -> None:
    """`make collector` runs it; tests/collector/parts has the modules."""
    modules = (ROOT / f"tests/collector/parts/{service}/go.mod").read_text()
    found = re.search(rf"{module} v(\d+)\.(?:3(?=\d\d\.))?(\d+)\.(\d+)", modules)
    assert found is not None
    assert services()[service]["image"].rpartition(":")[2] == found.expand(image)


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
            if source.startswith("."):
                assert (CONFIG / source).exists(), f"{name}: {source}"
                assert f"{source}:{target}:ro" in service["volumes"], f"{name}: {source}"
            else:
                used.add(source)
    assert used == volumes


def test_what_a_service_waits_for_can_come_true() -> None:
    """Each awaited health check must exist; the Collector's image cannot have one."""
    found = services()
    # Services of our image have the Dockerfile's; those that end are awaited in another way.
    without = {"otel_jcmc", "collector", "valkey-cluster", *REPLICAS}
    for name, service in found.items():
        assert ("healthcheck" in service) == (name not in without), name
        for other, wait in service.get("depends_on", {}).items():
            ends = wait["condition"] == "service_completed_successfully"
            assert ends == (other == "valkey-cluster"), f"{name}: {other}"
            wanted = ends or "healthcheck" in found[other]
            assert wanted or wait["condition"] == "service_started", f"{name}: {other}"
    assert instruction("HEALTHCHECK")


def test_the_collectors_garbage_collector_knows_its_memory() -> None:
    """80 % of the container's 1 GiB, which is the memory limiter's hard limit."""
    collector = services()["collector"]
    assert collector["mem_limit"] == "1g"
    assert collector["environment"]["GOMEMLIMIT"] == f"{1024 * 80 // 100}MiB"
    limiter = load(CONFIG / "otelcol-otlp.yaml")["processors"]["memory_limiter"]
    assert limiter["limit_percentage"] == 80


@pytest.mark.parametrize("name", ["valkey", *sorted(NODES)])
def test_the_store_refuses_rather_than_drops_and_saves_nothing(name: str) -> None:
    command = " ".join(services()[name]["command"])
    assert "--maxmemory 800mb --maxmemory-policy noeviction" in command
    assert "--save  --appendonly no" in command


# Profiles.


def started(profile: str, *names: str) -> set[str]:
    """Return what `docker compose --profile PROFILE up NAMES` starts; without names, all it can."""
    found = services()
    enabled = {name for name, each in found.items() if profile in each.get("profiles", [profile])}
    begun: set[str] = set()
    left = list(names or enabled)
    while left:
        name = left.pop()
        assert name in enabled, f"{name} is waited for, and not of the profile {profile}"
        if name not in begun:
            begun.add(name)
            left += found[name].get("depends_on", {})
    return begun


def test_each_profile_starts_what_it_says() -> None:
    assert started("") == ALONE
    assert started("everything") == ALONE | AROUND
    wanted = {*NODES, *REPLICAS, "nginx", "valkey-cluster", "prometheus", "alertmanager"}
    assert started("replicas", "nginx", "prometheus") == wanted
    assert "--profile replicas up nginx prometheus\n" in (CONFIG / "compose.yaml").read_text()


def test_a_profiles_settings_are_variables_of_the_file_and_known_to_the_service() -> None:
    text = (CONFIG / "compose.yaml").read_text()
    for name in ("everything.env", "replicas.env"):
        assert name in text
        for line in (CONFIG / name).read_text().splitlines():
            variable = line.partition("=")[0]
            assert line.startswith("#") or f"${{{variable}:-" in text, line
    told: dict[str, Any] = dict(
        line.split("=") for line in (CONFIG / "everything.env").read_text().splitlines()[1:]
    )
    settings = Settings(**told, _env_file=None)
    assert settings.metrics_exporter == {"prometheus", "otlp"}
    assert settings.traces_exporter == "otlp"
    assert settings.logs_exporter == "otlp"


def test_replicas_name_the_nodes_and_nginx_names_the_replicas() -> None:
    """With fixed addresses."""
    found = services()
    at = {name: found[name]["networks"]["replicas"]["ipv4_address"] for name in (*NODES, *REPLICAS)}
    assert len(set(at.values())) == 5
    nodes = [f"{at[name]}:6379" for name in sorted(NODES)]
    assert found["valkey-cluster"]["command"][2:] == nodes
    for name in REPLICAS:
        assert found[name]["environment"]["REDIS_URL"] == f"redis+cluster://{','.join(nodes)}"
    servers = re.findall(r"^    server (\S+) max_fails=0;$", nginx(), re.MULTILINE)
    assert servers == [f"{at[name]}:3000" for name in sorted(REPLICAS)]


# nginx.


def nginx() -> str:
    """Return the nginx configuration of the replicas."""
    return (CONFIG / "nginx.conf").read_text()


def test_nginx_before_replicas_has_what_the_docs_have() -> None:
    (upstream,) = fenced("docs/deploy.md", "nginx")
    zones = "".join(re.findall(r"^limit_.*\n", BESIDE, re.MULTILINE))
    for port, address in ((3000, 21), (3001, 22)):
        upstream = upstream.replace(f"127.0.0.1:{port}", f"172.30.118.{address}:3000")
    for text in (zones, upstream):
        assert text in nginx()
    (volume,) = re.findall(r"- \.\./(\S+):(\S+):ro", (CONFIG / "compose.yaml").read_text())
    assert (ROOT / volume[0]).read_text() == LOCATIONS
    assert f"include {volume[1]};" in nginx()


def test_counters_are_scraped_of_each_replica_and_the_rest_by_one_name() -> None:
    found = jobs("prometheus-replicas.yaml")

    def targets(page: str) -> list[str]:
        return [each for group in found[page]["static_configs"] for each in group["targets"]]

    assert targets("/metrics/service") == [f"{name}:3000" for name in sorted(REPLICAS)]
    assert targets("/metrics/verdicts") == targets("/metrics/participants") == ["nginx:8081"]
    inside = nginx()[nginx().index("listen 8081;") :]
    pages = re.findall(r"location (.*?) \{", inside)
    assert pages == ["= /metrics/verdicts", "= /metrics/participants", "/"]


COUNTERS = re.compile(r"/metrics/service|`/metrics`")


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", CONFIG / "README.md"]
)
def test_nobody_is_told_to_scrape_a_balancer_for_counters(path: Path) -> None:
    """A table row or sentence that has both words says never, each, every or alone."""
    for text in re.split(r"\n|(?<=[.;:]) ", path.read_text()):
        if "balancer" in text and COUNTERS.search(text):
            assert re.search(r"[Nn]ever|every|each|single", text), text


def test_the_cluster_is_made_once(tmp_path: Path) -> None:
    """By the script of compose.yaml, on real masters; a second run changes nothing."""
    nodes = [
        RedisServer(tmp_path / f"n{number}", "--cluster-enabled", "yes") for number in range(3)
    ]
    for node in nodes:
        # The bus of a node has the port plus 10,000: below the range of outgoing connections.
        while node.port > 22_700 or is_open(node.port + 10_000):
            node.port = free_port()
    redis_cli(tmp_path, "valkey-cli")
    command: list[str | Path] = [
        "sh",
        CONFIG / "valkey-cluster.sh",
        *(f"127.0.0.1:{node.port}" for node in nodes),
    ]
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with ExitStack() as stack:
        for node in nodes:
            stack.enter_context(node)
        seen = []
        for _ in range(2):
            done = subprocess.run(
                command, env=environ, capture_output=True, text=True, timeout=30, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1] == "3 masters are one cluster"
            with nodes[1].client() as client:
                slots = client.execute_command("CLUSTER SLOTS")
            seen.append(sorted((first, last, node[1]) for first, last, node, *_ in slots))
        assert seen[0] == seen[1]
        assert [(first, last) for first, last, _ in seen[0]] == [
            *((0, 5460), (5461, 10921), (10922, 16383))
        ]
        assert [port for _, _, port in seen[0]] == [node.port for node in nodes]


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
        # A proxy where nothing answers: the check must not use it.
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
    """So the root file system can be read-only: here the kernel permits no write."""
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
        # Except its log, which is a pipe in a container and a file here.
        limited = 'ulimit -f 0 && exec "$@" 2>/dev/null'
        service.command = ["/bin/sh", "-c", limited, "sh", sys.executable, "-m", "otel_jcmc"]
        with service:
            assert service.push(push_body(conference="read-only")).body == "OK"
            page = request(f"{service.admin_url}/metrics").body
            assert 'roomname="read-only"' in page
            eventually(lambda: sink.points("jitsi_"))
