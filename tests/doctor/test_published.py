"""`otel-jcmc doctor` through a real nginx, on pages with a policy: what a browser would meet."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from doctor.conftest import Ask, Told, push_and_scrape
from e2e.nginx import BESIDE, LOCATIONS, running_nginx
from harness import Service
from ports import free_port

PUSH = "location = /metrics-collector/push {"
PAGE = """<!doctype html><title>meeting</title>
<script src="/metrics-collector/client-file" async></script>"""


class Site(NamedTuple):
    """A service, and nginx in front of it."""

    service: Service
    url: str

    def ask(self, doctor: Ask, *arguments: str) -> Told:
        """Return the findings of doctor about it."""
        return doctor(self.service, "--public-url", f"{self.url}/metrics-collector", *arguments)


@contextmanager
def published(
    folder: Path, locations: str = LOCATIONS, policy: str = "", **environ: str
) -> Iterator[Site]:
    """Run a service, and nginx with *locations* and a page with *policy*."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "standup").write_text(PAGE)
    given = {name: value.replace("{url}", url) for name, value in environ.items()}
    push_url = {"PUSH_URL": f"{url}/metrics-collector/push"}
    header = f'add_header Content-Security-Policy "{policy}";' if policy else ""
    with Service(folder / "service", **(push_url | given)) as service:
        http = (
            BESIDE.replace("127.0.0.1:3000", service.url.removeprefix("http://"))
            + f"""server {{
                listen 127.0.0.1:{port};
                root {folder};
                {header}
                {locations}
                location / {{ try_files $uri =404; }}
            }}"""
        )
        with running_nginx(folder, http, port):
            push_and_scrape(service)
            yield Site(service, url)


def test_what_the_readme_publishes_is_well(short_path: Path, doctor: Ask) -> None:
    policy = "default-src 'self'"
    with published(short_path, policy=policy) as site:
        told = site.ask(doctor, "--page", f"{site.url}/standup")
    assert (told.code, told.of("wrong"), told.of("open")) == (0, [], [])
    assert len([topic for topic, _ in told.of("well") if topic == "page"]) == 3


def test_a_proxy_that_drops_the_path_is_named(short_path: Path, doctor: Ask) -> None:
    dropped = LOCATIONS.replace(PUSH, "location = /elsewhere {")
    with published(short_path, dropped) as site:
        topic, text, remedy = site.ask(doctor).wrong()
    assert topic == "page"
    assert text == (
        f"a test push to {site.url}/metrics-collector/push was not accepted: 404,"
        " which did not come from the service"
    )
    assert "the locations of the README" in remedy


def test_a_push_url_that_nobody_publishes_is_named(short_path: Path, doctor: Ask) -> None:
    """It is the push URL of pages if nothing is set."""
    mine = "location = /metrics-collector/metrics/push {"
    assert mine in LOCATIONS
    dropped = LOCATIONS.replace(mine, "location = /elsewhere {")
    with published(short_path, dropped, PUSH_URL="") as site:
        topic, text, remedy = site.ask(doctor).wrong()
    assert topic == "page"
    assert f"{site.url}/metrics-collector/metrics/push was not accepted" in text
    assert "PUSH_URL" in remedy


def test_a_client_file_that_does_not_come_is_named(short_path: Path, doctor: Ask) -> None:
    dropped = LOCATIONS.replace("/metrics-collector/client-file {", "/elsewhere {")
    with published(short_path, dropped) as site:
        topic, text, _ = site.ask(doctor).wrong()
    assert (topic, text) == (
        "page",
        f"the client file does not arrive: {site.url}/metrics-collector/client-file answers 404",
    )


@pytest.mark.parametrize(
    ("header", "remedy"),
    [
        ("proxy_hide_header Access-Control-Allow-Origin;", "a proxy on the way drops the header"),
        ("", "name the page's origin in JCMC_CORS_ALLOWED_ORIGINS"),
    ],
)
def test_cors_of_another_origin_is_named(
    short_path: Path, doctor: Ask, header: str, remedy: str
) -> None:
    origins = "https://elsewhere.example.org" if not header else "*"
    stripping = LOCATIONS.replace(PUSH, f"{PUSH} {header}")
    with published(short_path, stripping, JCMC_CORS_ALLOWED_ORIGINS=origins) as site:
        # Under another name, the same nginx is another origin.
        page = f"{site.url}/standup".replace("127.0.0.1", "localhost")
        found = [
            (each["text"], each["remedy"])
            for each in site.ask(doctor, "--page", page).findings
            if each["mark"] == "wrong"
        ]
    ((text, told),) = found
    assert text.startswith("pages of http://localhost:")
    assert told.startswith(remedy)


