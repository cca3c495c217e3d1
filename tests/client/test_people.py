"""Whose page it is, and what the participant says of the call, during and after it."""

import json
from typing import Any

import pytest
from client.pages import Tab

from otel_jcmc.catalogue.attributes import ROLE
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.push import PushParser
from otel_jcmc.wire.rules import make_rules


def pushed(tab: Tab, body: str) -> list[dict[str, Any]]:
    """Return the pushes by the end of *body*, which has a `room` of a page, and `world`."""
    bodies: list[dict[str, Any]] = tab.run(
        f"""delete window.config;
        const world = makeWorld();
        const room = makeRoom();
        const given = [];
        room.sendFeedback = function (...word) {{
            if (this !== room) throw new Error("of another");
            given.push(word);
            return "the library's answer";
        }};
        setPage(room);
        const sample = async (quality) => {{ room.stats(quality); await world.advance(10000); }};
        {body};
        const bodies = world.sent().map((call) => call.body);
        otelJcmc.stop();
        return bodies;"""
    )
    return bodies


def ratings(bodies: list[dict[str, Any]]) -> list[Any]:
    """Return the rating in each push, "absent" if it has none."""
    return [body.get("metrics", {}).get("rating", {"value": "absent"})["value"] for body in bodies]


def reasons(bodies: list[dict[str, Any]]) -> list[Any]:
    return [body["session"].get("end", {}).get("reason") for body in bodies]


# Whose page it is


@pytest.mark.parametrize(
    ("page", "role"),
    [
        ("", None),
        ("window.config = { iAmRecorder: false, iAmSipGateway: false }", None),
        ("window.config = { iAmRecorder: true }", "recorder"),
        ("room.isHidden = () => true", "recorder"),
        ("room.isHidden = () => null", None),
        ("room.isHidden = () => { throw new Error('no'); }", None),
        ("window.config = { iAmSipGateway: true }", "gateway"),
        ("window.config = { iAmSipGateway: true }; room.isHidden = () => true", "recorder"),
        ("state['features/visitors'] = { iAmVisitor: true }", "visitor"),
        ("state['features/visitors'] = { iAmVisitor: false }", None),
    ],
)
def test_a_page_says_what_it_is_if_it_is_no_ordinary_participant(
    tab: Tab, page: str, role: str | None
) -> None:
    [body] = pushed(
        tab,
        f"""const state = APP.store.getState();
        APP.store.getState = () => state;
        {page};
        startIn(world);
        room.stats(50)""",
    )
    assert body["session"].get("role") == role
    assert "role" in body["session"] or role is None


def test_a_visitor_is_one_to_the_end(tab: Tab) -> None:
    """When the participant leaves, jitsi-meet's store has already forgotten it."""
    bodies = pushed(
        tab,
        """const state = APP.store.getState();
        APP.store.getState = () => state;
        state['features/visitors'] = { iAmVisitor: true };
        startIn(world);
        await sample(50);
        state['features/visitors'] = { iAmVisitor: false };
        room.emit("conference.left")""",
    )
    assert [body["session"]["role"] for body in bodies] == ["visitor", "visitor"]


# What the participant says


def test_a_rating_during_the_call_goes_with_each_push_from_then_on(tab: Tab) -> None:
    bodies = pushed(
        tab,
        """startIn(world);
        await sample(50);
        room.sendFeedback(4, "nice");
        await sample(60);
        await sample(70);
        room.emit("conference.left")""",
    )
    assert ratings(bodies) == ["absent", 4, 4, 4]
    assert reasons(bodies) == [None, None, None, "left"]
    assert bodies[1]["metrics"]["connectionquality"] == {"value": 60}
    assert set(bodies[3]["metrics"]) == {"rating"}


def test_a_rating_after_the_call_tells_the_end_again_with_it(tab: Tab) -> None:
    calls = tab.run(
        """const world = makeWorld();
        const room = makeRoom();
        room.sendFeedback = () => {};
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(10000);
        room.emit("conference.left");
        room.joined = false;
        setPage(null);
        await world.advance(20000);
        room.sendFeedback(2, "choppy");
        await world.advance(60000);
        const calls = world.sent();
        otelJcmc.stop();
        return calls;"""
    )
    bodies = [call["body"] for call in calls]
    assert reasons(bodies) == [None, "left", "left"]
    assert ratings(bodies) == ["absent", "absent", 2]
    assert set(bodies[2]["metrics"]) == {"rating"}
    assert len({body["session"]["id"] for body in bodies}) == 1
    assert len({str(body["default_labels"]) for body in bodies}) == 1
    # Jitsi's page goes elsewhere right after the rating.
    assert [call["keepalive"] for call in calls] == [False, True, True]


def test_a_rating_after_a_kick_says_so_still(tab: Tab) -> None:
    bodies = pushed(
        tab,
        """startIn(world);
        await sample(50);
        room.emit("conference.kicked");
        room.sendFeedback(1)""",
    )
    assert reasons(bodies) == [None, "kicked", "kicked"]


def test_the_last_rating_counts(tab: Tab) -> None:
    bodies = pushed(
        tab,
        """startIn(world);
        await sample(50);
        room.emit("conference.left");
        room.sendFeedback(1);
        room.sendFeedback(5)""",
    )
    assert ratings(bodies)[2:] == [1, 5]


def test_of_the_next_call_the_rating_before_is_none(tab: Tab) -> None:
    bodies = pushed(
        tab,
        """startIn(world);
        await sample(50);
        room.emit("conference.left");
        room.sendFeedback(3);
        room.emit("conference.joined");
        await sample(60)""",
    )
    assert ratings(bodies) == ["absent", "absent", 3, "absent"]


