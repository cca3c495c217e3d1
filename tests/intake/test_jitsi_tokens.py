"""
Jitsi's tokens: which signatures count, what each claim must be, and for which conference.

The keys are real. On a running service, key files change, and users share a conference.
"""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import imported
import jwt
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from exposition import exposed
from harness import Answer, Service, eventually, push_body
from hypothesis import given
from hypothesis import strategies as st

from otel_jcmc.catalogue.reasons import KeysUnusable, PushRefused, Reason
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake import bearer, jitsi_keys
from otel_jcmc.intake.jitsi_keys import Keys, jwks_keys, keys_of, secret_key
from otel_jcmc.intake.jitsi_tokens import JitsiTokens, in_lower, is_for
from otel_jcmc.service.app import create_app
from otel_jcmc.wire.push import PushParser, Report

pytestmark = pytest.mark.xdist_group("jitsi-token")

PARSER = PushParser()
SECRET = "jitsi's-secret-of-the-tests-is-long-enough"
DOMAIN = "meet.example.org"
BEGIN = "-----BEGIN PUBLIC KEY-----\n"
EARLIER, LATER = 1_500_000_000, 4_000_000_000
MODE = {
    "JCMC_PUSH_AUTH": "jwt",
    "JCMC_JWT_ISSUER": "my_app",
    "JCMC_JWT_AUDIENCE": "jitsi",
    "JCMC_JWT_SUBJECT": DOMAIN,
}


# Keys and tokens


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key; each *number* has another one."""
    assert number >= 0
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def private_pem(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def certificate(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jitsi")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def jwk(key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    """Return a public key as in a JWKS."""
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    assert isinstance(made, dict)
    return {name: value for name, value in made.items() if name != "key_ops"} | more


def jwks(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": keys})


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token with *changes*; None removes one."""
    made = {
        "iss": "my_app",
        "aud": "jitsi",
        "sub": DOMAIN,
        "room": "standup",
        "exp": int(time.time()) + 600,
        "context": {"user": {"id": "u-1", "name": "Ada", "email": "ada@example.org"}},
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **changes: Any
) -> str:
    return jwt.encode(claims(**changes), key, algorithm, {"kid": kid} if kid else None)


