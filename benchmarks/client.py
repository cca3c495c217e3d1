"""What the client file weighs, and what a sample of a real call takes from a page's main thread."""

import urllib.request
from pathlib import Path

from client.pages import Origin, running_chromium, running_origin
from playwright.sync_api import Browser, CDPSession

from benchmarks.bench import Bench, Running

SCRIPT = Path(__file__).with_suffix(".js")
FLAGS = (
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # names, that nothing here resolves
    "--autoplay-policy=no-user-gesture-required",
)
# The clock runs so fast that each sample is pushed: the client sends one a second at most.
START = """otelJcmc.start({
    now: ((began) => () => began + 100 * (performance.now() - began))(performance.now()),
    url: new URL('/metrics/push', argument).href,
    jitterMs: 0,
})"""


def measure(bench: Bench) -> None:
    """Take the file's size, then sample calls of some sizes in a real Chromium."""
    with (
        bench.running() as running,
        running_origin() as origin,
        running_chromium(*FLAGS) as browser,
    ):
        packed = urllib.request.Request(
            f"{running.service.url}/client-file", headers={"accept-encoding": "gzip"}
        )
        with urllib.request.urlopen(packed) as answer:
            bench.add("client file, compressed", [len(answer.read())], "B", 6000)
        for others in (2, 10, 40):
            rounds = [
                _sample_ms(bench, running, browser, origin, others) for _ in bench.rounds(3, 1)
            ]
            bench.add(f"main thread for a sample, {others} others in the call", rounds, "ms", 2)


def _sample_ms(
    bench: Bench, running: Running, browser: Browser, origin: Origin, others: int
) -> float:
    """Return what the client adds to a page that asks for the same report without it."""
    count = bench.choose(100, 30)
    page = browser.new_page()
    page.goto(f"{origin.url}/page")
    page.add_script_tag(path=SCRIPT)
    page.evaluate("async (others) => setCall(await makeCall(others))", others)
    page.add_script_tag(url=f"{running.service.url}/client-file")
    page.evaluate(f"(argument) => {START}", running.service.url)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    taken = {False: 0.0, True: 0.0}
    for is_told in (False, True, False, True):
        before = _busy_ms(devtools)
        page.evaluate("(asked) => sample(asked)", {"count": count, "isTold": is_told})
        taken[is_told] += _busy_ms(devtools) - before
    pushes = running.service.own('otel_jcmc_pushes_total{outcome="accepted",reason=""}') or 0
    if pushes < 2 * count:
        raise RuntimeError(f"{pushes:.0f} pushes of {2 * count} samples")
    page.close()
    return (taken[True] - taken[False]) / (2 * count)


def _busy_ms(devtools: CDPSession) -> float:
    """Return the CPU time of the page's main thread so far."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return 1000 * float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))
