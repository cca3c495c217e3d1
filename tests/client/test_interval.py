"""Pushes rarer than statistics, and tabs that push at different moments. No real time."""

from itertools import pairwise
from typing import Any

import pytest
from client.pages import Origin, Tab, opened_tab
from playwright.sync_api import Browser

METRICS = """const sample = (quality, metrics = {}) => {
        const made = otelJcmc.readStats({ connectionQuality: quality });
        Object.assign(made.metrics, metrics);
        return made;
    };"""


def sent(
    tab: Tab, environment: dict[str, int], body: str, *, sample_ms: int = 10000
) -> list[dict[str, Any]]:
    """Return the requests of a pusher by the end of *body*; `run(qualities)` pushes each sample."""
    calls: list[dict[str, Any]] = tab.run(
        f"""const {{ world, pusher, push }} = makePusher({{ intervalMs: {sample_ms} }}, argument);
        {METRICS}
        const run = async (qualities) => {{
            for (const quality of qualities) {{ push(quality); await world.advance({sample_ms}); }}
        }};
        {body};
        return world.sent();""",
        environment,
    )
    return calls


def times(calls: list[dict[str, Any]]) -> list[int]:
    return [call["at"] for call in calls]


def values(calls: list[dict[str, Any]], name: str = "connectionquality") -> list[float | None]:
    return [call["body"]["metrics"][name]["value"] for call in calls]


def sessions(calls: list[dict[str, Any]], key: str) -> list[Any]:
    return [call["body"]["session"].get(key) for call in calls]


def test_the_first_sample_goes_at_once_and_then_each_third(tab: Tab) -> None:
    calls = sent(tab, {"intervalMs": 30000}, "await run([100, 10, 20, 60, 40, 50, 60, 90])")
    assert times(calls) == [0, 30000, 60000]
    assert values(calls) == [100, 30, 50]
    assert sessions(calls, "seq") == [0, 1, 2]
    assert sessions(calls, "stats_age_ms") == [0, 0, 0]


def test_the_interval_that_is_told_is_that_of_the_pushes(tab: Tab) -> None:
    """The server waits three of them before the participant expires."""
    calls = sent(tab, {"intervalMs": 30000}, "await run([1, 1, 1, 1, 1])")
    assert sessions(calls, "interval_ms") == [30000, 30000]


@pytest.mark.parametrize(
    ("interval_ms", "sample_ms", "told_ms"),
    [
        (0, 10000, 10000),
        (5000, 10000, 10000),
        (10000, 10000, 10000),
        (14999, 10000, 10000),
        (15000, 10000, 20000),
        (30000, 2000, 30000),
        (30000, 7000, 28000),
        (3600000, 10000, 100000),
    ],
)
def test_the_interval_is_the_nearest_multiple_of_the_samples(
    tab: Tab, interval_ms: int, sample_ms: int, told_ms: int
) -> None:
    """Below the samples' interval it changes nothing; the server would not wait for over 100 s."""
    calls = sent(
        tab, {"intervalMs": interval_ms}, "await run(Array(61).fill(50))", sample_ms=sample_ms
    )
    assert set(sessions(calls, "interval_ms")) == {told_ms}
    assert {after - before for before, after in pairwise(times(calls))} == {told_ms}


def test_numbers_are_averaged_and_counts_are_added_up(tab: Tab) -> None:
    calls = sent(
        tab,
        {"intervalMs": 30000},
        """push(100);
        for (const [freezes, frozen, dropped, loss, rtt] of [
            [1, 200, 3, 10, null], [0, 0, 0, 0, null], [3, 500, 4, 5, null]]) {
            await world.advance(10000);
            pusher.push(sample(60, {
                freezes: { value: freezes }, freeze_time: { value: frozen },
                frames_dropped: { value: dropped }, packetloss_total: { value: loss },
                encode_time: { value: 2 * loss }, framerate_download: { value: 3 * loss },
                ice_restarts: { value: freezes }, microphone_silent: { value: frozen > 0 ? 1 : 0 },
                round_trip_time: { value: rtt } }));
        }""",
    )
    assert values(calls, "freezes")[1] == 4
    assert values(calls, "freeze_time")[1] == 700
    assert values(calls, "frames_dropped")[1] == 7
    assert values(calls, "ice_restarts")[1] == 4
    assert values(calls, "microphone_silent")[1] == 0.667
    assert values(calls, "packetloss_total")[1] == 5
    assert values(calls, "encode_time")[1] == 10
    assert values(calls, "framerate_download")[1] == 15
    assert values(calls, "round_trip_time")[1] is None


