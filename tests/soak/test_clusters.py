"""A cluster, of Redis or Valkey, loses a master and promotes its replica, under a ledger."""

import threading
import time
from pathlib import Path

import pytest
from clusters import Cluster
from harness import Service, eventually, push_body

from otel_jcmc.store.embedded import find_server

ROOMS = [f"room-{number}" for number in range(12)]


class Ledger:
    """Pushes until it is stopped, and remembers for each conference the last acknowledged push."""

    def __init__(self, service: Service) -> None:
        """Prepare one participant in each conference, whose number grows with each push."""
        self.service = service
        self.stored: dict[str, int] = {}
        self.statuses: list[int] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._push)

    def _push(self) -> None:
        number = 0
        while not self.stop.wait(0.002):
            number += 1
            for room in ROOMS:
                body = push_body("ada", room)
                body["metrics"]["bitrate_upload"] = {"value": number}
                status = self.service.push(body).status
                self.statuses.append(status)
                if status == 200:
                    self.stored[room] = number

    def shown(self) -> dict[str, float]:
        """Scrape, and return the number of each conference; fails if one is there twice."""
        found = self.service.series("jitsi_jcmc_bitrate_upload{")
        by_room = {name.partition('roomname="')[2].split('"')[0]: n for name, n in found.items()}
        assert len(by_room) == len(found)
        return by_room


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_promotion_and_a_move_lose_nobody(kind: str, short_path: Path) -> None:
    binary = find_server() if kind == "valkey" else None
    with Cluster(short_path / "c", replicas=True, binary=binary) as cluster:
        options = {"JCMC_SERIES": "participants", "JCMC_HISTORY_HOURS": "1"}
        with Service(short_path / "a", REDIS_URL=cluster.url, **options) as service:
            ledger = Ledger(service)
            ledger.thread.start()
            try:
                eventually(lambda: len(ledger.stored) == len(ROOMS))
                key = "jcmc:{02}:live"
                source = cluster.master_of(key)
                to = next(node for node in cluster.masters if node is not source)
                cluster.begin_move(key, to)
                while cluster.move_keys(key, source, to, 1):
                    time.sleep(0.05)
                cluster.end_move(key, source, to)
                dead = cluster.master_of("jcmc:{00}:live")
                replica = cluster.replicas[cluster.masters.index(dead)]
                began = time.monotonic()
                dead.kill()
                eventually(lambda: cluster.is_master(replica), 30)
                promoted = time.monotonic() - began
                since = len(ledger.statuses)
                eventually(lambda: {*ledger.statuses[since:][-3 * len(ROOMS) :]} == {200}, 30)
                healed = time.monotonic() - began
                dead.start()
                since = len(ledger.statuses)
                eventually(lambda: len(ledger.statuses) > since + 300, 30)
            finally:
                ledger.stop.set()
                ledger.thread.join()
            assert {*ledger.statuses} == {200, 503}
            assert {*ledger.statuses[-300:]} == {200}
            # No participant is old, missing or there twice.
            assert ledger.shown() == ledger.stored
            refused = ledger.statuses.count(503)
            print(
                f"{kind}: promoted after {promoted:.1f} s, healed after {healed:.1f} s,"
                f" {refused} of {len(ledger.statuses)} pushes 503"
            )
