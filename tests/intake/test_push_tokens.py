"""
Push tokens: who gets one, what it permits, and the answer to a push without one.

The tests use a running service in the mode `token`, and single parts where they say more.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import jwt
import pytest
from exposition import exposed
from harness import Answer, Service, eventually, push_body, request
from hypothesis import given
from hypothesis import strategies as st

from otel_jcmc.catalogue.reasons import PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake import bearer, push_tokens
from otel_jcmc.intake.push_tokens import PushTokens
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.link import Link
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.web.cors import Cors
from otel_jcmc.wire.push import PushParser, Report

pytestmark = pytest.mark.xdist_group("push-token")

MEET, OTHER, EVIL = (
    "https://meet.example.org",
    "https://other.example.org",
    "https://evil.example.org",
)
PARSER = PushParser()
SECRET = "a-secret-of-the-tests-that-is-long-enough"
ORIGIN = (b"origin", MEET.encode())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that demands push tokens, with a secret known to the tests."""
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        JCMC_PUSH_AUTH="token",
        JCMC_PUSH_TOKEN_SECRET=SECRET,
        JCMC_CORS_ALLOWED_ORIGINS=f"{MEET},{OTHER}",
    ) as running:
        yield running


def ask(service: Service, origin: str | None = MEET, path: str = "/push-token") -> Answer:
    """Request a token as a page of *origin* does."""
    headers = {"origin": origin} if origin else {}
    return service.get(path, method="POST", headers=headers)


def token_of(service: Service, origin: str = MEET) -> str:
    """Return a token for pages of *origin*."""
    token = ask(service, origin).json()["token"]
    assert isinstance(token, str)
    return token


def push(service: Service, token: str | None, origin: str | None = MEET, **changes: Any) -> Answer:
    """Push with *token* in the header as a page of *origin* does."""
    headers = {"origin": origin} if origin else {}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return service.push(push_body(**changes), headers=headers)


def refused(answer: Answer) -> tuple[int, list[dict[str, str]]]:
    """Return status and faults of an answer."""
    return answer.status, answer.json()["errors"]


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """Return a token like ours, with *changes* to its claims; None removes one."""
    now = int(time.time())
    claims = {"origin": MEET, "iat": now, "exp": now + 600} | changes
    left = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(left, secret, algorithm)


def unsigned() -> str:
    """Return a token that declares that it is not signed."""
    nothing: Any = None
    return signed(nothing, "none")


# Who gets a token


@pytest.mark.parametrize("path", ["/push-token", "/metrics/push-token"])
def test_a_page_of_an_allowed_origin_gets_a_token(guarded: Service, path: str) -> None:
    answer = ask(guarded, path=path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == MEET
    assert answer.headers["vary"] == "origin"
    issued = answer.json()
    assert set(issued) == {"token", "expires_in"}
    assert issued["expires_in"] == 3600


def test_a_token_says_its_origin_and_its_life_and_nothing_else(guarded: Service) -> None:
    token = token_of(guarded)
    claims = jwt.decode(token, SECRET, ["HS256"])
    assert set(claims) == {"origin", "iat", "exp"}
    assert claims["origin"] == MEET
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60


@pytest.mark.parametrize(
    "origin", [None, EVIL, "null", "https://meet.example.org:8443", "http://meet.example.org"]
)
def test_nobody_else_gets_one_and_that_is_counted(guarded: Service, origin: str | None) -> None:
    series = 'otel_jcmc_push_tokens_total{outcome="refused",reason="origin_not_allowed"}'
    before = guarded.own(series) or 0
    answer = ask(guarded, origin)
    assert refused(answer) == (403, [{"field": "origin", "reason": "origin_not_allowed"}])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] is None
    assert guarded.own(series) == before + 1


def test_tokens_that_were_given_are_counted(guarded: Service) -> None:
    series = 'otel_jcmc_push_tokens_total{outcome="accepted",reason=""}'
    before = guarded.own(series) or 0
    token_of(guarded)
    assert guarded.own(series) == before + 1


