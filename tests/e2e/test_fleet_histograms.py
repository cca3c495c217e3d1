"""The histograms of the fleet in a real Prometheus: quantiles, and shares beyond a threshold."""

from collections.abc import Iterator

import pytest
from e2e.parts import Prometheus, until
from fleet import telling
from harness import Service

pytestmark = pytest.mark.xdist_group("e2e")

TRIP = 'jitsi_jcmc_fleet_round_trip_time_bucket{job="fleet"}'
# Region -> the round trip in ms of each of its pushes.
PUSHED = {"eu-west": [80] * 9 + [350], "us-east": [120] * 8 + [1500] * 2}


@pytest.fixture(scope="module")
def scraped(
    prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Return Prometheus as soon as it has scraped the pushes."""
    with (
        Service(tmp_path_factory.mktemp("f")) as service,
        prometheus.scraping("fleet", service.url),
    ):
        for region, trips in PUSHED.items():
            for trip in trips:
                _push(service, region, trip)
        pushed = 'sum(jitsi_jcmc_fleet_round_trip_time_count{job="fleet"})'
        assert until(20, lambda: prometheus.value(pushed)) == 20
        yield prometheus


def _push(service: Service, region: str, trip: int) -> None:
    metrics = {"round_trip_time": trip, "packetloss_download": 6 if trip > 1000 else 0}
    assert service.push(telling("standup", metrics, region, f"in-{region}")).body == "OK"


@pytest.mark.parametrize(
    ("quantile", "found"),
    [
        # Linear interpolation: the 5th of 9 between 50 and 100, of 8 between 100 and 150.
        (0.5, {"eu-west": 50 + 50 * 5 / 9, "us-east": 100 + 50 * 5 / 8}),
        # Half of the bucket from 300 to 400; three quarters of the bucket up to 2 s.
        (0.95, {"eu-west": 350, "us-east": 1750}),
    ],
)
def test_a_quantile_is_in_the_right_bucket(
    scraped: Prometheus, quantile: float, found: dict[str, float]
) -> None:
    promql = f"histogram_quantile({quantile}, sum by (le, region) ({TRIP}))"
    assert scraped.query(promql) == {
        f'{{region="{region}"}}': pytest.approx(trip) for region, trip in found.items()
    }


def test_the_quantile_of_the_fleet_is_of_all_regions(scraped: Prometheus) -> None:
    """Of 20 pushes, 17 are within 150 ms; the 18th has 350 ms."""
    promql = f"histogram_quantile(0.9, sum by (le) ({TRIP}))"
    assert scraped.value(promql) == pytest.approx(400)


def test_the_share_over_a_threshold_is_counted(scraped: Prometheus) -> None:
    loss = "jitsi_jcmc_fleet_packetloss_download"
    promql = f'1 - sum({loss}_bucket{{job="fleet",le="5.0"}}) / sum({loss}_count{{job="fleet"}})'
    assert scraped.value(promql) == pytest.approx(0.1)


def test_it_arrives_as_a_histogram(scraped: Prometheus) -> None:
    (metadata,) = scraped.ask(
        "targets/metadata", match_target='{job="fleet"}', metric="jitsi_jcmc_fleet_round_trip_time"
    )
    assert metadata["type"] == "histogram"
