"""A metric over time, drawn with characters."""

import pytest

from otel_jcmc.command.plot import ASCII, BLOCKS, Point, plot

NOON = 1_772_366_400.0


def points(*values: float | None, seconds: float = 30.0) -> list[Point]:
    """Return successive points, without a range."""
    return [
        Point(NOON + n * seconds, NOON + (n + 1) * seconds, value, None, None)
        for n, value in enumerate(values)
    ]


def test_a_fall_is_seen() -> None:
    """The column with both values is filled between them."""
    assert plot(points(100, 100, 50, 0), 27, top=100, signs=ASCII) == [
        "100 |***********",
        "    |",
        "    |",
        "    |",
        "    |",
        " 50 |           *****:",
        "    |                :",
        "    |                :",
        "    |                *",
        "    |                :",
        "    |                :",
        "  0 |                :*****",
        "    +----------------------",
        "     12:00:00      12:02:00",
    ]


def test_the_range_stands_around_the_value() -> None:
    drawn = plot([Point(NOON, NOON + 30, 50, 20, 90)], 26, top=100, signs=ASCII)
    assert [line[5:6] for line in drawn[:12]] == ["", *"::::*::::", "", ""]


def test_where_nothing_was_there_is_nothing_not_even_an_axis() -> None:
    apart = [points(1)[0], Point(NOON + 90, NOON + 120, 1, None, None)]
    assert plot(apart, 27, top=100, signs=ASCII)[-2:] == [
        "    +------          ------",
        "     12:00:00      12:02:00",
    ]


def test_what_was_not_known_is_not_drawn() -> None:
    assert plot(points(None, None), 80) == []


@pytest.mark.parametrize("width", [1, 20, 80, 300])
@pytest.mark.parametrize("count", [1, 7, 80, 6000])
def test_it_is_as_wide_as_it_may_be(width: int, count: int) -> None:
    drawn = plot(points(*(n % 50 for n in range(count))), width)
    assert max(map(len, drawn[:-1])) <= max(width, 8)
    assert len(drawn) == 14


@pytest.mark.parametrize(
    ("most", "top"), [(0, "1"), (1, "1"), (1.2, "2"), (30, "50"), (501, "1000")]
)
def test_the_scale_ends_at_a_round_number(most: float, top: str) -> None:
    assert plot(points(0, most), 40)[0].split()[0] == top


def test_blocks_are_drawn_where_they_can_be() -> None:
    assert plot(points(1), 12, signs=BLOCKS)[0] == "  1 ┤███████"
