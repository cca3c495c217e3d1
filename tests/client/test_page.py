"""`start`: the client in a page with a call, without one, or hostile. No real time."""

import re
from typing import Any

import pytest
from client.pages import Tab
from client.reports import NOTHING_KNOWN

GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PUSH_ONCE = """const world = makeWorld();
    const room = makeRoom();
    setPage(room);
    otelJcmc.start(world);
    room.stats(50);
    return world.sent();"""


def sent(tab: Tab, body: str) -> list[dict[str, Any]]:
    """Return the requests by the end of *body*, which has `world`."""
    calls: list[dict[str, Any]] = tab.run(
        f"""delete window.APP;
        delete window.config;
        const world = makeWorld();
        {body};
        const calls = world.sent();
        otelJcmc.stop();
        return calls;"""
    )
    return calls


def summary(calls: list[dict[str, Any]]) -> list[tuple[int, int, Any]]:
    """Return each push as (number of its session, seq, quality or the reason of the end)."""
    seen: list[str] = []
    rows = []
    for call in calls:
        session = call["body"]["session"]
        if session["id"] not in seen:
            seen.append(session["id"])
        if "end" in session:
            assert "metrics" not in call["body"]
            assert call["keepalive"] is True
            what = session["end"]["reason"]
        else:
            assert call["keepalive"] is False
            what = call["body"]["metrics"]["connectionquality"]["value"]
        rows.append((seen.index(session["id"]), session["seq"], what))
    return rows


def test_stats_of_the_room_are_pushed(tab: Tab) -> None:
    [call] = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        startIn(world);
        room.emit("cq.local_stats_updated", {
            connectionQuality: 97.5, bandwidth: { upload: 2900, download: NaN },
            transport: [{ rtt: 41, type: "udp", ip: "192.0.2.1:5" }] });""",
    )
    body = call["body"]
    assert re.fullmatch(GUID, body["default_labels"].pop("client_id"))
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", body["session"].pop("id"))
    assert body == {
        "default_labels": {"participant_id": "1a2b3c4d", "roomname": "standup"},
        "session": {
            "meeting_id": "meeting-1",
            "seq": 0,
            "interval_ms": 10000,
            "stats_age_ms": 0,
        },
        "metrics": {
            **NOTHING_KNOWN,
            "connectionquality": {"value": 97.5},
            "bandwidth_upload": {"value": 2900},
            "transport_rtt": [{"value": 41, "labels": {"protocol": "udp"}}],
            "conference_participants": {"value": 2},
            "outage_down": {"value": None},
            "outage_up": {"value": None},
        },
    }


def test_a_room_is_found_in_the_store_or_in_the_application(tab: Tab) -> None:
    store_only = "delete APP.conference"
    application_only = "delete APP.store"
    for page in (store_only, application_only):
        calls = sent(
            tab, f"const room = makeRoom(); setPage(room); {page}; startIn(world); room.stats(50)"
        )
        assert summary(calls) == [(0, 0, 50)]


def test_a_room_that_comes_later_is_found_within_a_second(tab: Tab) -> None:
    calls = sent(
        tab,
        """startIn(world);
        await world.advance(3600500);
        const room = makeRoom();
        setPage(room);
        await world.advance(1000);
        room.stats(50);""",
    )
    assert summary(calls) == [(0, 0, 50)]


def test_a_page_without_jitsi_stays_as_it_is(tab: Tab) -> None:
    calls = sent(tab, "startIn(world); await world.advance(60000)")
    assert calls == []


@pytest.mark.parametrize(
    "page",
    [
        'Object.defineProperty(window, "APP", { get() { throw 1; }, configurable: true })',
        "window.APP = { get store() { throw 1; }, get conference() { throw 2; } }",
        "window.APP = { store: { getState() { throw 1; } }, conference: { _room: null } }",
        "window.APP = { store: { getState: () => null }, conference: { _room: 5 } }",
        "window.APP = { conference: { _room: { get on() { throw 1; } } } }",
        "window.APP = { conference: { _room: { on() { throw 1; } } } }",
        "window.APP = 5",
    ],
)
def test_a_page_that_throws_is_left_alone(tab: Tab, page: str) -> None:
    assert sent(tab, f"{page}; startIn(world); await world.advance(10000)") == []


def test_a_room_that_can_do_little_will_do(tab: Tab) -> None:
    """No `off`, no `isJoined`, no meeting, and getters that throw."""
    calls = sent(
        tab,
        """const room = makeRoom();
        delete room.off;
        delete room.isJoined;
        room.getMeetingUniqueId = () => { throw new Error("no"); };
        room.myUserId = () => { throw new Error("no"); };
        room.getName = () => { throw new Error("no"); };
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(2000);
        setPage(null);
        await world.advance(2000);""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, "left")]
    assert calls[0]["body"]["default_labels"]["participant_id"] == "page-id"
    # As the library names it; the page has it as in the address.
    assert calls[0]["body"]["default_labels"]["roomname"] == "standup"


