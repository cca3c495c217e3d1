"""The crowd with its ledger (tests/model), for minutes, while services are killed at random."""

from pathlib import Path

import pytest
from model.kills import hold, play_with_kills


@pytest.mark.parametrize("seed", [11, 12])
def test_history_and_spans_are_right_after_minutes_of_kills(short_path: Path, seed: int) -> None:
    killed = play_with_kills(short_path, 120, seed)
    assert hold(killed) > 100
    assert len(killed.kills) > 8
