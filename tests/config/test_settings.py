"""The settings: defaults, the original's env file unchanged, and the answers to wrong ones."""

import json
import os
import re
import socket
import subprocess
import sys
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import imported
import pytest
from exposition import scraped
from harness import Service, eventually, push_body
from otlp_sink import OtlpSink
from ports import free_port
from pydantic import SecretStr, ValidationError

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings, name_of, names_of
from otel_jcmc.config.sources import secret_names
from otel_jcmc.service.app import create_app
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.embedded import EmbeddedStore
from tools.generate import settings_page

# Every setting, written out: its name in the environment and its default.
DEFAULTS: dict[str, tuple[str, Any]] = {
    "redis_url": ("REDIS_URL", None),
    "metrics_expiration_seconds": ("METRICS_EXPIRATION", 30),
    "metrics_expiration_check_seconds": ("METRICS_EXPIRATION_CHECK", 10),
    "allow_private_scrape_only": ("ALLOW_PRIVATE_SCRAPE_ONLY", True),
    "push_url": ("PUSH_URL", None),
    "collect_username": ("COLLECT_USERNAME", False),
    "metrics_prefix": ("METRICS_PREFIX", "jitsi_jcmc_"),
    "port": ("JCMC_PORT", 3000),
    "host": ("JCMC_HOST", "0.0.0.0"),
    "naming": ("JCMC_NAMING", "jcmc"),
    "collect_addresses": ("JCMC_COLLECT_ADDRESSES", False),
    "collect_feedback": ("JCMC_COLLECT_FEEDBACK", False),
    "cors_allowed_origins": ("JCMC_CORS_ALLOWED_ORIGINS", ("*",)),
    "trusted_proxies": (
        "JCMC_TRUSTED_PROXIES",
        (
            IPv4Network("127.0.0.0/8"),
            IPv4Network("10.0.0.0/8"),
            IPv4Network("172.16.0.0/12"),
            IPv4Network("192.168.0.0/16"),
            IPv4Network("169.254.0.0/16"),
            IPv6Network("::1/128"),
            IPv6Network("fe80::/10"),
            IPv6Network("fc00::/7"),
        ),
    ),
    "key_prefix": ("JCMC_KEY_PREFIX", "jcmc"),
    "partitions": ("JCMC_PARTITIONS", 4),
    "embedded_dir": ("JCMC_EMBEDDED_DIR", None),
    "push_auth": ("JCMC_PUSH_AUTH", "none"),
    "push_token_secret": ("JCMC_PUSH_TOKEN_SECRET", None),
    "push_token_seconds": ("JCMC_PUSH_TOKEN_SECONDS", 3600),
    "jwt_secret": ("JCMC_JWT_SECRET", None),
    "jwt_public_key": ("JCMC_JWT_PUBLIC_KEY", None),
    "jwt_jwks_file": ("JCMC_JWT_JWKS_FILE", None),
    "jwt_issuer": ("JCMC_JWT_ISSUER", ()),
    "jwt_audience": ("JCMC_JWT_AUDIENCE", ()),
    "jwt_subject": ("JCMC_JWT_SUBJECT", ()),
    "jwt_leeway_seconds": ("JCMC_JWT_LEEWAY_SECONDS", 10),
    "privacy": ("JCMC_PRIVACY", ()),
    "privacy_key": ("JCMC_PRIVACY_KEY", None),
    "bridges": ("JCMC_BRIDGES", ()),
    "relays": ("JCMC_RELAYS", ()),
    "limit_body_bytes": ("JCMC_LIMIT_BODY_BYTES", 65_536),
    "limit_label_characters": ("JCMC_LIMIT_LABEL_CHARACTERS", 256),
    "limit_transports": ("JCMC_LIMIT_TRANSPORTS", 8),
    "limit_participants": ("JCMC_LIMIT_PARTICIPANTS", 120_000),
    "limit_conference_participants": ("JCMC_LIMIT_CONFERENCE_PARTICIPANTS", 1000),
    "limit_participant_pushes": ("JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND", 1.0),
    "limit_address_pushes": ("JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND", 1000.0),
    "limit_address_newcomers": ("JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND", 50.0),
    "limit_address_participants": ("JCMC_LIMIT_ADDRESS_PARTICIPANTS", 2_500),
    "scrape_token": ("JCMC_SCRAPE_TOKEN", None),
    "read_token": ("JCMC_READ_TOKEN", None),
    "pages": ("JCMC_PAGES", True),
    "read_hosts": ("JCMC_READ_HOSTS", frozenset()),
    "admin_port": ("JCMC_ADMIN_PORT", None),
    "admin_host": ("JCMC_ADMIN_HOST", "127.0.0.1"),
    "workers": ("JCMC_WORKERS", 0),
    "tls_certificate_file": ("JCMC_TLS_CERTIFICATE_FILE", None),
    "tls_key_file": ("JCMC_TLS_KEY_FILE", None),
    "limit_connections": ("JCMC_LIMIT_CONNECTIONS", 10_000),
    "limit_head_bytes": ("JCMC_LIMIT_HEAD_BYTES", 65_536),
    "limit_head_seconds": ("JCMC_LIMIT_HEAD_SECONDS", 10),
    "limit_body_seconds": ("JCMC_LIMIT_BODY_SECONDS", 10),
    "limit_answer_seconds": ("JCMC_LIMIT_ANSWER_SECONDS", 60),
    "limit_scrapes": ("JCMC_LIMIT_SCRAPES", 10),
    "log_level": ("JCMC_LOG_LEVEL", "INFO"),
    "client_debug": ("JCMC_CLIENT_DEBUG", False),
    "client_interval_seconds": ("JCMC_CLIENT_INTERVAL", 0),
    "client_jitter_seconds": ("JCMC_CLIENT_JITTER", 5),
    "client_send_jwt": ("JCMC_CLIENT_SEND_JWT", False),
    "metrics_exporter": ("OTEL_METRICS_EXPORTER", frozenset({"prometheus"})),
    "export_interval_ms": ("OTEL_METRIC_EXPORT_INTERVAL", 15_000),
    "export_shares": ("JCMC_EXPORT_SHARES", 1),
    "export_timeout_ms": ("OTEL_METRIC_EXPORT_TIMEOUT", 30_000),
    "otlp_protocol": ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
    "otlp_endpoint": ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", None),
    "otlp_timeout_ms": ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", 10_000),
    "service_name": ("OTEL_SERVICE_NAME", "otel_jcmc"),
    "resource_attributes": ("OTEL_RESOURCE_ATTRIBUTES", ""),
    "jmmc_path": ("JCMC_JMMC_PATH", "/jmmc"),
    "jmmc_conf_pattern": ("JCMC_JMMC_CONF_PATTERN", None),
    "jmmc_authorized_regions": ("JCMC_JMMC_AUTHORIZED_REGIONS", ()),
    "jmmc_push_url": ("JCMC_JMMC_PUSH_URL", None),
    "cookie_secret": ("JCMC_COOKIE_SECRET", None),
    "history_hours": ("JCMC_HISTORY_HOURS", 24),
    "history_interval_seconds": ("JCMC_HISTORY_INTERVAL", 30),
    "history_samples": ("JCMC_HISTORY_SAMPLES", 6000),
    "history_sessions": ("JCMC_HISTORY_SESSIONS", 200_000),
    "history_max_bytes": ("JCMC_HISTORY_MAX_BYTES", 268_435_456),
    "summary_days": ("JCMC_SUMMARY_DAYS", 0),
    "summary_max_bytes": ("JCMC_SUMMARY_MAX_BYTES", 268_435_456),
    "summary_names": ("JCMC_SUMMARY_NAMES", False),
    "traces_exporter": ("OTEL_TRACES_EXPORTER", "none"),
    "session_grace_seconds": ("JCMC_SESSION_GRACE", 60),
    "series": (
        "JCMC_SERIES",
        {"participants", "conferences", "bridges", "regions", "fleet", "histograms"},
    ),
    "series_participants": ("JCMC_SERIES_PARTICIPANTS", 0),
    "series_conferences": ("JCMC_SERIES_CONFERENCES", 10_000),
    "series_bridges": ("JCMC_SERIES_BRIDGES", 200),
    "series_regions": ("JCMC_SERIES_REGIONS", 50),
    "traces_waiting": ("JCMC_TRACES_WAITING", 100_000),
    "bad_quality": ("JCMC_BAD_QUALITY", 30),
    "bad_packet_loss": ("JCMC_BAD_PACKET_LOSS", 5),
    "bad_round_trip_ms": ("JCMC_BAD_ROUND_TRIP", 400),
    "otlp_traces_protocol": ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", None),
    "otlp_traces_endpoint": ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None),
    "otlp_traces_timeout_ms": ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", None),
    "trace_url": ("JCMC_TRACE_URL", None),
    "logs_exporter": ("OTEL_LOGS_EXPORTER", "none"),
    "logs_waiting": ("JCMC_LOGS_WAITING", 50_000),
    "otlp_logs_protocol": ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", None),
    "otlp_logs_endpoint": ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", None),
    "otlp_logs_timeout_ms": ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", None),
}