def forged(payload: dict[str, Any], head: dict[str, Any], key: bytes) -> str:
    """Return a token signed by HMAC with any *key*, also one that libraries reject."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    signed = part(json.dumps(head).encode()) + b"." + part(json.dumps(payload).encode())
    return (signed + b"." + part(hmac.digest(key, signed, "sha256"))).decode()


# Without a service


def made(keys: Keys | None = None, **changes: Any) -> JitsiTokens:
    """Return the check of tokens by *keys*; without them, by the secret."""
    accepted: dict[str, Any] = {
        "issuers": ["my_app"],
        "audiences": ["jitsi"],
        "subjects": [DOMAIN],
        "leeway_seconds": 10,
    }
    return JitsiTokens(keys or Keys(secret_key, SECRET), **(accepted | changes))


def report(conference: str = "standup", **changes: Any) -> Report:
    return PARSER.parse(json.dumps(push_body(conference=conference, **changes)).encode())


def owner(tokens: JitsiTokens, text: str, conference: str = "standup") -> str:
    """Return the owner of a push with the token *text* in its header."""
    return tokens([(b"authorization", b"Bearer " + text.encode())], report(conference))


def reason(tokens: JitsiTokens, text: str, conference: str = "standup") -> Reason:
    """Return why a push with the token *text* is refused."""
    with pytest.raises(PushRefused) as error:
        owner(tokens, text, conference)
    assert [fault.field for fault in error.value.faults] == ["token"]
    return error.value.reason


# Claims


def test_a_good_token_says_who_pushes() -> None:
    assert owner(made(), token()) == "my_app\0u-1"


def test_a_beacon_has_its_token_in_the_body() -> None:
    assert made()([], report(token=token())) == "my_app\0u-1"


def test_a_push_without_a_token_is_refused() -> None:
    with pytest.raises(PushRefused) as error:
        made()([], report())
    assert error.value.reason is Reason.TOKEN_MISSING


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another_app"},
        {"iss": None},
        {"iss": "MY_APP"},
        {"iss": ["my_app"]},
        {"aud": "another"},
        {"aud": None},
        {"aud": "*"},
        {"aud": ["another", "third"]},
        {"aud": []},
        {"aud": [["jitsi"]]},
        {"aud": 5},
        {"sub": "evil.example.org"},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"room": None},
        {"room": ""},
        {"room": 5},
        {"room": ["standup"]},
        {"exp": None},
        {"exp": "soon"},
        {"exp": []},
        {"nbf": LATER},
        {"nbf": "later"},
        {"iat": LATER},
        {"context": {"user": {"id": ["u-1"]}}},
        {"context": {"user": {"id": True}}},
        {"context": {"user": {"id": "\ud800"}}},
    ],
    ids=str,
)
def test_a_token_with_one_claim_wrong_is_refused(changes: dict[str, Any]) -> None:
    if isinstance(changes.get("iss"), list) or changes.get("sub") == 5:
        # PyJWT signs no such token; other libraries do.
        text = forged(claims(**changes), {"alg": "HS256"}, SECRET.encode())
    else:
        text = token(**changes)
    assert reason(made(), text) is Reason.TOKEN_INVALID


def test_an_infinite_end_is_none() -> None:
    text = forged(claims(exp=1e999), {"alg": "HS256"}, SECRET.encode())
    assert reason(made(), text) is Reason.TOKEN_INVALID


def test_an_expired_token_is_refused_as_such_once_the_clocks_cannot_differ_by_as_much() -> None:
    now = int(time.time())
    assert owner(made(), token(exp=now - 5))
    assert reason(made(), token(exp=now - 11)) is Reason.TOKEN_EXPIRED
    assert reason(made(leeway_seconds=0), token(exp=now - 1)) is Reason.TOKEN_EXPIRED
    assert owner(made(leeway_seconds=60), token(exp=now - 50))


def test_a_token_begins_when_it_says_give_or_take_the_clocks() -> None:
    now = int(time.time())
    assert owner(made(), token(nbf=now + 5))
    assert reason(made(), token(nbf=now + 20)) is Reason.TOKEN_INVALID
    assert reason(made(leeway_seconds=0), token(nbf=now + 5)) is Reason.TOKEN_INVALID


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["other", "jitsi"]},
        {"sub": "MEET.example.org"},
        {"sub": "*"},
        {"room": "*"},
        {"room": "StandUp"},
        {"nbf": EARLIER},
        {"iat": EARLIER},
    ],
    ids=str,
)
def test_what_jitsi_takes_is_taken(changes: dict[str, Any]) -> None:
    assert owner(made(), token(**changes)) == "my_app\0u-1"


def test_of_several_that_are_accepted_one_is_enough() -> None:
    tokens = made(issuers=["a", "my_app"], audiences=["b", "jitsi"], subjects=["c", DOMAIN])
    assert owner(tokens, token())


@pytest.mark.parametrize("claim", ["iss", "aud", "sub"])
@pytest.mark.parametrize("said", ["whatever", None])
def test_what_may_be_anything_may_be_missing_too(claim: str, said: str | None) -> None:
    accepted: Any = {{"iss": "issuers", "aud": "audiences", "sub": "subjects"}[claim]: ["*"]}
    changes: dict[str, Any] = {claim: said}
    assert owner(made(**accepted), token(**changes))


@pytest.mark.parametrize(
    "context",
    [
        *(None, {}, {"user": {}}, {"user": {"name": "Ada"}}, {"user": {"id": ""}}),
        *({"user": {"id": None}}, {"user": "ada"}, "ada", []),
    ],
    ids=str,
)
def test_a_token_without_a_users_id_is_nobodys(context: Any) -> None:
    """Only the conference can be checked then."""
    assert owner(made(), token(context=context)) == ""


def test_a_users_id_may_be_a_number() -> None:
    assert owner(made(), token(context={"user": {"id": 0}})) == "my_app\x000"


def test_two_issuers_users_are_two_even_with_one_id() -> None:
    tokens = made(issuers=["my_app", "other"])
    assert owner(tokens, token()) != owner(tokens, token(iss="other"))


# Conferences


@pytest.mark.parametrize(
    ("conference", "room", "sub", "is_allowed"),
    [
        # The table of docs/security.md.
        ("standup", "standup", DOMAIN, True),
        ("StandUp", "sTANDuP", DOMAIN, True),
        ("standup", "*", DOMAIN, True),
        ("retro", "standup", DOMAIN, False),
        ("standup", "standup", "*", True),
        ("standup", "standup", "acme", True),
        ("acme/standup", "standup", "acme", True),
        ("ACME/StandUp", "standup", "Acme", True),
        ("[acme]standup", "standup", "acme", True),
        ("[Acme]Standup", "*", "acme", True),
        ("acme/standup", "standup", "*", True),
        ("acme/standup", "*", "*", True),
        ("acme/standup", "standup", "umbrella", False),
        ("[acme]standup", "standup", "umbrella", False),
        ("acme/standup", "*", "umbrella", False),
        ("acme/standup", "standup", DOMAIN, False),
        ("acme/retro", "standup", "acme", False),
        # And attacks.
        ("acme/standup", "acme/standup", "umbrella", False),
        ("acme/standup", "acme/standup", "acme", False),
        ("[acme]standup", "[acme]standup", "umbrella", False),
        ("/standup", "standup", "acme", False),
        ("[]standup", "standup", "acme", False),
        ("umbrella/acme/standup", "standup", "acme", False),
        ("umbrella/acme/standup", "standup", "umbrella/acme", True),
        ("acme/", "standup", "acme", False),
        ("standup ", "standup", DOMAIN, False),
        ("*", "standup", DOMAIN, False),
        ("stand*", "standup", DOMAIN, False),
        ("standup", "stand*", DOMAIN, False),
        ("standup", "stand.p", DOMAIN, False),
        ("[acme]\nstandup", "standup", "acme", False),
        # Different conferences that only some Unicode comparisons take for one.
        ("straße", "strasse", DOMAIN, False),
        ("strasse", "straße", DOMAIN, False),
        ("\N{KELVIN SIGN}", "k", DOMAIN, False),
        ("k", "\N{KELVIN SIGN}", DOMAIN, False),
        ("\N{LATIN SMALL LETTER LONG S}tandup", "standup", DOMAIN, False),
        ("ﬁrst", "first", DOMAIN, False),
        ("acme\N{KELVIN SIGN}/standup", "standup", "acmek", False),
        ("Straße", "sTRAßE", DOMAIN, True),
        ("stra%c3%9fe", "stra%C3%9Fe", DOMAIN, True),
    ],
)
def test_a_token_is_for_its_own_conference_of_its_own_tenant(
    conference: str, room: str, sub: str, *, is_allowed: bool
) -> None:
    tokens = made(subjects=["*"])
    text = token(room=room, sub=sub)
    if is_allowed:
        assert owner(tokens, text, conference)
        assert owner(tokens, text, conference)
    else:
        assert reason(tokens, text, conference) is Reason.CONFERENCE_NOT_ALLOWED
        assert reason(tokens, text, conference) is Reason.CONFERENCE_NOT_ALLOWED


def test_a_tenant_that_is_not_accepted_pushes_nothing() -> None:
    """Pages push a room's name without its tenant: only an operator can say whose it may be."""
    assert reason(made(), token(sub="acme")) is Reason.TOKEN_INVALID
    assert owner(made(subjects=[DOMAIN, "ACME"]), token(sub="acme"))


