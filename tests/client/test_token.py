"""The page's token (JWT): where the client sends it, and when it renews it."""

from typing import Any

import pytest
from client.pages import Origin, Tab
from client.reports import faults

CALL = 'window.room = makeRoom(); setPage(room, { jwt: "a.b.c" });'


def sent(tab: Tab, body: str) -> list[dict[str, Any]]:
    """Return the requests of a pusher by the end of *body*, which sets `token`, `environment`."""
    calls: list[dict[str, Any]] = tab.run(
        f"""let token = "first";
        const environment = {{ token: () => token }};
        const made = () => makePusher({{}}, environment);
        {body};
        return world.sent();"""
    )
    return calls


def times(calls: list[dict[str, Any]]) -> list[int]:
    return [call["at"] for call in calls]


def headers(calls: list[dict[str, Any]]) -> list[str | None]:
    return [call.get("authorization") for call in calls]


def tokens(calls: list[dict[str, Any]]) -> list[str | None]:
    return [call["body"].get("token") for call in calls]


def test_the_token_is_in_the_header_and_read_anew_for_each_push(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, push } = made();
        for (const next of ["first", "second", undefined, null, "", "third"]) {
            token = next;
            push(50);
            await world.advance(10000);
        }""",
    )
    bearers = ["Bearer first", "Bearer second", None, None, None, "Bearer third"]
    assert headers(calls) == bearers
    assert tokens(calls) == [None] * 6


def test_a_push_that_waits_goes_with_the_token_of_that_moment(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, push } = made();
        world.answers = [503];
        push(50);
        await world.advance(0);
        token = "second";
        await world.advance(1000);""",
    )
    assert headers(calls) == ["Bearer first", "Bearer second"]


def test_a_token_that_cannot_be_had_costs_no_push(tab: Tab) -> None:
    calls = sent(
        tab,
        """environment.token = () => { throw new Error("no"); };
        const { world, push } = made();
        push(50);""",
    )
    assert headers(calls) == [None]


def test_a_401_is_tried_again_with_a_newer_token_at_once_and_once(tab: Tab) -> None:
    """Not before a second is over: there is at most one push in a second."""
    calls = sent(
        tab,
        """const { world, push } = made();
        world.answers = ["pending", 401];
        push(50);
        await world.advance(300);
        token = "second";
        await world.answer(0, 401);
        await world.advance(300000);
        await world.advance(1000);""",
    )
    assert times(calls)[:3] == [0, 1000, 301000]
    assert headers(calls)[:2] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("token", ['"first"', "undefined", "null", '""', '"x".repeat(9000)'])
def test_a_401_to_the_token_that_the_page_still_has_means_minutes(tab: Tab, token: str) -> None:
    calls = sent(
        tab,
        f"""token = {token};
        const {{ world, push }} = made();
        world.answers = [401];
        push(50);
        await world.advance(299999);""",
    )
    assert times(calls) == [0]


@pytest.mark.parametrize("jwt", ["null", "undefined", '""', "5", "{}"])
def test_a_page_without_a_token_waits_for_minutes_as_well(bare_tab: Tab, jwt: str) -> None:
    bare_tab.load_client({"sendJwt": True})
    calls = bare_tab.run(
        f"""const world = makeWorld();
        const room = makeRoom();
        setPage(room, {{ jwt: {jwt} }});
        world.answers = [401];
        otelJcmc.start(world);
        room.stats(50);
        await world.advance(299999);
        return world.sent();"""
    )
    assert times(calls) == [0]
    assert headers(calls) == [None]


def test_the_last_push_to_another_origin_has_it_in_the_body(tab: Tab) -> None:
    """A header would need a preflight, for which a closing page has no time."""
    calls = sent(
        tab,
        """environment.isCrossOrigin = true;
        const { world, pusher, push } = made();
        push(50);
        await world.advance(2000);
        pusher.end("closed");""",
    )
    assert headers(calls) == ["Bearer first", None]
    assert tokens(calls) == [None, "first"]
    assert [faults(call["body"]) for call in calls] == [[], []]


def test_the_last_push_to_the_pages_own_origin_has_it_in_the_header(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, pusher, push } = made();
        push(50);
        await world.advance(2000);
        pusher.end("closed");""",
    )
    assert headers(calls) == ["Bearer first", "Bearer first"]
    assert tokens(calls) == [None, None]


# Below, each test has a page of its own, and the network is real.


@pytest.mark.parametrize(
    ("settings", "header"),
    [({}, None), ({"sendJwt": False}, None), ({"sendJwt": True}, "Bearer a.b.c")],
)
def test_the_token_is_sent_where_the_server_says_so(
    bare_tab: Tab, settings: dict[str, Any], header: str | None
) -> None:
    bare_tab.run(CALL)
    bare_tab.load_client(settings)
    bare_tab.run("room.stats(50);")
    [request] = bare_tab.origin.wait_for(1, bare_tab.page)
    assert request.headers.get("authorization") == header
    assert "token" not in request.push()


def test_without_a_token_the_last_push_has_none(bare_tab: Tab, other_origin: Origin) -> None:
    bare_tab.run("window.room = makeRoom(); setPage(room);")
    bare_tab.page.add_script_tag(url=other_origin.client_file({"sendJwt": True}))
    bare_tab.run("room.stats(50);")
    other_origin.wait_for(1, bare_tab.page)
    bare_tab.page.goto("about:blank")
    first, last = other_origin.wait_for(2, bare_tab.page)
    assert "token" not in last.push()
    assert "authorization" not in first.headers


def test_another_origin_is_asked_once_and_not_at_the_end(
    bare_tab: Tab, other_origin: Origin
) -> None:
    other_origin.preflight_status = 200
    bare_tab.run(CALL)
    bare_tab.page.add_script_tag(url=other_origin.client_file({"sendJwt": True}))
    bare_tab.run("room.stats(50);")
    other_origin.wait_for(2, bare_tab.page)
    bare_tab.page.goto("about:blank")
    preflight, first, last = other_origin.wait_for(3, bare_tab.page)
    assert preflight.method == "OPTIONS"
    assert first.headers["authorization"] == "Bearer a.b.c"
    assert last.method == "POST"
    assert "authorization" not in last.headers
    assert last.push()["token"] == "a.b.c"
    assert faults(last.push()) == []
