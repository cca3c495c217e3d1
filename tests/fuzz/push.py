"""
What must be true of any push, whatever its body is.

`check` sends the body along the whole road except Redis: through the application's ASGI door, the
write, the read, the gauges in both namings, and their text. The oracle is Python's own JSON, and a
table by hand of the labels of a series and the fields of a push.
"""

import asyncio
import json
import math
from collections.abc import Iterable
from time import thread_time
from typing import Any, NamedTuple

from fuzz.schema import fits
from harness import CHROME
from people import observed_by, snapshot_of, value_of
from series_names import VERDICT

from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.catalogue.reasons import PushRefused
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.prometheus import metric_name, render
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.snapshot import bound
from otel_jcmc.service.app import create_app
from otel_jcmc.service.application import Application
from otel_jcmc.store.participant import MAX_CLIENT_TTL_MS, Participant, Write, from_value
from otel_jcmc.store.writes import Stored
from otel_jcmc.wire.push import PushParser, Report
from otel_jcmc.wire.rules import make_rules

MAX_ANSWER_BYTES = 4096
EXPIRATION_MS = 30_000
PERSONAL = {"username", "src_ip", "dst_ip"}
PARSER = PushParser(make_rules(dropped=frozenset()))
# Label of a series -> where the push has it.
IDENTITY = {name: name for name in ("roomname", "client_id", "participant_id")}
QUALITY = {
    "serverregion": "serverregion",
    "username": "username",
    "audio_codec": "audioCodec",
    "video_codec": "videoCodec",
}
# What CHROME tells.
BROWSER = {
    "browser_name": "Chrome",
    "browser_version": "126.0.0.0",
    "os_name": "Windows",
    "os_version": "10",
}
LIST = "transport_rtt"
MAX_TRANSPORTS = 8
NOT_JSON, TOO_DEEP = object(), object()


class Sample(NamedTuple):
    """One exported series: its metric's name on the wire, its labels and its value."""

    field: str
    labels: dict[str, str]
    value: float


class Told(NamedTuple):
    """An answer, and what the store was asked to keep before it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    write: Write | None
    seconds: float


class _Kept:
    """A store that has room for one write."""

    write: Write | None = None

    def submit(self, write: Write, done: Any) -> None:
        """Keep *write*."""
        self.write = write
        done(Stored.STORED)


def _application(*, collects: bool) -> Application:
    """Return the service, its limits off."""
    rates = ("PARTICIPANT_PUSHES", "ADDRESS_PUSHES", "ADDRESS_NEWCOMERS")
    limits: dict[str, Any] = {f"JCMC_LIMIT_{name}_PER_SECOND": 0 for name in rates}
    limits["JCMC_LIMIT_ADDRESS_PARTICIPANTS"] = 0
    return create_app(
        Settings(
            _env_file=None,
            collect_username=collects,
            collect_addresses=collects,
            metrics_expiration_seconds=EXPIRATION_MS // 1000,
            **limits,
        )
    )


_loop = asyncio.new_event_loop()
_applications = {collects: _application(collects=collects) for collects in (True, False)}
_kept = _Kept()
for _each in _applications.values():
    _endpoint: Any = _each.push_endpoint
    _endpoint._intake._store = _kept
_gauges = {naming: GaugeProvider() for naming in Naming}
for _naming, _provider in _gauges.items():
    declare(_provider.get_meter("fuzz"), _naming)


browser_and_system(CHROME)  # the first time takes long


def check(body: bytes) -> float:
    """Assert all that must be true of the push in *body*; return how long it took to answer."""
    report = both_ways(body)
    told = answer(body, collects=True)
    assert told.status in (200, 400), told
    assert len(told.body) + sum(len(name) + len(text) + 4 for name, text in told.headers) < 4000
    sent = read(body)
    if told.status == 400:
        assert report is None
        assert told.write is None
        assert list(json.loads(told.body)) == ["errors", "more"]
        if sent not in (NOT_JSON, TOO_DEEP):
            assert not fits(sent), "the schema takes what is refused"
        return told.seconds
    assert report is not None
    assert told.write is not None
    assert sent is not NOT_JSON
    if sent is TOO_DEEP:
        return told.seconds
    is_whole = told.body == b"OK"
    assert is_whole == (not report.dropped)
    if not is_whole:
        assert len(json.loads(told.body)["dropped"]) == min(20, len(report.dropped))
    assert fits(sent) == is_whole, f"by the schema it is {'not ' * is_whole}whole"
    _check_write(told.write, sent, is_whole=is_whole)
    if len(body) % 4 == 0:
        _check_privacy(body)
    return told.seconds


def both_ways(body: bytes) -> Report | None:
    """Return the checked push, None if it is refused, and assert that both ways agree on it."""
    found = [_checked(way, body) for way in (PARSER.parse, PARSER.parse_by_field)]
    assert found[0] == found[1]
    if not isinstance(found[0], Report):
        assert found[0], "refused for nothing"
        return None
    assert repr(found[0].numbers) == repr(found[1].numbers)  # 1 is not 1.0
    return found[0]


def _checked(way: Any, body: bytes) -> Any:
    try:
        return way(body)
    except PushRefused as refused:
        return refused.faults


def answer(body: bytes, *, collects: bool) -> Told:
    """Push *body* by ASGI and return what is told."""
    messages: list[Any] = []
    headers = [(b"user-agent", CHROME.encode()), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/metrics/push",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        messages.append(message)

    _kept.write = None
    started = thread_time()
    _loop.run_until_complete(_applications[collects].push_endpoint(scope, receive, send))
    seconds = thread_time() - started
    start, end = messages
    return Told(start["status"], start["headers"], end["body"], _kept.write, seconds)


def read(body: bytes) -> Any:
    """Return the JSON in *body* as Python reads it; NOT_JSON where it can't, or TOO_DEEP."""
    try:
        return json.loads(body.decode(), parse_constant=_no_number, parse_int=_number)
    except ValueError:
        return NOT_JSON
    except RecursionError:
        return TOO_DEEP