@given(conference=st.text(min_size=1), room=st.text(min_size=1), tenant=st.text())
def test_no_name_gets_a_token_into_another_room(conference: str, room: str, tenant: str) -> None:
    conference, room, tenant = in_lower(conference), in_lower(room), in_lower(tenant)
    names = {room, f"{tenant}/{room}", f"[{tenant}]{room}"}
    if room != "*" and tenant != "*" and is_for(conference, room, tenant):
        assert conference in names


@given(one=st.text(max_size=20), other=st.text(max_size=20))
def test_names_are_one_if_they_differ_in_letters_of_ascii_at_most(one: str, other: str) -> None:
    for each in (other, one.swapcase(), one.casefold(), one.upper(), one.lower()):
        is_one = len(one) == len(each) and all(
            a == b or (a.isascii() and b.isascii() and a.lower() == b.lower())
            for a, b in zip(one, each, strict=True)
        )
        assert (in_lower(one) == in_lower(each)) == is_one


@pytest.mark.parametrize("subject", ["straße.example", "\N{KELVIN SIGN}.example"])
def test_a_domain_is_compared_as_a_room_is(subject: str) -> None:
    alike = subject.replace("ß", "ss").replace("\N{KELVIN SIGN}", "k")
    assert reason(made(subjects=[subject]), token(sub=alike)) is Reason.TOKEN_INVALID
    assert owner(made(subjects=[subject.replace("example", "ExAMPLE")]), token(sub=subject))


