"""What is left of an erased client: nothing, not even what processes had yet to write."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import CLIENT_ID, Answer, Service, eventually, push_body, request
from past import NOON, Past, member_of, numbers
from recording import HISTORY, SPANS, Process, push

from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.quota import Bounds, Quota
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.link import Link
from otel_jcmc.traces.sweep import Sweep

pytestmark = pytest.mark.anyio
OTHER = "aaaaaaaa-5717-4562-b3fc-2c963f66afa6"


@asynccontextmanager
async def erasing(
    kind: EmbeddedStore, interval_ms: int = 30_000, keeping: Keeping = HISTORY
) -> AsyncIterator[Erasure]:
    """Return what erases in *kind*, with entries of *interval_ms*."""
    history = History(kind.url, DEFAULT_KEYS, interval_ms)
    try:
        yield Erasure(history, keeping, interval_ms)
    finally:
        await history.close()


async def erase(kind: EmbeddedStore, client_id: str = CLIENT_ID, *conferences: str) -> int:
    async with erasing(kind) as erasure:
        return await erasure.erase(conferences, [client_id])


def everything(client: redis.Redis) -> str:
    """Return the whole content of Redis, except the marks that keep erased sessions away."""
    reads: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    keys: Any = client.keys("*")
    found = [(key, reads[client.type(key)](key)) for key in keys]  # type: ignore[index]
    return repr([each for each in found if not each[0].endswith(b":erased")])


async def listed(kind: EmbeddedStore, client_id: str = CLIENT_ID) -> list[str]:
    history = History(kind.url, DEFAULT_KEYS, 30_000)
    found, _ = await history.sessions(Asked(clients=[client_id]))
    await history.close()
    return [each.sid for each in found]


async def test_nothing_is_left_of_the_client_and_all_of_others(
    kind: EmbeddedStore, past: Past
) -> None:
    log = (Sample(NOON, numbers(f1=50), attributes={65: CLIENT_ID}),)
    mine = [
        past.session(NOON + n, f"room-{n % 7}", session=f"mine-{n:04d}-of-ada", log=log)
        for n in range(30)
    ]
    other_log = (Sample(NOON, numbers(f1=50), attributes={65: OTHER}),)
    theirs = [
        past.session(NOON + n, f"room-{n}", OTHER, session=f"other-{n:04d}", log=other_log)
        for n in range(30)
    ]
    assert await erase(kind) == 30
    left = everything(past.client)
    for n in range(7):
        assert member_of(f"room-{n}", CLIENT_ID, "ada") not in left
    for trace in (CLIENT_ID, "of-ada", *mine):
        assert trace not in left
    for sid in theirs:
        assert left.count(sid) == 5  # hash, about, samples, pointer, index
    assert await listed(kind, OTHER) == theirs[::-1]


async def test_it_can_be_done_again(kind: EmbeddedStore, past: Past) -> None:
    past.session(NOON)
    assert (await erase(kind), await erase(kind)) == (1, 0)


async def test_one_conference_of_the_client_can_be_erased(kind: EmbeddedStore, past: Past) -> None:
    left, _ = past.session(NOON, "retro"), past.session(NOON, "standup")
    assert await erase(kind, CLIENT_ID, "standup") == 1
    assert await listed(kind) == [left]


async def test_what_lives_is_erased_too_and_its_conference_counts_one_less(
    kind: EmbeddedStore, past: Past
) -> None:
    running = Process(kind.url)
    for name in ("ada", "bob"):
        await running.push(push(name, "session-of-" + name, f1=97))
    await running.push(push("eve", "session-of-eve", f1=97, conference="retro"))
    assert await erase(kind, CLIENT_ID, "standup") == 2
    left = everything(past.client)
    assert "session-of-ada" not in left
    assert "session-of-eve" in left
    counts: Any = [past.client.hgetall(key) for key in past.client.keys("*:conferences")]
    assert sorted(n for each in counts for n in each.values()) == [b"1"]
    await running.store.ping()
    await running.store.close()
    await running.logs.close()


async def test_who_lives_without_history_is_erased(kind: EmbeddedStore, past: Past) -> None:
    running = Process(kind.url)
    await running.push(push("ada", "session-of-ada", f1=97))
    for key in ("sessions", "session:*", "stay:*"):
        for each in past.client.keys(f"*:{key}"):
            past.client.delete(each)
    assert await erase(kind) == 0
    assert past.client.keys("*:participant:*") == []
    await running.store.close()
    await running.logs.close()


async def test_what_a_process_had_gathered_does_not_come_back(
    kind: EmbeddedStore, past: Past
) -> None:
    running = Process(kind.url)
    await running.push(push("ada", "session-of-ada", f1=12))
    assert await erase(kind) == 1
    await running.recorder.stop()
    assert running.logs.counts["written"] == 1
    assert "session-of-ada" not in everything(past.client)
    await running.store.close()


async def test_an_interval_that_began_before_is_not_written_at_all(
    kind: EmbeddedStore, past: Past
) -> None:
    """Its worst value may be from an erased push."""
    running = Process(kind.url)
    await running.push(push("ada", "session-of-ada", f1=12))
    await erase(kind)
    running.clock.now += 5
    await running.push(push("ada", "session-of-ada", f1=97))
    await running.wait(31)
    assert len(await listed(kind)) == 1
    assert past.client.keys("*:samples:*") == []
    await running.recorder.stop()
    await running.store.close()


async def test_who_still_pushes_begins_anew_with_nothing_of_before(
    kind: EmbeddedStore, past: Past
) -> None:
    running = Process(kind.url)
    await running.push(push("ada", "session-of-ada", f1=12))
    (before,) = await listed(kind)
    async with erasing(kind, interval_ms=-1900) as erasure:  # 100 ms with the recorder's tick
        assert await erasure.erase((), [CLIENT_ID]) == 1
    await running.wait(31)
    (key,) = past.client.keys("*:erased")
    found: Any = past.client.zrange(key, 0, -1, withscores=True)
    until = found[0][1]
    eventually(lambda: time.time() * 1000 > until + 50, every=0.01)
    running.clock.now += 0.2
    await running.push(push("ada", "session-of-ada", f1=97))
    await running.wait(31)
    (sid,) = await listed(kind)
    assert sid != before
    async with erasing(kind) as erasure:
        session, entries = await erasure._history.session(sid)
    assert session.attributes[65] == CLIENT_ID
    assert len(entries) == 1
    await running.recorder.stop()
    await running.store.close()


async def test_what_waits_to_be_sent_as_a_span_is_erased_too(
    kind: EmbeddedStore, past: Past
) -> None:
    """The conference goes on with the others, and ends."""
    running = Process(kind.url, SPANS)
    for name in ("ada", "bob", "eve"):
        for end in ("", "left") if name != "eve" else ("",):
            report = push(name, "session-of-" + name, f1=97, end=end)
            if name == "bob":
                report.client_id = report.attributes[65] = OTHER
            await running.push(report)
    await running.recorder.stop()
    (open_key,) = past.client.keys("*:open")
    for sid in await listed(kind) + await listed(kind, OTHER):
        past.client.zadd(open_key, {sid: 0}, xx=True)
    link = Link(kind.url)
    assert (await Sweep(link, DEFAULT_KEYS, SPANS).run())[0] == 2
    async with erasing(kind, keeping=SPANS) as erasure:
        assert await erasure.erase((), [CLIENT_ID]) == 2
    (outbox,) = past.client.keys("*:outbox")
    (span,) = past.client.lrange(outbox, 0, -1)
    assert b"bob" in span
    assert past.client.keys("*:attendees:*") == []
    assert len(past.client.keys("*:emptied")) == 1
    left = everything(past.client)
    assert "session-of-ada" not in left
    assert "session-of-eve" not in left
    await link.close()
    await running.store.close()


async def end_as_spans(kind: EmbeddedStore, client: redis.Redis, keeping: Keeping) -> None:
    """Make spans at once of all sessions that are over."""
    for key in client.keys("*:open"):
        found: Any = client.zrange(key, 0, -1)
        client.zadd(key, dict.fromkeys(found, 0), xx=True)
    link = Link(kind.url)
    await Sweep(link, DEFAULT_KEYS, keeping).run()
    await link.close()


def waiting(client: redis.Redis) -> list[bytes]:
    """Return the waiting spans."""
    lists: list[Any] = [client.lrange(key, 0, -1) for key in client.keys("*:outbox")]
    return [span for spans in lists for span in spans]


@pytest.mark.parametrize("conferences", [(), ("standup",)])
async def test_a_span_that_waits_is_erased_though_history_has_let_its_session_go(
    kind: EmbeddedStore, past: Past, conferences: tuple[str, ...]
) -> None:
    running = Process(kind.url, SPANS)
    for name, client_id, conference in (
        *(("ada", CLIENT_ID, "standup"), ("bob", OTHER, "standup")),
        ("eve", CLIENT_ID.upper(), "retro"),
    ):
        for end in ("", "left"):
            report = push(name, f"session-of-{name}", f1=97, end=end, conference=conference)
            report.client_id = report.attributes[65] = client_id
            await running.push(report)
    await running.recorder.stop()
    await end_as_spans(kind, past.client, SPANS)
    link = Link(kind.url)
    await Quota(link, DEFAULT_KEYS, SPANS, Bounds(0, 1)).make_space()
    await link.close()
    assert past.client.keys("*:session:*") == []
    assert len(waiting(past.client)) == 3
    async with erasing(kind, keeping=SPANS) as erasure:
        assert await erasure.erase(conferences, [CLIENT_ID]) == 2 - len(conferences)
        assert await erasure.erase(conferences, [CLIENT_ID]) == 0
    left = waiting(past.client)
    assert len(left) == 1 + len(conferences)
    assert not any(b"ada" in span for span in left)
    await running.store.close()


async def test_who_is_to_become_a_span_and_has_lost_his_log_is_erased(
    kind: EmbeddedStore, past: Past
) -> None:
    """Its owner is known until the span is made, although no push comes any more."""
    running = Process(kind.url, SPANS)
    for end in ("", "left"):
        await running.push(push("ada", "session-of-ada", f1=97, end=end))
    await running.recorder.stop()
    await running.store.close()
    # As stays.lua does to make room.
    abouts: Any = past.client.keys("*:about:*")
    for about in abouts:
        past.client.rename(about, about.replace(b"about", b"who"))
    assert past.client.keys("*:who:*")
    assert len(await listed(kind)) == 1
    async with erasing(kind, keeping=SPANS) as erasure:
        assert await erasure.erase((), [CLIENT_ID]) == 1
    assert "session-of-ada" not in everything(past.client)
    assert past.client.keys("*:open") == []


async def test_who_left_before_his_first_sample_was_written_is_known_and_erased(
    kind: EmbeddedStore, past: Past
) -> None:
    """Whether the process that knows of it writes it a moment later, or was killed."""
    running = Process(kind.url)
    for end in ("", "left"):
        await running.push(push("ada", "session-of-ada", f1=97, end=end))
    async with erasing(kind) as erasure:
        ((session,), _) = await erasure._history.sessions(Asked())
        assert (session.attributes[64], session.attributes[66]) == ("standup", "ada")
        assert session.samples == 0
        assert await erasure.erase((), [CLIENT_ID]) == 1
    assert "session-of-ada" not in everything(past.client)
    await running.recorder.stop()
    await running.store.close()


async def test_a_join_that_failed_is_known_and_erased_when_it_is_a_span(
    kind: EmbeddedStore, past: Past
) -> None:
    """It has no log, so only the span tells whose it was."""
    running = Process(kind.url, SPANS)
    report = push("ada", "session-of-ada", end="failed")
    report.session.join_ms = 900
    await running.push(report)
    await end_as_spans(kind, past.client, SPANS)
    past.client.delete(*past.client.keys("*:outbox"))  # It was sent.
    assert len(await listed(kind)) == 1
    async with erasing(kind, keeping=SPANS) as erasure:
        assert await erasure.erase((), [CLIENT_ID]) == 1
    assert "session-of-ada" not in everything(past.client)
    await running.store.close()


async def test_whose_it_is_stands_once_when_the_log_has_it(kind: EmbeddedStore, past: Past) -> None:
    running = Process(kind.url)
    await running.push(push("ada", f1=97))
    assert len(past.client.keys("*:who:*")) == 1
    await running.wait(31)
    assert past.client.keys("*:who:*") == []
    assert len(past.client.keys("*:about:*")) == 1
    await running.recorder.stop()
    await running.store.close()


async def test_without_history_what_became_a_span_is_erased(
    kind: EmbeddedStore, past: Past
) -> None:
    keeping = SPANS._replace(history=False)
    running = Process(kind.url, keeping)
    for end in ("", "left"):
        await running.push(push("ada", "session-of-ada", f1=97, end=end))
    await running.recorder.stop()
    await end_as_spans(kind, past.client, keeping)
    past.client.delete(*past.client.keys("*:outbox"))  # It was sent.
    assert "session-of-ada" in everything(past.client)
    async with erasing(kind, keeping=keeping) as erasure:
        assert await erasure.erase((), [OTHER]) == 0
        assert await erasure.erase((), [CLIENT_ID]) == 1
    assert "session-of-ada" not in everything(past.client)
    await running.store.close()


async def test_it_works_when_redis_is_full(kind: EmbeddedStore, past: Past) -> None:
    sids = [past.session(NOON + n, f"room-{n}") for n in range(40)]
    past.client.config_set("maxmemory", "1")
    try:
        assert await erase(kind) == len(sids)
    finally:
        past.client.config_set("maxmemory", "0")
    assert CLIENT_ID not in everything(past.client)


# Over HTTP


def delete(service: Service, query: str, **headers: str) -> Answer:
    return service.get(f"/sessions{query}", method="DELETE", headers=headers)


def test_pushes_are_erased_over_http(service_on: Service, redis_server: EmbeddedStore) -> None:
    """What pushes over HTTP left in Redis, in three conferences; one of them goes on."""
    who = {"client_id": OTHER, "participant_id": "bob", "roomname": "room-0"}
    assert service_on.push(push_body(default_labels=who)).body == "OK"
    for n in range(3):
        session = {"id": f"session-of-ada-{n}"}
        assert service_on.push(push_body("ada", f"room-{n}", session=session)).body == "OK"
        if n:
            session["end"] = {"reason": "left"}  # type: ignore[assignment]
            assert service_on.push(push_body("ada", f"room-{n}", session=session)).body == "OK"
    with redis.Redis.from_url(redis_server.url) as client:
        assert eventually(lambda: len(client.keys("*:samples:*")) == 2)
        assert delete(service_on, f"?client_id={CLIENT_ID}").json() == {"deleted": 3}
        left = everything(client)
        assert CLIENT_ID not in left
        assert "session-of-ada" not in left
        for n in range(3):
            assert member_of(f"room-{n}", CLIENT_ID, "ada") not in left
    found = service_on.get("/sessions").json()["sessions"]
    assert [each["participant_id"] for each in found] == ["bob"]
    assert delete(service_on, f"?client_id={CLIENT_ID}").json() == {"deleted": 0}


@pytest.mark.parametrize("pushed", [str.lower, str.upper])
def test_the_case_of_a_client_id_is_ignored(
    shared_service: Service, room: str, pushed: Callable[[str], str]
) -> None:
    client_id = "cccccccc" + CLIENT_ID[8:]
    who = {"client_id": pushed(client_id), "participant_id": "ada", "roomname": room}
    assert shared_service.push(push_body(default_labels=who)).body == "OK"
    for asked in (client_id, client_id.upper(), client_id.title()):
        query = f"/sessions?client_id={asked}&conference={room}"
        assert len(shared_service.get(query).json()["sessions"]) == 1
    query = f"?client_id={client_id.title()}&conference={room}"
    assert delete(shared_service, query).json() == {"deleted": 1}


def test_what_is_known_of_a_jmmc_page_is_erased(
    service_on: Service, redis_server: EmbeddedStore
) -> None:
    def told(**m: Any) -> dict[str, Any]:
        return {"uid": CLIENT_ID, "conf": "standup", "m": m}

    url = f"{service_on.url}/jmmc/push"
    answer = request(url, told(br="?", os="?", pid="ada"))
    assert answer.status == 200
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert request(url, told(cq=88), headers={"cookie": cookie}).status == 200
    with redis.Redis.from_url(redis_server.url) as client:
        assert eventually(lambda: client.keys("*:samples:*"))
        assert client.keys("*:jmmc*")
        (session,) = service_on.get("/sessions").json()["sessions"]
        told_of = service_on.get(f"/sessions/{session['id']}?fill=true").json()
        assert told_of["samples"][-1]["metrics"]["connectionquality"] == 88
        assert delete(service_on, f"?client_id={CLIENT_ID}").json() == {"deleted": 1}
        assert client.keys("*:jmmc*") == []
        left = everything(client)
    for trace in (CLIENT_ID, session["id"], session["session_id"]):
        assert trace not in left


def test_a_jmmc_page_is_erased_that_history_has_let_go(
    service_on: Service, redis_server: EmbeddedStore
) -> None:
    told = {"uid": CLIENT_ID, "conf": "standup", "m": {"br": "?", "os": "?", "pid": "ada"}}
    assert request(f"{service_on.url}/jmmc/push", told).status == 200
    with redis.Redis.from_url(redis_server.url) as client:
        for kind in ("sessions", "session:*", "stay:*", "about:*"):
            for key in client.keys(f"*:{kind}"):
                client.delete(key)
        assert client.keys("*:jmmc*")
        assert delete(service_on, f"?client_id={CLIENT_ID}&conference=retro").status == 200
        assert client.keys("*:jmmc*")
        assert delete(service_on, f"?client_id={CLIENT_ID}&conference=standup").status == 200
        assert client.keys("*:jmmc*") == []
        assert client.keys("*:participant:*") == []


def test_it_wants_a_client(shared_service: Service) -> None:
    for query, line in (
        ("", "client_id is missing: name the client whose sessions to erase"),
        ("?conference=standup", "client_id is missing: name the client whose sessions to erase"),
        ("?client_id=", "client_id must be a name that was pushed, or its hash"),
        ("?client_id=x&from=-1h", "unknown parameter: use any of client_id, conference"),
        (f"?client_id={OTHER}&client_id={CLIENT_ID}", "client_id is given twice: give it once"),
        ("?client_id=x&conference=&conference=y", "conference is given twice: give it once"),
    ):
        answer = delete(shared_service, query)
        assert (answer.status, answer.body) == (400, f"{line}\n")


def test_no_page_can_erase(shared_service: Service, room: str) -> None:
    """Not even a page that passes for ours because its name leads here."""
    client_id = "bbbbbbbb" + CLIENT_ID[8:]
    who = {"client_id": client_id, "participant_id": "ada", "roomname": room}
    assert shared_service.push(push_body(default_labels=who)).body == "OK"
    query = f"?client_id={client_id}"
    assert delete(shared_service, query, origin=shared_service.url).status == 403
    far = {"x-forwarded-for": "203.0.113.9"}
    assert delete(shared_service, query, **far).status == 403
    assert shared_service.get(f"/sessions?conference={room}").json()["sessions"]
    assert json.loads(delete(shared_service, query).body) == {"deleted": 1}


def test_who_hashes_asks_by_the_name_and_by_the_hash(short_path: Path) -> None:
    with Service(short_path, JCMC_PRIVACY="conference=hash,client_id=hash") as service:
        for is_hash in (False, True):
            assert service.push(push_body("ada", "standup")).body == "OK"
            (told,) = service.get("/sessions").json()["sessions"]
            assert len(told["conference"]) == len(told["client_id"]) == 16
            for conference in ("standup", told["conference"]):
                found = service.get(f"/sessions?conference={conference}").json()["sessions"]
                assert found == [told]
            assert service.get("/sessions?conference=retro").json()["sessions"] == []
            client_id = told["client_id"] if is_hash else CLIENT_ID
            assert delete(service, f"?client_id={client_id}").json() == {"deleted": 1}
        for pushed, asked in ((CLIENT_ID, CLIENT_ID.upper()), (CLIENT_ID.upper(), CLIENT_ID)):
            who = {"client_id": pushed, "participant_id": "ada", "roomname": "standup"}
            assert service.push(push_body(default_labels=who)).body == "OK"
            assert delete(service, f"?client_id={asked}").json() == {"deleted": 1}
