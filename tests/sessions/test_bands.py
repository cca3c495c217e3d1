"""The states of a session over time, as a picture shows them."""

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.bands import bands
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push

NOON = 1_763_812_800_000
GOOD, BAD, UPLINK = 0, 2, 7


def sample(*told: tuple[int, int | None, int]) -> Sample:
    """Return a sample with these pushes: seconds since noon, state and cause."""
    pushes = [Push(NOON + at * 1000, state, cause) for at, state, cause in told]
    return Sample(pushes[-1].at_ms, [None] * LAST_METRIC_ID, pushes=pushes)


def shown(*samples: Sample, ttl_seconds: int = 30) -> list[tuple[float, float, int | None, int]]:
    """Return the bands, in seconds since noon."""
    return [
        ((begins - NOON) / 1000, (ends - NOON) / 1000, state, cause)
        for begins, ends, state, cause in bands(samples, ttl_seconds * 1000)
    ]


def test_each_push_tells_of_the_time_since_the_one_before() -> None:
    assert shown(
        sample((0, GOOD, 0), (10, GOOD, 0), (20, BAD, UPLINK)),
        sample((30, BAD, UPLINK), (40, None, 0), (50, GOOD, 0)),
    ) == [(0, 10, GOOD, 0), (10, 30, BAD, UPLINK), (30, 40, None, 0), (40, 50, GOOD, 0)]


def test_where_nobody_pushed_there_is_a_gap() -> None:
    assert shown(sample((0, GOOD, 0), (10, GOOD, 0)), sample((41, GOOD, 0), (51, GOOD, 0))) == [
        (0, 10, GOOD, 0),
        (41, 51, GOOD, 0),
    ]
    # A push lives for half a minute.
    assert shown(sample((0, GOOD, 0), (30, GOOD, 0))) == [(0, 30, GOOD, 0)]


def test_samples_of_two_processes_are_one_picture() -> None:
    assert shown(
        sample((0, GOOD, 0), (20, BAD, UPLINK), (40, GOOD, 0)), sample((10, GOOD, 0), (30, BAD, 7))
    ) == [(0, 10, GOOD, 0), (10, 30, BAD, UPLINK), (30, 40, GOOD, 0)]


def test_of_an_earlier_version_the_last_push_of_each_interval_is_known() -> None:
    numbers = [None] * LAST_METRIC_ID
    numbers[44:46] = [BAD, UPLINK]  # type: ignore[list-item]
    old = [Sample(NOON + at * 1000, numbers) for at in (0, 30)]
    assert shown(*old) == [(0, 30, BAD, UPLINK)]
    assert shown(*old, ttl_seconds=20) == [(0, 0, BAD, UPLINK), (30, 30, BAD, UPLINK)]


def test_nothing_has_no_bands() -> None:
    assert shown() == []
