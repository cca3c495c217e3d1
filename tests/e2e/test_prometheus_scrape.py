"""What a real Prometheus stores of the exposition, in both namings; promtool checks one."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from e2e.parts import Prometheus, Wire, check_metrics, running_wire, until
from harness import Service, eventually, push_body

pytestmark = pytest.mark.xdist_group("e2e")


class Scraped(NamedTuple):
    """A service with three participants, and the wire through which Prometheus scrapes it."""

    service: Service
    wire: Wire
    job: str


@pytest.fixture(scope="module")
def scraped(
    prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Scraped]]:
    """Return both namings, each scraped as the job of its name."""
    folder = tmp_path_factory.mktemp("n")
    with (
        Service(folder / "jcmc", JCMC_NAMING="jcmc", METRICS_EXPIRATION="300") as jcmc,
        Service(folder / "otel", JCMC_NAMING="otel", METRICS_EXPIRATION="300") as otel,
        running_wire(jcmc.url) as jcmc_wire,
        running_wire(otel.url) as otel_wire,
        prometheus.scraping("jcmc", jcmc_wire.url),
        prometheus.scraping("otel", otel_wire.url),
    ):
        for service in (jcmc, otel):
            # One participant has names that text formats must escape.
            for name, room in (("a", "standup"), ("b", "standup"), ("c", 'Ünï "q" \\ \n {x="y"}')):
                assert service.push(push_body(f"{name}0000001", room)).body == "OK"
        yield {
            "jcmc": Scraped(jcmc, jcmc_wire, "jcmc"),
            "otel": Scraped(otel, otel_wire, "otel"),
        }


@pytest.fixture(params=["jcmc", "otel"])
def one(request: pytest.FixtureRequest, scraped: dict[str, Scraped]) -> Scraped:
    """Return one naming."""
    found: Scraped = scraped[request.param]
    return found


def test_every_sample_is_scraped_and_stored(one: Scraped, prometheus: Prometheus) -> None:
    """Three participants with 13 series each, their info and verdicts, and two conferences."""
    expected = (1.0, 45.0, 8.0, 0.0)
    who, conferences = {
        "jcmc": ("participant_id", "jitsi_jcmc_conference_participants_state"),
        "otel": ("jitsi_participant_id", "jitsi_conference_participants"),
    }[one.job]
    of_job = f'job="{one.job}"'

    def counts() -> tuple[float | None, ...]:
        return (
            prometheus.value(f"up{{{of_job}}}"),
            prometheus.value(f'count({{{of_job},__name__=~"jitsi_.*",{who}!=""}})'),
            # One series for each state.
            prometheus.value(f"count({conferences}{{{of_job}}})"),
            # The samples of the scrape that Prometheus does not have.
            prometheus.value(
                f"sum(scrape_samples_scraped{{{of_job}}})"
                f' - count({{{of_job},__name__!~"up|scrape_.*"}})'
            ),
        )

    assert until(expected, counts) == expected


def test_the_target_is_healthy_and_nothing_was_refused(
    one: Scraped, prometheus: Prometheus
) -> None:
    assert until(("up", ""), lambda: prometheus.health(one.job)) == ("up", "")
    of_scrapes = [line for line in prometheus.log().splitlines() if "scrape manager" in line]
    assert [line for line in of_scrapes if "level=info" not in line] == []


def test_prometheus_gets_openmetrics_in_gzip(one: Scraped) -> None:
    """With the headers that Prometheus really sends."""
    exchange = eventually(lambda: one.wire.exchanges[-1:], 25)[0]
    assert "application/openmetrics-text" in exchange.asked["accept"]
    assert exchange.asked["accept-encoding"] == "gzip"
    assert exchange.status == 200
    assert exchange.answered["content-type"].startswith("application/openmetrics-text;")
    assert exchange.answered["content-encoding"] == "gzip"


def test_types_and_helps_arrive(one: Scraped, prometheus: Prometheus) -> None:
    gauge, fragment = {
        "jcmc": ("jitsi_jcmc_transport_rtt", "Round-trip time"),
        "otel": ("jitsi_client_transport_round_trip_time_seconds", "Round-trip time"),
    }[one.job]

    def metadata(metric: str) -> list[tuple[str, str]]:
        found = prometheus.ask(
            "targets/metadata", match_target=f'{{job="{one.job}"}}', metric=metric
        )
        return [(each["type"], each["help"]) for each in found]

    ((kind, help_text),) = eventually(lambda: metadata(gauge), 25)
    assert kind == "gauge"
    assert fragment in help_text
    assert [kind for kind, _ in metadata("otel_jcmc_pushes")] == ["counter"]
    assert [kind for kind, _ in metadata("otel_jcmc_push_duration_seconds")] == ["histogram"]


def test_text_with_quotes_and_line_ends_comes_through(one: Scraped, prometheus: Prometheus) -> None:
    label = {"jcmc": "roomname", "otel": "jitsi_conference_name"}[one.job]
    promql = f'count by ({label}) ({{job="{one.job}",__name__=~"jitsi_.*",{label}!=""}})'

    def rooms() -> set[str]:
        result = prometheus.ask("query", query=promql)["result"]
        return {sample["metric"][label] for sample in result}

    expected = {"standup", 'Ünï "q" \\ \n {x="y"}'}
    assert until(expected, rooms) == expected


def test_our_own_metrics_have_no_scope_labels_and_one_target_info(
    one: Scraped, prometheus: Prometheus
) -> None:
    of_job = f'job="{one.job}"'
    accepted = f'otel_jcmc_pushes_total{{{of_job},outcome="accepted",reason=""}}'
    assert until(3, lambda: prometheus.value(accepted)) == 3
    assert prometheus.value(f"otel_jcmc_participants{{{of_job}}}") == 3
    assert prometheus.value(f"otel_jcmc_conferences{{{of_job}}}") == 2
    assert prometheus.value(f"otel_jcmc_store_up{{{of_job}}}") == 1
    assert prometheus.value(f"count(target_info{{{of_job}}})") == 1
    assert prometheus.value(f'count({{{of_job},otel_scope_name!=""}})') is None


def test_promtool_finds_nothing_to_say_of_the_otel_naming(scraped: dict[str, Scraped]) -> None:
    assert check_metrics(scraped["otel"].service.get("/metrics").body) == (0, "")