def _no_number(name: str) -> float:
    raise ValueError(name)


def _number(digits: str) -> float:
    return int(digits) if len(digits) < 400 else math.inf


def _check_write(write: Write, sent: Any, *, is_whole: bool) -> None:
    """Assert that what is to be stored is what was *sent*, and so is what is exported of it."""
    assert len(write.member) == 32
    assert EXPIRATION_MS <= abs(write.ttl_ms) <= MAX_CLIENT_TTL_MS
    session = sent.get("session")
    if type(session) is not dict:
        session = {}
    assert write.session in ("", session.get("id"))
    assert write.seq in (-1, session.get("seq"))
    if not write.payload:
        assert session["end"]["reason"]
        return
    participant = from_value(value_of(write, 1e12))
    assert participant is not None
    assert participant.stay.paths <= MAX_TRANSPORTS
    exported = [
        Sample(gauge.removeprefix("jitsi_jcmc_"), labels, value)
        for gauge, labels, value in _collected(participant, Naming.JCMC)
    ]
    for sample in exported:
        assert_sent(sent, sample)
        if sample.field == "info":
            assert sample.labels["sender"] == ("otel_jcmc" if write.session else "original")
    if is_whole:
        assert_nothing_is_missing(sent, exported)
    for gauge, labels, value in _collected(participant, Naming.OTEL):
        assert_sent_in_base_units(sent, gauge, labels, value)


def _collected(participant: Participant, naming: Naming) -> list[tuple[str, dict[str, Any], float]]:
    """Return what is exported of what *participant* sent: a gauge's name, labels, value."""
    provider = _gauges[naming]
    with bound(snapshot_of(participant)):
        collected = provider.collect()
    assert not any(provider.errors.values())
    found = [(gauge.name, *each) for gauge in collected for each in observed_by(gauge)]
    lines = b"".join(render(collected)).decode().split("\n")
    series = [line for line in lines if line and not line.startswith("# ")]
    assert len(series) == len(set(series)) == len(found)
    return [each for each in found if metric_name(each[0], "") not in VERDICT]


def sent_values(sent: Any, field: str) -> list[float]:
    """Return the numbers that were sent for the metric *field*."""
    return [entry["value"] for entry in _entries(sent, field) if "value" in entry]


def _entries(sent: Any, field: str) -> list[Any]:
    """Return what was sent for the metric *field*: objects alone."""
    metrics = sent.get("metrics")
    entry = metrics.get(field) if isinstance(metrics, dict) else None
    return [each for each in (entry if isinstance(entry, list) else [entry]) if type(each) is dict]


def _labels(entry: Any) -> dict[str, str]:
    """Return the texts among the labels of *entry*."""
    labels = entry.get("labels")
    found = labels.items() if type(labels) is dict else ()
    return {name: text for name, text in found if type(text) is str}


def assert_sent(sent: Any, sample: Sample) -> None:
    """Assert that a series of the `jcmc` naming is what was *sent*, in its place."""
    assert math.isfinite(sample.value)
    who = sent["default_labels"]
    left = dict(sample.labels)
    for label, field in IDENTITY.items():
        assert left.pop(label) == who[field]
    if sample.field == "role":
        assert (left, sample.value) == ({"role": sent["session"]["role"]}, 1)
        return
    if sample.field in ("connectionquality", "info"):
        for label, text in BROWSER.items():
            assert left.pop(label, text) == text
    if sample.field == "info":
        entries = _entries(sent, "connectionquality")
        told = [text for entry in entries for text in _labels(entry).values()]
        # No page says who it is: the original's tells no session.
        sender = left.pop("sender")
        assert sender == "original" or (sender == "otel_jcmc" and sent["session"]["id"])
        assert sample.value == 1
        assert set(left.values()) <= set(told), sample
        return
    wire = {QUALITY.get(label, label): text for label, text in left.items()}
    assert any(
        entry.get("value") == sample.value
        and type(entry["value"]) in (int, float)
        and wire.items() <= _labels(entry).items()
        for entry in _entries(sent, sample.field)
    ), sample


def assert_nothing_is_missing(sent: Any, exported: Iterable[Sample]) -> None:
    """Assert that all numbers of a push in which all is well are exported."""
    shown = {(sample.field, sample.value) for sample in exported}
    for field in sent.get("metrics") or {}:
        values = [value for value in sent_values(sent, field) if value is not None]
        if field == LIST:
            values = [max(values)] if values else []
        assert all((field, value) in shown for value in values), field


def assert_sent_in_base_units(sent: Any, gauge: str, labels: dict[str, str], value: float) -> None:
    """Assert that a series of the `otel` naming is what was *sent*, in its unit."""
    if gauge == "jitsi.client.info":
        assert value == 1
        return
    rows = [
        row
        for row in METRICS
        if row.otel_name == gauge and all(labels.get(k) == v for k, v in row.otel_attributes)
    ]
    assert any(
        type(each) in (int, float) and value == each * row.times / row.per
        for row in rows
        for each in sent_values(sent, row.field)
    ), (gauge, value)


def _check_privacy(body: bytes) -> None:
    """Assert that what is not collected is not written."""
    told = answer(body, collects=False)
    # Of what somebody says of the call a rating is left.
    assert told.write is None or told.write.word.endswith(" ") or not told.write.word
    if told.write is not None and told.write.payload:
        participant = from_value(value_of(told.write, 1e12))
        assert participant is not None
        for _, labels, _ in _collected(participant, Naming.JCMC):
            assert not labels.keys() & PERSONAL
