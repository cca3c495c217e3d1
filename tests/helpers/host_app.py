"""
A host application that mounts this package, and has all that such an application may have.

uvicorn runs it for tests. With LIFESPAN the application's lifespan is the package's; with
OTHER_STORE, a folder, it mounts the package twice; ORIGIN is the origin that its CORS allows on all
paths. `/globals` returns global state of the process: before the import, after it, and now.
"""

import asyncio
import atexit
import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import prometheus_client
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import PlainTextResponse
from opentelemetry import metrics, propagate, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

READER: Any = InMemoryMetricReader()
SPANS: Any = InMemorySpanExporter()
metrics.set_meter_provider(MeterProvider([READER], shutdown_on_exit=False))
tracers = TracerProvider(shutdown_on_exit=False)
tracers.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(tracers)
logging.basicConfig(level=logging.INFO, format="host says %(message)s")
ORDERS = prometheus_client.Counter("shop_orders", "Orders of the host")
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
sys.setswitchinterval(0.007)


def of_the_process() -> dict[str, str]:
    """Return as text all global state that the package could change for everybody."""
    own = logging.getLogger("otel_jcmc")
    root = logging.getLogger()
    return {
        "meter provider": repr(metrics.get_meter_provider()),
        "tracer provider": repr(trace.get_tracer_provider()),
        "propagator": repr(propagate.get_global_textmap()),
        "registry": repr([family.name for family in prometheus_client.REGISTRY.collect()]),
        "log": repr((root.handlers, root.level, root.filters, logging.root.manager.disable)),
        "our log": repr((own.handlers, own.level, own.propagate)),
        "logger class": repr((logging.getLoggerClass(), logging.getLogRecordFactory())),
        "warnings": repr((warnings.filters, warnings.showwarning)),
        "switch interval": repr(sys.getswitchinterval()),
        "garbage": repr((gc.get_threshold(), gc.get_freeze_count(), gc.isenabled())),
        "signals": repr([signal.getsignal(each) for each in sorted(signal.valid_signals())]),
        "loop policy": repr(asyncio.get_event_loop_policy()),
        "hooks": repr((sys.excepthook, sys.unraisablehook, threading.excepthook, sys.gettrace())),
        "socket timeout": repr(socket.getdefaulttimeout()),
        "descriptors": repr(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "place": repr((Path.cwd(), locale.setlocale(locale.LC_ALL), time.tzname)),
        "environment": repr(sorted(os.environ.items())),
        "at exit": repr(atexit._ncallbacks()),
    }


BEFORE = of_the_process()

import otel_jcmc  # noqa: E402  # what its import does is looked at, too

guest = otel_jcmc.create_app(otel_jcmc.Settings())
other = os.environ.get("OTHER_STORE")
if other:
    second = otel_jcmc.create_app(
        otel_jcmc.Settings(
            embedded_dir=Path(other),
            naming="otel",
            push_auth="token",
            cors_allowed_origins=("https://two.example.org",),
        )
    )

MADE = of_the_process()

app = FastAPI(lifespan=otel_jcmc.lifespan(guest) if os.environ.get("LIFESPAN") else None)
app.add_middleware(GZipMiddleware, minimum_size=100)
app.add_middleware(
    CORSMiddleware,
    allow_origins=[os.environ.get("ORIGIN", "https://shop.example.org")],
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.middleware("http")
async def stamp(request: Request, call_next: Any) -> Any:
    answer = await call_next(request)
    answer.headers["x-host"] = "was here"
    return answer


@app.get("/orders")
def orders() -> str:
    ORDERS.inc()
    return "taken"


@app.get("/metrics")
def scrape() -> PlainTextResponse:
    return PlainTextResponse(prometheus_client.generate_latest())


@app.get("/globals")
def globals_() -> dict[str, Any]:
    return {"before": BEFORE, "made": MADE, "now": of_the_process()}


@app.get("/telemetry")
def telemetry() -> dict[str, Any]:
    """Return who has written to the host's own telemetry providers."""
    spans = {span.instrumentation_scope.name for span in SPANS.get_finished_spans()}
    found = READER.get_metrics_data()
    scopes = {each.scope.name for part in found.resource_metrics for each in part.scope_metrics}
    return {"spans": sorted(spans), "meters": sorted(scopes)}


app.mount("/jitsi-metrics", guest)
if other:
    app.mount("/other", second)
