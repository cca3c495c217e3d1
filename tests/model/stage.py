"""
The services, the crowd in threads, and all that the services say of it afterwards.

`play` lets all participants play at several stages at the same time, and reads lists, sessions, CSV
and spans at the end. Clients of the second wire format live for 90 s; the test tells Redis that
they are over, because no test waits that long.
"""

import csv
import io
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from calls import environ
from harness import Service, eventually
from jmmc_page import JmmcPage
from model.ledger import EXPIRATION, GRACE, INTERVAL, Leg, Person
from model.people import PEOPLE, Actor, Script, new_client
from otlp_sink import OtlpSink
from redis_parts import RedisServer
from sink_requests import SinkSpan

SETTINGS = {
    "JCMC_HISTORY_INTERVAL": f"{INTERVAL:.0f}",
    "METRICS_EXPIRATION": f"{EXPIRATION:.0f}",
    "JCMC_SESSION_GRACE": f"{GRACE:.0f}",
}
ONE_BROWSER = ("tab_one", "tab_two")


@dataclass
class Page:
    """A client of the second wire format, and its answers."""

    page: JmmcPage
    statuses: list[int] = field(default_factory=list)


@dataclass
class Played:
    """
    What was played, and what the services said of it.

    Attributes:
        listed: sessions of the list, by id.
        each, filled, tables: of each session as JSON, with fill=true, and as CSV.
        spans: of sessions, by `jitsi.session.key`.
    """

    services: list[Service]
    sink: OtlpSink
    people: dict[str, Person]
    began: float = 0.0
    ended: float = 0.0
    pages: dict[str, Page] = field(default_factory=dict)
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)
    each: dict[str, dict[str, Any]] = field(default_factory=dict)
    filled: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    spans: dict[str, SinkSpan] = field(default_factory=dict)

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the listed sessions of a participant, the oldest first."""
        found = [each for each in self.listed.values() if each["participant_id"] == name]
        return sorted(found, key=lambda each: (each["started"], each["leg"]))

    def pairs(self) -> Iterator[tuple[Person, Leg, dict[str, Any]]]:
        """Return each leg of each participant with its session."""
        for name, person in self.people.items():
            for leg, session in zip(person.legs(), self.of(name), strict=True):
                yield person, leg, session

    def one(self, name: str) -> tuple[Leg, dict[str, Any]]:
        """Return the only leg of a participant, and its session with samples."""
        ((leg, session),) = [(leg, told) for who, leg, told in self.pairs() if who.name == name]
        return leg, self.each[session["id"]]

    def ask(self, query: str, at: int = 0) -> dict[str, Any]:
        """Request a page of the list."""
        answer = self.services[at].get(f"/sessions?{query}")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def stages(folder: Path, **counts: int) -> Iterator[dict[str, Played]]:
    """Return for each of *counts* so many services on one Redis, with a receiver of their own."""
    with ExitStack() as stack:
        made = {}
        for name, count in counts.items():
            sink = stack.enter_context(OtlpSink())
            server = stack.enter_context(RedisServer(folder / name))
            settings = environ(sink, REDIS_URL=server.url, **SETTINGS)
            services = [
                stack.enter_context(Service(folder / f"{name}-{number}", **settings))
                for number in range(count)
            ]
            made[name] = Played(services, sink, {})
        yield made


def play(played: list[Played]) -> None:
    """Let all participants play at all of *played* at once, and read everything at the end."""
    begins = time.time() + 0.2
    threads = []
    for each in played:
        each.began = begins
        browser = new_client()
        for number, (name, (room, script)) in enumerate(PEOPLE.items()):
            client = browser if name in ONE_BROWSER else new_client()
            each.people[name] = person = Person(name, room, client)
            # Not all at the same moment.
            actor = Actor(each.services, person, begins + 0.02 * number)
            threads.append(threading.Thread(target=_perform, args=(script, actor)))
        threads.append(threading.Thread(target=_second_wire, args=(each,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in played:
        read(each)


def _perform(script: Script, actor: Actor) -> None:
    """Let one participant play from the beginning."""
    actor.until(0)
    script(actor)


def _second_wire(played: Played) -> None:
    """Let clients of the second wire format play."""
    services = played.services
    pages = {name: Page(JmmcPage(services[0], "jmmc-room", name)) for name in ("lossy", "older")}
    played.pages = pages
    lossy, older = pages["lossy"], pages["older"]
    lossy.statuses.append(lossy.page.open().status)
    known = {"cq": 60, "u": {"pl": 20, "bw": 2000}, "d": {"pl": 0}, "t": {"sr": "eu-west"}}
    lossy.statuses.append(lossy.page.push(known).status)
    for number in range(8):
        time.sleep(0.4)
        at = services[number % len(services)]
        lossy.statuses.append(
            lossy.page.push({"cq": 61 + number, "d": {"pl": number % 2}}, at).status
        )
    newer = JmmcPage(services[-1], "jmmc-room", "older")
    newer.uid = older.page.uid
    older.statuses += [older.page.open({"cq": 50}).status, older.page.push({"cq": 51}).status]
    older.statuses += [newer.open({"cq": 52}).status, older.page.push({"cq": 53}).status]
    time.sleep(2 * INTERVAL)
    _let_expire(played, "lossy")
    # Away for longer than the grace, and back with one field.
    lossy.statuses.append(lossy.page.push({"cq": 70}).status)
    time.sleep(2 * INTERVAL)
    _let_expire(played, "lossy", "older")


def _let_expire(played: Played, *names: str) -> None:
    """Tell Redis that participants expired a second before the end of the grace."""
    with redis.Redis.from_url(played.services[0].environ["REDIS_URL"]) as client:
        for key in client.scan_iter("jcmc:*:participant:*"):
            value: Any = client.get(key)
            if value and any(name.encode() in value for name in names) and b"jmmc-room" in value:
                base, _, member = key.rpartition(b"participant:")
                live: Any = client.zscore(base + b"live", member)
                client.delete(key)
                client.zadd(base + b"live", {member: (time.time() - GRACE - 1) * 1e6})
                opened: Any = client.zrange(base + b"open", 0, -1)
                sids = [each for each in opened if each.startswith(member)]
                if live and sids:
                    client.zadd(base + b"open", dict.fromkeys(sids, time.time() * 1000), xx=True)


def read(played: Played) -> None:
    """Read everything, as soon as all sessions are over and their spans have come."""
    played.ended = time.time()
    expected = sum(len(person.legs()) for person in played.people.values())
    service = played.services[0]

    def all_over() -> bool:
        listed = played.ask("limit=500")["sessions"]
        ours = [each for each in listed if each["conference"] != "jmmc-room"]
        return len(ours) >= expected and all(each["end_reason"] for each in listed)

    def sent() -> set[str]:
        spans = played.sink.spans("jitsi.session")
        return {str(each.attributes.get("jitsi.session.key")) for each in spans}

    eventually(all_over, 40, 0.2)
    played.listed = {each["id"]: each for each in played.ask("limit=500")["sessions"]}
    eventually(lambda: sent() >= played.listed.keys(), 40, 0.2)
    with redis.Redis.from_url(service.environ["REDIS_URL"]) as client:
        kinds = ("open", "emptied", "outbox")
        eventually(lambda: not any(client.keys(f"jcmc:*:{kind}") for kind in kinds), 40, 0.2)
    for sid in played.listed:
        path = f"/sessions/{sid}"
        played.each[sid] = service.get(path).json()
        played.filled[sid] = service.get(f"{path}?fill=true").json()
        table = service.get(f"{path}?format=csv").body
        played.tables[sid] = list(csv.DictReader(io.StringIO(table, newline="")))
    spans = played.sink.spans("jitsi.session")
    played.spans = {str(each.attributes["jitsi.session.key"]): each for each in spans}
