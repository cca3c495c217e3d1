"""`createPusher`: when it pushes, what it says of the session, how it waits. No real time."""

import re
from itertools import pairwise
from typing import Any

import pytest
from client.pages import Tab
from client.reports import NOTHING_KNOWN

GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
LABELS = {
    "client_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "participant_id": "1a2b3c4d",
    "roomname": "standup",
}


def sent(tab: Tab, body: str) -> list[dict[str, Any]]:
    """Return the requests of a pusher by the end of *body*, which has `world`, `pusher`, `push`."""
    calls: list[dict[str, Any]] = tab.run(
        f"const {{ world, pusher, push }} = makePusher(); {body}; return world.sent();"
    )
    return calls


def times(calls: list[dict[str, Any]]) -> list[int]:
    return [call["at"] for call in calls]


def qualities(calls: list[dict[str, Any]]) -> list[float | None]:
    return [call["body"]["metrics"]["connectionquality"]["value"] for call in calls]


def sessions(calls: list[dict[str, Any]], key: str) -> list[Any]:
    return [call["body"]["session"].get(key) for call in calls]


def test_a_push_is_a_simple_request_without_credentials(tab: Tab) -> None:
    [call] = sent(tab, "push(97.5)")
    assert call["url"] == "https://metrics.example.org/metrics/push"
    assert call["method"] == "POST"
    assert "contentType" not in call  # the browser's own for text: text/plain
    assert call["credentials"] == "omit"
    assert call["referrerPolicy"] == "no-referrer"
    assert call["keepalive"] is False


def test_a_push_says_who_when_and_what(tab: Tab) -> None:
    [call] = sent(tab, "push(97.5)")
    session = call["body"]["session"]
    assert set(call["body"]) == {"default_labels", "session", "metrics"}
    assert call["body"]["default_labels"] == LABELS
    assert re.fullmatch(GUID, session.pop("id"))
    assert session == {"seq": 0, "interval_ms": 10000, "stats_age_ms": 0}
    assert call["body"]["metrics"]["connectionquality"] == {"value": 97.5}
    assert call["body"]["metrics"]["bandwidth_upload"] == {"value": None}


def test_the_meeting_is_told_once_it_is_known(tab: Tab) -> None:
    calls = tab.run(
        """let meeting;
        const { world, pusher, push } = makePusher({ findMeetingId: () => meeting });
        push(1);
        await world.advance(10000);
        meeting = "m-1";
        push(2);
        await world.advance(10000);
        meeting = undefined;
        push(3);
        return world.sent();"""
    )
    assert sessions(calls, "meeting_id") == [None, "m-1", "m-1"]


def test_each_push_has_the_next_number(tab: Tab) -> None:
    calls = sent(tab, "for (const q of [10, 20, 30]) { push(q); await world.advance(10000); }")
    assert sessions(calls, "seq") == [0, 1, 2]
    assert len(set(sessions(calls, "id"))) == 1
    assert qualities(calls) == [10, 20, 30]
    assert times(calls) == [0, 10000, 20000]


def test_nothing_goes_until_the_participant_is_known(tab: Tab) -> None:
    calls = tab.run(
        """let labels = null;
        const world = makeWorld();
        const pusher = otelJcmc.createPusher(world);
        const push = (quality) => pusher.push(otelJcmc.readStats({ connectionQuality: quality }));
        pusher.begin(() => labels);
        push(1);
        await world.advance(10000);
        labels = LABELS;
        push(2);
        await world.advance(10000);
        labels = null;
        push(3);
        return world.sent();"""
    )
    assert qualities(calls) == [2, 3]
    assert sessions(calls, "seq") == [0, 1]
    assert [call["body"]["default_labels"] for call in calls] == [LABELS, LABELS]


def test_one_request_is_in_flight_and_the_newest_sample_wins(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.answers = ["pending", "pending"];
        push(1);
        for (const q of [2, 3, 4]) { await world.advance(2000); push(q); }
        const before = world.calls.length;
        if (before !== 1) throw new Error(`${before} in flight`);
        await world.answer(0, 200);""",
    )
    assert qualities(calls) == [1, 4]
    assert sessions(calls, "seq") == [0, 1]
    assert times(calls) == [0, 6000]


def test_a_sample_that_had_to_wait_tells_its_age(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.answers = ["pending"];
        push(1);
        await world.advance(2000);
        push(2);
        await world.advance(3500);
        await world.answer(0, 200);""",
    )
    assert sessions(calls, "stats_age_ms") == [0, 3500]


