"""metrics/histograms.py: what a push adds, and what a scrape shows."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exposition import promtool_complaints, samples
from fleet import telling
from prometheus_client.openmetrics import parser as openmetrics

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.histograms import Distribution, Histograms
from otel_jcmc.metrics.prometheus import render
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.wire.push import PushParser, Report

GOLDEN = Path(__file__).parents[1] / "golden" / "fleet"
REGION = 69
PARSER, JUDGE = PushParser(), Judge()
# Scores of 2.89 and 4.37.
BAD_SOUND = {"audio_concealed": 11, "round_trip_time": 60, "audio_buffer_time": 80}
GOOD_SOUND = {"audio_concealed": 0, "round_trip_time": 20, "audio_buffer_time": 20}


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Let threads switch as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def report(
    metrics: dict[str, Any], region: str | None = "eu-west", *, is_original: bool = False
) -> Report:
    """Return a checked and judged push of *metrics*."""
    push = telling("standup", metrics, region, "ada")
    if is_original:
        del push["session"]
    if "transport_rtt" in metrics:
        push["metrics"]["transport_rtt"] = [{"value": each} for each in metrics["transport_rtt"]]
    made = PARSER.parse(json.dumps(push).encode())
    assert not made.dropped
    JUDGE.note(made.numbers, 10_000, is_direct=False)
    return made


def counted(*reports: Report, **options: Any) -> Histograms:
    histograms = Histograms(**options)
    for each in reports:
        histograms.count(each)
    return histograms


def text_of(histograms: Histograms, *, is_openmetrics: bool = False) -> str:
    return b"".join(render((), b"", histograms.collect(), is_openmetrics=is_openmetrics)).decode()


def found(histograms: Histograms) -> dict[tuple[str, str], Distribution]:
    """Return the counts, by the name after `fleet_` and the region."""
    return {
        (family.name.partition("fleet_")[2], each.labels.get("region", "")): each
        for family in histograms.collect()
        for each in family.distributions
    }


def counts(histograms: Histograms) -> dict[tuple[str, str], int]:
    return {key: sum(each.counts) for key, each in found(histograms).items()}


A_FEW = (
    {"packetloss_upload": 0, "packetloss_download": 3, **GOOD_SOUND},
    {"packetloss_upload": 2.5, "packetloss_download": 60, **BAD_SOUND},
    {"outage_down": 0, "outage_up": 0, "packetloss_upload": 0.7, "round_trip_time": 400},
    {"outage_down": 4200, "outage_up": 7300},
)


@pytest.mark.parametrize("naming", Naming)
def test_a_few_pushes_are_scraped_like_this(naming: Naming) -> None:
    """Four of one region, one of another, and one without a region."""
    histograms = counted(
        *(report(each) for each in A_FEW),
        report({"packetloss_download": 0}, "us-east"),
        report({"packetloss_download": 0.25}, None),
        naming=naming,
    )
    golden = GOLDEN.joinpath(f"{naming}.prom").read_text()
    assert text_of(histograms) == golden
    assert text_of(histograms, is_openmetrics=True) == golden + "# EOF\n"


@pytest.mark.parametrize("naming", Naming)
def test_the_strict_parser_of_openmetrics_reads_it(naming: Naming) -> None:
    histograms = counted(*(report(each) for each in A_FEW), naming=naming)
    families: Any = openmetrics.text_string_to_metric_families
    read = list(families(text_of(histograms, is_openmetrics=True)))
    assert {family.type for family in read} == {"histogram"}
    assert len(read) == {Naming.JCMC: 5, Naming.OTEL: 4}[naming]


def test_promtool_is_content_with_opentelemetrys_names() -> None:
    histograms = counted(*(report(each) for each in A_FEW), naming=Naming.OTEL)
    assert promtool_complaints(text_of(histograms)) == ""


def test_text_of_a_region_is_escaped() -> None:
    text = text_of(counted(report({"packetloss_upload": 0}, 'a"b\\')))
    assert {each.labels["region"] for each in samples(text)} == {'a"b\\'}


def test_the_prefix_stands_before_the_names() -> None:
    histograms = counted(report({"packetloss_upload": 0}), prefix="meet_")
    assert [each.name for each in histograms.collect()] == ["meet_fleet_packetloss_upload"]


def test_what_is_not_known_is_not_counted() -> None:
    unknown = dict.fromkeys(
        ("packetloss_upload", "packetloss_download", "round_trip_time", "outage_down", "outage_up")
    )
    assert counted(report(unknown), report({})).collect() == []


@pytest.mark.parametrize(
    ("down", "up", "counted_as"),
    [(0, 0, 0), (4000, 9000, 9000), (9000, 4000, 9000), (None, 8000, 8000), (0, None, 0)],
)
def test_of_an_outage_the_longer_way_that_is_known_counts(
    down: int | None, up: int | None, counted_as: int
) -> None:
    outage = found(counted(report({"outage_down": down, "outage_up": up})))["outage", "eu-west"]
    assert outage.total == counted_as
    assert outage.counts[0] == (counted_as == 0)
    assert sum(outage.counts) == 1


def test_a_value_on_a_bound_is_in_its_bucket_and_one_above_is_not() -> None:
    """So everything beyond a threshold is outside the bucket of that bound."""
    five = found(counted(*(report({"packetloss_upload": each}) for each in (5, 5.1))))
    loss = five["packetloss_upload", "eu-west"]
    place = loss.bounds.index(5)
    assert loss.counts[place : place + 2] == [1, 1]


def test_the_operators_thresholds_and_half_of_them_are_bounds() -> None:
    pushed = report({"packetloss_upload": 1, "round_trip_time": 30})
    strict = found(counted(pushed, bad_loss=3, bad_round_trip_ms=250))
    assert strict["packetloss_upload", "eu-west"].bounds == (0, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50)
    assert {125, 250} <= set(strict["round_trip_time", "eu-west"].bounds)
    assert {200, 400} <= set(found(counted(pushed))["round_trip_time", "eu-west"].bounds)


def test_the_originals_page_cannot_tell_loss_up() -> None:
    """It always says 0; with a session it is our client, which knows the loss."""
    told: dict[str, Any] = {"packetloss_upload": 0, "packetloss_download": 2}
    told |= {"bitrate_download": 800, "transport_rtt": [41, 70]}
    histograms = counted(report(told, is_original=True))
    assert counts(histograms) == {
        ("packetloss_download", "eu-west"): 1,
        ("round_trip_time", "eu-west"): 1,
    }
    assert found(histograms)["round_trip_time", "eu-west"].total == 70


def test_of_the_originals_page_the_only_transport_has_the_round_trip() -> None:
    told = {"round_trip_time": None, "bitrate_download": 800, "transport_rtt": [41]}
    trip = found(counted(report(told, is_original=True)))["round_trip_time", "eu-west"]
    assert (sum(trip.counts), trip.total) == (1, 41)


@pytest.mark.parametrize("bitrate", [0, None])
def test_where_nothing_arrives_the_originals_page_cannot_tell_anything(bitrate: int | None) -> None:
    told: dict[str, Any] = {"packetloss_upload": 0, "packetloss_download": 0}
    told |= {"bitrate_download": bitrate, "transport_rtt": [41]}
    assert counted(report(told, is_original=True)).collect() == []


def test_our_clients_round_trip_is_not_that_of_a_transport() -> None:
    """The library keeps the last one; that of the interval is absent if no check was answered."""
    held = report({"round_trip_time": None, "transport_rtt": [41]})
    assert counted(held).collect() == []


def test_of_changes_alone_only_what_has_come_counts() -> None:
    """Repeated values of earlier pushes were already counted."""
    merged = report({"packetloss_upload": 4, "packetloss_download": 1, "round_trip_time": 50})
    merged.sent = [None] * LAST_METRIC_ID
    merged.sent[10] = 1
    assert counts(counted(merged)) == {("packetloss_download", "eu-west"): 1}


def test_regions_are_counted_apart() -> None:
    histograms = counted(
        report({"packetloss_upload": 1}),
        report({"packetloss_upload": 3}, "us-east"),
        report({"packetloss_upload": 4}, "us-east"),
        report({"packetloss_upload": 5}, None),
    )
    loss = {region: each for (_, region), each in found(histograms).items()}
    assert {region: each.total for region, each in loss.items()} == {
        "eu-west": 1,
        "us-east": 7,
        "": 5,
    }
    assert loss[""].labels == {}


def test_made_up_regions_fill_no_memory_and_hide_none_that_is_known() -> None:
    unnamed, known = report({"packetloss_upload": 0}, None), report({"packetloss_upload": 1})
    histograms = counted(unnamed, known, most_regions=3)
    for number in range(1000):
        histograms.count(report({"packetloss_upload": 0}, f"made-up-{number}"))
    histograms.count(report({"packetloss_upload": 1}))
    assert counts(histograms) == {
        ("packetloss_upload", "eu-west"): 2,
        ("packetloss_upload", "made-up-0"): 1,
        ("packetloss_upload", "made-up-1"): 1,
        ("packetloss_upload", "other"): 998,
        ("packetloss_upload", ""): 1,
    }
    assert len(histograms._counted) == 5


def test_without_a_limit_each_region_is_counted_apart() -> None:
    pushes = [report({"packetloss_upload": 0}, f"region-{number}") for number in range(60)]
    assert len(counts(counted(*pushes, most_regions=0))) == 60
    assert len(counts(counted(*pushes))) == 51


def test_a_day_of_pushes_adds_up() -> None:
    """8,640 pushes, one each 10 s; of each hundred, 3 lose 6 %, and two are from an outage."""
    calm = report({"packetloss_download": 0, "round_trip_time": 50, "outage_down": 0})
    lossy = report({"packetloss_download": 6, "round_trip_time": 500, "outage_down": 0})
    silent = report({"outage_down": 12_000})
    histograms = Histograms()
    for number in range(8_640):
        within = number % 96
        histograms.count(silent if within < 2 else lossy if within < 5 else calm)
    now = found(histograms)
    # 90 times 96 pushes: 180 silent, 270 with loss, 8,190 good.
    loss = now["packetloss_download", "eu-west"]
    assert loss.counts == [8190, 0, 0, 0, 0, 0, 270, 0, 0, 0]
    assert loss.total == 1620
    trip = now["round_trip_time", "eu-west"]
    assert trip.counts == [0, 8190, 0, 0, 0, 0, 0, 270, 0, 0, 0, 0]
    assert trip.total == 544_500
    outage = now["outage", "eu-west"]
    assert outage.counts == [8460, 0, 0, 180, 0, 0, 0, 0, 0, 0]
    assert outage.total == 2_160_000


def test_two_collections_are_cumulative_and_the_first_stays_as_it_was() -> None:
    histograms = counted(report({"packetloss_upload": 1}))
    first = histograms.collect()
    histograms.count(report({"packetloss_upload": 8}))
    (before,), (after,) = first[0].distributions, histograms.collect()[0].distributions
    assert (sum(before.counts), before.total) == (1, 1)
    assert (sum(after.counts), after.total) == (2, 9)
    assert first[0].since_unix_nano == histograms.collect()[0].since_unix_nano


def test_a_collection_meanwhile_tears_no_bucket(often_switched: None) -> None:  # noqa: ARG001
    """Count, last bucket and sum agree, also while new regions come."""
    histograms = Histograms(most_regions=0)
    push = report({"packetloss_upload": 8})
    seen: list[list[Distribution]] = []
    has_ended = threading.Event()

    def collect() -> None:
        while not has_ended.is_set():
            seen.extend(each.distributions for each in histograms.collect())

    thread = threading.Thread(target=collect)
    thread.start()
    for number in range(3000):
        push.attributes[REGION] = f"region-{number}"
        for _ in range(5):
            histograms.count(push)
    has_ended.set()
    thread.join()
    assert len(seen) > 2
    for distribution in (each for distributions in seen for each in distributions):
        count = sum(distribution.counts)
        assert distribution.counts[6] == count
        assert abs(distribution.total - 8 * count) <= 8
    buckets = samples(text_of(histograms))
    for suffix in ("_count", "+Inf"):
        found = [each for each in buckets if suffix in (each.name[-6:], each.labels.get("le"))]
        assert [each.value for each in found] == [5] * 3000
