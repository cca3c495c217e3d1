"""What is not of the ordinary shape of a push, each of which a type alone might let pass."""

import copy
import json
from typing import Any

import pytest
from harness import push_body

from otel_jcmc.push_shape import take_ordinary

NOBODY: frozenset[str] = frozenset()
LABELS = ("metrics", "connectionquality", "labels")
PATH = ("metrics", "transport_rtt", 0)
SESSION = {
    "id": "session-1",
    "meeting_id": "7d3a",
    "seq": 3,
    "interval_ms": 10_000,
    "stats_age_ms": 12.5,
    "end": {"reason": "left", "more": 1},
}


def push(*path: Any, value: Any = None) -> bytes:
    """Return a push with a session, with *value* at *path*."""
    body: Any = copy.deepcopy(push_body(session=SESSION))
    holder = body
    for key in path[:-1]:
        holder = holder[key]
    if path:
        holder[path[-1]] = value
    return json.dumps(body).encode()


def test_a_push_with_everything_in_it_is_ordinary() -> None:
    found = take_ordinary(push(), NOBODY)
    assert found is not None
    session, attributes, numbers, token = found
    assert token is None
    assert (session.id, session.seq, session.interval_ms, session.end) == (
        *("session-1", 3),
        *(10_000, "left"),
    )
    assert attributes == {
        64: "standup",
        65: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        66: "1a2b3c4d",
        68: "7d3a",
        69: "eu-west",
        13: [{82: "udp", 83: "wifi"}],
    }
    assert numbers[:13] == [97.5, 2900, 5100, 24, 31, 1210, 2404, 1234, 2435, 0, 1, 1, [41]]
    assert set(numbers[13:]) == {None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("session",), None),
        (("session",), {}),
        (("token",), {"any": ["thing"]}),
        (("metrics",), None),
        (("metrics", "transport_rtt"), []),
        (("metrics", "bandwidth_upload", "value"), None),
        ((*PATH, "value"), None),
        ((*PATH, "labels"), None),
        ((*PATH, "labels", "protocol"), "undefined"),
        ((*PATH, "labels", "src_ip"), ""),
        ((*LABELS, "serverregion"), None),
        ((*LABELS, "serverregion"), "Zürich ☕"),
        ((*LABELS, "serverregion"), "x" * 256),
        (("session", "meeting_id"), ""),
        (("session", "end"), None),
    ],
)
def test_what_is_allowed_is_ordinary(path: tuple[Any, ...], value: Any) -> None:
    assert take_ordinary(push(*path, value=value), NOBODY) is not None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("extra",), 1),
        (("default_labels", "extra"), 1),
        (("default_labels", "participant_id"), ""),
        (("default_labels", "participant_id"), "a\0b"),
        (("default_labels", "participant_id"), "x" * 129),
        (("default_labels", "roomname"), "a\0b"),
        (("default_labels", "roomname"), "\ud800"),
        (("default_labels", "client_id"), "3fa85f64-5717-4562-b3fc-2c963f66afa6\n"),
        (("default_labels", "client_id"), "3fa85f6457174562b3fc2c963f66afa6"),
        (("session",), []),
        (("session", "id"), ""),
        (("session", "id"), "short"),
        (("session", "id"), "session-1\n"),
        (("session", "id"), None),
        (("session", "meeting_id"), "a\0b"),
        (("session", "seq"), 3.0),
        (("session", "seq"), -1),
        (("session", "seq"), 2**32),
        (("session", "interval_ms"), None),
        (("session", "interval_ms"), 3_600_001),
        (("session", "stats_age_ms"), None),
        (("session", "end"), {"reason": "bored"}),
        (("session", "extra"), 1),
        (("metrics", "extra"), {"value": 1}),
        (("metrics", "bandwidth_upload"), None),
        (("metrics", "bandwidth_upload"), 5),
        (("metrics", "bandwidth_upload"), {}),
        (("metrics", "bandwidth_upload", "value"), True),
        (("metrics", "bandwidth_upload", "value"), "5"),
        (("metrics", "bandwidth_upload", "value"), -1),
        (("metrics", "bandwidth_upload", "value"), 10_000_000.5),
        (("metrics", "bandwidth_upload", "value"), 10**30),
        (("metrics", "bandwidth_upload", "labels"), {}),
        ((*LABELS, "serverregion"), "a\0b"),
        ((*LABELS, "serverregion"), "x" * 257),
        ((*LABELS, "username"), "a\0b"),
        ((*LABELS, "extra"), "x"),
        ((*PATH, "labels", "protocol"), "sctp"),
        ((*PATH, "labels", "src_ip"), "10.0.0.700"),
        ((*PATH, "labels", "networkType"), 1),
        (("metrics", "transport_rtt"), [{"value": 1}] * 9),
        (("metrics", "transport_rtt"), {"value": 1}),
    ],
)
def test_what_there_is_something_to_say_about_is_not_ordinary(
    path: tuple[Any, ...], value: Any
) -> None:
    assert take_ordinary(push(*path, value=value), NOBODY) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"{}",
        b'{"default_labels":null}',
        b"[" * 100_000,
        push().replace(b"97.5", b"NaN"),
        push().replace(b"97.5", b"1e999"),
        json.dumps(push_body(metrics={})).encode(),
        json.dumps(push_body(metrics={"bandwidth_upload": {"value": None}})).encode(),
    ],
    ids=range(11),
)
def test_what_is_no_push_or_tells_nothing_is_not_ordinary(body: bytes) -> None:
    assert take_ordinary(body, NOBODY) is None


def test_a_number_stands_at_the_place_of_its_id() -> None:
    body = push_body(metrics={"jitter_upload": {"value": 7}})
    found = take_ordinary(json.dumps(body).encode(), NOBODY)
    assert found is not None
    assert found[2] == [*[None] * 13, 7, *[None] * 16]


def test_what_is_personal_is_kept_by_its_setting_alone() -> None:
    for collect, kept in ((NOBODY, set()), (frozenset({"collect_username"}), {70})):
        found = take_ordinary(push(), collect)
        assert found is not None
        assert found[1].keys() & {70, 80, 81} == kept
    found = take_ordinary(push(), frozenset({"collect_addresses"}))
    assert found is not None
    assert found[1][13] == [{80: "10.0.0.7", 81: "198.51.100.4", 82: "udp", 83: "wifi"}]
