"""The client's requests as a server receives them, over the browser's network stack."""

from client.pages import Origin, Tab

CALL = "window.room = makeRoom(); setPage(room);"
HOOKED = "room.listenerCount() > 0"


def test_a_push_reaches_the_server_that_the_file_came_from(bare_tab: Tab) -> None:
    bare_tab.run(CALL)
    bare_tab.load_client()
    bare_tab.run("room.stats(97.5);")
    [request] = bare_tab.origin.wait_for(1, bare_tab.page)
    assert (request.method, request.path) == ("POST", "/metrics/push")
    assert request.headers["content-type"] == "text/plain;charset=UTF-8"
    assert request.push()["metrics"]["connectionquality"] == {"value": 97.5}


def test_another_origin_needs_no_preflight_and_learns_no_address(
    bare_tab: Tab, other_origin: Origin
) -> None:
    """The page's address may contain a conference's name and a token, and a cookie anything."""
    bare_tab.run(f"document.cookie = 'session=secret'; {CALL}")
    bare_tab.page.add_script_tag(url=other_origin.client_file())
    bare_tab.run("room.stats(97.5);")
    [request] = other_origin.wait_for(1, bare_tab.page)
    assert request.method == "POST"
    assert request.headers["origin"] == bare_tab.origin.url
    assert "referer" not in request.headers
    assert "cookie" not in request.headers
    assert bare_tab.origin.requests == []


def test_who_navigates_away_is_gone_at_once(bare_tab: Tab) -> None:
    """The last push outlives the page."""
    bare_tab.run(CALL)
    bare_tab.load_client()
    bare_tab.run("room.stats(97.5);")
    bare_tab.origin.wait_for(1, bare_tab.page)
    bare_tab.page.goto("about:blank")
    first, last = bare_tab.origin.wait_for(2, bare_tab.page)
    assert last.push()["default_labels"] == first.push()["default_labels"]
    assert last.push()["session"]["id"] == first.push()["session"]["id"]
    assert last.push()["session"]["seq"] == 1
    assert last.push()["session"]["end"] == {"reason": "closed"}


def test_a_leave_arrives_where_others_have_the_quota_of_what_outlives_a_page(
    bare_tab: Tab,
) -> None:
    """Chromium allows 64 KiB of such requests together, and rejects more."""
    bare_tab.run(CALL)
    bare_tab.load_client()
    bare_tab.run("room.stats(97.5);")
    bare_tab.origin.wait_for(1, bare_tab.page)
    rejected = bare_tab.run(
        """window.held = fetch("/hold",
            { method: "POST", keepalive: true, body: "x".repeat(65530) });
        return fetch("/hold", { method: "POST", keepalive: true, body: "more than is left" })
            .then(() => false, (error) => error instanceof TypeError);"""
    )
    assert rejected
    bare_tab.run('room.emit("conference.left");')
    first, last = bare_tab.origin.wait_for(2, bare_tab.page)
    bare_tab.origin.release.set()
    bare_tab.run("await held;")
    assert last.push()["session"]["id"] == first.push()["session"]["id"]
    assert last.push()["session"]["end"] == {"reason": "left"}


def test_a_file_that_loads_before_the_call_finds_it(bare_tab: Tab) -> None:
    """By the page's own clock: about a second."""
    bare_tab.load_client()
    bare_tab.run(CALL)
    bare_tab.page.wait_for_function(HOOKED, timeout=5000)
    bare_tab.run("room.stats(97.5);")
    bare_tab.origin.wait_for(1, bare_tab.page)


def test_a_wait_is_read_across_origins_where_the_server_exposes_it(
    bare_tab: Tab, other_origin: Origin
) -> None:
    """By default, a page may not read Retry-After."""
    other_origin.push_status = 503
    other_origin.push_headers = {
        "Retry-After": "40",
        "Access-Control-Expose-Headers": "Retry-After",
    }
    bare_tab.page.add_script_tag(url=other_origin.client_file())
    bare_tab.run(
        """window.world = makeWorld();
        const answers = [];
        const fetch = (...request) => {
            answers.push(window.fetch(...request));
            return answers[answers.length - 1];
        };
        window.room = makeRoom();
        setPage(room);
        otelJcmc.start({ ...world, fetch, url: argument });
        room.stats(97.5);
        await answers[0];
        await world.advance(39999);""",
        f"{other_origin.url}/metrics/push",
    )
    assert len(other_origin.requests) == 1
    bare_tab.run("await world.advance(1);")
    other_origin.wait_for(2, bare_tab.page)
