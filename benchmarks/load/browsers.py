"""
The browsers of a conference, and the head of the request that each sends for a push.

Chromium's head was recorded: the client file's `fetch()` of text/plain to another origin, without a
proxy between. Firefox and Safari send no client hints. SHARES are rounded from public statistics of
desktop and mobile use; Jitsi's own Electron app is added.
"""

from typing import Final, NamedTuple

_CHROMIUM: Final = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {} Safari/537.36{}"
_FIREFOX: Final = "Mozilla/5.0 ({}; rv:{}) Gecko/{} Firefox/{}"
_SAFARI: Final = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) {} Safari/{}"
_WINDOWS: Final = "Windows NT 10.0; Win64; x64"
_MAC: Final = "Macintosh; Intel Mac OS X 10_15_7"
_LINUX: Final = "X11; Linux x86_64"
_ANDROID: Final = "Linux; Android 10; K"
_IPHONE: Final = "iPhone; CPU iPhone OS {} like Mac OS X"
_ORIGIN: Final = "https://meet.example.org"


class Browser(NamedTuple):
    """
    One browser.

    Attributes:
        share: of a hundred participants, so many have it.
        hints: Chromium's client hints: brands, mobile, platform; none of another's.
    """

    share: int
    user_agent: str
    hints: tuple[str, str, str] | None = None


def _chromium(
    share: int, system: str, platform: str, version: int, brand: str = "", more: str = ""
) -> Browser:
    """Return Chrome or, with a *brand*, what is made of it; *more* ends its User-Agent."""
    mobile = " Mobile" if platform == "Android" else ""
    brands = ("Chromium", version), (brand or "Google Chrome", version), ("Not_A Brand", 99)
    said = ", ".join(f'"{name}";v="{number}"' for name, number in brands)
    user_agent = _CHROMIUM.format(system, f"Chrome/{version}.0.0.0{mobile}", more)
    return Browser(share, user_agent, (said, "?1" if mobile else "?0", f'"{platform}"'))


def _electron(share: int, system: str, platform: str) -> Browser:
    """Return Jitsi's own app, which is a Chromium too."""
    app = "JitsiMeet/2025.10.0 Chrome/138.0.7204.251 Electron/37.6.0"
    hints = '"Not)A;Brand";v="8", "Chromium";v="138"', "?0", f'"{platform}"'
    return Browser(share, _CHROMIUM.format(system, app, ""), hints)


def _firefox(share: int, system: str, version: str, gecko: str = "20100101") -> Browser:
    return Browser(share, _FIREFOX.format(system, version, gecko, version))


def _safari(share: int, system: str, version: str, webkit: str = "605.1.15") -> Browser:
    return Browser(share, _SAFARI.format(system, version, webkit))


BROWSERS: Final = (
    _chromium(25, _WINDOWS, "Windows", 142),
    _chromium(5, _WINDOWS, "Windows", 141),
    _chromium(10, _MAC, "macOS", 142),
    _chromium(3, _LINUX, "Linux", 142),
    _chromium(2, "X11; CrOS x86_64 14541.0.0", "Chrome OS", 142),
    _chromium(9, _ANDROID, "Android", 142),
    _chromium(2, _ANDROID, "Android", 141),
    _chromium(11, _WINDOWS, "Windows", 142, "Microsoft Edge", " Edg/142.0.0.0"),
    _chromium(1, _MAC, "macOS", 142, "Microsoft Edge", " Edg/142.0.0.0"),
    _chromium(2, _WINDOWS, "Windows", 138, "Opera", " OPR/122.0.0.0"),
    _electron(4, _WINDOWS, "Windows"),
    _electron(1, _MAC, "macOS"),
    _firefox(4, _WINDOWS, "144.0"),
    _firefox(1, "Macintosh; Intel Mac OS X 10.15", "144.0"),
    _firefox(2, "X11; Ubuntu; Linux x86_64", "140.0"),
    _firefox(1, "Android 15; Mobile", "144.0", "144.0"),
    _safari(5, _MAC, "Version/26.0.1"),
    _safari(2, _MAC, "Version/18.6"),
    _safari(6, _IPHONE.format("18_7"), "Version/26.0.1 Mobile/15E148", "604.1"),
    _safari(2, _IPHONE.format("18_6"), "Version/18.6 Mobile/15E148", "604.1"),
    _safari(2, _IPHONE.format("18_7"), "CriOS/142.0.7444.77 Mobile/15E148", "604.1"),
)
# Participant number n has the browser SHARES[n % 100].
SHARES: Final = tuple(browser for browser in BROWSERS for _ in range(browser.share))


def headers(browser: Browser, host: str, *, lean: bool) -> list[str]:
    """
    Return the lines of a push's head, without the request line.

    The length stands as `{length}`. *lean* is as little as a push needs, in place of what a
    browser sends.
    """
    agent = f"User-Agent: {browser.user_agent}"
    start = f"Host: {host}"
    length = "Content-Length: {length}"
    if lean:
        return [start, agent, "Content-Type: text/plain", length]
    kind = "Content-Type: text/plain;charset=UTF-8"
    accept, origin = "Accept: */*", f"Origin: {_ORIGIN}"
    fetch = ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"]
    language, keep = "Accept-Language: en-GB,en;q=0.9", "Connection: keep-alive"
    coding = "Accept-Encoding: gzip, deflate, br"
    if browser.hints:
        brands, mobile, platform = browser.hints
        return [
            *(start, keep, length, f"sec-ch-ua-platform: {platform}", agent),
            *(f"sec-ch-ua: {brands}", kind, f"sec-ch-ua-mobile: {mobile}", accept, origin),
            *(*fetch, f"{coding}, zstd", language),
        ]
    if "Firefox" in browser.user_agent:
        first = [start, agent, accept, language, f"{coding}, zstd", kind, length, origin, keep]
        return [*first, *reversed(fetch), "Priority: u=4"]
    return [start, accept, kind, origin, *fetch, agent, length, coding, language, keep]
