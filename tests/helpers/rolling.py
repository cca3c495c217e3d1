"""
A crowd that pushes through a real nginx while the replicas behind it restart in turn.

nginx runs deploy/nginx and the block of docs/deploy.md as they stand, except for addresses.
"""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crowd import Browser, push_request
from e2e.nginx import BESIDE, LOCATIONS, fenced, running_nginx
from harness import Service
from ports import free_port

ZONES = "".join(re.findall(r"^limit_.*\n", BESIDE, re.MULTILINE))
(UPSTREAM,) = fenced("docs/deploy.md", "nginx")
PAGES = 24
SETTINGS = {
    "METRICS_EXPIRATION": "300",
    # All pushes come from the address of the test.
    "JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND": "0",
    "JCMC_LIMIT_ADDRESS_PARTICIPANTS": "0",
}


class Crowd:
    """
    Participants that push through nginx, each over a connection that stays open.

    Attributes:
        newest: the last quality of each participant that was answered 200.
        answers: number of answers by status and body; a cut connection counts as 0.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_over = False
        self.newest: dict[str, int] = {}
        self.answers: Counter[tuple[int, bytes]] = Counter()

    async def during(self, restarts: Callable[[], None]) -> None:
        """Push until *restarts*, which runs in parallel, has returned."""
        pages = [asyncio.create_task(self._page(number)) for number in range(PAGES)]
        await asyncio.sleep(0.3)
        try:
            await asyncio.to_thread(restarts)
        finally:
            self._is_over = True
            await asyncio.gather(*pages)

    async def _page(self, page: int) -> None:
        """Push for four participants in turn; the quality is the number of the push."""
        browser = await Browser.opened(self._url)
        for push in itertools.count():
            if self._is_over:
                break
            name, quality = f"p{page}-{push % 4}", push % 97
            sent = push_request(
                name, conference=f"room-{page}", metrics={"connectionquality": {"value": quality}}
            )
            await browser.send(sent.replace(b"/metrics/push", b"/metrics-collector/push", 1))
            told = await browser.told()
            self.answers[(told.status, told.body) if told else (0, b"")] += 1
            if told and told.status == 200:
                self.newest[name] = quality
            if told is None or told.closes:
                browser.close()
                browser = await Browser.opened(self._url)
            await asyncio.sleep(0.02)
        browser.close()


def qualities(service: Service) -> dict[str, float]:
    """Scrape, and return the quality of each participant; each must be there once."""
    found: dict[str, float] = {}
    for series, value in service.series("jitsi_jcmc_connectionquality").items():
        (name,) = re.findall(r'participant_id="([^"]*)"', series)
        assert name not in found, name
        found[name] = value
    return found


@contextmanager
def behind_nginx(folder: Path, *replicas: Service) -> Iterator[str]:
    """Run nginx before two *replicas* with known ports; return the address for pushes."""
    front = free_port()
    upstream = UPSTREAM
    for shipped, replica in zip(("3000", "3001"), replicas, strict=True):
        assert upstream.count(f"127.0.0.1:{shipped}") == 1
        here = f"127.0.0.1:{replica.environ['JCMC_PORT']}"
        upstream = upstream.replace(f"127.0.0.1:{shipped}", here)
    (folder / "nginx").mkdir()
    server = f"server {{ listen 127.0.0.1:{front}; {LOCATIONS} }}"
    with running_nginx(folder / "nginx", ZONES + upstream + server, front):
        yield f"http://127.0.0.1:{front}"


def two_replicas(folder: Path, store: str, **settings: str) -> list[Service]:
    """Return two replicas on *store* with fixed ports, not started yet."""
    return [
        Service(folder / name, REDIS_URL=store, JCMC_PORT=str(free_port()), **SETTINGS, **settings)
        for name in ("a", "b")
    ]
