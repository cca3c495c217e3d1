"""The former release with this one: its client with our server, and the reverse."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client.pages import Tab
from client.replaying import replay
from client.test_joins import JOINING
from client.test_page import sent
from exposition import values
from harness import Service, eventually
from recordings import load

FORMER = Path(__file__).parent / "former"
ANSWERS = json.loads((FORMER / "answers.json").read_text(encoding="utf-8"))
# Metrics of the new client that the former one does not have.
NEW = {
    "audio_buffer_time",
    "decode_time",
    "event_loop_delay",
    "ice_restarts",
    "join_time",
    "microphone_silent",
    "outage_down",
    "outage_up",
    "packetloss_download_best",
    "packetloss_download_worst",
    "path_changes",
    "rating",
    "resolution_height_wanted",
    "streams_expected",
}

Push = dict[str, Any]


@pytest.fixture
def former_tab(bare_tab: Tab) -> Tab:
    """Return a page with the former client file."""
    bare_tab.page.add_script_tag(path=FORMER / "otel_jcmc.js")
    assert bare_tab.run("return otelJcmc.version") == "0.1.0"
    return bare_tab


@pytest.fixture
def hasty_service(short_path: Path) -> Iterator[Service]:
    """Return a service with a time to live of 1 s, so that three of a client's intervals count."""
    with Service(short_path, METRICS_EXPIRATION="1") as running:
        yield running


def push_all(service: Service, pushes: list[Push], room: str) -> None:
    """Push to *room*; the service must accept every field of every push."""
    for push in pushes:
        push["default_labels"]["roomname"] = room
        answer = service.push(push)
        assert (answer.status, answer.body) == (200, "OK")


def end_reasons(service: Service, room: str) -> list[str | None]:
    """Return the end of each session of *room*; None: it goes on."""
    found = service.get(f"/sessions?conference={room}").json()["sessions"]
    return [session["end_reason"] for session in found]


def quality_of(push: Push) -> float | None:
    value: float | None = push["metrics"]["connectionquality"]["value"]
    return value


# The former client, our server.


@pytest.mark.parametrize(
    ("name", "who", "count", "expected"),
    [
        (
            "dead-both",
            "ada",
            15,
            {"connectionquality": 34.404, "packetloss_upload": 0, "bitrate_upload": 393},
        ),
        (
            "loss-up",
            "ada",
            21,
            {"connectionquality": 100, "packetloss_upload": 3.636, "bitrate_upload": 685},
        ),
        (
            "loss-up",
            "bob",
            21,
            {"packetloss_upload": 0, "packetloss_download": 5, "audio_concealed": 4.389},
        ),
        (
            "muted",
            "ada",
            14,
            {"connectionquality": 100, "packetloss_upload": 0, "transport_rtt": 1},
        ),
    ],
)
def test_what_the_former_client_pushes_is_exported(
    former_tab: Tab,
    shared_service: Service,
    room: str,
    name: str,
    who: str,
    count: int,
    expected: dict[str, float],
) -> None:
    """All that it has, and nothing else: 28 metrics and the number of participants."""
    pushes = replay(former_tab, load(name), who)
    assert len(pushes) == count
    push_all(shared_service, pushes, room)
    exported = values(shared_service, room)
    assert {metric: exported[metric] for metric in expected} == expected
    assert exported["conference_participants"] == 2
    assert exported.keys() & NEW == set()
    assert len(exported) == 29
    assert end_reasons(shared_service, room) == [None]


def test_an_outage_that_the_former_client_does_not_know_is_none(
    former_tab: Tab, shared_service: Service, room: str
) -> None:
    """In the middle of one, the library's quality is 0, and the loss is not known."""
    pushes = replay(former_tab, load("dead-both"), "ada")
    assert [quality_of(push) for push in pushes[3:10]] == [100, 100, 50, 0, 0, 0, 14.405]
    push_all(shared_service, pushes[:8], room)
    exported = values(shared_service, room)
    assert exported["connectionquality"] == 0
    assert exported["bitrate_upload"] == 223
    assert exported.keys() & (NEW | {"packetloss_upload"}) == set()


def test_a_former_client_that_leaves_ends_its_session(
    former_tab: Tab, shared_service: Service, room: str
) -> None:
    pushes = replay(former_tab, load("leave"), "ada")
    assert [push["session"].get("end") for push in pushes] == [None] * 3 + [{"reason": "left"}]
    push_all(shared_service, pushes[:3], room)
    assert values(shared_service, room)["bitrate_upload"] == 402
    push_all(shared_service, pushes[3:], room)
    assert values(shared_service, room) == {}
    assert end_reasons(shared_service, room) == ["left"]


def test_a_former_client_that_is_left_alone_is_there_without_numbers(
    former_tab: Tab, shared_service: Service, room: str
) -> None:
    pushes = replay(former_tab, load("leave"), "bob")
    assert [quality_of(push) for push in pushes] == [100] * 4 + [None] * 5
    push_all(shared_service, pushes, room)
    assert values(shared_service, room) == {}
    info = f'roomname="{room}"'
    assert [name for name in shared_service.series("jitsi_jcmc_info") if info in name] != []
    assert end_reasons(shared_service, room) == [None]


