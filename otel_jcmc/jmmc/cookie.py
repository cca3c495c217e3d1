"""
Makes and reads the cookie that names the session of a JMMC page.

`issue` makes the cookie when a page opens a session. `read` returns the session to which a later
push belongs. The cookie contains the session's id, the participant's id and a signature. The
signature is over both ids, the client id and the conference, so the cookie is valid only for these
four, and the service need not store cookies. The tabs of a browser share one cookie. The cookie
therefore has a part for each of the sessions that the browser opened last.

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
# The attribute Path is left out: the browser then takes the folder of the push URL. Behind a proxy
# the service does not know this folder. Partitioned is for browsers that keep a separate cookie for
# each page's site, and for browsers that otherwise refuse cookies of other sites.
_ATTRIBUTES: Final = b"HttpOnly; Secure; SameSite=None; Partitioned"
# The character between the parts of a cookie. The part of the newest session comes first.
_BETWEEN: Final = b"~"
# The most parts that the service reads, of all cookies in a request together. No real page needs
# more, even if it has several tabs and cookies of several push URLs.
_MOST: Final = 8
# The most characters of a part, and also of a cookie with more than one part. A part contains a
# participant's id, which has at most 128 characters of 4 bytes. Base64 makes it a third longer.
_LONGEST: Final = 900


class Named(NamedTuple):
    """The session and the participant that a cookie names."""

    session_id: str
    participant_id: str


class Cookies:
    """Makes and reads cookies; a replica accepts the cookies of replicas with the same secret."""

    def __init__(self, secret: SharedSecret) -> None:
        """Prepare to sign cookies with *secret*; the caller must call `start` of *secret*."""
        self._secret = secret

    def issue(
        self, named: Named, client_id: str, conference: str, headers: Iterable[Header] = ()
    ) -> Header:
        """
        Return the Set-Cookie header for a page of *client_id* in *conference*.

        *headers* are the request's. The new cookie also gets the parts of other sessions from the
        request's cookies, as far as the limits of number and length allow.

        Raises:
            StoreUnavailable: the secret is not known yet.
        """
        parts = (named.session_id.encode(), _encode(named.participant_id.encode()))
        told = b".".join((*parts, _encode(self._sign(named, client_id, conference))))
        for part in _parts(headers):
            known, signature = _read(part)
            # A part with the same participant, client and conference names an older session, which
            # the new session replaces.
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

        *participant_id* is the participant that the cookie must name; empty: any participant.

        Raises:
            PushRefused: no cookie came, or no part is for this client, conference and participant.
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
        """Return the signature for a cookie's part; raises StoreUnavailable without the secret."""
        if not self._secret.value:
            raise StoreUnavailable
        # No field can contain a NUL. So different fields never give the same text to sign.
        signed = "\0".join((NAME.decode(), *named, client_id, conference))
        return hmac.digest(self._secret.value, signed.encode(errors="surrogatepass"), "sha256")


def _parts(headers: Iterable[Header]) -> Iterator[bytes]:
    """Return the parts of the cookies called `NAME` in *headers*, at most `_MOST` parts."""
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
    """Return the ids in a cookie's *part* and its signature; all empty if the part is malformed."""
    parts: Sequence[bytes] = part.split(b".") if len(part) <= _LONGEST else ()
    try:
        session_id, participant_id, signature = parts
        named = Named(session_id.decode("ascii"), _decode(participant_id).decode())
        return named, _decode(signature)
    except ValueError:
        return Named("", ""), b""


def _encode(raw: bytes) -> bytes:
    """Return *raw* in the base64 that uses only characters that cookies may contain."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Decode *text*, which `_encode` has made."""
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
