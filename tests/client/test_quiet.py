"""Values that statistics no longer have become null at once, not two intervals later."""

from typing import Any

import pytest
from client.pages import Tab
from client.test_page import sent

CALL = """const room = makeRoom();
    let participants = 2;
    room.getParticipantCount = () => participants;
    setPage(room);
    startIn(world);
    room.stats(50);
    await world.advance(4000);"""
ALONE = 'participants = 1; room.emit("conference.userLeft", "99aabbcc");'
INTERRUPTED = 'room.emit("conference.connectionInterrupted");'


def told(calls: list[dict[str, Any]]) -> list[tuple[int, Any, int]]:
    """Return each push as (when, quality, age of the statistics)."""
    return [
        (
            call["at"],
            call["body"]["metrics"]["connectionquality"]["value"],
            call["body"]["session"]["stats_age_ms"],
        )
        for call in calls
    ]


@pytest.mark.parametrize("event", [ALONE, INTERRUPTED])
def test_nulls_come_at_once_and_go_on(tab: Tab, event: str) -> None:
    calls = sent(tab, f"{CALL} {event} await world.advance(20000)")
    assert told(calls) == [
        (0, 50, 0),
        (4000, None, 4000),
        (14000, None, 14000),
        (24000, None, 24000),
    ]


def test_statistics_that_go_on_are_told_as_ever(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{CALL} {INTERRUPTED}
        await world.advance(6000);
        room.stats(60);
        await world.advance(10000);
        room.stats(70);""",
    )
    assert told(calls) == [(0, 50, 0), (4000, None, 4000), (10000, 60, 0), (20000, 70, 0)]


def test_others_who_leave_a_larger_conference_change_nothing(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{CALL} participants = 3;
        room.emit("conference.userLeft", "99aabbcc");
        await world.advance(5000);""",
    )
    assert told(calls) == [(0, 50, 0)]


def test_what_was_told_is_not_told_at_each_event(tab: Tab) -> None:
    calls = sent(
        tab,
        f"{CALL} for (let i = 0; i < 20; i++) {{ {INTERRUPTED} await world.advance(100); }}",
    )
    assert told(calls) == [(0, 50, 0), (4000, None, 4000)]


def test_before_the_first_statistics_there_is_nothing_to_take_back(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""const room = makeRoom();
        setPage(room);
        startIn(world);
        {INTERRUPTED}
        await world.advance(20000);""",
    )
    assert calls == []


def test_a_report_that_was_asked_for_before_comes_too_late(tab: Tab) -> None:
    """Otherwise the old numbers would stay for two intervals."""
    calls = sent(
        tab,
        f"""const room = makeRoom();
        const pending = [];
        room.getActivePeerConnection = () => ({{
            peerconnection: {{ getStats: () => new Promise((done) => pending.push(done)) }},
        }});
        setPage(room);
        startIn(world);
        room.stats(50);
        pending[0](new Map());
        await world.advance(10000);
        room.stats(60);
        {INTERRUPTED}
        await world.advance(100);
        pending[1](new Map());
        await world.advance(3000);""",
    )
    assert [(at, quality) for at, quality, _ in told(calls)] == [(0, 50), (10000, None)]


def test_of_several_samples_in_a_push_none_is_told_after_it(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""world.intervalMs = 10000;
        window.config = {{ pcStatsInterval: 2000 }};
        const room = makeRoom();
        setPage(room);
        startIn(world);
        for (let i = 0; i < 8; i++) {{ room.stats(50 + i); await world.advance(2000); }}
        {INTERRUPTED}
        await world.advance(1000);""",
    )
    assert told(calls)[-1][:2] == (16000, None)
