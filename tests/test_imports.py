"""
Imports run one way, and few files see each library: a change of one touches a known few.

Computed from the sources with `ast`, imports inside functions and for type checkers included.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "otel_jcmc"

# Each module may import those above it. The road of a push, from what everything stands on to
# what starts it all.
ORDER = [
    "catalogue",
    "faults",
    "log",
    "checks",
    "push_session",
    "push_shape",
    "push",
    "jmmc",
    "privacy",
    "enrich",
    "participants",
    "vitals",
    "samples",
    "span_ids",
    "redis_url",
    "link",
    "scripts",
    "lease",
    "embedded",
    "store",
    "gathering",
    "session_logs",
    "history_room",
    "recorder",
    "snapshot",
    "observations",
    "labels",
    "gauges",
    "provider",
    "prometheus",
    "otlp",
    "otlp_points",
    "folding",
    "spans",
    "sweep",
    "outbox",
    "otlp_traces",
    "traces",
    "telemetry",
    "access",
    "doors",
    "cors",
    "limits",
    "bearer",
    "push_secret",
    "jmmc_cookie",
    "jmmc_states",
    "push_token",
    "jitsi_keys",
    "jitsi_token",
    "client_file",
    "scrape",
    "exporter",
    "connections",
    "intake",
    "answers",
    "bodies",
    "receiver",
    "jmmc_door",
    "openapi_parts",
    "openapi_jmmc",
    "openapi",
    "life",
    "routes",
    "past_session",
    "history",
    "erasure",
    "session_query",
    "session_text",
    "session_routes",
    "setting_sources",
    "settings_sessions",
    "settings",
    "advice",
    "service",
    "app",
    "listening",
    "protocol",
    "ending",
    "server",
    "load",
    "simulated_page",
    "simulate",
    "plot",
    "sessions_command",
    "browser_support",
    "generate",
    "__init__",
    "__main__",
]

MAY_SEE = {
    "otel_jcmc.settings": {"advice", "app", "service", "generate", "__init__", "__main__"},
    "redis": {"link", "scripts", "session_logs", "store", "jmmc_states"},
    "hiredis": {"link"},
    "opentelemetry": {
        "observations",
        "gauges",
        "provider",
        "otlp",
        "otlp_points",
        "spans",
        "otlp_traces",
        "telemetry",
        "exporter",
        "service",
    },
    "prometheus_client": {"telemetry", "scrape", "routes"},
    "fastapi": {"routes", "session_routes"},
    "starlette": set(),
    "pydantic": {"setting_sources", "settings_sessions", "settings", "__main__"},
    "pydantic_settings": {"setting_sources", "settings_sessions", "settings"},
    "msgspec": {
        *("push_session", "push_shape", "push", "participants", "samples", "sweep"),
        "gathering",
        "session_text",
        *("prometheus", "intake", "answers", "simulated_page", "jmmc", "jmmc_states"),
    },
    "ua_parser": {"enrich"},
    "uvicorn": {"__main__", "protocol", "server"},
    "httptools": {"load"},
    "isal": {"scrape"},
    "rjsmin": {"client_file"},
    "zopfli": {"client_file"},
    "jwt": {"push_token", "jitsi_keys", "jitsi_token"},
    "cryptography": {"jitsi_keys"},
}

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))


def imported(module: str) -> Iterator[str]:
    """Return what *module* imports: `redis.asyncio`, `otel_jcmc.store`."""
    for node in ast.walk(ast.parse(PACKAGE.joinpath(f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            assert node.module
            if node.module == "otel_jcmc":
                yield from (f"otel_jcmc.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_stands_above_it(module: str) -> None:
    assert module in ORDER, f"{module} has no place in the order yet"
    ours = {name.removeprefix("otel_jcmc.") for name in imported(module) if name != "otel_jcmc"}
    above = set(ORDER[: ORDER.index(module)])
    assert ours & set(MODULES) <= above


def test_the_order_names_nothing_that_is_gone() -> None:
    assert [name for name in ORDER if name not in MODULES] == []


@pytest.mark.parametrize("library", MAY_SEE)
def test_few_modules_see(library: str) -> None:
    seeing = {
        module
        for module in MODULES
        if any(f"{name}.".startswith(f"{library}.") for name in imported(module))
    }
    assert seeing == MAY_SEE[library]


def test_the_service_is_made_without_what_only_some_deployments_need() -> None:
    """Each is memory and time at every start: OTLP's exporters, and what verifies tokens."""
    made = (
        "import sys; from otel_jcmc import Settings, create_app; create_app(Settings());"
        " print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", made], check=True, stdout=subprocess.PIPE, text=True
    )
    loaded = set(ran.stdout.split())
    assert "opentelemetry.sdk.metrics" in loaded
    unwanted = {
        *("grpc", "requests", "google.protobuf", "opentelemetry.exporter.otlp", "pydantic.v1"),
        *("jwt", "cryptography.hazmat"),
    }
    assert loaded & unwanted == set()


def test_the_package_itself_imports_nothing_at_once() -> None:
    """So that the command line answers --help at once, and a host that mounts us chooses when."""
    tree = ast.parse(PACKAGE.joinpath("__init__.py").read_text())
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in at_once] == ["from typing import TYPE_CHECKING, Any"]
