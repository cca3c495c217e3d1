"""
Another version of the service on the same Redis: what one has stored, the other shows.

`golden/stored` has what an earlier version stored, and what it showed of it. This version must show
the same from the same bytes. After the same pushes it must store the same, except for times and
random parts. golden/stored/README.md says how to record it again.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import redis
import stored
from calls import body, leave
from harness import Service, eventually, push_body
from jmmc_page import JmmcPage
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_sink import OtlpSink
from redis_parts import RedisServer

from otel_jcmc.store.embedded import EmbeddedStore, find_server

pytestmark = pytest.mark.xdist_group("faults-versions")

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDER = GOLDEN / "stored"
RECORDS = os.environ.get("GOLDEN") == "write"
FAKETIME = Path(__file__).parents[2] / ".cache" / "clock"
# 2036-03-01T12:00:00Z: participants from then are still live now, and no history is too old.
NOON_MS = 2_087_985_600_000
UID = "5f1c6f0e-8d1b-4b5e-9a55-3d8f1f0a2b47"
# The cases of golden/ that were pushed then.
NOWHERE = "http://127.0.0.1:9"
SETTINGS = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE,
    "JCMC_HISTORY_INTERVAL": "10",
    "JCMC_SESSION_GRACE": "1",
    "METRICS_EXPIRATION": "300",
}
# Only the recorded cases: an earlier version stores new fields of others differently.
CASES = ("fractions", "not-known-now", "odd-text", "partly-bad", "transports", "whole", "zeros")
# Spans of two participants that leave, and of four that come back in another session.
SPANS = 6
# Times to live may differ by the time that a play takes on a busy machine.
TOLERANCE_MS = 120_000
AHEAD_MS = 600_000
# Series of other levels are no pushed values; an earlier version has none, and does not know the
# setting.
SERIES = {"JCMC_SERIES": "participants"}
# Keys that an earlier version does not have, and never reads.
NEW_KEYS = re.compile(r"jcmc:\{verdict\}:|jcmc:\{\d\d\}:(cards|places|partitions)")
# In that version: the last id of a number, the parts of an entry, and which of them are events.
LAST_ID, ENTRY, EVENTS = 43, 7, 5
WORST, BEST, TALLY = 2, 3, 4
# New since then: how a conference was and for how long that is known; the time that a JMMC client's
# push covers.
NEW_FIELDS = {"state", "known", "63", "bytes", "card", "by"}
# New fields of a span, and what it said of the quality, which no reader has to understand.
SAID = re.compile(
    r'attributes \{\n  key: "jitsi\.(?:verdict\.|client\.sender|session\.key)[^"]*"\n'
    r"(?:  .*\n)*\}\n?"
    r'|events \{\n  name: "jitsi\.session\.quality\.bad"\n(?:  .*\n)*\}\n?'
    r'|  message: "failed"\n'
)
# A msgpack map, after its length if it is inside another value, up to member 101: the sender.
SENDER = re.compile(
    "(\xc4.)?([\x80-\x8f])([@A].*)(e(?:\xa9otel_jcmc|\xa8original|\xa4jmmc))", re.DOTALL
)


def page_of(service: Service, cookie: str = "") -> JmmcPage:
    page = JmmcPage(service, "jmmc-room")
    page.uid, page.cookie = UID, cookie
    return page


def play(service: Service, client: redis.Redis) -> str:
    """Send all pushes, wait for the spans, and return the JMMC client's cookie."""
    for path in (GOLDEN / f"{name}.push.json" for name in CASES):
        # As text, because one of them has a number that json.dumps() would not write.
        push = path.read_text().replace("1a2b3c4d", path.name.partition(".")[0])
        assert service.push(push).status == 200, path
    for conference in ("standup", "retro", "planning", "all hands"):
        # Without a session, then with one, then in another one.
        assert service.push(push_body("ada", conference)).status == 200
        told = {"id": "session-of-bob", "meeting_id": "meeting-9", "seq": 0, "interval_ms": 10_000}
        for seq in range(2):
            again = push_body("bob", conference, session=told | {"seq": seq})
            assert service.push(again).status == 200
        for number in range(2):
            again = push_body("cleo", conference, session={"id": f"session-{number}"})
            assert service.push(again).status == 200
    # These two leave, one of them after a bad time.
    assert service.push(body("dora", quality=12)).status == 200
    assert service.push(leave("dora")).status == 200
    assert service.push(body("emil")).status == 200
    assert service.push(leave("emil", "failed")).status == 200
    page = page_of(service)
    assert page.open({"cq": 77, "u": {"bw": 2900, "pl": 1}}).status == 200
    assert page.push({"cq": 78, "d": {"bw": 5100}}).status == 200

    def waiting() -> int:
        return sum(client.llen(key) for key in client.scan_iter("*:outbox"))

    eventually(lambda: waiting() == SPANS, 60)
    return page.cookie


