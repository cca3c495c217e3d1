"""Pushes of an unusual shape, each of which a check of types alone might accept."""

import copy
import json
from typing import Any

import pytest
from harness import push_body

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.catalogue.reasons import PushRefused
from otel_jcmc.wire.by_type import Shape
from otel_jcmc.wire.push import PushParser
from otel_jcmc.wire.rules import make_rules

ordinary = Shape(make_rules()).take
LABELS = ("metrics", "connectionquality", "labels")
PATH = ("metrics", "transport_rtt", 0)
SESSION = {
    "id": "session-1",
    "meeting_id": "7d3a",
    "seq": 3,
    "interval_ms": 10_000,
    "stats_age_ms": 12.5,
    "end": {"reason": "left"},
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
    found = ordinary(push())
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
        (("session", "role"), "visitor"),
        (("session", "role"), "undefined"),
        (("session", "role"), None),
        (("session", "feedback"), "choppy ☕"),
        (("session", "feedback"), "x" * 256),
        (("metrics", "rating"), {"value": 1}),
        (("metrics", "rating"), {"value": 5}),
        (("metrics", "rating"), {"value": None}),
        (("session", "end"), None),
        (("metrics", "bandwidth_upload", "labels"), {}),
        (("metrics", "bandwidth_upload", "labels"), None),
    ],
)
def test_what_is_allowed_is_ordinary(path: tuple[Any, ...], value: Any) -> None:
    assert ordinary(push(*path, value=value)) is not None


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
        (("session", "role"), "participant"),
        (("session", "role"), 1),
        (("session", "feedback"), "a\0b"),
        (("session", "feedback"), "x" * 257),
        (("metrics", "rating"), {"value": 0}),
        (("metrics", "rating"), {"value": 6}),
        (("session", "seq"), 3.0),
        (("session", "seq"), -1),
        (("session", "seq"), 2**32),
        (("session", "interval_ms"), None),
        (("session", "interval_ms"), 3_600_001),
        (("session", "stats_age_ms"), None),
        (("session", "end"), {"reason": "bored"}),
        (("session", "end"), {"reason": "left", "more": 1}),
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
        (("metrics", "bandwidth_upload", "labels"), {"serverregion": "eu"}),
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
    assert ordinary(push(*path, value=value)) is None


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
    assert ordinary(body) is None


def test_a_number_stands_at_the_place_of_its_id() -> None:
    body = push_body(metrics={"jitter_upload": {"value": 7}})
    found = ordinary(json.dumps(body).encode())
    assert found is not None
    assert found[2] == [*[None] * 13, 7, *[None] * (LAST_METRIC_ID - 14)]


def test_what_is_dropped_is_no_part_of_what_is_taken() -> None:
    found = Shape(make_rules(dropped=frozenset({68, 69, 81, 82}))).take(push())
    assert found is not None
    _, attributes, numbers, _ = found
    assert attributes.keys() == {13, 64, 65, 66, 70}
    assert attributes[70] == "Ada"
    assert attributes[13] == [{80: "10.0.0.7", 83: "wifi"}]
    assert numbers[12] == [41]


def test_what_is_dropped_must_be_well_formed_all_the_same() -> None:
    """So the sender learns what is wrong, whatever a deployment collects."""
    shape = Shape(make_rules(dropped=frozenset({70})))
    assert shape.take(push(*LABELS, "username", value="A\0da")) is None


@pytest.mark.parametrize("parse", [PushParser().parse, PushParser().parse_by_field])
def test_the_age_of_the_statistics_is_in_whole_ms(parse: Any) -> None:
    assert parse(push()).session.stats_age_ms == 12
    assert parse(json.dumps(push_body(session={"seq": 1})).encode()).session.stats_age_ms == 0


@pytest.mark.parametrize("parse", [PushParser().parse, PushParser().parse_by_field])
def test_whose_stream_is_the_worst_is_kept_like_a_label(parse: Any) -> None:
    """It is among the labels of the quality, but no series has it as a label."""
    report = parse(push(*LABELS, "worstSource", value="5e6f7a8b"))
    assert report.attributes[92] == "5e6f7a8b"
    assert report.dropped == []


# Other limits than the default


