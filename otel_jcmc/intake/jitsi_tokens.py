"""
Checks Jitsi's tokens: a push is accepted if the page's token is for the pushed conference.

JitsiTokens gets the headers and the report of a push, and returns the user in the token or raises a
refusal. A token does not name a participant. So Redis stores with each participant the first user
that pushed for it, and refuses pushes of other users. service/app.py makes a JitsiTokens object if
JCMC_PUSH_AUTH is `jwt`.

Source: lib-jitsi-meet's doc/tokens.md; for the checks that Prosody makes, jitsi-meet's
resources/prosody-plugins/token/util.lib.lua. The claims `iss` and `aud` must be in the operator's
lists; a list with `*` accepts any value. `room` is required: it is `*`, for all conferences, or the
name of one conference in upper or lower case. `sub` (the tenant or the domain) is `*`, or in the
operator's list in upper or lower case. As in Lua, only ASCII letters are changed to lower case:
jitsi-meet percent-encodes all other letters of a room.
"""

import json
import re
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from time import time
from typing import Any, Final, NamedTuple

import jwt
from jwt import InsecureKeyLengthWarning

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake.bearer import REMEMBERED, expect_compact, refusal, token_of
from otel_jcmc.intake.callers import Header
from otel_jcmc.intake.jitsi_keys import Keys
from otel_jcmc.wire.push import Report

ANY: Final = "*"
# A conference name in the form of Prosody and the bridge: "[tenant]room".
_BRACKETED: Final = re.compile(r"\[([^\]]*)\](.*)", re.DOTALL)
_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
# The operator chooses the secret, so a short secret is accepted; `otel-jcmc check` warns of it.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class _Verified(NamedTuple):
    """
    The content of a verified token.

    Attributes:
        plain: the room, if it is one conference without a tenant in its name; otherwise empty. The
            token permits pushes to a conference with exactly this name, without further checks.
        room: the room in lower case, or ANY.
        tenant: the tenant in lower case, or ANY.
        owner: the issuer and the user's id; empty if the token names no user.
        expires_at: time at which the token expires, in s since 1970.
    """

    plain: str
    room: str
    tenant: str
    owner: str
    expires_at: float


class JitsiTokens:
    """Checks the token of a push and returns the user in it; intake.py calls this object."""

    def __init__(
        self,
        keys: Keys,
        issuers: Collection[str],
        audiences: Collection[str],
        subjects: Collection[str],
        leeway_seconds: float = 0,
    ) -> None:
        """Accept tokens that *keys* verify, with claims in the lists; ANY allows every value."""
        self._keys = keys
        self._issuers = frozenset(issuers)
        self._audiences = frozenset(audiences)
        self._subjects = frozenset(in_lower(each) for each in subjects)
        self._leeway_seconds = leeway_seconds
        # Token -> its verified content. The time of a look-up reveals nothing about other tokens:
        # Python compares two tokens only if their keyed 64-bit hashes are equal.
        self._known = lru_cache(REMEMBERED)(self._verify)

    def __call__(self, headers: Iterable[Header], report: Report) -> str:
        """
        Return the issuer and the user in the token of a push; empty if the token names no user.

        Raises:
            PushRefused: the token is missing, not valid, or for another conference.
        """
        token = token_of(headers, report)
        if self._keys.reload():
            self._known.cache_clear()
        known = self._known(token)
        if known.expires_at <= time():
            known = self._verify(token)
        conference = in_lower(report.conference)
        if conference != known.plain and not is_for(conference, known.room, known.tenant):
            raise refusal(Reason.CONFERENCE_NOT_ALLOWED)
        return known.owner

    def _verify(self, token: bytes) -> _Verified:
        """
        Return the content of *token*, if it is valid for this service and not expired.

        Raises:
            PushRefused: the token is not valid, or has expired.
        """
        expect_compact(token)
        try:
            return self._read(self._decode(token))
        except jwt.ExpiredSignatureError:
            raise refusal(Reason.TOKEN_EXPIRED) from None
        except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
            raise refusal(Reason.TOKEN_INVALID) from None

    def _decode(self, token: bytes) -> dict[str, Any]:
        """Return the claims of *token*; raise if no key verifies it, or if it has expired."""
        # PyJWT's function for a token's head also decodes the token's other parts. That would take
        # a third of the time of the whole check.
        head = json.loads(urlsafe_b64decode(token.partition(b".")[0] + b"=="))
        algorithm, name = head["alg"], head.get("kid")
        # The token's head may select one of our keys; the key decides the algorithm, not the token.
        keys = [
            key
            for key in self._keys.now
            if key.algorithm == algorithm and (key.name is None or name in (None, key.name))
        ]
        failure: Exception = jwt.InvalidSignatureError("no key")
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key.verifier,
                    [key.algorithm],
                    {"require": ["exp"], "verify_aud": False, "verify_iss": False},
                    leeway=self._leeway_seconds,
                )
            except jwt.InvalidSignatureError as error:
                failure = error
        raise failure

    def _read(self, claims: dict[str, Any]) -> _Verified:
        """Return the content of *claims*; raise an exception of any kind if they are rejected."""
        issuer = claims.get("iss", "")
        _expect_one_of(self._issuers, issuer)
        audience = claims.get("aud", "")
        _expect_one_of(self._audiences, *(audience if type(audience) is list else [audience]))
        tenant = in_lower(_text(claims.get("sub", "")))
        if tenant != ANY:
            _expect_one_of(self._subjects, tenant)
        room = in_lower(_text(claims["room"]))
        if not room:
            raise ValueError("no room")
        is_plain = room != ANY and "/" not in room and not room.startswith("[")
        owner = _user(claims)
        return _Verified(
            plain=room if is_plain else "",
            room=room,
            tenant=tenant,
            owner=f"{_text(issuer)}\0{owner}" if owner else "",
            expires_at=float(claims["exp"]),
        )


def in_lower(name: str) -> str:
    """
    Return *name* with its ASCII letters in lower case, and all other letters unchanged.

    Unicode's lower case or case folding would make the names of different rooms equal: straße and
    strasse, or k and the Kelvin sign.
    """
    return name.lower() if name.isascii() else name.translate(_LOWER)


def is_for(conference: str, room: str, tenant: str) -> bool:
    """
    Say whether a token that names *room* and *tenant* permits pushes to *conference*.

    All three arguments are in lower case. Pages push the name of a conference without its tenant. A
    name with a tenant has the form "tenant/room" or "[tenant]room".
    """
    named: str | None
    if bracketed := _BRACKETED.fullmatch(conference):
        named, name = bracketed.groups()
    else:
        before, slash, name = conference.rpartition("/")
        named = before if slash else None
    return room in (ANY, name) and (named is None or tenant in (ANY, named))


def _user(claims: dict[str, Any]) -> str:
    """Return the id of the user in *claims*; empty if they name no user."""
    context = claims.get("context")
    user = context.get("user") if type(context) is dict else None
    found = user.get("id") if type(user) is dict else None
    return str(found) if type(found) is int else _text(found or "")


def _text(value: Any) -> str:
    """Return *value*; raise TypeError if it is not text, ValueError if UTF-8 can't encode it."""
    if type(value) is not str:
        raise TypeError("text is wanted")
    value.encode()
    return value


def _expect_one_of(accepted: frozenset[str], *said: str) -> None:
    """Raise ValueError if *accepted* has neither ANY nor one of the values *said*."""
    if ANY not in accepted and not accepted.intersection(said):
        raise ValueError("not for us")
