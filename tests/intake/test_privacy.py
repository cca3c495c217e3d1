"""
JCMC_PRIVACY: what happens to each attribute before it is stored, and how the docs say it.

The expected hashes come from `hashlib` by the documented recipe, not from the package's code.
"""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from exposition import scraped
from harness import CHROME, CLIENT_ID, Service, eventually, push_body
from hypothesis import given
from hypothesis import strategies as st
from otlp_sink import OtlpSink

from otel_jcmc.catalogue.attributes import ATTRIBUTES
from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.intake.heads import Lines
from otel_jcmc.intake.privacy import Privacy, choices_for, describe, make_policy, name_of, truncated
from otel_jcmc.service.app import create_app
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.wire.push import PushParser, Report
from otel_jcmc.wire.rules import make_rules

KEY = "a key of at least sixteen characters"
SESSION = {"id": "session-of-ada", "meeting_id": "9d2e", "seq": 3} | {
    "role": "visitor",
    "feedback": "choppy",
}
NAMES = [
    *("roomname", "client_id", "participant_id", "session.id", "session.meeting_id"),
    *(
        "serverregion",
        "bridge",
        "direct",
        "username",
        "browser_name",
        "browser_version",
        "os_name",
        "os_version",
    ),
    *("audio_codec", "video_codec", "jitsi.media.worst_source.id"),
    *("src_ip", "dst_ip", "protocol", "networkType"),
    *("localCandidateType", "p2p", "remoteCandidateType"),
    *("network.local.port", "network.peer.port", "client.address"),
    *("role", "feedback", "caller.network", "relay", "sender"),
]
# Attributes that the service itself adds to a push.
OF_US = {99: "a1b2c3", 100: "turn-1", 101: "otel_jcmc"}
# Attributes that only a JMMC client's push and its head have.
OF_JMMC = {87: "50000", 88: "10000", 89: "203.0.113.9"}
# It is another participant's id.
WORST = "jitsi.media.worst_source.id"
NEEDED = ["roomname", "client_id", "participant_id", "session.id"]


def whole_push() -> dict[str, Any]:
    """Return a push with every attribute."""
    body = copy.deepcopy(push_body(session=SESSION))
    body["metrics"]["connectionquality"]["labels"] |= {
        "audioCodec": "opus",
        "videoCodec": "VP8",
        "worstSource": "5e6f7a8b",
        "bridge": "jvb-1",
        "p2p": "false",
    }
    body["metrics"]["transport_rtt"][0]["labels"] |= {
        "localCandidateType": "host",
        "remoteCandidateType": "relay",
        "p2p": "false",
    }
    return body


def applied(*entries: str, key: str = KEY, **changes: Any) -> Report:
    """Return the report of a whole push under *entries*, as the receiver makes it."""
    privacy = Privacy(make_policy(entries), key)
    parser = PushParser(make_rules(dropped=privacy.dropped))
    body = {**whole_push(), **changes}
    report = parser.parse(json.dumps(body).encode())
    report.attributes.update(browser_and_system(CHROME))
    told = {id_: text for id_, text in OF_JMMC.items() if id_ not in privacy.dropped}
    report.attributes.update(told | OF_US)
    if privacy.is_needed:
        privacy.apply(report)
    return report


def texts(report: Report) -> dict[str, str]:
    """Return the texts of *report*, by the names of the attributes."""
    names = {row.id: name_of(row) for row in ATTRIBUTES}
    flat = {**report.attributes, **report.attributes[13][0]}
    return {
        **{names[id_]: text for id_, text in flat.items() if id_ in names},
        "session.id": report.session.id,
    }


def keyed(id_: int, text: str, key: str = KEY) -> str:
    """Return the hash of *text* for the attribute with *id_*, by docs/security.md."""
    inner = blake2b(key.encode()).digest()
    return blake2b(text.encode(), digest_size=8, key=inner, person=str(id_).encode()).hexdigest()


# The page that describes it

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.mark.parametrize("row", ATTRIBUTES, ids=name_of)
def test_the_page_names_every_attribute_and_what_it_can_have(row: Any) -> None:
    rows = (line.split("|") for line in PAGE.read_text().splitlines() if line.count("|") == 6)
    ((_, _, also, _, default, choices, _),) = (
        cells for cells in rows if f"`{name_of(row)}`" in cells[1]
    )
    assert choices.strip() == ", ".join(choices_for(row))
    assert default.split(";")[0].strip() == make_policy()[row.id]
    if row.otel_name and row.otel_name != name_of(row):
        assert f"`{row.otel_name}`" in also