def test_what_is_not_known_in_a_sample_does_not_count(tab: Tab) -> None:
    """A sample without a value is no zero; if no sample has one, the value is null."""
    calls = sent(
        tab,
        {"intervalMs": 30000},
        """push(100);
        for (const value of [10, null, 20]) {
            await world.advance(10000);
            pusher.push(sample(value, { freezes: { value } }));
        }""",
    )
    assert values(calls)[1] == 15
    assert values(calls, "freezes")[1] == 30
    assert values(calls, "bitrate_upload")[1] is None
    assert values(calls, "frames_dropped")[1] is None


def test_a_mean_has_three_decimals(tab: Tab) -> None:
    calls = sent(tab, {"intervalMs": 30000}, "await run([0, 1, 1, 0])")
    assert values(calls) == [0, 0.667]


def test_what_is_no_number_is_that_of_the_newest_sample(tab: Tab) -> None:
    calls = sent(
        tab,
        {"intervalMs": 20000},
        """const stats = (region, rtt) => otelJcmc.readStats(
            { connectionQuality: 50, serverRegion: region, transport: [{ rtt, type: "udp" }] });
        pusher.push(stats("north", 10));
        await world.advance(10000);
        pusher.push(stats("south", 20));
        await world.advance(10000);
        pusher.push(stats("west", 40));""",
    )
    metrics = calls[1]["body"]["metrics"]
    assert metrics["connectionquality"] == {"value": 50, "labels": {"serverregion": "west"}}
    assert metrics["transport_rtt"] == [{"value": 40, "labels": {"protocol": "udp"}}]


def test_samples_are_not_changed_by_what_is_made_of_them(tab: Tab) -> None:
    calls = sent(
        tab,
        {"intervalMs": 20000},
        "const one = sample(50); for (let i = 0; i < 5; i++) { pusher.push(one); "
        "await world.advance(10000); }",
    )
    assert values(calls) == [50, 50, 50]


def test_a_measured_interval_changes_how_many_are_taken_together(tab: Tab) -> None:
    """The page says 10 s, but it is 5 s, which is known from the third gap on."""
    calls = sent(
        tab,
        {"intervalMs": 20000},
        "for (let i = 0; i < 16; i++) { push(i); await world.advance(5000); }",
    )
    assert times(calls)[-3:] == [30000, 50000, 70000]
    assert sessions(calls, "interval_ms")[-1] == 20000
    assert values(calls)[-1] == 12.5


def test_silence_in_the_middle_is_told_of(tab: Tab) -> None:
    """
    After two and a half samples; the first sample afterwards is pushed at once.

    Values that were collected before are not pushed after it.
    """
    calls = sent(
        tab,
        {"intervalMs": 30000},
        """await run([100, 10, 20]);
        await world.advance(90000);
        await run([60, 60, 60, 60]);""",
    )
    assert times(calls) == [0, 45000, 75000, 105000, 120000, 150000]
    assert values(calls) == [100, None, None, None, 60, 60]


def test_a_push_that_had_to_wait_tells_the_age_of_its_own_samples(tab: Tab) -> None:
    """Not the age of the samples that were collected since for the next one."""
    calls = sent(
        tab,
        {"intervalMs": 30000},
        """world.answers = [{ status: 503, headers: { "Retry-After": "12" } }];
        await run([10, 20]);""",
    )
    assert times(calls) == [0, 12000]
    assert values(calls) == [10, 10]
    assert sessions(calls, "stats_age_ms") == [0, 12000]


def test_who_leaves_in_the_middle_is_gone_at_once(tab: Tab) -> None:
    calls = sent(
        tab,
        {"intervalMs": 30000},
        "await run([100, 10, 20]); pusher.end('left'); await world.advance(100000)",
    )
    assert times(calls) == [0, 30000]
    assert sessions(calls, "end") == [None, {"reason": "left"}]
    assert sessions(calls, "stats_age_ms") == [0, 10000]


def test_the_next_session_begins_with_its_own_samples(tab: Tab) -> None:
    calls = sent(
        tab,
        {"intervalMs": 30000},
        """await run([100, 10]);
        pusher.end("left");
        pusher.begin(() => LABELS);
        await run([90, 40, 40, 40]);""",
    )
    pushes = [call for call in calls if "metrics" in call["body"]]
    assert values(pushes) == [100, 90, 40]


def test_a_push_comes_later_by_the_sessions_own_part_of_the_jitter(tab: Tab) -> None:
    """Half of the jitter, as the fake chance is 0.5. The beat stays; the age tells the delay."""
    calls = sent(tab, {"jitterMs": 6000}, "await run([10, 20, 30])")
    assert times(calls) == [3000, 13000, 23000]
    assert values(calls) == [10, 20, 30]
    assert sessions(calls, "stats_age_ms") == [3000, 3000, 3000]