# Headers


@pytest.mark.parametrize("more", ["Bearer {}", "Bearer x.y.z", "Basic YWRhOnNlY3JldA==", ""])
def test_of_two_authorizations_none_counts(more: str) -> None:
    good, tokens = token(), made()
    headers = [
        (b"authorization", b"Bearer " + good.encode()),
        (b"user-agent", b"x"),
        (b"authorization", more.format(good).encode()),
    ]
    for each in (headers, headers[::-1]):
        with pytest.raises(PushRefused) as error:
            tokens(each, report(token=good))
        assert error.value.reason is Reason.TOKEN_AMBIGUOUS


# Keys, and the signatures that they verify


def by(path: Path, read: Callable[[str], Any], text: str) -> Keys:
    path.write_text(text)
    return Keys(read, path=path)


def all_keys(folder: Path) -> dict[str, Keys]:
    """Return every way to give a key, by name."""
    (folder / "rsa.pem").write_text(public_pem(rsa_key()))
    return {
        "secret": Keys(secret_key, SECRET),
        "rsa": keys_of(public_key=public_pem(rsa_key())),
        "rsa in a line": keys_of(public_key=public_pem(rsa_key()).strip().replace("\n", "\\n")),
        "rsa in a file": keys_of(public_key=str(folder / "rsa.pem")),
        "rsa certificate": keys_of(public_key=certificate(rsa_key())),
        "ec": keys_of(public_key=public_pem(ec_key())),
        "jwks of rsa": by(folder / "a", jwks_keys, jwks(jwk(rsa_key(), "RS256", kid="a"))),
        "jwks of ec": by(folder / "b", jwks_keys, jwks(jwk(ec_key(), "ES256", kid="b"))),
    }


def all_tokens() -> dict[str, str]:
    """Return a token of each signer."""
    return {
        "secret": token(),
        "rsa": token(rsa_key(), "RS256"),
        "ec": token(ec_key(), "ES256"),
        "another secret": token(SECRET + "x"),
        "another rsa": token(rsa_key(1), "RS256"),
        "HS512": token(SECRET * 2, "HS512"),
        "RS512": token(rsa_key(), "RS512"),
        "PS256": token(rsa_key(), "PS256"),
        "none": token(None, "none"),
        "None": forged(claims(), {"alg": "None"}, b"").rpartition(".")[0] + ".",
        "no alg": forged(claims(), {}, SECRET.encode()),
    }


def test_each_key_verifies_what_it_signs_by_its_own_algorithm_and_nothing_else(
    tmp_path: Path,
) -> None:
    signed = all_tokens()
    taken = {
        name: [signer for signer, text in signed.items() if _is_taken(made(keys), text)]
        for name, keys in all_keys(tmp_path).items()
    }
    assert taken == {
        "secret": ["secret"],
        "rsa": ["rsa"],
        "rsa in a line": ["rsa"],
        "rsa in a file": ["rsa"],
        "rsa certificate": ["rsa"],
        "ec": ["ec"],
        "jwks of rsa": ["rsa"],
        "jwks of ec": ["ec"],
    }