def test_the_command_of_the_page_finds_a_conference_again() -> None:
    script = PAGE.read_text().partition("python3 -c '")[2].partition("' standup")[0]
    ran = subprocess.run(
        [sys.executable, "-c", script, "standup"],
        env={**os.environ, "JCMC_PRIVACY_KEY": KEY},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == applied("roomname=hash").conference


# Possible entries


def test_every_attribute_has_a_name() -> None:
    assert [name_of(row) for row in ATTRIBUTES] == NAMES


@pytest.mark.parametrize(
    ("name", "is_name_of"),
    [
        *((name, name) for name in NAMES),
        ("conference", "roomname"),
        ("jitsi.conference.name", "roomname"),
        ("jitsi_conference_name", "roomname"),
        ("jitsi.participant.id", "participant_id"),
        ("session_id", "session.id"),
        ("session_meeting_id", "session.meeting_id"),
        ("jitsi.region", "serverregion"),
        ("user_agent.os.version", "os_version"),
        ("network.local.address", "src_ip"),
        ("network_peer_address", "dst_ip"),
        ("network.connection.type", "networkType"),
    ],
)
def test_an_attribute_can_be_named_as_either_naming_does(name: str, is_name_of: str) -> None:
    changed = make_policy([f" {name} = hash "])
    default = make_policy()
    ids = {id_ for id_, treatment in changed.items() if treatment != default[id_]}
    # Attributes about another participant follow that participant's entry.
    others = [WORST] if is_name_of == "participant_id" else []
    assert [name_of(row) for row in ATTRIBUTES if row.id in ids] == [is_name_of, *others]


def test_another_participants_id_has_the_hash_that_is_its_own() -> None:
    """Otherwise others' attributes would reveal it; and its hash must find it again."""
    told = texts(applied("participant_id=hash"))
    assert told[WORST] == keyed(66, SENT[WORST])
    assert texts(applied("participant_id=hash", f"{WORST}=keep"))[WORST] == SENT[WORST]
    assert WORST not in texts(applied("participant_id=hash", f"{WORST}=drop"))
    assert texts(applied(f"{WORST}=hash"))["participant_id"] == "1a2b3c4d"


@pytest.mark.parametrize("row", ATTRIBUTES, ids=name_of)
def test_these_words_can_be_had(row: Any) -> None:
    wanted = ["keep", "drop", "hash", "truncate"]
    if name_of(row) in NEEDED:
        wanted.remove("drop")
    if name_of(row) not in ("src_ip", "dst_ip", "client.address"):
        wanted.remove("truncate")
    assert choices_for(row) == wanted


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (["roomname"], "'roomname' is not an entry: write it like roomname=hash"),
        (["room=hash"], f"'room' is not an attribute; the attributes are {', '.join(NAMES)}"),
        (["=hash"], f"'' is not an attribute; the attributes are {', '.join(NAMES)}"),
        (["roomname=md5"], "roomname can't have 'md5'; it can have keep, hash"),
        (["roomname="], "roomname can't have ''; it can have keep, hash"),
        (["username=Hash"], "username can't have 'Hash'; it can have keep, drop, hash"),
        (
            ["conference=drop"],
            (
                "roomname can't have 'drop', because it tells one participant from another: use"
                " hash; it can have keep, hash"
            ),
        ),
        (
            ["username=truncate"],
            (
                "username can't have 'truncate', because it is not an address; it can have keep,"
                " drop, hash"
            ),
        ),
        (["roomname=hash", "conference=keep"], "roomname is named twice"),
    ],
)
def test_an_entry_that_can_not_be_is_one_line(entries: list[str], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        make_policy(entries)


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"JCMC_PRIVACY": "username=truncate"},
            (
                "JCMC_PRIVACY: username can't have 'truncate', because it is not an address;"
                " it can have keep, drop, hash"
            ),
        ),
        ({"JCMC_PRIVACY_KEY": "hunter2"}, "JCMC_PRIVACY_KEY: must have at least 16 characters"),
        (
            {"JCMC_PRIVACY": "roomname=hash", "REDIS_URL": "redis://127.0.0.1:1"},
            (
                "settings: JCMC_PRIVACY hashes attributes: set JCMC_PRIVACY_KEY, the same in all"
                " replicas, and keep it"
            ),
        ),
    ],
)
def test_a_wrong_policy_is_one_line_at_start(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    line: str,
) -> None:
    from otel_jcmc.command import arguments

    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(sys, "argv", ["otel-jcmc", "serve"])
    with pytest.raises(SystemExit) as ended:
        arguments.main()
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", f"otel-jcmc: {line}\n")