# The original's env file with its comments; the test puts the address of its Redis in front.
ORIGINAL_ENV = """
# Metrics
METRICS_EXPIRATION=20 # In seconds
METRICS_EXPIRATION_TOLERANCE=5 # In seconds
METRICS_PREFIX=meet_ # Before every metric
ALLOW_PRIVATE_SCRAPE_ONLY=true   # 10.x, 192.168.x, 172.16-31.x

PUSH_URL=https://collector.example.org/metrics/push # What the client posts to
COLLECT_USERNAME=true # The label "username"
NODE_ENV=production
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, without any of our variables."""
    monkeypatch.chdir(tmp_path)
    names = {name.upper() for field in Settings.model_fields for name in names_of(field)}
    names |= {f"{name}_FILE" for name in names}
    for name in list(os.environ):
        if name.upper() in names or name.startswith("OTEL_"):
            monkeypatch.delenv(name)


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in the working folder, and return its output."""
    return imported.run(*arguments, environ=os.environ | environ)


# Defaults


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_setting_has_this_name_and_this_default(field: str) -> None:
    name, default = DEFAULTS[field]
    assert (name_of(field), getattr(Settings(), field)) == (name, default)


def test_no_setting_is_gone() -> None:
    assert set(DEFAULTS) <= set(Settings.model_fields)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_setting_says_what_it_means(field: str) -> None:
    description = Settings.model_fields[field].description
    assert description is not None
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("port", ["JCMC_PORT", "PORT"]),
        (
            "metrics_expiration_check_seconds",
            ["METRICS_EXPIRATION_CHECK", "METRICS_EXPIRATION_TOLERANCE"],
        ),
        (
            "otlp_protocol",
            ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        ),
        (
            "otlp_endpoint",
            ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
        ),
        (
            "otlp_timeout_ms",
            ["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
        ),
    ],
)
def test_a_setting_may_have_a_second_name_and_the_first_one_wins(
    monkeypatch: pytest.MonkeyPatch, field: str, names: list[str]
) -> None:
    texts = {
        "otlp_protocol": ["grpc", "http/protobuf"],
        "otlp_endpoint": ["http://a:4318", "http://b:4318"],
    }.get(field, ["11", "22"])
    assert names_of(field) == names
    monkeypatch.setenv(names[1], texts[1])
    assert str(getattr(Settings(), field)) == texts[1]
    monkeypatch.setenv(names[0], texts[0])
    assert str(getattr(Settings(), field)) == texts[0]


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that is the point


# Reading


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20", 20), ("20 # In seconds", 20), ("20\t#", 20), (" 20 ", 20), ("", 30), ("# later", 30)],
)
def test_a_trailing_comment_is_no_part_of_a_value(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: int
) -> None:
    """A container runtime passes on the comments of an env file."""
    monkeypatch.setenv("METRICS_EXPIRATION", text)
    assert Settings().metrics_expiration_seconds == seconds


def test_a_hash_inside_a_value_is_no_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH_URL", "https://c.example.org/push#part")
    assert Settings().push_url == "https://c.example.org/push#part"


def test_the_env_file_of_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("METRICS_EXPIRATION=20 # In seconds\nNODE_ENV=production\n")
    assert Settings().metrics_expiration_seconds == 20


def test_the_environment_goes_before_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("METRICS_EXPIRATION=20\n")
    monkeypatch.setenv("METRICS_EXPIRATION", "40")
    assert Settings().metrics_expiration_seconds == 40


@pytest.mark.parametrize(
    "field",
    [name for name in DEFAULTS if name != "port" and DEFAULTS[name][0].lower() != name],
)
def test_a_variable_that_only_looks_like_ours_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Shells set HOST, and many programs read LOG_LEVEL."""
    monkeypatch.setenv(field.upper(), "other")
    (tmp_path / ".env").write_text(f"{field}=other\n")
    assert getattr(Settings(), field) == DEFAULTS[field][1]


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "on", "TRUE"])
def test_yes_has_many_words(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COLLECT_USERNAME", text)
    assert Settings().collect_username is True


def test_lists_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "JCMC_CORS_ALLOWED_ORIGINS", "https://a.example.org, http://b.example.org:81"
    )
    monkeypatch.setenv("JCMC_TRUSTED_PROXIES", "192.0.2.7, 2001:db8::/32 # ours")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp, prometheus")
    settings = Settings()
    assert settings.cors_allowed_origins == ("https://a.example.org", "http://b.example.org:81")
    assert settings.trusted_proxies == (
        IPv4Network("192.0.2.7/32"),
        IPv6Network("2001:db8::/32"),
    )
    assert settings.metrics_exporter == {"otlp", "prometheus"}


