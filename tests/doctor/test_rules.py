"""`otel-jcmc doctor --prometheus`: what is wrong with the rules of a real Prometheus is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml
from doctor.conftest import Ask, Told, push_and_scrape
from e2e.parts import Prometheus, running_prometheus, serving
from harness import Service, eventually
from rule_files import RULES, load

from otel_jcmc.doctor import shipped


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("r")) as running:
        push_and_scrape(running)
        yield running


@contextmanager
def watched(folder: Path, service: Service, rules: list[Path]) -> Iterator[Prometheus]:
    """Run a Prometheus with *rules* that scrapes *service*, once it has it."""
    with (
        running_prometheus(folder, rules) as prometheus,
        prometheus.scraping("calls", service.url),
    ):
        push_and_scrape(service)
        eventually(lambda: prometheus.query("count(otel_jcmc_build_info)"), 25)
        yield prometheus


def changed(folder: Path, name: str, alert: str, expr: str) -> list[Path]:
    """Return all rules, of which *alert* in the file *name* has another *expr*; none: is away."""
    made = []
    (folder / "rules").mkdir()
    for path in RULES:
        told = yaml.safe_load(path.read_text())
        for group in told["groups"]:
            kept = []
            for rule in group["rules"]:
                if path.name == name and rule.get("alert") == alert:
                    if not expr:
                        continue
                    rule["expr"] = expr
                kept.append(rule)
            group["rules"] = kept
        copy = folder / "rules" / path.name
        copy.write_text(yaml.safe_dump(told))
        made.append(copy)
    return made


def ask(doctor: Ask, service: Service, prometheus: Prometheus) -> Told:
    return doctor(service, "--prometheus", prometheus.url)


def test_no_rules_at_all_are_one_fault(tmp_path: Path, doctor: Ask, service: Service) -> None:
    with watched(tmp_path, service, []) as prometheus:
        topic, text, remedy = ask(doctor, service, prometheus).wrong()
    assert (topic, text) == (
        "prometheus",
        "it has loaded none of our rules: no alert fires",
    )
    assert remedy.startswith("name the files of collector-config/rules/ in rule_files")


def telling(series: str) -> type[BaseHTTPRequestHandler]:
    """Return what tells of one *series*, as it arrives from elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(f"{series} 1\n".encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def test_rules_that_are_evaluated_elsewhere_are_no_fault(
    tmp_path: Path, doctor: Ask, service: Service
) -> None:
    with (
        serving(telling("otel_jcmc:store_up:min")) as ruler,
        watched(tmp_path, service, []) as prometheus,
        prometheus.scraping("ruler", ruler),
    ):
        eventually(lambda: prometheus.query("count(otel_jcmc:store_up:min)"), 25)
        told = ask(doctor, service, prometheus)
    assert told.of("wrong") == []
    text = "it has the series that the project's rules record, but not the rules"
    assert ("prometheus", text) in told.of("open")


def test_a_file_that_is_missing_is_named(tmp_path: Path, doctor: Ask, service: Service) -> None:
    rules = [path for path in RULES if path.name != "recording.yaml"]
    with watched(tmp_path, service, rules) as prometheus:
        _, text, _ = ask(doctor, service, prometheus).wrong()
    assert text == "the rules of recording.yaml are not loaded"


def test_former_names_and_bridges_may_be_missing(
    tmp_path: Path, doctor: Ask, service: Service
) -> None:
    optional = {"former-names.yaml", "bridges.yaml"}
    rules = [path for path in RULES if path.name not in optional]
    with watched(tmp_path, service, rules) as prometheus:
        told = ask(doctor, service, prometheus)
    assert told.of("wrong") == []
    found = [text for topic, text in told.of("well") if topic == "prometheus"]
    assert found[1] == "it has loaded our 51 rules, and none fails"


def test_the_rules_of_bridges_are_wanted_where_bridges_are_scraped(
    tmp_path: Path, doctor: Ask, service: Service
) -> None:
    rules = [path for path in RULES if path.name != "bridges.yaml"]
    with (
        serving(telling("jitsi_jvb_stress_level")) as bridge,
        watched(tmp_path, service, rules) as prometheus,
        prometheus.scraping("jvb", bridge),
    ):
        eventually(lambda: prometheus.query("count(jitsi_jvb_stress_level)"), 25)
        _, text, _ = ask(doctor, service, prometheus).wrong()
    assert text == "the rules of bridges.yaml are not loaded"


def test_an_older_file_is_named_with_what_it_lacks(
    tmp_path: Path, doctor: Ask, service: Service
) -> None:
    rules = changed(tmp_path, "alerts-service.yaml", "OtelJcmcNobodyPushes", "")
    with watched(tmp_path, service, rules) as prometheus:
        _, text, remedy = ask(doctor, service, prometheus).wrong()
    assert text == "its alerts-service.yaml lacks OtelJcmcNobodyPushes"
    assert "take collector-config/rules/ of this version" in remedy


def test_an_expression_of_ones_own_is_no_fault(
    tmp_path: Path, doctor: Ask, service: Service
) -> None:
    rules = changed(tmp_path, "alerts-service.yaml", "OtelJcmcStoreAway", "otel_jcmc_store_up < 1")
    with watched(tmp_path, service, rules) as prometheus:
        told = ask(doctor, service, prometheus)
    assert told.of("wrong") == []
    text = "rules that differ from this version's: OtelJcmcStoreAway"
    assert ("prometheus", text) in told.of("open")


def test_a_rule_that_fails_is_named_without_anybodys_labels(
    tmp_path: Path, doctor: Ask, service: Service
) -> None:
    failing = "jitsi_jcmc_connectionquality / on () {__name__=~'jitsi_jcmc_.*', roomname!=''}"
    rules = changed(tmp_path, "alerts-calls.yaml", "JitsiOutages", failing)
    with watched(tmp_path, service, rules) as prometheus:

        def errors() -> list[str]:
            groups = prometheus.ask("rules")["groups"]
            return [
                each["name"] for of in groups for each in of["rules"] if each["health"] == "err"
            ]

        eventually(errors, 25)
        _, text, remedy = ask(doctor, service, prometheus).wrong()
    assert text.startswith(
        "the rule JitsiOutages fails: found duplicate series for the match group"
    )
    assert "{...}" in text
    assert "standup" not in text
    assert remedy.startswith("does a metric arrive twice")


def test_what_is_known_of_the_rules_is_what_the_files_say() -> None:
    files = {
        path.name: {
            rule.get("alert") or rule["record"]
            for of in load(path)["groups"]
            for rule in of["rules"]
        }
        for path in RULES
    }
    assert {name: {*of} for name, of in shipped.rules().items()} == files
