"""TLS at our own ports, with a certificate authority of the test, and possible faults."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import imported
import pytest
from harness import Service, eventually, push_body
from redis_parts import CA_EXTENSIONS

from otel_jcmc.catalogue.reasons import CannotServe
from otel_jcmc.server.tls import load_certificate


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


class Authority:
    """A certificate authority in a folder, with certificates for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        self.key = folder / "root.key"
        openssl(
            *("req", "-x509", *EC, "-subj", "/CN=test", *CA_EXTENSIONS),
            *("-out", self.root, "-keyout", self.key),
        )

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return the files of a new certificate, chain and key, with the common name *name*."""
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        asked, extra = self.folder / f"{name}.csr", self.folder / "extra"
        extra.write_text("subjectAltName=IP:127.0.0.1,IP:::1\nauthorityKeyIdentifier=keyid\n")
        openssl("req", *EC[:-2], "-subj", f"/CN={name}", "-out", asked, "-keyout", key)
        openssl(
            *("x509", "-req", "-in", asked, "-CA", self.root, "-CAkey", self.key),
            *("-CAcreateserial", "-days", "2", "-extfile", extra, "-out", chain),
        )
        return chain, key


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    """Return the context of a client that trusts only our authority."""
    return ssl.create_default_context(cafile=authority.root)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Service]:
    """Return a service with TLS, two ports, and a second for each head."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    chain, key = authority.issue("first")
    with Service(
        folder,
        JCMC_TLS_CERTIFICATE_FILE=str(chain),
        JCMC_TLS_KEY_FILE=str(key),
        JCMC_ADMIN_PORT="0",
        JCMC_LIMIT_HEAD_SECONDS="1",
    ) as running:
        assert running.url.startswith("https://127.0.0.1:")
        assert running.admin_url.startswith("https://127.0.0.1:")
        yield running


def ask(
    url: str, context: ssl.SSLContext, method: str, path: str, body: str | None = None
) -> tuple[int, str]:
    """Return status and body of an answer, over TLS."""
    connection = http.client.HTTPSConnection(urlsplit(url).netloc, timeout=8, context=context)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def common_name(url: str, context: ssl.SSLContext) -> str:
    """Return the common name of the certificate at *url*."""
    with (
        socket.create_connection(address(url), timeout=8) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wire,
    ):
        shown = wire.getpeercert()
        assert shown
        subject: tuple[tuple[tuple[str, str], ...], ...] = shown["subject"]  # type: ignore[assignment]
        return subject[0][0][1]


def test_a_push_and_a_scrape_go_through_tls(secure: Service, trusting: ssl.SSLContext) -> None:
    pushed = ask(secure.url, trusting, "POST", "/metrics/push", json.dumps(push_body("over-tls")))
    assert pushed == (200, "OK")
    status, page = ask(secure.admin_url, trusting, "GET", "/metrics")
    assert status == 200
    assert 'participant_id="over-tls"' in page
    assert ask(secure.url, trusting, "GET", "/client-file")[0] == 200


def test_a_connection_in_tls_serves_push_after_push_the_short_way(
    secure: Service, trusting: ssl.SSLContext
) -> None:
    """By ASGI, head and body of an answer would be two TLS records."""
    body = json.dumps(push_body("tls-rows")).encode()
    head = f"POST /metrics/push HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with (
        socket.create_connection(address(secure.url), timeout=8) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as wire,
    ):
        for _ in range(20):
            wire.sendall(head + body)
            answer = wire.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\nOK")
        wire.sendall((head + body).replace(b"/metrics/push", b"/metrics/push?by=asgi"))
        assert wire.recv(4096).endswith(b"\r\n\r\n")


def test_who_does_not_trust_the_authority_does_not_connect(secure: Service) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(secure.url, ssl.create_default_context(), "GET", "/client-file")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_todays_versions_of_tls_are_spoken(
    secure: Service, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=authority.root)
    context.minimum_version = context.maximum_version = version
    assert ask(secure.url, context, "GET", "/client-file")[0] == 200


