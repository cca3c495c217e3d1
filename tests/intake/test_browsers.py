"""User-Agent -> browser and system, in the words of ua-parser-js, as dashboards expect."""

import pytest
import ua_parser

from otel_jcmc.catalogue.attributes import BROWSER_NAME, OS_NAME, OS_VERSION
from otel_jcmc.intake import browsers
from otel_jcmc.intake.browsers import browser_and_system

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15"
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
WEBVIEW = f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) {KHTML}"


@pytest.mark.parametrize(
    ("user_agent", "browser", "system"),
    [
        (
            f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36",
            ("Chrome", "126.0.0.0"),
            ("Windows", "10"),
        ),
        (
            f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
            ("Edge", "126.0.0.0"),
            ("Windows", "10"),
        ),
        (
            f"{WINDOWS} JitsiMeet/2024.6.0 Chrome/124.0.6367.243 Electron/30.1.0 Safari/537.36",
            ("Electron", "30.1.0"),
            ("Windows", "10"),
        ),
        (
            f"{MAC} {KHTML} Chrome/126.0.0.0 Safari/537.36",
            ("Chrome", "126.0.0.0"),
            ("Mac OS", "10.15.7"),
        ),
        (
            f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            ("Safari", "17.5"),
            ("Mac OS", "10.15.7"),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            ("Firefox", "127.0"),
            ("Linux", None),
        ),
        (
            f"{LINUX} {KHTML} HeadlessChrome/126.0.0.0 Safari/537.36",
            ("Chrome Headless", "126.0.0.0"),
            ("Linux", None),
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KHTML} Chrome/126.0.0.0 Safari/537.36",
            ("Chrome", "126.0.0.0"),
            ("Chromium OS", "14541.0.0"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} Chrome/126.0.0.0 Mobile Safari/537.36",
            ("Chrome", "126.0.0.0"),
            ("Android", "10"),
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
            ("Firefox", "127.0"),
            ("Android", "14"),
        ),
        (
            f"{WEBVIEW} Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36",
            ("Chrome WebView", "126.0.6478.71"),
            ("Android", "14"),
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            ("Chrome", "126.0.6478.54"),
            ("iOS", "17.5.1"),
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
            ("Firefox", "127.0"),
            ("iOS", "17.5.1"),
        ),
        (
            f"{IPHONE} (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            ("Mobile Safari", "17.5"),
            ("iOS", "17.5.1"),
        ),
        ("curl/8.1", ("curl", "8.1"), (None, None)),
    ],
)
def test_a_browser_is_named_as_dashboards_know_it(
    user_agent: str, browser: tuple[str, str], system: tuple[str | None, str | None]
) -> None:
    told = browser_and_system(user_agent)
    # Ids in the catalogue: name and version of the browser, name and version of the system.
    assert (told.get(71), told.get(72)) == browser
    assert (told.get(73), told.get(74)) == system


@pytest.mark.parametrize("user_agent", ["", " ", "x" * 100_000, "\x00\xff\xfe" * 300, "(((((((("])
def test_what_is_no_user_agent_tells_nothing(user_agent: str) -> None:
    assert browser_and_system(user_agent) == {}


def test_only_the_first_512_characters_are_read() -> None:
    agent = f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36"
    assert browser_and_system(" " * (512 - len(agent)) + agent)[71] == "Chrome"
    assert browser_and_system(" " * 512 + agent) == {}


def test_nothing_is_told_but_text_under_the_four_ids() -> None:
    told = browser_and_system(f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36")
    assert told == {71: "Chrome", 72: "126.0.0.0", 73: "Windows", 74: "10"}


def test_what_is_remembered_of_user_agents_is_bounded() -> None:
    """4,096 of at most 512 characters, whatever clients push."""
    browsers._parsed.cache_clear()
    for number in range(10):
        browser_and_system("x" * 512 + str(number) * 100_000)
    assert browsers._parsed.cache_info().currsize == 1
    assert browsers._parsed.cache_info().maxsize == 4096


def test_warming_up_compiles_what_the_first_push_needs() -> None:
    browsers._resolver.cache_clear()
    browsers.warm()
    compiled = browsers._resolver.cache_info()
    browsers._parsed.cache_clear()
    browser_and_system(f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36")
    assert browsers._resolver.cache_info().misses == compiled.misses == 1


def test_the_parser_that_a_host_application_may_use_is_left_alone() -> None:
    browser_and_system(f"{WINDOWS} Chrome/126.0.0.0 Safari/537.36")
    assert "parser" not in vars(ua_parser)


def test_what_is_too_long_for_a_name_or_version_is_left_out() -> None:
    """They become labels, which a client must not fill with any text."""
    version = f"126.{'1' * 300}"
    assert browser_and_system(f"{WINDOWS} Chrome/{version} Safari/537.36") == {
        BROWSER_NAME.id: "Chrome",
        OS_NAME.id: "Windows",
        OS_VERSION.id: "10",
    }