def test_a_proxy_that_drops_the_token_is_named(short_path: Path, doctor: Ask) -> None:
    with_tokens = re.sub(r"^#(location|    |\})", r"\1", LOCATIONS, flags=re.MULTILINE)
    tokens = {"JCMC_PUSH_AUTH": "token", "JCMC_CORS_ALLOWED_ORIGINS": "{url}"}
    stripping = with_tokens.replace(PUSH, f'{PUSH} proxy_set_header Authorization "";')
    with _with_tokens(short_path / "well", with_tokens, tokens) as site:
        told = site.ask(doctor)
        assert [text for topic, text in told.of("wrong") if topic == "page"] == []
    with _with_tokens(short_path / "not", stripping, tokens) as site:
        told = site.ask(doctor)
        (found,) = [text for topic, text in told.of("wrong") if topic == "page"]
    assert found.endswith("was not accepted: token_missing (401)")


@pytest.mark.parametrize(
    ("policy", "text", "directive"),
    [
        ("default-src 'self'; script-src 'none'", "forbids the client file", "script-src"),
        ("default-src 'self'; connect-src 'none'", "forbids the push", "connect-src"),
    ],
)
def test_a_policy_that_forbids_is_named(
    short_path: Path, doctor: Ask, policy: str, text: str, directive: str
) -> None:
    with published(short_path, policy=policy) as site:
        topic, found, remedy = site.ask(doctor, "--page", f"{site.url}/standup").wrong()
    assert (topic, found) == ("page", f"the policy of {site.url}/standup {text}")
    assert remedy == f"add {site.url} to its {directive}"


def test_what_jwt_keeps_from_doctor_is_said(short_path: Path, doctor: Ask) -> None:
    jwt = {
        "JCMC_PUSH_AUTH": "jwt",
        "JCMC_JWT_SECRET": "thirty-two characters or somewhat more",
        "JCMC_JWT_ISSUER": "*",
        "JCMC_JWT_AUDIENCE": "*",
        "JCMC_JWT_SUBJECT": "*",
    }
    with _with_tokens(short_path, LOCATIONS, jwt) as site:
        told = site.ask(doctor)
    page = [(each["mark"], each["text"]) for each in told.findings if each["topic"] == "page"]
    assert page[1] == ("well", f"pushes arrive: {site.url}/metrics-collector/push")
    (left_open,) = [text for mark, text in page if mark == "open"]
    assert left_open.startswith("no test push: JCMC_PUSH_AUTH=jwt needs Jitsi's own token")
    assert "wrong" not in dict(page)


def test_who_may_read_nothing_is_told_how_to(short_path: Path, doctor: Ask) -> None:
    """nginx passes on the caller's address, here a public one."""
    door = """location /all/ {
        proxy_pass http://otel_jcmc/;
        proxy_set_header X-Forwarded-For "198.51.100.7";
    }"""
    with published(short_path, LOCATIONS + door) as site:
        asked = site.service.url
        site.service.url = f"{site.url}/all"
        topic, text, remedy = doctor(site.service).wrong()
        site.service.url = asked
    assert (topic, text) == ("service", f"{site.url}/all does not let doctor read (403)")
    assert "JCMC_READ_TOKEN" in remedy


@contextmanager
def _with_tokens(folder: Path, locations: str, environ: dict[str, str]) -> Iterator[Site]:
    """Run the service and nginx of `published`, without a push of a client."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = {name: value.replace("{url}", url) for name, value in environ.items()}
    with Service(folder / "s", PUSH_URL=f"{url}/metrics-collector/push", **given) as service:
        address = service.url.removeprefix("http://")
        http = BESIDE.replace("127.0.0.1:3000", address)
        http += f"server {{ listen 127.0.0.1:{port}; {locations} }}"
        with running_nginx(folder, http, port):
            yield Site(service, url)