def bridges(calls: list[dict[str, Any]], label: str = "bridge") -> list[str | None]:
    """Return the bridge in each push, or another *label* of its quality."""
    found = (call["body"]["metrics"]["connectionquality"] for call in calls)
    return [each.get("labels", {}).get(label) for each in found]


def on_bridge(tab: Tab, channel: str, then: str, label: str = "bridge") -> list[str | None]:
    """Return the bridges that a page pushes whose library has the *channel*."""
    script = f"""const room = makeRoom();
        room.rtc = {{ _channel: {{ _wsUrl: {channel} }} }};
        setPage(room);
        startIn(world);
        const stats = (...p2p) => room.emit("cq.local_stats_updated", {{
            connectionQuality: 90,
            transport: p2p.map((is) => ({{ ip: "203.0.113.7:10000", p2p: is }})),
        }});
        stats(false);
        await world.advance(2000);
        {then}"""
    return bridges(sent(tab, script), label)


def test_the_bridge_is_named_by_its_channel_and_nothing_else_of_that_is_told(tab: Tab) -> None:
    url = '"wss://meet.example.org/colibri-ws/jvb-a/8a7b/1a2b3c4d?pwd=secret"'
    assert on_bridge(tab, url, "") == ["jvb-a"]
    assert on_bridge(tab, url.replace(".org", ".org/behind/a/proxy"), "") == ["jvb-a"]


@pytest.mark.parametrize(
    "channel",
    [
        *("undefined", "7", "{}", '"wss://meet.example.org"'),
        *('"wss://meet.example.org/a/b?pwd=secret"', '"wss://meet.example.org/colibri-ws/?pwd=s"'),
    ],
)
def test_without_a_channel_the_bridge_is_its_address(tab: Tab, channel: str) -> None:
    assert on_bridge(tab, channel, "") == ["203.0.113.7:10000"]


def test_with_a_peer_there_is_no_bridge_and_a_heartbeat_names_the_last(tab: Tab) -> None:
    url = '"wss://meet.example.org/colibri-ws/jvb-a/8a7b/1a2b3c4d"'
    to_peer = "stats(true); await world.advance(2000);"
    beat = "await world.advance(30000);"
    assert set(on_bridge(tab, url, beat)) == {"jvb-a"}
    found = on_bridge(tab, url, to_peer + beat)
    assert len(found) > 2
    assert (found[0], set(found[1:])) == ("jvb-a", {None})
    found = on_bridge(tab, url, to_peer + beat, "p2p")
    assert (found[0], set(found[1:])) == (None, {"true"})
    assert set(on_bridge(tab, url, beat, "p2p")) == {None}


def test_without_a_name_nothing_is_pushed(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom({ id: null, name: "" });
        setPage(room);
        delete APP.conference;
        startIn(world);
        room.stats(50);
        await world.advance(60000);""",
    )
    assert calls == []


@pytest.mark.parametrize(
    ("event", "reason"), [("conference.left", "left"), ("conference.kicked", "kicked")]
)
def test_who_is_gone_is_gone_at_once(tab: Tab, event: str, reason: str) -> None:
    """Late statistics do not bring it back."""
    calls = sent(
        tab,
        f"""const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(3000);
        room.emit("{event}");
        room.stats(60);
        room.emit("conference.left");
        room.emit("conference.failed", "conference.destroyed");
        room.stats(70);
        await world.advance(60000);""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, reason)]
    assert calls[1]["at"] == 3000


