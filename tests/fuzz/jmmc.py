"""
What must be true of any push of a JMMC client, whatever its body is.

`check` sends the body along the whole road except Redis, with a good cookie if possible: through
the application's ASGI door, the merge, the write, the read and the export. jmmc_page.py has a table
by hand of the series for each field of `m`.
"""

import json
from time import thread_time
from typing import Any

from fuzz.push import (
    BROWSER,
    MAX_ANSWER_BYTES,
    NOT_JSON,
    TOO_DEEP,
    Sample,
    Told,
    _applications,
    _collected,
    _kept,
    _loop,
    read,
)
from fuzz.schema import fits_jmmc
from harness import CHROME, CLIENT_ID
from jmmc_page import LABELS, NUMBERS, as_jmmc
from people import value_of

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.jmmc.cookie import Named
from otel_jcmc.jmmc.states import State
from otel_jcmc.store.participant import from_value

SESSION = "0123456789abcdef01234567"
OF_QUALITY = {
    "serverregion": "serverregion",
    "audio_codec": "audioCodec",
    "video_codec": "videoCodec",
}
PATH_OF = {label: path for path, label in LABELS.items()}
FIELD_OF = {name: path for path, name in NUMBERS.items()}


class _Merged:
    """Sessions of which nothing is known before a push."""

    async def open(self, _session_id: str, changes: dict[int, Any]) -> State:
        return State(1, {id_: each for id_, each in changes.items() if each is not None})

    async def merge(self, session_id: str, changes: dict[int, Any]) -> State:
        return await self.open(session_id, changes)


for _each in _applications.values():
    _endpoint: Any = _each.jmmc_endpoint
    _endpoint._states = _Merged()
    _endpoint._secret.value = b"the cookies' secret, while fuzzing"


def seeds(pushes: list[bytes]) -> list[bytes]:
    """Return pushes in which all, or nearly all, is well; *pushes* are of the other format."""
    made = []
    for body in pushes:
        try:
            push = json.loads(body)
            labels, m = push["default_labels"], as_jmmc(push["metrics"], {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        made.append({"uid": labels["client_id"], "conf": labels["roomname"], "m": m})
    opening = {"br": "x", "os": "y", "pid": "1a2b3c4d"}
    ports = {"t": {"p": 10000, "lp": 50000, "rip": 3405803785, "tp": "tcp", "sr": "eu-west"}}
    res = {"res": {"h": 720, "w": 1280}, "cdc": {"a": "opus", "v": "VP9"}, "d": {"bw": None}}
    made += [
        {"uid": CLIENT_ID, "conf": "standup", "m": m}
        for m in (opening, {**opening, **res}, ports, {**res, "pid": "1a2b3c4d", "ts": 1})
    ]
    return [json.dumps(push).encode() for push in made]


def check(body: bytes) -> float:
    """Assert all that must be true of the push in *body*; return how long it took to answer."""
    sent = read(body)
    told = answer(body, sent, collects=True)
    assert told.status in (200, 400), told
    headers = sum(len(name) + len(text) + 4 for name, text in told.headers)
    assert len(told.body) + headers < MAX_ANSWER_BYTES
    said = json.loads(told.body)
    if told.status == 400:
        assert list(said) == ["errors", "more"]
        assert told.write is None
        if sent not in (NOT_JSON, TOO_DEEP):
            assert not fits_jmmc(sent), "the schema takes what is refused"
        return told.seconds
    assert told.write is not None
    assert sent is not NOT_JSON
    if sent is TOO_DEEP:
        return told.seconds
    is_whole = "dropped" not in said
    assert fits_jmmc(sent) == is_whole or (is_whole and _says_nothing(sent["m"]))
    assert said["uid"] == sent["uid"]
    assert type(said["m"].pop("ts")) is int
    if "conf" in said and "br" not in sent["m"]:
        assert _is_part(said["m"], sent["m"])
    _check_write(told, sent, is_whole=is_whole)
    return told.seconds


def answer(body: bytes, sent: Any, *, collects: bool) -> Told:
    """Push *body* by ASGI and return what is told."""
    door: Any = _applications[collects].jmmc_endpoint
    headers = [(b"user-agent", CHROME.encode()), (b"content-length", str(len(body)).encode())]
    if isinstance(sent, dict):
        who = (sent.get("uid"), sent.get("conf"), participant_of(sent))
        _, cookie = door._cookies.issue(Named(SESSION, who[2]), str(who[0]), str(who[1]))
        headers.append((b"cookie", cookie.partition(b";")[0]))
    scope = {"type": "http", "method": "POST", "headers": headers, "client": ("127.0.0.1", 1)}
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        messages.append(message)

    _kept.write = None
    started = thread_time()
    _loop.run_until_complete(door(scope, receive, send))
    seconds = thread_time() - started
    start, end = messages
    return Told(start["status"], start["headers"], end["body"], _kept.write, seconds)


def participant_of(sent: dict[str, Any]) -> str:
    """Return who pushes, if the push says it."""
    m = sent.get("m")
    pid = m.get("pid") if isinstance(m, dict) else None
    # What UTF-8 can't carry is refused, whatever the cookie names.
    text = pid.encode(errors="replace").decode() if isinstance(pid, str) else ""
    return text[:128].replace("\0", "") or "1a2b3c4d"


def _says_nothing(m: dict[str, Any]) -> bool:
    """Say whether some of *m* is empty, which the schema does not take and costs nothing."""
    absent: tuple[Any, ...] = ("", "undefined")
    parts = [each for each in m.values() if isinstance(each, dict)]
    return {} in parts or any(text in absent for part in parts for text in part.values())


def _is_part(said: Any, sent: Any) -> bool:
    """Say whether all that is *said* was *sent*, in its place."""
    if isinstance(said, dict):
        return isinstance(sent, dict) and all(
            key in sent and _is_part(each, sent[key]) for key, each in said.items()
        )
    return repr(said) == repr(sent)


def at(m: dict[str, Any], path: str) -> Any:
    """Return what *m* has at *path*, with a dot where there is something below."""
    key, _, below = path.partition(".")
    value = m.get(key)
    return value.get(below) if below and isinstance(value, dict) else value


def _check_write(told: Told, sent: Any, *, is_whole: bool) -> None:
    """Assert that what is stored and exported is what was *sent*, in its place."""
    assert told.write is not None
    assert told.write.ttl_ms == 90_000
    participant = from_value(value_of(told.write, 1e12))
    assert participant is not None
    exported = [
        Sample(gauge.removeprefix("jitsi_jcmc_"), labels, value)
        for gauge, labels, value in _collected(participant, Naming.JCMC)
    ]
    m = sent["m"]
    for sample in exported:
        left = dict(sample.labels)
        assert left.pop("roomname") == sent["conf"]
        assert left.pop("client_id") == sent["uid"]
        assert left.pop("participant_id")
        value = 1 if sample.field == "info" else at(m, FIELD_OF[sample.field])
        assert value == sample.value
        for label, text in left.items():
            if label in BROWSER:
                assert text == BROWSER[label]
            elif (sample.field, label) == ("info", "sender"):
                assert text == "jmmc"
            else:
                assert at(m, PATH_OF[OF_QUALITY[label]]) == text
    shown = {sample.field for sample in exported} - {"info"}
    if is_whole:
        assert shown == {name for name, path in FIELD_OF.items() if at(m, path) is not None}
