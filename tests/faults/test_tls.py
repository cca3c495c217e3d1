"""TLS to Redis: a real server with a CA of its own, over both event loops."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from harness import Service, eventually, push_body
from redis_parts import Certificates, RedisServer

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.link import Link

pytestmark = pytest.mark.xdist_group("faults-tls")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """Return a server that only speaks TLS."""
    with RedisServer(tmp_path_factory.mktemp("r"), *certificates.options) as running:
        yield running


def url_of(server: RedisServer, ca: Path) -> str:
    return f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={ca}"


LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])


@LOOPS
def test_a_link_by_tls_takes_what_is_large_and_is_opened_anew(
    server: RedisServer,
    certificates: Certificates,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The service takes the transport over from redis-py; with TLS that is another kind."""

    async def converse() -> None:
        link = Link(url_of(server, certificates.ca))
        large = "x" * 5_000_000
        for number in range(3):
            said = await link.run([("ECHO", f"{number}"), ("PING",)], 5)
            assert said == [b"%d" % number, b"PONG"]
            assert await link.run([("ECHO", large)], 5) == [large.encode()]
            # Closed by the server, then by our own time-out.
            assert await link.run([("CLIENT", "KILL", "TYPE", "normal")], 5) == [0]
            with pytest.raises(StoreUnavailable):
                await link.run([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"), ("PING",)], 5)
            with pytest.raises(StoreUnavailable):
                await link.run([("BLPOP", "nothing", 1)], 0.05)
        assert await link.run([("PING",)], 5) == [b"PONG"]
        await link.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(converse())


def test_a_service_by_tls_stores_and_shows(
    server: RedisServer, certificates: Certificates, short_path: Path
) -> None:
    with Service(short_path, REDIS_URL=url_of(server, certificates.ca)) as service:
        for number in range(20):
            assert service.push(push_body(f"p{number}")).body == "OK"
        assert service.own("otel_jcmc_participants") == 20
        with server.client(ssl=True, ssl_ca_certs=str(certificates.ca)) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert service.push(push_body("after")).body == "OK"
        server.stop()
        assert service.push(push_body("meanwhile")).status == 503
        server.start()
        assert service.push(push_body("again")).body == "OK"
        assert service.own("otel_jcmc_participants") == 1


def test_a_redis_whose_ca_is_unknown_is_refused_in_one_line(
    server: RedisServer, certificates: Certificates, short_path: Path
) -> None:
    other = Certificates(short_path / "other")
    with Service(short_path / "a", REDIS_URL=url_of(server, other.ca)) as service:
        for _ in range(5):
            assert service.push(push_body()).status == 503
        assert service.get("/-/ready").status == 503
        (line,) = service.said()
        assert "WARNING store: Redis does not answer: " in line
        assert "CERTIFICATE_VERIFY_FAILED" in line
    # A name that is not in the certificate, and a server without TLS.
    with (
        RedisServer(short_path / "plain") as plain,
        Service(short_path / "b", REDIS_URL=url_of(plain, certificates.ca)) as service,
    ):
        assert service.push(push_body()).status == 503
        eventually(lambda: len(service.said()) == 1)


def test_an_option_that_is_not_known_is_one_line_at_the_start(short_path: Path) -> None:
    service = Service(short_path, REDIS_URL="rediss://:hunter2@127.0.0.1:1?ssl_ca=hunter2")
    with pytest.raises(AssertionError, match="did not start"):
        service.start()
    assert service.stop() == 1
    said = service.log.read_text()
    assert said == "otel-jcmc: REDIS_URL: an option after its ? is not known\n"
