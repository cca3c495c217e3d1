"""The points and lines of a session: not more than a chart has room for, and always the worst."""

import pytest
from past import numbers

from otel_jcmc.pages.course import LOSS_DOWN, MOST_POINTS, QUALITY, course_of
from otel_jcmc.pages.lines import charts_of, nice
from otel_jcmc.sessions.entry import Sample

HALF = 30_000
APART = 60_000


def samples(*qualities: float | None, start: int = 1) -> list[Sample]:
    """Return a sample for each half minute."""
    return [
        Sample((at + start) * HALF, numbers(f1=each, f11=0), [each, 0, None], [each, 0, None])
        for at, each in enumerate(qualities)
    ]


def test_a_long_session_has_no_more_points_than_there_is_room_for() -> None:
    """A point keeps its worst value, so one bad minute in a day is visible."""
    qualities = [100.0] * 2880
    qualities[1441] = 7.0
    course = course_of(samples(*qualities), 0, 2880 * HALF, APART)
    assert len(course.points) <= MOST_POINTS + 1
    assert course.extremes(QUALITY) == (100, 100, 7)


def test_however_often_somebody_was_away_there_are_no_more_points() -> None:
    away = [Sample(at * 5 * HALF, numbers(f1=90)) for at in range(1, 6000)]
    course = course_of(away, 0, 6000 * 5 * HALF, APART)
    assert len(course.points) <= MOST_POINTS + 1


def test_a_short_session_has_each_of_its_samples() -> None:
    course = course_of(samples(90, 80, None, 70), 0, 4 * HALF, APART)
    assert [each.values[0] for each in course.points] == [90, 80, None, 70]
    assert course.extremes(QUALITY) == (90, 80, 70)
    assert course.extremes(LOSS_DOWN) == (0, 0, 0)


def test_the_worst_of_an_interval_counts_and_not_its_last_push() -> None:
    sample = Sample(HALF, numbers(f1=95), [20, None, None], [99, None, None])
    assert course_of([sample], 0, HALF, APART).extremes(QUALITY) == (99, 20, 20)


def line(*qualities: float | None) -> str:
    """Return the path of the line of quality."""
    course = course_of(samples(*qualities), 0, len(qualities) * HALF, APART)
    return charts_of(course, 5, 400)[0].lines[0].path


def test_what_is_not_known_for_longer_is_a_gap_in_a_line() -> None:
    """One push without the value makes no gap: two pushes of five have an upload loss."""
    assert line(100, None, 100, 100) == "M250.0,0.0 L750.0,0.0 L1000.0,0.0"
    assert line(100, None, None, 50) == "M250.0,0.0h.01 M1000.0,50.0h.01"


def test_of_what_was_never_told_there_is_no_chart() -> None:
    course = course_of(samples(100), 0, HALF, APART)
    assert [each.title for each in charts_of(course, 5, 400)] == ["Quality", "Packet loss"]
    assert charts_of(course_of([], 0, HALF, APART), 5, 400) == []


def test_a_threshold_is_always_on_the_scale() -> None:
    (_, loss) = charts_of(course_of(samples(100), 0, HALF, APART), 5, 400)
    assert (loss.lowest, loss.highest, loss.threshold, loss.threshold_y) == (
        "0 %",
        "8 %",
        "5 %",
        37.5,
    )


@pytest.mark.parametrize(
    ("value", "end"),
    [(0, 1), (-1, 1), (0.3, 0.3), (1, 1), (6.25, 8), (11, 15), (1401, 1500), (9.1, 10)],
)
def test_a_scale_ends_at_a_round_number(value: float, end: float) -> None:
    assert nice(value) == pytest.approx(end)
