"""What is exported of a story was true, except for the known faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conference.known_faults import KNOWN_FAULTS
from conference.recorder import Bed, running_bed
from conference.stories import stories
from recordings import read
from truth.compare import Verdict, compare
from truth.table import cell

INTERVAL_MS = 2000
# Half a minute has some 3,000 packets, of two tabs and two ways: one in twenty may be off by three.
LOSS_POINTS = 5.0


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with running_bed(tmp_path_factory.mktemp("bed")) as running:
        yield running


def told(bed: Bed, story: str, folder: Path) -> list[Verdict]:
    """Tell *story*; the verdicts on both."""
    path = folder / f"{story}.jsonl"
    bed.tell(stories(INTERVAL_MS)[story], INTERVAL_MS).write(path)
    verdicts = compare(read(path), LOSS_POINTS)
    for verdict in verdicts:
        print(verdict.tab, {name: cell(verdict, name) for name in verdict.true}, verdict.faults)
    return verdicts


@pytest.mark.parametrize("story", KNOWN_FAULTS)
def test_a_story_is_told_as_it_was(bed: Bed, story: str, tmp_path: Path) -> None:
    verdicts = told(bed, story, tmp_path)
    assert [verdict.tab for verdict in verdicts] == ["ada", "bob"]
    assert all(verdict.true for verdict in verdicts)
    found = {fault.metric for verdict in verdicts for fault in verdict.faults}
    assert found == KNOWN_FAULTS[story]