def test_at_most_one_push_goes_in_a_second(tab: Tab) -> None:
    """The page's URL can set the interval to a few milliseconds."""
    calls = sent(tab, "for (let i = 0; i <= 250; i++) { push(i % 100); await world.advance(10); }")
    assert times(calls) == [0, 1000, 2000]
    assert sessions(calls, "stats_age_ms") == [0, 10, 10]
    assert qualities(calls) == [0, 99, 99]


@pytest.mark.parametrize(
    ("options", "interval_ms"),
    [
        ("{}", 10000),
        ("{ intervalMs: 2000 }", 2000),
        ("{ intervalMs: 1 }", 1000),
        ("{ intervalMs: 1e9 }", 100000),
        ("{ intervalMs: NaN }", 10000),
        ('{ intervalMs: "5" }', 10000),
    ],
)
def test_the_interval_is_first_what_is_configured(tab: Tab, options: str, interval_ms: int) -> None:
    calls = tab.run(
        f"const {{ world, push }} = makePusher({options}); push(1); return world.sent()"
    )
    assert sessions(calls, "interval_ms") == [interval_ms]


def test_the_interval_becomes_what_is_measured(tab: Tab) -> None:
    """From the third gap on; an event between the usual ones does not count."""
    calls = sent(
        tab,
        "for (const ms of [5000, 5000, 800, 4200, 5000, 0]) { push(1); await world.advance(ms); }",
    )
    assert sessions(calls, "interval_ms") == [10000, 10000, 10000, 5000, 4200, 4200]


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_asked_to(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        f"""world.answers = [{{ status: {status}, headers: {{ "Retry-After": "7" }} }}];
        push(1);
        await world.advance(6999);
        if (world.calls.length !== 1) throw new Error("too early");
        await world.advance(1);""",
    )
    assert times(calls) == [0, 7000]
    assert qualities(calls) == [1, 1]
    assert sessions(calls, "seq") == [0, 1]
    assert sessions(calls, "stats_age_ms") == [0, 7000]


def test_it_waits_until_the_date_it_is_given(tab: Tab) -> None:
    """The fake clock begins on 2026-01-01 at 12:00:00."""
    calls = sent(
        tab,
        """world.answers = [{ status: 503,
            headers: { "Retry-After": "Thu, 01 Jan 2026 12:00:20 GMT" } }];
        push(1);
        await world.advance(60000);""",
    )
    assert times(calls)[:2] == [0, 20000]


def test_it_waits_5_minutes_at_most(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.answers = [{ status: 503, headers: { "Retry-After": "86400" } }];
        push(1);
        await world.advance(300000);""",
    )
    assert times(calls)[:2] == [0, 300000]


@pytest.mark.parametrize("header", ["soon", "", "0", "Thu, 01 Jan 2026 11:00:00 GMT"])
def test_a_date_past_or_none_is_as_if_nothing_were_asked(tab: Tab, header: str) -> None:
    calls = tab.run(
        """const { world, push } = makePusher();
        const answer = { status: 503, headers: { "Retry-After": argument } };
        world.answers = [answer, answer, answer];
        push(1);
        await world.advance(9000);
        return world.sent();""",
        header,
    )
    assert times(calls) == [0, 1000, 2000, 4000]


@pytest.mark.parametrize(
    "failure", ['"reject"', "500", "502", "503", "429", '"throw"', '"nothing"']
)
def test_failures_are_tried_again_ever_later(tab: Tab, failure: str) -> None:
    """After half of 1, 2, 4, 8 … seconds, because the fake chance is 0.5; not before 1 s."""
    calls = sent(
        tab,
        f"""world.answers = Array(6).fill({failure});
        push(1);
        await world.advance(5000);
        for (const q of [2, 3, 4]) {{ push(q); await world.advance(10000); }}""",
    )
    assert times(calls) == [0, 1000, 2000, 4000, 8000, 16000, 32000]
    assert sessions(calls, "seq") == [0, 1, 2, 3, 4, 5, 6]
    assert qualities(calls) == [1, 1, 1, 1, 2, 3, 4]


def test_after_a_failure_the_newest_sample_goes(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.answers = ["pending"];
        push(1);
        await world.advance(2000);
        push(2);
        await world.answer(0, 500);
        await world.advance(5000);""",
    )
    assert qualities(calls) == [1, 2]


