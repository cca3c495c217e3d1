"""A running service counts the histograms of the fleet: which pushes count, and where."""

from collections.abc import Iterator
from typing import Any

import pytest
from exposition import promtool_complaints, scraped
from fleet import fleet, telling
from harness import Service, push_body
from jmmc_page import JmmcPage

from otel_jcmc.store.embedded import EmbeddedStore

LOSS = "jitsi_jcmc_fleet_packetloss_download"
TRIP = "jitsi_jcmc_fleet_round_trip_time"
PAGES = {
    "/metrics": True,
    "/metrics/service": True,
    "/metrics/participants": False,
    "/metrics/verdicts": False,
}


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that counts; each test has a region of its own."""
    with Service(tmp_path_factory.mktemp("s", numbered=True)) as running:
        yield running


@pytest.fixture
def region(room: str) -> str:
    """Return a region that no other test has."""
    return f"region-of-{room}"


def test_each_push_that_is_stored_counts_once(counting: Service, room: str, region: str) -> None:
    for loss in (0, 3, 60):
        told = telling(room, {"packetloss_download": loss}, region, "ada")
        assert counting.push(told).body == "OK"
    first = fleet(counting, LOSS, region=region)
    assert first == fleet(counting, LOSS, region=region)
    assert (first["0.0"], first["5.0"], first["50.0"], first["+Inf"]) == (1, 2, 2, 3)
    assert (first["count"], first["sum"]) == (3, 63)


def test_what_is_refused_or_too_late_does_not_count(
    counting: Service, room: str, region: str
) -> None:
    told = telling(room, {"packetloss_download": 1}, region, "ada")
    told["session"]["seq"] = 9
    assert counting.push(told).body == "OK"
    told["session"]["seq"] = 8
    assert "superseded" in counting.push(told).body
    del told["default_labels"]["roomname"]
    assert counting.push(told).status == 400
    assert fleet(counting, LOSS, region=region)["count"] == 1


def test_a_push_of_the_originals_page_counts_without_loss_up(
    counting: Service, room: str, region: str
) -> None:
    body = push_body("ada", room)
    body["metrics"]["connectionquality"]["labels"]["serverregion"] = region
    assert counting.push(body).body == "OK"
    assert fleet(counting, "jitsi_jcmc_fleet_packetloss_upload", region=region) == {}
    assert fleet(counting, LOSS, region=region)["sum"] == 1
    assert fleet(counting, TRIP, region=region)["sum"] == 41


def test_a_page_that_sends_changes_counts_each_of_them_once(
    counting: Service, room: str, region: str
) -> None:
    page = JmmcPage(counting, room)
    assert page.open({"t": {"sr": region}, "d": {"pl": 4}}).status == 200
    assert page.push({"cq": 97}).status == 200
    assert page.push({"cq": 90, "u": {"pl": 2}}).status == 200
    assert page.push({"d": {"pl": 0}}).status == 200
    down = fleet(counting, LOSS, region=region)
    assert (down["count"], down["sum"], down["0.0"]) == (2, 4, 1)
    assert fleet(counting, "jitsi_jcmc_fleet_packetloss_upload", region=region)["sum"] == 2


def test_they_stay_when_everybody_has_left(counting: Service, room: str, region: str) -> None:
    told = telling(room, {"round_trip_time": 30}, region, "ada")
    assert counting.push(told).body == "OK"
    told["session"]["end"] = {"reason": "left"}
    del told["metrics"]
    assert counting.push(told).body == "OK"
    assert fleet(counting, TRIP, region=region)["count"] == 1


@pytest.mark.parametrize("page", PAGES)
def test_they_are_on_the_pages_of_the_service_itself(
    counting: Service, room: str, region: str, page: str
) -> None:
    told = telling(room, {"round_trip_time": 30}, region, "ada")
    assert counting.push(told).body == "OK"
    assert (region in counting.get(page).body.partition(f"# TYPE {TRIP}")[2]) is PAGES[page]


def test_there_are_none_where_the_series_are_others(short_path: Any) -> None:
    with Service(short_path, JCMC_SERIES="participants,fleet") as service:
        told = telling("standup", {"packetloss_download": 0}, "eu-west", "ada")
        assert service.push(told).body == "OK"
        assert not [each for each in scraped(service) if "fleet_packet" in each.name]


def test_so_many_regions_are_counted_apart_as_the_setting_says(short_path: Any) -> None:
    with Service(short_path, JCMC_SERIES_REGIONS="2") as service:
        for number in range(4):
            told = telling("standup", {"packetloss_download": 0}, f"region-{number}", "ada")
            assert service.push(told).body == "OK"
        assert fleet(service, LOSS, region="region-1")["count"] == 1
        assert fleet(service, LOSS, region="region-2") == {}
        assert fleet(service, LOSS, region="other")["count"] == 2


def test_the_operators_thresholds_are_bounds(short_path: Any) -> None:
    environ = {"JCMC_BAD_PACKET_LOSS": "7", "JCMC_BAD_ROUND_TRIP": "250"}
    with Service(short_path, **environ) as service:
        metrics = {"packetloss_download": 0, "round_trip_time": 0}
        assert service.push(telling("standup", metrics, None, "ada")).body == "OK"
        assert {"3.5", "7.0"} <= fleet(service, LOSS).keys()
        assert {"125.0", "250.0"} <= fleet(service, TRIP).keys()


def test_with_the_other_naming_units_are_base_units(short_path: Any) -> None:
    with Service(short_path, JCMC_NAMING="otel") as service:
        metrics = {"packetloss_download": 3, "round_trip_time": 250, "outage_down": 12_000}
        assert service.push(telling("standup", metrics, None, "ada")).body == "OK"
        loss = fleet(service, "jitsi_fleet_packet_loss_ratio", network_io_direction="receive")
        assert (loss["0.025"], loss["0.05"], loss["sum"]) == (0, 1, 0.03)
        assert fleet(service, "jitsi_fleet_round_trip_time_seconds")["sum"] == 0.25
        outage = fleet(service, "jitsi_fleet_outage_duration_seconds")
        assert (outage["10.0"], outage["15.0"], outage["sum"]) == (0, 1, 12)
        assert promtool_complaints(service.get("/metrics").body) == ""


def test_they_are_shown_with_redis_away(redis_server: EmbeddedStore, short_path: Any) -> None:
    with Service(short_path / "a", REDIS_URL=redis_server.url) as service:
        told = telling("standup", {"packetloss_download": 3}, "eu-west", "ada")
        assert service.push(told).body == "OK"
        redis_server.stop()
        assert service.push(told).status == 503
        assert service.own("otel_jcmc_store_up") == 0
        assert fleet(service, LOSS, region="eu-west")["count"] == 1


def test_each_replica_counts_what_it_has_taken(
    redis_server: EmbeddedStore, short_path: Any
) -> None:
    with (
        Service(short_path / "a", REDIS_URL=redis_server.url) as one,
        Service(short_path / "b", REDIS_URL=redis_server.url) as two,
    ):
        for service, loss in ((one, 1), (one, 2), (two, 8)):
            told = telling("standup", {"packetloss_download": loss}, "eu-west", "ada")
            assert service.push(told).body == "OK"
        sums = [fleet(each, LOSS, region="eu-west")["sum"] for each in (one, two)]
    assert sums == [3, 8]
