"""For how long a session had which state: rows of an interval, always few and short."""

from typing import Any

import pytest
from recording import push

from otel_jcmc.sessions.stretches import Times, key_of, spend, stretches_of

BAD = {"f45": 2, "f46": 1}


def rows(*pushes: dict[str, Any], each_ms: float = 10_000) -> list[list[Any]]:
    """Return the rows of an entry with *pushes* that each stand for so long."""
    times: Times = {}
    for told in pushes:
        spend(times, key_of(push(**told)), each_ms)
    return stretches_of(times)


@pytest.mark.parametrize(
    ("told", "row"),
    [
        ({}, [100]),
        ({"f45": 0}, [100, 0]),
        ({"f45": 1}, [100, 1]),
        ({"f45": 1, "f46": 6}, [100, 1, 6]),
        ({"f45": 2}, [100, 2]),
        (BAD, [100, 2, 1]),
        (BAD | {"f69": "eu"}, [100, 2, 1, "eu"]),
        (BAD | {"f98": "jvb-1"}, [100, 2, 1, "", "jvb-1"]),
        (BAD | {"f13": [[41, {83: "vpn"}], [50, {83: "wifi"}]]}, [100, 2, 1, "", "", "vpn"]),
        # The place matters only of what is bad.
        ({"f45": 1, "f46": 6, "f69": "eu"}, [100, 1, 6]),
        ({"f45": 0, "f69": "eu"}, [100, 0]),
    ],
)
def test_a_row_has_what_there_is_and_no_more(told: dict[str, Any], row: list[Any]) -> None:
    assert rows(told) == [row]


def test_what_is_the_same_is_one_row() -> None:
    assert rows(BAD, {"f45": 0}, BAD, {"f45": 2, "f46": 7}, {"f45": 0}, {}) == [
        [200, 2, 1],
        [200, 0],
        [100, 2, 7],
        [100],
    ]


def test_who_moves_at_each_push_has_four_places_and_all_of_his_time() -> None:
    found = rows(*(BAD | {"f69": f"region-{number}"} for number in range(1000)))
    assert [row[3:] for row in found] == [
        ["region-0"],
        ["region-1"],
        ["region-2"],
        ["region-3"],
        [],
    ]
    assert sum(row[0] for row in found) == 100_000
    again = rows(*(BAD | {"f69": f"region-{number % 5}"} for number in range(10)))
    assert [row[0] for row in again] == [200] * 5


def test_a_long_name_is_cut() -> None:
    (row,) = rows(BAD | {"f69": "r" * 100, "f98": "b" * 100, "f13": [[41, {83: "n" * 100}]]})
    assert [len(text) for text in row[3:]] == [64, 64, 64]
