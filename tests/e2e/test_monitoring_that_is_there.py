"""
docs/jitsi.md, "A Prometheus and a Grafana that you have": its steps, in the order of the page.

A configuration that somebody has gets the job of the README and the rules; what is not there yet is
pushed by `simulate`; and each query of the boards is asked, as Grafana does after an import.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import boards
import pytest
import yaml
from doctor.conftest import ask_doctor
from e2e.nginx import fenced
from e2e.parts import ROOT, Prometheus, prometheus_tool, started_prometheus, until
from harness import Service, eventually

pytestmark = pytest.mark.xdist_group("e2e")

PAGE = (ROOT / "docs" / "jitsi.md").read_text(encoding="utf-8")
STEPS = PAGE.partition("## A Prometheus and a Grafana that you have\n")[2]
(JOB,) = [block for block in fenced("README.md", "yaml") if "job_name" in block]
SERVICE = "127.0.0.1:3000"
# As JCMC's own README calls it.
NAME = "jcmc"
THEIRS = """\
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: []
scrape_configs:
  - job_name: node
    static_configs: [{targets: []}]
"""
# What docs/runbooks/dashboard-is-empty.md says: no job scrapes bridges, and no OTLP is sent.
EMPTY = {
    ("now", "Bridges", "E"),
    ("now", "Bridges", "F"),
    ("now", "Bridges", "G"),
    ("service", "Spans and events", "A"),
    ("service", "Spans and events", "B"),
    ("service", "Spans and events that wait", "A"),
    ("service", "Spans and events that wait", "B"),
}
# What is bad is so after a quarter of the time, and is looked for every ten seconds.
SECONDS = 60.0


class Monitored(NamedTuple):
    """The service, and two Prometheus servers that have its job: without its rules, and with."""

    service: Service
    bare: Prometheus
    ruled: Prometheus


def in_step(pattern: str) -> str:
    """Return the piece of code in the steps that begins with *pattern*."""
    (found,) = [each for each in re.findall(r"`([^`]+)`", STEPS) if each.startswith(pattern)]
    return str(found)


def in_shell(service: Service) -> dict[str, str]:
    """Return the environment of a shell in which the command and the settings are to be had."""
    return service.environ | {
        "JCMC_PORT": service.url.rpartition(":")[2],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def typed(command: str, service: Service) -> str:
    """Return what *command* says in a shell with the settings of *service*."""
    done = subprocess.run(
        ["sh", "-c", command.replace(f"http://{SERVICE}", service.url)],
        env=in_shell(service),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def merged(service: Service, *, with_rules: bool) -> str:
    """Return their configuration with the job of the README, and with the rules of the page."""
    theirs = yaml.safe_load(THEIRS)
    (job,) = yaml.safe_load(JOB)["scrape_configs"]
    assert job["static_configs"] == [{"targets": [SERVICE]}]
    # The name is theirs, the address the test's; and nobody waits for 15 s.
    assert job.pop("scrape_interval") == "15s"
    job |= {
        "job_name": NAME,
        "static_configs": [{"targets": [service.url.removeprefix("http://")]}],
    }
    theirs["scrape_configs"].append(job)
    if with_rules:
        theirs["rule_files"].append(str(ROOT / in_step("collector-config/rules/")))
    return str(yaml.safe_dump(theirs))


def checked(folder: Path, config: str) -> Path:
    """Write *config* into *folder*, where their tool finds it good."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(config)
    found = subprocess.run(
        [prometheus_tool("promtool"), "check", "config", "prometheus.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return folder


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """Follow the steps, and wait until the crowd is seen by both."""
    folder = tmp_path_factory.mktemp("m")
    with ExitStack() as stack:
        service = stack.enter_context(Service(folder / "s"))
        config = {
            with_rules: merged(service, with_rules=with_rules) for with_rules in (False, True)
        }
        bare, ruled = (
            stack.enter_context(started_prometheus(checked(folder / name, config[with_rules])))
            for name, with_rules in (("bare", False), ("ruled", True))
        )
        assert "otel_jcmc_store_up 1.0" in typed(in_step("curl "), service)
        crowd = subprocess.Popen(
            ["sh", "-c", f"exec {in_step('otel-jcmc simulate')} --for 100 --interval 2"],
            env=in_shell(service),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        stack.callback(crowd.wait)
        stack.callback(crowd.terminate)
        for each in (bare, ruled):
            seen = partial(each.value, f'count(jitsi_jcmc_connectionquality{{job="{NAME}"}})')
            eventually(seen, SECONDS)
        yield Monitored(service, bare, ruled)


def empty_panels(prometheus: Prometheus) -> set[tuple[str, str, str]]:
    """Return board, panel and column of each query of the boards that has no answer now."""
    bad = prometheus.ask("query", query="jitsi_jcmc_verdict")["result"]
    chosen = {"$conference": bad[0]["metric"]["roomname"] if bad else ""}
    return {
        (path.stem, each.panel, each.column)
        for path in boards.DASHBOARDS
        if path.parent.name == "jcmc"
        for each in boards.queries(path, chosen)
        if not prometheus.ask("query", query=each.expr)["result"]
    }


def test_no_panel_is_empty_that_the_runbook_does_not_name(monitored: Monitored) -> None:
    """Without a rule: a board that is imported alone works."""
    assert until(EMPTY, lambda: empty_panels(monitored.bare), SECONDS) == EMPTY


def test_doctor_finds_the_job_by_its_target_whatever_its_name_is(monitored: Monitored) -> None:
    told = ask_doctor(monitored.service, "--prometheus", monitored.ruled.url)
    found = [
        (each["mark"], each["text"]) for each in told.findings if each["topic"] == "prometheus"
    ]
    assert [mark for mark, _ in found] == ["well"] * 3
    assert found[0][1] == "it scrapes 1 target(s) of otel_jcmc, all are up"
    assert found[2][1] == "it has all series that the dashboards in jcmc/ read"


def test_the_rules_are_well_and_tell_the_bridge_under_that_name(monitored: Monitored) -> None:
    groups = monitored.ruled.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 50
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []

    # Other alerts may be raised beside it: people have bad calls of their own.
    told = 'count(ALERTS{alertname="JitsiBridgeStandsOut"})'
    assert until(1.0, lambda: monitored.ruled.value(told), SECONDS) == 1
