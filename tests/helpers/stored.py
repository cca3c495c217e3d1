"""
All that a service leaves in Redis, for tests: read into JSON, put back, and told without its times.

`Stored` is what a Redis holds: key -> {"type", "ttl_ms" (-1: none), "value"}. Bytes are text here,
a character a byte (latin-1), a hash and a sorted set are objects, a list is a list, a set a sorted
list. `without_times` makes two of them comparable that were written at different times.
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
# The number of a process, and the partition of a JMMC page's session: both are at random.
_PROCESS: Final = re.compile(r"(?<=:recorded:)[0-9a-f]{8}$")
_PARTITION: Final = re.compile(r"\{0[0-3]\}(?=:jmmc(:|$))")
# Tenths of a second since 2024, as an entry of a log begins.
_EPOCH_MS: Final = 1_704_067_200_000
# An entry's fields.
_AT, _TALLY, _EVENTS = 0, 4, 5


def read(client: redis.Redis) -> Stored:
    """Return all that there is."""
    found: Stored = {}
    for key in sorted(client.scan_iter(count=1000)):
        told: Any = client.type(key)
        kind = told.decode()
        ttl_ms: Any = client.pttl(key)
        found[_text(key)] = {"type": kind, "ttl_ms": ttl_ms, "value": _READ[kind](client, key)}
    return found


def write(client: redis.Redis, stored: Stored) -> None:
    """Put all of it back, byte for byte; what had a time to live has it from now on."""
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
    Return *stored* with what tells when it was written, and what is made at random, left out.

    A number counts as a time if it lies between *begin_ms* and *end_ms* (Unix time, ms); one that
    should and does not stays, and is a difference. *cookie* names the one JMMC page's session.
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
            value = told(shape(value, is_time) if shape else value)
        elif of["type"] == "list":
            assert shape is not None
            value = [shape(each, is_time) for each in value]
            # Two spans that are made together go by their ids.
            value = sorted(value, key=str) if key.endswith(":outbox") else value
        elif of["type"] == "set":
            value = sorted(map(told, value))
        else:
            value = {told(name): told(each) for name, each in value.items()}
        name = _PARTITION.sub("{<page>}", _PROCESS.sub("<process>", told(key)))
        found[name] = of | {"value": value}
    return found


IsTime = Callable[[float], bool]


def _participant(value: str, is_time: IsTime) -> str:
    """
    Leave out when the session began, and what is not known behind the last number that is.

    A version with more metrics writes more of them; one that has fewer reads no further.
    """
    numbers = msgspec.msgpack.decode(_bytes(value))[-1]
    head = value.removesuffix(_text(msgspec.msgpack.encode(numbers)))
    assert head != value
    while numbers and numbers[-1] is None:
        numbers.pop()
    # A float of eight bytes behind the first three.
    (started,) = struct.unpack(">d", _bytes(value[3:11]))
    began = f"{head[:3]}<time>{head[11:]}" if is_time(started) else head
    return f"{began}{numbers}"


def _entry(value: str, is_time: IsTime) -> Any:
    """Return an entry without its time, for how long something was known, and since when."""
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
    """Return what a span says, without when and without the ids that are made of when."""
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
    """Return how long a secret is, which is made at random."""
    return f"<{len(value)} characters>"


def _batch(value: str, _: IsTime) -> str:
    """Leave out how many batches a process has written."""
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
