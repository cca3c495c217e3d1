"""The RTCP that a bridge reads and writes (RFC 3550, RFC 4585, transport-wide-cc)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import pack, unpack_from
from typing import Final, NamedTuple

SENDER_REPORT, _RECEIVER_REPORT, SDES, _FEEDBACK, _PAYLOAD_FEEDBACK = 200, 201, 202, 205, 206
_NACK, _TRANSPORT_CC = 1, 15
_PLI, _FIR = 1, 4
# Who the bridge is in its own reports.
BRIDGE_SSRC: Final = 1
# transport-wide-cc counts in 1/4 ms, and begins at a multiple of 64 ms.
_TICK_SECONDS, _BASE_TICKS = 0.00025, 256


class Message(NamedTuple):
    """One of a compound's messages; `form` is the last five bits of its first byte."""

    kind: int
    form: int
    whole: bytes

    @property
    def ssrc(self) -> int:
        """Who sent it."""
        (ssrc,) = unpack_from("!I", self.whole, 4)
        return int(ssrc)


class Block(NamedTuple):
    """What is told of one received stream."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    since_last_report: int


def messages(compound: bytes) -> Iterator[Message]:
    """Yield the messages of *compound*."""
    while len(compound) >= 8:
        first, kind, words = unpack_from("!BBH", compound)
        size = 4 + 4 * words
        yield Message(kind, first & 31, compound[:size])
        compound = compound[size:]


def key_frames_asked_for(message: Message) -> list[int]:
    """Return the streams of which *message* asks for a key frame."""
    if message.kind != _PAYLOAD_FEEDBACK:
        return []
    if message.form == _PLI:
        return [unpack_from("!I", message.whole, 8)[0]]
    if message.form == _FIR:
        return [unpack_from("!I", message.whole, at)[0] for at in range(12, len(message.whole), 8)]
    return []


def asked_for(message: Message) -> tuple[int, list[int]] | None:
    """Return of which stream *message* wants which packets once more; None: it wants nothing."""
    if (message.kind, message.form) != (_FEEDBACK, _NACK):
        return None
    (ssrc,) = unpack_from("!I", message.whole, 8)
    wanted = []
    for at in range(12, len(message.whole), 4):
        first, more = unpack_from("!HH", message.whole, at)
        wanted.append(first)
        wanted += [(first + 1 + bit) & 0xFFFF for bit in range(16) if more >> bit & 1]
    return ssrc, wanted


def without_blocks(report: Message) -> bytes:
    """Return a sender's *report* without what it says of the streams that it gets."""
    return _message(SENDER_REPORT, 0, report.whole[4:28])


def receiver_report(blocks: Sequence[Block]) -> bytes:
    """Return the bridge's report on streams that it gets, 31 at most."""
    told = b"".join(
        pack("!IB", block.ssrc, block.fraction_lost)
        + max(0, block.lost).to_bytes(3)
        + pack("!IIII", *block[3:])
        for block in blocks
    )
    return _message(_RECEIVER_REPORT, len(blocks), pack("!I", BRIDGE_SSRC) + told)


def key_frame_wanted(ssrc: int) -> bytes:
    """Return what asks the sender of *ssrc* for a key frame."""
    return _message(_PAYLOAD_FEEDBACK, _PLI, pack("!II", BRIDGE_SSRC, ssrc))


def wanted_again(ssrc: int, sequences: Iterable[int]) -> bytes:
    """Return what asks the sender of *ssrc* for these packets once more."""
    asked = b"".join(pack("!HH", sequence & 0xFFFF, 0) for sequence in sequences)
    return _message(_FEEDBACK, _NACK, pack("!II", BRIDGE_SSRC, ssrc) + asked)


def transport_feedback(ssrc: int, count: int, first: int, arrived: Mapping[int, float]) -> bytes:
    """
    Return when which packets of a transport have arrived.

    Args:
        count: of such feedback before, of this transport.
        first: the number that no feedback before has told of.
        arrived: seconds of any clock, by the packets' numbers, which do not wrap here.
    """
    first, last = min(first, *arrived), max(arrived)
    ticks = {number: round(at / _TICK_SECONDS) for number, at in arrived.items()}
    base = now = min(ticks.values()) // _BASE_TICKS * _BASE_TICKS
    symbols, deltas = [], b""
    for number in range(first, last + 1):
        at = ticks.get(number)
        if at is None:
            symbols.append(0)
            continue
        delta, now = at - now, at
        is_small = 0 <= delta < 256
        symbols.append(1 if is_small else 2)
        deltas += pack("!B", delta) if is_small else pack("!h", max(-32768, min(32767, delta)))
    body = pack("!IIHH", BRIDGE_SSRC, ssrc, first & 0xFFFF, len(symbols))
    body += pack("!I", (base // _BASE_TICKS & 0xFFFFFF) << 8 | count & 0xFF)
    for at in range(0, len(symbols), 7):
        chunk = 0xC000
        for place, symbol in enumerate(symbols[at : at + 7]):
            chunk |= symbol << 12 - 2 * place
        body += pack("!H", chunk)
    return _message(_FEEDBACK, _TRANSPORT_CC, body + deltas)


def _message(kind: int, count: int, body: bytes) -> bytes:
    first = 128 | count
    if padding := -len(body) % 4:
        first |= 32
        body += bytes(padding - 1) + bytes([padding])
    return pack("!BBH", first, kind, len(body) // 4) + body
