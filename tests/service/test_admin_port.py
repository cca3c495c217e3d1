"""With JCMC_ADMIN_PORT each port answers only its own paths."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import Answer, Service, push_body, request
from paths import PUBLIC, ask, every_path

ROOT = Path(__file__).parents[2]
# However a client spells a path, it is one of these paths or none.
ODD = [
    *(
        "//metrics",
        "/metrics/",
        "/metrics/push/",
        "/metrics/push/..",
        "/metrics/push/../../metrics",
    ),
    *("/%6detrics", "/metrics%00", "/METRICS", "/client-file/", "/./metrics"),
    *("/metrics?x=/metrics/push", "/metrics/push/%2e%2e", "http://x/metrics", "/metrics;push"),
    *("/metrics#/metrics/push", "/openapi.json?", "/-/healthy/", "/docs", "/redoc", "*"),
]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with a separate port for everything that is not for browsers."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_ADMIN_PORT="0") as running:
        assert running.admin_url
        assert running.admin_url != running.url
        yield running


def test_the_port_for_browsers_takes_pushes_and_has_the_client_file(split: Service) -> None:
    assert split.push(push_body()).body == "OK"
    assert request(f"{split.url}/metrics/push?by=asgi", push_body()).body == "OK"
    assert split.get("/client-file").status == 200
    assert split.get("/metrics/push", method="OPTIONS", headers={"origin": "x"}).status == 204


def test_the_other_port_has_all_the_rest(split: Service) -> None:
    for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/openapi.json"):
        assert request(split.admin_url + path).status == 200
    assert "otel_jcmc_pushes_total" in request(f"{split.admin_url}/metrics").body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_else_is_found_on_the_port_for_browsers(split: Service, method: str) -> None:
    for target in [*sorted(every_path() - PUBLIC), *ODD]:
        status, body = ask(split.url, method, target)
        assert status in {400, 404}, target
        assert b"otel_jcmc" not in body, target


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "target", [*sorted(PUBLIC), "/metrics/push?x", "/metrics%2fpush", "/client-file/"]
)
def test_nothing_of_the_port_for_browsers_is_found_on_the_other(
    split: Service, method: str, target: str
) -> None:
    status, _ = ask(split.admin_url, method, target)
    if target == "/client-file/":
        assert status in {307, 404, 405}  # to the path without the slash, which is not there
    else:
        assert status == 404


def test_a_push_to_the_other_port_is_not_stored(split: Service) -> None:
    answer = request(f"{split.admin_url}/metrics/push", push_body("elsewhere", "elsewhere"))
    assert answer.status == 404
    assert "elsewhere" not in request(f"{split.admin_url}/metrics").body


def test_tokens_to_push_with_are_had_on_the_port_for_browsers(short_path: Path) -> None:
    pages = {"origin": "https://meet.example.org"}
    with Service(
        short_path,
        JCMC_ADMIN_PORT="0",
        JCMC_PUSH_AUTH="token",
        JCMC_CORS_ALLOWED_ORIGINS=pages["origin"],
    ) as service:
        for path in ("/push-token", "/metrics/push-token"):
            asked: dict[str, Any] = {"method": "POST", "headers": pages}
            assert "token" in request(service.url + path, **asked).json()
            assert request(service.admin_url + path, **asked).status == 404


def test_what_is_not_there_is_answered_as_anything_else_that_is_not_there(split: Service) -> None:
    def shown(answer: Answer) -> tuple[object, ...]:
        headers = {name.lower(): text for name, text in answer.headers.items()}
        del headers["date"]
        return answer.status, answer.body, sorted(headers.items())

    assert shown(split.get("/metrics")) == shown(request(f"{split.admin_url}/nothing"))


def test_one_port_has_everything_without_the_setting(shared_service: Service) -> None:
    assert shared_service.admin_url == ""
    assert shared_service.get("/metrics").status == shared_service.get("/client-file").status == 200


@pytest.mark.parametrize("environ", [{}, {"JCMC_ADMIN_PORT": "0"}])
def test_the_images_health_check_asks_the_port_that_knows(
    short_path: Path, environ: dict[str, str]
) -> None:
    """The test runs the Dockerfile's command, beside a running service and beside none."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    (asked,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", text, re.MULTILINE)
    command = json.loads(asked)
    assert command[0] == "python"
    with Service(short_path, **environ) as service:
        port = urlsplit(service.url).port
        told = {"JCMC_PORT": str(port)}
        if service.admin_url:
            told["JCMC_ADMIN_PORT"] = str(urlsplit(service.admin_url).port)
        environment = {**os.environ, **told}
        run = shlex.join(command)
        assert subprocess.run(["sh", "-c", run], env=environment, check=False).returncode == 0
    ended = subprocess.run(["sh", "-c", run], env=environment, capture_output=True, check=False)
    assert ended.returncode == 1
