"""`otel-jcmc doctor --prometheus`: a real Prometheus, its targets, rules, and boards' queries."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from doctor.conftest import Ask, push_and_scrape
from e2e.parts import ROOT, Prometheus, running_prometheus, until
from harness import Service, eventually

from otel_jcmc.doctor.prometheus import asked_by_boards

RULES = ROOT / "collector-config" / "rules" / "alerts-service.yaml"
BOARDS = ROOT / "collector-config" / "grafana" / "dashboards"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), [RULES]) as running:
        yield running


def ask_with(doctor: Ask, service: Service, prometheus: Prometheus) -> list[tuple[str, str]]:
    """Return mark and text of the findings of doctor about *prometheus*."""
    told = doctor(service, "--prometheus", prometheus.url)
    return [(each["mark"], each["text"]) for each in told.findings if each["topic"] == "prometheus"]


def test_a_prometheus_that_has_everything_is_well(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    with Service(short_path) as service, prometheus.scraping("calls", service.url):
        push_and_scrape(service)
        asked = asked_by_boards("jcmc")[-1]
        eventually(lambda: prometheus.query(f"count({asked})"), 25)
        found = ask_with(doctor, service, prometheus)
    assert [mark for mark, _ in found] == ["well"] * 3
    assert found[0][1] == "it scrapes 1 target(s) of otel_jcmc, all are up"
    assert found[2][1] == "what the dashboards in jcmc/ ask for is there"


def test_a_scrape_over_the_sample_limit_is_named(
    tmp_path: Path, short_path: Path, doctor: Ask
) -> None:
    with (
        running_prometheus(tmp_path, sample_limit=10) as prometheus,
        Service(short_path) as service,
    ):
        push_and_scrape(service)
        with prometheus.scraping("otel_jcmc", service.url):
            assert until("down", lambda: prometheus.health("otel_jcmc")[0]) == "down"
            topic, text, remedy = doctor(service, "--prometheus", prometheus.url).wrong()
    assert topic == "prometheus"
    assert text.startswith(f"it can't scrape {service.url}/metrics: sample limit exceeded")
    assert remedy == "raise sample_limit of the job, or tell of fewer: JCMC_SERIES"


def test_a_prometheus_that_does_not_scrape_us_is_named(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    with Service(short_path) as service:
        push_and_scrape(service)
        topic, text, remedy = doctor(service, "--prometheus", prometheus.url).wrong()
    assert (topic, text) == ("prometheus", "it scrapes no otel_jcmc")
    assert remedy == "give it the jobs of collector-config/prometheus.yaml"


def test_what_is_no_prometheus_is_named(short_path: Path, doctor: Ask) -> None:
    with Service(short_path) as service:
        push_and_scrape(service)
        topic, text, _ = doctor(service, "--prometheus", service.url).wrong()
    assert topic == "prometheus"
    assert text.endswith("what answers is no Prometheus (404)")


@pytest.mark.parametrize("naming", ["jcmc", "otel"])
def test_what_is_asked_for_is_what_the_boards_ask_for(naming: str) -> None:
    text = "".join(path.read_text() for path in (BOARDS / naming).glob("*.json"))
    assert [series for series in asked_by_boards(naming) if series not in text] == []
