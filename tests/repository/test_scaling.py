"""docs/scaling.md: what it computes from measured costs, and that the figures exist."""

import json
from pathlib import Path

import pytest

from tools.scaling_page import Costs, costs, needs

KEPT = Path(__file__).parents[2] / "docs" / "performance.json"
# 50 and 20 µs a push, half a µs a series, 90 MB a process, 6 kB a participant.
COSTS = Costs(50, 20, 0.5, 90e6, 6e3)


def test_a_hundred_thousand_are_for_one_process_of_each_kind() -> None:
    found = needs(100_000, COSTS)
    assert (found.pushes, found.workers, found.readers, found.store_nodes) == (10_000, 1, 1, 1)
    assert (found.push_cores, found.scrape_seconds, found.store_cores) == (0.5, 1.5, 0.2)
    assert found.service_bytes == 780e6
    # 16 GB, of which a server has 4.
    assert (found.prometheus, found.prometheus_bytes) == (4, 16e9)


def test_a_million_are_for_several_of_each() -> None:
    found = needs(1_000_000, COSTS)
    assert (found.workers, found.readers, found.store_nodes) == (10, 3, 7)
    # Thirteen processes, and all participants twice.
    assert found.service_bytes == 13 * 90e6 + 12e9


def test_there_are_as_many_partitions_as_any_of_them_needs_shares() -> None:
    assert [needs(count, COSTS).partitions for count in (100_000, 110_000, 1_000_000)] == [
        4,
        16,
        64,
    ]


def test_one_more_than_a_process_is_for_needs_another() -> None:
    assert [needs(count, COSTS).workers for count in (100_000, 100_001)] == [1, 2]


def test_the_store_is_as_large_as_its_own_page_says() -> None:
    """600 bytes a last push, 800 twice for JMMC clients, 150 for the half that has ended."""
    few, many = needs(10_000, COSTS).store_bytes, needs(110_000, COSTS).store_bytes
    assert many - few in {100_000 * 675, 100_000 * (675 + 1600)}


def test_the_memory_is_of_the_most_that_were_held_if_they_were() -> None:
    known = json.loads(KEPT.read_text())
    known["measurements"].pop("large", None)
    figures = known["measurements"]["memory"]["figures"]
    (idle,) = (each for each in figures if "no participant" in each["name"])
    idle["value"] = 90.0
    (first, *_), most = known["measurements"]["scaling"]["curves"]["scaling"], "service, the most"
    first |= {"participants": 10_000, "rss_mb": 100.0}
    known["measurements"]["scaling"]["curves"]["scaling"] = [
        first,
        {"participants": 50_000, "rss_mb": 300.0},
    ]
    assert costs(known).live_bytes == 5_000
    held = {"name": f"100,000 with 30 series each for 300 s: {most}", "value": 980.0}
    known["measurements"]["large"] = {"figures": [held], "curves": {}}
    assert costs(known).live_bytes == 8_000


def test_a_figure_that_is_not_there_is_named() -> None:
    known = json.loads(KEPT.read_text())
    assert 10 < costs(known).push_us < 200
    del known["measurements"]["push"]
    with pytest.raises(KeyError, match="a push of 30 series"):
        costs(known)