def _is_taken(tokens: JitsiTokens, text: str) -> bool:
    try:
        return bool(owner(tokens, text))
    except PushRefused as why:
        return why.reason is not Reason.TOKEN_INVALID


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_a_public_key_is_nobodys_secret(tmp_path: Path, algorithm: str) -> None:
    """Everybody has it: with HMAC, everybody could sign tokens with it."""
    listed = jwk(rsa_key(), "RS256", kid="a")
    public = [
        public_pem(rsa_key()),
        public_pem(rsa_key()).strip(),
        public_pem(ec_key()),
        certificate(rsa_key()),
        jwks(listed),
        json.dumps(listed),
        listed["n"],
    ]
    for name, keys in all_keys(tmp_path).items():
        for key in public:
            for kid in (None, "a", "b"):
                head = {"alg": algorithm, "typ": "JWT"} | ({"kid": kid} if kid else {})
                text = forged(claims(), head, key.encode())
                assert reason(made(keys), text) is Reason.TOKEN_INVALID, name


def test_a_token_brings_no_key_of_its_own(tmp_path: Path) -> None:
    """`jwk`, `jku` and `x5u` in a head are only the sender's claims."""
    other = jwk(rsa_key(1), "RS256", kid="a")
    keys = by(tmp_path / "a", jwks_keys, jwks(jwk(rsa_key(), "RS256", kid="a")))
    head = {"kid": "a", "jwk": other, "jku": "http://127.0.0.1:9/jwks", "x5u": "file:///etc/x"}
    text = jwt.encode(claims(), rsa_key(1), "RS256", head)
    assert reason(made(keys), text) is Reason.TOKEN_INVALID


def test_of_several_keys_the_one_that_is_named_counts(tmp_path: Path) -> None:
    both = jwks(jwk(rsa_key(), "RS256", kid="a"), jwk(rsa_key(1), "RS256", kid="b"))
    tokens = made(by(tmp_path / "a", jwks_keys, both))
    assert owner(tokens, token(rsa_key(), "RS256", kid="a"))
    assert owner(tokens, token(rsa_key(1), "RS256", kid="b"))
    assert owner(tokens, token(rsa_key(1), "RS256"))
    assert reason(tokens, token(rsa_key(1), "RS256", kid="a")) is Reason.TOKEN_INVALID
    assert reason(tokens, token(rsa_key(), "RS256", kid="c")) is Reason.TOKEN_INVALID


def test_a_set_may_hold_keys_of_both_kinds_and_tokens_no_name(tmp_path: Path) -> None:
    both = jwks(jwk(rsa_key(), "RS256"), jwk(ec_key(), "ES256"))
    tokens = made(by(tmp_path / "a", jwks_keys, both))
    assert owner(tokens, token(rsa_key(), "RS256"))
    assert owner(tokens, token(ec_key(), "ES256"))


def test_a_key_that_is_alone_needs_no_name() -> None:
    """Jitsi's own head names one, by which Prosody finds its file."""
    keys = keys_of(public_key=public_pem(rsa_key()))
    assert owner(made(keys), token(rsa_key(), "RS256", kid="jitsi/custom_key_name"))


def test_of_a_set_only_keys_for_these_signatures_are_taken(tmp_path: Path) -> None:
    listed = [
        jwk(rsa_key(), "RS256", kid="good", alg="RS256", use="sig"),
        jwk(rsa_key(1), "RS256", kid="encrypts", use="enc"),
        jwk(rsa_key(1), "RS256", kid="other", alg="RS512"),
        jwk(ec_key(ec.SECP384R1), "ES384", kid="curve"),
        {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"x" * 32).decode()},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "aaaa"},
    ]
    keys = by(tmp_path / "a", jwks_keys, jwks(*listed))
    assert [(key.algorithm, key.name) for key in keys.now] == [("RS256", "good")]
    text = forged(claims(), {"alg": "HS256", "kid": "secret"}, b"x" * 32)
    assert reason(made(keys), text) is Reason.TOKEN_INVALID


def test_of_a_key_in_a_set_the_private_part_is_not_read(tmp_path: Path) -> None:
    algorithm = jwt.get_algorithm_by_name("RS256")
    private = algorithm.to_jwk(rsa_key(), as_dict=True)
    assert "d" in private
    keys = by(tmp_path / "a", jwks_keys, jwks(private))
    assert isinstance(keys.now[0].verifier, rsa.RSAPublicKey)


