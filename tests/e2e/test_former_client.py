"""Calls in which all participants have the former release's client: no rule of ours alerts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client.pages import opened_tab, running_origin
from client.replaying import replay
from e2e.parts import ROOT, Prometheus, running_prometheus, until
from harness import Service
from playwright.sync_api import Browser
from recordings import load

pytestmark = pytest.mark.xdist_group("e2e")

FORMER = ROOT / "tests/client/former/otel_jcmc.js"
RULES = sorted((ROOT / "collector-config/rules").glob("*.yaml"))
# Enough participants for each alert with a minimum number.
CONFERENCES = 15
ACCEPTED = 'otel_jcmc_pushes_total{outcome="accepted",reason=""}'

Push = dict[str, Any]


@pytest.fixture
def pushes(browser: Browser) -> dict[str, list[Push]]:
    """Return the former client's pushes of a healthy call, for both participants."""
    recording = load("muted")
    with running_origin() as origin, opened_tab(browser, origin) as tab:
        tab.page.add_script_tag(path=FORMER)
        return {who: replay(tab, recording, who) for who in recording.tabs}


@pytest.fixture
def watching(service: Service, tmp_path: Path) -> Iterator[Prometheus]:
    """Return a Prometheus that scrapes the service and evaluates the shipped rules."""
    with (
        running_prometheus(tmp_path, RULES) as running,
        running.scraping("otel_jcmc", service.url),
    ):
        yield running


def alerts(prometheus: Prometheus) -> dict[str, str]:
    """Return the state of each alert."""
    groups = prometheus.ask("rules", type="alert")["groups"]
    return {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}


def not_well(prometheus: Prometheus) -> list[str]:
    """Return the rules that failed to evaluate."""
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return [rule["name"] for rule in rules if rule["health"] != "ok"]


def raised(prometheus: Prometheus) -> set[str]:
    """Return the alerts that are pending or firing."""
    return {name for name, state in alerts(prometheus).items() if state != "inactive"}


def in_conference(number: int, push: Push) -> Push:
    """Return *push* as another participant's, in the conference of that number."""
    labels, session = push["default_labels"], push["session"]
    participant = f"{labels['participant_id'][:6]}{number:02}"
    return push | {
        "default_labels": labels | {"participant_id": participant, "roomname": f"call-{number}"},
        "session": session | {"id": f"{session['id']}-{number}"},
    }


def test_healthy_calls_with_the_former_client_raise_no_alert(
    service: Service, watching: Prometheus, pushes: dict[str, list[Push]]
) -> None:
    # Until the first scrape, the service counts as absent.
    assert until(1, lambda: watching.value('up{job="otel_jcmc"}')) == 1
    assert until(set(), lambda: raised(watching)) == set()
    for count, both in enumerate(zip(*pushes.values(), strict=True), 1):
        for number in range(CONFERENCES):
            for push in both:
                answer = service.push(in_conference(number, push))
                assert (answer.status, answer.body) == (200, "OK")
        assert until(30 * count, lambda: watching.value(ACCEPTED)) == 30 * count
        assert raised(watching) == set()
    assert watching.value(ACCEPTED) == 420

    assert until(30, lambda: watching.value("otel_jcmc:participants:max")) == 30
    assert watching.value("jitsi:participants_present:sum") == 30
    assert watching.value("jitsi:participants_reporting:count") == 30
    assert watching.value("max(conference:jitsi_participants_bad:ratio)") == 0
    assert watching.value("min(jitsi_jcmc_connectionquality)") == 100
    assert watching.value("sum(otel_jcmc:fields_dropped:rate5m)") == 0
    assert len(alerts(watching)) == 33
    assert raised(watching) == set()
    assert not_well(watching) == []
