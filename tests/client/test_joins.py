"""How long a join took, and joins that failed. No real time."""

import re
from typing import Any

import pytest
from client.pages import Tab
from client.reports import faults
from client.test_page import GUID, sent

# A room that is about to be joined, found as soon as it exists.
JOINING = """const room = makeRoom({ joined: false });
    startIn(world);
    await world.advance(200);
    setPage(room);
    await world.advance(100);"""
# The page's store on its connection to the signalling server; there is no room.
CONNECTING = """const connection = { connecting: {} };
    const state = { "features/base/connection": connection };
    window.APP = { store: { getState: () => state }, conference: { roomName: "Standup" } };
    startIn(world);"""


def ends(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what each push says of an end."""
    return [call["body"]["session"].get("end") for call in calls]


def join_times(calls: list[dict[str, Any]]) -> list[float | None]:
    return [call["body"]["metrics"]["join_time"]["value"] for call in calls]


def test_a_join_is_timed_from_the_room_to_the_join(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{JOINING}
        await world.advance(1850);
        room.joined = true;
        room.emit("conference.joined");
        await world.advance(5000);
        for (const q of [50, 60]) {{ room.stats(q); await world.advance(10000); }}""",
    )
    assert join_times(calls) == [1850, 1850]


def test_of_a_room_that_was_joined_before_nobody_knows_the_time(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(2000);
        room.emit("conference.left");
        await world.advance(2000);
        room.emit("conference.joined");
        room.stats(60);""",
    )
    pushes = [call for call in calls if "metrics" in call["body"]]
    assert join_times(pushes) == [None, None]


@pytest.mark.parametrize(
    "question",
    [
        "conference.passwordRequired",
        "conference.authenticationRequired",
        "conference.display_name_required",
        "conference.connectionError.membersOnly",
        "conference.redirected",
    ],
)
def test_a_person_who_is_asked_makes_no_failure_and_no_slow_join(tab: Tab, question: str) -> None:
    calls = sent(
        tab,
        f"""{JOINING}
        room.emit("conference.failed", "{question}");
        await world.advance(30000);
        room.joined = true;
        room.emit("conference.joined");
        room.stats(50);""",
    )
    assert ends(calls) == [None]
    assert join_times(calls) == [None]


def test_a_join_that_failed_is_told_with_its_cause_and_its_time(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{JOINING}
        window.config = {{ deploymentInfo: {{ region: "eu-west" }} }};
        await world.advance(4200);
        room.emit("conference.failed", "conference.iceFailed", {{}});
        await world.advance(60000);""",
    )
    [call] = calls
    assert call["at"] == 4500
    body = call["body"]
    assert re.fullmatch(GUID, body["default_labels"].pop("client_id"))
    assert body["default_labels"] == {"participant_id": "1a2b3c4d", "roomname": "standup"}
    assert body["session"].pop("id")
    assert body["session"] == {
        "seq": 0,
        "interval_ms": 10000,
        "stats_age_ms": 0,
        "end": {"reason": "failed", "cause": "conference.iceFailed", "join_ms": 4200},
    }
    quality = body["metrics"].pop("connectionquality")
    assert quality == {"value": None, "labels": {"serverregion": "eu-west"}}
    assert [each for each in body["metrics"].values() if each not in ({"value": None}, [])] == []


def test_a_server_drops_nothing_of_a_failure(tab: Tab) -> None:
    [call] = sent(tab, f'{JOINING} room.emit("conference.failed", "conference.max_users")')
    labels = {**call["body"]["default_labels"]}
    assert faults(call["body"] | {"default_labels": labels}) == []


def test_a_call_that_was_joined_and_had_no_statistics_has_failed(tab: Tab) -> None:
    """ICE fails after the conference has admitted the participant."""
    calls = sent(
        tab,
        f"""{JOINING}
        await world.advance(1000);
        room.joined = true;
        room.emit("conference.joined");
        await world.advance(15000);
        room.emit("conference.failed", "conference.iceFailed");""",
    )
    assert ends(calls) == [{"reason": "failed", "cause": "conference.iceFailed", "join_ms": 16000}]