@pytest.mark.parametrize(
    ("read", "text", "line"),
    [
        ("pem", lambda: "", "no public key in PEM"),
        ("pem", lambda: f"{BEGIN}AAAA\n-----END PUBLIC KEY-----", "no public key in PEM"),
        (
            "pem",
            lambda: private_pem(rsa_key()),
            "this is a private key, which only the issuer needs",
        ),
        ("pem", lambda: public_pem(rsa_key(bits=1024)), "an RSA key must have at least 2048 bits"),
        (
            "pem",
            lambda: public_pem(ec_key(ec.SECP384R1)),
            "the key must be RSA or on the curve P-256",
        ),
        ("jwks", lambda: "", "no JWKS"),
        ("jwks", lambda: "[]", "no JWKS"),
        ("jwks", lambda: '{"keys": 5}', "no JWKS"),
        ("jwks", lambda: '{"keys": [{"kty": "RSA", "n": "AAAA"}]}', "no JWKS"),
        ("jwks", lambda: '{"keys": []}', "no key for RS256 or ES256 in the JWKS"),
        (
            "jwks",
            lambda: jwks(jwk(rsa_key(bits=1024), "RS256")),
            "an RSA key must have at least 2048",
        ),
        ("secret", lambda: public_pem(rsa_key()), "this must be a secret, but it is a key"),
    ],
)
def test_what_is_no_key_is_told_in_one_line_that_holds_none(
    read: str, text: Callable[[], str], line: str
) -> None:
    readers = {"pem": jitsi_keys.pem_key, "jwks": jwks_keys, "secret": secret_key}
    with pytest.raises(KeysUnusable) as error:
        Keys(readers[read], text())
    said = str(error.value)
    assert said.startswith(line)
    assert "\n" not in said
    assert len(said) < 100


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/nowhere/jwks", "/nowhere/jwks: No such file or directory"),
        ("/bin/true", "/bin/true: it is not UTF-8 text"),
        ("/dev/null", "/dev/null: no public key in PEM"),
    ],
)
def test_a_file_without_a_key_is_told_with_its_path(path: str, line: str) -> None:
    with pytest.raises(KeysUnusable) as error:
        keys_of(public_key=path)
    assert str(error.value) == line


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_service_without_a_key_does_not_start_and_says_why_in_one_line(
    short_path: Path, command: str
) -> None:
    """The store that it began to start ends first, and its folder is removed."""
    service = Service(short_path, JCMC_JWT_JWKS_FILE="/nowhere/jwks", **MODE)
    ended = imported.run(command, folder=short_path, environ=service.environ)
    assert ended.returncode == 1
    assert (ended.stdout == "") is (command == "serve")
    assert ended.stderr == "otel-jcmc: /nowhere/jwks: No such file or directory\n"
    left = [each for each in psutil.process_iter(["cmdline"]) if str(short_path) in str(each.info)]
    assert left == []
    assert not (short_path / "store").exists()


