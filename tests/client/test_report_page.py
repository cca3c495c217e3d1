"""The browser's report in a page: where the client gets it, and what if it is bad."""

from typing import Any

import pytest
from client.pages import Tab
from client.reports import READ, Stat, faults, inbound, pair, recorded, transport


def sent(tab: Tab, body: str, argument: Any = None) -> list[dict[str, Any]]:
    """Return the pushes by the end of *body*, which has `world`, `room` and `stats`."""
    calls: list[dict[str, Any]] = tab.run(
        f"""const world = makeWorld();
        const room = makeRoom();
        setPage(room);
        otelJcmc.start(world);
        const connect = (connection) => {{ room.getActivePeerConnection = () => connection; }};
        const stats = async (quality) => {{ room.stats(quality); await world.advance(0); }};
        {body};
        const calls = world.sent();
        otelJcmc.stop();
        delete window.APP;
        return calls;""",
        argument,
    )
    return calls


def values(calls: list[dict[str, Any]], name: str) -> list[float | None]:
    return [call["body"]["metrics"][name]["value"] for call in calls]


def video(packets: int, freezes: int) -> Stat:
    return inbound(
        "V", packets, freezeCount=freezes, totalFreezesDuration=freezes / 10, jitter=0.01
    )


def test_a_push_tells_what_the_active_connection_reports(tab: Tab) -> None:
    """The recording, through the page: 16 samples, 16 pushes, all accepted completely."""
    calls = sent(
        tab,
        """connect(makeConnection(argument, true));
        for (const _ of argument) { await stats(50); await world.advance(2000); }""",
        recorded("lyno-2021-p2p-getstats"),
    )
    assert values(calls, "connectionquality") == [50] * 16
    assert values(calls, "freezes") == [None, *[0] * 4, 1, *[0] * 8, 1, 1]
    assert values(calls, "bandwidth_available_upload")[-1] == 116.956
    assert values(calls, "limitation_bandwidth")[7:10] == [0, 30.95, 100]
    assert [faults(call["body"]) for call in calls] == [[]] * 16
    metrics = calls[0]["body"]["metrics"]
    labels = {"audioCodec": "opus", "videoCodec": "VP8", "p2p": "true"}
    assert metrics["connectionquality"]["labels"] == labels
    assert metrics["transport_rtt"][0]["labels"]["p2p"] == "true"


def test_the_region_and_the_name_stay_beside_the_codecs(bare_tab: Tab) -> None:
    bare_tab.load_client({"collectUsername": True})
    [call] = sent(
        bare_tab,
        """setPage(room, { displayName: "Ada" });
        connect(makeConnection([argument]));
        room.emit("cq.local_stats_updated", { connectionQuality: 50, serverRegion: "north" });
        await world.advance(0);""",
        recorded("lyno-2021-p2p-getstats")[0],
    )
    assert call["body"]["metrics"]["connectionquality"]["labels"] == {
        "serverregion": "north",
        "username": "Ada",
        "audioCodec": "opus",
        "videoCodec": "VP8",
    }


@pytest.mark.parametrize(
    ("settings", "addresses"),
    [
        ({"collectAddresses": False}, {}),
        ({"collectAddresses": True}, {"src_ip": "2001:db8::2", "dst_ip": "192.0.2.7"}),
    ],
)
def test_addresses_of_the_pair_are_collected_where_the_server_says_so(
    bare_tab: Tab, settings: dict[str, bool], addresses: dict[str, str]
) -> None:
    bare_tab.load_client(settings)
    report = [
        pair("P", 0.02, localCandidateId="L", remoteCandidateId="N"),
        transport("T", "P"),
        {"type": "local-candidate", "id": "L", "address": "2001:db8::2", "port": 5},
        {"type": "remote-candidate", "id": "N", "address": "192.0.2.7", "port": 10000},
    ]
    [call] = sent(bare_tab, "connect(makeConnection([argument])); await stats(50)", report)
    assert call["body"]["metrics"]["transport_rtt"] == [
        {"value": 20, "labels": {"p2p": "false"} | addresses}
    ]


def test_another_connection_begins_its_counters_anew(tab: Tab) -> None:
    """From the bridge to the peer and back, with streams of the same ids."""
    calls = sent(
        tab,
        """const [bridge, peer] = argument.map((reports) => makeConnection(reports));
        for (const connection of [bridge, bridge, peer, peer, bridge, bridge]) {
            connect(connection);
            await stats(50);
            await world.advance(10000);
        }""",
        [
            [[video(100, 1)], [video(200, 3)], [video(300, 90)], [video(400, 94)]],
            [[video(5000, 500)], [video(5100, 501)]],
        ],
    )
    assert values(calls, "freezes") == [None, 2, None, 1, None, 4]
    assert values(calls, "freeze_time") == [None, 200, None, 100, None, 400]
    assert values(calls, "jitter_download") == [10] * 6


