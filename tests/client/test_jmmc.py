"""client/jmmc.js in a page with a call, without a call, or hostile. No real time."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from client.pages import Origin, Tab

SAMPLES = Path(__file__).parents[1] / "samples"
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
JMMC = "/jmmc/getClient"
OPENING = {"br": "?", "os": "?", "pid": "1a2b3c4d"}
# A step of ten seconds, as the library's.
STEP = "async (q, more) => { room.stats(q, more); await world.advance(10000); }"


@pytest.fixture(scope="module")
def module_tab(browser: Any, module_origin: Origin) -> Any:
    from client.pages import opened_tab

    with opened_tab(browser, module_origin) as tab:
        tab.load_client({"version": "1"}, JMMC)
        yield tab


def sent(tab: Tab, body: str, argument: Any = None) -> list[dict[str, Any]]:
    """Return the requests by the end of *body*, which has `world`, `room` and `step`."""
    calls: list[dict[str, Any]] = tab.run(
        f"""delete window.APP;
        const world = Object.assign(makeWorld(), {{ token: () => world.jwt }});
        const room = makeRoom();
        room.stats = (connectionQuality, more) =>
            room.emit("cq.local_stats_updated", {{ connectionQuality, ...more }});
        const step = {STEP};
        setPage(room);
        otelJmmc.start(world);
        {body};
        await world.advance(0);
        const calls = sentJmmc(world);
        otelJmmc.stop();
        return calls;""",
        argument,
    )
    return calls


def said(calls: list[dict[str, Any]]) -> list[tuple[float, Any]]:
    """Return the time and content of each push: `open`, or its metrics."""
    told: list[tuple[float, Any]] = []
    for call in calls:
        assert call["body"]["conf"] == "standup"
        m = call["body"]["m"]
        if "br" in m:
            assert m == OPENING
            told.append((call["at"], "open"))
        else:
            assert m["pid"] == "1a2b3c4d"
            told.append((call["at"], {key: m[key] for key in m if key != "pid"}))
    return told


def read(tab: Tab, stats: str, me: str, *, addresses: bool = False) -> dict[str, Any]:
    """Return the known values that are read from a recorded event."""
    found: dict[str, Any] = tab.run(
        "return otelJmmc.readStats(revive(JSON.parse(argument[0])), argument[1], argument[2])",
        [stats, me, addresses],
    )
    return {path: value for path, value in found.items() if value is not None}


def recorded(sample: str, line: int) -> str:
    """Return the statistics in one *line* of a sample, unchanged."""
    text = (SAMPLES / f"{sample}.jsonl").read_text(encoding="utf-8").splitlines()[line - 1]
    return json.dumps(json.loads(text)["data"])


# Reading


def test_a_bridges_event_is_read(tab: Tab) -> None:
    """Not the library's upload loss, which is always 0; of simulcast the largest layer."""
    assert read(tab, recorded("head-jvb-vp8-360", 25), "c0ce0ba6") == {
        "cq": 19.42997142857087,
        "u.bw": 291,
        "u.ab": 24,
        "u.vb": 141,
        "d.bw": 3252,
        "d.ab": 22,
        "d.vb": 177,
        "d.pl": 9,
        "res.h": 180,
        "res.w": 320,
        "cdc.a": "opus",
        "cdc.v": "VP8",
        "t.tp": "udp",
    }


def test_a_peer_to_peer_event_is_read_with_its_addresses_where_they_are_wanted(tab: Tab) -> None:
    told = read(tab, recorded("lyno-2021-p2p", 11), "c5a632b5", addresses=True)
    assert told == {
        "cq": 100,
        "u.bw": 233,
        "u.ab": 25,
        "u.vb": 207,
        "d.ab": 24,
        "d.vb": 146,
        "d.pl": 6,
        "cdc.a": "opus",
        "cdc.v": "VP8",
        "t.tp": "udp",
        "t.ip": 0xC0000202,
        "t.p": 34563,
        "t.lip": 0xC0000202,
        "t.lp": 52475,
    }


@pytest.mark.parametrize("sample", sorted(path.stem for path in SAMPLES.glob("*.jsonl")))
def test_every_recorded_event_is_read_as_the_wire_takes_it(tab: Tab, sample: str) -> None:
    for line in (SAMPLES / f"{sample}.jsonl").read_text(encoding="utf-8").splitlines():
        stats = json.loads(line)["data"]
        if isinstance(stats, list):
            continue  # a browser's report
        for me in stats.get("codec") or ["x"]:
            for path, value in read(tab, json.dumps(stats), me, addresses=True).items():
                if path in ("cdc.a", "cdc.v", "t.tp", "t.sr"):
                    assert 0 < len(value) <= 64
                else:
                    assert isinstance(value, int | float)
                    assert value >= 0


