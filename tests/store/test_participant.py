"""A participant's stored form, byte for byte, because other versions read it, too."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import stored_value, told_by, value_of, with_head

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.store.participant import Participant, Write, from_value, to_write
from otel_jcmc.wire.push import PushParser

CLIENT_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
PARSER = PushParser()
WHO: dict[int, Any] = {64: "standup", 65: CLIENT_ID, 66: "1a2b3c4d"}


def write(metrics: dict[str, Any] | None = None, expiration_ms: int = 30_000, **push: Any) -> Write:
    """Return what Redis must hold for a push."""
    body = {
        "default_labels": {
            "client_id": CLIENT_ID,
            "participant_id": "1a2b3c4d",
            "roomname": "standup",
        },
        "metrics": metrics or {},
        **push,
    }
    return to_write(PARSER.parse(json.dumps(body).encode()), expiration_ms)


def read(stored: bytes) -> Participant:
    """Return the only participant in *stored*."""
    found = from_value(stored)
    assert found is not None
    return found


# Writing


def parts(payload: bytes) -> tuple[dict[int, Any], list[Any]]:
    """Return the attributes and the numbers of a payload."""
    *_, attributes, numbers = msgspec.msgpack.decode(with_head(payload))
    return msgspec.msgpack.decode(attributes, type=dict[int, Any]), numbers


def test_a_push_is_stored_as_these_bytes() -> None:
    """MessagePack with the catalogue's ids, which other versions read from Redis."""
    payload = write({"bitrate_upload": {"value": 1234}}).payload
    assert payload == (
        b"\xc4\x3b\x83"  # 59 bytes: a map of three
        + (b"\x41\xd9\x24" + CLIENT_ID.encode())  # 65: client id
        + b"\x42\xa81a2b3c4d"  # 66: participant
        + b"\x40\xa7standup"  # 64: conference
        + (b"\xdc\x00" + bytes([LAST_METRIC_ID]))  # so many numbers, most of them not known
        + (7 * b"\xc0" + b"\xcd\x04\xd2")  # the 8th: bitrate_upload
        + (LAST_METRIC_ID - 8) * b"\xc0"
    )


def test_a_transport_is_stored_with_its_attributes_by_id() -> None:
    attributes, numbers = parts(
        write(
            {"transport_rtt": [{"value": 41, "labels": {"protocol": "udp", "networkType": "wifi"}}]}
        ).payload
    )
    assert numbers[12] == [41]
    assert attributes[13] == [{82: "udp", 83: "wifi"}]


def test_a_metric_that_is_null_is_not_stored() -> None:
    attributes, numbers = parts(
        write({"bitrate_upload": {"value": None}, "transport_rtt": [{"value": None}]}).payload
    )
    assert set(attributes) == {64, 65, 66}
    assert numbers == [None] * LAST_METRIC_ID


def test_zero_is_stored() -> None:
    assert parts(write({"bitrate_upload": {"value": 0}}).payload)[1][7] == 0


def test_what_hardly_changes_is_the_same_bytes_from_push_to_push() -> None:
    one, other = (
        write({"bitrate_upload": {"value": value}, "transport_rtt": [{"value": value}]}).payload
        for value in (7, 50_000)
    )
    assert one[: one.index(b"\xdc")] == other[: other.index(b"\xdc")]
    assert one != other


def test_who_it_is_makes_the_key() -> None:
    """As `b2sum -l 48` of `standup` and `-l 80` of `standup\\0003fa8...\\0001a2b3c4d` prints."""
    assert write(session={}).member == "fc5391ffb0a3" + "737c066106b96c14d6bf"


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


# Reading


def test_what_went_in_comes_out() -> None:
    made = write(
        {
            "connectionquality": {"value": 97.5, "labels": {"serverregion": "eu-west"}},
            "bitrate_upload": {"value": 0},
            "transport_rtt": [{"value": 41, "labels": {"protocol": "udp"}}],
        },
        session={"id": "session-one", "meeting_id": "6f0e"},
    )
    found = read(value_of(made, 1.5e12))
    assert (found.stay.conference, found.stay.session) == ("standup", "session-one")
    assert found.stay.started_ms == 1.5e12
    assert told_by(found) == {
        64: "standup",
        65: CLIENT_ID,
        66: "1a2b3c4d",
        68: "6f0e",
        69: "eu-west",
        1: 97.5,
        8: 0,
        13: [[41, {82: "udp"}]],
    }


def test_the_clients_own_session_id_is_the_sessions_id() -> None:
    assert read(with_head(write(session={}).payload, b"session-one")).stay.session_id == (
        "session-one"
    )


def test_the_server_names_a_session_by_who_and_since_when() -> None:
    payload = write(session={}).payload
    first, same, later = (
        read(with_head(payload, started_ms=since)).stay.session_id
        for since in (1e12, 1e12, 1e12 + 1)
    )
    assert first == same != later
    assert first == "b4da21c4-fc61-5db6-a003-761af77c9596"


def test_another_identity_has_another_session() -> None:
    labels = {"client_id": CLIENT_ID, "participant_id": "other", "roomname": "standup"}
    one = read(value_of(write(session={})))
    other = read(value_of(write(session={}, default_labels=labels)))
    assert one.stay.session_id != other.stay.session_id


