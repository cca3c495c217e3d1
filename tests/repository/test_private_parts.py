"""
The parts of libraries that we use although the libraries do not promise to keep them, by name.

A missing part fails here by its name. pyproject.toml has an upper bound for each of these
libraries. A newer version is admitted when this test, and the tests of the code that uses the part,
pass.
"""

import ast
import importlib
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import opentelemetry.exporter.otlp.proto.grpc._log_exporter as grpc_logs
import opentelemetry.exporter.otlp.proto.grpc.metric_exporter as grpc_metrics
import opentelemetry.exporter.otlp.proto.grpc.trace_exporter as grpc_spans
import opentelemetry.exporter.otlp.proto.http._log_exporter as http_logs
import opentelemetry.exporter.otlp.proto.http.metric_exporter as http_metrics
import opentelemetry.exporter.otlp.proto.http.trace_exporter as http_spans
import pytest
from fastapi import APIRouter, FastAPI
from redis._parsers import BaseParser
from redis.asyncio import Connection
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "otel_jcmc"

# otlp/sender.py, otlp/metrics.py
BY_GRPC = {"_client", "_headers", "_channel", "_initialize_channel_and_stub"}
BY_HTTP = {"_client"}
CLIENT_BY_HTTP = {"_submit", "_compress"}
OF_METRICS = {"_preferred_temporality", "_preferred_aggregation"}
# store/link.py
OF_REDIS = {"_parsers", "_writer"}
# server/: uvicorn documents its settings and its Server, but none of these.
OF_UVICORN = {
    "uvicorn.protocols.http.flow_control": {"HIGH_WATER_LIMIT", "FlowControl"},
    "uvicorn.protocols.http.httptools_impl": {"STATUS_LINE", "RequestResponseCycle"},
    "uvicorn.protocols.utils": {"get_local_addr", "get_remote_addr", "is_ssl"},
    "uvicorn.server": {"ServerState"},
}
CYCLE = {
    *("access_log", "access_logger", "default_headers", "expect_100_continue", "flow"),
    *("keep_alive", "logger", "message_event", "on_response", "scope", "transport"),
}


@pytest.mark.parametrize("module", sorted(OF_UVICORN))
def test_uvicorn_has(module: str) -> None:
    found = importlib.import_module(module)
    for name in OF_UVICORN[module]:
        assert hasattr(found, name), name


def test_all_that_is_imported_of_uvicorn_is_named_here() -> None:
    used: dict[str, set[str]] = {}
    for path in (PACKAGE / "server").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("uvicorn"):
                used.setdefault(str(node.module), set()).update(each.name for each in node.names)
    assert used == OF_UVICORN


def test_uvicorns_cycle_and_status_lines_are_what_we_take_them_for() -> None:
    known = set(inspect.signature(RequestResponseCycle).parameters)
    assert known == CYCLE
    text = inspect.getsource(RequestResponseCycle)
    assert "async def run_asgi(self, app" in text
    for name in ("body", "disconnected", "more_body", "response_complete"):
        assert name in known or f"self.{name}" in text, name
    assert "self.response_started" in text
    assert httptools_impl.STATUS_LINE[503].startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    "exporter",
    [
        grpc_metrics.OTLPMetricExporter,
        grpc_spans.OTLPSpanExporter,
        grpc_logs.OTLPLogExporter,
    ],
)
def test_the_sdks_exporters_by_grpc_have(exporter: Any) -> None:
    made = exporter(endpoint="http://127.0.0.1:1", insecure=True)
    for name in BY_GRPC:
        assert hasattr(made, name), name
    made.shutdown()


@pytest.mark.parametrize(
    "exporter",
    [
        http_metrics.OTLPMetricExporter,
        http_spans.OTLPSpanExporter,
        http_logs.OTLPLogExporter,
    ],
)
def test_the_sdks_exporters_by_http_have(exporter: Any) -> None:
    made = exporter(endpoint="http://127.0.0.1:1")
    for name in BY_HTTP:
        assert hasattr(made, name), name
    for name in CLIENT_BY_HTTP:
        assert hasattr(made._client, name), name
    made.shutdown()


@pytest.mark.parametrize("module", [grpc_metrics, http_metrics])
def test_the_sdks_metric_exporters_have(module: Any) -> None:
    made = module.OTLPMetricExporter(endpoint="http://127.0.0.1:1")
    for name in OF_METRICS:
        assert hasattr(made, name), name
    made.shutdown()


def test_redis_connections_have() -> None:
    assert inspect.isclass(BaseParser)
    assert hasattr(Connection(), "_writer")


def test_fastapis_included_routers_are_found_as_405_looks_for_them() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter()
    router.add_api_route("/here", lambda: None)
    app.include_router(router)
    [included] = app.routes
    assert [each.path for each in included.original_router.routes] == ["/here"]  # type: ignore[attr-defined]


def test_no_other_private_part_of_a_library_is_used() -> None:
    """An underscore name that the package uses and does not define belongs to a library."""
    used: set[str] = set()
    defined: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(attr=name, ctx=ast.Load()):
                    used.add(name)
                case ast.Attribute(attr=name) | ast.Name(id=name, ctx=ast.Store()):
                    defined.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    defined.add(name)
                case ast.ImportFrom(module=str(module)):
                    used |= {*module.split("."), *(each.name for each in node.names)}
    documented = {"_exit", "_replace"}  # of os, and of a named tuple
    private = {name for name in used - defined if re.match(r"_[^_]", name)} - documented
    assert private == (BY_GRPC | BY_HTTP | CLIENT_BY_HTTP | OF_METRICS | OF_REDIS) - defined


@pytest.mark.parametrize(
    "library",
    [
        "opentelemetry-exporter-otlp-proto-grpc",
        "opentelemetry-exporter-otlp-proto-http",
        "redis",
        "uvicorn",
    ],
)
def test_a_library_of_which_private_parts_are_used_has_an_upper_bound(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [bound] = [each for each in project["dependencies"] if re.match(rf"{library}\b(?!-)", each)]
    assert re.search(r">=[\d.]+,<\d", bound)
