"""
STUN messages that the bridge's side of ICE needs (RFC 8489, RFC 8445).

The bridge is the controlling side. It answers each check of a browser, and nominates the address of
that check with a check of its own.
"""

import hashlib
import hmac
import socket
import zlib
from collections.abc import Iterator
from os import urandom
from struct import pack, unpack_from
from typing import Final, NamedTuple

Address = tuple[str, int]

_REQUEST, _RESPONSE = 0x0001, 0x0101
_COOKIE: Final = 0x2112A442
_USERNAME, _INTEGRITY, _PRIORITY, _USE_CANDIDATE = 0x0006, 0x0008, 0x0024, 0x0025
_MAPPED_ADDRESS, _FINGERPRINT, _CONTROLLING = 0x0020, 0x8028, 0x802A
_HEADER_SIZE: Final = 20
# Of a host candidate, the highest.
PRIORITY: Final = 2130706431


class Request(NamedTuple):
    """A browser's check: who it is for (`ufrag`), who sent it, and what its answer must repeat."""

    ufrag: str
    remote_ufrag: str
    transaction: bytes


def is_stun(datagram: bytes) -> bool:
    """Say whether *datagram* is a STUN message, and no DTLS, RTP or RTCP."""
    return len(datagram) >= _HEADER_SIZE and datagram[0] < 4


def read_request(datagram: bytes, password: str | None = None) -> Request | None:
    """Return a check; None: it is none, or not by who knows *password*, where that is given."""
    kind, _, _ = unpack_from("!HHI", datagram)
    if kind != _REQUEST:
        return None
    names = ("", "")
    for at, attribute, value in _attributes(datagram):
        if attribute == _USERNAME:
            ours, _, theirs = value.decode().partition(":")
            names = ours, theirs
        if attribute == _INTEGRITY and password is not None:
            if hmac.compare_digest(value, _integrity(datagram[:at], password)):
                return Request(*names, datagram[8:20])
            return None
    return Request(*names, datagram[8:20]) if password is None else None


def response(request: Request, password: str, sender: Address) -> bytes:
    """Return the answer to a check that came from *sender*."""
    port = sender[1] ^ (_COOKIE >> 16)
    host = int.from_bytes(socket.inet_aton(sender[0])) ^ _COOKIE
    mapped = _attribute(_MAPPED_ADDRESS, pack("!xBHI", 1, port, host))
    return _message(_RESPONSE, request.transaction, mapped, password)


def nomination(ufrag: str, remote_ufrag: str, remote_password: str) -> bytes:
    """Return a check of the bridge's own, that nominates the pair it goes over."""
    attributes = (
        _attribute(_USERNAME, f"{remote_ufrag}:{ufrag}".encode())
        + _attribute(_PRIORITY, pack("!I", PRIORITY))
        + _attribute(_CONTROLLING, urandom(8))
        + _attribute(_USE_CANDIDATE, b"")
    )
    return _message(_REQUEST, urandom(12), attributes, remote_password)


def _attributes(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each attribute begins, its type and value."""
    at = _HEADER_SIZE
    while at + 4 <= len(datagram):
        attribute, size = unpack_from("!HH", datagram, at)
        yield at, attribute, datagram[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4


def _attribute(attribute: int, value: bytes) -> bytes:
    return pack("!HH", attribute, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, attributes: bytes, password: str) -> bytes:
    head = pack("!HHI", kind, len(attributes), _COOKIE) + transaction
    signed = _attribute(_INTEGRITY, _integrity(head + attributes, password))
    size = len(attributes) + len(signed) + 8
    whole = pack("!HHI", kind, size, _COOKIE) + transaction + attributes + signed
    return whole + _attribute(_FINGERPRINT, pack("!I", zlib.crc32(whole) ^ 0x5354554E))


def _integrity(before: bytes, password: str) -> bytes:
    """Return the code of what stands *before* it, whose length is to count it in."""
    size = len(before) - _HEADER_SIZE + 24
    counted = before[:2] + pack("!H", size) + before[4:]
    return hmac.digest(password.encode(), counted, hashlib.sha1)
