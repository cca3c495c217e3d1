"""Clients of the Jitsi Meet Metrics Collector at a running service: what their pushes become."""

import json
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import Service, eventually, push_body, request
from jmmc_page import JmmcPage

from otel_jcmc.store.embedded import EmbeddedStore

ORIGIN = "https://meet.example.org"
ADDRESSES = {
    "t": {"ip": 3325256708, "p": 10000, "tp": "udp", "lip": 167772167, "lp": 50000, "sr": "eu-west"}
}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that collects addresses, for pages of one origin."""
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        JCMC_COLLECT_ADDRESSES="true",
        JCMC_CORS_ALLOWED_ORIGINS=ORIGIN,
        JCMC_JMMC_CONF_PATTERN="^[a-z0-9-]+$",
        JCMC_JMMC_AUTHORIZED_REGIONS="eu-west,us-east",
        JCMC_LIMIT_BODY_BYTES="4096",
    ) as running:
        yield running


@pytest.fixture
def page(shared_service: Service, room: str) -> JmmcPage:
    return JmmcPage(shared_service, room)


def history(page: JmmcPage, samples: int) -> Any:
    """Return the only session of *page* in history, as soon as it has so many samples."""

    def read() -> Any:
        listed = page.service.get(f"/sessions?client_id={page.uid}").json()["sessions"]
        (session,) = listed
        found = page.service.get(f"/sessions/{session['id']}").json()
        return found if len(found["samples"]) == samples else None

    return eventually(read)


# The road


def test_a_session_is_opened_and_what_changes_is_exported(page: JmmcPage) -> None:
    answer = page.open()
    assert answer.status == 200
    assert page.series() == {}
    assert page.push({"cq": 97, "u": {"bw": 2900, "ab": 24}, "t": {"sr": "eu-west"}}).status == 200
    assert page.series() == {
        "connectionquality": 97,
        "bandwidth_upload": 2900,
        "bitrate_audio_upload": 24,
    }


def test_what_a_push_leaves_out_keeps_its_last_value(page: JmmcPage) -> None:
    page.open()
    page.push({"cq": 97, "u": {"bw": 2900}, "res": {"h": 720, "w": 1280}})
    page.push({"u": {"ab": 24}, "res": {"h": 360}})
    page.push({"cq": 40.5})
    assert page.series() == {
        "connectionquality": 40.5,
        "bandwidth_upload": 2900,
        "bitrate_audio_upload": 24,
        "resolution_height_upload": 360,
        "resolution_width_upload": 1280,
    }


def test_a_download_that_is_not_known_any_more_is_gone(page: JmmcPage) -> None:
    page.open({"d": {"bw": 5100, "ab": 31}})
    assert page.series() == {"bandwidth_download": 5100, "bitrate_audio_download": 31}
    assert page.push({"d": {"bw": None}}).status == 200
    assert page.series() == {"bitrate_audio_download": 31}


def test_all_labels_are_those_of_the_other_wire_format(page: JmmcPage) -> None:
    page.open()
    page.push({"cq": 97, "cdc": {"a": "opus", "v": "VP9"}, "t": {"sr": "eu-west"}})
    page.push({"cdc": {"v": "AV1"}})
    assert [name for name in page.service.series() if page.uid in name] == [
        (
            f'jitsi_jcmc_{name}{{roomname="{page.conference}",client_id="{page.uid}",'
            'participant_id="1a2b3c4d",serverregion="eu-west",browser_name="Chrome",'
            f'browser_version="126.0.0.0",os_name="Windows",os_version="10"{codecs}}}'
        )
        for name, codecs in (
            ("connectionquality", ""),
            ("info", ',audio_codec="opus",video_codec="AV1",sender="jmmc"'),
        )
    ]


def test_pages_push_every_half_minute_and_live_for_three_of_those(
    service_on: Service, redis_server: EmbeddedStore, room: str
) -> None:
    page = JmmcPage(service_on, room)
    page.open()
    with redis.Redis.from_url(redis_server.url) as client:
        (key,) = client.keys("jcmc:{*}:participant:*")
        assert 85_000 < client.pttl(key) <= 90_000


def test_history_has_each_push_as_it_came(page: JmmcPage) -> None:
    pushes: list[dict[str, Any]] = [
        {"cq": 97, "u": {"bw": 2900}},
        {"u": {"bw": 3000}, "d": {"pl": 1.25}},
        {"cq": 40},
    ]
    page.open()
    for push in pushes:
        page.push(push)
    found = history(page, 4)["samples"]
    told = [{k: v for k, v in sample["metrics"].items() if v is not None} for sample in found]
    assert told == [
        {},
        {"connectionquality": 97, "bandwidth_upload": 2900},
        {"bandwidth_upload": 3000, "packetloss_download": 1.25},
        {"connectionquality": 40},
    ]


def test_the_transport_is_known_without_its_round_trip(collecting: Service, room: str) -> None:
    page = JmmcPage(collecting, room)
    page.open()
    page.push({"cq": 97, **ADDRESSES})
    assert page.series() == {"connectionquality": 97}
    assert history(page, 2)["transports"] == [
        {"src_ip": "10.0.0.7", "dst_ip": "198.51.100.4", "protocol": "udp"}
    ]


# Answers to a client


def test_it_hears_what_was_accepted(page: JmmcPage) -> None:
    page.open()
    before = int(time.time())
    m = {"cq": 97, "u": {"bw": 2900}, "cdc": {"a": "opus"}, "t": {"sr": "eu", "tp": "udp"}}
    told = page.push(m).json()
    assert before <= told["m"].pop("ts") <= time.time()
    assert told == {"uid": page.uid, "conf": page.conference, "m": m}


@pytest.mark.parametrize(
    ("agent", "browser", "system"),
    [
        (None, "Chrome 126", "Windows 10"),
        (FIREFOX, "Firefox 128", "Linux"),
        ("x", "unknown", "unknown"),
    ],
)
def test_who_opens_a_session_hears_browser_and_system(
    page: JmmcPage, agent: str | None, browser: str, system: str
) -> None:
    if agent:
        page.headers["user-agent"] = agent
    told = page.open().json()["m"]
    assert (told["br"], told["os"], told["pid"]) == (browser, system, "1a2b3c4d")
    assert "t" not in told  # the address is not collected


def test_a_bad_field_is_dropped_and_named_and_the_rest_is_kept(page: JmmcPage) -> None:
    page.open()
    answer = page.push({"cq": 140, "u": {"bw": 2900, "pl": "0"}, "t": {"tp": "x"}})
    assert answer.status == 200
    told = answer.json()
    assert told["m"].keys() == {"u", "ts"}
    assert told["dropped"] == [
        {"field": "m.cq", "reason": "out_of_range"},
        {"field": "m.u.pl", "reason": "not_a_number"},
        {"field": "m.t.tp", "reason": "unknown_word"},
    ]
    assert told["more"] == 0
    assert page.series() == {"bandwidth_upload": 2900}


def test_fields_that_are_dropped_are_counted(service: Service) -> None:
    page = JmmcPage(service, "standup")
    page.open()
    page.push({"cq": 140, "u": {"bw": 1}})
    page.push({"cq": 140})
    own = service.series("otel_jcmc_")
    assert own['otel_jcmc_fields_dropped_total{reason="out_of_range"}'] == 1
    assert own['otel_jcmc_pushes_total{outcome="accepted",reason=""}'] == 2
    assert own['otel_jcmc_pushes_total{outcome="refused",reason="nothing_kept"}'] == 1


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"uid": "x"}, "uid", "not_a_guid"),
        ({"conf": ""}, "conf", "missing"),
        ({"m": {}}, "m", "nothing_kept"),
        ({"m": {"br": "x"}}, "m.os", "missing"),
    ],
)
def test_what_can_not_be_taken_is_400(
    page: JmmcPage, changes: dict[str, Any], field: str, reason: str
) -> None:
    page.open()
    answer = page.push(**{"m": {"cq": 97}, **changes})
    assert answer.status == 400
    assert answer.json()["errors"][0] == {"field": field, "reason": reason}


def test_a_conference_and_a_region_that_are_not_wanted(collecting: Service, room: str) -> None:
    page = JmmcPage(collecting, room)
    assert page.push({"cq": 97}, conf="No Such Room").json()["errors"] == [
        {"field": "conf", "reason": "conference_pattern"}
    ]
    page.open()
    answer = page.push({"cq": 97, "t": {"sr": "mars"}})
    assert answer.json()["dropped"] == [{"field": "m.t.sr", "reason": "region_not_authorized"}]
    assert page.series() == {"connectionquality": 97}


def test_no_answer_is_longer_than_4_kb(page: JmmcPage) -> None:
    """After long input, the answer has only the time and what was dropped."""
    page.conference += "\x01" * 200
    page.participant = "\N{GRINNING FACE}" * 128
    long, unknown = "\x01" * 64, {f"{'x' * 40}{n}": 1 for n in range(50)}
    codecs = {"cdc": {"a": long, "v": long}, "t": {"sr": "\x02" * 256}}
    answers = [page.open(codecs), page.push(codecs), page.open({**codecs, **unknown})]
    answers.append(page.push({**codecs, **unknown}))
    assert [answer.status for answer in answers] == [200] * 4
    assert max(len(answer.body) + len(str(answer.headers)) for answer in answers) <= 4096
    assert [answer.json().keys() for answer in answers] == [
        *[{"uid", "m"}] * 2,
        *[{"uid", "m", "dropped", "more"}] * 2,
    ]
    assert all(answer.json()["m"].keys() == {"ts"} for answer in answers)
    assert [(len(each.json()["dropped"]), each.json()["more"]) for each in answers[2:]] == [
        (20, 30),
        (20, 30),
    ]
    assert page.push(unknown).json()["more"] == 31


# The cookie


def test_it_is_for_other_sites_and_no_script_reads_it(page: JmmcPage) -> None:
    told = page.open().headers["set-cookie"]
    assert told.startswith("jmmc_objectId=")
    assert {"HttpOnly", "Secure", "SameSite=None"} <= set(told.split("; "))
    assert "set-cookie" not in page.push({"cq": 97}).headers


def test_without_a_good_one_a_later_push_is_400(page: JmmcPage) -> None:
    assert page.push({"cq": 97}).json()["errors"] == [
        {"field": "cookie", "reason": "cookie_missing"}
    ]
    page.open()
    good = page.cookie
    page.cookie = "jmmc_objectId=0123456789abcdef01234567"
    answer = page.push({"cq": 97})
    assert (answer.status, answer.json()["errors"][0]["reason"]) == (400, "cookie_invalid")
    page.cookie = good
    assert page.push({"cq": 97}).status == 200


def test_it_is_good_for_its_own_client_conference_and_participant_alone(page: JmmcPage) -> None:
    page.open()
    other = JmmcPage(page.service, page.conference)
    other.cookie = page.cookie
    for answer in (
        other.push({"cq": 1}),
        page.push({"cq": 1}, conf="elsewhere"),
        page.push({"cq": 1, "pid": "another"}),
    ):
        assert answer.json()["errors"] == [{"field": "cookie", "reason": "cookie_invalid"}]
    assert page.push({"cq": 97, "pid": "1a2b3c4d"}).status == 200
    assert page.series() == {"connectionquality": 97}


def test_the_tabs_of_a_browser_share_it_and_go_on_each_with_its_own(page: JmmcPage) -> None:
    other = JmmcPage(page.service, page.conference, "other")
    other.uid = page.uid
    page.open()
    other.cookie = page.cookie
    other.open()
    page.cookie = other.cookie
    assert page.push({"cq": 40, "pid": "1a2b3c4d"}).status == 200
    assert other.push({"cq": 97, "pid": "other"}).status == 200
    found = page.service.series("jitsi_jcmc_connectionquality")
    ours = {
        name.partition('participant_id="')[2].partition('"')[0]: value
        for name, value in found.items()
        if page.uid in name
    }
    assert ours == {"1a2b3c4d": 40, "other": 97}


def test_who_opens_anew_begins_with_nothing(page: JmmcPage) -> None:
    page.open()
    page.push({"cq": 97, "u": {"bw": 2900}})
    first = page.cookie
    page.open()
    assert page.cookie != first
    page.push({"cq": 98})
    assert page.series() == {"connectionquality": 98}
    # A late push of the earlier session changes nothing.
    page.cookie = first
    assert page.push({"cq": 1}).status == 400
    assert page.series() == {"connectionquality": 98}


def test_who_was_opened_again_by_another_cookie_hears_that_it_has_to_open_anew(
    page: JmmcPage,
) -> None:
    older = JmmcPage(page.service, page.conference, page.participant)
    older.uid = page.uid
    older.open({"cq": 40})
    page.open({"cq": 97})
    answer = older.push({"cq": 41})
    told = {"errors": [{"field": "cookie", "reason": "session_unknown"}], "more": 0}
    assert (answer.status, answer.json()) == (400, told)
    # As the reason advises: after that, the client is complete again.
    assert older.open({"cq": 42, "u": {"pl": 2}}).status == 200
    assert older.push({"cq": 43}).status == 200
    assert older.series() == {"connectionquality": 43, "packetloss_upload": 2}


# Addresses


def test_addresses_are_collected_only_where_they_are(page: JmmcPage) -> None:
    page.open()
    assert page.push({"cq": 97, **ADDRESSES}).json()["m"]["t"] == ADDRESSES["t"]
    told = page.service.get(f"/sessions?client_id={page.uid}").body
    assert "10.0.0.7" not in told
    assert "198.51.100.4" not in told


def test_the_callers_address_is_its_own_or_what_the_proxy_says(
    collecting: Service, room: str
) -> None:
    """If proxies disagree, one address is invented: then the client's own counts."""
    callers: list[tuple[dict[str, str], str]] = [
        ({}, "127.0.0.1"),
        ({"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": "198.51.100.1, 203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": "203.0.113.9", "x-real-ip": "198.51.100.1"}, "9.9.9.9"),
        ({"x-forwarded-for": "2001:db8::9"}, "2001:db8::9"),
    ]
    pages = [JmmcPage(collecting, room, f"pid-{n}", **each) for n, (each, _) in enumerate(callers)]
    for page, (_, address) in zip(pages, callers, strict=True):
        told = page.open({"t": {"rip": int(IPv4Address("9.9.9.9"))}}).json()["m"]["t"]["rip"]
        if ":" not in address:
            assert str(IPv4Address(told)) == address
        page.push({"cq": 97, **ADDRESSES})
    for page, (_, address) in zip(pages, callers, strict=True):
        kept = history(page, 2)["samples"][-1]["attributes"]
        assert kept["client.address"] == address
        assert (kept["network.local.port"], kept["network.peer.port"]) == ("50000", "10000")