def left_behind(url: str, folder: Path, **environ: str) -> tuple[stored.Stored, str]:
    """Play, stop the service, and return what it left in Redis, and the client's cookie."""
    with redis.Redis.from_url(url) as client:
        with Service(folder, REDIS_URL=url, **SETTINGS, **environ) as service:
            cookie = play(service, client)
        return stored.read(client), cookie


def shown(service: Service) -> dict[str, Any]:
    """Return what *service* shows of sessions: the list, and each session as JSON and as CSV."""
    answer = service.get("/sessions?limit=500")
    assert answer.status == 200
    listed = answer.json()
    each = {}
    for session in listed["sessions"]:
        path = f"/sessions/{session['id']}"
        as_csv = service.get(path, headers={"accept": "text/csv"})
        each[session["id"]] = {"json": service.get(path).json(), "csv": as_csv.body}
    return {"list": listed, "each": each}


def as_told_then(now: Any, then: Any) -> Any:
    """Return *now* without newer fields, which readers skip."""
    if isinstance(now, dict) and isinstance(then, dict):
        # Then it was from the last pushes of the intervals, and loss was of all packets.
        if "mean" in now and "mean" in then:
            now = now | {"mean": then["mean"]}
        return {name: as_told_then(each, then[name]) for name, each in now.items() if name in then}
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [as_told_then(*each) for each in zip(now, then, strict=True)]
    return now


def of_participants(service: Service) -> str:
    """Scrape, and return the participants' families in order."""
    # Not splitlines: the text of a label may contain other line separators.
    lines = service.get("/metrics").body.split("\n")
    return "".join(f"{line}\n" for line in lines if re.match("(# (HELP|TYPE) )?jitsi_", line))


def goes_on(service: Service, cookie: str) -> dict[str, Any]:
    """Let the client push one changed field; return the answer and the series."""
    page = page_of(service, cookie)
    answer = page.push({"cq": 79})
    series = [line for line in of_participants(service).split("\n") if UID in line]
    told = {"status": answer.status, "answer": answer.json(), "series": series}
    # The time of the push, in seconds.
    assert abs(told["answer"]["m"].pop("ts") - time.time()) < 60
    return told


@contextmanager
def filled_with(found: stored.Stored, folder: Path) -> Iterator[str]:
    """Run a server with the content *found*, and return its address."""
    server = EmbeddedStore(folder)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            stored.write(client, found)
        yield server.url
    finally:
        server.stop()


