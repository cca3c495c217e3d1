"""
A change from the original to this service: its env file, its pages, its Prometheus job.

The service gets nothing except a `.env` in its working folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from e2e.parts import Prometheus, running_redis, until
from harness import Service, push_body
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

ENV_FILE = """\
# Web server
PORT={port}
NODE_ENV=production # development, production

# Where the participants' state is
REDIS_URL={redis_url}

# Metrics
METRICS_PREFIX=jitsi_jcmc_
METRICS_EXPIRATION=30 # In seconds
METRICS_EXPIRATION_CHECK=5 # In seconds
METRICS_EXPIRATION_TOLERANCE=5   # In seconds
ALLOW_PRIVATE_SCRAPE_ONLY=true    # Only loopback and private addresses may scrape

# Client
PUSH_URL=https://meet.example.org/metrics-collector/push # What the page posts to
COLLECT_USERNAME=false # Display names
JCMC_COLLECT_ADDRESSES=false
"""
# Undo the harness's own settings: an empty variable counts as unset.
NOTHING_ELSE = {"JCMC_HOST": "", "JCMC_PORT": "", "JCMC_EMBEDDED_DIR": ""}


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a store on TCP."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def swapped(
    redis_url: str, prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Return the service with that file, scraped as the job `swapped`."""
    folder = tmp_path_factory.mktemp("swapped")
    (folder / ".env").write_text(ENV_FILE.format(port=free_port(), redis_url=redis_url))
    with (
        Service(folder, **NOTHING_ELSE) as service,
        prometheus.scraping("swapped", service.url),
    ):
        yield service


def test_the_service_listens_on_the_port_of_the_file(swapped: Service) -> None:
    line = (swapped.folder / ".env").read_text().splitlines()[1]
    assert swapped.url == f"http://127.0.0.1:{line.removeprefix('PORT=')}"


def test_a_page_of_the_original_fills_its_thirteen_series_and_two_of_ours(
    swapped: Service, prometheus: Prometheus
) -> None:
    answer = swapped.push(push_body())
    assert (answer.status, answer.body) == (200, "OK")
    who = (
        'client_id="3fa85f64-5717-4562-b3fc-2c963f66afa6",'
        '{}participant_id="1a2b3c4d",{}roomname="standup"{}'
    )
    bare = who.format("", "", "")
    browser = (
        'browser_name="Chrome",browser_version="126.0.0.0",'
        'client_id="3fa85f64-5717-4562-b3fc-2c963f66afa6",os_name="Windows",os_version="10",'
        'participant_id="1a2b3c4d",roomname="standup",serverregion="eu-west"'
    )
    described = browser.replace(",serverregion=", ',sender="original",serverregion=')
    path = who.format('networkType="wifi",', 'protocol="udp",', "")
    expected = {
        f"jitsi_jcmc_connectionquality{{{browser}}}": 97.5,
        f"jitsi_jcmc_bandwidth_upload{{{bare}}}": 2900,
        f"jitsi_jcmc_bandwidth_download{{{bare}}}": 5100,
        f"jitsi_jcmc_bitrate_audio_upload{{{bare}}}": 24,
        f"jitsi_jcmc_bitrate_audio_download{{{bare}}}": 31,
        f"jitsi_jcmc_bitrate_video_upload{{{bare}}}": 1210,
        f"jitsi_jcmc_bitrate_video_download{{{bare}}}": 2404,
        f"jitsi_jcmc_bitrate_upload{{{bare}}}": 1234,
        f"jitsi_jcmc_bitrate_download{{{bare}}}": 2435,
        f"jitsi_jcmc_packetloss_upload{{{bare}}}": 0,
        f"jitsi_jcmc_packetloss_download{{{bare}}}": 1,
        f"jitsi_jcmc_packetloss_total{{{bare}}}": 1,
        f"jitsi_jcmc_transport_rtt{{{path}}}": 41,
        f"jitsi_jcmc_info{{{described}}}": 1,
        f"jitsi_jcmc_verdict_state{{{bare}}}": 0,
    }
    selector = '{job="swapped",participant_id="1a2b3c4d"}'
    assert until(expected, lambda: prometheus.query(selector)) == expected


def push_url(service: Service) -> str:
    """Return the push URL of the served client."""
    client = service.get("/client-file")
    assert client.headers["content-type"] == "text/javascript; charset=utf-8"
    (found,) = re.findall(r'"pushUrl":"([^"]*)"', client.body)
    return str(found)


def test_the_client_file_carries_the_push_url(swapped: Service) -> None:
    assert push_url(swapped) == "https://meet.example.org/metrics-collector/push"


def test_a_participant_lives_for_the_seconds_before_the_comment(
    swapped: Service, redis_url: str
) -> None:
    assert swapped.push(push_body("ffff0000", "ttl")).body == "OK"
    with redis.Redis.from_url(redis_url) as client:
        left_ms = [client.pttl(key) for key in client.keys("jcmc:*:participant:*")]
    assert 25_000 < max(left_ms) <= 30_000


def test_only_private_callers_may_scrape(swapped: Service) -> None:
    through_a_proxy = {"x-forwarded-for": "203.0.113.9"}
    assert swapped.get("/metrics").status == 200
    assert swapped.get("/metrics", headers=through_a_proxy).status == 403


def test_a_container_runtime_may_pass_the_comments_along(redis_url: str, short_path: Path) -> None:
    """`docker run --env-file` takes everything after the equals sign as the value."""
    lines = ENV_FILE.format(port=free_port(), redis_url=redis_url).splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert environ["METRICS_EXPIRATION"] == "30 # In seconds"
    with Service(short_path, **NOTHING_ELSE | environ) as service:
        assert service.url.endswith(f":{environ['PORT']}")
        assert push_url(service) == "https://meet.example.org/metrics-collector/push"
        assert service.push(push_body()).body == "OK"
        assert "jitsi_jcmc_bitrate_upload{" in service.get("/metrics").body
