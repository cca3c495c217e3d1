"""
`POST /metrics/push` to the letter: what is accepted, dropped and reported, and what it becomes.

All on a running service; each test has a conference of its own.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from exposition import Sample, exposed, scraped, values
from harness import CHROME, CLIENT_ID, Answer, Service, eventually, push_body

from otel_jcmc.catalogue.attributes import MEETING
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.push import PushParser

SESSION = "0b8d6a1e-session"
PARSER = PushParser()


@pytest.fixture(scope="module")
def curious(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with the settings that collect personal data."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, COLLECT_USERNAME="true", JCMC_COLLECT_ADDRESSES="true") as running:
        yield running


def push(room: str, metrics: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    """Return a push to *room* with *metrics*, without any when there are none."""
    body = push_body(conference=room, **others)
    del body["metrics"]
    return body if metrics is None else {**body, "metrics": metrics}


def transport(value: Any = 41, **labels: Any) -> dict[str, Any]:
    """Return one element of transport_rtt."""
    return {"labels": labels, "value": value}


def dropped(answer: Answer) -> dict[str, str]:
    """Return the dropped fields in a 200."""
    assert answer.status == 200, answer
    return {each["field"]: each["reason"] for each in answer.json()["dropped"]}


def errors(answer: Answer) -> dict[str, str]:
    """Return the errors in a 400."""
    assert answer.status == 400, answer
    return {each["field"]: each["reason"] for each in answer.json()["errors"]}


# Complete pushes


def test_a_whole_push_is_answered_ok(shared_service: Service, room: str) -> None:
    answer = shared_service.push(push_body(conference=room))
    assert (answer.status, answer.body) == (200, "OK")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_each_of_the_thirteen_metrics_becomes_its_series(
    shared_service: Service, room: str
) -> None:
    shared_service.push(push_body(conference=room))
    assert exposed(shared_service, room) == [
        Sample(
            "connectionquality",
            {
                "serverregion": "eu-west",
                "browser_name": "Chrome",
                "browser_version": "126.0.0.0",
                "os_name": "Windows",
                "os_version": "10",
            },
            97.5,
        ),
        Sample("bandwidth_upload", {}, 2900),
        Sample("bandwidth_download", {}, 5100),
        Sample("bitrate_audio_upload", {}, 24),
        Sample("bitrate_audio_download", {}, 31),
        Sample("bitrate_video_upload", {}, 1210),
        Sample("bitrate_video_download", {}, 2404),
        Sample("bitrate_upload", {}, 1234),
        Sample("bitrate_download", {}, 2435),
        Sample("packetloss_upload", {}, 0),
        Sample("packetloss_download", {}, 1),
        Sample("packetloss_total", {}, 1),
        Sample("transport_rtt", {"protocol": "udp", "networkType": "wifi"}, 41),
    ]


def test_every_series_says_who_and_where(shared_service: Service, room: str) -> None:
    shared_service.push(push(room, {"bitrate_upload": {"value": 7}}))
    found = [
        each
        for each in scraped(shared_service, "/metrics/participants")
        if each.labels.get("roomname") == room
    ]
    who = {"roomname": room, "client_id": CLIENT_ID, "participant_id": "1a2b3c4d"}
    system = {"os_name": "Windows", "os_version": "10"}
    browser = {"browser_name": "Chrome", "browser_version": "126.0.0.0"}
    assert found == [
        Sample("jitsi_jcmc_bitrate_upload", who, 7),
        Sample("jitsi_jcmc_info", who | browser | system | {"sender": "original"}, 1),
    ]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain;charset=UTF-8", "application/json", "application/x-www-form-urlencoded", "", "\t"],
)
def test_any_content_type_is_taken(shared_service: Service, room: str, content_type: str) -> None:
    answer = shared_service.push(
        push(room, {"bitrate_upload": {"value": 7}}), headers={"content-type": content_type}
    )
    assert answer.body == "OK"
    assert values(shared_service, room) == {"bitrate_upload": 7}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("connectionquality", 0),
        ("connectionquality", 100),
        ("bandwidth_upload", 10_000_000),
        ("packetloss_total", 0.5),
        ("packetloss_total", 100),
        ("bitrate_upload", 1e-9),
        ("bitrate_upload", 0.0),
        ("bitrate_upload", -0.0),
    ],
)
def test_a_value_within_its_bounds_is_exported_as_it_was_sent(
    shared_service: Service, room: str, metric: str, value: float
) -> None:
    assert shared_service.push(push(room, {metric: {"value": value}})).body == "OK"
    assert values(shared_service, room) == {metric: value}


# Null, zero, and values that replace others


def test_null_is_kept_and_shows_no_series(shared_service: Service, room: str) -> None:
    answer = shared_service.push(push(room, {"bitrate_upload": {"value": None}}))
    assert (answer.status, answer.body) == (200, "OK")
    assert exposed(shared_service, room) == []


def test_null_removes_the_series_that_was_there(shared_service: Service, room: str) -> None:
    shared_service.push(
        push(room, {"bitrate_upload": {"value": 7}, "packetloss_total": {"value": 2}})
    )
    shared_service.push(
        push(room, {"bitrate_upload": {"value": None}, "packetloss_total": {"value": 2}})
    )
    assert values(shared_service, room) == {"packetloss_total": 2}


def test_null_for_everything_is_no_fault(shared_service: Service, room: str) -> None:
    metrics: dict[str, Any] = {name: {"value": None} for name in push_body()["metrics"]}
    metrics["transport_rtt"] = [{"value": None}]
    assert shared_service.push(push(room, metrics)).body == "OK"


def test_zero_is_a_value_and_not_the_lack_of_one(shared_service: Service, room: str) -> None:
    shared_service.push(
        push(room, {"connectionquality": {"value": 0}, "transport_rtt": [transport(0)]})
    )
    assert [sample.value for sample in exposed(shared_service, room)] == [0, 0]


def test_a_push_replaces_the_one_before_it_whole(shared_service: Service, room: str) -> None:
    shared_service.push(push_body(conference=room))
    shared_service.push(push(room, {"packetloss_total": {"value": 3}}))
    assert values(shared_service, room) == {"packetloss_total": 3}


def test_an_empty_list_of_transports_removes_them(shared_service: Service, room: str) -> None:
    shared_service.push(push(room, {"transport_rtt": [transport()]}))
    assert shared_service.push(push(room, {"transport_rtt": []})).body == "OK"
    assert exposed(shared_service, room) == []


def test_a_changed_region_leaves_one_series(shared_service: Service, room: str) -> None:
    for region in ("eu-west", "us-east"):
        shared_service.push(
            push(room, {"connectionquality": {"labels": {"serverregion": region}, "value": 90}})
        )
    (sample,) = exposed(shared_service, room)
    assert sample.labels["serverregion"] == "us-east"


def test_a_changed_network_leaves_one_series(shared_service: Service, room: str) -> None:
    for network in ("wifi", "cellular"):
        shared_service.push(push(room, {"transport_rtt": [transport(networkType=network)]}))
    assert exposed(shared_service, room) == [
        Sample("transport_rtt", {"networkType": "cellular"}, 41)
    ]


def test_a_changed_browser_leaves_one_series(shared_service: Service, room: str) -> None:
    quality = push(room, {"connectionquality": {"value": 90}})
    shared_service.push(quality)
    shared_service.push(quality, headers={"user-agent": CHROME.replace("126", "127")})
    (sample,) = exposed(shared_service, room)
    assert sample.labels["browser_version"] == "127.0.0.0"


def test_participants_of_one_browser_are_apart(shared_service: Service, room: str) -> None:
    for participant, value in (("aaaa0001", 1), ("aaaa0002", 2)):
        body = push(room, {"bitrate_upload": {"value": value}})
        body["default_labels"]["participant_id"] = participant
        shared_service.push(body)
    assert sorted(sample.value for sample in exposed(shared_service, room)) == [1, 2]


# Labels


@pytest.mark.parametrize("absent", [None, "", "undefined"])
@pytest.mark.parametrize("label", ["protocol", "networkType", "src_ip", "dst_ip"])
def test_a_label_without_a_word_is_absent(
    curious: Service, room: str, label: str, absent: str | None
) -> None:
    answer = curious.push(push(room, {"transport_rtt": [transport(**{label: absent})]}))
    assert answer.body == "OK"
    assert exposed(curious, room) == [Sample("transport_rtt", {}, 41)]


@pytest.mark.parametrize("absent", [None, "", "undefined"])
def test_a_region_without_a_word_is_absent(
    shared_service: Service, room: str, absent: str | None
) -> None:
    labels = {"serverregion": absent, "username": absent}
    quality = {"connectionquality": {"labels": labels, "value": 90}}
    assert shared_service.push(push(room, quality), headers={"user-agent": "?"}).body == "OK"
    assert exposed(shared_service, room) == [Sample("connectionquality", {}, 90)]


@pytest.mark.parametrize("labels", [None, {}])
def test_labels_may_be_null_or_empty(
    shared_service: Service, room: str, labels: dict[str, str] | None
) -> None:
    body = push(room, {"bitrate_upload": {"value": 7, "labels": labels}})
    assert shared_service.push(body).body == "OK"


def test_names_and_addresses_are_not_collected_unasked(shared_service: Service, room: str) -> None:
    assert shared_service.push(push_body(conference=room)).body == "OK"
    text = shared_service.get("/metrics").body
    assert room in text
    assert "Ada" not in text
    assert "10.0.0.7" not in text
    assert "198.51.100.4" not in text


def test_names_and_addresses_are_collected_when_asked_for(curious: Service, room: str) -> None:
    curious.push(push_body(conference=room))
    labels = {sample.name: sample.labels for sample in exposed(curious, room)}
    assert labels["connectionquality"]["username"] == "Ada"
    assert labels["transport_rtt"] == {
        "src_ip": "10.0.0.7",
        "dst_ip": "198.51.100.4",
        "protocol": "udp",
        "networkType": "wifi",
    }


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::7", "::ffff:192.0.2.1", "::"])
def test_addresses_of_both_families_are_taken(curious: Service, room: str, address: str) -> None:
    assert curious.push(push(room, {"transport_rtt": [transport(src_ip=address)]})).body == "OK"
    assert exposed(curious, room) == [Sample("transport_rtt", {"src_ip": address}, 41)]


@pytest.mark.parametrize(
    ("label", "bad", "reason"),
    [
        ("src_ip", "localhost", "not_an_address"),
        ("src_ip", "10.0.0.256", "not_an_address"),
        ("dst_ip", "10.0.0.7:443", "not_an_address"),
        ("dst_ip", "10.0.0", "not_an_address"),
        ("src_ip", 167772167, "not_text"),
        ("protocol", "ssltcp", "unknown_word"),
        ("protocol", "UDP", "unknown_word"),
        ("protocol", True, "not_text"),
        ("networkType", 5, "not_text"),
        ("networkType", ["wifi"], "not_text"),
        ("networkType", {}, "not_text"),
        ("networkType", "w" * 257, "too_long"),
        ("networkType", "wi\0fi", "bad_text"),
        ("localCandidateType", "turn", "unknown_word"),
        ("p2p", True, "not_text"),
        ("colour", "blue", "unknown_field"),
    ],
)
def test_a_bad_label_is_dropped_alone(
    curious: Service, room: str, label: str, bad: Any, reason: str
) -> None:
    answer = curious.push(push(room, {"transport_rtt": [transport(**{label: bad})]}))
    assert dropped(answer) == {f"metrics.transport_rtt[0].labels.{label}": reason}
    assert exposed(curious, room) == [Sample("transport_rtt", {}, 41)]


def test_a_bad_label_is_named_though_it_would_not_be_kept(
    shared_service: Service, room: str
) -> None:
    answer = shared_service.push(push(room, {"transport_rtt": [transport(dst_ip="nowhere")]}))
    assert dropped(answer) == {"metrics.transport_rtt[0].labels.dst_ip": "not_an_address"}


def test_labels_that_are_no_object_are_dropped_and_the_value_kept(
    shared_service: Service, room: str
) -> None:
    answer = shared_service.push(push(room, {"connectionquality": {"labels": [], "value": 90}}))
    assert dropped(answer) == {"metrics.connectionquality.labels": "not_an_object"}
    assert values(shared_service, room) == {"connectionquality": 90}


def test_a_label_of_256_characters_is_taken_whatever_its_bytes(
    shared_service: Service, room: str
) -> None:
    region = "\N{SNOWMAN}" * 256
    body = push(room, {"connectionquality": {"labels": {"serverregion": region}, "value": 90}})
    assert shared_service.push(body).body == "OK"
    assert exposed(shared_service, room)[0].labels["serverregion"] == region


def test_a_label_of_another_metric_is_unknown(shared_service: Service, room: str) -> None:
    body = push(room, {"bitrate_upload": {"labels": {"serverregion": "eu"}, "value": 7}})
    assert dropped(shared_service.push(body)) == {
        "metrics.bitrate_upload.labels.serverregion": "unknown_field"
    }


# Values


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"value": "24"}, "not_a_number"),
        ({"value": True}, "not_a_number"),
        ({"value": False}, "not_a_number"),
        ({"value": [24]}, "not_a_number"),
        ({"value": {}}, "not_a_number"),
        ({"value": -1}, "out_of_range"),
        ({"value": 10_000_001}, "out_of_range"),
        ({}, "missing"),
        ({"labels": {}}, "missing"),
    ],
)
def test_a_bad_value_takes_its_metric_along(
    shared_service: Service, room: str, bad: Any, reason: str
) -> None:
    answer = shared_service.push(
        push(room, {"bitrate_upload": bad, "packetloss_total": {"value": 3}})
    )
    assert dropped(answer) == {"metrics.bitrate_upload.value": reason}
    assert values(shared_service, room) == {"packetloss_total": 3}


@pytest.mark.parametrize("bad", [7, "7", None, True, [7]])
def test_a_metric_that_is_no_object_is_dropped(
    shared_service: Service, room: str, bad: Any
) -> None:
    answer = shared_service.push(
        push(room, {"bitrate_upload": bad, "packetloss_total": {"value": 3}})
    )
    assert dropped(answer) == {"metrics.bitrate_upload": "not_an_object"}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("connectionquality", 100.0001),
        ("connectionquality", -0.1),
        ("packetloss_upload", 101),
        ("bandwidth_download", 10_000_001),
    ],
)
def test_a_value_beyond_its_bounds_is_dropped(
    shared_service: Service, room: str, metric: str, value: float
) -> None:
    answer = shared_service.push(
        push(room, {metric: {"value": value}, "bitrate_upload": {"value": 7}})
    )
    assert dropped(answer) == {f"metrics.{metric}.value": "out_of_range"}
    assert values(shared_service, room) == {"bitrate_upload": 7}


def test_a_bad_value_does_not_leave_the_old_one(shared_service: Service, room: str) -> None:
    shared_service.push(push(room, {"bitrate_upload": {"value": 7}}))
    shared_service.push(
        push(room, {"bitrate_upload": {"value": "8"}, "packetloss_total": {"value": 3}})
    )
    assert values(shared_service, room) == {"packetloss_total": 3}


# Transports


def test_each_transport_is_a_series(shared_service: Service, room: str) -> None:
    body = push(
        room, {"transport_rtt": [transport(41, protocol="udp"), transport(80, protocol="tcp")]}
    )
    assert shared_service.push(body).body == "OK"
    assert exposed(shared_service, room) == [
        Sample("transport_rtt", {"protocol": "udp"}, 41),
        Sample("transport_rtt", {"protocol": "tcp"}, 80),
    ]


@pytest.mark.parametrize("order", [(41, 80), (80, 41)])
def test_transports_that_look_the_same_become_the_slowest(
    shared_service: Service, room: str, order: tuple[int, int]
) -> None:
    paths = [
        transport(value, src_ip=f"10.0.0.{n}", protocol="udp") for n, value in enumerate(order)
    ]
    assert shared_service.push(push(room, {"transport_rtt": paths})).body == "OK"
    assert exposed(shared_service, room) == [Sample("transport_rtt", {"protocol": "udp"}, 80)]


def test_eight_transports_are_taken(curious: Service, room: str) -> None:
    paths = [transport(n, src_ip=f"10.0.0.{n}") for n in range(8)]
    assert curious.push(push(room, {"transport_rtt": paths})).body == "OK"
    assert [sample.value for sample in exposed(curious, room)] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_what_comes_after_the_eighth_transport_is_dropped(curious: Service, room: str) -> None:
    paths = [transport(n, src_ip=f"10.0.0.{n}") for n in range(10)]
    answer = curious.push(push(room, {"transport_rtt": paths}))
    assert dropped(answer) == {"metrics.transport_rtt[8]": "too_many"}
    assert [sample.value for sample in exposed(curious, room)] == [0, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("bad", [{"value": 41}, 41, "41", None])
def test_transports_that_are_no_list_are_dropped(
    shared_service: Service, room: str, bad: Any
) -> None:
    answer = shared_service.push(push(room, {"transport_rtt": bad, "bitrate_upload": {"value": 7}}))
    assert dropped(answer) == {"metrics.transport_rtt": "not_a_list"}
    assert values(shared_service, room) == {"bitrate_upload": 7}


def test_a_bad_transport_does_not_cost_the_others(shared_service: Service, room: str) -> None:
    paths = [7, transport("41"), transport(600_001), {}, {"value": None}, transport(90)]
    answer = shared_service.push(push(room, {"transport_rtt": paths}))
    assert dropped(answer) == {
        "metrics.transport_rtt[0]": "not_an_object",
        "metrics.transport_rtt[1].value": "not_a_number",
        "metrics.transport_rtt[2].value": "out_of_range",
        "metrics.transport_rtt[3].value": "missing",
    }
    assert values(shared_service, room) == {"transport_rtt": 90}


# Identity


def test_every_identity_fault_is_listed(shared_service: Service) -> None:
    answer = shared_service.push(
        {"default_labels": {"client_id": "me", "roomname": 7}, "metrics": {}}
    )
    assert errors(answer) == {
        "default_labels.client_id": "not_a_guid",
        "default_labels.participant_id": "missing",
        "default_labels.roomname": "not_text",
    }
    assert answer.json()["more"] == 0
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("label", "bad", "reason"),
    [
        ("client_id", None, "missing"),
        ("client_id", "", "missing"),
        ("client_id", 7, "not_text"),
        ("client_id", "3fa85f6457174562b3fc2c963f66afa6", "not_a_guid"),
        ("client_id", "{3fa85f64-5717-4562-b3fc-2c963f66afa6}", "not_a_guid"),
        ("client_id", "3fa85f64-5717-4562-b3fc-2c963f66afa6\n", "not_a_guid"),
        ("client_id", "3fa85f64-5717-4562-b3fc-2c963f66afag", "not_a_guid"),
        ("client_id", "x" * 257, "too_long"),
        ("participant_id", None, "missing"),
        ("participant_id", "", "missing"),
        ("participant_id", ["1a2b3c4d"], "not_text"),
        ("participant_id", "p" * 129, "too_long"),
        ("participant_id", "1a2b\x003c4d", "bad_text"),
        ("participant_id", "1a2b\ud800", "bad_text"),
        ("roomname", None, "missing"),
        ("roomname", "", "missing"),
        ("roomname", {}, "not_text"),
        ("roomname", True, "not_text"),
        ("roomname", "r" * 257, "too_long"),
        ("roomname", "stand\x00up", "bad_text"),
        ("roomname", "\udfff", "bad_text"),
    ],
)
def test_a_wrong_identity_refuses_the_push(
    shared_service: Service, label: str, bad: Any, reason: str
) -> None:
    body = push_body()
    body["default_labels"][label] = bad
    assert errors(shared_service.push(body)) == {f"default_labels.{label}": reason}


@pytest.mark.parametrize(
    ("labels", "reason"), [(None, "missing"), ([], "not_an_object"), ("me", "not_an_object")]
)
def test_an_identity_that_is_no_object_refuses_the_push(
    shared_service: Service, labels: Any, reason: str
) -> None:
    answer = shared_service.push(push_body(default_labels=labels))
    assert errors(answer) == {"default_labels": reason}


@pytest.mark.parametrize(
    "client_id", ["3FA85F64-5717-4562-B3FC-2C963F66AFA6", "00000000-0000-0000-0000-000000000000"]
)
def test_any_guid_is_one(shared_service: Service, room: str, client_id: str) -> None:
    body = push(room, {"bitrate_upload": {"value": 7}})
    body["default_labels"]["client_id"] = client_id
    assert shared_service.push(body).body == "OK"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("participant_id", "p" * 128),
        ("participant_id", "undefined"),
        ("roomname", "\N{GRINNING FACE}" * 256),
        ("roomname", 'a"b\\c\nd\te'),
        ("roomname", " "),
    ],
)
def test_an_identity_may_be_any_text(shared_service: Service, label: str, text: str) -> None:
    body = push_body()
    body["default_labels"][label] = text
    assert shared_service.push(body).body == "OK"
    assert text in {sample.labels.get(label) for sample in scraped(shared_service)}


# Unknown fields


def test_unknown_fields_are_named_and_the_rest_is_kept(shared_service: Service, room: str) -> None:
    body = push(room, {"bitrate_upload": {"value": 7, "unit": "kbit"}, "framerate": {"value": 30}})
    body["default_labels"]["tenant"] = "a"
    body["session"] = {"id": SESSION, "mood": "good"}
    body["version"] = 2
    assert dropped(shared_service.push(body)) == {
        "version": "unknown_field",
        "default_labels.tenant": "unknown_field",
        "session.mood": "unknown_field",
        "metrics.bitrate_upload.unit": "unknown_field",
        "metrics.framerate": "unknown_field",
    }
    assert values(shared_service, room) == {"bitrate_upload": 7}


def test_twenty_dropped_fields_are_listed_and_the_others_counted(
    shared_service: Service, room: str
) -> None:
    metrics: dict[str, Any] = {f"unknown_{n}": {"value": n} for n in range(25)}
    answer = shared_service.push(push(room, {**metrics, "bitrate_upload": {"value": 7}}))
    assert answer.json() == {
        "dropped": [
            {"field": f"metrics.unknown_{n}", "reason": "unknown_field"} for n in range(20)
        ],
        "more": 5,
    }


def test_a_key_is_repeated_short_and_harmless(shared_service: Service, room: str) -> None:
    metrics: dict[str, Any] = {
        '<script>alert("é")</script>' + "x" * 200: 1,
        "bitrate_upload": {"value": 7},
    }
    assert dropped(shared_service.push(push(room, metrics))) == {
        "metrics.<script>alert(???)</script>xxxxxxxxxxxxx": "unknown_field"
    }


def test_of_duplicate_keys_the_last_counts(shared_service: Service, room: str) -> None:
    text = json.dumps(push(room, {"bitrate_upload": {"value": 7}}))
    twice = text.replace(
        '"bitrate_upload": {', '"bitrate_upload": {"value": 6}, "bitrate_upload": {'
    )
    assert shared_service.push(twice.replace('"value": 7', '"value": 5, "value": 8')).body == "OK"
    assert values(shared_service, room) == {"bitrate_upload": 8}


# Nothing kept


@pytest.mark.parametrize(
    "metrics", [None, {}, {"bitrate_upload": {"value": "7"}}, {"framerate": {"value": 30}}]
)
def test_a_push_of_which_nothing_is_left_is_refused(
    shared_service: Service, room: str, metrics: dict[str, Any] | None
) -> None:
    answer = shared_service.push(push(room, metrics))
    assert answer.status == 400
    assert answer.json()["errors"][0] == {"field": "metrics", "reason": "nothing_kept"}


def test_metrics_that_are_null_are_none(shared_service: Service, room: str) -> None:
    answer = shared_service.push({**push(room), "metrics": None})
    assert errors(answer) == {"metrics": "nothing_kept"}
    answer = shared_service.push({**push(room, session={"id": SESSION}), "metrics": None})
    assert (answer.status, answer.body) == (200, "OK")


def test_a_refusal_says_why_nothing_was_left(shared_service: Service, room: str) -> None:
    answer = shared_service.push(
        push(room, {"bitrate_upload": {"value": "7"}, "transport_rtt": [7]})
    )
    assert errors(answer) == {
        "metrics": "nothing_kept",
        "metrics.bitrate_upload.value": "not_a_number",
        "metrics.transport_rtt[0]": "not_an_object",
    }


def test_a_refused_push_leaves_what_was_there(shared_service: Service, room: str) -> None:
    shared_service.push(push(room, {"bitrate_upload": {"value": 7}}))
    assert shared_service.push(push(room, {})).status == 400
    assert values(shared_service, room) == {"bitrate_upload": 7}


@pytest.mark.parametrize("metrics", [[], "all", 7])
def test_metrics_that_are_no_object_are_named(
    shared_service: Service, room: str, metrics: Any
) -> None:
    answer = shared_service.push({**push(room), "metrics": metrics})
    assert answer.status == 400
    assert answer.json()["errors"] == [
        {"field": "metrics", "reason": "nothing_kept"},
        {"field": "metrics", "reason": "not_an_object"},
    ]


# Session


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"id": SESSION},
        {"id": "a_B-3456"},
        {"id": "x" * 64},
        {"seq": 0},
        {"seq": 3.0},
        {"meeting_id": "6f0e", "seq": 4294967295, "interval_ms": 3_600_000, "stats_age_ms": 0.5},
        {"meeting_id": None},
        {"role": None},
        {"role": ""},
        {"feedback": "not kept unasked"},
        {"feedback": None},
        {"end": None},
    ],
)
def test_a_session_alone_is_a_sign_of_life(
    shared_service: Service, room: str, session: dict[str, Any]
) -> None:
    answer = shared_service.push(push(room, session=session))
    assert (answer.status, answer.body) == (200, "OK")
    assert exposed(shared_service, room) == []


@pytest.mark.parametrize("role", ["recorder", "gateway", "visitor"])
def test_who_is_no_ordinary_participant_has_a_series_that_says_so(
    shared_service: Service, room: str, role: str
) -> None:
    """And no other series has it."""
    body = push(room, {"bitrate_upload": {"value": 7}}, session={"role": role})
    assert shared_service.push(body).body == "OK"
    told = [("bitrate_upload", {}, 7), ("role", {"role": role}, 1)]
    assert sorted(exposed(shared_service, room)) == told


@pytest.mark.parametrize(
    ("session", "field", "reason"),
    [
        ({"id": "short"}, "session.id", "not_a_session_id"),
        ({"id": "x" * 65}, "session.id", "too_long"),
        ({"id": "with blank"}, "session.id", "not_a_session_id"),
        ({"id": "12345678\n"}, "session.id", "not_a_session_id"),
        ({"id": 12345678}, "session.id", "not_text"),
        ({"meeting_id": "m" * 129}, "session.meeting_id", "too_long"),
        ({"meeting_id": 7}, "session.meeting_id", "not_text"),
        ({"role": "participant"}, "session.role", "unknown_word"),
        ({"role": True}, "session.role", "not_text"),
        ({"feedback": "f" * 257}, "session.feedback", "too_long"),
        ({"feedback": ["long"]}, "session.feedback", "not_text"),
        ({"seq": -1}, "session.seq", "out_of_range"),
        ({"seq": 4294967296}, "session.seq", "out_of_range"),
        ({"seq": 1.5}, "session.seq", "not_a_number"),
        ({"seq": True}, "session.seq", "not_a_number"),
        ({"seq": "1"}, "session.seq", "not_a_number"),
        ({"interval_ms": -1}, "session.interval_ms", "out_of_range"),
        ({"interval_ms": 3_600_001}, "session.interval_ms", "out_of_range"),
        ({"stats_age_ms": "old"}, "session.stats_age_ms", "not_a_number"),
        ({"stats_age_ms": -5}, "session.stats_age_ms", "out_of_range"),
        ({"end": "left"}, "session.end", "not_an_object"),
        ({"end": {}}, "session.end", "not_text"),
        ({"end": {"reason": "bored"}}, "session.end", "unknown_word"),
        ({"end": {"reason": ["left"]}}, "session.end", "not_text"),
        ([], "session", "not_an_object"),
        ("0b8d", "session", "not_an_object"),
    ],
)
def test_a_bad_field_of_the_session_is_dropped_alone(
    shared_service: Service, room: str, session: Any, field: str, reason: str
) -> None:
    body = push(room, {"bitrate_upload": {"value": 7}}, session=session)
    assert dropped(shared_service.push(body)) == {field: reason}
    assert values(shared_service, room) == {"bitrate_upload": 7}


def test_a_session_that_is_null_is_none(shared_service: Service, room: str) -> None:
    body = push(room, {"bitrate_upload": {"value": 7}}, session=None)
    assert shared_service.push(body).body == "OK"


def numbered(room: str, seq: int, value: int, session: str = SESSION) -> dict[str, Any]:
    """Return push number *seq* of a session."""
    return push(room, {"bitrate_upload": {"value": value}}, session={"id": session, "seq": seq})


def test_a_push_that_was_overtaken_is_200_and_changes_nothing(
    shared_service: Service, room: str
) -> None:
    shared_service.push(numbered(room, 5, 50))
    answer = shared_service.push(numbered(room, 4, 40))
    assert dropped(answer) == {"session.seq": "superseded"}
    assert values(shared_service, room) == {"bitrate_upload": 50}


@pytest.mark.parametrize("seq", [5, 6])
def test_a_push_with_the_same_or_a_higher_number_counts(
    shared_service: Service, room: str, seq: int
) -> None:
    shared_service.push(numbered(room, 5, 50))
    assert shared_service.push(numbered(room, seq, 60)).body == "OK"
    assert values(shared_service, room) == {"bitrate_upload": 60}


def test_another_session_counts_from_the_start(shared_service: Service, room: str) -> None:
    shared_service.push(numbered(room, 5, 50))
    assert shared_service.push(numbered(room, 0, 60, "another-session")).body == "OK"
    assert values(shared_service, room) == {"bitrate_upload": 60}


@pytest.mark.parametrize("reason", ["left", "kicked", "closed", "suspended", "failed"])
def test_an_end_removes_the_participant_at_once(
    shared_service: Service, room: str, reason: str
) -> None:
    shared_service.push(numbered(room, 5, 50))
    answer = shared_service.push(push(room, session={"id": SESSION, "end": {"reason": reason}}))
    assert (answer.status, answer.body) == (200, "OK")
    assert exposed(shared_service, room) == []


def test_an_end_with_metrics_is_an_end(shared_service: Service, room: str) -> None:
    body = push(
        room,
        {"bitrate_upload": {"value": 7}},
        session={"id": SESSION, "end": {"reason": "left"}},
    )
    assert shared_service.push(body).body == "OK"
    assert exposed(shared_service, room) == []


def test_a_push_that_arrives_after_its_end_does_not_bring_anyone_back(
    shared_service: Service, room: str
) -> None:
    shared_service.push(push(room, session={"id": SESSION, "end": {"reason": "left"}}))
    answer = shared_service.push(numbered(room, 6, 60))
    assert dropped(answer) == {"session.id": "session_ended"}
    assert exposed(shared_service, room) == []


def test_who_comes_back_is_a_new_session(shared_service: Service, room: str) -> None:
    shared_service.push(push(room, session={"id": SESSION, "end": {"reason": "left"}}))
    assert shared_service.push(numbered(room, 0, 60, "another-session")).body == "OK"
    assert values(shared_service, room) == {"bitrate_upload": 60}


def test_the_end_of_an_earlier_session_does_not_take_the_present_one(
    shared_service: Service, room: str
) -> None:
    shared_service.push(numbered(room, 0, 60, "another-session"))
    shared_service.push(push(room, session={"id": SESSION, "end": {"reason": "left"}}))
    assert values(shared_service, room) == {"bitrate_upload": 60}


def test_a_heartbeat_without_stats_shows_no_old_values(shared_service: Service, room: str) -> None:
    shared_service.push(numbered(room, 5, 50))
    heartbeat = push(
        room,
        {"bitrate_upload": {"value": None}, "transport_rtt": []},
        session={"id": SESSION, "seq": 6, "stats_age_ms": 25_000},
    )
    assert shared_service.push(heartbeat).body == "OK"
    assert exposed(shared_service, room) == []


@pytest.mark.parametrize(("age_ms", "state"), [(500, []), (10_000, []), (10_001, [2])])
def test_a_heartbeat_is_a_bad_call_when_the_statistics_have_stopped(
    shared_service: Service, room: str, age_ms: int, state: list[float]
) -> None:
    """The others are there; a short interruption of the connection does not count."""
    outages = {"outage_down": {"value": 0}, "outage_up": {"value": 0}}
    told = {"id": SESSION, "seq": 6, "interval_ms": 10_000, "stats_age_ms": age_ms}
    shared_service.push(push(room, outages, session=told))
    found = [each for each in scraped(shared_service, "/metrics/participants") if room in str(each)]
    assert [each.value for each in found if each.name.endswith("verdict_state")] == state


def test_a_page_without_sessions_gets_one_from_the_server(
    shared_otel_service: Service, room: str
) -> None:
    body = push(room, {"bitrate_upload": {"value": 7}})
    seen = set()
    for _ in range(2):
        shared_otel_service.push(body)
        seen |= {
            sample.labels["session_id"]
            for sample in scraped(shared_otel_service, "/metrics/participants")
            if sample.labels.get("jitsi_conference_name") == room
        }
    (session,) = seen
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", session)


@pytest.mark.parametrize(
    ("expiration_ms", "interval_ms", "ttl_ms"),
    [
        (30_000, 0, 30_000),
        (30_000, 5_000, 30_000),
        (30_000, 10_000, 30_000),
        (30_000, 30_000, 90_000),
        (30_000, 100_000, 300_000),
        (30_000, 3_600_000, 300_000),
        (3_600_000, 30_000, 3_600_000),
    ],
)
def test_a_participant_lives_for_three_of_its_intervals(
    expiration_ms: int, interval_ms: int, ttl_ms: int
) -> None:
    """METRICS_EXPIRATION, or three intervals if that is longer, but at most five minutes."""
    body = push("standup", session={"interval_ms": interval_ms})
    write = to_write(PARSER.parse(json.dumps(body).encode()), expiration_ms)
    assert write.ttl_ms == ttl_ms


def test_who_pushes_seldom_outlives_who_says_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Service(tmp_path_factory.mktemp("s", numbered=True), METRICS_EXPIRATION="1") as service:
        service.push(push("often", {"bitrate_upload": {"value": 7}}))
        service.push(
            push("seldom", {"bitrate_upload": {"value": 8}}, session={"interval_ms": 30_000})
        )
        assert values(service, "often") == {"bitrate_upload": 7}
        eventually(lambda: not exposed(service, "often"))
        assert values(service, "seldom") == {"bitrate_upload": 8}


def test_the_meeting_id_is_stored_and_no_label(shared_service: Service, room: str) -> None:
    body = push(room, {"bitrate_upload": {"value": 7}}, session={"meeting_id": "6f0e-meeting"})
    assert PARSER.parse(json.dumps(body).encode()).attributes[MEETING.id] == "6f0e-meeting"
    shared_service.push(body)
    assert exposed(shared_service, room) == [Sample("bitrate_upload", {}, 7)]
