"""DTLS-SRTP with one browser: the bridge is the server of the handshake (RFC 5764)."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pylibsrtp import Error as SrtpError
from pylibsrtp import Policy, Session

_PROFILE: Final = b"SRTP_AES128_CM_SHA1_80"
_KEY_SIZE, _SALT_SIZE = 16, 14
_RECORD_HEADER_SIZE: Final = 13
# Packets that may come late: seconds of video that a retransmission has brought back.
_WINDOW: Final = 1024


@cache
def _certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - dt.timedelta(days=1))
    made = made.not_valid_after(now + dt.timedelta(days=1))
    return made.sign(key, hashes.SHA256()), key


def fingerprint() -> str:
    """Return the SHA-256 of the bridge's certificate, as SDP has it."""
    return _certificate()[0].fingerprint(hashes.SHA256()).hex(":").upper()


@cache
def _context() -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    certificate, key = _certificate()
    context.use_certificate(certificate)
    context.use_privatekey(key)
    # Whose it is does not matter here: all browsers are the test's own.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.set_tlsext_use_srtp(_PROFILE)
    return context


def _connection() -> SSL.Connection:
    connection = SSL.Connection(_context())
    connection.set_accept_state()
    connection.set_ciphertext_mtu(1200)
    return connection


def is_dtls(datagram: bytes) -> bool:
    """Say whether *datagram* is of DTLS, and no STUN, RTP or RTCP."""
    return 20 <= datagram[0] <= 63


@dataclass
class Secure:
    """One browser's handshake, and what it has led to."""

    _dtls: SSL.Connection = field(default_factory=_connection)
    _inbound: Session | None = None
    _outbound: Session | None = None

    @property
    def is_ready(self) -> bool:
        """Whether packets can be sent."""
        return self._outbound is not None

    def handshake(self, datagram: bytes) -> list[bytes]:
        """Take a *datagram* of DTLS; the datagrams to send."""
        self._dtls.bio_write(datagram)
        try:
            if self.is_ready:
                self._dtls.recv(2048)
            else:
                self._dtls.do_handshake()
                self._take_keys()
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        return list(self._to_send())

    def _to_send(self) -> Iterator[bytes]:
        """Yield each record as a datagram: between them the library makes no difference."""
        try:
            records = self._dtls.bio_read(1 << 16)
        except SSL.WantReadError:
            return
        while records:
            size = _RECORD_HEADER_SIZE + int.from_bytes(records[11:13])
            yield records[:size]
            records = records[size:]

    def _take_keys(self) -> None:
        made = self._dtls.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (_KEY_SIZE + _SALT_SIZE)
        )
        salts = 2 * _KEY_SIZE
        client = made[:_KEY_SIZE] + made[salts : salts + _SALT_SIZE]
        server = made[_KEY_SIZE:salts] + made[salts + _SALT_SIZE :]
        self._inbound = _session(client, Policy.SSRC_ANY_INBOUND)
        self._outbound = _session(server, Policy.SSRC_ANY_OUTBOUND)

    def decrypt(self, packet: bytes, *, is_rtcp: bool) -> bytes | None:
        """Return what a *packet* of SRTP or SRTCP holds; None: nothing that is to be had."""
        if self._inbound is None:
            return None
        try:
            if is_rtcp:
                return bytes(self._inbound.unprotect_rtcp(packet))
            return bytes(self._inbound.unprotect(packet))
        except SrtpError:
            return None  # a replay, or older than the window

    def encrypt(self, packet: bytes, *, is_rtcp: bool) -> bytes | None:
        """Return the SRTP or SRTCP of *packet*; None: it is too late to send it."""
        if self._outbound is None:
            return None
        try:
            if is_rtcp:
                return bytes(self._outbound.protect_rtcp(packet))
            return bytes(self._outbound.protect(packet))
        except SrtpError:
            return None


def _session(key: bytes, which: int) -> Session:
    policy = Policy(key=key, ssrc_type=which)
    policy.window_size = _WINDOW
    return Session(policy)