def test_the_wait_grows_to_5_minutes_and_no_more(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.chance = 1;
        world.answers = Array(12).fill("reject");
        push(1);
        await world.advance(1412000);""",
    )
    gaps = [after - before for before, after in pairwise(times(calls))]
    assert gaps[:9] == [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000]
    assert gaps[9:] == [300000, 300000, 300000]


def test_a_success_forgets_the_failures(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.chance = 1;
        world.answers = ["reject", "reject", 200, "reject"];
        push(1);
        await world.advance(10000);
        push(2);
        await world.advance(5000);""",
    )
    assert times(calls) == [0, 1000, 3000, 10000, 11000]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_where_the_door_is_closed_it_knocks_every_5_minutes(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        f"""world.answers = [{status}, {status}];
        push(0);
        await world.advance(5000);
        for (let i = 1; i <= 63; i++) {{ push(i); await world.advance(10000); }}""",
    )
    assert times(calls) == [0, 300000, 600000, 605000, 615000, 625000]
    assert qualities(calls) == [0, 30, 60, 61, 62, 63]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_refused_is_not_sent_again(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        f"""world.answers = [{status}];
        push(1);
        await world.advance(10000);
        push(2);
        await world.advance(10000);""",
    )
    assert times(calls) == [0, 10000]
    assert qualities(calls) == [1, 2]


@pytest.mark.parametrize("answer", ["pending", "deaf"])
def test_a_request_is_given_up_after_10_seconds(tab: Tab, answer: str) -> None:
    """Also if a wrapper around fetch ignores the signal."""
    calls = sent(
        tab,
        f"""world.answers = ["{answer}"];
        push(1);
        await world.advance(9999);
        if (world.calls[0].aborted) throw new Error("too early");
        await world.advance(1000);""",
    )
    assert calls[0]["aborted"] is True
    assert times(calls) == [0, 10500]


def test_a_leave_that_is_rejected_goes_once_more_without_keepalive(tab: Tab) -> None:
    """Requests that outlive a page share 64 KiB, which other scripts may have used."""
    calls = sent(
        tab,
        """push(1);
        await world.advance(10000);
        world.answers = ["reject", "reject"];
        pusher.end("left");
        await world.advance(60000);""",
    )
    assert [call["keepalive"] for call in calls] == [False, True, False]
    assert times(calls) == [0, 10000, 10000]
    assert sessions(calls, "end") == [None, {"reason": "left"}, {"reason": "left"}]


@pytest.mark.parametrize("status", [200, 400, 404, 503])
def test_a_leave_that_was_answered_goes_once(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        f"""push(1);
        await world.advance(10000);
        world.answers = [{status}];
        pusher.end("left");
        await world.advance(60000);""",
    )
    assert [call["keepalive"] for call in calls] == [False, True]


