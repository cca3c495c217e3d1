"""
Makes bad pushes from good ones: in the JSON's structure, in its text, and in its bytes.

`mutate` takes all its chance from the `Random` that it gets.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Path = tuple[Any, ...]

MAX_BYTES = 64 * 1024
NUMBERS: Sequence[Any] = (
    *(0, -0.0, 1, -1, 0.5, 100, 100.000001, 101, 7, 8, 9, 64, 128, 255, 256, 257),
    *(599_999, 600_000, 600_001, 3_600_000, 3_600_001, 10_000_000, 10_000_001, 86_400_000),
    *(2**31, 2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, -(10**400)),
    *(1e-320, 5e-324, 1e22, 1e308, -1e308, 3.0, 1.7976931348623157e308, True, False, None),
)
TEXTS: Sequence[str] = (
    *("", "undefined", "null", "0", "1", "true", "udp", "tcp", "host", "relay", "left", "closed"),
    *("eu-west", "wifi", "ethernet", "cellular", "10.0.0.7", "2001:db8::1", "::ffff:10.0.0.1"),
    *("010.1.1.1", "1.2.3", "fe80::1%eth0", "[::1]", "256.1.1.1", "::", "1::2::3"),
    *(
        "\0",
        "a\0b",
        "\ud800",
        "\udc00\ud800",
        "\ud83d\ude00",
        "\N{GRINNING FACE}",
        "\u2028\x85\x0b",
    ),
    *('q"u\\o\nte\r\t', '"} 1\njitsi_jcmc_bitrate_upload{roomname="x"} 9', "%s%d{0}", "é" * 255),
    *("x" * 63, "x" * 64, "x" * 65, "x" * 127, "x" * 128, "x" * 129, "x" * 256, "x" * 257),
    *("3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa6\n", "a" * 36),
    *("abcdefgh", "abcdefgh\n", "abcdefg", "-_-_-_-_", "a b c d e f", "\ufeff", "\U0010ffff"),
)
KEYS: Sequence[str] = (
    *("default_labels", "client_id", "participant_id", "roomname", "session", "id", "seq", "end"),
    *("reason", "meeting_id", "interval_ms", "stats_age_ms", "metrics", "value", "labels", "token"),
    *("connectionquality", "transport_rtt", "bitrate_upload", "jitter_upload", "freezes"),
    *("serverregion", "username", "audioCodec", "videoCodec", "src_ip", "dst_ip", "protocol"),
    *("networkType", "localCandidateType", "remoteCandidateType", "p2p", "", "__proto__", "\ud800"),
    *("uid", "conf", "m", "br", "os", "pid", "cq", "res", "cdc", "u", "d", "t", "ts", "h", "w"),
    *("a", "v", "bw", "ab", "vb", "pl", "ip", "p", "tp", "lip", "lp", "rip", "sr"),
    *("Value", "value ", "transport_rtt[0]", "metrics.x", "é" * 50, 'k"\\\n', "k" * 100),
)
# What JSON writes for a number, or does not.
TOKENS: Sequence[bytes] = (
    *(b"1e999", b"-1e999", b"9" * 400, b"9" * 5000, b"1E2", b"0e0", b"1e-400", b"-0", b"1.0"),
    *(b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x10", b"1_0", b"null"),
    *(
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"1" + b"0" * 399 + b"e-396",
        b"1" * 19,
        b"18446744073709551616",
    ),
)
SNIPPETS: Sequence[bytes] = (
    *(b'"', b"\\", b"\\u0000", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\x", b"\\u12", b"\0"),
    *(b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\n", b"\r\n"),
    *(b",", b":", b"{", b"}", b"[", b"]", b"//", b"/**/", b" " * 100, b"[" * 200, b'{"a":' * 200),
)


def mutate(body: bytes, chance: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return *body* with a few things wrong; parts may come from *others*."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        if chance.random() < 0.7:
            body = _in_structure(body, chance, others)
        else:
            body = chance.choice((_numbers, _spliced, _doubled, _flipped, _cut))(body, chance)
        body = body[:MAX_BYTES]
    return body


# In the structure


def _in_structure(body: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Return *body* with one part of its JSON changed."""
    try:
        push = json.loads(body)
        paths = places(push)
    except (ValueError, RecursionError):
        return _flipped(body, chance)
    if not paths:
        return _spliced(body, chance)
    path = chance.choice(paths)
    holder = at(push, path[:-1])
    change = chance.choice(_CHANGES)
    change(holder, path[-1], chance)
    if others and chance.random() < 0.1:
        _cross(push, chance.choice(others), chance)
    try:
        return json.dumps(push, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return body


def places(value: Any) -> list[Path]:
    """Return the path to each part of a JSON value but the whole, deep ones left out."""
    found: list[Path] = []
    inside: list[tuple[Path, Any]] = [((), value)]
    for path, each in inside:
        parts: Any = each.items() if isinstance(each, dict) else ()
        if isinstance(each, list):
            parts = enumerate(each[:20])
        for key, part in parts:
            found.append((*path, key))
            if len(path) < 12:
                inside.append(((*path, key), part))
    return found


def at(value: Any, path: Path) -> Any:
    """Return the part of *value* at *path*."""
    for key in path:
        value = value[key]
    return value


def _anything(chance: Random, depth: int = 0) -> Any:
    """Return some JSON value."""
    kind = chance.random()
    if kind < 0.45:
        return chance.choice(NUMBERS)
    if kind < 0.8 or depth > 3:
        return chance.choice(TEXTS)
    if kind < 0.9:
        return [_anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(KEYS): _anything(chance, depth + 1) for _ in range(chance.randrange(4))}


def _replace(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = _anything(chance)


def _remove(holder: Any, key: Any, _chance: Random) -> None:
    del holder[key]


def _add(holder: Any, _key: Any, chance: Random) -> None:
    if isinstance(holder, list):
        holder.insert(chance.randrange(len(holder) + 1), _anything(chance))
    else:
        holder[chance.choice(KEYS)] = _anything(chance)


def _rename(holder: Any, key: Any, chance: Random) -> None:
    if isinstance(holder, dict):
        holder[chance.choice(KEYS)] = holder.pop(key)


def _wrap(holder: Any, key: Any, chance: Random) -> None:
    value = holder[key]
    for _ in range(chance.choice((1, 1, 1, 1, 2, 50, 900))):
        value = [value] if chance.random() < 0.5 else {"value": value}
    holder[key] = value


def _nudge(holder: Any, key: Any, chance: Random) -> None:
    value = holder[key]
    if isinstance(value, str):
        where = chance.randrange(len(value) + 1)
        holder[key] = value[:where] + chance.choice(TEXTS)[:300] + value[where:]
    elif type(value) in (int, float):
        nudges = (-value, value + 1, value * 10, value // 3)
        is_small = abs(value) < 1e300
        holder[key] = chance.choice((*nudges, value / 3, float(value)) if is_small else nudges)
    else:
        _replace(holder, key, chance)


def _grow(holder: Any, key: Any, chance: Random) -> None:
    value = holder[key]
    if isinstance(value, str):
        holder[key] = ((value or "x") * chance.choice((2, 50, 5000)))[:MAX_BYTES]
    elif isinstance(value, list):
        holder[key] = (value * chance.choice((2, 9, 300)))[:5000]
    elif isinstance(value, dict):
        count = chance.choice((1, 25, 900))
        value |= {f"{chance.choice(KEYS)}{number}": number for number in range(count)}
    else:
        holder[key] = [value] * 9


def _cross(push: Any, other: bytes, chance: Random) -> None:
    """Put a part of *other* in the same place of *push*, or in any."""
    try:
        donor = json.loads(other)
        theirs = chance.choice(places(donor))
        ours = chance.choice(places(push))
    except (ValueError, RecursionError, IndexError):
        return
    at(push, ours[:-1])[ours[-1]] = at(donor, theirs)


_CHANGES: Sequence[Callable[[Any, Any, Random], None]] = (
    *(_replace, _replace, _remove, _add, _rename, _wrap, _nudge, _nudge, _grow),
)


# In the text


def _numbers(body: bytes, chance: Random) -> bytes:
    """Return *body* with a number, or what looks like one, written in another way."""
    digits = [place for place, byte in enumerate(body) if 48 <= byte <= 57]
    if not digits:
        return body
    start = end = chance.choice(digits)
    while end < len(body) and body[end] in b"0123456789.eE+-":
        end += 1
    return body[:start] + chance.choice(TOKENS) + body[end:]


def _spliced(body: bytes, chance: Random) -> bytes:
    """Return *body* with something between, or in the place of, a few bytes."""
    start = chance.randrange(len(body) + 1)
    end = start + chance.choice((0, 0, 1, 8))
    return body[:start] + chance.choice((*SNIPPETS, *TOKENS)) + body[end:]


def _doubled(body: bytes, chance: Random) -> bytes:
    """Return *body* with a piece twice: a key that is there again, for one."""
    commas = [place for place, byte in enumerate(body) if byte in b",{"]
    if len(commas) < 2:
        return body * 2
    start, end = sorted(chance.sample(commas, 2))
    return body[:end] + body[start:end] * chance.choice((1, 1, 2, 40)) + body[end:]


def _flipped(body: bytes, chance: Random) -> bytes:
    """Return *body* with some bits turned round."""
    flipped = bytearray(body or b"{}")
    for _ in range(chance.choice((1, 1, 2, 8))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _cut(body: bytes, chance: Random) -> bytes:
    """Return *body* without its end, or without its beginning."""
    where = chance.randrange(len(body) + 1)
    return body[:where] if chance.random() < 0.8 else body[where:]