def test_a_call_that_had_begun_ends_with_its_cause_alone(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(10000);
        room.emit("conference.failed", "conference.focusLeft");""",
    )
    assert ends(calls) == [None, {"reason": "failed", "cause": "conference.focusLeft"}]
    assert "metrics" not in calls[1]["body"]


def test_a_join_that_fails_again_and_again_is_told_once_and_may_succeed(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{JOINING}
        for (let i = 0; i < 5; i++) {{
            room.emit("conference.failed", "conference.focusDisconnected", "focus", 5);
            await world.advance(5000);
        }}
        room.joined = true;
        room.emit("conference.joined");
        room.stats(50);
        await world.advance(10000);""",
    )
    assert [end and end["cause"] for end in ends(calls)] == ["conference.focusDisconnected", None]
    assert join_times(calls) == [None, 25000]
    assert calls[0]["body"]["session"]["id"] != calls[1]["body"]["session"]["id"]


def test_who_gives_up_has_not_failed(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{JOINING}
        room.emit("conference.left");
        room.emit("conference.failed", "conference.destroyed");
        await world.advance(60000);""",
    )
    assert calls == []


def test_a_failure_before_the_room_was_found_is_read_from_the_store(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom({ joined: false });
        setPage(room);
        const error = { name: "conference.connectionError.notAllowed" };
        const state = { "features/base/conference": { error } };
        APP.store.getState = () => state;
        startIn(world);
        await world.advance(60000);""",
    )
    [end] = ends(calls)
    assert (end["cause"], end["join_ms"]) == ("conference.connectionError.notAllowed", None)


def test_an_error_of_a_room_that_was_joined_since_is_old(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        const error = { name: "conference.iceFailed" };
        const state = {
            "features/base/conference": { conference: room, error },
            "features/base/connection": { error },
        };
        APP.store.getState = () => state;
        startIn(world);
        await world.advance(3000);
        room.stats(50);""",
    )
    assert ends(calls) == [None]


def test_without_the_signalling_there_is_no_room_and_it_is_told(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{CONNECTING}
        connection.connecting = undefined;
        await world.advance(100);
        connection.connecting = {{}};
        await world.advance(3000);
        connection.connecting = undefined;
        connection.error = {{ name: "connection.otherError", message: "Ada's words" }};
        await world.advance(60000);""",
    )
    [call] = calls
    assert ends(calls) == [{"reason": "failed", "cause": "connection.otherError", "join_ms": 3100}]
    labels = call["body"]["default_labels"]
    assert (labels["participant_id"], labels["roomname"]) == ("none", "standup")
    assert "Ada" not in str(call)


def test_each_try_of_the_signalling_is_a_failure_of_its_own(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{CONNECTING}
        for (const name of ["connection.droppedError", "connection.serverError"]) {{
            Object.assign(connection, {{ connecting: undefined, error: {{ name }} }});
            await world.advance(5000);
            Object.assign(connection, {{ connecting: {{}}, error: undefined }});
            await world.advance(5000);
        }}""",
    )
    causes = [end["cause"] for end in ends(calls)]
    assert causes == ["connection.droppedError", "connection.serverError"]
    # When the first try began is not known.
    assert ends(calls)[0]["join_ms"] is None


def test_a_login_is_a_question(tab: Tab) -> None:
    calls = sent(
        tab,
        f"""{CONNECTING}
        connection.connecting = undefined;
        connection.error = {{ name: "connection.passwordRequired" }};
        await world.advance(60000);""",
    )
    assert calls == []


def test_a_failure_waits_for_a_server_that_is_away(tab: Tab) -> None:
    """The page is still there, so this push does not have to leave at once."""
    calls = sent(
        tab,
        f"""world.answers = ["reject", 503];
        {JOINING}
        room.emit("conference.failed", "conference.iceFailed");
        await world.advance(60000);""",
    )
    assert len(calls) == 3
    assert {end["cause"] for end in ends(calls)} == {"conference.iceFailed"}
    assert len({call["body"]["session"]["id"] for call in calls}) == 1
    assert [call["keepalive"] for call in calls] == [False] * 3