def test_older_versions_of_tls_are_not(secure: Service, authority: Authority) -> None:
    old = subprocess.run(
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{address(secure.url)[1]}", "-tls1_1"),
            *("-cipher", "ALL:@SECLEVEL=0", "-CAfile", str(authority.root)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert old.returncode != 0
    assert b"no peer certificate available" in old.stdout


def test_who_speaks_no_tls_and_who_says_nothing_is_hung_up_on(secure: Service) -> None:
    for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"\x16\x03\x01"):
        with socket.create_connection(address(secure.url), timeout=8) as wire:
            wire.sendall(words)
            told = b""
            try:
                while part := wire.recv(4096):
                    told += part
            except ConnectionResetError:
                pass
            assert b"HTTP/1.1" not in told
    assert "Traceback" not in secure.log.read_text()


def test_a_new_certificate_is_taken_at_a_hang_up_and_a_wrong_one_is_not(
    authority: Authority, trusting: ssl.SSLContext, short_path: Path
) -> None:
    chain, key = short_path / "chain.pem", short_path / "key.pem"

    def put(of_chain: Path, of_key: Path) -> None:
        chain.write_bytes(of_chain.read_bytes())
        key.write_bytes(of_key.read_bytes())

    def hang_up(service: Service, said: str) -> None:
        assert service.process
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: said in service.log.read_text())

    old, new = authority.issue("old"), authority.issue("new")
    put(*old)
    files = {"JCMC_TLS_CERTIFICATE_FILE": str(chain), "JCMC_TLS_KEY_FILE": str(key)}
    with Service(short_path / "s", **files) as service:
        assert common_name(service.url, trusting) == "old"
        put(new[0], old[1])
        hang_up(service, "the key is not the certificate's")
        assert common_name(service.url, trusting) == "old"
        chain.unlink()
        hang_up(service, "chain.pem: No such file or directory")
        assert common_name(service.url, trusting) == "old"
        put(*new)
        hang_up(service, "tls: certificate loaded again")
        assert common_name(service.url, trusting) == "new"


def test_the_key_may_be_in_the_certificates_file(
    authority: Authority, trusting: ssl.SSLContext, short_path: Path
) -> None:
    chain, key = authority.issue("both")
    both = short_path / "both.pem"
    both.write_bytes(key.read_bytes() + chain.read_bytes())
    with Service(short_path / "s", JCMC_TLS_CERTIFICATE_FILE=str(both)) as service:
        assert common_name(service.url, trusting) == "both"


# Faults


def test_a_certificate_that_cannot_be_used_is_said_in_a_line(
    authority: Authority, tmp_path: Path
) -> None:
    (chain, key), (_, other) = authority.issue("one"), authority.issue("another")
    locked = tmp_path / "locked.key"
    openssl("ec", "-in", key, "-aes128", "-passout", "pass:hunter2", "-out", locked)
    names = "JCMC_TLS_CERTIFICATE_FILE and JCMC_TLS_KEY_FILE"
    useless = f"{names}: no certificate with its key, without a password, in PEM"
    nowhere = tmp_path / "none"
    for files, told in {
        (chain, other): f"{names}: the key is not the certificate's",
        (chain, locked): useless,
        (chain, None): useless,
        (key, key): useless,
        (chain, tmp_path): f"JCMC_TLS_KEY_FILE: {tmp_path}: Is a directory",
        (nowhere, key): f"JCMC_TLS_CERTIFICATE_FILE: {nowhere}: No such file or directory",
        (None, key): "JCMC_TLS_KEY_FILE needs JCMC_TLS_CERTIFICATE_FILE",
    }.items():
        with pytest.raises(CannotServe) as raised:
            load_certificate(*files)
        assert str(raised.value) == told


@pytest.mark.parametrize("command", ["serve", "check"])
def test_the_command_line_says_it_and_ends(tmp_path: Path, command: str) -> None:
    environ = os.environ | {"JCMC_PORT": "0", "JCMC_TLS_CERTIFICATE_FILE": "nowhere.pem"}
    ended = imported.run(command, folder=tmp_path, environ=environ)
    assert ended.returncode == 1
    assert ended.stderr == (
        "otel-jcmc: JCMC_TLS_CERTIFICATE_FILE: nowhere.pem: No such file or directory\n"
    )