def test_what_nobody_knows_of_is_not_rated(tab: Tab) -> None:
    assert pushed(tab, "startIn(world); room.emit('conference.left'); room.sendFeedback(3)") == []


@pytest.mark.parametrize("stars", ["-1", "0", "undefined", "null", "NaN", "'many'", "{}"])
def test_what_is_no_rating_is_told_as_not_known(tab: Tab, stars: str) -> None:
    """Jitsi has -1 for a text without stars."""
    bodies = pushed(
        tab, f"startIn(world); await sample(50); room.sendFeedback({stars}, 'text'); sample(60)"
    )
    assert ratings(bodies) == ["absent", None]


def test_the_library_gets_what_the_page_gives_it(tab: Tab) -> None:
    answer = tab.run(
        """const world = makeWorld();
        const room = makeRoom();
        room.sendFeedback = function (...word) { return [this === room, ...word]; };
        setPage(room);
        startIn(world);
        room.stats(50);
        const answer = room.sendFeedback(4, "nice", "and more");
        otelJcmc.stop();
        return answer;"""
    )
    assert answer == [True, 4, "nice", "and more"]


def test_what_the_library_throws_is_the_page_s(tab: Tab) -> None:
    said = tab.run(
        """const room = makeRoom();
        room.sendFeedback = () => { throw new Error("no backend"); };
        setPage(room);
        startIn();
        try { room.sendFeedback(4); } catch (error) { return error.message; }
        finally { otelJcmc.stop(); }"""
    )
    assert said == "no backend"


@pytest.mark.parametrize(
    "room",
    [
        "Object.freeze(makeRoom())",
        "Object.freeze({ ...makeRoom(), sendFeedback: () => {} })",
        "{ ...makeRoom(), get sendFeedback() { throw new Error('no'); } }",
    ],
)
def test_a_room_that_lets_nobody_hear_is_followed_all_the_same(tab: Tab, room: str) -> None:
    count = tab.run(
        f"""const world = makeWorld();
        const room = {room};
        setPage(room);
        startIn(world);
        room.stats(50);
        otelJcmc.stop();
        return world.calls.length;"""
    )
    assert count == 2


def test_a_room_without_feedback_gets_none(tab: Tab) -> None:
    has = tab.run(
        """const room = makeRoom();
        setPage(room);
        startIn();
        otelJcmc.stop();
        return "sendFeedback" in room;"""
    )
    assert has is False


def test_a_room_that_is_followed_again_is_heard_once(tab: Tab) -> None:
    bodies = pushed(
        tab,
        """startIn(makeWorld());
        startIn(world);
        dispatchEvent(new PageTransitionEvent("pagehide"));
        dispatchEvent(new PageTransitionEvent("pageshow"));
        await sample(50);
        room.emit("conference.left");
        room.sendFeedback(3);
        if (given.length !== 1) throw new Error(`${given.length} times`)""",
    )
    assert ratings(bodies)[-2:] == ["absent", 3]


def test_stopped_it_hears_no_more(tab: Tab) -> None:
    bodies = pushed(tab, "startIn(world); await sample(50); otelJcmc.stop(); room.sendFeedback(3)")
    assert ratings(bodies) == ["absent", "absent"]


def test_a_page_that_asks_itself_can_say_it(tab: Tab) -> None:
    bodies = pushed(
        tab,
        """startIn(world);
        await sample(50);
        otelJcmc.rate(2);
        await sample(60);
        room.emit("conference.left");
        otelJcmc.rate(1)""",
    )
    assert ratings(bodies) == ["absent", 2, 2, 1]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, None),
        ({"collectFeedback": False}, None),
        ({"collectFeedback": True}, "x" * 255),
    ],
)
def test_what_was_written_goes_where_the_server_says_so(
    bare_tab: Tab, settings: dict[str, Any], text: str | None
) -> None:
    """Not longer than a text may be, and never half an emoji."""
    bare_tab.load_client(settings)
    bodies = pushed(
        bare_tab,
        """startIn(world);
        await sample(50);
        room.emit("conference.left");
        room.sendFeedback(2, "x".repeat(255) + "\\u{1f600} and more")""",
    )
    assert [body["session"].get("feedback") for body in bodies] == [None, None, text]
    assert "feedback" in bodies[2]["session"] or text is None


def test_a_rating_arrives_though_the_page_goes_elsewhere(bare_tab: Tab) -> None:
    """Over the browser's real network stack; the server accepts all of it."""
    bare_tab.run(
        """window.room = makeRoom();
        room.sendFeedback = () => {};
        window.config = { iAmSipGateway: true };
        setPage(room);"""
    )
    bare_tab.load_client({"collectFeedback": True})
    bare_tab.run("room.stats(97.5);")
    bare_tab.origin.wait_for(1, bare_tab.page)
    bare_tab.run("room.emit('conference.left');")
    bare_tab.origin.wait_for(2, bare_tab.page)
    bare_tab.run("room.sendFeedback(2, 'choppy');")
    bare_tab.page.goto("about:blank")
    requests = bare_tab.origin.wait_for(3, bare_tab.page)
    parser = PushParser(make_rules(dropped=frozenset()))
    reports = [parser.parse(json.dumps(request.push()).encode()) for request in requests]
    assert [report.dropped for report in reports] == [[], [], []]
    writes = [to_write(report, 30_000) for report in reports]
    assert [(write.end, write.word) for write in writes] == [
        ("", ""),
        ("left", ""),
        ("left", "2 choppy"),
    ]
    assert writes[2].payload == b""
    assert reports[0].attributes[ROLE.id] == "gateway"
