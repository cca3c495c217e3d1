"""The settings of a command: the environment and `.env`, and each mistake in them as one line."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_jcmc.config.settings import Settings


# What the SDK's exporters read themselves, and only from the environment.
OTLP_SECRETS: Final = tuple(f"OTEL_EXPORTER_OTLP_{of}HEADERS" for of in ("", "METRICS_", "TRACES_"))


def with_settings(command: "Callable[[Settings], int]") -> int:
    """Run *command* with the environment's settings, or say in a line each what is wrong."""
    from dotenv import dotenv_values
    from pydantic import ValidationError

    from otel_jcmc.catalogue.reasons import ExporterCannotStart, KeysUnusable, StoreCannotStart
    from otel_jcmc.config.settings import Settings, other_names
    from otel_jcmc.config.sources import read_secret

    try:
        of_file = dotenv_values(".env")
    except UnicodeDecodeError:
        print("otel-jcmc: .env: it is no UTF-8 text", file=sys.stderr)
        return 1
    # The SDK's exporters read the environment by themselves, not the file.
    for name, value in of_file.items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
    try:
        for name in OTLP_SECRETS:
            if path := os.environ.pop(f"{name}_FILE", ""):
                os.environ[name] = read_secret(f"{name}_FILE", path)
    except ValueError as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    try:
        return command(Settings())
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            first = str(fault["loc"][0]) if fault["loc"] else "settings"
            given = (name for name in other_names(first) if name in os.environ or name in of_file)
            where = next(given, first)
            what = fault["msg"].removeprefix("Value error, ")
            print(f"otel-jcmc: {where}: {what}", file=sys.stderr)
    except (StoreCannotStart, ExporterCannotStart, KeysUnusable) as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
    return 1


def push_base(settings: "Settings") -> str:
    """Return where this machine finds the port for browsers of the service of *settings*."""
    scheme = "https" if settings.tls_certificate_file else "http"
    return url_of(scheme, settings.host, settings.port)


def read_base(settings: "Settings") -> str:
    """Return where this machine finds what is not for browsers, as `push_base`."""
    if settings.admin_port is None:
        return push_base(settings)
    scheme = "https" if settings.tls_certificate_file else "http"
    return url_of(scheme, settings.admin_host, settings.admin_port)


def url_of(scheme: str, host: str, port: int) -> str:
    """Return where this machine finds what listens on *host* and *port*."""
    everywhere = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
    shown = "127.0.0.1" if host in everywhere else host
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