def record(folder: Path) -> None:
    """Record `golden/stored` again, except its README, with a clock that is ten years ahead."""
    (fake,) = FAKETIME.rglob("libfaketimeMT.so.1")
    clock = {
        "LD_PRELOAD": str(fake),
        "FAKETIME": f"{NOON_MS // 1000 - int(time.time()):+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with RedisServer(folder / "r", environ=clock, binary=find_server()) as server:
        found, cookie = left_behind(server.url, folder / "a", **clock)

    def keep(name: str, value: Any) -> None:
        text = json.dumps(value, indent=1, ensure_ascii=True)
        (FOLDER / f"{name}.json").write_text(text + "\n")

    keep("redis", found)
    keep("about", {"begin_ms": NOON_MS, "end_ms": NOON_MS + 60_000, "cookie": cookie})
    with filled_with(found, folder / "e") as url:
        for naming in ("jcmc", "otel"):
            with Service(folder / naming, REDIS_URL=url, JCMC_NAMING=naming, **SERIES) as service:
                (FOLDER / f"{naming}.prom").write_bytes(of_participants(service).encode())
        with Service(folder / "b", REDIS_URL=url, **SERIES) as service:
            keep("sessions", shown(service))
            keep("page", goes_on(service, cookie))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the recording: the Redis, when it was written, the cookie, what was shown."""
    if RECORDS:
        record(tmp_path_factory.mktemp("s", numbered=True))
    return {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}


@pytest.fixture
def filled(short_path: Path, recorded: dict[str, Any]) -> Iterator[str]:
    """Return a Redis with the recorded content."""
    with filled_with(recorded["redis"], short_path / "r") as url:
        yield url


@pytest.mark.parametrize("naming", ["jcmc", "otel"])
def test_what_another_version_stored_is_scraped_the_same(
    filled: str, short_path: Path, naming: str
) -> None:
    with Service(short_path / "a", REDIS_URL=filled, JCMC_NAMING=naming, **SERIES) as service:
        assert of_participants(service) == (FOLDER / f"{naming}.prom").read_bytes().decode()
        assert not [line for line in service.said() if " INFO " not in line]


def test_sessions_of_another_version_are_listed_and_read_the_same(
    filled: str, short_path: Path, recorded: dict[str, Any]
) -> None:
    with Service(short_path / "a", REDIS_URL=filled) as service:
        assert as_told_then(shown(service), recorded["sessions"]) == recorded["sessions"]


def test_a_page_goes_on_with_what_another_version_knows_of_it(
    filled: str, short_path: Path, recorded: dict[str, Any]
) -> None:
    with Service(short_path / "a", REDIS_URL=filled, **SERIES) as service:
        assert goes_on(service, recorded["about"]["cookie"]) == recorded["page"]


def test_spans_that_wait_of_another_version_are_sent_byte_for_byte(
    filled: str, short_path: Path, recorded: dict[str, Any]
) -> None:
    waiting = {
        span.encode("latin-1")
        for key, of in recorded["redis"].items()
        if key.endswith(":outbox")
        for span in of["value"]
    }
    assert len(waiting) == SPANS
    with OtlpSink() as sink:
        settings = SETTINGS | {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint}
        with Service(short_path / "a", REDIS_URL=filled, **settings):
            eventually(lambda: len(sink.spans()) >= len(waiting), 30)
        sent = {
            span.SerializeToString()
            for request in sink.trace_requests
            for of in request.message.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        }
    assert sent == waiting


def known_then(key: str, value: Any) -> Any:
    """Return the *value* of a *key* without the parts that an earlier version skips."""
    kind = key.split(":")[2] if key.startswith("jcmc:{") else ""
    if kind == "bytes":
        # A count of the longer entries.
        return value.isdecimal()
    if kind in ("room", "jmmc", "session") and isinstance(value, dict):
        return {name: each for name, each in value.items() if name not in NEW_FIELDS}
    if kind == "outbox":
        return [[size, SAID.sub("", "\n".join(lines))] for size, lines in value]
    if kind == "samples":
        return [_cut([*map(_known, _old_entry(each))]) for each in value]
    return _known(value)


def _old_entry(entry: list[Any]) -> list[Any]:
    """
    Return an *entry* of a log with the parts of that version.

    Of events: without those about bad times, which then were about the quality and now are about
    the state. Without worst and best, which for a JMMC client then covered the pushed values and
    now cover all known ones. Without the loss of the tally, which then was of all packets and now
    is of the worse direction.
    """
    known = [*entry, *[None] * ENTRY][:ENTRY]
    known[WORST] = known[BEST] = None
    if tally := known[TALLY]:
        known[TALLY] = [tally[0], *tally[2:]]
    known[EVENTS] = [
        each for each in known[EVENTS] or () if not each[1].startswith(("verdict.", "quality."))
    ] or None
    return known


def _known(value: Any) -> Any:
    """Return *value* without numbers that have newer ids, and without its sender."""
    if isinstance(value, list):
        return _cut([*map(_known, value[:LAST_ID])])
    return SENDER.sub(_without_sender, value) if isinstance(value, str) else value


def _cut(values: list[Any]) -> list[Any]:
    """Return *values* without the empty tail."""
    while values and values[-1] is None:
        values.pop()
    return values


def _without_sender(found: re.Match[str]) -> str:
    """Return a msgpack map without one member, with the length of what contains it."""
    length, count, others, sender = found.groups()
    if length:
        length = length[0] + chr(ord(length[1]) - len(sender))
    return f"{length or ''}{chr(ord(count) - 1)}{others}"


class Left(NamedTuple):
    """What this version left behind: the Redis, the cookie, and between which times (ms)."""

    found: stored.Stored
    cookie: str
    before: float
    after: float


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with RedisServer(folder / "r", binary=find_server()) as server:
        before = time.time() * 1000
        found, cookie = left_behind(server.url, folder / "a")
        return Left(found, cookie, before, time.time() * 1000)


def test_the_same_pushes_leave_the_same_behind(left: Left, recorded: dict[str, Any]) -> None:
    """Keys, types, values byte for byte, times to live; except for times and random parts."""
    about = recorded["about"]
    # Times of expiry are in the future.
    ours = stored.without_times(left.found, left.before - 1000, left.after + AHEAD_MS, left.cookie)
    theirs = stored.without_times(
        recorded["redis"], about["begin_ms"] - 1000, about["end_ms"] + AHEAD_MS, about["cookie"]
    )
    assert {key for key in ours if not NEW_KEYS.match(key)} == set(theirs)
    for key, of in theirs.items():
        mine = ours[key]
        assert (mine["type"], known_then(key, mine["value"])) == (
            of["type"],
            known_then(key, of["value"]),
        ), key
        assert (mine["ttl_ms"] < 0) == (of["ttl_ms"] < 0), key
        assert abs(mine["ttl_ms"] - of["ttl_ms"]) < TOLERANCE_MS, key


class _FormerStretch(msgspec.Struct, array_like=True):
    """A stretch of time, as the version before cards reads it."""

    tenths: int
    state: int | None = None
    cause: int = 0
    region: str = ""
    bridge: str = ""
    network: str = ""


class _FormerEntry(msgspec.Struct, array_like=True):
    """An entry of a log, as the version before cards reads it."""

    at: int
    numbers: list[int | float | list[int | float | None] | None]
    worst: list[int | None] | None = None
    best: list[int | None] | None = None
    tally: list[tuple[int, int, int] | None] | None = None
    events: list[tuple[int, str, float | None]] | None = None
    attributes: bytes | None = None
    verdict: list[int | None] | None = None
    stretches: list[_FormerStretch] | None = None
    counts: list[int | None] | None = None


def test_the_version_before_reads_each_entry_of_a_log_that_is_left_behind(left: Left) -> None:
    entries = [
        entry.encode("latin-1")
        for key, of in left.found.items()
        if ":samples:" in key
        for entry in of["value"]
    ]
    assert len(entries) > 20
    known = 0
    for entry in entries:
        read = msgspec.msgpack.decode(entry, type=_FormerEntry)
        # Scripts of every version read the age from this: an array, then 32 bits.
        assert (entry[0] >> 4, entry[1]) == (9, 0xCE)
        at_ms = 1_704_067_200_000 + 100 * read.at
        assert left.before - 1000 < at_ms < left.after
        attributes = msgspec.msgpack.decode(read.attributes) if read.attributes else {}
        known += attributes.get(65) is not None
        assert read.tally is None or len(read.tally) == 3
    assert known > 20


def test_the_version_before_reads_each_session_that_is_left_behind(left: Left) -> None:
    """It reads the whole hash of a session as text, and these fields of it as numbers."""
    sessions = [of["value"] for key, of in left.found.items() if ":session:" in key]
    assert len(sessions) > 20
    for fields in sessions:
        texts = {name: value.encode("latin-1").decode() for name, value in fields.items()}
        for name in ("started", "ttl", "leg", "seen", "ended", "instance", "former", "bytes"):
            assert name not in texts or int(texts[name]) >= 0
        assert {"session", "started", "ttl", "leg"} <= texts.keys()


def test_the_version_before_sends_each_span_that_is_left_behind(left: Left) -> None:
    spans = [
        span.encode("latin-1")
        for key, of in left.found.items()
        if key.endswith(":outbox")
        for span in of["value"]
    ]
    assert len(spans) == SPANS
    assert {Span.FromString(span).name for span in spans} == {"jitsi.session"}