def test_a_former_client_that_says_no_more_expires(
    former_tab: Tab, hasty_service: Service, room: str
) -> None:
    push_all(hasty_service, replay(former_tab, load("muted"), "bob"), room)
    assert end_reasons(hasty_service, room) == [None]
    eventually(lambda: end_reasons(hasty_service, room) == ["expired"])
    assert values(hasty_service, room) == {}


def test_a_former_client_drops_no_field_and_fails_no_join(
    former_tab: Tab, short_path: Path, room: str
) -> None:
    with Service(short_path) as service:
        for who in ("ada", "bob"):
            push_all(service, replay(former_tab, load("leave"), who), room)
        own = service.series("otel_jcmc_")
    assert own['otel_jcmc_pushes_total{outcome="accepted",reason=""}'] == 13
    assert own['otel_jcmc_joins_total{outcome="joined",region=""}'] == 2
    assert own['otel_jcmc_joins_total{outcome="failed",region=""}'] == 0
    odd = ("otel_jcmc_fields_dropped", 'otel_jcmc_pushes_total{outcome="refused"')
    assert [name for name, value in own.items() if value and name.startswith(odd)] == []


# Our client, the former server.


def answers_to(story: str) -> list[dict[str, Any]]:
    """Return the former server's answers to *story*, in the form of tests/client/fakes.js."""
    return [
        {
            "status": 200,
            "headers": {"Content-Type": "text/plain" if name == "OK" else "application/json"},
            "body": ANSWERS["answers"][name],
        }
        for count, name in ANSWERS["order"][story]
        for _ in range(count)
    ]


def without_ids(pushes: list[Push]) -> list[Push]:
    """Return *pushes* without the session's id, which differs each time."""
    for push in pushes:
        del push["session"]["id"]
    return pushes


def answered(tab: Tab, story: str, body: str) -> list[Push]:
    """Return the pushes of *body*, with the answers of the former server."""
    told = json.dumps(answers_to(story))
    calls = sent(tab, f"world.answers = {told}; {body}; await world.advance(60000)")
    return [call["body"] for call in calls]


@pytest.mark.parametrize("who", ["ada", "bob"])
@pytest.mark.parametrize("name", ["dead-all", "dead-both", "leave", "loss-up", "muted"])
def test_our_client_pushes_to_the_former_server_what_it_pushes_to_ours(
    tab: Tab, name: str, who: str
) -> None:
    """An answer that names dropped fields is a success: nothing is pushed twice."""
    recording = load(name)
    answers = answers_to(f"{name}/{who}")
    pushes = replay(tab, recording, who, answers)
    assert len(pushes) == len(answers)
    numbers = [push["session"]["seq"] for push in pushes]
    assert sorted(set(numbers)) == numbers
    assert without_ids(pushes) == without_ids(replay(tab, recording, who))


def test_an_outage_is_told_to_the_former_server_once(tab: Tab) -> None:
    pushes = replay(tab, load("dead-both"), "ada", answers_to("dead-both/ada"))
    told = [push["metrics"]["outage_down"]["value"] for push in pushes]
    assert told[9:] == [10962.835, 12154.835, 0, 0, 0, 0, 0, 0]


def test_a_failed_join_is_told_to_the_former_server_once(tab: Tab) -> None:
    [push] = answered(
        tab,
        "failed join",
        f"""{JOINING}
        await world.advance(4200);
        room.emit("conference.failed", "conference.iceFailed")""",
    )
    assert push["session"]["end"] == {
        "reason": "failed",
        "cause": "conference.iceFailed",
        "join_ms": 4200,
    }


def test_a_rating_is_told_to_the_former_server_with_each_push_and_after_the_end(
    bare_tab: Tab,
) -> None:
    bare_tab.load_client({"collectFeedback": True})
    pushes = answered(
        bare_tab,
        "rating in call and after",
        """const room = makeRoom();
        room.sendFeedback = () => {};
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(10000);
        otelJcmc.rate(2, "choppy");
        for (const quality of [60, 70]) { room.stats(quality); await world.advance(10000); }
        room.emit("conference.left");
        await world.advance(3000);
        room.sendFeedback(4, "fine")""",
    )
    assert [push["session"]["seq"] for push in pushes] == [0, 1, 2, 3, 4]
    ratings = [push["metrics"].get("rating", {}).get("value") for push in pushes]
    assert ratings == [None, 2, 2, 2, 4]


def test_a_role_is_told_to_the_former_server_with_each_push(tab: Tab) -> None:
    pushes = answered(
        tab,
        "role visitor",
        """const room = makeRoom();
        setPage(room);
        const state = { ...APP.store.getState(), "features/visitors": { iAmVisitor: true } };
        APP.store.getState = () => state;
        startIn(world);
        for (const quality of [50, 60]) { room.stats(quality); await world.advance(10000); }
        room.emit("conference.left")""",
    )
    assert [push["session"]["role"] for push in pushes] == ["visitor"] * 3
    assert [push["session"].get("end") for push in pushes] == [None, None, {"reason": "left"}]