@pytest.mark.parametrize(
    "endpoint",
    ["[2001:db8::1]:5000", "2001:db8::1:5000", "a1b2.local:5000", "1.2.3:5", "", None, 5, {}, "x"],
)
def test_what_is_no_ipv4_address_is_left_out(tab: Tab, endpoint: Any) -> None:
    """On this wire an address is a number."""
    stats = json.dumps({"transport": [{"ip": endpoint, "localip": endpoint}]})
    assert read(tab, stats, "x", addresses=True) == {}


@pytest.mark.parametrize("type_", ["udp", "tcp", "ssltcp"])
def test_the_transports_protocol_is_one_of_two(tab: Tab, type_: str) -> None:
    stats = json.dumps({"transport": [{"type": type_}], "serverRegion": "eu-west"})
    assert read(tab, stats, "x") == {"t.tp": type_[-3:], "t.sr": "eu-west"}


@pytest.mark.parametrize(
    "stats",
    [
        *("null", "5", '"x"', "[]", '{"transport": 5, "codec": 5, "resolution": {"x": 5}}'),
        '{"bandwidth": {}, "bitrate": null, "transport": []}',
        '{"bandwidth": {"upload": 0, "download": 0}, "serverRegion": null}',
        '{"connectionQuality": null, "codec": {"x": null}, "resolution": {"x": {"1": null}}}',
    ],
)
def test_statistics_of_any_shape_are_read(tab: Tab, stats: str) -> None:
    assert read(tab, stats, "x") == {}


# When it pushes what


def test_a_session_is_opened_then_the_first_metrics_go_then_each_three_samples(tab: Tab) -> None:
    """Numbers are averages of the three, and only changes are pushed."""
    calls = sent(
        tab,
        """const next = (q, download) => step(q, {
            packetLoss: { upload: 0, download: 1 },
            serverRegion: "eu",
            bandwidth: { upload: 300, download } });
        await next(50, 900);
        for (const q of [60, 70, 90]) await next(q, q * 10);
        for (const q of [10, 20.5, 20]) await next(q, NaN);""",
    )
    assert said(calls) == [
        (0, "open"),
        (0, {"cq": 50, "u": {"bw": 300}, "d": {"bw": 900, "pl": 1}, "t": {"sr": "eu"}}),
        (30_000, {"cq": 73.3, "d": {"bw": 733.3}}),
        (60_000, {"cq": 16.8, "d": {"bw": None}}),
    ]
    assert len({call["uid"] for call in calls}) == 1
    assert re.fullmatch(GUID, calls[0]["uid"])
    assert calls[0]["url"] == "https://metrics.example.org/metrics/push"


def test_what_is_not_known_of_a_sample_is_no_part_of_its_average(tab: Tab) -> None:
    calls = sent(
        tab,
        """await step(50);
        await step(NaN, { bitrate: { audio: { upload: 20 } } });
        await step(70);
        await step(80, { bitrate: { audio: { upload: 40 } } });""",
    )
    assert said(calls)[2:] == [(30_000, {"cq": 75, "u": {"ab": 30}})]


def test_what_is_no_average_is_the_last_that_was_known(tab: Tab) -> None:
    calls = sent(
        tab,
        """const at = (height, video) => ({
            resolution: { "1a2b3c4d": { 7: { height, width: 2 * height } } },
            codec: { "1a2b3c4d": { 7: { video }, 8: { audio: "opus" } } } });
        await step(50, at(180, "VP8"));
        await step(50, at(360, "AV1"));
        await step(50, at(720, "AV1"));
        await step(50, { resolution: {} });""",
    )
    changed = {"res": {"h": 720, "w": 1440}, "cdc": {"v": "AV1"}}
    assert said(calls)[2:] == [(30_000, changed)]


def test_who_has_nothing_new_says_that_it_is_there(tab: Tab) -> None:
    calls = sent(tab, "for (let i = 0; i < 7; i++) await step(50)")
    assert said(calls)[2:] == [(30_000, {}), (60_000, {})]