# Cross-site pages


def test_a_page_of_a_listed_origin_may_bring_its_cookie(collecting: Service, room: str) -> None:
    page = JmmcPage(collecting, room, origin=ORIGIN)
    for answer in (page.open(), page.push({"cq": 97}), page.push({"cq": 140})):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "origin"


def preflight(service: Service, origin: str) -> dict[str, str]:
    """Return the CORS headers of the answer to a preflight of a client's push."""
    answer = service.get(
        "/jmmc/push",
        method="OPTIONS",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        },
    )
    assert answer.status == 204
    start = "access-control-allow-"
    told = {name.lower(): text for name, text in answer.headers.items()}
    return {name.removeprefix(start): text for name, text in told.items() if name.startswith(start)}


def test_its_preflight_is_told_so(collecting: Service) -> None:
    assert preflight(collecting, ORIGIN) == {
        "origin": ORIGIN,
        "credentials": "true",
        "methods": "POST",
        "headers": "content-type",
    }
    assert preflight(collecting, "https://evil.example.org") == {}


def test_where_all_origins_are_allowed_none_may_bring_a_cookie(shared_service: Service) -> None:
    assert preflight(shared_service, ORIGIN) == {
        "origin": "*",
        "methods": "POST",
        "headers": "content-type",
    }