def test_none_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JCMC_TRUSTED_PROXIES", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("JCMC_CORS_ALLOWED_ORIGINS", "none")
    assert Settings().trusted_proxies == ()
    assert Settings().cors_allowed_origins == ()
    assert Settings().metrics_exporter == frozenset()


# The original's env file, on a running service


def served_values(service: Service) -> None:
    """Assert that *service* does what ORIGINAL_ENV says."""
    assert service.push(push_body(conference="env")).body == "OK"
    found = {
        sample.name: sample.labels
        for sample in scraped(service, "/metrics/participants")
        if sample.labels.get("roomname") == "env" and "verdict" not in sample.name
    }
    assert len(found) == 14
    assert {name[:5] for name in found} == {"meet_"}
    assert found["meet_connectionquality"]["username"] == "Ada"
    assert (
        '"pushUrl":"https://collector.example.org/metrics/push"' in service.get("/client-file").body
    )
    assert service.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status == 403
    said = command(
        "check", **{name: service.environ[name] for name in ORIGINAL_NAMES & set(service.environ)}
    )
    lines = said.stdout.splitlines()
    assert "METRICS_EXPIRATION=20" in lines
    assert "METRICS_EXPIRATION_CHECK=5" in lines


ORIGINAL_NAMES = {
    line.partition("=")[0] for line in ORIGINAL_ENV.splitlines() if line[:1].isupper()
}


def test_the_original_env_file_starts_the_service(
    redis_server: EmbeddedStore, tmp_path: Path
) -> None:
    """In the working folder, as in a deployment of the original; PORT is read from it, too."""
    port = free_port()
    tmp_path.joinpath(".env").write_text(
        f"REDIS_URL={redis_server.url} # Where it is\nPORT={port} # To listen on\n{ORIGINAL_ENV}"
    )
    service = Service(tmp_path)
    del service.environ["JCMC_PORT"]
    with service:
        assert service.url == f"http://127.0.0.1:{port}"
        served_values(service)