def test_an_answer_after_the_time_limit_changes_nothing(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.answers = ["deaf"];
        push(1);
        await world.advance(10100);
        await world.answer(0, 404);
        await world.advance(400);
        push(2);
        await world.advance(2000)""",
    )
    assert times(calls) == [0, 10500, 11500]


def test_when_stats_stop_nothing_is_known_any_more(tab: Tab) -> None:
    """Two and a half intervals after the last one, then at each interval; never an old value."""
    calls = sent(tab, "push(80); await world.advance(45000)")
    assert times(calls) == [0, 25000, 35000, 45000]
    assert sessions(calls, "stats_age_ms") == [0, 25000, 35000, 45000]
    assert sessions(calls, "seq") == [0, 1, 2, 3]
    for call in calls[1:]:
        assert call["body"]["metrics"] == NOTHING_KNOWN


def test_stats_that_come_late_are_waited_for(tab: Tab) -> None:
    calls = sent(tab, "push(80); await world.advance(24999); push(70); await world.advance(1000)")
    assert qualities(calls) == [80, 70]


def test_stats_that_come_back_are_fresh(tab: Tab) -> None:
    calls = sent(tab, "push(80); await world.advance(30000); push(70); await world.advance(10000)")
    assert qualities(calls) == [80, None, 70]
    assert sessions(calls, "stats_age_ms") == [0, 25000, 0]


def test_a_call_that_never_had_stats_is_told_of(tab: Tab) -> None:
    calls = sent(tab, "await world.advance(35000)")
    assert times(calls) == [25000, 35000]
    assert qualities(calls) == [None, None]
    assert sessions(calls, "stats_age_ms") == [25000, 35000]


def test_an_old_value_that_waits_gives_way_to_nulls(tab: Tab) -> None:
    """A back-off must not send old values as fresh."""
    calls = sent(
        tab,
        """world.answers = [{ status: 503, headers: { "Retry-After": "60" } }];
        push(80);
        await world.advance(60000);""",
    )
    assert times(calls) == [0, 60000]
    assert qualities(calls) == [80, None]
    assert sessions(calls, "stats_age_ms") == [0, 60000]


@pytest.mark.parametrize("reason", ["left", "kicked", "closed", "suspended", "failed"])
def test_the_last_push_ends_the_session(tab: Tab, reason: str) -> None:
    calls = tab.run(
        """const { world, pusher, push } = makePusher({ findMeetingId: () => "m-1" });
        push(80);
        await world.advance(4000);
        pusher.end(argument);
        await world.advance(100000);
        return world.sent();""",
        reason,
    )
    first, last = calls
    assert last["at"] == 4000
    assert last["keepalive"] is True
    assert last["body"] == {
        "default_labels": LABELS,
        "session": {
            "id": first["body"]["session"]["id"],
            "meeting_id": "m-1",
            "seq": 1,
            "interval_ms": 10000,
            "stats_age_ms": 4000,
            "end": {"reason": reason},
        },
    }


def test_the_last_push_goes_at_once_and_alone(tab: Tab) -> None:
    """The request in flight is aborted, waiting ones are dropped, a wait is cut short."""
    calls = sent(
        tab,
        """world.answers = [{ status: 503, headers: { "Retry-After": "60" } }];
        push(1);
        await world.advance(500);
        push(2);
        pusher.end("left");
        await world.advance(100000);""",
    )
    assert times(calls) == [0, 500]
    assert sessions(calls, "end") == [None, {"reason": "left"}]

    calls = sent(
        tab,
        """world.answers = ["pending"];
        push(1);
        await world.advance(500);
        push(2);
        pusher.end("left");
        await world.advance(5000);""",
    )
    assert times(calls) == [0, 500]
    assert [call["aborted"] for call in calls] == [True, False]


def test_a_session_of_which_nothing_was_sent_ends_in_silence(tab: Tab) -> None:
    assert sent(tab, 'pusher.end("left"); await world.advance(100000)') == []


def test_nothing_is_left_running_after_the_end(tab: Tab) -> None:
    """Neither heartbeat nor time limit, and later calls start no timer."""
    pending = tab.run(
        """const { world, pusher, push } = makePusher();
        push(1);
        await world.advance(2000);
        pusher.end("left");
        await world.advance(2000);
        pusher.push(otelJcmc.readStats({}));
        pusher.end("left");
        return world.pendingTimers();"""
    )
    assert pending == 0


def test_a_new_session_waits_for_the_last_push_of_the_old(tab: Tab) -> None:
    calls = sent(
        tab,
        """push(1);
        await world.advance(2000);
        world.answers = ["pending"];
        pusher.end("left");
        pusher.begin(() => LABELS);
        push(2);
        await world.advance(3000);
        pusher.end("left"); // before anything of it went: nothing to tell, and nothing to break off
        pusher.begin(() => LABELS);
        push(3);
        await world.answer(1, 200);""",
    )
    assert [call["aborted"] for call in calls] == [False, False, False]
    assert sessions(calls, "end") == [None, {"reason": "left"}, None]
    assert sessions(calls, "seq") == [0, 1, 0]
    ids = sessions(calls, "id")
    assert ids[0] == ids[1] != ids[2]


def test_a_session_that_goes_on_is_not_begun_again(tab: Tab) -> None:
    calls = sent(tab, "push(1); await world.advance(2000); pusher.begin(() => LABELS); push(2)")
    assert sessions(calls, "seq") == [0, 1]
    assert len(set(sessions(calls, "id"))) == 1


def test_what_the_page_throws_at_it_stays_inside(tab: Tab) -> None:
    """An identity that cannot be read costs the push, and nothing else."""
    calls = tab.run(
        """const world = makeWorld();
        const pusher = otelJcmc.createPusher(world);
        let calm = false;
        pusher.begin(() => { if (!calm) throw new Error("no"); return LABELS; });
        pusher.push(otelJcmc.readStats({ connectionQuality: 1 }));
        await world.advance(5000);
        calm = true;
        pusher.push(otelJcmc.readStats({ connectionQuality: 2 }));
        return world.sent();"""
    )
    assert qualities(calls) == [2]