# Defaults, and settings that stand for entries

# Those of JMMC clients; and the written comment, which has a setting of its own.
JMMC = ["network.local.port", "network.peer.port", "client.address", "feedback"]


def dropped_of(**settings: Any) -> list[str]:
    """Return the names of the dropped attributes with *settings*."""
    policy = Settings(**settings).privacy_policy
    return [name_of(row) for row in ATTRIBUTES if policy[row.id] == "drop"]


@pytest.mark.parametrize(
    ("settings", "dropped"),
    [
        ({}, ["username", "src_ip", "dst_ip", *JMMC]),
        ({"collect_username": True}, ["src_ip", "dst_ip", *JMMC]),
        ({"collect_addresses": True}, ["username", "feedback"]),
        ({"collect_feedback": True}, ["username", "src_ip", "dst_ip", *JMMC[:-1]]),
        ({"privacy": "feedback=keep"}, ["username", "src_ip", "dst_ip", *JMMC[:-1]]),
        ({"privacy": "username=keep"}, ["src_ip", "dst_ip", *JMMC]),
        ({"privacy": "src_ip=truncate"}, ["username", "dst_ip", *JMMC]),
        (
            {"collect_username": True, "privacy": "username=drop"},
            ["username", "src_ip", "dst_ip", *JMMC],
        ),
        ({"collect_addresses": True, "privacy": "src_ip=drop"}, ["username", "src_ip", "feedback"]),
        ({"privacy": "none"}, ["username", "src_ip", "dst_ip", *JMMC]),
    ],
)
def test_an_entry_wins_over_the_setting_that_is_short_for_it(
    settings: dict[str, Any], dropped: list[str]
) -> None:
    assert dropped_of(**settings) == dropped


def test_by_default_there_is_nothing_to_do_for_a_push() -> None:
    privacy = Privacy(make_policy(), KEY)
    assert not privacy.is_needed
    assert not Privacy(make_policy(["username=keep", "src_ip=keep"]), KEY).is_needed
    assert not Privacy(make_policy(["serverregion=drop"]), KEY).is_needed


def test_a_policy_is_described_by_treatment() -> None:
    policy = make_policy(["roomname=hash", "src_ip=truncate", "dst_ip=truncate", "os_version=drop"])
    assert describe(policy) == [
        (
            "keep client_id, participant_id, session.id, session.meeting_id, serverregion,"
            " bridge, direct, browser_name, browser_version, os_name, audio_codec, video_codec,"
            " jitsi.media.worst_source.id, protocol, networkType, localCandidateType, p2p,"
            " remoteCandidateType, role, caller.network, relay, sender"
        ),
        (
            "drop username, os_version, network.local.port, network.peer.port, client.address,"
            " feedback"
        ),
        "hash roomname",
        "truncate src_ip, dst_ip",
    ]


# What happens to a report

SENT = {
    "roomname": "standup",
    "client_id": CLIENT_ID,
    "participant_id": "1a2b3c4d",
    "session.id": "session-of-ada",
    "session.meeting_id": "9d2e",
    "serverregion": "eu-west",
    "bridge": "jvb-1",
    "direct": "false",
    "username": "Ada",
    "browser_name": "Chrome",
    "browser_version": "126.0.0.0",
    "os_name": "Windows",
    "os_version": "10",
    "audio_codec": "opus",
    "video_codec": "VP8",
    WORST: "5e6f7a8b",
    "caller.network": "a1b2c3",
    "relay": "turn-1",
    "sender": "otel_jcmc",
    "src_ip": "10.0.0.7",
    "dst_ip": "198.51.100.4",
    "protocol": "udp",
    "networkType": "wifi",
    "localCandidateType": "host",
    "p2p": "false",
    "remoteCandidateType": "relay",
    "network.local.port": "50000",
    "network.peer.port": "10000",
    "client.address": "203.0.113.9",
    "role": "visitor",
    "feedback": "choppy",
}
KEEPING = [f"{name}=keep" for name in NAMES]


