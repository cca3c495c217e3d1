"""What the relay does to datagrams in one direction; its counts are the truth for the tests."""

from random import Random

import pytest
from conference.relay import Conditions, Way


def waits(
    way: Way, count: int, every_seconds: float = 0.01, size: int = 1000
) -> list[float | None]:
    """Return what becomes of *count* datagrams, one after the other."""
    chance = Random(1)
    return [way.wait(size, at * every_seconds, chance) for at in range(count)]


def test_a_sound_way_delays_nothing_and_counts_all() -> None:
    way = Way()
    assert set(waits(way, 100)) == {0}
    assert (way.sent, way.lost, way.sent_bytes) == (100, 0, 100_000)


def test_a_dead_way_loses_all() -> None:
    way = Way(Conditions(is_dead=True))
    assert set(waits(way, 100)) == {None}
    assert (way.sent, way.lost, way.sent_bytes) == (100, 100, 0)


def test_a_lossy_way_loses_its_share() -> None:
    way = Way(Conditions(loss_percent=10))
    lost = waits(way, 10_000).count(None)
    assert lost == way.lost == pytest.approx(1000, rel=0.1)


def test_delay_is_the_same_for_all_and_jitter_for_none() -> None:
    assert set(waits(Way(Conditions(delay_seconds=0.1)), 10)) == {0.1}
    late = [wait or 0 for wait in waits(Way(Conditions(jitter_seconds=0.03)), 1000)]
    assert 0 <= min(late) < 0.001
    assert 0.029 < max(late) < 0.03


def test_a_narrow_way_lets_through_what_it_can_and_queues_the_rest_for_so_long() -> None:
    """800 kbit/s come, 300 may go: 1000 bytes take 26.7 ms each."""
    way = Way(Conditions(kbits_per_second=300, queue_seconds=0.4))
    passed = [wait for wait in waits(way, 1000) if wait is not None]
    assert passed[0] == pytest.approx(0.0267, abs=0.0001)
    assert 0.4 < max(passed) < 0.43
    assert way.sent_bytes * 8 / 10_000 == pytest.approx(300, rel=0.05)
