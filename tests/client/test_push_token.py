"""Push tokens, if the server gives them: when a page asks, and what it does without."""

from typing import Any

import pytest
from client.pages import Origin, Tab
from client.reports import faults

TOKEN_URL = "https://metrics.example.org/metrics/push-token"
# Answers of a server, one token after the other; each lives for 1000 s.
MADE = f"""
    let tokens = 0;
    const issued = () => ({{
        status: 200, body: JSON.stringify({{ token: `t-${{++tokens}}`, expires_in: 1000 }}),
    }});
    const environment = {{ tokenUrl: "{TOKEN_URL}", isCrossOrigin: true }};
    const made = (answers) => {{
        const maker = makePusher({{}}, environment);
        maker.world.answers = answers;
        return maker;
    }};
"""


def sent(tab: Tab, body: str, argument: Any = None) -> list[dict[str, Any]]:
    """Return the requests of a pusher by the end of *body*, which uses `issued`, `made`."""
    calls: list[dict[str, Any]] = tab.run(f"{MADE} {body}; return world.sent();", argument)
    return calls


def road(calls: list[dict[str, Any]]) -> list[tuple[int, str, str | None]]:
    """Return time, address and token of each request."""
    return [
        (call["at"], call["url"].rpartition("/")[2], call.get("authorization")) for call in calls
    ]


def test_a_page_asks_for_a_token_before_its_first_push(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, push } = made([issued()]);
        push(50);
        await world.advance(5000);""",
    )
    assert road(calls) == [(0, "push-token", None), (1000, "push", "Bearer t-1")]
    asked = calls[0]
    assert asked["url"] == TOKEN_URL
    assert (asked["method"], asked["credentials"]) == ("POST", "omit")
    assert asked["referrerPolicy"] == "no-referrer"
    assert asked["body"] is None
    assert calls[1]["body"]["session"]["stats_age_ms"] == 1000


def test_one_token_serves_push_after_push(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, push } = made([issued()]);
        for (let i = 0; i < 5; i++) { push(50); await world.advance(10000); }""",
    )
    assert [where for _, where, _ in road(calls)] == ["push-token", *["push"] * 5]
    assert {token for _, _, token in road(calls)} == {None, "Bearer t-1"}


@pytest.mark.parametrize("renewed_ms", [500_000, 700_000, 900_000])
def test_a_token_is_renewed_some_time_before_its_end(tab: Tab, renewed_ms: int) -> None:
    """At a random time for each page: thousands that began together do not ask together."""
    calls = sent(
        tab,
        """const { world, push } = made([issued()]);
        world.chance = (argument / 1000 - 500) / 400;
        push(50);
        await world.advance(1000);
        for (let at = 1000; at <= 910000; at += 10000) {
            if (at >= argument && tokens === 1) world.answers = [issued()];
            push(50);
            await world.advance(10000);
        }""",
        renewed_ms,
    )
    asked = [at for at, where, _ in road(calls) if where == "push-token"]
    assert len(asked) == 2
    assert renewed_ms <= asked[1] <= renewed_ms + 10_000
    assert road(calls)[-1][2] == "Bearer t-2"


def test_a_401_is_answered_with_a_new_token_once(tab: Tab) -> None:
    """The secret has changed. If the new token is refused, too, the client does not ask again."""
    calls = sent(
        tab,
        """const { world, push } = made([issued(), 401, issued(), 401, issued(), 200]);
        push(50);
        await world.advance(310000);""",
    )
    assert road(calls)[:6] == [
        (0, "push-token", None),
        (1000, "push", "Bearer t-1"),
        (2000, "push-token", None),
        (3000, "push", "Bearer t-2"),
        (303_000, "push-token", None),
        (304_000, "push", "Bearer t-3"),
    ]


def test_after_a_push_was_taken_the_next_401_is_answered_with_a_new_token_too(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, push } = made([issued(), 401, issued(), 200, 401, issued(), 200]);
        push(50);
        await world.advance(10000);
        push(60);
        await world.advance(5000);""",
    )
    assert [token for _, where, token in road(calls) if where == "push"] == [
        *("Bearer t-1", "Bearer t-2", "Bearer t-2", "Bearer t-3"),
    ]


def test_where_no_token_is_to_be_had_it_waits_as_long_as_it_is_asked_to(tab: Tab) -> None:
    calls = sent(
        tab,
        """const later = { status: 503, headers: { "Retry-After": "7" } };
        const { world, push } = made([later, issued()]);
        push(50);
        await world.advance(3000);
        push(60);
        await world.advance(7000);""",
    )
    assert road(calls) == [
        *((0, "push-token", None), (7000, "push-token", None), (8000, "push", "Bearer t-1")),
    ]
    assert calls[2]["body"]["metrics"]["connectionquality"]["value"] == 60


@pytest.mark.parametrize("status", [403, 404, 405])
def test_where_it_may_not_push_it_asks_every_5_minutes(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        """const { world, push } = made([argument, issued()]);
        for (let i = 0; i < 31; i++) { push(50); await world.advance(10000); }""",
        status,
    )
    assert road(calls)[:2] == [(0, "push-token", None), (300_000, "push-token", None)]
    assert road(calls)[2][1:] == ("push", "Bearer t-1")


@pytest.mark.parametrize(
    "answer",
    [
        *('"reject"', '"throw"', '"nothing"', "500", "200"),
        *('{ status: 200, body: "<html>" }', '{ status: 200, body: "null" }'),
    ],
)
def test_what_is_no_answer_is_tried_again_ever_later(tab: Tab, answer: str) -> None:
    calls = sent(
        tab,
        f"""const {{ world, push }} = made([{answer}, {answer}, {answer}, issued()]);
        push(50);
        await world.advance(9000);""",
    )
    assert [at for at, where, _ in road(calls) if where == "push-token"] == [0, 1000, 2000, 4000]
    assert road(calls)[-1] == (5000, "push", "Bearer t-1")


def test_the_last_push_has_the_token_in_its_body_and_waits_for_no_new_one(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, pusher, push } = made([issued()]);
        push(50);
        await world.advance(2000);
        await world.advance(950000);
        world.answers = [];
        world.calls.length = 0;
        pusher.end("closed");""",
    )
    assert [where for _, where, _ in road(calls)] == ["push"]
    assert calls[0]["body"]["token"] == "t-1"
    assert "authorization" not in calls[0]
    assert faults(calls[0]["body"]) == []