def with_one(name: str, treatment: str) -> list[str]:
    """Return entries that keep everything except *name*."""
    return [f"{name}={treatment}" if each.startswith(f"{name}=") else each for each in KEEPING]


def test_what_is_kept_is_as_it_was_sent() -> None:
    assert texts(applied(*KEEPING)) == SENT


@pytest.mark.parametrize("name", NAMES)
def test_what_is_hashed_is_a_keyed_hash_and_nothing_else_changes(name: str) -> None:
    ids = {name_of(row): row.id for row in ATTRIBUTES}
    report = applied(*with_one(name, "hash"))
    hashed_as = ids["participant_id"] if name == WORST else ids[name]
    assert texts(report) == {**SENT, name: keyed(hashed_as, SENT[name])}
    assert (report.conference, report.client_id, report.participant_id) == tuple(
        texts(report)[each] for each in NEEDED[:3]
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NEEDED])
def test_what_is_dropped_is_gone_and_nothing_else_changes(name: str) -> None:
    report = applied(*with_one(name, "drop"))
    assert texts(report) == {each: text for each, text in SENT.items() if each != name}
    assert report.dropped == []


@pytest.mark.parametrize(
    ("name", "network"),
    [("src_ip", "10.0.0.0"), ("dst_ip", "198.51.100.0"), ("client.address", "203.0.113.0")],
)
def test_an_address_can_be_truncated(name: str, network: str) -> None:
    assert texts(applied(*with_one(name, "truncate"))) == {**SENT, name: network}


def test_every_transport_is_changed() -> None:
    push = whole_push()
    paths = [{"value": n, "labels": {"src_ip": f"10.0.{n}.7"}} for n in range(3)]
    push["metrics"]["transport_rtt"] = [*paths, {"value": 7}]
    report = applied("src_ip=truncate", metrics=push["metrics"])
    assert report.attributes[13] == [*({80: f"10.0.{n}.0"} for n in range(3)), {}]


def test_a_push_with_nothing_but_who_it_is_can_be_hashed() -> None:
    report = applied(*(f"{name}=hash" for name in NAMES), metrics={}, session={})
    assert report.conference == keyed(64, "standup")
    assert report.session.id == ""


def test_the_browser_s_shared_names_are_not_touched() -> None:
    """They come from a cache that all pushes of one browser share."""
    before = dict(browser_and_system(CHROME))
    applied("browser_name=hash", "os_name=drop")
    assert browser_and_system(CHROME) == before


def test_a_hash_tells_letters_of_another_case_apart() -> None:
    def conference(name: str) -> str:
        labels = {**whole_push()["default_labels"], "roomname": name}
        return applied("roomname=hash", default_labels=labels).conference

    assert conference("standup") == conference("standup") == keyed(64, "standup")
    assert len({conference(name) for name in ("standup", "Standup", "stand up", "ständup")}) == 4


def test_a_hash_depends_on_the_key_and_on_the_attribute() -> None:
    one = applied("roomname=hash", "participant_id=hash")
    other = applied("roomname=hash", key="another key of sixteen characters")
    assert one.conference != other.conference
    same = {**whole_push()["default_labels"], "participant_id": "standup"}
    both = applied("roomname=hash", "participant_id=hash", default_labels=same)
    assert both.conference != both.participant_id


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_hash_is_sixteen_hex_digits(text: str) -> None:
    privacy = Privacy(make_policy(["roomname=hash"]), KEY)
    assert privacy.stand_in(text) == keyed(0, text)
    assert re.fullmatch("[0-9a-f]{16}", keyed(0, text))


def test_the_user_of_a_token_is_hashed_where_there_is_a_key() -> None:
    """Without a shared key, replicas would take one user for several."""
    hashing = Privacy(make_policy(["roomname=hash"]), KEY)
    assert hashing.stand_in("ada@example.org") == keyed(0, "ada@example.org")
    assert hashing.stand_in("") == ""
    truncating = Privacy(make_policy(["src_ip=truncate"]), KEY)
    assert truncating.stand_in("ada@example.org") == "ada@example.org"


