"""Reads a command's settings from the environment and `.env`; each mistake becomes one line."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_jcmc.config.settings import Settings


# Secret variables that OpenTelemetry's exporters read directly, and only from the environment.
OTLP_SECRETS: Final = tuple(f"OTEL_EXPORTER_OTLP_{of}HEADERS" for of in ("", "METRICS_", "TRACES_"))


def with_settings(command: "Callable[[Settings], int]") -> int:
    """
    Run *command* with the environment's settings, and return its exit code.

    If a setting is wrong, print one line for each mistake, and return 1.
    """
    from pydantic import ValidationError

    from otel_jcmc.catalogue.reasons import ExporterCannotStart, KeysUnusable, StoreCannotStart

    try:
        settings = read_settings()
    except ValueError as error:
        lines = faults_of(error)
    else:
        try:
            return command(settings)
        except ValidationError as error:
            lines = faults_of(error)
        except (StoreCannotStart, ExporterCannotStart, KeysUnusable) as error:
            lines = [str(error)]
    for line in lines:
        print(f"otel-jcmc: {line}", file=sys.stderr)
    return 1


def read_settings() -> "Settings":
    """
    Return the settings of the environment and of `.env`.

    Raises:
        ValueError: a setting is wrong; `faults_of` says which.
    """
    from dotenv import dotenv_values

    from otel_jcmc.config.settings import Settings
    from otel_jcmc.config.sources import read_secret

    try:
        of_file = dotenv_values(".env")
    except UnicodeDecodeError:
        raise ValueError(".env: it is not UTF-8 text") from None
    # OpenTelemetry's exporters read the environment, but not `.env`, so its variables are copied.
    for name, value in of_file.items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
    for name in OTLP_SECRETS:
        if path := os.environ.pop(f"{name}_FILE", ""):
            os.environ[name] = read_secret(f"{name}_FILE", path)
    return Settings()


def faults_of(error: ValueError) -> list[str]:
    """Return the mistakes in settings that raised *error*, a line for each mistake."""
    from dotenv import dotenv_values
    from pydantic import ValidationError

    from otel_jcmc.config.settings import other_names

    if not isinstance(error, ValidationError):
        return [str(error)]
    of_file = dotenv_values(".env")
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        first = str(fault["loc"][0]) if fault["loc"] else "settings"
        given = (name for name in other_names(first) if name in os.environ or name in of_file)
        what = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{next(given, first)}: {what}")
    return lines


def push_base(settings: "Settings") -> str:
    """Return the URL at which this machine reaches the browsers' port of the service."""
    scheme = "https" if settings.tls_certificate_file else "http"
    return url_of(scheme, settings.host, settings.port)


def read_base(settings: "Settings") -> str:
    """Return the URL at which this machine reaches the port for scrapes, sessions and pages."""
    if settings.admin_port is None:
        return push_base(settings)
    scheme = "https" if settings.tls_certificate_file else "http"
    return url_of(scheme, settings.admin_host, settings.admin_port)


def url_of(scheme: str, host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server that listens on *host* and *port*."""
    everywhere = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
    shown = "127.0.0.1" if host in everywhere else host
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