def test_the_application_is_made_with_each_kind_of_key(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(jwks(jwk(ec_key(), "ES256")))
    accepted: dict[str, Any] = {
        "push_auth": "jwt",
        "jwt_issuer": "my_app",
        "jwt_audience": "jitsi",
        "jwt_subject": DOMAIN,
        "redis_url": "unix:///nowhere",
    }
    for key in (
        {"jwt_secret": SECRET},
        {"jwt_public_key": public_pem(rsa_key())},
        {"jwt_jwks_file": tmp_path / "jwks"},
    ):
        door = create_app(Settings(**accepted, **key)).push_endpoint
        assert isinstance(door._intake._authorise, JitsiTokens)


# Keys that change


def changed(path: Path, text: str) -> None:
    """Replace the file by *text* in one step, as operators should."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock by which files are checked."""
    now = [1000.0]
    monkeypatch.setattr(jitsi_keys, "monotonic", lambda: now[0])
    return now


def test_a_file_is_looked_at_every_2_seconds(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "key"
    keys = by(path, jitsi_keys.pem_key, public_pem(rsa_key()))
    tokens = made(keys)
    old, new = token(rsa_key(), "RS256"), token(rsa_key(1), "RS256")
    assert owner(tokens, old)
    changed(path, public_pem(rsa_key(1)))
    clock[0] += 1.9
    assert owner(tokens, old)
    assert reason(tokens, new) is Reason.TOKEN_INVALID
    clock[0] += 0.2
    assert reason(tokens, old) is Reason.TOKEN_INVALID
    assert owner(tokens, new)


def test_a_file_that_stays_is_read_once(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = by(tmp_path / "key", jitsi_keys.pem_key, public_pem(rsa_key()))
    monkeypatch.setattr(keys, "_load", pytest.fail)
    for _ in range(5):
        clock[0] += 10
        assert keys.reload() is False


@pytest.mark.parametrize("broken", ["", "no key", None, b"\xff\xfe"], ids=str)
def test_a_file_that_is_broken_keeps_the_old_keys_and_is_logged_once(
    tmp_path: Path,
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    broken: str | bytes | None,
) -> None:
    path = tmp_path / "jwks"
    tokens = made(by(path, jwks_keys, jwks(jwk(rsa_key(), "RS256"))))
    text = token(rsa_key(), "RS256")
    assert owner(tokens, text)
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken.encode() if isinstance(broken, str) else broken)
    for _ in range(5):
        clock[0] += 10
        assert owner(tokens, text)
    (line,) = caplog.messages
    assert line.startswith(f"keys: {path}: ")
    assert line.endswith("; the old ones stay")
    with caplog.at_level("INFO"):
        changed(path, jwks(jwk(rsa_key(1), "RS256"), jwk(ec_key(), "ES256")))
        clock[0] += 10
        assert reason(tokens, text) is Reason.TOKEN_INVALID
    assert caplog.messages[-1] == f"keys: {path} was read again, keys in it: 2"


# On the running service


@pytest.fixture(scope="module")
def jitsi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that demands Jitsi's tokens, signed with SECRET."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_JWT_SECRET=SECRET, JCMC_LOG_LEVEL="DEBUG", **MODE) as running:
        yield running


def push(service: Service, text: str | None, **changes: Any) -> Answer:
    """Push with the token *text* in the header."""
    headers = {"authorization": f"Bearer {text}"} if text else {}
    return service.push(push_body(**changes), headers=headers)


def refused(answer: Answer) -> tuple[int, list[dict[str, str]]]:
    return answer.status, answer.json()["errors"]


def test_who_has_a_token_for_the_conference_pushes(jitsi: Service, room: str) -> None:
    answer = push(jitsi, token(room=room), conference=room)
    assert (answer.status, answer.body) == (200, "OK")
    beacon = push_body("beacon", room, token=token(room=room, context=None))
    assert jitsi.push(beacon).body == "OK"
    assert len(exposed(jitsi, room)) == 26


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        ({"room": "another"}, 403, "conference_not_allowed"),
        ({"iss": "another"}, 401, "token_invalid"),
        ({"exp": EARLIER}, 401, "token_expired"),
    ],
)
def test_anybody_else_is_refused_and_counted_by_reason(
    jitsi: Service, changes: dict[str, Any], status: int, why: str
) -> None:
    series = f'otel_jcmc_pushes_total{{outcome="refused",reason="{why}"}}'
    before = jitsi.own(series) or 0
    answer = push(jitsi, token(**changes))
    assert refused(answer) == (status, [{"field": "token", "reason": why}])
    assert answer.headers["www-authenticate"] == ("Bearer" if status == 401 else None)
    assert answer.headers["retry-after"] is None
    assert jitsi.own(series) == before + 1


def test_a_participant_belongs_to_the_user_who_pushed_first(jitsi: Service, room: str) -> None:
    """In the same conference, where the token alone would permit pushes for everybody."""

    def as_user(user: str | None, participant: str = "one", **claim: Any) -> Answer:
        context = {"user": {"id": user}} if user else None
        text = token(room=room, context=context, **claim)
        return push(jitsi, text, participant=participant, conference=room)

    assert as_user("ada").body == "OK"
    assert as_user("ada", exp=LATER).body == "OK"
    taken = (403, [{"field": "token", "reason": "participant_taken"}])
    assert refused(as_user("eve")) == taken
    assert refused(as_user(None)) == taken
    assert as_user("eve", participant="two").body == "OK"
    assert len(exposed(jitsi, room)) == 26


