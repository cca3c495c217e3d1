"""
The cookie that names the session of a JMMC page.

`issue` makes a cookie when a session is opened; `read` says to which session a later push belongs.
The cookie contains the ids of the session and of the participant, and a signature over both ids,
the client and the conference. So the cookie is valid only for these four, and the service need not
remember whose cookie it is. The tabs of a browser share the cookie, so it has a part for each of
the sessions that were opened last.

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
# Without Path a browser uses the folder that it pushed to, which only the browser knows behind a
# proxy. Partitioned is for browsers that separate, or without it refuse, the cookies of other
# sites.
_ATTRIBUTES: Final = b"HttpOnly; Secure; SameSite=None; Partitioned"
# Separates the parts of a cookie; the part of the newest session comes first.
_BETWEEN: Final = b"~"
# The most parts that are read of all cookies in a request. No real page needs more, even with
# several tabs and with cookies of several addresses.
_MOST: Final = 8
# The most characters of a part, and of a cookie with more than one part. A participant's id has at
# most 128 characters of 4 bytes, and base64 makes it a third longer.
_LONGEST: Final = 900


class Named(NamedTuple):
    """The session and the participant that a cookie names."""

    session_id: str
    participant_id: str


class Cookies:
    """Issues cookies and reads them; replicas with the same secret accept each other's cookies."""

    def __init__(self, secret: SharedSecret) -> None:
        """Sign cookies with *secret*, which the caller must start."""
        self._secret = secret

    def issue(
        self, named: Named, client_id: str, conference: str, headers: Iterable[Header] = ()
    ) -> Header:
        """
        Return the header that gives a page of *client_id* in *conference* its cookie.

        The new cookie also has the parts for other sessions in the cookies of *headers*, up to its
        limits.

        Raises:
            StoreUnavailable: the secret is not known yet.
        """
        parts = (named.session_id.encode(), _encode(named.participant_id.encode()))
        told = b".".join((*parts, _encode(self._sign(named, client_id, conference))))
        for part in _parts(headers):
            known, signature = _read(part)
            # The new session replaces the one in this part: same participant, client, conference.
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
        Return the session and participant that the cookie in *headers* names.

        *participant_id* is the participant to look for; empty: any participant.

        Raises:
            PushRefused: no cookie came, or no part was issued to *client_id* in *conference*.
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
        """Return the signature of a cookie."""
        if not self._secret.value:
            raise StoreUnavailable
        # No field of a cookie can contain a NUL, so different cookies never sign the same text.
        signed = "\0".join((NAME.decode(), *named, client_id, conference))
        return hmac.digest(self._secret.value, signed.encode(errors="surrogatepass"), "sha256")


def _parts(headers: Iterable[Header]) -> Iterator[bytes]:
    """Return the parts of our cookies in *headers*, at most `_MOST`."""
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
    """Return what a cookie's part names, and its signature, which is empty if it is malformed."""
    parts: Sequence[bytes] = part.split(b".") if len(part) <= _LONGEST else ()
    try:
        session_id, participant_id, signature = parts
        named = Named(session_id.decode("ascii"), _decode(participant_id).decode())
        return named, _decode(signature)
    except ValueError:
        return Named("", ""), b""


def _encode(raw: bytes) -> bytes:
    """Return *raw* in base64, with only characters that cookies may contain."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Return the bytes from which `_encode` made *text*."""
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
