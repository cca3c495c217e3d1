"""
All that a service leaves in Redis, for tests: read into JSON, written back, and without its times.

`Stored` is the content of a Redis: key -> {"type", "ttl_ms" (-1: none), "value"}. Bytes are text,
one character for each byte (latin-1). A hash and a sorted set are objects, a list is a list, a set
is a sorted list. `without_times` makes two contents comparable that were written at different
times.
"""

import re
import struct
from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final

import msgspec
import redis
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Stored = dict[str, dict[str, Any]]
# Unix time in ms, µs, and both with a fraction.
_TIME: Final = re.compile(r"(?<!\d)\d{13}(?:\d{3})?(?:\.\d+)?(?!\d)")
_SID: Final = re.compile(r"([0-9a-f]{32})([0-9a-f]{11})([0-9a-f]{5})(?![0-9a-f])")
# The number of a process, and the partition of a JMMC client's session, are random.
_PROCESS: Final = re.compile(r"(?<=:recorded:)[0-9a-f]{8}$")
_PARTITION: Final = re.compile(r"\{0[0-3]\}(?=:jmmc(:|$))")
# Tenths of a second since 2024, with which an entry of a log begins.
_EPOCH_MS: Final = 1_704_067_200_000
# The fields of an entry.
_AT, _TALLY, _EVENTS = 0, 4, 5


def read(client: redis.Redis) -> Stored:
    """Return the whole content."""
    found: Stored = {}
    for key in sorted(client.scan_iter(count=1000)):
        told: Any = client.type(key)
        kind = told.decode()
        ttl_ms: Any = client.pttl(key)
        found[_text(key)] = {"type": kind, "ttl_ms": ttl_ms, "value": _READ[kind](client, key)}
    return found


def write(client: redis.Redis, stored: Stored) -> None:
    """Write the content back, byte for byte; times to live begin again now."""
    for name, of in stored.items():
        key, value = _bytes(name), of["value"]
        if of["type"] == "string":
            client.set(key, _bytes(value))
        elif of["type"] == "list":
            client.rpush(key, *map(_bytes, value))
        elif of["type"] == "set":
            client.sadd(key, *map(_bytes, value))
        elif of["type"] == "hash":
            client.hset(key, mapping={_bytes(field): _bytes(each) for field, each in value.items()})
        else:
            client.zadd(key, {_bytes(member): float(score) for member, score in value.items()})
        if of["ttl_ms"] >= 0:
            client.pexpire(key, of["ttl_ms"])


def without_times(stored: Stored, begin_ms: float, end_ms: float, cookie: str) -> Stored:
    """
    Return *stored* without times and without random parts.

    A number counts as a time if it lies between *begin_ms* and *end_ms* (Unix time, ms). A time
    outside of them stays, and shows as a difference. *cookie* names the only JMMC client's session.
    """
    page = cookie.partition("=")[2].partition(".")[0]
    page_end = sha1(page.encode()).hexdigest()[:5]

    def is_time(ms: float) -> bool:
        return begin_ms <= ms <= end_ms

    def told(text: str) -> str:
        def sid(match: re.Match[str]) -> str:
            end = "<page>" if match[3] == page_end else match[3]
            return f"{match[1]}<start>{end}" if is_time(int(match[2], 16)) else match[0]

        def time(match: re.Match[str]) -> str:
            number = float(match[0])
            return "<time>" if is_time(number) or is_time(number / 1000) else match[0]

        return _TIME.sub(time, _SID.sub(sid, text.replace(page, "<page>")))

    found: Stored = {}
    for key, of in stored.items():
        value = of["value"]
        shape = next((shape for part, shape in _SHAPES.items() if part in key), None)
        if of["type"] == "string":
            value = shape(value, is_time) if shape else value
            # A participant is a head and numbers.
            value = [told(value[0]), value[1]] if type(value) is list else told(value)
        elif of["type"] == "list":
            assert shape is not None
            value = [shape(each, is_time) for each in value]
            # The order of two spans that are made together is that of their ids.
            value = sorted(value, key=str) if key.endswith(":outbox") else value
        elif of["type"] == "set":
            value = sorted(map(told, value))
        else:
            value = {told(name): told(each) for name, each in value.items()}
        name = _PARTITION.sub("{<page>}", _PROCESS.sub("<process>", told(key)))
        found[name] = of | {"value": value}
    return found


