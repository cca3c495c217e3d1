"""What the service advises operators with the settings of the original or the middleware."""

from pathlib import Path

import pytest
from harness import Service, push_body

from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings

# As in the original's README, which does not mention names and addresses.
ORIGINAL_ENV = {
    "METRICS_EXPIRATION_CHECK": "5 # In seconds",
    "METRICS_EXPIRATION": "30 #In seconds",
    "ALLOW_PRIVATE_SCRAPE_ONLY": "true",
    "PUSH_URL": "http://127.0.0.1:3000/metrics/push # the push url that will be used by users",
}
NAMES = (
    "display names are dropped, but JCMC collects them whatever COLLECT_USERNAME says:"
    " COLLECT_USERNAME=true collects them, JCMC_PRIVACY=username=drop ends this line"
)
ADDRESSES = (
    "addresses (src_ip, dst_ip) are dropped, but JCMC and JMMC collect them:"
    " JCMC_COLLECT_ADDRESSES=true collects them, false ends this line"
)
SESSIONS = (
    "sessions are kept for 24 hours, but JMMC keeps them for ever: JCMC_HISTORY_HOURS can be up to"
    " 744, JCMC_SUMMARY_DAYS keeps a summary of each for up to 400 days"
)


def told(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> list[str]:
    """Return the advice on the settings in *environ*."""
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    return advice(Settings())


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, [NAMES, ADDRESSES]),
        # The original ignores it, so it says nothing of what the operator wanted.
        ({"COLLECT_USERNAME": "false"}, [NAMES, ADDRESSES]),
        ({"COLLECT_USERNAME": "true"}, [ADDRESSES]),
        ({"JCMC_PRIVACY": "username=drop"}, [ADDRESSES]),
        ({"JCMC_PRIVACY": "username=hash", "JCMC_PRIVACY_KEY": "x" * 16}, [ADDRESSES]),
        ({"JCMC_COLLECT_ADDRESSES": "true"}, [NAMES]),
        ({"JCMC_COLLECT_ADDRESSES": "false"}, [NAMES]),
        ({"JCMC_PRIVACY": "src_ip=truncate,dst_ip=drop"}, [NAMES]),
    ],
)
def test_whoever_comes_from_jcmc_is_told_what_of_persons_is_dropped(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], lines: list[str]
) -> None:
    assert told(monkeypatch, ORIGINAL_ENV | more) == lines


def test_whoever_does_not_come_from_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"METRICS_EXPIRATION": "30", "PUSH_URL": "https://a/push", "COLLECT_USERNAME": "no"}
    assert told(monkeypatch, environ) == []


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, [ADDRESSES, SESSIONS]),
        ({"JCMC_HISTORY_HOURS": "744", "JCMC_COLLECT_ADDRESSES": "true"}, []),
        ({"JCMC_SUMMARY_DAYS": "400", "REDIS_URL": "redis://a"}, [ADDRESSES]),
    ],
)
def test_whoever_comes_from_jmmc_is_told_how_long_sessions_are_kept(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], lines: list[str]
) -> None:
    environ = {
        "JCMC_JMMC_CONF_PATTERN": "^[a-z]+$",
        "JCMC_JMMC_AUTHORIZED_REGIONS": "eu-west",
        "JCMC_CORS_ALLOWED_ORIGINS": "https://meet.example.org",
    }
    assert told(monkeypatch, environ | more) == lines


def test_the_start_says_so_and_what_it_says_helps(short_path: Path) -> None:
    with Service(short_path / "a", **ORIGINAL_ENV) as service:
        assert service.process is not None
        assert service.process.stdout is not None
        said = [service.process.stdout.readline() for _ in range(2)]
        assert said == [f"  note        {line}\n" for line in (NAMES, ADDRESSES)]
        service.push(push_body())
        assert "Ada" not in service.get("/metrics").body
    back = {"COLLECT_USERNAME": "true", "JCMC_COLLECT_ADDRESSES": "true"}
    with Service(short_path / "b", **ORIGINAL_ENV | back) as service:
        service.push(push_body())
        scraped = service.get("/metrics").body
    for label in ('username="Ada"', 'src_ip="10.0.0.7"', 'dst_ip="198.51.100.4"'):
        assert label in scraped