@pytest.mark.parametrize(
    ("event", "reason"),
    [("conference.failed", "failed"), ("conference.suspendDetected", "suspended")],
)
def test_a_failure_ends_the_session_and_stats_begin_another(
    tab: Tab, event: str, reason: str
) -> None:
    calls = sent(
        tab,
        f"""const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(10000);
        room.emit("{event}");
        await world.advance(10000);
        room.stats(60);
        await world.advance(10000);
        room.emit("{event}");
        room.joined = null; // what the library answers of a room that was left
        await world.advance(10000);
        room.stats(70);
        await world.advance(60000);""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, reason), (1, 0, 60), (1, 1, reason)]


def test_before_the_join_there_is_no_session(tab: Tab) -> None:
    """A lobby or a password: the room exists, and fails, and is not joined."""
    calls = sent(
        tab,
        """const room = makeRoom({ joined: false });
        setPage(room);
        startIn(world);
        room.emit("conference.failed", "conference.passwordRequired");
        room.stats(10);
        await world.advance(60000);
        room.joined = true;
        room.emit("conference.joined");
        await world.advance(5000);
        room.stats(50);""",
    )
    assert summary(calls) == [(0, 0, 50)]


def test_the_same_room_joined_again_is_a_new_session(tab: Tab) -> None:
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
    assert summary(calls) == [(0, 0, 50), (0, 1, "left"), (1, 0, 60)]


def test_another_room_is_another_session(tab: Tab) -> None:
    """A rejoin, or a breakout room; the client lets go of the old room."""
    calls = sent(
        tab,
        """const old = makeRoom();
        setPage(old);
        startIn(world);
        old.stats(50);
        await world.advance(2000);
        const next = makeRoom({ id: "99aabbcc", name: "breakout", meeting: "meeting-2" });
        setPage(next);
        await world.advance(1000);
        next.stats(60);
        await world.advance(2000);
        old.stats(10);
        old.emit("conference.left");
        next.stats(70);
        if (old.listenerCount() !== 0) throw new Error("still listening");""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, "left"), (1, 0, 60), (1, 1, 70)]
    rooms = [call["body"]["default_labels"]["roomname"] for call in calls]
    assert rooms == ["standup", "standup", "breakout", "breakout"]
    participants = [call["body"]["default_labels"]["participant_id"] for call in calls]
    assert participants == ["1a2b3c4d", "1a2b3c4d", "99aabbcc", "99aabbcc"]
    meetings = [call["body"]["session"]["meeting_id"] for call in calls]
    assert meetings == ["meeting-1", "meeting-1", "meeting-2", "meeting-2"]


def test_a_room_that_disappears_was_left(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(5500);
        setPage(null);
        await world.advance(500);""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, "left")]
    assert calls[1]["at"] == 6000


@pytest.mark.parametrize("persisted", ["true", "false"])
def test_a_page_that_is_hidden_is_closed_and_may_come_back(tab: Tab, persisted: str) -> None:
    calls = sent(
        tab,
        f"""const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(2000);
        const turn = (type) => dispatchEvent(
            new PageTransitionEvent(type, {{ persisted: {persisted} }}));
        turn("pagehide");
        room.stats(60);
        await world.advance(60000);
        turn("pageshow");
        room.stats(70);
        await world.advance(20000);
        room.stats(80);""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, "closed"), (1, 0, 70), (1, 1, 80)]


def test_a_participant_without_statistics_is_told_of(tab: Tab) -> None:
    """`disableLocalStats`, or alone in the conference."""
    calls = sent(tab, "setPage(makeRoom()); startIn(world); await world.advance(36000)")
    assert summary(calls) == [(0, 0, None), (0, 1, None)]
    assert [call["at"] for call in calls] == [25000, 35000]


def test_the_interval_is_that_of_the_page(tab: Tab) -> None:
    for configured, expected in (("2000", 2000), ("3", 1000), ('"fast"', 10000), ("null", 10000)):
        [call] = sent(
            tab,
            f"""window.config = {{ pcStatsInterval: {configured} }};
            const room = makeRoom();
            setPage(room);
            startIn(world);
            room.stats(50);""",
        )
        assert call["body"]["session"]["interval_ms"] == expected


def test_what_waits_is_not_changed_by_the_next_event(tab: Tab) -> None:
    """The library emits one object again and again, and changes it in between."""
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        startIn(world);
        world.answers = ["pending"];
        const stats = { connectionQuality: 10 };
        room.emit("cq.local_stats_updated", stats);
        stats.connectionQuality = 20;
        room.emit("cq.local_stats_updated", stats);
        stats.connectionQuality = 30;
        await world.advance(2000);
        await world.answer(0, 200);""",
    )
    assert summary(calls) == [(0, 0, 10), (0, 1, 20)]


@pytest.mark.parametrize(
    "stats", ["new Proxy({}, { get() { throw new Error('no'); } })", "null", "7"]
)
def test_hostile_statistics_are_pushed_as_not_known(tab: Tab, stats: str) -> None:
    calls = sent(
        tab,
        f"""const room = makeRoom();
        setPage(room);
        startIn(world);
        room.emit("cq.local_stats_updated", {stats});""",
    )
    assert summary(calls) == [(0, 0, None)]