def test_who_leaves_before_a_token_came_has_told_nothing_and_ends_in_silence(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, pusher, push } = made(["pending"]);
        push(50);
        await world.advance(2000);
        pusher.end("left");
        await world.advance(300000);""",
    )
    assert [where for _, where, _ in road(calls)] == ["push-token"]


def test_a_token_that_never_comes_is_asked_for_again(tab: Tab) -> None:
    calls = sent(
        tab,
        """const { world, push } = made(["deaf", issued()]);
        push(50);
        await world.advance(12000);""",
    )
    assert road(calls) == [
        *((0, "push-token", None), (10_500, "push-token", None), (11_500, "push", "Bearer t-1")),
    ]


def test_another_conference_may_be_allowed_at_once(tab: Tab) -> None:
    """Jitsi's token is for one conference: not for a breakout room, but again for the first one."""
    calls: list[dict[str, Any]] = tab.run(
        """const { world, pusher, push } = makePusher();
        world.answers = [403, 403];
        push(50);
        await world.advance(2000);
        pusher.end("left");
        await world.advance(2000);
        pusher.begin(() => LABELS);
        push(60);
        await world.advance(2000);
        return world.sent();"""
    )
    assert [(call["at"], "end" in call["body"]["session"]) for call in calls] == [
        *((0, False), (2000, True), (4000, False)),
    ]


def test_what_is_asked_to_wait_waits_in_the_next_conference_too(tab: Tab) -> None:
    calls: list[dict[str, Any]] = tab.run(
        """const { world, pusher, push } = makePusher();
        world.answers = [200, { status: 503, headers: { "Retry-After": "60" } }];
        push(50);
        await world.advance(2000);
        pusher.end("left");
        await world.advance(2000);
        pusher.begin(() => LABELS);
        push(60);
        await world.advance(20000);
        return world.sent();"""
    )
    assert [call["at"] for call in calls] == [0, 2000]


# Below, the network is real.

CALL = "window.room = makeRoom(); setPage(room);"


def test_the_token_is_asked_for_beside_the_push_and_both_carry_the_pages_origin(
    bare_tab: Tab,
) -> None:
    """Also to the page's own server, where a browser could leave it out."""
    bare_tab.run(CALL)
    bare_tab.load_client({"tokenUrl": "push-token"})
    bare_tab.run("room.stats(50);")
    asked, pushed = bare_tab.origin.wait_for(2, bare_tab.page)
    assert (asked.method, asked.path) == ("POST", "/metrics/push-token")
    assert (pushed.method, pushed.path) == ("POST", "/metrics/push")
    assert asked.headers["origin"] == pushed.headers["origin"] == bare_tab.origin.url
    assert "authorization" not in asked.headers
    assert "cookie" not in asked.headers
    assert asked.body == ""
    assert pushed.headers["authorization"] == "Bearer t.o.k"


def test_another_origin_gives_a_token_without_being_asked_first(
    bare_tab: Tab, other_origin: Origin
) -> None:
    other_origin.preflight_status = 200
    bare_tab.run(CALL)
    push_url = f"{other_origin.url}/metrics-collector/push?x=1"
    settings = {"tokenUrl": "push-token", "pushUrl": push_url}
    bare_tab.page.add_script_tag(url=other_origin.client_file(settings))
    bare_tab.run("room.stats(50);")
    other_origin.wait_for(3, bare_tab.page)
    bare_tab.page.goto("about:blank")
    asked, preflight, first, last = other_origin.wait_for(4, bare_tab.page)
    assert (asked.method, asked.path) == ("POST", "/metrics-collector/push-token")
    assert asked.headers["origin"] == bare_tab.origin.url
    assert (preflight.method, first.method, last.method) == ("OPTIONS", "POST", "POST")
    assert first.headers["authorization"] == "Bearer t.o.k"
    assert last.push()["token"] == "t.o.k"
