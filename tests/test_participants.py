"""A participant's stored form, byte for byte: other versions of the service read it too."""

import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_jcmc.participants import Participant, Write, from_value, to_write
from otel_jcmc.push import parse_push

CLIENT_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def write(metrics: dict[str, Any] | None = None, expiration_ms: int = 30_000, **push: Any) -> Write:
    """Return what Redis is to hold for a push."""
    body = {
        "default_labels": {
            "client_id": CLIENT_ID,
            "participant_id": "1a2b3c4d",
            "roomname": "standup",
        },
        "metrics": metrics or {},
        **push,
    }
    return to_write(parse_push(json.dumps(body).encode()), expiration_ms)


def value(payload: bytes, session: bytes = b"", started_ms: float = 0.0, seq: int = 0) -> bytes:
    """Return *payload* with the head that participants.lua gives it."""
    return struct.pack(">BdIB", 1, started_ms, seq, len(session)) + session + payload


def read(stored: bytes) -> Participant:
    """Return the participant in *stored*, which must hold one."""
    found = from_value(stored)
    assert found is not None
    return found


# In


def test_a_push_is_stored_as_these_bytes() -> None:
    """MessagePack, keyed by the catalogue's ids; what is read off Redis by older versions."""
    payload = write({"bitrate_upload": {"value": 1234}}).payload
    assert payload == (
        b"\x84"  # a map of four
        + (b"\x41\xd9\x24" + CLIENT_ID.encode())  # 65: client id
        + b"\x42\xa81a2b3c4d"  # 66: participant
        + b"\x40\xa7standup"  # 64: conference
        + b"\x08\xcd\x04\xd2"  # 8: bitrate_upload
    )


def test_a_transport_is_stored_with_its_attributes_by_id() -> None:
    payload = write(
        {"transport_rtt": [{"value": 41, "labels": {"protocol": "udp", "networkType": "wifi"}}]}
    ).payload
    assert msgspec.msgpack.decode(payload)[13] == [[41, {82: "udp", 83: "wifi"}]]
    assert payload.endswith(b"\x0d\x91\x92\x29\x82\x52\xa3udp\x53\xa4wifi")


def test_a_metric_that_is_null_is_not_stored() -> None:
    payload = write({"bitrate_upload": {"value": None}, "transport_rtt": [{"value": None}]}).payload
    assert set(msgspec.msgpack.decode(payload)) == {64, 65, 66}


def test_zero_is_stored() -> None:
    assert msgspec.msgpack.decode(write({"bitrate_upload": {"value": 0}}).payload)[8] == 0


def test_who_it_is_makes_the_key() -> None:
    """As `printf 'standup\\0003fa8...\\0001a2b3c4d' | b2sum -l 128` has it."""
    assert write(session={}).member == "11b96ccd942d6f00df96656cbf1de6fc"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("roomname", "standup2"),
        ("participant_id", "1a2b3c4e"),
        ("client_id", "3fa85f64-5717-4562-b3fc-2c963f66afa7"),
        ("client_id", CLIENT_ID.upper()),
    ],
)
def test_another_conference_client_or_participant_has_another_key(label: str, text: str) -> None:
    labels = {"client_id": CLIENT_ID, "participant_id": "1a2b3c4d", "roomname": "standup"}
    other = write(session={}, default_labels={**labels, label: text})
    assert other.member != write(session={}).member


def test_pieces_of_the_identity_do_not_run_into_each_other() -> None:
    one, other = (
        write(
            session={},
            default_labels={"client_id": CLIENT_ID, "participant_id": who, "roomname": room},
        )
        for who, room in (("b", "ac"), ("cb", "a"))
    )
    assert one.member != other.member


def test_a_push_carries_its_session_and_number() -> None:
    made = write(session={"id": "session-one", "seq": 17, "interval_ms": 30_000})
    assert (made.session, made.seq, made.ttl_ms) == ("session-one", 17, 90_000)


