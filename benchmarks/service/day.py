"""
A day's history in simulated time: people who come, push every 10 s for about an hour, and leave.

The seats are always taken: when a participant leaves, another one comes. Pushes are those of the
original's page with values that drift (load/bodies.py), made beforehand. A Recorder with a clock of
our own writes them into a real server. Only the recorder's work counts as its CPU.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time
from typing import Final

import redis
import uvloop

from benchmarks.load.pushes import Pushes
from otel_jcmc.catalogue.attributes import BROWSER_NAME, BROWSER_VERSION, CONFERENCE, PARTICIPANT
from otel_jcmc.sessions.log import SessionLogs
from otel_jcmc.sessions.quota import Bounds, Quota
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.sessions.vitals import Thresholds
from otel_jcmc.simulate.client import Target
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write, to_write
from otel_jcmc.store.writes import Stored
from otel_jcmc.wire.push import PushParser, Report
from otel_jcmc.wire.session import Session

PUSH_SECONDS: Final = 10
INTERVAL_SECONDS: Final = 30
EXPIRATION_MS: Final = 30_000
# Different pushes; each seat goes through them at its own place.
POOL: Final = 3904
KEEPING: Final = Keeping(sessions=True)
BOUNDS: Final = Thresholds(30, 5, 400)


@dataclass
class Day:
    """What came of it: CPU in seconds, and what is in Redis at the end."""

    pushes: int
    samples: int
    sessions: int
    cpu: float
    redis_cpu: float
    used_bytes: int


class _Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Seat:
    """Who sits there now, and until which step."""

    def __init__(self, number: int, conference: str, until: int, place: int) -> None:
        self.session = f"9f1c2d3e-5a6b-4c7d-8e9f-0a1b{number:08x}"
        report = _report(number, conference, self.session)
        self.member = to_write(report, EXPIRATION_MS).member
        self.report, self.until, self.place = report, until, place


async def _put(store: Store, write: Write) -> None:
    """Store *write*, and wait until Redis has it."""
    told: asyncio.Future[Stored | Exception] = asyncio.get_running_loop().create_future()
    store.submit(write, told.set_result)
    if isinstance(answer := await told, Exception):
        raise answer


def simulate(seats: int, hours: float, stay_seconds: float, say: Callable[[str], None]) -> Day:
    """Let so many *seats* be taken for so many *hours*, each by one after the other."""
    with tempfile.TemporaryDirectory(prefix="jcmc") as folder:
        server = EmbeddedStore(Path(folder) / "store")
        server.start()
        try:
            return uvloop.run(_simulate(server.url, seats, hours, stay_seconds, say))
        finally:
            server.stop()


async def _simulate(
    url: str, seats: int, hours: float, stay_seconds: float, say: Callable[[str], None]
) -> Day:
    """Simulate, see above."""
    chance = random.Random(738)
    clock = _Clock()
    offset = time.time() - hours * 3600 - clock.now
    store = Store(url, keeping=KEEPING)
    logs = SessionLogs(url, DEFAULT_KEYS, KEEPING, 6000, clock, offset)
    recorder = Recorder(
        logs,
        Quota(logs.link, DEFAULT_KEYS, KEEPING, Bounds(0, 2**40)),
        INTERVAL_SECONDS,
        BOUNDS,
        clock,
    )
    pool = _pool()
    people = 0
    cpu, pushes = 0.0, 0
    steps = int(hours * 3600 / PUSH_SECONDS)
    with redis.Redis.from_url(url) as client:

        async def sit_down(seat: int, now: int, left_steps: float) -> _Seat:
            nonlocal people
            people += 1
            until = now + max(1, round(left_steps))
            sitting = _Seat(people, f"room-{seat // 10:04d}", until, chance.randrange(POOL))
            await _put(store, to_write(sitting.report, EXPIRATION_MS))
            return sitting

        mean = stay_seconds / PUSH_SECONDS
        before_bytes, before_cpu = _used(client), _redis_cpu(client)
        # As in the middle of a day: most are in the middle of their stay.
        taken = [await sit_down(seat, 0, mean * chance.uniform(0.02, 1.2)) for seat in range(seats)]
        for step in range(steps):
            if step % 100 == 0:
                say(f"hour {step * PUSH_SECONDS / 3600:.1f} of {hours:g}")
            clock.now += PUSH_SECONDS
            heard: list[tuple[Write, Report]] = []
            for seat, sitting in enumerate(taken):
                sitting.place += 1
                report, payload = pool[sitting.place % POOL]
                write = Write(sitting.member, sitting.session, -1, EXPIRATION_MS, payload)
                heard.append((write, report))
                if step >= sitting.until:
                    end = Write(
                        sitting.member, sitting.session, -1, EXPIRATION_MS, b"", b"", "left"
                    )
                    await _put(store, end)
                    heard.append((end, report))
                    taken[seat] = await sit_down(seat, step, mean * chance.uniform(0.8, 1.2))
            began = process_time()
            for write, report in heard:
                recorder.take(write, report)
            await recorder.write_due()
            await recorder.send()
            cpu += process_time() - began
            pushes += len(heard)
        await recorder.stop()
        taken_cpu = _redis_cpu(client) - before_cpu
        # What the gauges are made of goes by itself.
        for key in client.scan_iter("*", 1000):
            if key.split(b":")[2] in (b"participant", b"live", b"ended", b"conferences"):
                client.unlink(key)
        used = _used(client) - before_bytes
    await store.close()
    return Day(pushes, logs.counts["written"], people, cpu, taken_cpu, used)


def _pool() -> list[tuple[Report, bytes]]:
    """Return pushes, each as it was parsed and as it is stored."""
    # Whose they are, and what describes them, is the same for all: it is not written again.
    described = _report(0, "room-0000", "").attributes
    made = []
    for report in _parsed(POOL):
        report.attributes = described
        made.append((report, to_write(report, EXPIRATION_MS).payload))
    return made


def _report(number: int, conference: str, session: str) -> Report:
    """Return a push of the participant with that *number*."""
    (template,) = _parsed(1)
    who = f"{number:08x}"
    attributes = template.attributes | {CONFERENCE.id: conference, PARTICIPANT.id: who}
    attributes |= {BROWSER_NAME.id: "Chrome", BROWSER_VERSION.id: "126.0"}
    return Report(
        *(conference, template.client_id, who, Session(session), attributes, template.numbers)
    )


@cache
def _parsed(count: int) -> list[Report]:
    """Return so many pushes of the original's page."""
    parse = PushParser().parse
    pushes = Pushes(Target("http://127.0.0.1:3000"), 0, 61)
    return [parse(pushes.next().partition(b"\r\n\r\n")[2]) for _ in range(count)]


def _used(client: redis.Redis) -> int:
    """Return the memory that the server uses."""
    info: dict[str, int] = client.info("memory")
    return info["used_memory"]


def _redis_cpu(client: redis.Redis) -> float:
    """Return the CPU seconds that the server has used."""
    info: dict[str, float] = client.info("cpu")
    return info["used_cpu_user"] + info["used_cpu_sys"]
