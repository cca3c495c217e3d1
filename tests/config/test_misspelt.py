"""Unknown variables: those that resemble a setting are named, and no others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Service
from opentelemetry import environment_variables as of_api
from opentelemetry.sdk import environment_variables as of_sdk

from otel_jcmc.config.misspelt import misspelt
from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sources import setting_names


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, with an empty environment."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - {"PATH", "PYTHONPATH", "HOME"}:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("METRICS_EXPRATION", "METRICS_EXPIRATION"),
        ("METRICS_EXPIRATON_CHECK", "METRICS_EXPIRATION_CHECK"),
        ("METRICS_PERFIX", "METRICS_PREFIX"),
        ("COLLECT_USERNAMES", "COLLECT_USERNAME"),
        ("ALLOW_PRIVATE_SCRAPE", "ALLOW_PRIVATE_SCRAPE_ONLY"),
        ("METRIC_PREFIX", "METRICS_PREFIX"),
        ("PUSH_ULR", "PUSH_URL"),
        ("REDIS_URI", "REDIS_URL"),
        ("OTEL_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER"),
        ("OTEL_METRICS_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_INTERVAL"),
        ("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
def test_a_misspelt_variable_is_named_with_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    line = f"{name} is no setting: is {meant} meant?"
    monkeypatch.setenv(name, "hunter2")
    assert misspelt(Settings) == [line]
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=hunter2 # In seconds\n")
    assert misspelt(Settings) == [line]


@pytest.mark.parametrize(
    "name",
    [
        # Variables of other programs.
        *("METRICS_PORT", "METRICS_PATH", "REDIS_HOST", "REDIS_PORT", "PORTS", "HOST", "NODE_ENV"),
        # Variables of settings.
        *("METRICS_EXPIRATION", "METRICS_EXPIRATION_TOLERANCE", "REDIS_URL_FILE"),
    ],
)
def test_what_is_somebody_elses_or_right_is_not_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert misspelt(Settings) == []


def test_none_of_opentelemetrys_own_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although many variables of the SDK resemble ours."""
    names = {name for name in (*dir(of_api), *dir(of_sdk)) if name.startswith("OTEL_")}
    assert len(names) > 60
    for name in names - setting_names(Settings):
        monkeypatch.setenv(name, "1")
    assert misspelt(Settings) == []


def test_what_is_given_as_well_was_not_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some platforms set both for their own Redis."""
    monkeypatch.setenv("REDIS_TLS_URL", "rediss://a")
    monkeypatch.setenv("REDIS_URL", "redis://a")
    assert misspelt(Settings) == []


def test_given_and_empty_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH_ULR", "")
    assert misspelt(Settings) == []


def test_the_start_and_check_name_it(short_path: Path) -> None:
    line = "METRICS_EXPRATION is no setting: is METRICS_EXPIRATION meant?"
    service = Service(short_path, METRICS_EXPRATION="20")
    ran = subprocess.run(
        [sys.executable, "-m", "otel_jcmc", "check"],
        env=service.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == f"note: {line}\n"
    with service:
        assert service.process is not None
        assert service.process.stdout is not None
        assert service.process.stdout.readline() == f"  note        {line}\n"
