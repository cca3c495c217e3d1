"""verdict/mos.py: an estimate in the manner of ITU-T G.107."""

import pytest

from otel_jcmc.verdict.mos import audio_mos


# Worked out by hand from the formula: round trip and buffer in ms, filled-in sound in percent.
@pytest.mark.parametrize(
    ("round_trip", "buffer", "made_up", "score"),
    [
        (20, 30, 0, 4.37),
        (80, 40, 0, 4.35),
        (80, 40, 1, 4.22),
        (80, 60, 2, 4.07),
        (80, 60, 3, 3.92),
        (100, 60, 5, 3.63),
        (100, 80, 8, 3.20),
        (200, 80, 10, 2.66),
        (400, 60, 0, 3.71),
        (600, 80, 0, 2.91),
        (800, 100, 2, 1.68),
        (100, 100, 20, 2.05),
    ],
)
def test_a_score_is_what_the_formula_says(
    round_trip: float, buffer: float, made_up: float, score: float
) -> None:
    assert audio_mos(made_up, None, round_trip, buffer, None) == pytest.approx(score, abs=0.006)


def test_where_nothing_is_known_of_what_was_made_up_it_is_what_was_lost() -> None:
    assert audio_mos(None, 5, 100, 60, None) == audio_mos(5, 0, 100, 60, None)
    assert audio_mos(0, 5, 100, 60, None) == audio_mos(0, None, 100, 60, None)


def test_a_buffer_that_nobody_tells_of_is_twice_the_jitter() -> None:
    assert audio_mos(1, None, 80, None, 20) == audio_mos(1, None, 80, 40, None)
    assert audio_mos(1, None, 80, None, None) == audio_mos(1, None, 80, 0, None)


@pytest.mark.parametrize(("made_up", "loss", "round_trip"), [(None, None, 80), (1, 1, None)])
def test_without_loss_or_without_a_round_trip_nobody_knows(
    made_up: float | None, loss: float | None, round_trip: float | None
) -> None:
    assert audio_mos(made_up, loss, round_trip, 40, 5) is None


def test_it_is_never_below_one() -> None:
    assert audio_mos(100, None, 600_000, 600_000, None) == 1.0
    assert audio_mos(100, None, 0, 0, None) == pytest.approx(1.0, abs=0.5)
