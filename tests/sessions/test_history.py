"""Sessions read from Redis, on real servers: Valkey, and Redis 7.0 where available."""

import time
from pathlib import Path

import pytest
from past import NOON, Past, listed, numbers, reading

from otel_jcmc.sessions import history
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.history import NoSuchSession
from otel_jcmc.sessions.search import sid_of
from otel_jcmc.sessions.totals import new_totals
from otel_jcmc.store.embedded import EmbeddedStore

REDIS_7 = Path(__file__).parents[2] / ".cache" / "redis" / "redis-server"
pytestmark = pytest.mark.anyio
MINUTE = 60_000


# The list


async def test_sessions_are_listed_newest_first(kind: EmbeddedStore, past: Past) -> None:
    sids = [past.session(NOON + n * MINUTE, f"room-{n}") for n in (2, 0, 3, 1)]
    assert await listed(kind) == [sids[n] for n in (2, 0, 3, 1)]


async def test_a_conference_is_found_by_its_name_alone(kind: EmbeddedStore, past: Past) -> None:
    mine = past.session(NOON, "standup")
    for n in range(40):
        past.session(NOON + n, f"room-{n}")
    assert await listed(kind, conferences=["standup"]) == [mine]
    assert await listed(kind, conferences=["Standup"]) == []


async def test_a_client_is_found_in_every_conference(kind: EmbeddedStore, past: Past) -> None:
    for n in range(30):
        past.session(NOON + n, f"room-{n}", client_id=f"client-{n % 10}")
    found = await listed(kind, clients=["client-3"])
    assert [int(sid[32:43], 16) - NOON for sid in found] == [23, 13, 3]


async def test_a_session_counts_that_overlaps(kind: EmbeddedStore, past: Past) -> None:
    """Not the sessions that ended before or began after."""
    hour = 60 * MINUTE
    spans = {"before": (0, 1), "into": (0, 3), "within": (3, 4), "over": (0, 9), "out": (4, 9)}
    spans |= {"after": (6, 7)}
    for name, (start, end) in spans.items():
        begin, done = NOON + start * hour, NOON + end * hour
        past.session(begin, name, last_ms=done, ended_ms=done, reason="left")
    async with reading(kind) as reader:
        found, _ = await reader.sessions(Asked(from_ms=NOON + 2 * hour, to_ms=NOON + 5 * hour))
    names = {each.attributes[64] for each in found}
    assert names == {"into", "within", "over", "out"}


async def test_a_session_counts_until_its_participant_expires(
    kind: EmbeddedStore, past: Past
) -> None:
    """A push of half an hour ago keeps its participant live with METRICS_EXPIRATION=3600."""
    sid = past.session(NOON, totals=new_totals())
    past.live(sid, NOON + 60 * MINUTE)
    asked = Asked(from_ms=NOON + 30 * MINUTE)
    async with reading(kind, 60 * MINUTE) as reader:
        found, _ = await reader.sessions(asked)
        assert [each.sid for each in found] == [sid]
        assert [sid_of(place) for place in (await reader.search(asked)).places] == [sid]


async def test_pages_have_each_session_once_while_others_are_written(
    kind: EmbeddedStore, past: Past
) -> None:
    """2,000 sessions, some of which push meanwhile; new ones begin at each page."""
    began = [NOON + (n * 7919 % 2000) * 100 for n in range(2000)]
    sids = {past.session(at, f"room-{n % 50}", participant=str(n)) for n, at in enumerate(began)}
    found: list[str] = []
    after, pages = "", 0
    async with reading(kind) as reader:
        while True:
            page, following = await reader.sessions(Asked(after=after, limit=171))
            found += [each.sid for each in page]
            past.session(NOON + 10**7 + pages, "new", participant=str(pages))
            for sid in list(sids)[pages::12]:
                past.client.zadd(f"{past.base(sid)}sessions", {sid: NOON + 10**8})
            pages += 1
            if following is None or pages > 20:
                break
            after = following
    assert len(found) == 2000
    assert set(found) == sids
    assert pages == 12
    starts = [sid[32:43] for sid in found]
    assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize("chunk", [1, 3, 7, 8, 100])