@pytest.mark.parametrize("path", ["/push-token", "/metrics/push-token"])
def test_a_preflight_for_a_token_is_answered(guarded: Service, path: str) -> None:
    answer = guarded.get(
        path,
        method="OPTIONS",
        headers={"origin": MEET, "access-control-request-method": "POST"},
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == MEET
    assert answer.headers["access-control-allow-methods"] == "POST"


def test_a_token_is_given_to_a_post_alone(guarded: Service) -> None:
    """A GET may lack the page's origin, and may come from a cache."""
    assert guarded.get("/push-token", headers={"origin": MEET}).status == 405


def test_an_address_that_asks_too_often_waits_and_others_get_theirs(short_path: Path) -> None:
    settings = {
        "JCMC_PUSH_AUTH": "token",
        "JCMC_CORS_ALLOWED_ORIGINS": MEET,
        "JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND": "0.5",
    }

    def asked(service: Service, address: str) -> Answer:
        headers = {"origin": MEET, "x-forwarded-for": address}
        return service.get("/push-token", method="POST", headers=headers)

    with Service(short_path, **settings) as service:
        answers = [asked(service, "198.51.100.7") for _ in range(10)]
        assert [answer.status for answer in answers[:5]] == [200] * 5
        assert answers[-1].status == 429
        assert answers[-1].json()["errors"] == [{"field": "", "reason": "address_rate"}]
        assert int(answers[-1].headers["retry-after"]) in (1, 2)
        assert answers[-1].headers["access-control-allow-origin"] == MEET
        assert asked(service, "198.51.100.8").status == 200
        counted = 'otel_jcmc_push_tokens_total{outcome="refused",reason="address_rate"}'
        assert service.own(counted) == [answer.status for answer in answers].count(429)


@pytest.mark.parametrize("path", ["/push-token", "/metrics/push-token"])
def test_where_nobody_asks_for_tokens_there_are_none(shared_service: Service, path: str) -> None:
    assert ask(shared_service, path=path).status == 404


def test_where_all_origins_may_push_any_gets_a_token_of_its_own() -> None:
    tokens = PushTokens(SharedSecret("", "", SECRET.encode()), 600, Cors(["*"]).allows)
    issued = tokens.issue([(b"origin", EVIL.encode())])
    claims = jwt.decode(str(issued["token"]), SECRET, ["HS256"])
    assert (claims["origin"], issued["expires_in"]) == (EVIL, 600)


# What a token permits


def test_a_push_with_a_token_in_its_header_is_taken(guarded: Service, room: str) -> None:
    answer = push(guarded, token_of(guarded), conference=room)
    assert (answer.status, answer.body) == (200, "OK")
    assert len(exposed(guarded, room)) == 13


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_schemes_case_and_blanks_do_not_matter(guarded: Service, scheme: str) -> None:
    headers = {"origin": MEET, "authorization": f"{scheme} {token_of(guarded)}"}
    assert guarded.push(push_body(), headers=headers).status == 200


def test_a_beacon_has_its_token_in_the_body(guarded: Service) -> None:
    body = push_body(token=token_of(guarded))
    assert guarded.push(body, headers={"origin": MEET}).body == "OK"


def test_an_authorization_of_another_kind_leaves_it_to_the_body(guarded: Service) -> None:
    """For instance of a page behind a password."""
    headers = {"origin": MEET, "authorization": "Basic YWRhOnNlY3JldA=="}
    assert guarded.push(push_body(token=token_of(guarded)), headers=headers).body == "OK"


def ask_with(service: Service, path: str, *headers: tuple[str, str]) -> tuple[int, Any]:
    """Return status and faults of the answer to a push, or to a request for a token."""
    connection = HTTPConnection(service.url.removeprefix("http://"))
    with closing(connection):
        body = json.dumps(push_body()).encode() if path == "/metrics/push" else b""
        connection.putrequest("POST", path)
        for name, value in (*headers, ("content-length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["errors"]


def test_of_two_authorizations_none_counts(guarded: Service) -> None:
    bearer = ("authorization", f"Bearer {token_of(guarded)}")
    for pair in ((bearer, ("authorization", "Basic eA==")), (bearer, bearer)):
        told = ask_with(guarded, "/metrics/push", ("origin", MEET), *pair)
        assert told == (401, [{"field": "token", "reason": "token_ambiguous"}])


def test_of_two_origins_none_is_said(guarded: Service) -> None:
    bearer = ("authorization", f"Bearer {token_of(guarded)}")
    evil = "https://evil.example"
    for pair in ((MEET, evil), (evil, MEET), (MEET, MEET)):
        origins = [("origin", each) for each in pair]
        status, (fault,) = ask_with(guarded, "/metrics/push", *origins, bearer)
        assert (status, fault["reason"]) == (403, "origin_not_allowed")
        status, (fault,) = ask_with(guarded, "/push-token", *origins)
        assert (status, fault["reason"]) == (403, "origin_not_allowed")


def test_a_push_without_a_token_is_refused_and_counted(guarded: Service) -> None:
    series = 'otel_jcmc_pushes_total{outcome="refused",reason="token_missing"}'
    before = guarded.own(series) or 0
    answer = push(guarded, None)
    assert refused(answer) == (401, [{"field": "token", "reason": "token_missing"}])
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["access-control-allow-origin"] == MEET
    assert guarded.own(series) == before + 1


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        "....",
        "é.é.é",
        "Bearer",
        "x" * 9000,
        "." * 8000,
        "e30.e30.e30",
        base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.e30",
        base64.urlsafe_b64encode(b'{"alg":1e999}').decode().rstrip("=") + ".e30.e30",
    ],
    ids=lambda token: token[:12],
)
@pytest.mark.parametrize("place", ["header", "body"])
def test_what_is_no_token_is_refused(guarded: Service, token: str, place: str) -> None:
    if place == "header":
        raw = token.encode().decode("latin-1")
        answer = push(guarded, raw)
    else:
        answer = guarded.push(push_body(token=token), headers={"origin": MEET})
    assert refused(answer) == (401, [{"field": "token", "reason": "token_invalid"}])


def test_half_an_emoji_is_no_token(guarded: Service) -> None:
    body = json.dumps(push_body(token="TOKEN")).replace("TOKEN", "\\ud83d")
    answer = guarded.push(body, headers={"origin": MEET})
    assert refused(answer) == (401, [{"field": "token", "reason": "token_invalid"}])


@pytest.mark.parametrize(
    "made",
    [
        lambda: signed("another-secret-that-is-long-enough-as-well"),
        unsigned,
        lambda: signed(SECRET + SECRET, "HS512"),
        lambda: signed(SECRET + SECRET, "HS384"),
        lambda: signed(origin=None),
        lambda: signed(origin=5),
        lambda: signed(origin="\u017f"),
        lambda: signed(iat=None),
        lambda: signed(exp=None),
        lambda: signed(exp="soon"),
        lambda: signed(iat=time.time() + 600),
        lambda: signed(nbf=time.time() + 600),
    ],
    ids=[
        *("secret", "none", "HS512", "HS384", "no-origin", "number", "latin-2", "no-iat", "no-exp"),
        *("exp-text", "iat-later", "nbf-later"),
    ],
)
def test_a_token_that_is_none_of_ours_is_refused(guarded: Service, made: Callable[[], str]) -> None:
    """Made in the test, because one from the beginning of a long run would have expired."""
    answer = push(guarded, made())
    assert refused(answer) == (401, [{"field": "token", "reason": "token_invalid"}])


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_our_own_secret_is_refused(guarded: Service, algorithm: str) -> None:
    """PyJWT wants longer secrets for these; the signature is valid all the same."""
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed(algorithm=algorithm)
    answer = push(guarded, token)
    assert refused(answer) == (401, [{"field": "token", "reason": "token_invalid"}])


def test_a_token_with_one_bit_changed_is_refused(guarded: Service) -> None:
    head, claims, signature = token_of(guarded).split(".")
    changed = ("B" if claims[5] != "B" else "C").join([claims[:5], claims[6:]])
    for token in (f"{head}.{changed}.{signature}", f"{head}.{claims}.{signature[::-1]}"):
        assert push(guarded, token).status == 401


def test_a_token_with_signs_that_base64_leaves_out_is_refused(guarded: Service) -> None:
    """Otherwise one token would have many spellings, each of which is remembered."""
    token = token_of(guarded)
    assert push(guarded, token + "!!").status == 401
    assert push(guarded, token + "=").status == 401


def test_an_expired_token_is_refused_as_such(guarded: Service) -> None:
    """10 s after its end, because the clocks of two replicas may differ by that."""
    answer = push(guarded, signed(exp=int(time.time()) - 11))
    assert refused(answer) == (401, [{"field": "token", "reason": "token_expired"}])


@pytest.mark.parametrize("origin", [OTHER, EVIL, "null", None])
def test_a_token_is_good_for_its_own_origin_alone(guarded: Service, origin: str | None) -> None:
    """Other sites can neither get one from a visitor's browser, nor send it."""
    answer = push(guarded, token_of(guarded), origin)
    assert refused(answer) == (403, [{"field": "token", "reason": "origin_not_allowed"}])


def test_a_token_of_an_origin_that_is_no_longer_allowed_is_refused(guarded: Service) -> None:
    answer = push(guarded, signed(origin=EVIL), EVIL)
    assert refused(answer) == (403, [{"field": "token", "reason": "origin_not_allowed"}])


def test_what_is_wrong_with_the_push_itself_is_said_first(guarded: Service) -> None:
    answer = guarded.push("{}", headers={"origin": MEET})
    assert answer.status == 400


def test_a_page_that_may_not_push_may_still_ask_whether_it_may(guarded: Service) -> None:
    """Across origins, the header with the token needs a preflight."""
    answer = guarded.get(
        "/metrics/push",
        method="OPTIONS",
        headers={
            "origin": MEET,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
        },
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-headers"] == "authorization"


def test_the_client_file_stays_the_same_for_all(guarded: Service) -> None:
    files = [guarded.get("/client-file", headers={"origin": each}) for each in (MEET, OTHER)]
    assert files[0].body == files[1].body
    assert files[0].headers["cache-control"] == "public, max-age=300"
    assert '"tokenUrl":"push-token"' in files[0].body
    assert "eyJ" not in files[0].body


def test_no_token_and_no_secret_is_ever_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Neither an answer, nor a scrape, nor the log at its most detailed level has them."""
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        JCMC_PUSH_AUTH="token",
        JCMC_PUSH_TOKEN_SECRET=SECRET,
        JCMC_CORS_ALLOWED_ORIGINS=MEET,
        JCMC_LOG_LEVEL="DEBUG",
    ) as service:
        token = token_of(service)
        late = signed(exp=int(time.time()) - 100)
        answers = [
            push(service, token),
            push(service, token, EVIL),
            push(service, late),
            push(service, late[:-4]),
            service.push(push_body(token=late), headers={"origin": MEET}),
            service.get("/metrics"),
            service.get("/client-file"),
            service.get("/openapi.json"),
        ]
        told = [f"{answer.body}{answer.headers}" for answer in answers]
        assert [answer.status for answer in answers] == [200, 403, 401, 401, 401, 200, 200, 200]
    told.append(service.log.read_text())
    for text in told:
        for hidden in (token, late, SECRET, *token.split(".")[1:], *late.split(".")[1:]):
            assert hidden not in text


# The secret


def test_replicas_and_restarts_agree_on_the_secret(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    environ = {
        "REDIS_URL": redis_server.url,
        "JCMC_PUSH_AUTH": "token",
        "JCMC_CORS_ALLOWED_ORIGINS": MEET,
        "JCMC_KEY_PREFIX": "jcmc:a",
    }
    with (
        Service(short_path / "a", **environ) as first,
        Service(short_path / "b", **environ) as second,
    ):
        token = token_of(first)
        assert push(second, token).body == "OK"
        first.stop()
        first.start()
        assert push(first, token).body == "OK"


def test_with_redis_away_at_the_start_tokens_come_when_it_does(short_path: Path) -> None:
    """Until then clients must try both again: no request waits or is refused for good."""
    server = EmbeddedStore(short_path / "r")
    environ = {"JCMC_PUSH_AUTH": "token", "JCMC_CORS_ALLOWED_ORIGINS": MEET}
    with Service(short_path / "a", REDIS_URL=server.url, **environ) as service:
        for answer in (ask(service), push(service, "a.b.c")):
            assert refused(answer) == (503, [{"field": "", "reason": "store_unavailable"}])
            assert answer.headers["retry-after"] == "5"
            assert answer.headers["access-control-allow-origin"] == MEET
        assert push(service, None).status == 401
        series = 'otel_jcmc_push_tokens_total{outcome="failed",reason="store_unavailable"}'
        assert service.own(series) == 1
        server.start()
        try:
            token = eventually(lambda: ask(service).json().get("token"))
            assert push(service, token).body == "OK"
        finally:
            server.stop()


def agree(*shared: SharedSecret) -> list[bytes]:
    """Let each of *shared* ask Redis once, one after the other, and return their secrets."""

    async def run() -> list[bytes]:
        for each in shared:
            await each._agree()
        for each in shared:
            await each.close()
        return [each.value for each in shared]

    return asyncio.run(run())


def command(server: EmbeddedStore, *words: Any) -> Any:
    """Return the reply to one command."""

    async def run() -> Any:
        link = Link(server.url)
        (reply,) = await link.run([words])
        await link.close()
        return reply

    return asyncio.run(run())


def test_a_secret_is_32_random_bytes_kept_for_a_day(redis_server: EmbeddedStore) -> None:
    (first,) = agree(SharedSecret(redis_server.url, "s"))
    (other,) = agree(SharedSecret(redis_server.url, "t"))
    assert len(bytes.fromhex(first.decode())) == 32
    assert first != other
    assert command(redis_server, "TTL", "s") in range(86_390, 86_401)


def test_an_emptied_redis_is_given_the_secret_again(redis_server: EmbeddedStore) -> None:
    shared = SharedSecret(redis_server.url, "s")
    (before,) = agree(shared)
    command(redis_server, "FLUSHALL")
    assert agree(shared) == [before]
    assert command(redis_server, "GET", "s") == before


def test_who_comes_second_takes_the_secret_of_who_came_first(redis_server: EmbeddedStore) -> None:
    """Two old processes and a new one, on a Redis that was emptied."""
    old = SharedSecret(redis_server.url, "s")
    agree(old)
    command(redis_server, "FLUSHALL")
    new, after = agree(SharedSecret(redis_server.url, "s"), old)
    assert new == after


@pytest.mark.parametrize("found", [b"short", b""])
def test_what_is_too_short_is_no_secret(redis_server: EmbeddedStore, found: bytes) -> None:
    command(redis_server, "SET", "s", found)
    assert agree(SharedSecret(redis_server.url, "s")) == [b""]


def test_with_a_secret_of_its_own_a_service_asks_no_redis() -> None:
    async def run() -> bytes:
        shared = SharedSecret("unix:///nowhere", "s", b"x" * 32)
        await shared.start()
        assert shared._keeping is None
        await shared.close()
        return shared.value

    assert asyncio.run(run()) == b"x" * 32


# The memory of verified tokens


class Counted:
    """`jwt.decode`, and the number of its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self._decode = jwt.decode

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self._decode(*args, **kwargs)


@pytest.fixture
def decode(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(jwt, "decode", counted)
    return counted


def made_tokens(secret: SharedSecret | None = None) -> PushTokens:
    """Return what issues and checks tokens for pages of MEET."""
    return PushTokens(secret or SharedSecret("", "", SECRET.encode()), 600, Cors([MEET]).allows)


def report(**changes: Any) -> Report:
    """Return a checked push."""
    return PARSER.parse(json.dumps(push_body(**changes)).encode())


def with_token(token: str) -> list[tuple[bytes, bytes]]:
    """Return the head of a push of MEET."""
    return [ORIGIN, (b"authorization", b"Bearer " + token.encode())]


def test_a_token_is_verified_once(decode: Counted) -> None:
    tokens = made_tokens()
    token = str(tokens.issue([ORIGIN])["token"])
    owners = [
        tokens(with_token(token), report()),
        tokens(with_token(token), report()),
        tokens([ORIGIN], report(token=token)),
    ]
    assert owners == ["", "", ""]
    assert decode.calls == 1


def test_a_token_is_not_remembered_beyond_its_end(decode: Counted) -> None:
    """Within the 10 s by which clocks may differ, it is verified each time."""
    tokens = made_tokens()
    token = signed(exp=int(time.time()) - 3)
    for _ in range(3):
        tokens(with_token(token), report())
    assert decode.calls == 4


def test_a_remembered_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = made_tokens()
    token = signed(exp=int(time.time()) - 3)
    tokens(with_token(token), report())
    monkeypatch.setattr(push_tokens, "_LEEWAY_SECONDS", 0)
    with pytest.raises(PushRefused) as error:
        tokens(with_token(token), report())
    assert error.value.reason is Reason.TOKEN_EXPIRED


def test_what_is_refused_is_not_remembered(decode: Counted) -> None:
    tokens = made_tokens()
    for _ in range(2):
        with pytest.raises(PushRefused):
            tokens(with_token(signed("another-secret-that-is-long-enough-as-well")), report())
    assert decode.calls == 2
    assert tokens._known.cache_info().currsize == 0


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    tokens = made_tokens()
    assert tokens._known.cache_info().maxsize == bearer.REMEMBERED == 32_768


def test_another_secret_ends_what_was_signed_with_the_old_one() -> None:
    secret = SharedSecret("", "", SECRET.encode())
    tokens = made_tokens(secret)
    token = str(tokens.issue([ORIGIN])["token"])
    tokens(with_token(token), report())
    secret.value = b"y" * 32
    with pytest.raises(PushRefused) as error:
        tokens(with_token(token), report())
    assert error.value.reason is Reason.TOKEN_INVALID
    secret.value = b""
    with pytest.raises(StoreUnavailable):
        tokens(with_token(token), report())


def parts() -> st.SearchStrategy[bytes]:
    """Return parts of tokens: JSON in base64, other content in base64, or neither."""
    values = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
    heads = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("alg", "kid", "typ", "crit", "b64", "x"), values)
    )
    return st.one_of(
        st.binary(),
        st.binary().map(base64.urlsafe_b64encode),
        (values | heads).map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode())),
    )


@given(st.lists(parts(), max_size=4).map(b".".join))
def test_strangers_bytes_are_refused_whatever_they_are(token: bytes) -> None:
    with pytest.raises(PushRefused) as error:
        made_tokens()([ORIGIN, (b"authorization", b"Bearer " + token)], report())
    assert error.value.reason in (Reason.TOKEN_INVALID, Reason.TOKEN_MISSING)


def test_an_application_that_mounts_us_has_the_route_too(guarded: Service) -> None:
    """By its OpenAPI document, which a host merges."""
    described = guarded.get("/openapi.json").json()["paths"]
    for path in ("/push-token", "/metrics/push-token"):
        answers = described[path]["post"]["responses"]
        assert set(answers) == {"200", "403", "429", "503"}
        assert answers["503"]["headers"]["Retry-After"]["required"]
        schema = answers["200"]["content"]["application/json"]["schema"]
        assert set(schema["required"]) == set(ask(guarded).json())


def test_a_token_request_with_a_body_is_answered_all_the_same(guarded: Service) -> None:
    answer = request(f"{guarded.url}/push-token", b"x" * 100_000, headers={"origin": MEET})
    assert answer.status == 200
