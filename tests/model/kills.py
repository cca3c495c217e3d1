"""
The crowd while services are killed: what must be stored all the same.

`play_with_kills` lets participants come and go at two services on one Redis; one after the other is
killed at random and started again. `Killed` is the result.
"""

import random
import signal
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from model.ledger import INTERVAL, Person, Push
from model.people import BAD, GOOD, Actor, new_client
from model.stage import Played, read, stages

# A look each second, and some time for Redis and a busy machine.
WRITTEN_AFTER = INTERVAL + 2.5
ROOMS = 3


@dataclass
class Killed:
    """
    What was played under kills.

    Attributes:
        kills: which service was killed, and when.
        bytes_of: each span id with all forms in which the span came.
    """

    played: Played
    kills: list[tuple[int, float]] = field(default_factory=list)
    bytes_of: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    def is_safe(self, push: Push) -> bool:
        """Say whether the process that took *push* lived long enough to write it."""
        until = push.answered + WRITTEN_AFTER
        return not any(
            service == push.service and push.sent < at < until for service, at in self.kills
        )

    def samples(self, push: Push, session: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the samples of *session* that may contain *push*."""
        return [
            each
            for each in self.played.each[session["id"]]["samples"]
            if push.sent - 0.15
            <= datetime.fromisoformat(each["time"]).timestamp()
            <= push.answered + WRITTEN_AFTER
        ]


def play_with_kills(folder: Path, seconds: float, seed: int) -> Killed:
    """Play for this time, and return the result when all is over."""
    chance = random.Random(seed)
    with stages(folder, killed=2) as made:
        killed = Killed(made["killed"])
        stop = threading.Event()
        threads = [
            threading.Thread(target=_comes_and_goes, args=(killed.played, f"p{n}", seed + n, stop))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        ends = time.time() + seconds
        while time.time() < ends:
            time.sleep(chance.uniform(0.5, 3.0))
            victim = chance.randrange(2)
            service = killed.played.services[victim]
            killed.kills.append((victim, time.time()))
            service.stop(signal.SIGKILL)
            service.start()
        stop.set()
        for thread in threads:
            thread.join()
        read(killed.played)
        for span in killed.played.sink.spans():
            killed.bytes_of[span.span_id].add(span.message.SerializeToString())
    return killed


def _comes_and_goes(played: Played, name: str, seed: int, stop: threading.Event) -> None:
    """Play one participant after the other, until the end."""
    chance = random.Random(seed)
    number = 0
    while not stop.is_set():
        number += 1
        who = f"{name}-{number}"
        person = Person(who, f"killed-{seed % ROOMS}", new_client())
        actor = Actor(played.services, person, time.time())
        for at in range(chance.randrange(4, 20)):
            actor.push(BAD if at % 7 == 3 else GOOD)
        if chance.random() < 0.6:
            actor.leave()
        if person.acknowledged():
            played.people[who] = person


def hold(killed: Killed) -> int:
    """Compare the result with the ledger; return the number of sessions."""
    played = killed.played
    for name, person in played.people.items():
        sessions = played.of(name)
        # One session each, whatever was killed, because some service always took the next push.
        assert [each["leg"] for each in sessions] == [1], name
        (session,) = sessions
        assert (session["conference"], session["client_id"]) == (person.room, person.client)
        samples = played.each[session["id"]]["samples"]
        numbers = [each["metrics"].get("bandwidth_upload") for each in samples]
        assert numbers == sorted(set(numbers)), name
        assert {*numbers} <= {each.number for each in person.pushes}
        for push in person.acknowledged():
            if push.vitals is None or not killed.is_safe(push):
                continue
            found = killed.samples(push, session)
            assert found, (name, push)
            assert max(each["worst"]["loss"] or 0 for each in found) >= push.vitals[1], (name, push)
        last = person.pushes[-1]
        if last.end and last.status == 200:
            assert session["end_reason"] == "left", name
    assert {len(each) for each in killed.bytes_of.values()} == {1}
    assert played.spans.keys() == played.listed.keys()
    return len(played.people)
