"""
Coming from JCMC: what Prometheus has before and after, and the list of differences that is told.

Before is the original's contract, written out here: thirteen gauges and their labels, of one push
of its page. After is the service on the original's env file as it is.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.parts import ROOT, running_redis
from harness import CLIENT_ID, Service, push_body
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

# As the original's own README has it.
ENV_FILE = """\
PORT={port}
REDIS_URL={redis_url}
METRICS_EXPIRATION=30 # In seconds
METRICS_EXPIRATION_CHECK=5 # In seconds
ALLOW_PRIVATE_SCRAPE_ONLY=true
PUSH_URL=http://127.0.0.1:3000/metrics/push # the push url that will be used by users
COLLECT_USERNAME=false
"""
NOTHING_ELSE = {"JCMC_HOST": "", "JCMC_PORT": "", "JCMC_EMBEDDED_DIR": ""}
# What the list says of each difference, to have it back.
AS_IT_WAS = {
    "COLLECT_USERNAME": "true",
    "JCMC_COLLECT_ADDRESSES": "true",
    "ALLOW_PRIVATE_SCRAPE_ONLY": "false",
    "JCMC_PAGES": "false",
    "JCMC_SERIES": "participants",
}

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

WHO = {"client_id": CLIENT_ID, "participant_id": "1a2b3c4d", "roomname": "standup"}
BROWSER = {
    "browser_name": "Chrome",
    "browser_version": "126.0.0.0",
    "os_name": "Windows",
    "os_version": "10",
}
PATH = {"protocol": "udp", "networkType": "wifi", "src_ip": "10.0.0.7", "dst_ip": "198.51.100.4"}


def gauge(
    name: str, value: float, **more: str
) -> tuple[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return a series of the participant."""
    return (f"jitsi_jcmc_{name}", frozenset((WHO | more).items())), value


BEFORE: Series = dict(
    (
        gauge("connectionquality", 97.5, **BROWSER, serverregion="eu-west", username="Ada"),
        gauge("bandwidth_upload", 2900),
        gauge("bandwidth_download", 5100),
        gauge("bitrate_audio_upload", 24),
        gauge("bitrate_audio_download", 31),
        gauge("bitrate_video_upload", 1210),
        gauge("bitrate_video_download", 2404),
        gauge("bitrate_upload", 1234),
        gauge("bitrate_download", 2435),
        gauge("packetloss_upload", 0),
        gauge("packetloss_download", 1),
        gauge("packetloss_total", 1),
        gauge("transport_rtt", 41, **PATH),
    )
)
NAMES = {name for name, _ in BEFORE}
# Beside them, of each participant whose page has the original's client.
MORE = {"jitsi_jcmc_info", "jitsi_jcmc_verdict_state"}


def after(service: Service) -> Series:
    """Scrape, and return what is told of calls."""
    found = {}
    for line, value in service.series("jitsi_").items():
        name, _, labels = line.partition("{")
        found[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels))] = value
    return found


def without(series: Series, *labels: str) -> Series:
    """Return *series* without some of their labels."""
    return {
        (name, frozenset(each for each in has if each[0] not in labels)): value
        for (name, has), value in series.items()
    }


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@contextmanager
def swapped(folder: Path, redis_url: str, **environ: str) -> Iterator[Service]:
    """Run the service where the Node service was; *environ* is what its user has changed."""
    folder.mkdir(exist_ok=True)
    file = ENV_FILE.format(port=free_port(), redis_url=redis_url)
    (folder / ".env").write_text(file)
    more = {"JCMC_KEY_PREFIX": folder.name}
    with Service(folder, **NOTHING_ELSE | more | environ) as service:
        yield service


