"""
The life of a session in Redis: how it begins, goes on and ends, and what its conference does.

On Valkey and on Redis 7.0. No test waits: the tests change Redis so that a participant has expired.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from redis_parts import RedisServer
from storing import put

from otel_jcmc.store.embedded import find_server
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.link import Link
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write
from otel_jcmc.store.scripts import script
from otel_jcmc.store.writes import Stored
from otel_jcmc.traces.sweep import Sweep

GRACE_MS, SETTLE_MS, TTL_MS = 60_000, 5_000, 30_000
KEEPING = Keeping(True, True, GRACE_MS, 86_400_000, SETTLE_MS)
ADA, BOB = "a" * 12 + "1" * 20, "a" * 12 + "2" * 20
ROOM = "a" * 12
# msgpack of no attributes and no numbers, as at the end of a payload.
PAYLOAD = b"\xc4\x01\x80\x90"
BASE = "jcmc:{02}:"


@pytest.fixture(scope="module", params=["valkey", "redis 7.0"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Return a server of each kind."""
    binary = find_server() if request.param == "valkey" else None
    with RedisServer(tmp_path_factory.mktemp("r"), binary=binary) as running:
        yield running


class Life:
    """Pushes and sweeps on one Redis, and a view of its contents."""

    def __init__(self, server: RedisServer, keeping: Keeping = KEEPING) -> None:
        self.redis = server.client(decode_responses=False)
        self.redis.flushall()
        self.store = Store(server.url, keeping=keeping)
        self.sweep = Sweep(Link(server.url), DEFAULT_KEYS, keeping)
        self._seq = itertools.count()

    async def close(self) -> None:
        await self.store.close()
        await self.sweep._link.close()
        self.redis.close()

    async def push(self, member: str, session: str = "session-1") -> Stored:
        write = Write(member, session, next(self._seq) if session else -1, TTL_MS, PAYLOAD)
        return await put(self.store, write)

    async def leave(self, member: str, session: str = "session-1", why: str = "left") -> Stored:
        return await put(self.store, Write(member, session, next(self._seq), TTL_MS, b"", b"", why))

    async def fail(self, member: str, session: str = "session-1", **how: Any) -> Stored:
        """Report a failed join that was tried for five seconds."""
        told = {"ttl_ms": TTL_MS, "cause": "ice_failed", "join_ms": 5000, **how}
        write = Write(member, session, 0, payload=PAYLOAD, end="failed", **told)
        return await put(self.store, write)

    def all_keys(self) -> set[bytes]:
        """Return all keys except the number of partitions."""
        found: Any = self.redis.keys("*")
        return {*found} - {DEFAULT_KEYS.remembered.encode()}

    def sid(self, member: str, session: str = "session-1") -> str:
        """Return the sid of the present leg."""
        found = self.redis.get(f"{BASE}stay:{member}:{session}")
        assert isinstance(found, bytes)
        return found.decode()

    def leg(self, sid: str) -> dict[str, str]:
        found: Any = self.redis.hgetall(f"{BASE}session:{sid}")
        return {name.decode(): value.decode() for name, value in found.items()}

    def now(self) -> int:
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def score(self, key: str, member: str) -> int:
        """Return the score of *member* in the sorted set *key*."""
        found = self.redis.zscore(BASE + key, member)
        assert found is not None
        return int(found)

    def expired(self, member: str, ago_ms: int) -> None:
        """Make *member*'s participant expire this long ago."""
        self.redis.delete(f"{BASE}participant:{member}")
        self.redis.zadd(f"{BASE}live", {member: (self.now() - ago_ms) * 1000})

    def look_now(self, *sids: str) -> None:
        """Make the check due for these, or for all open ones."""
        for sid in sids or [each.decode() for each in self.open()]:
            self.redis.zadd(f"{BASE}open", {sid: 0})

    def open(self) -> list[bytes]:
        found: Any = self.redis.zrange(f"{BASE}open", 0, -1)
        return list(found)

    async def claimed(self) -> list[str]:
        """Return the sids that a sweep finds to be over."""
        sessions, _, _ = await self.sweep.find_over(2)
        return [sid for sid, _ in sessions]

    def room(self, instance: str) -> dict[str, str]:
        found: Any = self.redis.hgetall(f"{BASE}room:{ROOM}:{instance}")
        return {name.decode(): value.decode() for name, value in found.items()}

    def attendees(self, instance: str) -> set[str]:
        found: Any = self.redis.smembers(f"{BASE}attendees:{ROOM}:{instance}")
        return {sid.decode() for sid in found}

    def emptied(self) -> dict[str, int]:
        found: Any = self.redis.zrange(f"{BASE}emptied", 0, -1, withscores=True)
        return {name.decode(): int(score) for name, score in found}

    def waiting(self) -> list[bytes]:
        found: Any = self.redis.lrange(f"{BASE}outbox", 0, -1)
        return list(found)

    def make_room_over(self, instance: str, ago_ms: int = GRACE_MS + 1) -> None:
        """Make the last participant's leave this long ago."""
        # Another instance has another millisecond, as in reality.
        time.sleep(0.002)
        self.redis.hset(f"{BASE}room:{ROOM}:{instance}", "there", self.now() - ago_ms)
        if f"{ROOM}:{instance}" in self.emptied():
            self.redis.zadd(f"{BASE}emptied", {f"{ROOM}:{instance}": self.now() - ago_ms})