@pytest.mark.parametrize(
    ("environment", "sample_ms", "delay_ms"),
    [
        ({"jitterMs": 0}, 10000, 0),
        ({"jitterMs": 60000}, 10000, 5000),
        ({"jitterMs": 60000}, 2000, 1000),
        ({"jitterMs": 60000, "intervalMs": 60000}, 10000, 5000),
    ],
)
def test_the_jitter_is_at_most_the_interval_of_the_samples(
    tab: Tab, environment: dict[str, int], sample_ms: int, delay_ms: int
) -> None:
    calls = sent(tab, environment, "await run([10])", sample_ms=sample_ms)
    assert times(calls) == [delay_ms]


def test_a_sample_that_comes_before_its_turn_goes_with_the_one_that_waits(tab: Tab) -> None:
    """As their average: a freeze that was counted in the first must not be lost."""
    calls = sent(
        tab,
        {"jitterMs": 10000},
        "push(10); await world.advance(4000); push(20); await world.advance(1000)",
    )
    assert times(calls) == [5000]
    assert values(calls) == [15]
    assert sessions(calls, "stats_age_ms") == [1000]


def test_with_jitter_as_well_the_last_push_goes_at_once_and_nothing_after_it(tab: Tab) -> None:
    calls = sent(
        tab,
        {"jitterMs": 6000},
        """await run([10]);
        push(20);
        await world.advance(1000);
        pusher.end("left");
        if (world.pendingTimers() > 1) throw new Error("still waiting"); // the request's own
        await world.advance(100000);""",
    )
    assert times(calls) == [3000, 11000]
    assert sessions(calls, "end") == [None, {"reason": "left"}]


def test_who_leaves_before_the_first_turn_was_never_there(tab: Tab) -> None:
    calls = sent(
        tab,
        {"jitterMs": 6000},
        """push(10);
        await world.advance(1000);
        pusher.end("left");
        pusher.begin(() => LABELS);
        await world.advance(9000);
        push(20);
        await world.advance(10000);""",
    )
    assert times(calls) == [13000]
    assert values(calls) == [20]


def test_silence_is_told_of_with_jitter_as_well(tab: Tab) -> None:
    calls = sent(tab, {"jitterMs": 6000}, "push(80); await world.advance(44000)")
    assert values(calls) == [80, None, None]


def test_ten_thousand_tabs_that_join_together_spread_evenly(tab: Tab) -> None:
    """With the browser's own chance: each of ten seconds has about a thousand."""
    seconds = tab.run(
        """const sent = [];
        const timers = [];
        let time = 0;
        const environment = {
            url: "https://metrics.example.org/metrics/push",
            jitterMs: 10000,
            now: () => time,
            random: Math.random,
            setTimeout: (action, ms) => timers.push({ at: time + ms, action }),
            clearTimeout: () => {},
            fetch: () => { sent.push(time); return new Promise(() => {}); },
        };
        for (let i = 0; i < 10000; i++) {
            const pusher = otelJcmc.createPusher(environment);
            pusher.begin(() => LABELS);
            pusher.push(otelJcmc.readStats({}));
        }
        const due = timers.filter(({ at }) => at < 10000).sort((a, b) => a.at - b.at);
        for (const { at, action } of due) { time = at; action(); }
        const counts = Array(10).fill(0);
        for (const at of sent) counts[Math.floor(at / 1000)]++;
        return counts;"""
    )
    assert sum(seconds) == 10000
    # Five standard deviations of 30.
    assert [count for count in seconds if not 850 < count < 1150] == []


def test_two_tabs_of_one_server_have_turns_of_their_own(browser: Browser, origin: Origin) -> None:
    turns = set()
    for _ in range(3):
        with opened_tab(browser, origin) as tab:
            tab.load_client({"jitterMs": 10000})
            [call] = tab.run(
                """const world = makeWorld();
                delete world.random;
                const room = makeRoom();
                setPage(room);
                otelJcmc.start(world);
                room.stats(50);
                await world.advance(10000);
                return world.sent();"""
            )
            turns.add(call["at"])
    assert len(turns) > 1
    assert [at for at in turns if not 0 <= at < 10000] == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0, 10000, 20000]),
        ({"intervalMs": 20000}, [0, 20000]),
        ({"jitterMs": 4000}, [2000, 12000, 22000]),
        ({"intervalMs": 20000, "jitterMs": 4000}, [2000, 22000]),
    ],
)
def test_the_server_says_how_often_and_how_spread(
    bare_tab: Tab, settings: dict[str, int], expected: list[int]
) -> None:
    bare_tab.load_client(settings)
    calls = bare_tab.run(
        """const world = makeWorld();
        const room = makeRoom();
        setPage(room);
        otelJcmc.start(world);
        for (let i = 0; i < 3; i++) { room.stats(50); await world.advance(10000); }
        return world.sent();"""
    )
    assert times(calls) == expected
