"""
What the participants do: each function is one person's evening, in the order of its lines.

`Actor` pushes and writes it down. Times are in seconds since the start; a late step delays the next
one only as much as it must.
"""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from harness import CHROME, Service, request
from model.ledger import Person, Push

STEP = 0.4
# Closer than this, the order of two pushes to two processes is not known.
LEAST = 0.25
GOOD = (97.0, 0.0, 41.0)
BAD = (97.0, 20.0, 41.0)
WIFI = {"protocol": "udp", "networkType": "wifi", "localCandidateType": "host", "p2p": "false"}
VPN = {"protocol": "udp", "networkType": "vpn", "localCandidateType": "relay", "p2p": "false"}


class Actor:
    """One participant at *services*, which take the pushes in turns."""

    def __init__(self, services: list[Service], person: Person, begins: float) -> None:
        self.services, self.person, self._begins = services, person, begins
        self._turn = 0
        self._due = 0.0
        self.session = f"{person.name}-session-1"
        self.interval = STEP
        self.region, self.path = "eu-west", WIFI

    def until(self, seconds: float) -> None:
        """Wait until so long after the beginning."""
        self._due = seconds
        time.sleep(max(0.0, self._begins + seconds - time.time()))

    def wait(self, seconds: float) -> None:
        """Wait until so long after the last due time; if that was late, at least a moment."""
        now = time.time() - self._begins
        self.until(max(self._due + seconds, now + min(seconds, LEAST)))

    def _told(self, **more: Any) -> dict[str, Any]:
        who = {
            "client_id": self.person.client,
            "participant_id": self.person.name,
            "roomname": self.person.room,
        }
        session: dict[str, Any] = {"id": self.session, **more.pop("session", {})}
        if self.interval:
            session["interval_ms"] = round(1000 * self.interval)
        return {"default_labels": who, "session": session, **more}

    def _send(self, push: Push, body: dict[str, Any]) -> None:
        """Send *body* to the next service, and write it down."""
        push.service = self._turn % len(self.services)
        service = self.services[push.service]
        self._turn += 1
        self.person.pushes.append(push)
        # A killed service gives no answer, or only half of one.
        with suppress(OSError, HTTPException):
            headers = {"content-type": "text/plain", "user-agent": CHROME}
            url = f"{service.url}/metrics/push"
            push.status = request(url, body, headers=headers, timeout=5).status
        push.answered = time.time()

    def push(
        self,
        vitals: tuple[float, float, float] = GOOD,
        count: int = 1,
        losses: tuple[float, float, float] | None = None,
        **more: Any,
    ) -> None:
        """
        Push *vitals* so many times, a step apart.

        *losses* are up, down and total if they differ; *more* is other metrics.
        """
        for _ in range(count):
            quality, loss, trip = vitals
            up, down, total = losses or (loss, loss, loss)
            number = len(self.person.pushes) + 1
            metrics = {
                "connectionquality": {"labels": {"serverregion": self.region}, "value": quality},
                "bandwidth_upload": {"value": number},
                "bitrate_download": {"value": 2435},
                "packetloss_upload": {"value": up},
                "packetloss_download": {"value": down},
                "packetloss_total": {"value": total},
                "transport_rtt": [{"labels": self.path, "value": trip}],
            }
            metrics |= {name: {"value": value} for name, value in more.items()}
            push = Push(
                number,
                time.time(),
                self.session,
                vitals,
                more.get("freezes", 0),
                more.get("freeze_time", 0),
                self.region,
                self.path["networkType"],
                self.interval,
            )
            self._send(push, self._told(metrics=metrics))
            self.wait(self.interval or STEP)

    def silent(self, count: int) -> None:
        """Push heartbeats: the statistics have stopped, and no path is known."""
        for _ in range(count):
            nothing: dict[str, Any] = {
                name: {"value": None}
                for name in (
                    *("connectionquality", "packetloss_upload", "packetloss_download"),
                    *("packetloss_total", "bandwidth_upload", "bitrate_download"),
                )
            }
            push = Push(
                len(self.person.pushes) + 1, time.time(), self.session, interval=self.interval
            )
            self._send(push, self._told(metrics=nothing | {"transport_rtt": []}))
            self.wait(self.interval or STEP)

    def leave(self, reason: str = "left", **end: Any) -> None:
        """Push the last push."""
        push = Push(len(self.person.pushes) + 1, time.time(), self.session, end=reason)
        self._send(push, self._told(session={"end": {"reason": reason, **end}}, metrics={}))


Script = Callable[[Actor], None]
# Name -> room and script.
PEOPLE: dict[str, tuple[str, Script]] = {}


def plays(room: str) -> Callable[[Script], Script]:
    """Put a participant into *room*; its name is the function's."""

    def added(script: Script) -> Script:
        PEOPLE[script.__name__] = room, script
        return script

    return added


