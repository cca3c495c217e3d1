"""
Starts, watches, restarts and stops the process that sends by OTLP.

An export computes for a good part of a second, and its libraries take as much memory as the
service. So it runs in a child process, and pushes do not wait for it. The child writes one line of
JSON to stdout for each export, and ends when its stdin ends.
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
    Starts the exporter as a child process, restarts it after a crash, and stops it.

    Concurrency: start and stop from one event loop.
    """

    def __init__(
        self, environ: dict[str, str], on_export: Callable[[dict[str, Any]], None]
    ) -> None:
        """Run the child with *environ*; *on_export* gets each JSON object that the child writes."""
        self._environ = environ
        self._on_export = on_export
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id; None: it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child and watch it."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Start the child again whenever it ends; if it ends soon, double the wait, up to 30 s."""
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
        """Close the child's stdin, which tells it to end; after STOP_SECONDS, kill it."""
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
