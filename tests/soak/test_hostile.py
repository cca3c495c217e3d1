"""
One against all, for some minutes: a greedy address, a school, trailers and pipelines without end.

`SOAK_SECONDS=600` sets for how long the greedy address goes on; the default is 60. The tests assert
that all others are stored and shown. They print how fast that was.
"""

import asyncio
import json
import os
import statistics
import time
from pathlib import Path

import psutil
import pytest
from crowd import Browser, shown
from harness import Service, push_body
from soak.test_soak import Say, say

__all__ = ["say"]

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
HONEST = 500
PUPILS = 2_000
# The limit in collector-config/prometheus.yaml.
SAMPLE_LIMIT = 600_000
PROXIED = {"JCMC_TRUSTED_PROXIES": "127.0.0.1"}
GREEDY = "198.51.100.66"


def push_of(name: str, address: str, conference: str, interval_ms: int = 0) -> bytes:
    """Return a push as a proxy forwards it; *interval_ms* makes the participant live longer."""
    body = push_body(name, conference=conference)
    if interval_ms:
        body["session"] = {"interval_ms": interval_ms, "id": f"s-{time.monotonic_ns():x}"}
    text = json.dumps(body)
    head = f"POST /metrics/push HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode()


async def greedy(url: str, until: float) -> dict[int, int]:
    """Push for new participants without end, from one address; return the number by status."""
    told: dict[int, int] = {}

    async def one(seat: int) -> None:
        browser = await Browser.opened(url)
        number = 0
        while time.monotonic() < until:
            number += 1
            name = f"greedy-{seat}-{number}"
            await browser.send(push_of(name, GREEDY, f"made-up-{number % 50}", 100_000))
            answer = await browser.told()
            if answer is None:
                browser = await Browser.opened(url)
                continue
            told[answer.status] = told.get(answer.status, 0) + 1
        browser.close()

    await asyncio.gather(*(one(seat) for seat in range(16)))
    return told


async def honest(url: str, until: float) -> tuple[list[float], set[int]]:
    """Push every 10 s for 500 participants of 500 addresses; return seconds and statuses."""
    seconds: list[float] = []
    statuses: set[int] = set()

    async def one(number: int) -> None:
        await asyncio.sleep(10 * number / HONEST)
        browser = await Browser.opened(url)
        while time.monotonic() < until:
            began = time.monotonic()
            address = f"203.0.{number // 250}.{number % 250 + 1}"
            await browser.send(push_of(f"honest-{number}", address, f"class-{number % 25}"))
            answer = await browser.told()
            assert answer is not None
            seconds.append(time.monotonic() - began)
            statuses.add(answer.status)
            await asyncio.sleep(10)
        browser.close()

    await asyncio.gather(*(one(number) for number in range(HONEST)))
    return seconds, statuses


def test_a_greedy_address_costs_nobody_else_anything(short_path: Path, say: Say) -> None:
    with Service(short_path, **PROXIED) as service:
        until = time.monotonic() + SECONDS

        async def both() -> tuple[dict[int, int], tuple[list[float], set[int]]]:
            return await asyncio.gather(greedy(service.url, until), honest(service.url, until))

        told, (seconds, statuses) = asyncio.run(both())
        names = shown(service)
        body = service.get("/metrics").body
        series = sum(line.startswith("jitsi_") for line in body.splitlines())
        p99 = statistics.quantiles(seconds, n=100)[98]
        say(f"greedy: {told}; {len(names):,} participants, {series:,} series")
        say(
            f"honest: {len(seconds):,} pushes, p99 {1000 * p99:.0f} ms, statuses {sorted(statuses)}"
        )
        assert statuses == {200}
        assert {name for name in names if name.startswith("honest-")} == {
            f"honest-{number}" for number in range(HONEST)
        }
        assert len([name for name in names if name.startswith("greedy-")]) <= 2_500
        assert series <= SAMPLE_LIMIT


def test_a_school_behind_one_address_works(short_path: Path, say: Say) -> None:
    """2,000 pupils come within a minute, 25 to a class, and push every 10 s."""
    with Service(short_path, **PROXIED) as service:

        async def school() -> dict[int, int]:
            told: dict[int, int] = {}

            async def pupil(number: int) -> None:
                await asyncio.sleep(60 * number / PUPILS)
                browser = await Browser.opened(service.url)
                for _ in range(3):
                    name, room = f"pupil-{number}", f"class-{number // 25}"
                    await browser.send(push_of(name, "203.0.113.7", room))
                    answer = await browser.told()
                    assert answer is not None
                    told[answer.status] = told.get(answer.status, 0) + 1
                    await asyncio.sleep(10)
                browser.close()

            await asyncio.gather(*(pupil(number) for number in range(PUPILS)))
            return told

        told = asyncio.run(school())
        say(f"school: {told}")
        assert set(told) == {200}


@pytest.mark.parametrize(
    ("what", "piece"),
    [
        ("trailers", b"a:b\r\n" * 1600),
        ("one trailer", b"b" * 8000),
        ("requests", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 300),
    ],
)
def test_megabytes_of(what: str, piece: bytes, short_path: Path, say: Say) -> None:
    """300 connections send useless bytes; pushes go on, and memory is freed again."""
    with Service(short_path, **PROXIED) as service:
        process = psutil.Process(service.pid)
        assert service.push(push_body("warm")).status == 200
        before = process.memory_info().rss
        peak = before

        async def flood(stop: asyncio.Event) -> int:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", int(service.url.rpartition(":")[2])
            )
            sent = 0
            try:
                if "trailer" in what:
                    head = b"POST /metrics/push HTTP/1.1\r\nHost: x\r\n"
                    writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
                while not stop.is_set() and sent < 2_000_000:
                    writer.write(piece)
                    sent += len(piece)
                    async with asyncio.timeout(5):
                        await writer.drain()
            except (ConnectionError, TimeoutError):
                pass
            writer.transport.abort()
            return sent

        async def all_of_it() -> list[float]:
            nonlocal peak
            stop = asyncio.Event()
            floods = [asyncio.create_task(flood(stop)) for _ in range(300)]
            seconds = []
            for number in range(20):
                began = time.monotonic()
                browser = await Browser.opened(service.url)
                await browser.send(push_of(f"p-{number}", f"203.0.113.{number + 1}", "standup"))
                answer = await browser.told()
                seconds.append(time.monotonic() - began)
                assert answer is not None
                assert answer.status == 200
                browser.close()
                peak = max(peak, process.memory_info().rss)
                await asyncio.sleep(0.25)
            stop.set()
            await asyncio.gather(*floods)
            return seconds

        seconds = asyncio.run(all_of_it())
        time.sleep(3)
        after = process.memory_info().rss
        say(
            f"{what}: a push took {1000 * max(seconds):.0f} ms at the most; RSS {before >> 20} MB,"
            f" {peak >> 20} at its peak, {after >> 20} after"
        )
        assert peak < before + 300e6
