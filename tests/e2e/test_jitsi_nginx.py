"""
docs/jitsi.md: its nginx blocks in a server like Jitsi's, run by a real nginx.

A server of Jitsi's takes any path for the name of a room, includes files inside of `server`, and
sets what locations inherit. That of docker-jitsi-meet is there twice, for HTTP and HTTPS, and has a
resolver of its own (web/rootfs/defaults/default, meet.conf and nginx.conf of that repository).
"""

import os
import posixpath
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from e2e.nginx import BESIDE, LOCATIONS, nginx_binary, running_nginx
from e2e.parts import ROOT
from harness import Service, push_body, request
from paths import ask, every_path
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

TEXT = textwrap.dedent(
    "\n".join(re.findall(r"^   .*|^$", (ROOT / "docs/jitsi.md").read_text(), re.MULTILINE))
)
(CUSTOM,) = re.findall(r"^```nginx\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
(OVERRIDE,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
# As in Jitsi's own configurations: inherited settings, and conferences with and without a tenant.
AROUND = """
    charset utf8;
    client_max_body_size 0;
    root {folder};
    index index.html;
    gzip on;
    gzip_types text/plain text/css application/javascript application/json;
    ssi on;
    add_header X-Content-Type-Options nosniff;
    error_page 404 /static/404.html;
    {ours}
    location ~ \\.(css|ico|js|png)$ {{ expires 30d; }}
    location ~ ^/[^/]+$ {{ try_files $uri @room; }}
    location @room {{ rewrite ^ /index.html break; }}
    location ~ ^/[^/]+/(.+)$ {{ rewrite ^/[^/]+/(.+)$ /$1; }}
"""
PUSHES = ("/metrics-collector/push", "/metrics-collector/metrics/push")
FILE = "/metrics-collector/client-file"


@dataclass
class Site:
    """
    The service behind servers such as Jitsi's.

    Attributes:
        docker: has the file of docker-jitsi-meet.
        docker_too: is the other server that has it.
        debian: has the files of deploy/nginx.
        away: has the file as it stands, and no such collector.
    """

    service: Service
    docker: str
    docker_too: str
    debian: str
    away: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("jitsi")
    (folder / "index.html").write_text("<!doctype html><title>meeting</title>")
    custom = folder / "nginx-custom"
    custom.mkdir()
    included = f"include {custom}/*.conf;"
    ports = [free_port() for _ in range(4)]

    def server(port: int, ours: str) -> str:
        return f"server {{ listen 127.0.0.1:{port}; {AROUND.format(folder=folder, ours=ours)} }}"

    with Service(folder / "service") as service:
        where = service.url.removeprefix("http://")
        assert CUSTOM.count("otel-jcmc:3000") == 1
        (custom / "otel_jcmc.conf").write_text(CUSTOM.replace("otel-jcmc:3000", where))
        http = "resolver 127.0.0.11; client_max_body_size 0;"
        http += BESIDE.replace("127.0.0.1:3000", where)
        http += server(ports[0], included) + server(ports[1], included)
        http += server(ports[2], LOCATIONS)
        http += server(ports[3], CUSTOM)
        with running_nginx(folder, http, ports[0]):
            yield Site(service, *(f"http://127.0.0.1:{port}" for port in ports))


@pytest.mark.parametrize("which", ["docker", "docker_too", "debian"])
def test_pushes_and_the_client_file_reach_the_service(site: Site, which: str) -> None:
    url = getattr(site, which)
    for number, path in enumerate(PUSHES):
        answer = request(url + path, push_body(f"{which}{number}", "beside-jitsi"))
        assert (answer.status, answer.body) == (200, "OK")
        assert ask(url, "OPTIONS", path)[0] == 204
    seen = " ".join(site.service.series("jitsi_jcmc_connectionquality"))
    assert all(f'participant_id="{which}{number}"' in seen for number in range(2))
    client = request(url + FILE)
    assert "window.otelJcmc" in client.body
    assert client.headers["content-type"] == "text/javascript; charset=utf-8"
    assert client.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("which", ["docker", "docker_too", "debian"])
def test_nothing_else_of_the_service_is_published(site: Site, which: str) -> None:
    url = getattr(site, which)
    published = {*PUSHES, FILE}
    for route in every_path():
        for path in (route, f"/metrics-collector{route}", f"{PUSHES[0]}/..{route}"):
            if posixpath.normpath(path) not in published:
                assert b"otel_jcmc" not in ask(url, "GET", path)[1], path
    assert ask(url, "GET", "/standup") == ask(url, "GET", "/index.html")


@pytest.mark.parametrize("block", [CUSTOM, LOCATIONS], ids=["docker", "debian"])
def test_a_caller_cannot_say_where_it_calls_from(block: str) -> None:
    """The service gets the address that nginx sees: a caller must not use up others' limits."""
    locations = re.findall(r"^location.*?^}", block, re.MULTILINE | re.DOTALL)
    passing = [each for each in locations if "proxy_pass" in each]
    assert len(passing) == 2
    for each in passing:
        assert "proxy_set_header X-Forwarded-For $remote_addr;" in each
        assert 'proxy_set_header X-Real-IP "";' in each
        assert 'proxy_set_header Forwarded "";' in each


def test_meetings_go_on_where_the_collector_is_not_there(site: Site) -> None:
    """An unknown host name in an upstream would keep nginx from starting."""
    assert request(f"{site.away}/standup").status == 200


ASKED = shlex.split(re.findall(r"^docker compose exec (.*)$", TEXT, re.MULTILINE)[0])


def asked_of_docker(folder: Path, config: str, custom: str) -> "subprocess.CompletedProcess[str]":
    """Run what docs/jitsi.md asks nginx in the container, whose / is *folder*, on *custom*."""
    root = folder / config
    (root / "nginx-custom").mkdir(parents=True)
    (root / "nginx").mkdir()
    (root / "nginx-custom" / "otel_jcmc.conf").write_text(custom)
    inside = f"access_log off; server {{ listen 127.0.0.1:1; include {root}/nginx-custom/*.conf; }}"
    paths = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (root / "nginx" / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log stderr; events {{}} http {{ {paths} {inside} }}"
    )
    service, *command = ASKED
    assert (service, command[:2]) == ("web", ["sh", "-c"])
    script = (
        command[2].replace("/run/web/config", f"{folder}/new").replace(" /config", f" {folder}/old")
    )
    nginx = Path(nginx_binary())
    return subprocess.run(
        ["sh", "-c", script],
        env=os.environ | {"PATH": f"{nginx.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("config", ["new", "old"])
@pytest.mark.parametrize(
    ("custom", "said"),
    [
        (CUSTOM, "test is successful"),
        (BESIDE, '"limit_req_zone" directive is not allowed here'),
        (LOCATIONS, 'host not found in upstream "otel_jcmc"'),
    ],
    ids=["file", "upstream", "locations"],
)
def test_what_nginx_is_asked_in_docker_is_of_the_file_that_it_runs(
    tmp_path: Path, config: str, custom: str, said: str
) -> None:
    """Images have it in one of two places; with the files of deploy/nginx it would not start."""
    asked = asked_of_docker(tmp_path, config, custom)
    assert (asked.returncode == 0) == (custom is CUSTOM), asked.stderr
    assert said in asked.stderr


def test_the_override_is_what_the_shipped_compose_file_has() -> None:
    told = yaml.safe_load(OVERRIDE)["services"]
    shipped = yaml.safe_load((ROOT / "collector-config" / "compose.yaml").read_text())["services"]
    store = told["otel-jcmc-store"]
    assert store["image"] == shipped["valkey"]["image"]
    assert store["command"].replace('""', "").split() == [
        each for each in shipped["valkey"]["command"] if each
    ]
    assert told["otel-jcmc"]["environment"]["REDIS_URL"] == "redis://otel-jcmc-store:6379"
    # Only the service reaches the store, which has no password.
    assert told["otel-jcmc"]["networks"] == ["meet.jitsi", "otel-jcmc"]
    assert told["otel-jcmc-store"]["networks"] == ["otel-jcmc"]
    assert yaml.safe_load(OVERRIDE)["networks"] == {"otel-jcmc": {"internal": True}}