def test_the_loss_on_the_way_up_is_what_the_other_side_reports(tab: Tab) -> None:
    calls = sent(
        tab,
        """const report = (lost, sent) => [
            { id: "r", type: "remote-inbound-rtp", localId: "o", packetsLost: lost },
            { id: "o", type: "outbound-rtp", packetsSent: sent },
            { id: "s", type: "remote-inbound-rtp", localId: "gone", packetsLost: 5 }];
        const counted = [[0, 100], [10, 200], [10, 300], [40, 400]];
        const connection = makeConnection(counted.map((each) => report(...each)));
        room.getActivePeerConnection = () => connection;
        for (let i = 0; i < 4; i++) await step(50);""",
    )
    assert said(calls)[1:] == [
        (0, {"cq": 50, "u": {"pl": 0}}),
        (30_000, {"u": {"pl": 13.3}}),
    ]


def test_another_connection_counts_from_nothing(tab: Tab) -> None:
    """For instance a peer after the bridge: each has counters of its own."""
    calls = sent(
        tab,
        """const connect = (lost, sent) => {
            const connection = makeConnection([[
                { id: "r", type: "remote-inbound-rtp", localId: "o", packetsLost: lost },
                { id: "o", type: "outbound-rtp", packetsSent: sent }]]);
            room.getActivePeerConnection = () => connection;
        };
        connect(10, 100);
        await step(50);
        room.emit("conference.left");
        room.emit("conference.joined");
        connect(5, 200);
        await step(50);""",
    )
    losses = [what["u"]["pl"] for _, what in said(calls) if what != "open"]
    assert losses == [10, 2.5]


def test_a_report_that_comes_after_leaving_is_nobodys(tab: Tab) -> None:
    calls = sent(
        tab,
        """const nothing = { peerconnection: { getStats: () => new Promise(() => {}) } };
        room.getActivePeerConnection = () => nothing;
        room.stats(10);
        await world.advance(500);
        room.emit("conference.left");
        room.emit("conference.joined");
        room.getActivePeerConnection = () => undefined;
        for (let i = 0; i < 3; i++) await step(70);""",
    )
    assert [what for _, what in said(calls)] == ["open", {"cq": 70}]


def test_a_connection_that_answers_no_report_costs_a_second(tab: Tab) -> None:
    calls = sent(
        tab,
        """const nothing = { peerconnection: { getStats: () => new Promise(() => {}) } };
        room.getActivePeerConnection = () => nothing;
        await step(50);""",
    )
    assert said(calls) == [(1000, "open"), (1000, {"cq": 50})]


def test_it_is_a_simple_request_with_credentials(tab: Tab) -> None:
    """The cookie names the session; the browser's default type for text needs no preflight."""
    for call in sent(tab, "await step(50)"):
        assert call["options"] == {
            "method": "POST",
            "credentials": "include",
            "referrerPolicy": "no-referrer",
        }


def test_a_token_is_in_the_body_where_pages_have_one(tab: Tab) -> None:
    calls = sent(tab, 'world.jwt = "a.b.c"; await step(50)')
    assert [call["body"]["token"] for call in calls] == ["a.b.c", "a.b.c"]


# Faults


@pytest.mark.parametrize("trouble", ['"reject"', '"throw"', '"nothing"', "500", "502"])
def test_what_was_not_taken_goes_with_the_next(tab: Tab, trouble: str) -> None:
    """Nothing piles up: one push has all changes since then."""
    calls = sent(
        tab,
        f"""await step(50);
        world.chance = 0.999;
        world.answers = [{trouble}, {trouble}, {trouble}];
        for (const q of [60, 60, 60]) await step(q, {{ bandwidth: {{ upload: 100 }} }});
        for (const q of [70, 70, 70]) await step(q, {{ packetLoss: {{ download: 2 }} }});""",
    )
    first = {"cq": 60, "u": {"bw": 100}}
    waited = [30_000, 30_999, 32_997]
    assert said(calls)[2:] == [
        *[(at, first) for at in waited],
        (36_993, first),
        (60_000, {"cq": 70, "d": {"pl": 2}}),
    ]


def test_a_server_that_never_answers_has_ten_seconds(tab: Tab) -> None:
    calls = sent(
        tab,
        'world.chance = 0; world.answers = ["deaf"]; room.stats(50); await world.advance(10000)',
    )
    assert said(calls) == [(0, "open"), (10_000, "open"), (10_000, {"cq": 50})]
    assert [call["aborted"] for call in calls] == [True, False, False]


