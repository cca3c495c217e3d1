"""RTP packets (RFC 3550), their retransmission (RFC 4588) and the one extension that matters."""

from struct import pack_into, unpack_from
from typing import Final, NamedTuple

# transport-wide-cc: the number of a packet among all of a transport.
TRANSPORT_CC_ID: Final = 5
_ONE_BYTE_EXTENSIONS: Final = 0xBEDE


class Rtp(NamedTuple):
    """
    What is known of a packet.

    Attributes:
        payload_at: where the payload begins, after the header and its extensions.
        transport_cc_at: where the two bytes of that extension are; 0: nowhere.
        padding: how many bytes at the end are padding.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload_at: int
    transport_cc_at: int
    padding: int


def is_rtcp(packet: bytes) -> bool:
    """Say whether *packet* is RTCP and not RTP (RFC 5761)."""
    return 192 <= packet[1] <= 223


def read(packet: bytes) -> Rtp:
    """Return what is known of *packet*."""
    first, second, sequence, timestamp, ssrc = unpack_from("!BBHII", packet)
    at = 12 + 4 * (first & 15)
    transport_cc_at = 0
    if first & 16:
        profile, words = unpack_from("!HH", packet, at)
        end = at + 4 + 4 * words
        if profile == _ONE_BYTE_EXTENSIONS:
            transport_cc_at = _find(packet, TRANSPORT_CC_ID, at + 4, end)
        at = end
    padding = packet[-1] if first & 32 else 0
    return Rtp(second & 127, sequence, timestamp, ssrc, at, transport_cc_at, padding)


def _find(packet: bytes, wanted: int, at: int, end: int) -> int:
    """Return where the value of an extension begins, 0 if it is not there."""
    while at < end:
        if packet[at] == 0:
            at += 1
            continue
        if packet[at] >> 4 == wanted:
            return at + 1
        at += 2 + (packet[at] & 15)
    return 0


def numbered(packet: bytes, about: Rtp, number: int) -> bytes:
    """Return *packet* as the one with this *number* of its transport."""
    if not about.transport_cc_at:
        return packet
    changed = bytearray(packet)
    pack_into("!H", changed, about.transport_cc_at, number & 0xFFFF)
    return bytes(changed)


def retransmission(packet: bytes, about: Rtp, payload_type: int, ssrc: int, sequence: int) -> bytes:
    """Return what brings *packet* once more, as a packet of the stream *ssrc*."""
    head = bytearray(packet[: about.payload_at])
    head[1] = head[1] & 128 | payload_type
    pack_into("!H", head, 2, sequence & 0xFFFF)
    pack_into("!I", head, 8, ssrc)
    return bytes(head) + packet[2:4] + packet[about.payload_at :]


def original(packet: bytes, about: Rtp, payload_type: int, ssrc: int) -> bytes | None:
    """Return the packet that a retransmission brings once more; None: it is padding alone."""
    payload = packet[about.payload_at : len(packet) - about.padding]
    if len(payload) <= 2:
        return None
    head = bytearray(packet[: about.payload_at])
    head[0] &= ~32
    head[1] = head[1] & 128 | payload_type
    head[2:4] = payload[:2]
    pack_into("!I", head, 8, ssrc)
    return bytes(head) + payload[2:]
