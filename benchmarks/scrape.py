"""What one scrape of 10,000 participants costs, in the two forms that are asked for."""

from benchmarks.bench import PROMETHEUS, Bench, Running

PARTICIPANTS = 10_000
# Longer than any measurement: nobody is to expire in it.
LASTING = {"METRICS_EXPIRATION": "3600"}


def measure(bench: Bench) -> None:
    """Scrape a service that takes no pushes meanwhile."""
    with bench.running(**LASTING) as running:
        bench.say(f"filling in {PARTICIPANTS} participants")
        running.fill(PARTICIPANTS)
        body = running.scrape({}).body
        series = body.count(b"\njitsi_jcmc_")
        bench.add_rate("series in one scrape", [series], "")
        _measure_form(bench, running, "plain text", {}, series)
        _measure_form(bench, running, "OpenMetrics, gzip", PROMETHEUS, series)


def _measure_form(
    bench: Bench, running: Running, form: str, headers: dict[str, str], series: int
) -> None:
    """Scrape in one *form* and add its figures."""
    wall, service, store, size = [], [], [], []
    watch = running.watch()
    for _ in bench.rounds(10, 3):
        scraped = running.scrape(headers)
        usage = bench.note(watch.read())
        wall.append(1e3 * scraped.seconds)
        service.append(1e6 * usage.cpu["service"] / series)
        store.append(1e6 * usage.cpu["store"] / series)
        size.append(len(scraped.body) / 1e6)
    both = [sum(pair) for pair in zip(service, store, strict=True)]
    bench.add(f"{form}: a scrape", wall, "ms")
    bench.add(f"{form}: service and store CPU a series", both, "µs", 2)
    bench.add(f"{form}: service CPU a series", service, "µs")
    bench.add(f"{form}: size", size, "MB")