@pytest.mark.parametrize("policy", ["roomname=hash,username=keep", "none"])
def test_no_digest_of_a_user_can_be_confirmed_where_something_is_hashed(
    short_path: Path, policy: str
) -> None:
    app = create_app(Settings(privacy=policy, privacy_key=KEY, embedded_dir=short_path))
    endpoint: Any = app.push_endpoint
    writes: list[Any] = []
    endpoint._intake._authorise = lambda _headers, _report: "ada@example.org"
    endpoint._intake._store.submit = lambda write, _done: writes.append(write)
    endpoint.take(Lines(), json.dumps(push_body()).encode(), lambda _answer: None)
    (write,) = writes
    plain = blake2b(b"ada@example.org", digest_size=8).digest()
    assert (write.owner == plain) is (policy == "none")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("255.255.255.255", "255.255.255.0"),
        ("2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234::"),
        ("2001:DB8::1", "2001:db8::"),
        ("fe80::1", "fe80::"),
        ("::1", "::"),
        # IPv4 inside IPv6: mapped, and 6to4, whose /48 would be the whole address.
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("::ffff:cb00:714d", "203.0.113.0"),
        ("2002:cb00:714d::1", "2002:cb00:7100::"),
        ("64:ff9b::203.0.113.77", "64:ff9b::"),
    ],
)
def test_an_address_is_truncated_to_its_network(address: str, network: str) -> None:
    assert truncated(address) == network


@given(st.ip_addresses())
def test_whatever_address_is_truncated_twice_is_the_same(address: Any) -> None:
    once = truncated(str(address))
    assert truncated(once) == once


def test_who_may_push_is_asked_before_a_name_is_hashed(short_path: Path) -> None:
    """A token is for the conference's name, not for its hash."""
    asked = []

    def authorise(_headers: Any, report: Report) -> str:
        asked.append((report.conference, report.client_id, report.participant_id))
        raise PushRefused([Fault("token", Reason.TOKEN_MISSING)])

    app = create_app(Settings(privacy=("roomname=hash", "client_id=hash"), embedded_dir=short_path))
    app.push_endpoint._intake._authorise = authorise
    app.push_endpoint.take(Lines(), json.dumps(push_body()).encode(), lambda _answer: None)
    assert asked == [("standup", CLIENT_ID, "1a2b3c4d")]


# Through the service


@pytest.fixture
def everything(redis_server: EmbeddedStore) -> Callable[[], bytes]:
    """Return a function that reads all keys and values in Redis."""
    url = redis_server.url

    def read() -> bytes:
        found = []
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(count=1000):
                kind = client.type(key)
                if kind == b"none":
                    continue  # as a lease does within seconds, it has expired since
                value = client.get(key) if kind == b"string" else None
                if kind == b"zset":
                    value = client.zrange(key, 0, -1)
                elif kind == b"hash":
                    value = client.hgetall(key)
                elif kind == b"set":
                    value = client.smembers(key)
                else:
                    assert kind == b"string"
                if value:
                    found += [key, repr(value).encode()]
        return b"\n".join(found)

    return read


