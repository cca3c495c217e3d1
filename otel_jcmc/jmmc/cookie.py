"""
Makes and reads the cookie that tells to which session a push of a JMMC page belongs.

`issue` makes a cookie when a page opens a session. `read` returns the session of a later push. For
a session, the cookie has the session's id, the participant's id, and a signature of both ids, the
client and the conference. The signature is wrong for any other session, participant, client or
conference. Therefore the service need not store which cookies it has issued. The tabs of a browser
share one cookie. It therefore has several parts, one for each of the newest sessions.

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
# The cookie has no Path: the browser then uses the folder of its push URL. Behind a proxy, the
# service does not know this folder. Some browsers keep cookies of other sites apart for each page's
# site, and refuse them without Partitioned.
_ATTRIBUTES: Final = b"HttpOnly; Secure; SameSite=None; Partitioned"
# Stands between the parts of a cookie. The first part is that of the newest session.
_BETWEEN: Final = b"~"
# How many parts the service reads in all cookies of one request. No real page needs more, even with
# several tabs and with cookies of several addresses.
_MOST: Final = 8
# How many bytes a part may have, and a cookie with more than one part. A participant's id has at
# most 128 characters of 4 bytes, and base64 makes it a third longer.
_LONGEST: Final = 900


class Named(NamedTuple):
    """The session and the participant that one part of a cookie names."""

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
        Return the Set-Cookie header for a page of *client_id* that opens a session in *conference*.

        The new cookie begins with a part for *named*. Then follow the parts of other sessions from
        the cookies in *headers*, until a limit is reached.

        Raises:
            StoreUnavailable: the secret that signs cookies is not known yet.
        """
        parts = (named.session_id.encode(), _encode(named.participant_id.encode()))
        told = b".".join((*parts, _encode(self._sign(named, client_id, conference))))
        for part in _parts(headers):
            known, signature = _read(part)
            # If a part has the same participant, client and conference, the new session replaces
            # that part's session.
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
        Return the session and participant from the first part that fits *client_id*, *conference*.

        *participant_id* is the participant that the part must name; empty: any participant.

        Raises:
            PushRefused: *headers* have no cookie of ours, or no part of the cookies fits.
            StoreUnavailable: the secret that signs cookies is not known yet.
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
        """Return the signature of a cookie's part for these ids and this conference."""
        if not self._secret.value:
            raise StoreUnavailable
        # None of these texts can contain a NUL. Therefore two different parts never have the same
        # text to sign.
        signed = "\0".join((NAME.decode(), *named, client_id, conference))
        return hmac.digest(self._secret.value, signed.encode(errors="surrogatepass"), "sha256")


def _parts(headers: Iterable[Header]) -> Iterator[bytes]:
    """Return the first `_MOST` parts of all our cookies in *headers*."""
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
    """Return the ids in a cookie's *part*, and its signature; both are empty if it is malformed."""
    parts: Sequence[bytes] = part.split(b".") if len(part) <= _LONGEST else ()
    try:
        session_id, participant_id, signature = parts
        named = Named(session_id.decode("ascii"), _decode(participant_id).decode())
        return named, _decode(signature)
    except ValueError:
        return Named("", ""), b""


def _encode(raw: bytes) -> bytes:
    """Return *raw* in the base64 for URLs: cookies may contain all characters of this base64."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Return the bytes from which `_encode` made *text*."""
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