def test_stopped_it_leaves_and_lets_go(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        startIn(world);
        room.stats(50);
        await world.advance(2000);
        otelJcmc.stop();
        room.stats(60);
        dispatchEvent(new PageTransitionEvent("pageshow"));
        dispatchEvent(new PageTransitionEvent("pagehide"));
        await world.advance(60000);
        if (room.listenerCount() !== 0) throw new Error("still listening");
        if (world.pendingTimers() !== 0) throw new Error("still waiting");""",
    )
    assert summary(calls) == [(0, 0, 50), (0, 1, "left")]


def test_started_twice_it_runs_once(tab: Tab) -> None:
    calls = sent(
        tab,
        """const room = makeRoom();
        setPage(room);
        const first = startIn();
        startIn(world);
        room.stats(50);
        if (first.calls.length !== 0) throw new Error("both run");""",
    )
    assert summary(calls) == [(0, 0, 50)]


# Below, each test has a page and a storage of its own.


def test_loaded_twice_it_runs_once(bare_tab: Tab) -> None:
    bare_tab.run("window.world = makeWorld(); window.fetch = world.fetch;")
    bare_tab.load_client({"version": "1.0.0"})
    bare_tab.load_client({"version": "2.0.0"})
    bare_tab.run("window.room = makeRoom(); setPage(room);")
    bare_tab.page.wait_for_function("room.listenerCount() > 0")
    calls = bare_tab.run("const held = room.listenerCount(); room.stats(50); return world.sent();")
    assert summary(calls) == [(0, 0, 50)]
    assert bare_tab.run("return otelJcmc.version;") == "1.0.0"


def test_the_client_id_lasts(bare_tab: Tab) -> None:
    ids = []
    for _ in range(2):
        bare_tab.open()
        bare_tab.load_client()
        [call] = bare_tab.run(PUSH_ONCE)
        ids.append(call["body"]["default_labels"]["client_id"])
    assert re.fullmatch(GUID, ids[0])
    assert ids[0] == ids[1]
    assert bare_tab.run('return localStorage.getItem("otel_jcmc.client_id");') == ids[0]


def test_a_browser_that_the_originals_page_knows_keeps_its_id(bare_tab: Tab) -> None:
    """For ever, whatever happens to the original's."""
    known = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    bare_tab.run(f'localStorage.setItem("jmmc_staticUserId", "{known}");')
    for _ in range(2):
        bare_tab.open()
        bare_tab.load_client()
        [call] = bare_tab.run(PUSH_ONCE)
        assert call["body"]["default_labels"]["client_id"] == known
        bare_tab.run('localStorage.removeItem("jmmc_staticUserId");')


def test_our_own_client_id_goes_before_the_originals(bare_tab: Tab) -> None:
    ours = "0b8d6a57-5717-4562-b3fc-2c963f66afa6"
    bare_tab.run(f'localStorage.setItem("otel_jcmc.client_id", "{ours}");')
    bare_tab.run(
        'localStorage.setItem("jmmc_staticUserId", "3fa85f64-5717-4562-b3fc-2c963f66afa6");'
    )
    bare_tab.load_client()
    [call] = bare_tab.run(PUSH_ONCE)
    assert call["body"]["default_labels"]["client_id"] == ours


def test_a_client_id_of_the_wrong_form_is_replaced(bare_tab: Tab) -> None:
    bare_tab.run('localStorage.setItem("otel_jcmc.client_id", "me");')
    bare_tab.load_client()
    [call] = bare_tab.run(PUSH_ONCE)
    assert re.fullmatch(GUID, call["body"]["default_labels"]["client_id"])
    stored = bare_tab.run('return localStorage.getItem("otel_jcmc.client_id");')
    assert stored == call["body"]["default_labels"]["client_id"]


@pytest.mark.parametrize(
    "forbidden",
    [
        'Object.defineProperty(window, "localStorage", { get() { throw new Error("no"); } })',
        'Storage.prototype.getItem = Storage.prototype.setItem = () => { throw new Error("no"); }',
        'Storage.prototype.setItem = () => { throw new Error("full"); }',
        *(
            f'Object.defineProperty(window, "localStorage", {{ value: new Proxy({{}}, {{ {trap}'
            ' { throw new Error("no"); } }) })'
            for trap in ("get()", "set()")
        ),
    ],
)
def test_without_storage_the_client_id_lasts_as_long_as_the_page(
    bare_tab: Tab, forbidden: str
) -> None:
    bare_tab.run(forbidden)
    bare_tab.load_client()
    ids = [bare_tab.run(PUSH_ONCE)[0]["body"]["default_labels"]["client_id"] for _ in range(2)]
    assert re.fullmatch(GUID, ids[0])
    assert ids[0] == ids[1]


def test_a_page_on_http_has_a_client_id_as_well(bare_tab: Tab) -> None:
    """crypto.randomUUID is missing there."""
    bare_tab.run("delete Crypto.prototype.randomUUID;")
    bare_tab.load_client()
    [call] = bare_tab.run(PUSH_ONCE)
    assert re.fullmatch(GUID, call["body"]["default_labels"]["client_id"])


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (None, "{origin}/metrics/push"),
        ({"pushUrl": None}, "{origin}/metrics/push"),
        ({"pushUrl": "https://metrics.example.org/p"}, "https://metrics.example.org/p"),
    ],
)
def test_it_pushes_where_the_file_came_from_or_where_it_is_told(
    bare_tab: Tab, settings: dict[str, Any] | None, url: str
) -> None:
    """Whatever <base> the page has."""
    bare_tab.run("document.head.innerHTML = '<base href=\"https://cdn.example.org/\">';")
    bare_tab.load_client(settings)
    [call] = bare_tab.run(
        """const world = makeWorld();
        delete world.url;
        const room = makeRoom();
        setPage(room);
        otelJcmc.start(world);
        room.stats(50);
        return world.sent();"""
    )
    assert call["url"] == url.format(origin=bare_tab.origin.url)