def test_the_original_env_file_works_when_a_container_runtime_passes_its_comments(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    environ = dict(line.split("=", 1) for line in ORIGINAL_ENV.splitlines() if line[:1].isupper())
    assert environ["METRICS_EXPIRATION"] == "20 # In seconds"
    url = f"{redis_server.url} # Where it is"
    with Service(short_path / "a", REDIS_URL=url, **environ) as service:
        served_values(service)


# Wrong settings

NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"
ONE_KEY = "JCMC_JWT_SECRET, JCMC_JWT_PUBLIC_KEY, JCMC_JWT_JWKS_FILE"
UNREADABLE = "its host or port can't be read"
ENCODE = "in a password `/` is %2F, `?` %3F, `#` %23 and `@` %40; an option is name=value"
NO_DATABASE = "only a database's number may follow its host: redis://host:6379/0"
NO_SOCKET = "the path of a socket is missing: unix:///run/redis.sock"
NO_MASTER = "the master's name is missing: redis+sentinel://host:26379/mymaster"
AT_SIGN = "write `/` as %2F and `@` as %40 in a user, a password or a path"
NO_SCHEME = (
    "REDIS_URL must start with one of redis://, rediss://, unix://, redis+sentinel://,"
    " rediss+sentinel://, redis+cluster://, rediss+cluster://"
)


def no_setting(name: str, meant: str) -> str:
    """Return the message about a *name* that is no setting."""
    return f"{name} is no setting: is {meant} meant?"


NO_ORIGIN = "is not an origin: write it like https://meet.example.org"


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "METRICS_EXPIRATION",
            "soon",
            f"METRICS_EXPIRATION: {NO_INTEGER}",
        ),
        (
            "METRICS_EXPIRATION",
            "0",
            "METRICS_EXPIRATION: Input should be greater than or equal to 1",
        ),
        (
            "METRICS_EXPIRATION",
            "3601",
            "METRICS_EXPIRATION: Input should be less than or equal to 3600",
        ),
        ("PORT", "65536", "PORT: Input should be less than or equal to 65535"),
        ("PORT", "-1", "PORT: Input should be greater than or equal to 0"),
        (
            "COLLECT_USERNAME",
            "perhaps",
            "COLLECT_USERNAME: Input should be a valid boolean, unable to interpret input",
        ),
        (
            "METRICS_PREFIX",
            "1st_",
            "METRICS_PREFIX: '1st_' can't begin a metric's name: [a-zA-Z_:][a-zA-Z0-9_:]*",
        ),
        ("JCMC_NAMING", "both", "JCMC_NAMING: Input should be 'jcmc' or 'otel'"),
        ("JCMC_PARTITIONS", "8", "JCMC_PARTITIONS: must be 4, 16 or 64"),
        (
            "JCMC_EXPORT_SHARES",
            "5",
            "settings: JCMC_EXPORT_SHARES can be at most JCMC_PARTITIONS",
        ),
        (
            "JCMC_KEY_PREFIX",
            "a b",
            "JCMC_KEY_PREFIX: must have 1 to 64 characters of A-Z a-z 0-9 _ . : -",
        ),
        (
            "JCMC_CORS_ALLOWED_ORIGINS",
            "meet.example.org",
            f"JCMC_CORS_ALLOWED_ORIGINS: 'meet.example.org' {NO_ORIGIN}",
        ),
        (
            "JCMC_CORS_ALLOWED_ORIGINS",
            "https://meet.example.org/",
            f"JCMC_CORS_ALLOWED_ORIGINS: 'https://meet.example.org/' {NO_ORIGIN}",
        ),
        (
            "JCMC_CORS_ALLOWED_ORIGINS",
            "*,https://meet.example.org",
            "JCMC_CORS_ALLOWED_ORIGINS: `*` must stand alone",
        ),
        (
            "JCMC_TRUSTED_PROXIES",
            "10.0.0.0/8,proxy.example.org",
            "JCMC_TRUSTED_PROXIES: 'proxy.example.org' is not a network: write it like 10.0.0.0/8",
        ),
        (
            "JCMC_TRUSTED_PROXIES",
            "10.0.0.1/8",
            "JCMC_TRUSTED_PROXIES: '10.0.0.1/8' is not a network: write it like 10.0.0.0/8",
        ),
        (
            "JCMC_LOG_LEVEL",
            "LOUD",
            "JCMC_LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        ),
        (
            "OTEL_METRICS_EXPORTER",
            "console",
            "OTEL_METRICS_EXPORTER: ['console'] is unknown: set prometheus, otlp, both, or none",
        ),
        (
            "OTEL_METRICS_EXPORTER",
            "none,otlp",
            "OTEL_METRICS_EXPORTER: `none` must stand alone",
        ),
        (
            "REDIS_URL",
            "http://:hunter2@127.0.0.1:6379",
            (
                "settings: REDIS_URL must start with one of redis://, rediss://, unix://,"
                " redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://"
            ),
        ),
        (
            "REDIS_URL",
            "redis://:hunter2@127.0.0.1:port",
            "settings: REDIS_URL is not valid: its host or port can't be read",
        ),
        (
            "REDIS_URL",
            "redis://:hunter2/#x@127.0.0.1:6379",
            "settings: REDIS_URL is not valid: its host or port can't be read",
        ),
        (
            "REDIS_URL",
            "redis+sentinel://:hunter2/3@a:26379/mymaster",
            "settings: REDIS_URL is not valid: its host or port can't be read",
        ),
        (
            "REDIS_URL",
            "redis+sentinel://:hunter2@a:26379",
            (
                "settings: REDIS_URL is not valid: the master's name is missing:"
                " redis+sentinel://host:26379/mymaster"
            ),
        ),
        (
            "REDIS_URL",
            "redis://:hunter2@[::1",
            "settings: REDIS_URL is not valid: its host or port can't be read",
        ),
        *(
            ("REDIS_URL", url, f"settings: REDIS_URL is not valid: {what}")
            for url, what in (
                # A part of a password would become the host or the command for Redis.
                ("redis://:ab@hunter2/x@host/0", NO_DATABASE),
                ("redis://:12/hunter2@host/0", UNREADABLE),
                ("redis://user:12/hunter2@host/0", NO_DATABASE),
                ("redis://user:12?hunter2@host/0", ENCODE),
                ("redis://user:12#hunter2@host/0", ENCODE),
                ("redis://:ab@hunter2?x=y@host/0", ENCODE),
                ("redis://:ab@hunter2#x@host/0", ENCODE),
                ("rediss://:ab@hunter2/0/x@host", NO_DATABASE),
                ("redis://hunter2@", UNREADABLE),
                ("redis://:hunter2@", UNREADABLE),
                ("redis://:ab@hun ter2/0", UNREADABLE),
                ("redis://:ab@hunter2,other/0", UNREADABLE),
                ("redis://:ab@hunter2:0/0", UNREADABLE),
                ("redis://:ab@hunter2:70000/0", UNREADABLE),
                ("redis://host/word", NO_DATABASE),
                ("redis://host/0/1", NO_DATABASE),
                ("redis://host/-1", NO_DATABASE),
                ("redis://host/0?hunter2", ENCODE),
                ("unix://:ab/hunter2@/run/redis.sock", UNREADABLE),
                ("unix://:ab@hunter2/x@/run/redis.sock", NO_SOCKET),
                ("unix://run/hunter2.sock", NO_SOCKET),
                ("unix://", NO_SOCKET),
                ("unix:///", NO_SOCKET),
                ("unix:///run/redis.sock#hunter2", ENCODE),
                ("redis+sentinel://:ab@hunter2/x@host/0", NO_MASTER),
                ("redis+sentinel://:ab@hunter2?x@host/m/0", ENCODE),
                ("redis+sentinel://:ab@host/m?hunter2", ENCODE),
                ("redis+sentinel://:ab@hun ter2/m", UNREADABLE),
            )
        ),
        *(
            ("REDIS_URL", url, f"settings: {NO_SCHEME}")
            for url in ("host:6379", "redis:hunter2", "redis:/hunter2/0", "REDIS://:hunter2@host")
        ),
        *(
            (name, url, f"settings: {name} is not a valid URL: {what}")
            for name in (
                *("PUSH_URL", "JCMC_JMMC_PUSH_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"),
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            )
            for url, what in (
                ("https://ab:12/hunter2@host/push", AT_SIGN),
                ("https://ab:c@hunter2/x@host/push", AT_SIGN),
                ("https:///hunter2", UNREADABLE),
                ("https://:hunter2@/push", UNREADABLE),
                ("https://hun ter2/push", UNREADABLE),
            )
        ),
        (
            "JCMC_HISTROY_INTERVAL",
            "hunter2",
            f"settings: {no_setting('JCMC_HISTROY_INTERVAL', 'JCMC_HISTORY_INTERVAL')}",
        ),
        ("jcmc_prot", "hunter2", f"settings: {no_setting('JCMC_PROT', 'JCMC_PORT')}"),
        ("JCMC_PORT_FILE", "/hunter2", f"settings: {no_setting('JCMC_PORT_FILE', 'JCMC_PORT')}"),
        ("JCMC_REDIS_URL", "hunter2", f"settings: {no_setting('JCMC_REDIS_URL', 'REDIS_URL')}"),
        (
            "JCMC_XYZZY_QWERTY",
            "hunter2",
            "settings: JCMC_XYZZY_QWERTY is no setting: docs/settings.md has all of them",
        ),
        (
            "PUSH_URL",
            "//user:hunter2@collector/metrics/push",
            "settings: PUSH_URL must start with one of http://, https://",
        ),
        (
            "JCMC_PUSH_AUTH",
            "password",
            "JCMC_PUSH_AUTH: Input should be 'none', 'token' or 'jwt'",
        ),
        (
            "JCMC_PUSH_TOKEN_SECRET",
            "hunter2",
            "JCMC_PUSH_TOKEN_SECRET: must be at least 32 bytes: `openssl rand -hex 32` makes one",
        ),
        (
            "JCMC_PUSH_TOKEN_SECONDS",
            "59",
            "JCMC_PUSH_TOKEN_SECONDS: Input should be greater than or equal to 60",
        ),
        (
            "JCMC_PUSH_TOKEN_SECONDS",
            "86401",
            "JCMC_PUSH_TOKEN_SECONDS: Input should be less than or equal to 86400",
        ),
        (
            "JCMC_JWT_LEEWAY_SECONDS",
            "301",
            "JCMC_JWT_LEEWAY_SECONDS: Input should be less than or equal to 300",
        ),
        (
            "JCMC_PUSH_AUTH",
            "jwt",
            f"settings: JCMC_PUSH_AUTH=jwt requires exactly one of {ONE_KEY}",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4317",
            "settings: OTEL_EXPORTER_OTLP_ENDPOINT must start with one of http://, https://",
        ),
        (
            "JCMC_TRACE_URL",
            "javascript:alert('{trace_id}')",
            "settings: JCMC_TRACE_URL must start with one of http://, https://",
        ),
        (
            "JCMC_TRACE_URL",
            "https://grafana.example.org/explore",
            "settings: JCMC_TRACE_URL must have {trace_id} in the place of the trace's id",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    line: str,
) -> None:
    from otel_jcmc.command import arguments

    monkeypatch.setenv(name, text)
    monkeypatch.setattr(sys, "argv", ["otel-jcmc", "serve"])
    with pytest.raises(SystemExit) as ended:
        arguments.main()
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", f"otel-jcmc: {line}\n")


@pytest.mark.parametrize(
    "url",
    [
        *("redis://host", "redis://host/", "redis://host:6379/0", "redis://user:p%40%2F@host/15"),
        *(
            "redis://:pass@word@host/0",
            "redis://[::1]:6379",
            "rediss://h_o-s.t/0?ssl_check_hostname=0",
        ),
        *("redis://", "redis:///0", "unix:///run/redis.sock?db=0", "unix://user:p@/run/redis.sock"),
        "redis+sentinel://user:p@a:26379,b/mymaster/0?sentinel_password=x",
        *("redis+cluster://a", "rediss+cluster://user:p%40@a:7000,[::1]/0?ssl_ca_certs=/ca"),
    ],
)
def test_what_is_a_url_of_redis_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    taken = Settings().redis_url
    assert taken is not None
    assert taken.get_secret_value() == url
    open_link(url)


def test_check_says_the_same_of_a_name_that_no_setting_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from otel_jcmc.command import arguments

    (tmp_path / ".env").write_text("JCMC_LIMIT_SCRAPE=hunter2\n")
    monkeypatch.setattr(sys, "argv", ["otel-jcmc", "check"])
    with pytest.raises(SystemExit) as ended:
        arguments.main()
    assert ended.value.code == 1
    told = no_setting("JCMC_LIMIT_SCRAPE", "JCMC_LIMIT_SCRAPES")
    assert capsys.readouterr() == ("", f"otel-jcmc: settings: {told}\n")


@pytest.mark.parametrize(
    "names",
    [
        # An empty variable counts as not set.
        {"JCMC_HISTROY": ""},
        # Kubernetes sets these in every pod if a service is called jcmc or jcmc-redis.
        {
            "JCMC_SERVICE_HOST": "10.0.0.1",
            "JCMC_SERVICE_PORT": "3000",
            "JCMC_SERVICE_PORT_HTTP": "3000",
            "JCMC_PORT_3000_TCP": "tcp://10.0.0.1:3000",
            "JCMC_PORT_3000_TCP_ADDR": "10.0.0.1",
        },
        {
            "JCMC_REDIS_SERVICE_HOST": "10.0.0.1",
            "JCMC_REDIS_SERVICE_PORT": "6379",
            "JCMC_REDIS_PORT": "tcp://10.0.0.1:6379",
            "JCMC_REDIS_PORT_6379_TCP_PROTO": "tcp",
        },
    ],
)
def test_what_nobody_has_misspelt_is_ignored(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, str]
) -> None:
    for name, text in names.items():
        monkeypatch.setenv(name, text)
    assert Settings().port == DEFAULTS["port"][1]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, ""),
        (
            {"JCMC_JWT_PUBLIC_KEY": "/key"},
            "requires exactly one of JCMC_JWT_SECRET, JCMC_JWT_PUBLIC_KEY",
        ),
        ({"JCMC_JWT_ISSUER": ""}, "requires JCMC_JWT_ISSUER; `*` allows any value"),
        ({"JCMC_JWT_AUDIENCE": ""}, "requires JCMC_JWT_AUDIENCE; `*` allows any value"),
        ({"JCMC_JWT_SUBJECT": "none"}, "requires JCMC_JWT_SUBJECT; `*` allows any value"),
        ({"JCMC_JWT_SECRET": ""}, "requires exactly one of JCMC_JWT_SECRET, JCMC_JWT_PUBLIC_KEY"),
    ],
)
def test_who_checks_jitsis_tokens_says_by_what(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], line: str
) -> None:
    """No part of a token stays unchecked because the operator forgot it."""
    given = {
        "JCMC_PUSH_AUTH": "jwt",
        "JCMC_JWT_SECRET": "hunter2",
        "JCMC_JWT_ISSUER": "my_app",
        "JCMC_JWT_AUDIENCE": "a, b",
        "JCMC_JWT_SUBJECT": "*",
    } | changes
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    if not line:
        settings = Settings()
        assert settings.jwt_audience == ("a", "b")
        assert Settings.model_validate(settings.model_dump()) == settings
        return
    with pytest.raises(ValidationError) as error:
        Settings()
    assert line in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "JCMC_CORS_ALLOWED_ORIGINS",
            "none",
            "JCMC_PUSH_AUTH=token requires an origin in JCMC_CORS_ALLOWED_ORIGINS",
        ),
        (
            "JCMC_CLIENT_SEND_JWT",
            "true",
            "JCMC_CLIENT_SEND_JWT does not go with JCMC_PUSH_AUTH=token: a push has only one token",
        ),
    ],
)
def test_what_does_not_go_with_push_tokens_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, line: str
) -> None:
    monkeypatch.setenv("JCMC_PUSH_AUTH", "token")
    Settings()
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError, match=line):
        Settings()


