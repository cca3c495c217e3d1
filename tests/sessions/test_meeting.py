"""A past conference, made from the logs of all its participants."""

import asyncio
from typing import Any

import msgspec
import pytest
import redis
from entries import write
from past import NOON, Past, reading
from pasts import BRIDGE_STOOD_OUT, DOWNLINK, MINUTE, UPLINK, minute, over

from otel_jcmc.sessions.blame import spells_of
from otel_jcmc.sessions.entry import Sample, in_order, outlines
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.meeting import meeting_at
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.verdict.journal import Entry


class Nothing:
    """A journal in which nothing stood out."""

    async def read(self, _from_ms: int, _to_ms: int) -> list[Entry]:
        return []


def of_last_pushes(sample: Sample) -> Sample:
    """Return *sample* as an earlier version has it, with the last push only."""
    return msgspec.structs.replace(sample, pushes=[])


STORIES: tuple[list[Sample], ...] = (
    [],
    [minute(1)],
    [minute(1), minute(2, 2, DOWNLINK), minute(3, 1, UPLINK), minute(9, 2, DOWNLINK), minute(10)],
    [minute(3, 2, UPLINK), minute(1, None), minute(2, 2, DOWNLINK, bridge="jvb-3")],
    [of_last_pushes(minute(1)), minute(2, 2, DOWNLINK), of_last_pushes(minute(3, f1=20))],
)


@pytest.mark.parametrize("story", STORIES)
def test_spells_are_the_same_of_outlines_as_of_all_that_samples_tell(story: list[Sample]) -> None:
    log = [write(each) for each in story] + [b"damaged"]
    told: Any = (MINUTE, "board", "ann", [BRIDGE_STOOD_OUT])
    spells = spells_of(in_order(log), *told)
    assert spells_of(outlines(log), *told) == spells
    assert bool(spells) is bool(story)


@pytest.mark.anyio
async def test_one_conference_is_read_at_a_time(
    each_server: EmbeddedStore, each_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each log occupies the loop for milliseconds: pushes wait for one, however many read."""
    past = Past(each_client)
    for number in range(8):
        over(past, 5, participant=f"p{number}", log=tuple(map(minute, range(1, 6))))
    reads = most = 0
    log = History.log

    async def counted(history: History, sid: str) -> list[bytes]:
        nonlocal reads, most
        reads += 1
        most = max(most, reads)
        try:
            return await log(history, sid)
        finally:
            reads -= 1

    monkeypatch.setattr(History, "log", counted)
    async with reading(each_server) as history:
        asked: Any = (history, Nothing(), ["standup"], NOON + MINUTE, MINUTE, MINUTE)
        found = await asyncio.gather(*(meeting_at(*asked) for _ in range(5)))
    assert [len(each.attendees) for each in found] == [8] * 5
    assert most == 1
