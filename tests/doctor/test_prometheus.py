"""`otel-jcmc doctor --prometheus`: a real Prometheus, its targets, and what the dashboards ask."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from doctor.conftest import Ask, push_and_scrape
from e2e.parts import Prometheus, running_prometheus, until
from harness import Service, eventually
from rule_files import RULES

from otel_jcmc.doctor import shipped

# Beside the last scrape; what is told at once is there with the next.
LAST = {"jcmc": "jitsi_jcmc_fleet_participants_state", "otel": "jitsi_fleet_participants"}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), RULES) as running:
        yield running


def wait_for(prometheus: Prometheus, *series: str) -> None:
    """Wait until *prometheus* has *series*, and no targets any more but those of now."""
    eventually(
        lambda: (
            all(prometheus.query(f"count({each})") for each in series) and prometheus.has_jobs()
        ),
        25,
    )


@pytest.mark.parametrize("naming", ["jcmc", "otel"])
def test_a_prometheus_that_has_everything_is_well(
    short_path: Path, doctor: Ask, prometheus: Prometheus, naming: str
) -> None:
    """Whatever its job is called, and with nobody bad, on no bridge, and nothing exported."""
    with (
        Service(short_path, JCMC_NAMING=naming) as service,
        prometheus.scraping("calls", service.url),
    ):
        push_and_scrape(service)
        wait_for(prometheus, LAST[naming])
        told = doctor(service, "--prometheus", prometheus.url)
    found = [
        (each["mark"], each["text"]) for each in told.findings if each["topic"] == "prometheus"
    ]
    assert found == [
        ("well", "it scrapes 1 target(s) of otel_jcmc, all are up"),
        ("well", "it has loaded our 60 rules, and none fails"),
        ("well", f"it has all series that the dashboards in {naming}/ read"),
    ]
    assert told.code == 0


def test_jobs_for_each_page_and_another_port_are_well(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    with Service(short_path, JCMC_ADMIN_PORT="0") as service, ExitStack() as stack:
        push_and_scrape(service)
        for page in ("service", "verdicts", "participants"):
            job = prometheus.scraping(f"my-{page}", service.admin_url, f"/metrics/{page}")
            stack.enter_context(job)
        wait_for(prometheus, LAST["jcmc"])
        public = ("--public-url", service.url)
        told = doctor(service, *public, "--prometheus", prometheus.url)
    assert told.of("wrong") == []
    assert ("prometheus", "it scrapes 3 target(s) of otel_jcmc, all are up") in told.of("well")


def test_with_nobody_live_nothing_is_wrong(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    with Service(short_path) as service, prometheus.scraping("calls", service.url):
        wait_for(prometheus, "otel_jcmc_build_info")
        told = doctor(service, "--prometheus", prometheus.url)
    assert [topic for topic, _ in told.of("wrong")] == ["pushes"]
    assert ("prometheus", "no participant is live: ask again during a conference") in told.of(
        "open"
    )


def test_series_that_nobody_wants_are_no_fault(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    series = "conferences,bridges,regions,fleet"
    with (
        Service(short_path, JCMC_SERIES=series) as service,
        prometheus.scraping("calls", service.url),
    ):
        push_and_scrape(service)
        wait_for(prometheus, LAST["jcmc"])
        told = doctor(service, "--prometheus", prometheus.url)
    assert told.of("wrong") == []
    text = "panels of participants, histograms stay empty: JCMC_SERIES does not name them"
    assert ("prometheus", text) in told.of("open")


def test_another_prefix_is_said_and_no_fault(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    with (
        Service(short_path, METRICS_PREFIX="meet_") as service,
        prometheus.scraping("calls", service.url),
    ):
        push_and_scrape(service)
        wait_for(prometheus, "meet_fleet_participants_state")
        told = doctor(service, "--prometheus", prometheus.url)
    assert told.of("wrong") == []
    text = "the dashboards read jitsi_jcmc_..., but METRICS_PREFIX is different"
    assert ("prometheus", text) in told.of("open")


PAGES = {
    "/metrics/verdicts": (LAST, "now: Bad, of those known"),
    "/metrics/participants": (
        {"jcmc": "jitsi_jcmc_info", "otel": "jitsi_client_info"},
        "now: Participants whose call is bad",
    ),
    "/metrics/service": (dict.fromkeys(LAST, "otel_jcmc_build_info"), "now: Service"),
}


@pytest.mark.parametrize(
    ("missing", "naming"),
    [*((page, "jcmc") for page in PAGES), ("/metrics/participants", "otel")],
)
def test_a_page_that_is_not_scraped_is_named_with_its_panels(
    short_path: Path, doctor: Ask, prometheus: Prometheus, missing: str, naming: str
) -> None:
    others = PAGES.keys() - {missing}
    with Service(short_path, JCMC_NAMING=naming) as service, ExitStack() as stack:
        push_and_scrape(service)
        for page in others:
            stack.enter_context(prometheus.scraping(f"my-{page}", service.url, page))
        wait_for(prometheus, *(PAGES[page][0][naming] for page in others))
        topic, text, remedy = doctor(service, "--prometheus", prometheus.url).wrong()
    assert topic == "prometheus"
    assert text.startswith("it has no ")
    assert f"so these are empty: {PAGES[missing][1]}; " in text
    assert remedy == f"scrape {missing}, or /metrics, and check metric_relabel_configs of the job"


def test_a_query_that_cannot_be_answered_is_named(
    tmp_path: Path, short_path: Path, doctor: Ask
) -> None:
    flags = ["--query.max-samples=30"]
    with (
        running_prometheus(tmp_path, seconds=1, flags=flags) as prometheus,
        Service(short_path) as service,
        prometheus.scraping("calls", service.url),
    ):
        push_and_scrape(service)
        wait_for(prometheus, "otel_jcmc_build_info")
        found = doctor(service, "--prometheus", prometheus.url).of("wrong")
    (text,) = [text for _, text in found if text.startswith("it can't answer")]
    # Which ones need more than 30 samples depends on how often it has scraped by now.
    assert re.match(r"it can't answer (now|service): [A-Z]", text)
    assert text.endswith(
        "query processing would load too many samples into memory in query execution"
    )


def test_a_scrape_over_the_sample_limit_is_named(
    tmp_path: Path, short_path: Path, doctor: Ask
) -> None:
    with (
        running_prometheus(tmp_path, RULES, sample_limit=10) as prometheus,
        Service(short_path) as service,
    ):
        push_and_scrape(service)
        with prometheus.scraping("mine", service.url):
            assert until("down", lambda: prometheus.health("mine")[0]) == "down"
            topic, text, remedy = doctor(service, "--prometheus", prometheus.url).wrong()
    assert topic == "prometheus"
    assert text.startswith(f"it can't scrape {service.url}/metrics: sample limit exceeded")
    assert remedy == "raise sample_limit of the job, or export less: JCMC_SERIES"


def test_a_prometheus_that_does_not_scrape_us_is_named(
    short_path: Path, doctor: Ask, prometheus: Prometheus
) -> None:
    with Service(short_path) as service:
        push_and_scrape(service)
        topic, text, remedy = doctor(service, "--prometheus", prometheus.url).wrong()
    assert (topic, text) == ("prometheus", "it does not scrape otel_jcmc")
    assert remedy == "give it the jobs of collector-config/prometheus.yaml"


def test_what_is_no_prometheus_is_named(short_path: Path, doctor: Ask) -> None:
    with Service(short_path) as service:
        push_and_scrape(service)
        topic, text, _ = doctor(service, "--prometheus", service.url).wrong()
    assert topic == "prometheus"
    assert text.endswith("the answer is not Prometheus's (404)")


def test_the_dashboards_of_both_namings_are_known() -> None:
    for naming in ("jcmc", "otel"):
        found = shipped.boards(naming)
        assert len(found.queries) > 90
        assert {each.board for each in found.queries} == {"now", "conference", "service"}
        assert found.label in {"roomname", "jitsi_conference_name"}