def test_a_push_without_a_session_says_so() -> None:
    made = write({"bitrate_upload": {"value": 1}})
    assert (made.session, made.seq, made.ttl_ms) == ("", -1, 30_000)


def test_a_leave_has_no_payload() -> None:
    made = write(
        {"bitrate_upload": {"value": 1}}, session={"id": "12345678", "end": {"reason": "left"}}
    )
    assert made.payload == b""


# Out


def test_what_went_in_comes_out() -> None:
    made = write(
        {
            "connectionquality": {"value": 97.5, "labels": {"serverregion": "eu-west"}},
            "bitrate_upload": {"value": 0},
            "transport_rtt": [{"value": 41, "labels": {"protocol": "udp"}}],
        },
        session={"id": "session-one", "meeting_id": "6f0e"},
    )
    found = read(value(made.payload, b"session-one", 1.5e12))
    assert found == Participant(
        "standup",
        CLIENT_ID,
        "1a2b3c4d",
        "session-one",
        1.5e12,
        {
            64: "standup",
            65: CLIENT_ID,
            66: "1a2b3c4d",
            68: "6f0e",
            69: "eu-west",
            1: 97.5,
            8: 0,
            13: [[41, {82: "udp"}]],
        },
    )


def test_the_clients_own_session_id_is_the_sessions_id() -> None:
    found = read(value(write(session={}).payload, b"session-one"))
    assert found.session_id == "session-one"


def test_the_server_names_a_session_by_who_and_since_when() -> None:
    payload = write(session={}).payload
    first, same, later = (
        read(value(payload, started_ms=since)).session_id for since in (1e12, 1e12, 1e12 + 1)
    )
    assert first == same != later
    assert first == "b4da21c4-fc61-5db6-a003-761af77c9596"


def test_another_identity_has_another_session() -> None:
    labels = {"client_id": CLIENT_ID, "participant_id": "other", "roomname": "standup"}
    one = read(value(write(session={}).payload))
    other = read(value(write(session={}, default_labels=labels).payload))
    assert one.session_id != other.session_id


def test_ids_of_a_later_version_are_carried_and_harm_nobody() -> None:
    payload = msgspec.msgpack.encode(
        {64: "standup", 65: CLIENT_ID, 66: "1a2b3c4d", 8: 7, 63: 5, 127: "x", 300: [None]}
    )
    assert read(value(payload)).fields[8] == 7


@pytest.mark.parametrize("stored", [b"", b"\x00", b"\x02anything", b"\xff" * 40])
def test_another_schema_is_nobody(stored: bytes) -> None:
    assert from_value(stored) is None


WHOLE = value(write({"bitrate_upload": {"value": 1234}}).payload, b"session-one")


@pytest.mark.parametrize(
    "stored",
    [
        b"\x01",
        b"\x01" + bytes(12),
        WHOLE[:-1],
        WHOLE + b"\x00",
        value(b""),
        value(b"\x80"),
        value(b"\x93\x01\x02\x03"),
        value(b"\xc1"),
        value(b"\x81\xa1a\x01"),
        value(msgspec.msgpack.encode({64: "standup", 65: CLIENT_ID})),
        value(write(session={}).payload, b"\xff\xfe"),
        value(b"\x84\x40\xa2\xff\xfe\x41\xa1a\x42\xa1b\x08\x01"),
        b"\x01" + bytes(12) + b"\xff",
    ],
)
def test_a_damaged_value_is_said_to_be_one(stored: bytes) -> None:
    with pytest.raises(ValueError, match="damaged value"):
        from_value(stored)


@given(st.binary(max_size=200))
def test_no_bytes_of_our_schema_are_worse_than_damaged(rest: bytes) -> None:
    try:
        found = from_value(b"\x01" + rest)
    except ValueError:
        return
    assert found is not None


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_flipped_byte_is_worse_than_damaged(at: int, mask: int) -> None:
    changed = bytearray(WHOLE)
    changed[at] ^= mask
    try:
        found = from_value(bytes(changed))
    except ValueError:
        return
    assert found is None or found.fields is not None