async def test_an_index_is_read_whole_in_pieces_of_any_size(
    kind: EmbeddedStore, past: Past, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """With many sessions whose last push came in the same millisecond."""
    monkeypatch.setattr(history, "INDEX_CHUNK", chunk)
    for n in range(40):
        past.session(NOON + n, participant=str(n), last_ms=NOON + MINUTE + n // 8)
    assert len(await listed(kind, conferences=["standup"])) == 40


async def test_of_the_last_page_nothing_comes_after(kind: EmbeddedStore, past: Past) -> None:
    for n in range(6):
        past.session(NOON + n, participant=str(n))
    async with reading(kind) as reader:
        page, after = await reader.sessions(Asked(limit=3))
        assert len(page) == 3
        assert after
        page, after = await reader.sessions(Asked(limit=3, after=after))
    assert (len(page), after) == (3, None)


async def test_what_the_index_has_and_nothing_else_is_left_out(
    kind: EmbeddedStore, past: Past
) -> None:
    gone, there = past.session(NOON, "gone"), past.session(NOON, "there")
    past.client.delete(f"{past.base(gone)}session:{gone}")
    assert await listed(kind) == [there]


async def test_a_page_is_full_when_most_of_the_newest_are_gone(
    kind: EmbeddedStore, past: Past
) -> None:
    sids = [past.session(NOON + n * MINUTE, participant=str(n)) for n in range(60)]
    for sid in sids[5:]:
        past.client.delete(f"{past.base(sid)}session:{sid}")
    assert await listed(kind, limit=3) == sids[4:1:-1]


async def test_who_began_long_ago_and_is_still_there_comes_by_when_it_began(
    kind: EmbeddedStore, past: Past
) -> None:
    """However late its last push is, and however many sessions end before."""
    old = [past.session(NOON + n, f"old-{n}", last_ms=NOON + 10**7) for n in range(3)]
    new = [past.session(NOON + 1000 + n, f"new-{n}") for n in range(30)]
    found = []
    async with reading(kind) as reader:
        after: str | None = ""
        while after is not None:
            page, after = await reader.sessions(Asked(after=after, limit=4))
            found += [each.sid for each in page]
    assert found == [*reversed(new), *reversed(old)]


# One session


async def test_who_was_not_marked_as_ended_and_is_gone_has_expired(
    kind: EmbeddedStore, past: Past
) -> None:
    sid = past.session(NOON, last_ms=NOON + MINUTE)
    async with reading(kind) as reader:
        session, _ = await reader.session(sid)
    assert (session.ended_ms, session.reason) == (NOON + MINUTE, "expired")


@pytest.mark.parametrize("about", [b"", b"\xff", b"\x80", b"\x81\x40\x01"])
async def test_a_session_of_whom_nothing_can_be_read_is_listed_without(
    kind: EmbeddedStore, past: Past, about: bytes
) -> None:
    there, damaged = past.session(NOON + 1, "retro"), past.session(NOON)
    past.client.set(f"{past.base(damaged)}about:{damaged}", about)
    past.client.set(f"{past.base(damaged)}participant:{damaged[:32]}", b"\x97\x03")
    assert await listed(kind) == [there, damaged]
    assert await listed(kind, conferences=["standup"]) == [damaged]
    async with reading(kind) as reader:
        session, _ = await reader.session(damaged)
    assert (session.attributes, session.session_id) == ({}, None)


@pytest.mark.parametrize("field", ["ttl", "seen", "ended", "leg"])
async def test_a_damaged_session_is_left_out_alone(
    kind: EmbeddedStore, past: Past, field: str
) -> None:
    there, damaged = past.session(NOON), past.session(NOON + 1)
    past.client.hset(f"{past.base(damaged)}session:{damaged}", field, "\x00x")
    assert await listed(kind) == [there]


async def test_a_log_is_read_whole(kind: EmbeddedStore, past: Past) -> None:
    log = tuple(Sample(NOON + n * 1000, numbers(f1=n % 100)) for n in range(11_000))
    sid = past.session(NOON, log=log)
    async with reading(kind) as reader:
        session, entries = await reader.session(sid)
    assert session.samples == len(entries) == 11_000


@pytest.mark.parametrize("sid", ["", "0", "f" * 48, "F" * 48, "../" * 16, "*" * 48])
async def test_what_is_no_session_is_none(kind: EmbeddedStore, past: Past, sid: str) -> None:
    past.session(int(time.time() * 1000))
    async with reading(kind) as reader:
        with pytest.raises(NoSuchSession):
            await reader.session(sid)