def test_secrets_of_who_may_push_are_not_printed() -> None:
    ended = command("check", JCMC_PUSH_TOKEN_SECRET="hunter2" * 5, JCMC_JWT_SECRET="hunter2")
    assert ended.returncode == 0
    assert "JCMC_PUSH_TOKEN_SECRET=**********\n" in ended.stdout
    assert "JCMC_JWT_SECRET=**********\n" in ended.stdout
    assert "hunter2" not in ended.stdout + ended.stderr


def test_a_push_token_for_any_origin_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JCMC_PUSH_AUTH", "token")
    (line,) = advice(Settings())
    assert line.startswith("JCMC_PUSH_AUTH=token keeps no page out while JCMC_CORS_ALLOWED_ORIGINS")
    monkeypatch.setenv("JCMC_CORS_ALLOWED_ORIGINS", "https://meet.example.org")
    assert advice(Settings()) == []


@pytest.mark.parametrize(("secret", "lines"), [("hunter2", 1), ("h" * 31, 1), ("h" * 32, 0)])
def test_a_short_secret_of_jitsis_is_told_of(
    monkeypatch: pytest.MonkeyPatch, secret: str, lines: int
) -> None:
    for name in ("ISSUER", "AUDIENCE", "SUBJECT"):
        monkeypatch.setenv(f"JCMC_JWT_{name}", "*")
    monkeypatch.setenv("JCMC_PUSH_AUTH", "jwt")
    monkeypatch.setenv("JCMC_JWT_SECRET", secret)
    said = [line for line in advice(Settings()) if line.startswith("JCMC_JWT_SECRET is shorter")]
    assert len(said) == lines
    assert "hunter2" not in str(said)