def test_a_script_without_an_address_pushes_to_this_machine(bare_tab: Tab) -> None:
    url = bare_tab.run(
        """(0, eval)(await (await fetch(argument)).text());
        const world = makeWorld();
        delete world.url;
        const room = makeRoom();
        setPage(room);
        otelJcmc.start(world);
        room.stats(50);
        return world.sent()[0].url;""",
        bare_tab.origin.client_file(),
    )
    assert url == "http://127.0.0.1:3000/metrics/push"


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({}, None),
        ({"collectUsername": False}, None),
        ({"collectUsername": True}, {"username": "Ada"}),
    ],
)
def test_the_display_name_is_collected_where_the_server_says_so(
    bare_tab: Tab, settings: dict[str, Any], labels: dict[str, str] | None
) -> None:
    bare_tab.load_client(settings)
    [call] = bare_tab.run(
        """const world = makeWorld();
        const room = makeRoom();
        setPage(room, { displayName: "Ada" });
        otelJcmc.start(world);
        room.stats(50);
        return world.sent();"""
    )
    assert call["body"]["metrics"]["connectionquality"].get("labels") == labels


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({"collectAddresses": False}, None),
        ({"collectAddresses": True}, {"src_ip": "192.0.2.1", "dst_ip": "192.0.2.2"}),
    ],
)
def test_addresses_are_collected_where_the_server_says_so(
    bare_tab: Tab, settings: dict[str, Any], labels: dict[str, str] | None
) -> None:
    bare_tab.load_client(settings)
    [call] = bare_tab.run(
        """const world = makeWorld();
        const room = makeRoom();
        setPage(room);
        otelJcmc.start(world);
        room.emit("cq.local_stats_updated",
            { transport: [{ rtt: 1, localip: "192.0.2.1:5", ip: "192.0.2.2:5" }] });
        return world.sent();"""
    )
    assert call["body"]["metrics"]["transport_rtt"][0].get("labels") == labels


@pytest.mark.parametrize(
    "fetch",
    [
        "undefined",
        "() => { throw new Error('no'); }",
        "() => Promise.reject(new Error('no'))",
        "() => undefined",
        "() => Promise.resolve(undefined)",
        "() => Promise.resolve({ get status() { throw new Error('no'); } })",
    ],
)
def test_whatever_fetch_does_the_page_hears_nothing_of_it(bare_tab: Tab, fetch: str) -> None:
    """Nothing is thrown and nothing printed; the fixture checks both."""
    bare_tab.run(f"window.fetch = {fetch};")
    bare_tab.load_client()
    bare_tab.run(
        """const room = makeRoom();
        setPage(room);
        otelJcmc.start();
        room.stats(50);
        await new Promise((resolve) => setTimeout(resolve, 20));
        room.stats(60);
        room.emit("conference.left");
        await new Promise((resolve) => setTimeout(resolve, 20));"""
    )


def test_asked_to_debug_it_talks(bare_tab: Tab) -> None:
    bare_tab.load_client({"debug": True})
    assert bare_tab.run(PUSH_ONCE)
    words = bare_tab.take_complaints()
    assert words
    assert [word for word in words if not word.startswith("debug: otel_jcmc")] == []
