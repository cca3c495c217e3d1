"""Runs the process that `serve` starts to send data by OTLP (`otel-jcmc export`)."""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_jcmc.config.settings import Settings


def export(settings: "Settings") -> int:
    """Send metrics, spans and events by OTLP until stdin ends, which means that `serve` ended."""
    from otel_jcmc.command.log import set_up_logging
    from otel_jcmc.command.partitions import check_partitions
    from otel_jcmc.otlp.process import end_with_parent
    from otel_jcmc.service.exporting import make_exports

    set_up_logging(settings.log_level)
    if settings.redis_url is None:
        print("otel-jcmc: export needs REDIS_URL; `otel-jcmc serve` starts it", file=sys.stderr)
        return 1
    check_partitions(settings)
    end_with_parent()
    redis_url = settings.redis_url.get_secret_value()
    holder = os.environ.get("JCMC_INSTANCE_ID", str(os.getpid()))
    running = list(make_exports(settings, redis_url, holder))

    async def all_of_it() -> None:
        await asyncio.gather(*[run() for run in running])

    async def until_ended() -> None:
        task = asyncio.create_task(all_of_it())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            # A normal exit would wait for the threads that send: up to 10 s for a slow receiver.
            os._exit(0)
        task.result()

    asyncio.run(until_ended())
    return 0