IsTime = Callable[[float], bool]


def _participant(value: str, is_time: IsTime) -> Any:
    """
    Remove the time at which the session began: a float of eight bytes after the first three.

    Remove also the numbers of newer metrics at the end: these pushes do not have them.
    """
    numbers = msgspec.msgpack.decode(_bytes(value))[-1]
    packed = _text(msgspec.msgpack.encode(numbers))
    assert value.endswith(packed)
    head = value.removesuffix(packed)
    (started,) = struct.unpack(">d", _bytes(head[3:11]))
    while numbers and numbers[-1] is None:
        numbers.pop()
    return [f"{head[:3]}<time>{head[11:]}" if is_time(started) else head, numbers]


def _entry(value: str, is_time: IsTime) -> Any:
    """Return an entry without its time, and without its durations and begins."""
    found = msgspec.msgpack.decode(_bytes(value))
    assert _text(msgspec.msgpack.encode(found)) == value
    if is_time(_EPOCH_MS + 100 * found[_AT]):
        found[_AT] = "<time>"
    if len(found) > _TALLY and found[_TALLY]:
        found[_TALLY] = [each and [each[0], "<known>", "<bad>"] for each in found[_TALLY]]
    if len(found) > _EVENTS and found[_EVENTS]:
        found[_EVENTS] = [["<ago>", what, number] for _, what, number in found[_EVENTS]]
    return [_text(each) if isinstance(each, bytes) else each for each in found]


def _span(value: str, is_time: IsTime) -> Any:
    """Return a span without its times, and without the ids that are made of times."""
    span = Span.FromString(_bytes(value))
    assert is_time(span.start_time_unix_nano / 1e6)
    assert is_time(span.end_time_unix_nano / 1e6)
    span.start_time_unix_nano = span.end_time_unix_nano = 0
    sizes = [len(span.trace_id), len(span.span_id), len(span.parent_span_id)]
    span.trace_id = span.span_id = span.parent_span_id = b""
    for event in span.events:
        event.time_unix_nano = 0
    for link in span.links:
        link.trace_id = link.span_id = b""
    return [sizes, str(span).splitlines()]


def _secret(value: str, _: IsTime) -> str:
    """Return the length of a secret, which is random."""
    return f"<{len(value)} characters>"


def _batch(value: str, _: IsTime) -> str:
    """Remove the number of batches that a process has written."""
    assert value.isdecimal()
    return "<batch>"


_SHAPES: Final[dict[str, Callable[[str, IsTime], Any]]] = {
    ":participant:": _participant,
    ":samples:": _entry,
    ":outbox": _span,
    ":recorded:": _batch,
    "-secret": _secret,
}


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _hash(client: Any, key: bytes) -> dict[str, str]:
    found = client.hgetall(key)
    return {_text(field): _text(found[field]) for field in sorted(found)}


def _sorted_set(client: Any, key: bytes) -> dict[str, str]:
    return {
        _text(member): f"{score:.17g}"
        for member, score in client.zrange(key, 0, -1, withscores=True)
    }


_READ: Final[dict[str, Callable[[Any, bytes], Any]]] = {
    "string": lambda client, key: _text(client.get(key)),
    "list": lambda client, key: [*map(_text, client.lrange(key, 0, -1))],
    "set": lambda client, key: sorted(map(_text, client.smembers(key))),
    "hash": _hash,
    "zset": _sorted_set,
}