def test_ids_of_a_later_version_are_carried_and_harm_nobody() -> None:
    later = {**WHO, 8: 7, 63: 5, 127: "x", 126: 5, 300: [None]}
    assert told_by(read(stored_value(later))) == {**WHO, 8: 7}


def test_a_transport_may_be_known_without_its_round_trip() -> None:
    found = read(stored_value({**WHO, 13: [[None, {82: "udp"}], [41, {}]]}))
    assert found.numbers[12] == [None, 41]
    assert (found.stay.paths, found.stay.attributes[13]) == (2, [{82: "udp"}, {}])


def test_numbers_that_an_earlier_version_had_no_place_for_are_not_known() -> None:
    encode = msgspec.msgpack.encode
    found = read(with_head(encode(encode(WHO)) + encode([97.5, 12])))
    assert found.numbers == (97.5, 12, *[None] * (LAST_METRIC_ID - 2))


@pytest.mark.parametrize(
    "stored", [b"", b"\x00", b"\x97", b"\x97\x02anything", b"\xff" * 40, b"\x01" + bytes(60)]
)
def test_another_schema_is_nobody(stored: bytes) -> None:
    assert from_value(stored) is None


# From one collection to the next


def test_what_describes_a_participant_is_taken_over_while_it_stays_the_same() -> None:
    before = read(stored_value({**WHO, 69: "eu", 8: 7}, b"session-one", 1e12))
    after = from_value(stored_value({**WHO, 69: "eu", 8: 9}, b"session-one", 1e12), before.stay)
    assert after is not None
    assert after.stay is before.stay
    assert after.numbers[7] == 9


@pytest.mark.parametrize(
    ("told", "session", "started_ms"),
    [
        ({**WHO, 69: "us"}, b"session-one", 1e12),
        ({**WHO}, b"session-one", 1e12),
        ({**WHO, 69: "eu", 71: "Chrome"}, b"session-one", 1e12),
        ({**WHO, 69: "eu"}, b"session-two", 1e12),
        ({**WHO, 69: "eu"}, b"session-one", 1e12 + 1),
    ],
)
def test_what_has_changed_is_not_taken_over(
    told: dict[int, Any], session: bytes, started_ms: float
) -> None:
    before = read(stored_value({**WHO, 69: "eu"}, b"session-one", 1e12))
    after = from_value(stored_value(told, session, started_ms), before.stay)
    assert after == read(stored_value(told, session, started_ms))


# Damage


WHOLE = stored_value({**WHO, 8: 1234}, b"session-one")


def with_attributes(attributes: dict[int, Any]) -> bytes:
    """Return a stored value with any *attributes*, and without numbers."""
    encode = msgspec.msgpack.encode
    return with_head(encode(encode(attributes)) + encode([]))


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        (WHO, [41]),
        (WHO | {13: [{82: "udp"}]}, None),
        (WHO | {13: [{82: "udp"}]}, []),
        (WHO | {13: [{82: "udp"}]}, [41, 42]),
        (WHO | {13: [{82: "udp"}, {}]}, [41]),
    ],
)
def test_a_value_without_attributes_of_its_own_spoils_no_scrape(
    attributes: dict[int, Any], values: list[int] | None
) -> None:
    """Each value is valid, but the two together could cost all participants their round trips."""
    encode = msgspec.msgpack.encode
    numbers = [*[None] * 12, values, *[None] * 17]
    whole = stored_value({**WHO, 13: [[41, {82: "udp"}]]})
    damaged = with_head(encode(encode(attributes)) + encode(numbers))
    with pytest.raises(ValueError, match="damaged"):
        from_value(damaged)
    if values:
        with pytest.raises(ValueError, match="damaged"):
            from_value(damaged, read(whole).stay)


@pytest.mark.parametrize(
    "stored",
    [
        b"\x97\x03",
        b"\x01\x03" + bytes(12),
        WHOLE[:-1],
        WHOLE + b"\x00",
        with_head(b""),
        with_head(b"\xc4\x00\x90"),
        with_head(b"\xc4\x01\x80\x90"),
        with_head(b"\xc4\x01\xc1\x90"),
        with_head(b"\x93\x01\x02\x03"),
        with_head(b"\xc1"),
        stored_value({64: "standup", 65: CLIENT_ID}),
        stored_value({**WHO, 69: 5}),
        stored_value({**WHO, 64: [1]}),
        stored_value({**WHO, 8: "1234"}),
        stored_value({**WHO, 8: [[1234, {}]]}),
        stored_value({**WHO, 13: 41}),
        stored_value({**WHO, 13: [["41", {}]]}),
        stored_value({**WHO, 13: [[41, {82: 5}]]}),
        with_attributes({**WHO, 69: [{82: "udp"}]}),
        with_attributes({**WHO, 13: ""}),
        with_attributes({**WHO, 13: "", 69: []}),
        stored_value(WHO, b"\xff\xfe"),
        with_head(b"\xc4\x0d\x83\x40\xa2\xff\xfe\x41\xa1a\x42\xa1b\x90"),
    ],
)
def test_a_damaged_value_is_said_to_be_one(stored: bytes) -> None:
    with pytest.raises(ValueError, match="damaged value"):
        from_value(stored)


@given(st.binary(max_size=200))
def test_no_bytes_of_our_schema_are_worse_than_damaged(rest: bytes) -> None:
    try:
        found = from_value(b"\x97\x03" + rest)
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
    assert found is None or len(found.numbers) == LAST_METRIC_ID
