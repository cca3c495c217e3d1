"""
The process that sends by OTLP, as `serve` keeps it: started, watched, started again, stopped.

An export works for a good part of a second, and its libraries take as much memory again as the
service, which no push may feel. The child tells of each export with one line of JSON on stdout, and
ends when its stdin does.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 3.0
MAX_BACKOFF_SECONDS: Final = 30.0


class ExporterProcess:
    """
    The exporter as a child: started, started again when it dies, and stopped.

    Concurrency: start and stop from one event loop.
    """

    def __init__(
        self, environ: dict[str, str], on_export: Callable[[dict[str, Any]], None]
    ) -> None:
        """Run the child in *environ*; *on_export* gets each of its reports."""
        self._environ = environ
        self._on_export = on_export
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child and watch it."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Run the child, again and again, later each time it dies young."""
        backoff = 1.0
        while True:
            started = monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "otel_jcmc", "export"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._environ,
                start_new_session=True,
            )
            assert self._process.stdout is not None
            async for line in self._process.stdout:
                with suppress(ValueError):
                    self._on_export(json.loads(line))
            code = await self._process.wait()
            if monotonic() - started > MAX_BACKOFF_SECONDS:
                backoff = 1.0
            log.warning("otlp: the exporter ended (%s); again in %.0f s", code, backoff)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)

    async def stop(self) -> None:
        """End the child: kindly by its stdin, then not."""
        if self._watching is None:
            return
        self._watching.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
