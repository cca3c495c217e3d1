"""
Sessions found by their cards, on real servers: each search finds exactly the right ones.

The results are compared with the same search in a list in Python, with and without cards.
"""

import random
import time
from typing import Any

import pytest
from past import NOON, Past, listed, reading

from otel_jcmc.catalogue.attributes import BRIDGE
from otel_jcmc.sessions import search
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.lines import (
    BRIDGE_LINE,
    BROWSER_LINE,
    CAUSE_LINE,
    CLIENT_LINE,
    CONFERENCE_LINE,
    PARTICIPANT_LINE,
    REGION_LINE,
    STATE_LINE,
    is_met,
    none_of,
    part_of,
    whole_of,
)
from otel_jcmc.sessions.search import from_after, place_of, sid_of, to_after
from otel_jcmc.sessions.totals import Totals, VitalTotal
from otel_jcmc.store.embedded import EmbeddedStore

pytestmark = pytest.mark.anyio
MINUTE = 60_000


def lasting(bad_seconds: int, cause: int = 7, good_seconds: int = 600) -> Totals:
    """Return the totals of a session that was bad by *cause* for so long, and good otherwise."""
    times = [(10 * good_seconds, 0, 0), (10 * bad_seconds, 2, cause)]
    return Totals([VitalTotal()] * 3, [each for each in times if each[0]], [None] * 3)


# Searches


async def test_a_part_of_a_name_is_enough_in_any_case(kind: EmbeddedStore, past: Past) -> None:
    wanted = [
        past.session(NOON, "Board-Meeting", totals=lasting(0)),
        # It has no card yet.
        past.session(NOON - 1, "the keyboard"),
    ]
    past.session(NOON, "standup", participant="board", totals=lasting(0))
    past.session(NOON, "boar d", attributes={69: "board"}, totals=lasting(0))
    assert await listed(kind, conditions=[part_of("BOARD", CONFERENCE_LINE)]) == wanted


async def test_a_text_of_another_line_is_not_found(kind: EmbeddedStore, past: Past) -> None:
    """Neither in the line before, nor in the one after, nor across two lines."""
    past.session(
        NOON, "eu", participant="x", attributes={69: "us", BRIDGE.id: "eu"}, totals=lasting(0)
    )
    sid = past.session(NOON, "a", participant="x", attributes={69: "eu"}, totals=lasting(0))
    assert await listed(kind, conditions=[part_of("eu", REGION_LINE)]) == [sid]
    assert await listed(kind, conditions=[whole_of(["e"], REGION_LINE)]) == []
    assert await listed(kind, conditions=[part_of("eu\n", REGION_LINE)]) == []


@pytest.mark.parametrize("text", ["%d", "a.c", "[x]", "-", "^a", "$", "%", "ö", "a b"])
async def test_what_means_something_in_a_pattern_is_text(
    kind: EmbeddedStore, past: Past, text: str
) -> None:
    sid = past.session(NOON, f"x{text.upper()}y", totals=lasting(0))
    past.session(NOON, "abc 7 x", totals=lasting(0))
    found = await listed(kind, conditions=[part_of(text, CONFERENCE_LINE)])
    assert sid in found
    assert len(found) == (2 if text == " " else 1)


async def test_the_worst_come_first(kind: EmbeddedStore, past: Past) -> None:
    """By the share of bad time, not by seconds; then the newest first; unknown is last."""
    sids = [
        past.session(NOON + n, f"room-{n}", totals=None if bad is None else lasting(bad))
        for n, bad in enumerate((0, 300, 20, None, 300, 5))
    ]
    assert await listed(kind, by_badness=True) == [sids[n] for n in (4, 1, 2, 5, 3, 0)]


async def test_pages_of_the_worst_go_on_where_the_one_before_ended(
    kind: EmbeddedStore, past: Past
) -> None:
    for n in range(45):
        past.session(NOON + n, f"room-{n}", totals=lasting(10 * (n % 4)) if n % 3 else None)
    found: list[str] = []
    async with reading(kind) as reader:
        whole, _ = await reader.sessions(Asked(by_badness=True, limit=500))
        after: str | None = ""
        while after is not None:
            page, after = await reader.sessions(Asked(by_badness=True, limit=10, after=after))
            found += [each.sid for each in page]
    assert len(set(found)) == 45
    assert found == [each.sid for each in whole]


async def test_how_many_there_are_is_told_on_the_first_page(
    kind: EmbeddedStore, past: Past
) -> None:
    for n in range(30):
        past.session(NOON + n, f"room-{n % 2}", totals=lasting(0) if n % 5 else None)
    async with reading(kind) as reader:
        asked = Asked(conditions=[part_of("room-1", CONFERENCE_LINE)], limit=4)
        found = await reader.search(asked)
    assert (len(found.places), found.total) == (4, 15)