def test_without_a_token_nobody_pushes(jitsi: Service) -> None:
    assert refused(push(jitsi, None)) == (401, [{"field": "token", "reason": "token_missing"}])


def test_the_client_sends_the_pages_token_without_more_being_said(jitsi: Service) -> None:
    script = jitsi.get("/client-file").body
    assert '"sendJwt":true' in script
    assert '"tokenUrl"' not in script


def test_no_tokens_of_our_own_are_given(jitsi: Service) -> None:
    answer = jitsi.get("/push-token", method="POST", headers={"origin": "https://meet.example.org"})
    assert answer.status == 404


def test_nothing_of_a_token_is_told_or_logged(jitsi: Service) -> None:
    good, late = token(), token(exp=EARLIER, context={"user": {"id": "u-secret"}})
    answers = [
        *(push(jitsi, text) for text in (good, late, late[:-3], "a.b.c")),
        push(jitsi, good, conference="another"),
        jitsi.push(push_body(token=late)),
        jitsi.get("/metrics"),
    ]
    told = [f"{answer.body}{answer.headers}" for answer in answers]
    told.append(jitsi.log.read_text())
    hidden = [*good.split(".")[1:], *late.split(".")[1:], SECRET, "u-secret", "ada@example.org"]
    for text in told:
        assert [word for word in hidden if word in text] == []


def test_keys_are_changed_under_a_running_service(short_path: Path, tmp_path: Path) -> None:
    """The old key ends at once, also for tokens it had verified; a broken file changes nothing."""
    path = tmp_path / "jwks.json"
    changed(path, jwks(jwk(rsa_key(), "RS256", kid="a")))
    old, new = token(rsa_key(), "RS256", kid="a"), token(ec_key(), "ES256", kid="b")
    with Service(short_path / "a", JCMC_JWT_JWKS_FILE=str(path), **MODE) as service:
        assert push(service, old).body == "OK"
        assert push(service, new).status == 401
        changed(path, jwks(jwk(ec_key(), "ES256", kid="b")))
        eventually(lambda: push(service, new).status == 200)
        assert push(service, old).status == 401
        changed(path, "{")
        eventually(lambda: push(service, new).status and "stay" in service.log.read_text())
        assert push(service, new).body == "OK"


def test_a_short_secret_works_and_is_told_of_at_the_start(short_path: Path) -> None:
    """The secret is the deployment's; only its operator can change it."""
    with Service(short_path / "a", JCMC_JWT_SECRET="short", **MODE) as service:
        with pytest.warns(jwt.InsecureKeyLengthWarning):
            text = token("short")
        assert push(service, text).body == "OK"
        assert "Warning" not in service.log.read_text()


# The memory of verified tokens


def test_a_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    decode = jwt.decode

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return decode(*args, **kwargs)

    monkeypatch.setattr(jwt, "decode", counted)
    tokens = made()
    good, late = token(room="*"), token(exp=int(time.time()) - 3)
    for conference in ("standup", "retro"):
        assert owner(tokens, good, conference)
    assert reason(tokens, good, "acme/standup") is Reason.CONFERENCE_NOT_ALLOWED
    assert len(calls) == 1
    for _ in range(2):
        owner(tokens, late)
    assert len(calls) == 4


def test_a_remembered_token_expires() -> None:
    tokens = made()
    text = token(exp=int(time.time()) - 3)
    owner(tokens, text)
    tokens._leeway_seconds = 0
    assert reason(tokens, text) is Reason.TOKEN_EXPIRED


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    assert made()._known.cache_info().maxsize == bearer.REMEMBERED == 32_768


def values() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "room", "exp", "nbf", "iat", "jti", "context"]),
        values(),
    )
)
def test_whatever_a_signed_token_holds_it_is_taken_or_refused(changes: dict[str, Any]) -> None:
    payload = json.loads(json.dumps(claims() | changes))
    text = forged(payload, {"alg": "HS256"}, SECRET.encode())
    with suppress(PushRefused):
        owner(made(), text).encode()