def new_client() -> str:
    return str(uuid.uuid4())


@plays("standup")
def flapper(actor: Actor) -> None:
    """Quality 40 and loss 13.3 % on average; each third push is a good one."""
    for _ in range(7):
        actor.push((10.0, 20.0, 300.0), 2)
        actor.push((100.0, 0.0, 40.0))
    actor.leave()


@plays("standup")
def counter(actor: Actor) -> None:
    actor.push(count=16, freezes=2, freeze_time=450, frames_dropped=3)
    actor.leave("kicked")


@plays("standup")
def stopped(actor: Actor) -> None:
    """The statistics stop, and later the client does."""
    actor.push(count=8)
    actor.silent(6)


@plays("standup")
def resumed(actor: Actor) -> None:
    actor.push((88.0, 1.0, 60.0), 6)
    actor.silent(7)
    actor.push((76.0, 2.0, 80.0), 6)
    actor.leave("suspended")


@plays("retro")
def mover(actor: Actor) -> None:
    """Bad in one region and network, then well in others."""
    actor.push(BAD, 12)
    actor.region, actor.path = "ap-south", VPN
    actor.push(GOOD, 6)
    actor.leave("closed")


@plays("retro")
def crashed(actor: Actor) -> None:
    actor.push(count=9)


@plays("retro")
def graced(actor: Actor) -> None:
    """Expires, and is back before the grace is over."""
    actor.push(count=6)
    actor.until(6 * STEP + 3.1)
    actor.push((60.0, 1.0, 90.0), 6)
    actor.leave()


@plays("attic")
def back(actor: Actor) -> None:
    """Comes back after the grace; meanwhile the conference is empty."""
    actor.push(count=6)
    actor.until(6 * STEP + 6.5)
    actor.push((60.0, 1.0, 90.0), 5)
    actor.leave()


@plays("standup")
def third(actor: Actor) -> None:
    """Comes back after the grace; meanwhile others were in the conference."""
    actor.push(count=3)
    actor.until(7.5)
    actor.push((60.0, 1.0, 90.0), 5)
    actor.leave()


@plays("retro")
def tab_one(actor: Actor) -> None:
    actor.push((91.0, 0.0, 41.0), 10)
    actor.leave()


@plays("retro")
def tab_two(actor: Actor) -> None:
    """Another tab of the same browser (stage.py gives both one client)."""
    actor.until(0.6)
    actor.push((92.0, 0.0, 42.0), 8)


@plays("retro")
def rejoined(actor: Actor) -> None:
    actor.push(count=4)
    actor.session = "rejoined-session-2"
    actor.push((80.0, 1.0, 50.0), 5)
    actor.leave()


@plays("lobby")
def failed(actor: Actor) -> None:
    actor.push(BAD, 5)
    actor.leave("failed", cause="conference.iceFailed")


@plays("lobby")
def never_in(actor: Actor) -> None:
    """A failed join: nothing was pushed before."""
    actor.until(1.0)
    actor.leave("failed", cause="conference.connectionError", join_ms=900)


@plays("lobby")
def slower(actor: Actor) -> None:
    """Announces longer and longer intervals, and then crashes."""
    actor.interval = 0.3
    actor.push(count=6)
    actor.interval = 2.0
    actor.push(count=3)


@plays("lobby")
def first_bad(actor: Actor) -> None:
    """Announces no interval; the first of five pushes is bad."""
    actor.interval = 0.0
    actor.push(BAD)
    actor.push(GOOD, 4)
    actor.leave()


@plays("lobby")
def was_away(actor: Actor) -> None:
    """Announces no interval; after a pause, one of twelve pushes is bad."""
    actor.interval = 0.0
    actor.push(GOOD, 6)
    actor.wait(1.2)
    actor.push(BAD)
    actor.push(GOOD, 5)
    actor.leave()


@plays("lobby")
def worse_way(actor: Actor) -> None:
    """Loses 8 % down and 0.3 % up: 4.15 % of all packets."""
    actor.push((90.0, 8.0, 41.0), 8, (0.3, 8.0, 4.15))
    actor.leave()


@plays("lobby")
def once(actor: Actor) -> None:
    """Pushes once, bad, without an interval."""
    actor.interval = 0.0
    actor.push(BAD)
    actor.leave()


@plays("cellar")
def early(actor: Actor) -> None:
    actor.push(count=5)
    actor.leave()


@plays("cellar")
def late(actor: Actor) -> None:
    """The conference was empty for longer than the grace: it is another instance."""
    actor.until(5 * STEP + 4.5)
    actor.push(count=5)
    actor.leave()


@plays("standup")
def crossing(actor: Actor) -> None:
    """Alternates between bad and good, fourteen times."""
    for _ in range(7):
        actor.push(BAD)
        actor.push(GOOD)
    actor.leave()