async def test_what_goes_on_is_told_by_who_is_live(kind: EmbeddedStore, past: Past) -> None:
    now = int(time.time() * 1000)
    sids = {
        "live": past.session(now - MINUTE, "live", totals=lasting(0)),
        "expired": past.session(now - MINUTE - 1, "silent", totals=lasting(0)),
        "left": past.session(
            now - MINUTE - 2, "left", ended_ms=now, reason="left", totals=lasting(0)
        ),
        "failed": past.session(now - MINUTE - 3, "failed", ended_ms=now, reason="failed"),
    }
    past.live(sids["live"], now + MINUTE)
    for end, sid in sids.items():
        assert await listed(kind, end=end) == [sid]


async def test_a_time_counts_to_the_ms_and_what_goes_on_is_there(
    kind: EmbeddedStore, past: Past
) -> None:
    """A card has tenths and no leave: sessions near the limit are looked up."""
    room = [part_of("room", CONFERENCE_LINE)]
    last, ended = NOON + 30_050, NOON + 41_007
    sid = past.session(NOON, "room", last_ms=last, ended_ms=ended, reason="left", totals=lasting(0))
    for from_ms, found in ((NOON + 41_007, [sid]), (NOON + 41_008, [])):
        assert await listed(kind, conditions=room, from_ms=from_ms) == found
    for to_ms, found in ((NOON, [sid]), (NOON - 1, [])):
        assert await listed(kind, conditions=room, to_ms=to_ms) == found
    now = int(time.time() * 1000)
    there = past.session(now - 100 * MINUTE, "room", participant="bob", totals=lasting(0))
    past.live(there, now + MINUTE)
    assert await listed(kind, conditions=room, from_ms=now, to_ms=now) == [there]


async def test_a_client_is_meant_as_it_is_written(kind: EmbeddedStore, past: Past) -> None:
    """A card has it in lower case and cut: the whole id is looked up."""
    long = "c" * 150
    for n, client in enumerate(("Abc", "abc", long, long + "x")):
        past.session(NOON + n, f"room-{n}", client_id=client, totals=lasting(0))
    for client in ("Abc", long):
        found = await listed(
            kind, clients=[client], conditions=[whole_of([client], CLIENT_LINE)], by_badness=True
        )
        assert len(found) == 1, client


async def test_a_damaged_card_hides_its_own_session_alone(kind: EmbeddedStore, past: Past) -> None:
    sids = [past.session(NOON + n, f"room-{n}", totals=lasting(0)) for n in range(3)]
    past.client.hset(f"{past.base(sids[0])}cards", sids[0], b"\xff")
    past.client.hset(f"{past.base(sids[1])}cards", sids[1], b"\0" * 6 + b"\xff\xff")
    found = await listed(kind, conditions=[part_of("room", CONFERENCE_LINE)], end="expired")
    assert found == [sids[2]]


async def test_a_card_without_a_session_is_passed_over(kind: EmbeddedStore, past: Past) -> None:
    gone = past.session(NOON, "room", totals=lasting(0))
    there = past.session(NOON - 1, "room", participant="bob", totals=lasting(0))
    past.client.delete(f"{past.base(gone)}session:{gone}")
    assert await listed(kind, conditions=[part_of("room", CONFERENCE_LINE)]) == [there]


# Compared with a list


def made(past: Past, chance: random.Random) -> dict[str, dict[str, Any]]:
    """Write 300 sessions of an earlier and of this version, and return the truth of each."""
    found = {}
    for n in range(300):
        told: dict[str, Any] = {
            CONFERENCE_LINE: chance.choice(["board", "Onboarding", "standup", "ab", "b"]),
            PARTICIPANT_LINE: f"p{n}",
            REGION_LINE: chance.choice(["eu", "EU-west", None]),
            BRIDGE_LINE: chance.choice(["jvb-1", "jvb-12", None]),
            BROWSER_LINE: chance.choice(["Chrome 126", "Firefox 12", None]),
            "end": chance.choice(["left", "failed", ""]),
            "start": NOON + chance.randrange(100) * MINUTE,
            "bad": chance.choice([None, 0, 30, 100, 300]),
        }
        told["last"] = told["start"] + chance.randrange(1, 50) * MINUTE
        browser, _, version = (told[BROWSER_LINE] or "").partition(" ")
        where = {69: told[REGION_LINE], BRIDGE.id: told[BRIDGE_LINE], 71: browser, 72: version}
        sid = past.session(
            told["start"],
            told[CONFERENCE_LINE],
            participant=told[PARTICIPANT_LINE],
            last_ms=told["last"],
            ended_ms=told["last"] if told["end"] else 0,
            reason=told["end"],
            attributes={id_: text for id_, text in where.items() if text},
            totals=None if told["bad"] is None else lasting(told["bad"], chance.choice([1, 7])),
        )
        if told["bad"] is not None:
            card = past.client.hget(f"{past.base(sid)}cards", sid)
            assert isinstance(card, bytes)
            lines = dict(
                line.split("=", 1) for line in card[8:].decode(errors="replace").split("\n")[1:-1]
            )
            told |= {STATE_LINE: lines["s"], CAUSE_LINE: lines.get("u")}
        found[sid] = told
    return found