def test_an_answer_that_comes_after_that_is_none(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.chance = 0;
        world.answers = ["deaf"];
        await step(50);
        await world.answer(0, 400);
        for (let i = 0; i < 3; i++) await step(60);""",
    )
    assert [what for _, what in said(calls)] == ["open", "open", {"cq": 50}, {"cq": 60}]


@pytest.mark.parametrize("status", [429, 503])
def test_it_comes_again_when_it_is_told_to(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        f"""await step(50);
        world.answers = [{{ status: {status}, headers: {{ "Retry-After": "7" }} }}];
        for (const q of [60, 60, 60]) await step(q);""",
    )
    assert said(calls)[2:] == [(30_000, {"cq": 60}), (37_000, {"cq": 60})]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_who_is_refused_comes_again_in_five_minutes(tab: Tab, status: int) -> None:
    calls = sent(
        tab,
        f"world.answers = [{status}]; for (let i = 0; i < 31; i++) await step(50)",
    )
    assert said(calls)[:3] == [(0, "open"), (300_000, "open"), (300_000, {"cq": 50})]


def test_a_session_that_the_server_does_not_know_is_opened_anew_with_all(tab: Tab) -> None:
    calls = sent(
        tab,
        """await step(50, { bandwidth: { upload: 100 }, serverRegion: "eu" });
        world.answers = [400];
        for (const q of [60, 60, 60]) await step(q);
        for (const q of [70, 70, 70]) await step(q);""",
    )
    assert said(calls)[2:] == [
        (30_000, {"cq": 60}),
        (30_000, "open"),
        (30_000, {"cq": 60, "u": {"bw": 100}, "t": {"sr": "eu"}}),
        (60_000, {"cq": 70}),
    ]


def test_who_keeps_no_cookies_is_not_opened_again_and_again(tab: Tab) -> None:
    """For instance because the browser forbids third-party cookies: each later push gets 400."""
    calls = sent(
        tab,
        """const fetch = world.fetch;
        world.chance = 0.999;
        world.fetch = undefined;
        otelJmmc.start({ ...world, fetch: (url, options) => {
            world.answers = ["br" in JSON.parse(options.body).m ? 200 : 400];
            return fetch(url, options);
        } });
        for (let i = 0; i < 360; i++) await step(50);""",
    )
    opened = [at for at, what in said(calls) if what == "open"]
    assert opened[:3] == [0, 0, 1998]
    assert len(opened) < 25  # in an hour
    assert opened[-1] - opened[-2] >= 299_000


def test_an_opening_that_is_refused_waits_longer_each_time(tab: Tab) -> None:
    """For instance because the conference's name is not an accepted one."""
    calls = sent(
        tab,
        "world.chance = 0.999; world.answers = Array(99).fill(400);"
        "for (let i = 0; i < 90; i++) await step(50)",
    )
    times = [at for at, _ in said(calls)]
    assert times[:5] == [0, 0, 1998, 5994, 13986]
    assert len(times) < 14


# Conferences


@pytest.mark.parametrize("event", ["conference.left", "conference.kicked", "conference.failed"])
def test_it_ends_with_the_conference(tab: Tab, event: str) -> None:
    """This wire format has no word for leaving: the server notices the silence."""
    calls = sent(
        tab,
        f"""await step(50);
        room.emit("{event}");
        for (let i = 0; i < 7; i++) await step(60);""",
    )
    assert said(calls) == [(0, "open"), (0, {"cq": 50})]


def test_what_is_on_its_way_when_it_ends_is_forgotten(tab: Tab) -> None:
    calls = sent(
        tab,
        """world.answers = ["pending"];
        room.stats(50);
        await world.advance(100);
        room.emit("conference.left");
        await world.answer(0, 200);
        await world.advance(5000);""",
    )
    assert said(calls) == [(0, "open")]
    assert calls[0]["aborted"]


def test_who_comes_back_opens_another_session(tab: Tab) -> None:
    calls = sent(
        tab,
        """await step(50);
        room.emit("conference.left");
        await step(60);
        room.emit("conference.joined");
        await step(70);""",
    )
    assert [what for _, what in said(calls)] == ["open", {"cq": 50}, "open", {"cq": 70}]


def test_another_room_is_another_session(tab: Tab) -> None:
    calls = sent(
        tab,
        """await step(50);
        const other = makeRoom({ name: "breakout" });
        setPage(other);
        await world.advance(1000);
        room.stats(60);
        other.emit("cq.local_stats_updated", { connectionQuality: 70 });
        if (room.listenerCount()) throw new Error("the first one is still followed");""",
    )
    assert [call["body"]["conf"] for call in calls] == ["standup"] * 2 + ["breakout"] * 2


def test_who_is_not_known_yet_is_not_told_of(tab: Tab) -> None:
    calls = sent(
        tab,
        """room.myUserId = () => undefined;
        await step(40);
        room.myUserId = () => "1a2b3c4d";
        room.joined = false;
        await step(50);
        room.joined = true;
        await step(60);""",
    )
    assert said(calls) == [(20_000, "open"), (20_000, {"cq": 60})]


@pytest.mark.parametrize(
    "page",
    [
        'window.APP = { get store() { throw new Error("no"); } }',
        'setPage({ on() { throw new Error("no"); }, off() { throw new Error("no"); } })',
        "setPage(null)",
        """setPage(new Proxy({}, { get(_, name) {
            if (name === "on") return (_event, listener) => listener({});
            throw new Error("no");
        } }))""",
    ],
)
def test_a_hostile_page_hears_nothing_of_it(tab: Tab, page: str) -> None:
    assert sent(tab, f"room.emit('conference.left'); {page}; await world.advance(5000)") == []


def test_statistics_that_throw_cost_themselves_alone(tab: Tab) -> None:
    calls = sent(
        tab,
        """room.emit("cq.local_stats_updated", { get bandwidth() { throw new Error("no"); } });
        room.getActivePeerConnection = () => { throw new Error("no"); };
        await step(50);
        await step(50);
        await step(50);""",
    )
    assert said(calls)[0] == (0, "open")
    assert said(calls)[2] == (20_000, {"cq": 50})


# In the page


@pytest.mark.parametrize("key", ["otel_jcmc.client_id", "jmmc_staticUserId"])
def test_it_pushes_beside_the_place_that_it_was_loaded_from(
    bare_tab: Tab, origin: Origin, key: str
) -> None:
    """By the browser's own fetch, with the id from another client, or from JMMC's."""
    known = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    bare_tab.run(f'localStorage.setItem("{key}", "{known}")')
    bare_tab.load_client({}, JMMC)
    bare_tab.run("const room = makeRoom(); window.room = room; setPage(room);")
    bare_tab.page.wait_for_timeout(1100)
    bare_tab.run("room.stats(50)")
    first, second = origin.wait_for(2, bare_tab.page)
    assert first.path == second.path == "/jmmc/push"
    assert first.headers["content-type"] == "text/plain;charset=UTF-8"
    assert "referer" not in first.headers
    assert first.push() == {"uid": known, "conf": "standup", "m": OPENING}
    assert second.push()["m"] == {"cq": 50, "pid": "1a2b3c4d"}


def test_it_pushes_where_the_settings_say(bare_tab: Tab, origin: Origin) -> None:
    url = f"{origin.url}/elsewhere/push"
    bare_tab.run("const room = makeRoom(); window.room = room; setPage(room, { jwt: 'a.b.c' });")
    bare_tab.load_client({"pushUrl": url, "sendJwt": True}, JMMC)
    bare_tab.run("room.stats(50)")
    first, _ = origin.wait_for(2, bare_tab.page)
    assert (first.path, first.push()["token"]) == ("/elsewhere/push", "a.b.c")


@pytest.mark.parametrize("loaded", [(JMMC, JMMC), ("/client-file", JMMC)])
def test_a_participant_is_told_of_once(
    bare_tab: Tab, origin: Origin, loaded: tuple[str, str]
) -> None:
    """Also if the file is loaded twice, or beside the other client."""
    bare_tab.run("const room = makeRoom(); window.room = room; setPage(room);")
    for path in loaded:
        bare_tab.load_client({}, path)
    bare_tab.run("room.stats(50)")
    wanted = 2 if loaded[0] == JMMC else 1
    origin.wait_for(wanted, bare_tab.page)
    bare_tab.page.wait_for_timeout(50)
    assert len(origin.requests) == wanted


def test_loaded_as_an_analytics_script_it_brings_a_handler(bare_tab: Tab) -> None:
    handlers = """window.JitsiMeetJS = { app: { analyticsHandlers: [] } };"""
    bare_tab.run(handlers)
    bare_tab.load_client({}, JMMC)
    names = bare_tab.run(
        """const [Handler] = JitsiMeetJS.app.analyticsHandlers;
        const handler = new Handler();
        handler.sendEvent({}); handler.setUserProperties({}); handler.dispose();
        return JitsiMeetJS.app.analyticsHandlers.length;"""
    )
    assert names == 1