def test_replicas_with_one_key_store_one_participant(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    environ = {
        "REDIS_URL": redis_server.url,
        "JCMC_PRIVACY": "conference=hash,client_id=hash,participant_id=hash,session.id=hash",
        "JCMC_PRIVACY_KEY": KEY,
    }
    with (
        Service(short_path / "a", **environ) as one,
        Service(short_path / "b", **environ) as other,
    ):
        for service in (one, other):
            assert service.push(push_body(session=SESSION)).body == "OK"
        labels = {
            "roomname": keyed(64, "standup"),
            "client_id": keyed(65, CLIENT_ID),
            "participant_id": keyed(66, "1a2b3c4d"),
        }
        found = [each for each in scraped(one) if each.name == "jitsi_jcmc_bitrate_upload"]
        assert [each.labels for each in found] == [labels]
        # A leave is matched by the hash of its session.
        leave = push_body(session={"id": SESSION["id"], "seq": 9, "end": {"reason": "left"}})
        assert other.push(leave).body == "OK"
        assert not [each for each in scraped(one) if "roomname" in each.labels]
        late = one.push(push_body(session=SESSION))
        assert late.json()["dropped"] == [{"field": "session.id", "reason": "session_ended"}]


def test_nothing_in_redis_can_be_confirmed_by_a_guess(
    redis_server: EmbeddedStore, short_path: Path, everything: Callable[[], bytes]
) -> None:
    """Not even by the digests in its keys, because they are made of hashed values."""
    policy = ",".join(f"{name}=hash" for name in NAMES)
    environ = {"REDIS_URL": redis_server.url, "JCMC_PRIVACY": policy}
    with Service(short_path / "a", JCMC_PRIVACY_KEY=KEY, **environ) as service:
        service.push(whole_push())
        stored = everything()
    redis.Redis.from_url(redis_server.url).flushall()
    with Service(short_path / "b", JCMC_PRIVACY_KEY=KEY[::-1], **environ) as service:
        service.push(whole_push())
        with_another_key = everything()
    hexes = set(re.findall(rb"[0-9a-f]{12,}", stored))
    assert len(hexes) >= 2
    assert hexes & set(re.findall(rb"[0-9a-f]{12,}", with_another_key)) == set()
    assert keyed(64, "standup").encode() in stored
    for text in (*SENT.values(), msgspec.msgpack.encode(CLIENT_ID)[1:].decode()):
        if len(text) > 4:
            assert text.encode() not in stored


def test_without_a_key_the_embedded_store_gets_one_for_this_start(short_path: Path) -> None:
    """The exporter's process gets one, too, although it does not use it."""
    found = set()
    for name in ("a", "b"):
        with (
            OtlpSink() as sink,
            Service(
                short_path / name,
                JCMC_PRIVACY="roomname=hash",
                OTEL_METRICS_EXPORTER="otlp",
                OTEL_METRIC_EXPORT_INTERVAL="100",
                OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
                JCMC_SERIES="participants",
            ) as service,
        ):
            service.push(push_body())
            points = eventually(partial(sink.points, "jitsi_"))
            found |= {point.attributes["roomname"] for point in points}
    assert len(found) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in found)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, set()),
        ({"COLLECT_USERNAME": "true"}, {"collectUsername"}),
        ({"JCMC_COLLECT_ADDRESSES": "true"}, {"collectAddresses"}),
        ({"JCMC_PRIVACY": "username=hash"}, {"collectUsername"}),
        ({"JCMC_PRIVACY": "src_ip=truncate"}, {"collectAddresses"}),
        ({"JCMC_PRIVACY": "dst_ip=keep"}, {"collectAddresses"}),
        ({"COLLECT_USERNAME": "true", "JCMC_PRIVACY": "username=drop"}, set()),
        ({"JCMC_COLLECT_ADDRESSES": "true", "JCMC_PRIVACY": "src_ip=drop,dst_ip=drop"}, set()),
    ],
)
def test_the_client_file_sends_what_is_not_dropped(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], told: set[str]
) -> None:
    from otel_jcmc.service.client_files import own_file
    from otel_jcmc.web.client import PLACEHOLDER, served

    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    script = own_file(Settings()).body.decode()
    head = served().partition(PLACEHOLDER)[0]
    settings, _ = json.JSONDecoder().raw_decode(script.removeprefix(head))
    assert {name for name in settings if name.startswith("collect")} == told


def test_check_shows_what_becomes_of_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from otel_jcmc.command import arguments

    monkeypatch.setenv("JCMC_PRIVACY", "conference=hash,client_id=hash")
    monkeypatch.setattr(sys, "argv", ["otel-jcmc", "check"])
    with pytest.raises(SystemExit):
        arguments.main()
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "JCMC_PRIVACY=client_id=hash,conference=hash" in lines
    assert [line for line in lines if line.startswith("# privacy: ")][1:] == [
        (
            "# privacy: drop username, src_ip, dst_ip, network.local.port, network.peer.port,"
            " client.address, feedback"
        ),
        "# privacy: hash roomname, client_id",
    ]
    assert "note: JCMC_PRIVACY_KEY is not set: a restart changes all hashes\n" in said.err
