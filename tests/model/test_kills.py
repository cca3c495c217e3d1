"""History and spans while services are killed: seconds here, minutes in `make soak`."""

from pathlib import Path

from model.kills import hold, play_with_kills


def test_what_was_acknowledged_an_interval_before_a_kill_is_there_once(short_path: Path) -> None:
    killed = play_with_kills(short_path, 9, seed=3)
    assert hold(killed) > 10
    assert len(killed.kills) > 2