CHOICES: dict[str, tuple[str, ...]] = {
    CONFERENCE_LINE: ("board", "B", "up", "nobody"),
    REGION_LINE: ("eu", "eu-west"),
    BRIDGE_LINE: ("jvb-1",),
    BROWSER_LINE: ("fox", "chrome 126"),
    STATE_LINE: ("bad", "fair", "good"),
    CAUSE_LINE: ("uplink", "outage"),
}
PARTS = (CONFERENCE_LINE, BROWSER_LINE)


def is_wanted(told: dict[str, Any], texts: dict[str, str], asked: Asked) -> bool:
    """Say whether the session *told* has *texts*, and matches what is *asked*."""
    lines = {mark: (told.get(mark) or "").lower() for mark in texts}
    return (
        all(
            text.lower() in lines[mark] if mark in PARTS else text == lines[mark]
            for mark, text in texts.items()
        )
        and asked.end in ("", told["end"] or "expired")
        and (asked.from_ms is None or told["last"] >= asked.from_ms)
        and (asked.to_ms is None or told["start"] <= asked.to_ms)
        and (asked.from_ms or 0) <= (asked.to_ms or told["last"])
    )


async def test_what_is_found_is_what_a_list_has(
    kind: EmbeddedStore, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty random searches, each page by page."""
    monkeypatch.setattr(search, "CARDS_AT_ONCE", 20)
    monkeypatch.setattr(search, "_INDEX_AT_ONCE", 30)
    chance = random.Random(4)
    sessions = made(past, chance)
    some = 0
    async with reading(kind) as reader:
        for _ in range(60):
            marks = chance.sample([*CHOICES], chance.randrange(1, 3))
            texts = {mark: chance.choice(CHOICES[mark]) for mark in marks}
            asked = Asked(
                from_ms=chance.choice([None, NOON + chance.randrange(150) * MINUTE]),
                to_ms=chance.choice([None, NOON + chance.randrange(150) * MINUTE]),
                limit=7,
                conditions=[
                    part_of(text, mark) if mark in PARTS else whole_of([text], mark)
                    for mark, text in texts.items()
                ],
                end=chance.choice(["", "", "left", "failed", "expired"]),
                by_badness=chance.random() < 0.5,
            )
            expected = {sid for sid, told in sessions.items() if is_wanted(told, texts, asked)}
            some += bool(expected)
            found: list[str] = []
            after: str | None = ""
            while after is not None:
                page, after = await reader.sessions(asked._replace(after=after))
                found += [each.sid for each in page]
            assert len(found) == len(set(found))
            assert set(found) == expected, asked
            starts = [sid[32:43] for sid in found]
            assert asked.by_badness or starts == sorted(starts, reverse=True)
    assert some > 20


async def test_unknown_is_a_state_that_can_be_asked_for(kind: EmbeddedStore, past: Past) -> None:
    past.session(NOON, "known", totals=lasting(0))
    mute = past.session(NOON - 2, "mute", totals=lasting(0, 0, 0))
    sids = [past.session(NOON - 1, "unweighed"), mute]
    assert await listed(kind, conditions=[none_of(STATE_LINE)]) == sids


# Alone


def test_a_place_becomes_a_cursor_and_back() -> None:
    sid = "0123456789abcdef0123456789abcdef" + "1a202b3acfd" + "5e71c"
    for badness, after in ((None, sid), (0x2A, f"002a{sid}")):
        place = place_of(sid, badness)
        assert sid_of(place) == sid
        assert to_after(place) == after
        assert from_after(after) == place
    assert from_after("") == ""


def test_a_condition_is_met_by_one_of_its_ways() -> None:
    text = "\nc=board\nn=ann = böll\n"
    assert is_met(part_of("BÖ", "p", "n"), text)
    assert is_met(part_of("= b", "n"), text)
    assert not is_met(part_of("board", "p", "n"), text)
    assert is_met(whole_of(["x", "Board"], "c"), text)
    assert not is_met(whole_of(["boar"], "c"), text)
    assert is_met(none_of("s"), text)
    assert not is_met(none_of("c"), text)
