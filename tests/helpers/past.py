"""
Past sessions, written into Redis for tests in the format of stays.lua and record.lua.

They are written by the documented keys, not by the package's code, and with any times. `Past` has
one Redis.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b, sha1
from pathlib import Path
from typing import Any

import msgspec
import redis
from entries import write
from harness import CLIENT_ID
from people import apart, stored_value

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.card import write_card
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.lines import text_of
from otel_jcmc.sessions.totals import Totals
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.verdict.journal import Entry

# 2036-03-01T12:00:00Z: a service would delete at once what is older than its history.
NOON = 2_087_985_600_000


def numbers(**fields: Any) -> list[Any]:
    """Return a push's numbers; *fields* are `f1=97` for the row with id 1."""
    told = {int(name[1:]): value for name, value in fields.items()}
    return [told.get(id_) for id_ in range(1, LAST_METRIC_ID + 1)]


def member_of(conference: str, client_id: str, participant: str) -> str:
    """Return the member of a participant: its key in Redis."""
    who = f"{conference}\0{client_id}\0{participant}"
    digest = blake2b(conference.encode(), digest_size=6).hexdigest()
    return digest + blake2b(who.encode(), digest_size=10).hexdigest()


@asynccontextmanager
async def reading(kind: EmbeddedStore, expiration_ms: int = 30_000) -> AsyncIterator[History]:
    """Return a reader of *kind*, where a push keeps its participant live for *expiration_ms*."""
    reader = History(kind.url, DEFAULT_KEYS, 30_000, expiration_ms)
    try:
        yield reader
    finally:
        await reader.close()


async def listed(kind: EmbeddedStore, **asked: Any) -> list[str]:
    """Return the sids of one page."""
    async with reading(kind) as reader:
        found, _ = await reader.sessions(Asked(**asked))
        return [each.sid for each in found]


class Past:
    """Past sessions in the Redis of *client*."""

    def __init__(self, client: redis.Redis, prefix: str = "jcmc") -> None:
        self.client = client
        self._prefix = prefix

    def base(self, sid: str) -> str:
        """Return the prefix of the keys in the partition of *sid*."""
        return f"{self._prefix}:{{{int(sid[0], 16) % 4:02d}}}:"

    def session(
        self,
        started_ms: int,
        conference: str = "standup",
        client_id: str = CLIENT_ID,
        participant: str = "ada",
        session: str = "",
        last_ms: int = 0,
        ended_ms: int = 0,
        reason: str = "",
        attributes: dict[int, Any] | None = None,
        log: tuple[Sample, ...] = (),
        totals: Totals | None = None,
    ) -> str:
        """Write one session, with a card if there are *totals*, and return its sid."""
        member = member_of(conference, client_id, participant)
        sid = f"{member}{started_ms:011x}{sha1(session.encode()).hexdigest()[:5]}"
        base, pipe = self.base(sid), self.client.pipeline(transaction=False)
        fields: dict[Any, Any] = {"session": session, "started": started_ms, "ttl": 30_000}
        last_ms = last_ms or started_ms
        fields |= {"leg": 1, "seen": last_ms}
        if ended_ms:
            fields |= {"ended": ended_ms, "reason": reason}
        who, _ = apart({64: conference, 65: client_id, 66: participant} | (attributes or {}))
        pipe.hset(f"{base}session:{sid}", mapping=fields)
        pipe.set(f"{base}about:{sid}", msgspec.msgpack.encode(who))
        pipe.set(f"{base}stay:{member}:{session}", sid)
        pipe.zadd(f"{base}sessions", {sid: last_ms})
        if totals is not None:
            card = write_card(last_ms, totals, text_of(who).encode())
            pipe.hset(f"{base}cards", sid, card + (f"e={reason}\n".encode() if reason else b""))
        for each in log:
            pipe.rpush(f"{base}samples:{sid}", write(each))
        pipe.execute()
        return sid

    def live(self, sid: str, until_ms: int) -> None:
        """Make the participant of *sid* live, as a push does."""
        about = self.client.get(f"{self.base(sid)}about:{sid}")
        assert isinstance(about, bytes)
        who = msgspec.msgpack.decode(about, type=dict[int, Any])
        self.client.set(f"{self.base(sid)}participant:{sid[:32]}", stored_value(who))
        self.client.zadd(f"{self.base(sid)}live", {sid[:32]: until_ms * 1000})


@contextmanager
def running_past(folder: Path, stood_out: Entry) -> Iterator[Past]:
    """Run a Redis in *folder*, with a journal of what *stood_out*."""
    server = EmbeddedStore(folder / "r")
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            client.zadd(
                "jcmc:{verdict}:over", {msgspec.msgpack.encode(stood_out): stood_out.seen_ms}
            )
            yield Past(client)
    finally:
        server.stop()
