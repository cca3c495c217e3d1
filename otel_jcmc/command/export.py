"""`otel-jcmc export`: what `serve` starts when OTLP is on, in a process of its own."""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_jcmc.config.settings import Settings


def export(settings: "Settings") -> int:
    """Push metrics, spans or both by OTLP until stdin ends: the process that serve starts."""
    from otel_jcmc.command.log import set_up_logging
    from otel_jcmc.metrics.own import make_resource
    from otel_jcmc.otlp import process

    set_up_logging(settings.log_level)
    if settings.redis_url is None:
        print("otel-jcmc: export needs REDIS_URL; `otel-jcmc serve` starts it", file=sys.stderr)
        return 1
    process.end_with_parent()
    redis_url = settings.redis_url.get_secret_value()
    holder = os.environ.get("JCMC_INSTANCE_ID", str(os.getpid()))
    resource = make_resource(settings.service_name, settings.resource_attributes, "")
    running = []
    sends_spans = settings.traces_exporter == "otlp"
    if "otlp" in settings.metrics_exporter or not sends_spans:
        metrics = process.run(
            redis_url,
            settings.key_prefix,
            holder,
            settings.naming,
            settings.metrics_prefix,
            settings.otlp_protocol,
            settings.otlp_timeout_ms / 1000,
            resource,
            settings.export_interval_ms / 1000,
            settings.export_timeout_ms / 1000,
        )
        running.append(metrics)
    if sends_spans:
        from otel_jcmc.otlp.spans import SpanSender
        from otel_jcmc.service.recording import keeping_of
        from otel_jcmc.traces.delivery import Traces

        seconds = settings.spans_timeout_ms / 1000
        sender = SpanSender(settings.spans_protocol, seconds, resource)
        traces = Traces(
            redis_url,
            settings.key_prefix,
            holder,
            keeping_of(settings),
            settings.traces_waiting,
            sender,
            process.tell,
        )
        running.append(traces.run())

    async def all_of_it() -> None:
        await asyncio.gather(*running)

    async def until_ended() -> None:
        task = asyncio.create_task(all_of_it())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            # Not by the road that waits for threads: a receiver that hangs would hold us for 10 s.
            os._exit(0)
        task.result()

    asyncio.run(until_ended())
    return 0
