"""How late the page's timers are, in a push: a sign of a busy CPU. No real time."""

from typing import Any

from client.pages import Tab

# Timers of 250 ms come `late`; a sample comes on demand.
SETUP = """
    const world = makeWorld();
    const setTimer = world.setTimeout;
    let late = argument;
    world.setTimeout = (action, ms) => setTimer(action, ms + (ms === 250 ? late : 0));
    const hide = (value) =>
        Object.defineProperty(document, "hidden", { value, configurable: true });
    const room = makeRoom();
    setPage(room);
    otelJcmc.start(world);
    const connection = makeConnection([[]]);
    room.getActivePeerConnection = () => connection;
    const next = async (ms = 2000) => {
        await world.advance(ms);
        room.stats(50);
        await world.advance(0);
    };
"""
END = """
    const calls = world.sent();
    otelJcmc.stop();
    delete window.APP;
    delete document.hidden;
    return calls.map((call) => call.body.metrics.event_loop_delay.value);
"""


def delays(tab: Tab, body: str, late: int = 0) -> list[float | None]:
    """Return the delay in each push of *body*."""
    told: list[Any] = tab.run(SETUP + body + END, late)
    return told


def test_the_delay_is_the_mean_of_the_timers_of_the_interval(tab: Tab) -> None:
    """Timers before the first sample are the join's. In 2 s, four come as set, two 250 ms late."""
    body = """await next(); await next(1000); await world.advance(750); late = 250;
        await next(1250); await next(2000);"""
    assert delays(tab, body) == [None, 0, 83.333, 250]


def test_what_timers_always_are_late_is_not_the_pages(tab: Tab) -> None:
    """The system rounds them up to 15 ms; then the page waits for 40 ms more."""
    body = "await next(2650); await next(2650); late = 55; await next(265); await next(3050);"
    assert delays(tab, body, late=15) == [None, 0, 0, 40]


def test_of_a_hidden_page_nothing_is_known(tab: Tab) -> None:
    """Its browser slows timers down. The interval of the change is not known, either."""
    body = """await next(); await next(); late = 750; hide(true); await next(4000);
        await next(4000); late = 0; await world.advance(100); hide(false);
        await next(2000); await next();"""
    assert delays(tab, body) == [None, 0, None, None, None, 0]


def test_a_page_that_slept_was_not_slow(tab: Tab) -> None:
    body = "await next(); await next(); world.sleep(60_000); await next(); await next();"
    # One of them is a heartbeat, because no sample came for a minute.
    assert delays(tab, body) == [None, 0, None, 0, 0]


def test_without_a_timer_in_the_interval_nothing_is_known(tab: Tab) -> None:
    body = "await next(); await next(); late = 2400; for (let i = 0; i < 3; i++) await next(1000);"
    assert delays(tab, body) == [None, 0, 0, None, 2400]


def test_who_has_left_the_room_sets_no_timers(tab: Tab) -> None:
    """The only timer left looks for a conference."""
    ending = "room.emit('conference.left'); setPage(null); await world.advance(2000);"
    count = tab.run(
        f"{SETUP} await next(); {ending} const n = world.pendingTimers();"
        "otelJcmc.stop(); delete window.APP; return n;"
    )
    assert count == 1