def with_texts(length: int, transports: int = 1) -> bytes:
    """Return a push whose free texts have *length*, with so many *transports*."""
    text = "x" * length
    body: Any = copy.deepcopy(push_body(session={**SESSION, "meeting_id": text}))
    body["default_labels"] |= {"participant_id": text, "roomname": text}
    keys = ("serverregion", "username", "audioCodec", "videoCodec", "worstSource")
    labels = dict.fromkeys(keys, text)
    body["metrics"]["connectionquality"]["labels"] = labels
    path = {"value": 41, "labels": {"networkType": text, "src_ip": "2001:db8::1", "p2p": "true"}}
    body["metrics"]["transport_rtt"] = [path] * transports
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("label_characters", "length"), [(256, 64), (1000, 64), (5, 5), (1, 1), (0, 10_000)]
)
def test_texts_are_as_long_as_the_limit_lets_them_be(label_characters: int, length: int) -> None:
    """Codecs have their own limit of 64; GUIDs, session ids and addresses have a fixed form."""
    rules, body = make_rules(label_characters), with_texts(length)
    assert Shape(rules).take(body)
    assert PushParser(rules).parse_by_field(body).dropped == []


@pytest.mark.parametrize(("label_characters", "length"), [(256, 257), (300, 301), (5, 6), (1, 2)])
@pytest.mark.parametrize(
    ("label", "where"),
    [
        ((*LABELS, "serverregion"), "metrics.connectionquality.labels.serverregion"),
        ((*LABELS, "username"), "metrics.connectionquality.labels.username"),
        ((*LABELS, "audioCodec"), "metrics.connectionquality.labels.audioCodec"),
        ((*LABELS, "worstSource"), "metrics.connectionquality.labels.worstSource"),
        ((*PATH, "labels", "networkType"), "metrics.transport_rtt[0].labels.networkType"),
        (("session", "meeting_id"), "session.meeting_id"),
        (("session", "feedback"), "session.feedback"),
    ],
)
def test_a_text_that_is_too_long_is_told_and_dropped(
    label_characters: int, length: int, label: tuple[Any, ...], where: str
) -> None:
    rules = make_rules(label_characters)
    body = json.loads(with_texts(1))
    holder = body
    for key in label[:-1]:
        holder = holder[key]
    holder[label[-1]] = "x" * length
    text = json.dumps(body).encode()
    assert Shape(rules).take(text) is None
    assert PushParser(rules).parse(text).dropped == [(where, "too_long")]


def test_a_limit_above_a_row_s_own_changes_nothing_for_it() -> None:
    shape = Shape(make_rules(1000))
    assert shape.take(push("default_labels", "roomname", value="x" * 1000))
    assert shape.take(push("default_labels", "roomname", value="x" * 1001)) is None
    assert shape.take(push("default_labels", "participant_id", value="x" * 129)) is None


@pytest.mark.parametrize(("limit", "sent"), [(1, 1), (8, 8), (20, 20), (0, 500)])
def test_so_many_transports_are_taken(limit: int, sent: int) -> None:
    found = Shape(make_rules(transports=limit)).take(with_texts(3, sent))
    assert found is not None
    assert found[2][12] == [41] * sent


@pytest.mark.parametrize("limit", [1, 3, 20])
def test_one_transport_more_is_told_and_dropped(limit: int) -> None:
    rules = make_rules(transports=limit)
    body = with_texts(3, limit + 1)
    assert Shape(rules).take(body) is None
    report = PushParser(rules).parse(body)
    assert report.dropped == [(f"metrics.transport_rtt[{limit}]", "too_many")]
    assert report.numbers[12] == [41] * limit


def test_an_identity_that_is_too_long_for_the_limit_refuses_the_push() -> None:
    with pytest.raises(PushRefused) as refused:
        PushParser(make_rules(6)).parse(push())
    assert refused.value.faults == [
        ("default_labels.participant_id", "too_long"),
        ("default_labels.roomname", "too_long"),
    ]


def test_what_stands_for_nothing_is_never_too_long() -> None:
    """`undefined` has nine letters and is no text; below that limit, fields decide one by one."""
    body = json.loads(with_texts(1))
    body["metrics"]["transport_rtt"][0]["labels"]["networkType"] = "undefined"
    report = PushParser(make_rules(1)).parse(json.dumps(body).encode())
    assert report.dropped == []
    assert 83 not in report.attributes[13][0]
