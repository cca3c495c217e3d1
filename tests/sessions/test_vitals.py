"""The three numbers that say how good a call is."""

from typing import Any

import pytest

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.vitals import vitals


@pytest.mark.parametrize(
    ("told", "quality", "loss", "round_trip"),
    [
        ({}, None, None, None),
        ({1: 97.5, 12: 0, 13: [41, 80]}, 97.5, 0, 80),
        # The worse direction counts, not both together, as in alerts and verdict.
        ({10: 0.3, 11: 8, 12: 4.15}, None, 8, None),
        ({10: 0.3, 12: 4.15}, None, 0.3, None),
        ({11: 0, 12: 4.15}, None, 0, None),
        # Without transports, the round trip of the pair.
        ({10: 1, 11: 5, 16: 30}, None, 5, 30),
        ({10: 7, 16: 0}, None, 7, 0),
        ({11: 0}, None, 0, None),
        # A transport may be known without its round trip.
        ({13: [None]}, None, None, None),
        ({13: [None], 16: 30}, None, None, 30),
        ({13: [None, 41, None], 16: 30}, None, None, 41),
    ],
)
def test_they_are_made_of_what_is_known(
    told: dict[int, Any], quality: float | None, loss: float | None, round_trip: float | None
) -> None:
    numbers = [told.get(id_) for id_ in range(1, LAST_METRIC_ID + 1)]
    assert vitals(numbers) == (quality, loss, round_trip)