# Limits and other conditions


def test_a_body_that_is_too_large_is_413(collecting: Service, room: str) -> None:
    answer = JmmcPage(collecting, room).push({"br": "x" * 5000})
    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_anything_else_is_405(shared_service: Service, method: str) -> None:
    answer = shared_service.get("/jmmc/push", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


def test_who_pushes_too_often_waits_and_changes_nothing(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with Service(
        short_path / "a",
        REDIS_URL=redis_server.url,
        JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND="0.2",
    ) as service:
        page = JmmcPage(service, "standup")
        page.open()
        assert page.push({"cq": 97}).status == 200
        refused = page.push({"cq": 98})
        assert (refused.status, refused.json()["errors"][0]["reason"]) == (429, "participant_rate")
        assert 0 < int(refused.headers["retry-after"]) <= 5
        with redis.Redis.from_url(redis_server.url) as client:
            (state,) = client.keys("jcmc:{*}:jmmc:*")
            assert client.hgetall(state) == {b"seq": b"2", b"1": b"97", b"63": b"2"}


def test_a_newcomer_beyond_the_limit_waits_and_leaves_nothing(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with Service(
        short_path / "a", REDIS_URL=redis_server.url, JCMC_LIMIT_CONFERENCE_PARTICIPANTS="1"
    ) as service:
        assert JmmcPage(service, "standup").open().status == 200
        late = JmmcPage(service, "standup")
        answer = late.open()
        assert (answer.status, answer.json()["errors"][0]["reason"]) == (503, "conference_limit")
        assert late.cookie == ""
        with redis.Redis.from_url(redis_server.url) as client:
            assert len(client.keys("jcmc:{*}:jmmc:*")) == 1


def test_who_may_push_is_asked_here_as_well(short_path: Path) -> None:
    with Service(short_path, JCMC_PUSH_AUTH="token", JCMC_CORS_ALLOWED_ORIGINS=ORIGIN) as service:
        page = JmmcPage(service, "standup", origin=ORIGIN)
        refused = page.open()
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        asked = request(f"{service.url}/push-token", method="POST", headers={"origin": ORIGIN})
        token = asked.json()["token"]
        page.headers["authorization"] = f"Bearer {token}"
        assert page.open().status == 200
        assert page.push({"cq": 97}).status == 200
        del page.headers["authorization"]
        assert page.push({"cq": 97}).status == 401
        assert page.push({"cq": 97}, token=token).status == 200


def test_both_wire_formats_side_by_side(shared_service: Service, room: str) -> None:
    page = JmmcPage(shared_service, room)
    page.open()
    page.push({"cq": 40})
    assert shared_service.push(push_body("other", room)).body == "OK"
    quality = {
        name.partition('participant_id="')[2].partition('"')[0]: value
        for name, value in shared_service.series("jitsi_jcmc_connectionquality").items()
        if room in name
    }
    assert quality == {"1a2b3c4d": 40, "other": 97.5}


def test_switched_off_there_is_nothing(short_path: Path) -> None:
    with Service(short_path, JCMC_JMMC_PATH="none") as service:
        assert JmmcPage(service, "standup").open().status == 404
        assert service.push(push_body()).body == "OK"


def test_it_may_be_somewhere_else(short_path: Path) -> None:
    with Service(
        short_path, JCMC_JMMC_PATH="/jitsi-meet-metrics-collector", JCMC_ADMIN_PORT="0"
    ) as service:
        body = json.dumps({"uid": JmmcPage(service, "").uid, "conf": "c", "m": {"cq": 1}})
        path = "/jitsi-meet-metrics-collector/push"
        assert request(service.url + path, body).status == 400
        assert request(service.admin_url + path, body).status == 404
        assert request(f"{service.url}/jmmc/push", body).status == 404