def test_several_wrong_settings_are_a_line_each() -> None:
    ended = command("serve", METRICS_EXPIRATION="soon", JCMC_NAMING="both", PORT="high")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert [line.split(":")[1].strip() for line in ended.stderr.splitlines()] == [
        "METRICS_EXPIRATION",
        "PORT",
        "JCMC_NAMING",
    ]


def test_an_env_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"METRICS_EXPIRATION=\xff\xfe\n")
    ended = command("serve")
    assert (ended.returncode, ended.stderr) == (1, "otel-jcmc: .env: it is not UTF-8 text\n")


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = command("serve", JCMC_HOST="127.0.0.1", JCMC_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"otel-jcmc: can't listen on 127.0.0.1 port {port}: Address already in use; set JCMC_PORT\n"
    )


# Secrets from files


@pytest.mark.parametrize("text", ["redis://:s3cret@h:1/0", "redis://:s3cret@h:1/0\n"])
def test_a_secret_may_be_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "redis").write_text(text)
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "redis"))
    found = Settings().redis_url
    assert found is not None
    assert found.get_secret_value() == "redis://:s3cret@h:1/0"
    assert "s3cret" not in repr(Settings())


def test_a_line_end_of_windows_is_no_part_of_a_secret_and_a_blank_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_bytes(b"correct horse #battery \r\n")
    monkeypatch.setenv("JCMC_PRIVACY_KEY_FILE", str(tmp_path / "key"))
    found = Settings().privacy_key
    assert found is not None
    assert found.get_secret_value() == "correct horse #battery "


def test_the_env_file_may_name_a_secrets_file_with_a_comment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    (tmp_path / ".env").write_text(f"JCMC_SCRAPE_TOKEN_FILE={tmp_path}/token # for Prometheus\n")
    found = Settings().scrape_token
    assert found is not None
    assert found.get_secret_value() == "0123456789abcdef"


def test_the_environment_goes_before_the_env_file_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a child process: it has the secret itself, beside the same `.env`."""
    (tmp_path / "token").write_text("of-the-file-0123456789")
    (tmp_path / ".env").write_text(f"JCMC_SCRAPE_TOKEN_FILE={tmp_path}/token\n")
    monkeypatch.setenv("JCMC_SCRAPE_TOKEN", "of-the-environment-0123456789")
    found = Settings().scrape_token
    assert found is not None
    assert found.get_secret_value() == "of-the-environment-0123456789"


def test_a_child_gets_the_secret_and_not_the_name_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    monkeypatch.setenv("JCMC_SCRAPE_TOKEN_FILE", str(tmp_path / "token"))
    environ = Settings().to_environ()
    (tmp_path / "token").unlink()
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    found = Settings().scrape_token
    assert found is not None
    assert found.get_secret_value() == "0123456789abcdef"


def test_every_secret_may_be_in_a_file() -> None:
    """Each secret is a SecretStr; `otel-jcmc check` would show any other type."""
    secrets = {
        name_of(field)
        for field, about in Settings.model_fields.items()
        if "SecretStr" in str(about.annotation)
    }
    assert {"REDIS_URL", "JCMC_SCRAPE_TOKEN", "JCMC_READ_TOKEN"} <= secrets
    assert set(secret_names(Settings)) == secrets
    page = settings_page()
    for name in secrets:
        assert f"| `{name}` or `{name}_FILE` |" in page


@pytest.mark.parametrize(
    ("content", "environ", "line"),
    [
        (None, {}, "REDIS_URL_FILE: {path} can't be read: No such file or directory"),
        (b"", {}, "REDIS_URL_FILE: {path} is empty"),
        (b" \n", {}, "REDIS_URL_FILE: {path} is empty"),
        (b"\xff", {}, "REDIS_URL_FILE: {path} is not UTF-8 text"),
        (
            b"redis://b:hunter2@h\n",
            {"REDIS_URL": "redis://a:hunter2@h"},
            "REDIS_URL and REDIS_URL_FILE are both set: set only one",
        ),
        (
            b"http://:hunter2@h",
            {},
            (
                "REDIS_URL must start with one of redis://, rediss://, unix://,"
                " redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://"
            ),
        ),
    ],
)
def test_a_secret_that_cannot_be_had_is_one_line(
    tmp_path: Path, content: bytes | None, environ: dict[str, str], line: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    for command_name in ("serve", "check"):
        ended = command(command_name, REDIS_URL_FILE=str(path), **environ)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == f"otel-jcmc: settings: {line.format(path=path)}\n"


@pytest.mark.parametrize("token", ["short", "with a blank inside", "ümlaut-0123456789", "x" * 15])
def test_a_token_is_long_enough_not_to_be_guessed(token: str) -> None:
    ended = command("check", JCMC_SCRAPE_TOKEN=token)
    assert ended.returncode == 1
    assert ended.stderr == (
        "otel-jcmc: JCMC_SCRAPE_TOKEN: must have at least 16 characters of ASCII without blanks\n"
    )


def test_the_headers_of_otlp_may_be_in_a_file(tmp_path: Path, short_path: Path) -> None:
    """They hold a Collector's token, and the exporters read them only from the environment."""
    (tmp_path / "headers").write_text("authorization=Bearer%20hunter2\n")
    with OtlpSink() as sink:
        service = Service(
            short_path,
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
            OTEL_METRIC_EXPORT_INTERVAL="200",
            OTEL_EXPORTER_OTLP_HEADERS_FILE=str(tmp_path / "headers"),
        )
        with service:
            service.push(push_body())
            eventually(lambda: sink.requests)
        assert sink.requests[0].headers["authorization"] == "Bearer hunter2"