@pytest.fixture
async def life(server: RedisServer) -> AsyncIterator[Life]:
    made = Life(server)
    yield made
    await made.close()


pytestmark = pytest.mark.anyio


async def test_a_first_push_begins_a_session_in_a_new_instance(life: Life) -> None:
    before = life.now()
    assert await life.push(ADA) is Stored.STORED
    sid = life.sid(ADA)
    leg = life.leg(sid)
    assert sid.startswith(ADA)
    assert before <= int(leg["started"]) == int(sid[32:43], 16) <= life.now()
    assert (leg["session"], leg["leg"], leg["ttl"]) == ("session-1", "1", "30000")
    assert leg["instance"] == leg["started"]
    assert leg.keys() & {"ended", "previous", "former"} == set()
    assert life.attendees(leg["instance"]) == {sid}
    assert life.room(leg["instance"]) == {
        "sessions": "1",
        "here": "1",
        "most": "1",
        "there": leg["started"],
    }
    score = life.score("open", sid)
    assert score == int(leg["started"]) + TTL_MS + GRACE_MS


async def test_a_push_of_the_same_session_touches_nothing_of_it(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    calls = life.redis.info("commandstats")
    await life.push(ADA)
    after = life.redis.info("commandstats")
    made = {
        name.removeprefix("cmdstat_"): stat["calls"] - calls.get(name, {"calls": 0})["calls"]
        for name, stat in after.items()
        if stat["calls"] != calls.get(name, {"calls": 0})["calls"]
        # Of the index, when a millisecond has passed.
        and name != "cmdstat_pexpire"
    }
    # A push without sessions has the participant's key and the index.
    assert made == {
        "evalsha": 1,
        "time": 1,
        "zscore": 1,
        "get": 1,
        "set": 1,
        "zadd": 1,
        "zrangebyscore": 1,
        "pttl": 1,
        "info": 1,
    }
    assert life.sid(ADA) == sid


async def test_two_in_a_room_share_its_instance(life: Life) -> None:
    await life.push(ADA)
    await life.push(BOB)
    ada, bob = life.leg(life.sid(ADA)), life.leg(life.sid(BOB))
    assert ada["instance"] == bob["instance"] == ada["started"]
    assert life.room(ada["instance"])["sessions"] == "2"
    await life.leave(ADA)
    await life.leave(BOB)
    room = life.room(ada["instance"])
    assert (room["here"], room["most"]) == ("0", "2")
    assert int(room["there"]) == int(life.leg(life.sid(BOB))["ended"])


async def test_a_leave_ends_it_at_once_and_once(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA, why="kicked")
    leg = life.leg(life.sid(ADA))
    assert leg["reason"] == "kicked"
    score = life.score("open", life.sid(ADA))
    assert score == int(leg["ended"]) + SETTLE_MS
    await life.leave(ADA, why="closed")
    assert life.leg(life.sid(ADA)) == leg


async def test_a_leave_of_nobody_leaves_nothing(life: Life) -> None:
    await life.leave(ADA)
    keys = life.all_keys()
    assert {key.decode() for key in keys} == {f"{BASE}ended"}


async def test_another_session_replaces_the_one_before(life: Life) -> None:
    await life.push(ADA, "session-1")
    await life.push(ADA, "session-2")
    one, two = life.leg(life.sid(ADA, "session-1")), life.leg(life.sid(ADA, "session-2"))
    assert one["reason"] == "replaced"
    assert two["leg"] == "1"
    assert one["instance"] == two["instance"]
    assert len(life.open()) == 2


async def test_a_late_leave_of_a_replaced_session_changes_nothing(life: Life) -> None:
    await life.push(ADA, "session-1")
    await life.push(ADA, "session-2")
    await life.leave(ADA, "session-1")
    assert life.leg(life.sid(ADA, "session-1"))["reason"] == "replaced"
    assert "ended" not in life.leg(life.sid(ADA, "session-2"))


async def test_who_comes_back_within_the_grace_goes_on(life: Life) -> None:
    await life.push(ADA)
    sid, leg = life.sid(ADA), life.leg(life.sid(ADA))
    life.expired(ADA, GRACE_MS - 500)
    await life.push(ADA)
    assert life.sid(ADA) == sid
    assert life.leg(sid) == leg
    life.look_now()
    assert await life.claimed() == []


@pytest.mark.parametrize("session", ["session-1", ""])
async def test_who_comes_back_after_the_grace_begins_another_leg(life: Life, session: str) -> None:
    await life.push(ADA, session)
    first = life.sid(ADA, session)
    life.expired(ADA, GRACE_MS + 10)
    life.make_room_over(life.leg(first)["instance"])
    await life.push(ADA, session)
    one, two = life.leg(first), life.leg(life.sid(ADA, session))
    assert one["reason"] == "expired"
    # It would end with its last push, one time to live before the expiry; but it began later.
    assert one["ended"] == one["started"]
    assert (two["leg"], two["previous"]) == ("2", first)
    # It is alone in the conference, whose grace is over as well.
    assert two["former"] == one["instance"] != two["instance"]


async def test_another_leg_while_others_stay_is_in_the_same_instance(life: Life) -> None:
    await life.push(BOB)
    await life.push(ADA)
    instance = life.leg(life.sid(ADA))["instance"]
    life.make_room_over(instance)
    life.expired(ADA, GRACE_MS + 10)
    await life.push(ADA)
    assert life.leg(life.sid(ADA))["instance"] == instance


async def test_an_expired_leg_ended_with_its_last_push(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    # An hour of pushes; the last one was a minute and a time to live ago.
    started = life.now() - 3_600_000
    life.redis.hset(f"{BASE}session:{sid}", "started", started)
    life.expired(ADA, GRACE_MS + 10)
    life.look_now()
    assert await life.claimed() == [sid]
    ended = int(life.leg(sid)["ended"])
    assert abs(ended - (life.now() - GRACE_MS - 10 - TTL_MS)) < 1000
    room = life.room(life.leg(sid)["instance"])
    assert abs(int(room["there"]) - (life.now())) < 1000


async def test_what_the_recorder_has_seen_later_counts(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    seen = life.now() + 12_345
    life.redis.hset(f"{BASE}session:{sid}", "seen", seen)
    life.expired(ADA, GRACE_MS + 10)
    life.look_now()
    await life.claimed()
    assert int(life.leg(sid)["ended"]) == seen


async def test_who_is_there_is_looked_at_again_after_his_time(life: Life) -> None:
    await life.push(ADA)
    life.look_now()
    assert await life.claimed() == []
    expiry = life.score("live", ADA)
    assert life.score("open", life.sid(ADA)) == expiry // 1000 + GRACE_MS


async def test_looking_keeps_what_is_known_of_who_is_there(life: Life) -> None:
    """A session may last longer than any of its data is kept."""
    await life.push(ADA)
    sid, instance = life.sid(ADA), life.leg(life.sid(ADA))["instance"]
    keys = [
        *(f"{BASE}session:{sid}", f"{BASE}stay:{ADA}:session-1", f"{BASE}room:{ROOM}:{instance}"),
        f"{BASE}attendees:{ROOM}:{instance}",
    ]
    for key in keys:
        life.redis.pexpire(key, 10_000)
    life.look_now()
    await life.claimed()
    assert all(life.redis.pttl(key) > 80_000_000 for key in keys)


async def test_within_the_grace_nobody_is_claimed(life: Life) -> None:
    await life.push(ADA)
    life.expired(ADA, GRACE_MS - 500)
    life.look_now()
    assert await life.claimed() == []
    score = life.score("open", life.sid(ADA))
    assert 0 < score - life.now() <= 500


async def test_who_pushes_a_moment_before_the_claim_keeps_his_leg(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    life.expired(ADA, GRACE_MS - 200)
    life.look_now()
    await life.push(ADA)
    assert await life.claimed() == []
    assert "ended" not in life.leg(sid)


async def test_who_pushes_a_moment_after_the_claim_begins_another_leg(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    life.expired(ADA, GRACE_MS + 200)
    life.look_now()
    assert await life.claimed() == [sid]
    await life.push(ADA)
    assert life.sid(ADA) != sid
    assert life.leg(life.sid(ADA))["previous"] == sid
    # The claimed one stays claimed.
    life.look_now(sid)
    assert await life.claimed() == [sid]


async def test_who_was_replaced_does_not_go_on_by_the_expiry_of_the_other(life: Life) -> None:
    """One side has no ids of sessions: the page was reloaded with another client."""
    await life.push(ADA, "")
    first = life.sid(ADA, "")
    life.redis.delete(f"{BASE}participant:{ADA}")
    await life.push(ADA, "session-2")
    await asyncio.sleep(0.01)
    await life.push(ADA, "")
    assert life.leg(first)["reason"] == "expired"
    # Nor did it last that long.
    assert life.leg(first)["ended"] == life.leg(first)["started"]
    assert life.leg(life.sid(ADA, ""))["leg"] == "2"
    assert life.leg(life.sid(ADA, "session-2"))["reason"] == "replaced"


async def test_a_session_whose_member_is_another_now_is_over_by_what_was_known(life: Life) -> None:
    await life.push(ADA, "")
    first = life.sid(ADA, "")
    life.redis.delete(f"{BASE}participant:{ADA}")
    await life.push(ADA, "session-2")
    # The check comes when expiry and grace could be over, so the time to live is the limit.
    life.redis.zadd(f"{BASE}open", {first: life.now() - 1})
    assert await life.claimed() == [first]
    assert life.leg(first)["reason"] == "expired"
    assert "ended" not in life.leg(life.sid(ADA, "session-2"))


async def test_two_legs_of_one_batch_have_two_sids(life: Life) -> None:
    """All pushes of a batch have the same time."""
    sessions = ("", "session-2", "", "session-3", "", "session-4")
    await asyncio.gather(*(life.push(ADA, session) for session in sessions))
    sids = [sid.decode() for sid in life.open()]
    assert len(set(sids)) == 6
    legs = sorted(
        (int(life.leg(sid)["leg"]), int(life.leg(sid)["started"]))
        for sid in sids
        if life.leg(sid)["session"] == ""
    )
    assert [leg for leg, _ in legs] == [1, 2, 3]
    assert legs[0][1] < legs[1][1] < legs[2][1]


async def test_a_room_that_never_empties_is_split_after_a_day(life: Life) -> None:
    await life.push(ADA)
    first = life.leg(life.sid(ADA))["instance"]
    old = str(int(first) - 24 * 3_600_000)
    life.redis.rename(f"{BASE}room:{ROOM}:{first}", f"{BASE}room:{ROOM}:{old}")
    life.redis.rename(f"{BASE}attendees:{ROOM}:{first}", f"{BASE}attendees:{ROOM}:{old}")
    life.redis.hset(f"{BASE}rooms", ROOM, old)
    life.redis.hset(f"{BASE}session:{life.sid(ADA)}", "instance", old)
    await life.push(BOB)
    bob = life.leg(life.sid(BOB))
    assert bob["instance"] == bob["started"] != old
    assert life.attendees(old) == {life.sid(ADA)}
    await life.leave(ADA)
    life.look_now(life.sid(ADA))
    await life.sweep.run()
    assert life.emptied().keys() == {f"{ROOM}:{old}"}
    # The present instance of the conference is another one, and stays.
    life.make_room_over(old)
    await life.sweep.run()
    assert life.redis.hget(f"{BASE}rooms", ROOM) == bob["instance"].encode()


async def test_a_room_goes_on_for_the_grace_after_its_last_one(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA)
    instance = life.leg(life.sid(ADA))["instance"]
    life.make_room_over(instance, GRACE_MS - 500)
    await life.push(BOB)
    assert life.leg(life.sid(BOB))["instance"] == instance


async def test_a_room_is_over_after_the_grace(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA)
    instance = life.leg(life.sid(ADA))["instance"]
    life.make_room_over(instance)
    await life.push(BOB)
    assert life.leg(life.sid(BOB))["instance"] != instance


async def test_a_room_is_as_long_as_its_longest_even_if_many_join_it(life: Life) -> None:
    """A check asks only a few of many whether they are there."""
    await life.push(ADA)
    instance = life.leg(life.sid(ADA))["instance"]
    others = {"b" * 32 + f"{number:016x}": 0 for number in range(150)}
    life.redis.sadd(f"{BASE}attendees:{ROOM}:{instance}", *others)
    life.make_room_over(instance)
    await life.push(BOB)
    assert life.leg(life.sid(BOB))["instance"] == instance


async def test_what_is_over_is_moved_once(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA)
    life.look_now()
    sessions, _, _ = await life.sweep.find_over(2)
    ((sid, of_redis),) = sessions
    assert await life.sweep.move_session(2, sid, of_redis) == 1
    assert await life.sweep.move_session(2, sid, of_redis) == 0
    assert len(life.waiting()) == 1
    assert life.open() == []
    assert life.attendees(of_redis["instance"]) == set()
    assert life.emptied() == {f"{ROOM}:{of_redis['instance']}": int(of_redis["ended"])}


async def test_who_claims_and_dies_leaves_it_to_the_next(life: Life) -> None:
    await life.push(ADA)
    life.expired(ADA, GRACE_MS + 1)
    life.look_now()
    assert len(await life.claimed()) == 1
    # Not at once, because it is on its way.
    assert await life.claimed() == []
    assert life.score("open", life.sid(ADA)) <= life.now() + SETTLE_MS
    life.look_now()
    moved, _ = await life.sweep.run()
    assert moved == 1


@pytest.mark.parametrize("characters", [10, 250])
async def test_whose_it_was_is_known_before_there_is_a_log(life: Life, characters: int) -> None:
    """Even if a process is killed with all that it had gathered."""
    name = "r" * characters
    encode = msgspec.msgpack.encode
    payload = encode(encode({64: name, 71: "Chrome"})) + encode([])
    await put(life.store, Write(ADA, "session-1", 0, TTL_MS, payload))
    await life.leave(ADA)
    life.look_now()
    await life.sweep.run()
    assert name.encode() in life.waiting()[0]
    # History lists and erases it by that, and for no longer.
    (who,) = life.redis.keys("*who*")
    who_ms = life.redis.pttl(who)
    assert 0 < who_ms <= life.redis.pttl(f"jcmc:{{02}}:session:{life.sid(ADA)}") + 1000


async def test_whose_it_is_stands_in_one_place_once_there_is_a_log(life: Life) -> None:
    await life.push(ADA)
    assert len(life.redis.keys("*who*")) == 1
    log_of(life, life.sid(ADA))
    life.look_now()
    await life.claimed()
    assert life.redis.keys("*who*") == []


async def test_what_cannot_be_moved_does_not_stand_in_the_way(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA)
    life.look_now()
    assert len(await life.claimed()) == 1
    assert await life.claimed() == []


async def test_a_leave_that_comes_after_the_claim_changes_nothing(life: Life) -> None:
    """Its last push was on the way for longer than the grace."""
    await life.push(ADA)
    sid = life.sid(ADA)
    life.expired(ADA, GRACE_MS + 1)
    life.look_now()
    await life.claimed()
    before = life.leg(sid)
    await asyncio.sleep(0.01)
    await life.leave(ADA)
    assert life.leg(sid) == before
    assert before["reason"] == "expired"


async def test_a_conference_is_over_when_its_last_one_is_and_the_grace(life: Life) -> None:
    await life.push(ADA)
    await life.push(BOB)
    instance = life.leg(life.sid(ADA))["instance"]
    await life.leave(ADA)
    life.look_now(life.sid(ADA))
    assert (await life.sweep.run())[0] == 1
    assert life.emptied() == {}
    await life.leave(BOB)
    life.look_now(life.sid(BOB))
    assert (await life.sweep.run())[0] == 1
    assert life.emptied().keys() == {f"{ROOM}:{instance}"}
    assert (await life.sweep.run())[0] == 0
    life.make_room_over(instance)
    assert (await life.sweep.run())[0] == 1
    assert life.emptied() == {}
    assert life.room(instance) == {}
    assert life.redis.hget(f"{BASE}rooms", ROOM) is None
    assert len(life.waiting()) == 3


async def test_who_joins_an_empty_room_within_the_grace_keeps_it_open(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA)
    instance = life.leg(life.sid(ADA))["instance"]
    life.look_now()
    await life.sweep.run()
    life.make_room_over(instance, GRACE_MS + 1)
    # The check found it over, then a process that still saw it in its grace joined it again.
    _, ((room, of_redis),), _ = await life.sweep.find_over(2)
    life.redis.hset(f"{BASE}room:{room}", "there", life.now())
    await life.push(BOB)
    assert life.leg(life.sid(BOB))["instance"] == instance
    assert await life.sweep.move_room(2, room, of_redis) == 0
    assert life.room(instance)["sessions"] == "2"


async def test_a_session_that_is_erased_makes_no_span_and_its_room_ends(life: Life) -> None:
    await life.push(ADA)
    await life.leave(ADA)
    life.look_now()
    ((sid, of_redis),), _, _ = await life.sweep.find_over(2)
    life.redis.delete(f"{BASE}session:{sid}")
    assert await life.sweep.move_session(2, sid, of_redis) == 0
    assert life.waiting() == []
    assert life.emptied().keys() == {f"{ROOM}:{of_redis['instance']}"}


async def test_a_session_of_which_nothing_is_known_is_let_go_and_counted(life: Life) -> None:
    await life.push(ADA)
    instance = life.leg(life.sid(ADA))["instance"]
    life.redis.delete(f"{BASE}session:{life.sid(ADA)}")
    life.look_now()
    assert await life.claimed() == []
    assert life.sweep.lost == 1
    assert life.open() == []
    assert life.attendees(instance) == set()


def log_of(life: Life, sid: str) -> None:
    """Give a session a log, as record.lua does."""
    life.redis.rpush(f"{BASE}samples:{sid}", b"x" * 100)
    life.redis.set(f"{BASE}about:{sid}", msgspec.msgpack.encode({64: "standup"}))
    life.redis.hset(f"{BASE}session:{sid}", "bytes", 110)
    life.redis.incrby(f"{BASE}bytes", 110)


async def trim(life: Life, most_sessions: int) -> None:
    """Remove sessions beyond the limit, as quota.py does."""
    args = (*KEEPING.to_args(), most_sessions, -1, 1050, 550, 450, -1, 100, 0)
    life.redis.eval(script("sessions/quota").text.decode(), 1, f"{BASE}sessions", *args)


async def test_history_that_is_full_takes_no_session_that_is_still_to_be_a_span(
    life: Life,
) -> None:
    for member in (ADA, BOB):
        await life.push(member)
        log_of(life, life.sid(member))
    await life.leave(ADA)
    ada = life.sid(ADA)
    life.redis.zadd(f"{BASE}sessions", {"f" * 48: 0})
    await trim(life, 2)
    log_of(life, ada)
    life.redis.zadd(f"{BASE}sessions", {ada: 1, "f" * 48: 2})
    await trim(life, 2)
    # Another one was removed; its log is gone, but its owner is still known.
    assert life.redis.exists(f"{BASE}samples:{ada}", f"{BASE}about:{ada}") == 0
    assert len(life.open()) == 2
    life.look_now(ada)
    assert (await life.sweep.run())[0] == 1
    assert b"standup" in life.waiting()[0]
    # If there is no other one, it is removed: the limit holds.
    await trim(life, 0)
    assert life.leg(ada) == {}
    await trim(life, 0)
    assert life.open() == []


@pytest.mark.parametrize("hours", [0, 24])
async def test_a_log_is_taken_away_with_the_span_where_there_is_no_history(
    server: RedisServer, hours: int
) -> None:
    life = Life(server, KEEPING._replace(history=hours > 0))
    await life.push(ADA)
    log_of(life, life.sid(ADA))
    await life.leave(ADA)
    life.look_now()
    assert (await life.sweep.run())[0] == 1
    left = life.redis.exists(f"{BASE}samples:{life.sid(ADA)}", f"{BASE}about:{life.sid(ADA)}")
    assert left == (2 if hours else 0)
    # The next leg is still linked to this one.
    assert life.leg(life.sid(ADA))["leg"] == "1"
    await life.close()


async def test_many_are_taken_by_the_hundred(life: Life) -> None:
    members = [f"{'a' * 12}{number:020x}" for number in range(450)]
    for member in members:
        await life.push(member)
        await life.leave(member)
    life.look_now()
    sessions, _, is_cut = await life.sweep.find_over(2)
    assert (len(sessions), is_cut) == (200, True)
    while (await life.sweep.run())[1]:
        pass
    life.look_now()
    await life.sweep.run()
    assert len(life.waiting()) == 450


async def test_a_participant_of_a_version_to_come_is_waited_for(life: Life) -> None:
    await life.push(ADA)
    life.redis.set(f"{BASE}participant:{ADA}", b"\x97\x09whatever")
    life.look_now()
    assert await life.claimed() == []
    assert len(life.open()) == 1


async def test_without_spans_nothing_is_kept_for_them(server: RedisServer) -> None:
    life = Life(server, Keeping(True, False, GRACE_MS))
    await life.push(ADA)
    await life.leave(ADA)
    keys = life.all_keys()
    kinds = {key.decode().removeprefix(BASE).partition(":")[0] for key in keys}
    assert kinds == {"session", "sessions", "stay", "who", "ended"}
    await life.close()


async def test_a_join_that_failed_is_a_session_that_is_over(life: Life) -> None:
    before = life.now()
    assert await life.fail(ADA) is Stored.STORED
    sid = life.sid(ADA)
    leg = life.leg(sid)
    assert (leg["reason"], leg["cause"], leg["leg"]) == ("failed", "ice_failed", "1")
    assert int(leg["ended"]) - int(leg["started"]) == 5000
    assert before <= int(leg["ended"]) == int(leg["seen"]) <= life.now()
    assert life.redis.exists(f"{BASE}participant:{ADA}", f"{BASE}live") == 0
    # It is found by the time of the report, not by its begin.
    assert life.score("sessions", sid) >= int(leg["ended"])
    assert (life.room(leg["instance"])["here"], life.room(leg["instance"])["sessions"]) == (
        "0",
        "1",
    )


async def test_a_join_that_failed_becomes_a_span_with_its_cause(life: Life) -> None:
    await life.fail(ADA)
    life.look_now()
    assert (await life.sweep.run())[0] == 1
    (span,) = life.waiting()
    assert b"jitsi.session.end.cause" in span
    assert b"ice_failed" in span
    assert life.open() == []


async def test_a_failure_that_is_told_again_is_the_same(life: Life) -> None:
    await life.fail(ADA)
    leg = life.leg(life.sid(ADA))
    assert await life.fail(ADA, cause="max_users", join_ms=9000) is Stored.STORED
    life.redis.delete(f"{BASE}ended")
    await life.fail(ADA, cause="max_users", join_ms=9000)
    assert life.leg(life.sid(ADA)) == leg
    assert life.redis.zcard(f"{BASE}sessions") == 1


async def test_a_failure_of_who_is_there_is_the_end_of_its_session(life: Life) -> None:
    await life.push(ADA)
    started = life.leg(life.sid(ADA))["started"]
    await life.fail(ADA)
    leg = life.leg(life.sid(ADA))
    assert (leg["started"], leg["reason"], leg["cause"]) == (started, "failed", "ice_failed")
    assert life.redis.exists(f"{BASE}participant:{ADA}") == 0


async def test_a_join_that_failed_leaves_another_session_alone(life: Life) -> None:
    await life.push(ADA, "session-2")
    await life.fail(ADA)
    assert "ended" not in life.leg(life.sid(ADA, "session-2"))
    assert life.leg(life.sid(ADA))["reason"] == "failed"
    assert life.redis.exists(f"{BASE}participant:{ADA}") == 1


async def test_who_may_not_come_has_no_failed_join(life: Life) -> None:
    assert await life.fail(ADA, ttl_ms=-TTL_MS) is Stored.NEWCOMER
    assert life.all_keys() == set()


async def test_a_failed_join_that_is_not_to_be_kept_is_not(life: Life) -> None:
    assert await life.fail(ADA, is_kept=False) is Stored.STORED
    assert life.redis.keys("*session*") == []


async def test_everything_expires_by_itself(life: Life) -> None:
    await life.push(ADA)
    await life.push(BOB)
    await life.fail(BOB, "session-9")
    await life.leave(ADA)
    life.look_now(life.sid(ADA))
    await life.sweep.run()
    await life.leave(BOB)
    life.look_now(life.sid(BOB))
    await life.sweep.run()
    keys = life.all_keys()
    assert {key.decode() for key in keys if life.redis.pttl(key) < 0} == set()


# What participants say of a call


def said(session: str = "session-1", word: str = "2 choppy", end: str = "left") -> Write:
    """Return the push that ends a session, with what the participant says of it."""
    return Write(ADA, session, 99, TTL_MS, b"", b"", end, word=word)


def counted(life: Life) -> int:
    """Return the counted bytes of the partition's sessions."""
    found: Any = life.redis.get(f"{BASE}bytes")
    return int(found or 0)


async def test_what_is_said_during_a_call_is_of_its_session(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    assert "word" not in life.leg(sid)
    for word, kept in (("4 ", "4 "), ("", "4 "), ("5 better", "5 better")):
        write = Write(ADA, "session-1", next(life._seq), TTL_MS, PAYLOAD, word=word)
        assert await put(life.store, write) is Stored.STORED
        assert life.leg(sid)["word"] == kept


async def test_a_first_push_may_say_it_as_well(life: Life) -> None:
    await put(life.store, Write(ADA, "session-1", 0, TTL_MS, PAYLOAD, word="3 "))
    assert life.leg(life.sid(ADA))["word"] == "3 "


async def test_what_is_said_after_a_call_changes_nothing_else(life: Life) -> None:
    await life.push(ADA)
    await life.push(BOB)
    await life.leave(ADA, why="kicked")
    sid = life.sid(ADA)
    before, room = life.leg(sid), life.room(life.leg(sid)["instance"])
    assert await put(life.store, said()) is Stored.STORED
    assert life.leg(sid) == {**before, "word": "2 choppy", "bytes": "8"}
    assert life.room(before["instance"]) == room
    assert life.redis.exists(f"{BASE}participant:{ADA}") == 0
    assert life.redis.zscore(f"{BASE}live", ADA) is None
    assert life.redis.hget(f"{BASE}conferences", ROOM) == b"1"


async def test_what_is_said_long_after_a_call_is_of_it_still(life: Life) -> None:
    """Also if the end of its session is no longer remembered."""
    await life.push(ADA)
    await life.leave(ADA)
    sid = life.sid(ADA)
    before = life.leg(sid)
    life.redis.delete(f"{BASE}ended")
    assert await put(life.store, said()) is Stored.STORED
    assert life.leg(sid) == {**before, "word": "2 choppy", "bytes": "8"}
    assert life.redis.zscore(f"{BASE}live", ADA) is None


async def test_what_is_said_of_a_call_leaves_the_next_one_alone(life: Life) -> None:
    await life.push(ADA, "session-1")
    await life.leave(ADA, "session-1")
    await life.push(ADA, "session-2")
    assert await put(life.store, said("session-1")) is Stored.STORED
    assert life.leg(life.sid(ADA, "session-1"))["word"] == "2 choppy"
    assert life.leg(life.sid(ADA, "session-2")).keys() & {"word", "ended"} == set()
    assert life.redis.zscore(f"{BASE}live", ADA) is not None


async def test_what_is_said_of_nobody_is_kept_nowhere(life: Life) -> None:
    assert await put(life.store, said()) is Stored.STORED
    assert {each for each in life.all_keys() if b"ended" not in each} == set()


async def test_a_push_that_changes_nothing_says_nothing(life: Life) -> None:
    await life.push(ADA)
    sid = life.sid(ADA)
    await put(life.store, Write(ADA, "session-1", 9, TTL_MS, PAYLOAD))
    late = Write(ADA, "session-1", 1, TTL_MS, PAYLOAD, word="1 ")
    assert await put(life.store, late) is Stored.SUPERSEDED
    await life.leave(ADA)
    assert await put(life.store, late) is Stored.SESSION_ENDED
    assert "word" not in life.leg(sid)


async def test_what_another_says_of_a_participant_is_not_kept(life: Life) -> None:
    await put(life.store, Write(ADA, "session-1", 0, TTL_MS, PAYLOAD, b"ada's"))
    other = Write(ADA, "session-1", 1, TTL_MS, b"", b"bob's", "left", word="1 ")
    assert await put(life.store, other) is Stored.TAKEN
    assert "word" not in life.leg(life.sid(ADA))


@pytest.mark.parametrize("hours", [0, 24])
async def test_what_is_said_counts_as_long_as_it_is_kept(server: RedisServer, hours: int) -> None:
    """Without history it goes together with the span."""
    life = Life(server, KEEPING._replace(history=hours > 0))
    await life.push(ADA)
    for word, size in (("4 nice", 6), ("1 ", 2), ("2 choppy", 8), ("2 choppy", 8)):
        await put(life.store, said(word=word))
        assert counted(life) == size
    assert life.redis.pttl(f"{BASE}bytes") > 0
    life.look_now()
    assert (await life.sweep.run())[0] == 1
    assert counted(life) == (8 if hours else 0)
    assert ("word" in life.leg(life.sid(ADA))) is (hours > 0)
    await life.close()


async def test_where_nothing_is_kept_nothing_said_is(server: RedisServer) -> None:
    life = Life(server, Keeping(False, False, GRACE_MS, 86_400_000, SETTLE_MS))
    await put(life.store, Write(ADA, "session-1", 0, TTL_MS, PAYLOAD, word="4 "))
    await put(life.store, said())
    assert [
        each for each in life.redis.scan_iter() if b"session:" in each or b"bytes" in each
    ] == []
    await life.close()
