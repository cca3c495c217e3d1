"""
Forged tokens: an accepted token must have our signature, which this file checks by HMAC alone.

Half of the inputs are damaged texts, half have the right signature and odd claims.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from random import Random
from time import thread_time
from types import SimpleNamespace
from typing import Any

from fuzz import edges, mutations
from harness import push_body

from otel_jcmc.catalogue.reasons import PushRefused
from otel_jcmc.intake.jitsi_keys import keys_of
from otel_jcmc.intake.jitsi_tokens import JitsiTokens
from otel_jcmc.intake.push_tokens import PushTokens
from otel_jcmc.wire.push import PushParser

SECRET = "the-secret-of-the-fuzzer-is-long-enough"
ORIGIN = "https://meet.example.org"
LATER = 4_000_000_000
_secret: Any = SimpleNamespace(value=SECRET.encode())
_ways = (
    JitsiTokens(keys_of(SECRET), ["my_app"], ["jitsi"], ["*"]),
    PushTokens(_secret, 300, lambda origin: origin == ORIGIN.encode()),
)
_report = PushParser().parse(json.dumps(push_body()).encode())


def check(token: bytes) -> float:
    """Assert that *token* is refused, or is one that was signed with the secret."""
    for name in (b"authorization", b"body"):
        headers = [(b"origin", ORIGIN.encode()), (name, b"Bearer " + token)]
        _report.token = token.decode("latin-1") if name == b"body" else ""
        started = thread_time()
        for way in _ways:
            try:
                owner = way(headers, _report)
            except PushRefused:
                continue
            else:
                assert _is_signed(token.strip()), "taken without our signature"
                assert isinstance(owner, str)
                owner.encode()
        seconds = thread_time() - started
    return seconds


def _is_signed(token: bytes) -> bool:
    """Say whether *token* is signed with the secret."""
    said, _, signature = token.rpartition(b".")
    return hmac.compare_digest(_base64(_mac(said)), signature.rstrip(b"="))


def _mac(said: bytes) -> bytes:
    return hmac.new(SECRET.encode(), said, hashlib.sha256).digest()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _signed(head: bytes, claims: bytes) -> bytes:
    """Return a token with the right signature."""
    said = _base64(head) + b"." + _base64(claims)
    return said + b"." + _base64(_mac(said))


def seeds() -> list[bytes]:
    """Return tokens, most of them good, by both ways."""
    user = {"user": {"id": "ada", "name": "Ada"}}
    jitsi: dict[str, Any] = {"iss": "my_app", "aud": "jitsi", "sub": "x", "exp": LATER}
    claims = [
        jitsi | {"room": "standup", "context": user},
        jitsi | {"room": "*", "nbf": 1, "iat": 1},
        jitsi | {"room": "other"},
        {"origin": ORIGIN, "iat": 1, "exp": LATER},
        {"origin": "https://evil.example.org", "iat": 1, "exp": LATER},
    ]
    heads = [{"alg": "HS256", "typ": "JWT"}, {"alg": "none"}, {"alg": "HS512", "kid": "x"}]
    return [
        _signed(json.dumps(head).encode(), json.dumps(each).encode())
        for head in heads
        for each in claims
    ]


def mutate(token: bytes, chance: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return another token: damaged, or signed and odd."""
    parts = token.split(b".")
    if chance.random() < 0.5 or len(parts) != 3:
        return edges.mutate(token, chance, others)
    try:
        head, claims = (base64.urlsafe_b64decode(part + b"==") for part in parts[:2])
    except ValueError:
        return edges.mutate(token, chance, others)
    if chance.random() < 0.3:
        head = mutations.mutate(head, chance)
    else:
        claims = mutations.mutate(claims, chance)
    return _signed(head[:2000], claims[:4000])
