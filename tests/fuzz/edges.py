"""
What must be true of other inputs than the push: headers, and the contents of Redis.

Each function takes the bytes of one input, asserts, and returns how long the tried code took.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from math import isnan
from random import Random
from time import thread_time
from typing import Any

from fuzz import corpus
from fuzz.push import answer
from harness import CHROME
from people import observed_by, snapshot_of, value_of

from otel_jcmc.catalogue.attributes import BROWSER_NAME, BROWSER_VERSION, OS_NAME, OS_VERSION
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.intake.browsers import MAX_USER_AGENT_LENGTH, browser_and_system
from otel_jcmc.intake.callers import PRIVATE, Callers, is_private
from otel_jcmc.metrics.accept import takes_gzip, wants_openmetrics
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.prometheus import render
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.snapshot import bound
from otel_jcmc.store.participant import from_value

# Who asks

# Of CPU for a request's headers of MAX_HEADER_BYTES.
MAX_HEADER_SECONDS = 0.1
MAX_HEADER_BYTES = 16 * 1024
PEERS = ("127.0.0.1", "203.0.113.9", "fd00::1")
CALLERS = Callers(PRIVATE)
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")


def check_forwarded(lines: bytes) -> float:
    """Assert that nobody is private by forwarded headers in which no private address stands."""
    headers = []
    for line in lines.split(b"\n"):
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    is_told = any(name in (b"x-forwarded-for", b"x-real-ip", b"forwarded") for name, _ in headers)
    started = thread_time()
    private = [
        (peer, trusted)
        for peer in PEERS
        for trusted in ((), PRIVATE)
        if is_private({"client": (peer, 1), "headers": headers}, trusted)
    ]
    keys = [CALLERS.key(peer, headers) for peer in PEERS]
    seconds = (thread_time() - started) / (3 * len(PEERS))
    assert keys[1] == PEERS[1], "a caller that is no proxy chose whom it counts against"
    for key in (keys[0], keys[2]):
        assert key in ("", "?") or is_told, "nobody said whom it counts against"
    for peer, trusted in private:
        assert _is_private(peer), "the peer is nobody's proxy"
        assert trusted or not is_told, "an untrusted peer's word counted"
    if private and is_told:
        assert _has_private(lines.decode("latin-1")), "private, and nobody said so"
    return seconds


@lru_cache(maxsize=4096)
def _is_private(text: str) -> bool:
    """Say whether *text*, or its beginning, is a private address."""
    for end in range(len(text), 1, -1):
        try:
            address = ip_address(text[:end])
        except ValueError:
            continue
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in PRIVATE):
            return True
    return False


def _has_private(text: str) -> bool:
    """Say whether a private address stands anywhere in *text*."""
    return any(
        _is_private(found[0][start:])
        for found in _ADDRESS.finditer(text)
        for start in range(len(found[0]))
    )


FORWARDED: Sequence[bytes] = (
    *(b"x-forwarded-for: 203.0.113.9, 10.0.0.1", b"x-forwarded-for: 10.0.0.1\nforwarded: for=::1"),
    *(b"x-real-ip: 127.0.0.1", b"x-forwarded-for: [::1]:80, 192.168.1.1:443", b"x-real-ip: ::1%lo"),
    *(b'forwarded: for="[2001:db8::1]:80";proto=https, for=10.0.0.1;by=x', b"forwarded: for=_x"),
    *(b'forwarded: host="a,b;for=10.0.0.1";for=203.0.113.9', b"forwarded: For=unknown,for=::1"),
    *(b"x-forwarded-for: ::ffff:10.0.0.1", b'forwarded: for="\\"10.0.0.1"', b"forwarded:"),
)


# Which browser


def check_user_agent(text: bytes) -> float:
    """Assert that only what a User-Agent says is told of it."""
    agent = text.decode("latin-1")
    started = thread_time()
    told = browser_and_system(agent)
    seconds = thread_time() - started
    assert told.keys() <= {BROWSER_NAME.id, BROWSER_VERSION.id, OS_NAME.id, OS_VERSION.id}
    for value in told.values():
        assert 0 < len(value) <= MAX_USER_AGENT_LENGTH
        assert "\0" not in value or "\0" in agent
    return seconds


USER_AGENTS: Sequence[bytes] = (
    CHROME.encode(),
    b"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile/15E148 Safari/604",
    b"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36",
    b"Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
    b"Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119 Version/11.10",
    b"JitsiMeet/2025.10.0 Electron/37.6.0 SamsungBrowser/20 UCBrowser/13.4 YaBrowser/23.1.2.3",
)


# What a scrape asks for


def check_accept(text: bytes) -> float:
    """Assert that no Accept and no Accept-Encoding raises."""
    asked = text.decode("latin-1")
    started = thread_time()
    assert wants_openmetrics(asked) in (True, False)
    assert takes_gzip(asked) in (True, False)
    return thread_time() - started


ACCEPTS: Sequence[bytes] = (
    b"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.5,*/*",
    b"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    b"gzip, deflate;q=0.5, br;q=0, *;q=0",
    b"text/plain;version=1.0.0;escaping=values",
    b"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
)


# What Redis holds


_gauges = {naming: GaugeProvider() for naming in Naming}
for _naming, _provider in _gauges.items():
    declare(_provider.get_meter("fuzz"), _naming)


def check_stored(value: bytes) -> float:
    """Assert that a damaged value is known as such, or spoils no scrape."""
    started = thread_time()
    try:
        participant = from_value(value)
        again = participant and from_value(value, participant.stay)
    except ValueError:
        return thread_time() - started
    if participant is None:
        return thread_time() - started
    assert again is not None
    # Nothing is the same as no number, which makes it anew each time.
    assert again.stay is participant.stay or isnan(participant.stay.started_ms)
    for naming, provider in _gauges.items():
        participant.stay.labels = None
        with bound(snapshot_of(participant)):
            collected = provider.collect()
        assert not any(provider.errors.values()), (naming, provider.errors)
        text = b"".join(render(collected)).decode()
        series = [line for line in text.split("\n") if line and not line.startswith("# ")]
        assert len(series) <= sum(len(observed_by(gauge)) for gauge in collected)
    return thread_time() - started


def stored() -> list[bytes]:
    """Return what Redis holds of the pushes that fuzzing begins with."""
    writes: list[Any] = [answer(body, collects=True).write for body in corpus.pushes()[::5]]
    return [value_of(write, 1.7e12) for write in writes if write and write.payload]


# Bytes


def mutate(data: bytes, chance: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return *data* with a few pieces changed, doubled, removed, or of *others*."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        start = chance.randrange(len(made) + 1)
        end = min(len(made), start + chance.choice((0, 1, 2, 8, 40)))
        kind = chance.randrange(6)
        if kind == 0:
            made[start:end] = chance.randbytes(chance.choice((1, 2, 8)))
        elif kind == 1:
            made[start:end] = made[start:end] * chance.choice((2, 3, 200, 30_000))
        elif kind == 2:
            del made[start:end]
        elif kind == 3 and others:
            other = chance.choice(others)
            begin = chance.randrange(len(other) + 1)
            made[start:end] = other[begin : begin + chance.choice((4, 20, 400))]
        elif kind == 4:
            made[start:end] = chance.choice(PIECES)
        elif made:
            made[min(start, len(made) - 1)] ^= 1 << chance.randrange(8)
    return bytes(made[: 64 * 1024])


PIECES: Sequence[bytes] = (
    *(b",", b";", b'"', b"\\", b"=", b":", b"[", b"]", b"%", b" ", b"\n", b"\0", b"\xff", b"/"),
    *(b"for=", b"10.0.0.1", b"::1", b"127.0.0.1", b"unknown", b"x-forwarded-for: ", b"forwarded: "),
    *(b";q=", b"version=", b"*", b"gzip", b"1.", b"0" * 40, b"9." * 200, b"(" * 300, b" " * 2000),
    *(
        b"Version/",
        b"Chrome/",
        b"Mobile",
        b"Windows NT ",
        b"; ",
        b"\xc0",
        b"\xcb",
        b"\x90",
        b"\x80",
    ),
)