def test_a_report_that_was_missed_is_made_up_for_by_the_next(tab: Tab) -> None:
    calls = sent(
        tab,
        """const connection = makeConnection(argument);
        const { getStats } = connection.peerconnection;
        const pc = connection.peerconnection;
        connect(connection);
        for (const answer of [getStats, () => Promise.reject(new Error("no")), getStats]) {
            pc.getStats = answer;
            await stats(50);
            await world.advance(10000);
        }""",
        [[video(100, 1)], [video(300, 4)]],
    )
    assert values(calls, "freezes") == [None, None, 3]


@pytest.mark.parametrize(
    "connection",
    [
        "undefined",
        "null",
        "{}",
        "{ peerconnection: null }",
        "{ peerconnection: { getStats: 5 } }",
        "{ peerconnection: { getStats() { throw new Error('no'); } } }",
        "{ get peerconnection() { throw new Error('no'); } }",
        "{ get isP2P() { throw 1; }, peerconnection: { getStats: () => undefined } }",
        "new Proxy({}, { get() { throw new Error('no'); } })",
        "{ peerconnection: { getStats: () => ({ get then() { throw 1; } }) } }",
        "{ peerconnection: { getStats: () => 7 } }",
    ],
)
def test_without_a_report_the_push_goes_at_once(tab: Tab, connection: str) -> None:
    calls = sent(tab, f"connect({connection}); await stats(50)")
    assert values(calls, "connectionquality") == [50]
    assert [name for name in READ if values(calls, name) != [None]] == []


@pytest.mark.parametrize(
    "answer",
    [
        "Promise.reject(new Error('no'))",
        "Promise.resolve(undefined)",
        "Promise.resolve(null)",
        "Promise.resolve({})",
        "Promise.resolve([])",
        "Promise.resolve([null])",
        "Promise.resolve('report')",
        "Promise.resolve(new Map([['A', null]]))",
        "Promise.resolve(new Map([['A', { get type() { throw 1; } }]]))",
        "Promise.resolve(new Map([['A', { type: 'inbound-rtp', packetsReceived: 5n }]]))",
        "Promise.resolve(new Proxy({}, { get(_, key) { if (key !== 'then') throw 1; } }))",
        "Promise.resolve({ forEach() { throw new Error('no'); } })",
        "Promise.resolve({ forEach(each) { each({ type: 'outbound-rtp' }); } })",
        "({ then(resolve) { resolve(new Map()); resolve(new Map()); } })",
        "({ then(resolve, reject) { reject(); } })",
    ],
)
def test_a_bad_report_costs_itself_alone(tab: Tab, answer: str) -> None:
    calls = sent(
        tab,
        f"""connect({{ peerconnection: {{ getStats: () => {answer} }} }});
        await stats(50);
        await world.advance(10000);
        await stats(60);""",
    )
    assert values(calls, "connectionquality") == [50, 60]
    assert [call["at"] for call in calls] == [0, 10000]
    assert [name for name in READ if values(calls, name) != [None, None]] == []


def test_a_report_that_never_comes_is_waited_for_1_second(tab: Tab) -> None:
    calls = sent(
        tab,
        """connect({ peerconnection: { getStats: () => new Promise(() => {}) } });
        await stats(50);
        await world.advance(999);
        if (world.calls.length !== 0) throw new Error("not waited");
        await world.advance(9001);""",
    )
    assert values(calls, "connectionquality") == [50]
    assert [call["at"] for call in calls] == [1000]


def test_a_promise_that_throws_costs_a_second_at_most(tab: Tab) -> None:
    calls = sent(
        tab,
        """connect({ peerconnection: { getStats: () => ({ then() { throw new Error("no"); } }) } });
        await stats(50);
        await world.advance(1000);""",
    )
    assert values(calls, "connectionquality") == [50]


def test_a_report_that_comes_later_is_ignored(tab: Tab) -> None:
    calls = sent(
        tab,
        """const answers = [];
        connect({ peerconnection: { getStats: () => new Promise((r) => answers.push(r)) } });
        await stats(50);
        await world.advance(1000);
        answers[0](makeReport(argument));
        await world.advance(9000);
        await stats(60);
        answers[1](makeReport(argument));
        await world.advance(1000);""",
        [video(100, 1)],
    )
    assert values(calls, "connectionquality") == [50, 60]
    assert values(calls, "jitter_download") == [None, 10]