def test_two_ports_are_two() -> None:
    ended = command("check", JCMC_PORT="4000", JCMC_ADMIN_PORT="4000")
    assert ended.stderr == ("otel-jcmc: settings: JCMC_ADMIN_PORT must differ from JCMC_PORT\n")


def test_a_second_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = command("serve", JCMC_PORT="0", JCMC_ADMIN_PORT=str(port))
    assert ended.stderr == (
        f"otel-jcmc: can't listen on 127.0.0.1 port {port}: Address already in use;"
        " set JCMC_ADMIN_PORT\n"
    )


def test_a_scrape_with_a_token_is_open_to_no_stranger() -> None:
    token = SecretStr("0123456789abcdef")
    assert advice(Settings(allow_private_scrape_only=False, scrape_token=token)) == []


# otel-jcmc check


def test_check_prints_what_is_in_force_and_what_is_default() -> None:
    said = command("check", PORT="8080 # as before", JCMC_NAMING="otel")
    assert said.returncode == 0
    lines = said.stdout.splitlines()
    assert lines[:2] == ["REDIS_URL=  (default)", "METRICS_EXPIRATION=30  (default)"]
    assert "JCMC_PORT=8080" in lines
    assert "JCMC_NAMING=otel" in lines
    assert "OTEL_METRICS_EXPORTER=prometheus  (default)" in lines
    about = [line for line in lines if line.startswith("#")]
    assert len(lines) == len(Settings.model_fields) + len(about)
    assert said.stderr == ""


def test_check_never_shows_a_secret() -> None:
    said = command("check", REDIS_URL="redis://me:hunter2@127.0.0.1:6379/0")
    assert said.returncode == 0
    assert said.stdout.splitlines()[0] == "REDIS_URL=**********"
    assert "hunter2" not in said.stdout + said.stderr


def test_check_tells_what_will_disappoint() -> None:
    said = command("check", OTEL_METRICS_EXPORTER="otlp", ALLOW_PRIVATE_SCRAPE_ONLY="false")
    assert [line[:40] for line in said.stderr.splitlines()] == [
        "note: a Collector's prometheus exporter ",
        "note: ALLOW_PRIVATE_SCRAPE_ONLY is off: ",
    ]


@pytest.mark.parametrize(
    ("expiration", "interval_ms", "wanted"),
    [(30, 15_000, "37.5s"), (90, 15_000, "90s"), (30, 60_000, "150s")],
)
def test_a_collector_should_forget_after_the_longer_of_ttl_and_two_and_a_half_intervals(
    expiration: int, interval_ms: int, wanted: str
) -> None:
    settings = Settings(
        metrics_expiration_seconds=expiration,
        export_interval_ms=interval_ms,
        metrics_exporter=frozenset({"otlp"}),
    )
    assert f"metric_expiration: {wanted} " in advice(settings)[0]


def test_nothing_disappoints_by_default() -> None:
    assert advice(Settings()) == []


# Passed to a child process and read again

CHANGED: dict[str, Any] = {
    "redis_url": "redis://me:hunter2@127.0.0.1:6379/0",
    "metrics_expiration_seconds": 45,
    "metrics_expiration_check_seconds": 0,
    "allow_private_scrape_only": False,
    "push_url": "https://c.example.org/metrics/push?a=1&b=#x",
    "collect_username": True,
    "metrics_prefix": "meet_",
    "port": 0,
    "host": "::",
    "naming": Naming.OTEL,
    "collect_addresses": True,
    "collect_feedback": True,
    "cors_allowed_origins": ("https://a.example.org", "https://b.example.org"),
    "trusted_proxies": (),
    "key_prefix": "a:b.c-d_e",
    "partitions": 16,
    "embedded_dir": Path("/run/otel jcmc"),
    "push_auth": "token",
    "push_token_secret": "hunter2" * 5,
    "push_token_seconds": 60,
    "jwt_secret": "hunter2",
    "jwt_public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    "jwt_jwks_file": Path("/run/otel jcmc/jwks"),
    "jwt_issuer": ("a", "b c"),
    "jwt_audience": ("*",),
    "jwt_subject": ("acme", "meet.example.org"),
    "jwt_leeway_seconds": 0,
    "privacy": ("roomname=hash", "username=keep"),
    "privacy_key": "hunter2 and hunter3",
    "bridges": ("203.0.113.7:10000=jvb-1", "jvb-a=jvb-1"),
    "relays": ("203.0.113.9=turn-1",),
    "limit_body_bytes": 0,
    "limit_label_characters": 0,
    "limit_transports": 0,
    "limit_participants": 0,
    "limit_conference_participants": 0,
    "limit_participant_pushes": 0.0,
    "limit_address_pushes": 0.0,
    "limit_address_newcomers": 0.0,
    "limit_address_participants": 0,
    "scrape_token": "c7Zk'-$#7q\"1=Nn0_\\",
    "read_token": "0123456789abcdef",
    "pages": "false",
    "read_hosts": "quality.example.org",
    "admin_port": 3001,
    "admin_host": "::1",
    "workers": 4,
    "tls_certificate_file": Path("/etc/jcmc/chain.pem"),
    "tls_key_file": Path("/etc/jcmc/key.pem"),
    "limit_connections": 0,
    "limit_head_bytes": 0,
    "limit_head_seconds": 0,
    "limit_body_seconds": 0,
    "limit_answer_seconds": 0,
    "limit_scrapes": 0,
    "log_level": "DEBUG",
    "client_debug": True,
    "client_interval_seconds": 30,
    "client_jitter_seconds": 7,
    "client_send_jwt": True,
    "metrics_exporter": frozenset(),
    "export_interval_ms": 100,
    "export_shares": 4,
    "export_timeout_ms": 100,
    "otlp_protocol": "grpc",
    "otlp_endpoint": "https://collector.example.org:4317",
    "otlp_timeout_ms": 250,
    "service_name": "meet",
    "resource_attributes": "deployment.environment.name=test,a=b c",
    "jmmc_path": "/metrics/jmmc",
    "jmmc_conf_pattern": "^[a-z]+$",
    "jmmc_authorized_regions": ("eu-west", "us-east"),
    "jmmc_push_url": "https://jmmc.example.org/push",
    "cookie_secret": "0123456789abcdef0123456789abcdef",
    "history_hours": 0,
    "history_interval_seconds": 60,
    "history_samples": 100,
    "history_sessions": 0,
    "history_max_bytes": 2**20,
    "summary_days": 400,
    "summary_max_bytes": 2**20,
    "summary_names": True,
    "traces_exporter": "otlp",
    "session_grace_seconds": 5,
    "series": {"fleet", "histograms"},
    "series_participants": 500,
    "series_conferences": 0,
    "series_bridges": 12,
    "series_regions": 3,
    "traces_waiting": 200,
    "bad_quality": 45.5,
    "bad_packet_loss": 2.5,
    "bad_round_trip_ms": 300.0,
    "otlp_traces_protocol": "grpc",
    "otlp_traces_endpoint": "https://tempo.example.org:4317",
    "otlp_traces_timeout_ms": 250,
    "trace_url": "https://grafana.example.org/explore?left={%22q%22:%22{trace_id}%22}&s={span_id}",
    "logs_exporter": "otlp",
    "logs_waiting": 200,
    "otlp_logs_protocol": "grpc",
    "otlp_logs_endpoint": "https://loki.example.org:4317",
    "otlp_logs_timeout_ms": 250,
}


