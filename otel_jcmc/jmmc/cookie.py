"""
The cookie that names the session of a JMMC page.

`issue` makes one when a session is opened, `read` says of a later push which session it is of. It
holds the session's id and the participant's, and a signature over both, the client and the
conference: so it is good for those alone, and nothing of who it is has to be kept here. The tabs of
a browser share it, so it has a part for each of the sessions that were opened last.

Source: RFC 6265 (cookies) with SameSite of its draft successor; RFC 2104 (HMAC), here with SHA-256.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake.callers import Header
from otel_jcmc.store.shared_secret import SharedSecret

NAME: Final = b"jmmc_objectId"
# No Path: a browser then takes the folder that it pushed to, which only it knows behind a proxy.
# Partitioned, for browsers that keep the cookies of other sites apart, or not at all without it.
_ATTRIBUTES: Final = b"HttpOnly; Secure; SameSite=None; Partitioned"
# Between the parts, the newest first.
_BETWEEN: Final = b"~"
# So many tabs, and addresses that a page was loaded by, are looked at; more is play.
_MOST: Final = 8
# A participant's id has at most 128 characters of at most 4 bytes, and base64 is a third longer.
_LONGEST: Final = 900


class Named(NamedTuple):
    """What a cookie names."""

    session_id: str
    participant_id: str


class Cookies:
    """Issues cookies, and reads those that it has issued; so do all replicas with its secret."""

    def __init__(self, secret: SharedSecret) -> None:
        """Sign with *secret*, which somebody else starts."""
        self._secret = secret

    def issue(
        self, named: Named, client_id: str, conference: str, headers: Iterable[Header] = ()
    ) -> Header:
        """
        Return the header that gives a page of *client_id* in *conference* its cookie.

        What *headers* have of other sessions stays in it, as far as there is room.

        Raises:
            StoreUnavailable: the secret is not known yet.
        """
        parts = (named.session_id.encode(), _encode(named.participant_id.encode()))
        told = b".".join((*parts, _encode(self._sign(named, client_id, conference))))
        for part in _parts(headers):
            known, signature = _read(part)
            # Of nobody, or of the session that this one takes the place of.
            is_over = known.participant_id == named.participant_id and hmac.compare_digest(
                signature, self._sign(known, client_id, conference)
            )
            has_room = told.count(_BETWEEN) < _MOST - 1 and len(told) + len(part) < _LONGEST
            if signature and not is_over and has_room:
                told += _BETWEEN + part
        return b"set-cookie", b"%b=%b; %b" % (NAME, told, _ATTRIBUTES)

    def read(
        self, headers: Iterable[Header], client_id: str, conference: str, participant_id: str = ""
    ) -> Named:
        """
        Return what the cookie in *headers* names of *participant_id*, of anybody if it is empty.

        Raises:
            PushRefused: there is none, or none that was issued to *client_id* in *conference*.
            StoreUnavailable: the secret is not known yet.
        """
        parts = list(_parts(headers))
        for part in parts:
            named, signature = _read(part)
            if hmac.compare_digest(
                signature, self._sign(named, client_id, conference)
            ) and participant_id in ("", named.participant_id):
                return named
        reason = Reason.COOKIE_INVALID if parts else Reason.COOKIE_MISSING
        raise PushRefused([Fault("cookie", reason)])

    def _sign(self, named: Named, client_id: str, conference: str) -> bytes:
        """Return the signature that belongs to a cookie."""
        if not self._secret.value:
            raise StoreUnavailable
        # None of them can hold a NUL, so no two of these are the same.
        signed = "\0".join((NAME.decode(), *named, client_id, conference))
        return hmac.digest(self._secret.value, signed.encode(errors="surrogatepass"), "sha256")


def _parts(headers: Iterable[Header]) -> Iterator[bytes]:
    """Return the parts of our cookies in *headers*, not more than a few."""
    values = (
        told
        for name, header in headers
        if name == b"cookie"
        for pair in header.split(b";")
        for key, _, told in (pair.strip(b" \t").partition(b"="),)
        if key == NAME
    )
    return islice(chain.from_iterable(value.split(_BETWEEN) for value in values), _MOST)


def _read(part: bytes) -> tuple[Named, bytes]:
    """Return what a part says, and its signature, empty if it is nothing that we issue."""
    parts: Sequence[bytes] = part.split(b".") if len(part) <= _LONGEST else ()
    try:
        session_id, participant_id, signature = parts
        named = Named(session_id.decode("ascii"), _decode(participant_id).decode())
        return named, _decode(signature)
    except ValueError:
        return Named("", ""), b""


def _encode(raw: bytes) -> bytes:
    """Return *raw* in base64 that a cookie may hold."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Return what `_encode` made *text* of."""
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