@pytest.fixture(scope="module")
def as_it_comes(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return the service on their file, with a push of a page of theirs."""
    with swapped(tmp_path_factory.mktemp("comes"), redis_url) as service:
        assert service.push(push_body()).body == "OK"
        yield service


@pytest.fixture(scope="module")
def as_it_was(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return the same with all that the list has to have it back."""
    with swapped(tmp_path_factory.mktemp("was"), redis_url, **AS_IT_WAS) as service:
        assert service.push(push_body()).body == "OK"
        yield service


def test_the_thirteen_series_are_the_same_but_for_three_labels(as_it_comes: Service) -> None:
    thirteen = {key: value for key, value in after(as_it_comes).items() if key[0] in NAMES}
    assert thirteen == without(BEFORE, "username", "src_ip", "dst_ip")


def test_with_two_settings_they_are_the_same(as_it_was: Service) -> None:
    now = after(as_it_was)
    assert {key: value for key, value in now.items() if key[0] in NAMES} == BEFORE
    assert {name for name, _ in now} - NAMES == MORE


def test_nothing_else_has_a_label_by_which_a_dashboard_of_theirs_would_count_it(
    as_it_comes: Service,
) -> None:
    """Their panels choose by participant_id or by the thirteen names; other series have neither."""
    others = {name for name, labels in after(as_it_comes) if dict(labels).get("participant_id")}
    assert others - NAMES == MORE


def test_what_is_at_the_root(as_it_comes: Service, as_it_was: Service) -> None:
    as_browser = {"accept": "text/html,application/xhtml+xml"}
    for service in (as_it_comes, as_it_was):
        told = service.get("/")
        assert told.status == 200
        assert told.body.splitlines()[0] == "JCMC IS UP"
    assert "<html" in as_it_comes.get("/", headers=as_browser).body
    assert as_it_was.get("/", headers=as_browser).body.startswith("JCMC IS UP\n")


def test_who_may_scrape(as_it_comes: Service, as_it_was: Service) -> None:
    from_afar = {"x-forwarded-for": "203.0.113.9"}
    assert as_it_comes.get("/metrics").status == 200
    assert as_it_comes.get("/metrics", headers=from_afar).status == 403
    assert as_it_was.get("/metrics", headers=from_afar).status == 200


def test_the_id_of_a_browser_stays(as_it_comes: Service) -> None:
    """tests/client/test_page.py has it in a browser."""
    assert "jmmc_staticUserId" in as_it_comes.get("/client-file").body


def test_a_label_that_changes_and_a_restart_leave_one_series(
    redis_url: str, tmp_path: Path
) -> None:
    moved = push_body()
    moved["metrics"]["connectionquality"]["labels"]["serverregion"] = "us-east"
    with swapped(tmp_path, redis_url) as service:
        for body in (push_body(), moved):
            assert service.push(body).body == "OK"
        before = after(service)
    regions = [dict(labels)["serverregion"] for name, labels in before if name.endswith("quality")]
    assert regions == ["us-east"]
    with swapped(tmp_path, redis_url) as again:
        of_participants = {key: value for key, value in after(again).items() if key[0] in NAMES}
        assert of_participants == {key: before[key] for key in before if key[0] in NAMES}


def test_a_bad_field_costs_itself(as_it_was: Service) -> None:
    body = push_body("bad00001")
    body["metrics"]["connectionquality"]["value"] = 140
    answer = as_it_was.push(body)
    assert answer.status == 200
    assert [each["field"] for each in answer.json()["dropped"]] == [
        "metrics.connectionquality.value"
    ]
    found = {name for name, labels in after(as_it_was) if ("participant_id", "bad00001") in labels}
    assert found & NAMES == NAMES - {"jitsi_jcmc_connectionquality"}


def list_of_differences() -> str:
    """Return the table that a user of the original reads, wherever it stands."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    tables = [
        table
        for page in pages
        for table in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
        if table.splitlines()[0].startswith("| what | the original |") and "JCMC IS UP" in table
    ]
    (found,) = tables
    return str(found)


@pytest.mark.parametrize(
    "told",
    [
        *(f"{name}={value}" for name, value in AS_IT_WAS.items()),
        *("`username`", "`src_ip`", "`dst_ip`", "`jmmc_staticUserId`", "`client_id`"),
        *("JCMC IS UP", "restart", "bad field", "labels that change", "who may scrape"),
    ],
)
def test_each_difference_that_is_found_here_is_in_the_list(told: str) -> None:
    assert told in list_of_differences()