@pytest.mark.parametrize(("field", "value"), [*CHANGED.items(), ("cors_allowed_origins", ())])
def test_a_child_gets_the_setting_that_its_parent_has(
    monkeypatch: pytest.MonkeyPatch, field: str, value: Any
) -> None:
    settings = Settings(**{field: value})
    for name, text in settings.to_environ().items():
        monkeypatch.setenv(name, text)
    theirs, ours = Settings().model_dump(), settings.model_dump()
    # In another order, which means nothing.
    assert set(theirs.pop("trusted_proxies")) == set(ours.pop("trusted_proxies"))
    assert theirs == ours


def test_every_setting_is_tried_on_a_child() -> None:
    assert set(CHANGED) == set(DEFAULTS)


# Limits that are switched off


def test_a_larger_body_is_taken_when_the_limit_is_off(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_BODY_BYTES="0", JCMC_LIMIT_PARTICIPANTS="0") as service:
        assert service.push({**push_body(), "unknown": "x" * 100_000}).status == 200


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({}, ["too_long", "too_many"]),
        ({"limit_label_characters": 0}, ["too_many"]),
        ({"limit_transports": 0}, ["too_long"]),
        ({"limit_transports": 9, "limit_label_characters": 300}, []),
        ({"limit_transports": 0, "limit_label_characters": 0}, []),
    ],
)
def test_the_limits_of_a_push_s_content_are_those_of_the_settings(
    limits: dict[str, Any], reasons: list[str]
) -> None:
    body = push_body()
    body["metrics"]["connectionquality"]["labels"]["serverregion"] = "x" * 300
    body["metrics"]["transport_rtt"] *= 9
    report = create_app(Settings(**limits)).push_endpoint._parse(json.dumps(body).encode())
    assert [str(fault.reason) for fault in report.dropped] == reasons


# Clients of the Jitsi Meet Metrics Collector


@pytest.mark.parametrize(
    "name", ["JCMC_JMMC_CONF_PATTERN", "JCMC_JMMC_AUTHORIZED_REGIONS", "JCMC_JMMC_PUSH_URL"]
)
def test_who_wants_them_of_another_origin_is_told_to_name_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "https://x")
    (line,) = advice(Settings())
    assert line.startswith("JMMC pages of another origin must send a cookie")
    monkeypatch.setenv("JCMC_CORS_ALLOWED_ORIGINS", "https://meet.example.org")
    assert advice(Settings()) == []
    monkeypatch.delenv("JCMC_CORS_ALLOWED_ORIGINS")
    monkeypatch.setenv("JCMC_JMMC_PATH", "none")
    assert advice(Settings()) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("jmmc", "'jmmc' is not a path: write it like /jmmc, or `none` to switch it off"),
        ("/", "'/' is not a path: write it like /jmmc, or `none` to switch it off"),
        ("/a/", "'/a/' is not a path: write it like /jmmc, or `none` to switch it off"),
        ("/a b", "'/a b' is not a path: write it like /jmmc, or `none` to switch it off"),
        ("/metrics", "/metrics is taken: other pages push to /metrics/push"),
    ],
)
def test_where_they_push_to_is_a_path_of_its_own(
    path: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JCMC_JMMC_PATH", path)
    with pytest.raises(ValueError, match=re.escape(line)):
        Settings()


def test_what_is_shown_of_a_receivers_url_is_no_password(short_path: Path) -> None:
    """Neither by `check` nor by the first lines of a start."""
    environ = {
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://ada:hunter2@127.0.0.1:4318",
    }
    ended = command("check", **environ)
    assert "http://***@127.0.0.1:4318" in ended.stdout
    assert "hunter2" not in ended.stdout + ended.stderr
    with Service(short_path, **environ) as service:
        said = "\n".join(service.banner)
    assert said.count("http://***@127.0.0.1:4318") == 3
    assert "hunter2" not in said + service.log.read_text()


@pytest.mark.parametrize(
    ("most", "workers", "each"), [(10_000, 0, 10_000), (10_000, 3, 3334), (10, 64, 1), (0, 4, 0)]
)
def test_workers_share_the_connections(most: int, workers: int, each: int) -> None:
    assert Settings(limit_connections=most, workers=workers).worker_connections == each


def test_the_check_tells_of_workers() -> None:
    ran = command("check", JCMC_WORKERS="3")
    assert ran.returncode == 0
    assert "JCMC_WORKERS=3\n" in ran.stdout
    told = "# workers: 3 take pushes, with 3334 connections each; one more process reads\n"
    assert told in ran.stdout


def test_a_flag_that_is_no_number_is_one_line() -> None:
    ran = command("serve", "--workers", "many")
    assert ran.returncode == 1
    assert ran.stderr.startswith("otel-jcmc: JCMC_WORKERS: ")
    assert ran.stderr.count("\n") == 1