def test_stats_emitted_while_the_report_is_awaited_are_not_mixed(tab: Tab) -> None:
    """The library changes the object that it has emitted."""
    calls = sent(
        tab,
        """let answer;
        connect({ peerconnection: { getStats: () => new Promise((r) => { answer = r; }) } });
        const object = { connectionQuality: 50 };
        room.emit("cq.local_stats_updated", object);
        object.connectionQuality = 10;
        answer(makeReport(argument));
        await world.advance(0);""",
        [video(100, 1)],
    )
    assert values(calls, "connectionquality") == [50]
    assert values(calls, "jitter_download") == [10]


@pytest.mark.parametrize("end", ['room.emit("conference.left")', "otelJcmc.stop()"])
def test_who_leaves_meanwhile_is_not_brought_back(tab: Tab, end: str) -> None:
    calls = sent(
        tab,
        f"""let answer;
        await stats(50);
        connect({{ peerconnection: {{ getStats: () => new Promise((r) => {{ answer = r; }}) }} }});
        await world.advance(10000);
        await stats(60);
        {end};
        answer(makeReport(argument));
        await world.advance(60000);""",
        [video(100, 1)],
    )
    assert [call["body"]["session"].get("end") for call in calls] == [None, {"reason": "left"}]


def test_who_comes_back_meanwhile_brings_nothing_from_before(tab: Tab) -> None:
    calls = sent(
        tab,
        """let answer;
        await stats(50);
        connect({ peerconnection: { getStats: () => new Promise((r) => { answer = r; }) } });
        await world.advance(10000);
        await stats(60);
        room.emit("conference.left");
        room.emit("conference.joined");
        answer(makeReport(argument));
        await world.advance(5000);
        connect(undefined);
        await stats(70);""",
        [video(100, 1)],
    )
    pushes = [call for call in calls if "metrics" in call["body"]]
    assert values(pushes, "connectionquality") == [50, 70]


@pytest.mark.parametrize(
    ("count", "value"),
    [
        ("() => 7", 7),
        ("() => NaN", None),
        ('() => "3"', None),
        ("() => { throw new Error('no'); }", None),
        ("5", None),
        ("undefined", None),
    ],
)
def test_the_participants_are_those_that_the_room_counts(
    tab: Tab, count: str, value: int | None
) -> None:
    calls = sent(tab, f"room.getParticipantCount = {count}; room.stats(50)")
    assert values(calls, "conference_participants") == [value]


def test_a_bandwidth_of_0_is_none(tab: Tab) -> None:
    """Firefox has no estimate, and the library of 2021 began with 0; a bitrate of 0 is real."""
    calls = sent(
        tab,
        """room.emit("cq.local_stats_updated",
            { bandwidth: { upload: 0, download: 0 }, bitrate: { upload: 0 } })""",
    )
    assert values(calls, "bandwidth_upload") == [None]
    assert values(calls, "bandwidth_download") == [None]
    assert values(calls, "bitrate_upload") == [0]


HANDLERS = "JitsiMeetJS.app.analyticsHandlers"


def test_as_an_analytics_script_it_registers_a_handler_each_time(bare_tab: Tab) -> None:
    """jitsi-meet waits for one handler for each script that it loaded, also if loaded again."""
    bare_tab.run("window.JitsiMeetJS = { app: { analyticsHandlers: [] } };")
    for count in (1, 2):
        bare_tab.load_client()
        assert bare_tab.run(f"return {HANDLERS}.length;") == count
    # As jitsi-meet uses them.
    bare_tab.run(
        f"""for (const Handler of {HANDLERS}) {{
            const handler = new Handler({{ amplitudeAPPKey: "", group: "" }});
            handler.setUserProperties({{ region: "north" }});
            handler.sendEvent({{ action: "joined" }});
            handler.dispose();
        }}"""
    )


@pytest.mark.parametrize(
    "page",
    [
        "delete window.JitsiMeetJS",
        "window.JitsiMeetJS = null",
        "window.JitsiMeetJS = { app: {} }",
        "window.JitsiMeetJS = { app: { analyticsHandlers: Object.freeze([]) } }",
        "window.JitsiMeetJS = { app: { get analyticsHandlers() { throw new Error('no'); } } }",
        "window.JitsiMeetJS = { get app() { throw new Error('no'); } }",
    ],
)
def test_where_no_handler_can_be_registered_it_pushes_all_the_same(
    bare_tab: Tab, page: str
) -> None:
    bare_tab.run(f"{page};")
    bare_tab.load_client()
    assert values(sent(bare_tab, "room.stats(50)"), "connectionquality") == [50]
