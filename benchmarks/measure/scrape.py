"""
The cost of one scrape of 10,000 participants, in each form of the request.

One form has no headers, the others have Prometheus's. These are measured when no participant has
pushed since the last scrape, when one in ten has, and when all have. The last is the usual case:
browsers push every 10 s, and Prometheus scrapes every 15 s.
"""

from typing import NamedTuple

from benchmarks.report.bench import Bench
from benchmarks.service.running import (
    LASTING,
    PARTICIPANTS,
    PROMETHEUS,
    SERVICE,
    STORE,
    Running,
    Scraped,
    running,
)

OPENMETRICS = "OpenMetrics, gzip"
TARGET_PLAIN_MS, TARGET_OPENMETRICS_MS, TARGET_TENTH_MS = 90, 150, 60


class Form(NamedTuple):
    """One way to be scraped: what is asked for, and how many of ten have pushed before."""

    name: str
    headers: dict[str, str]
    tenths: int
    target_ms: float | None


FORMS = (
    Form("plain text", {}, 0, TARGET_PLAIN_MS),
    Form(OPENMETRICS, PROMETHEUS, 0, TARGET_OPENMETRICS_MS),
    Form(f"{OPENMETRICS}, one in ten has pushed", PROMETHEUS, 1, TARGET_TENTH_MS),
    Form(f"{OPENMETRICS}, all have pushed", PROMETHEUS, 10, TARGET_OPENMETRICS_MS),
)


def measure(bench: Bench) -> None:
    """Scrape the series of the original's page, then those of this project's client file."""
    for body, series_each in (("wire", 13), ("client", 30)):
        with running(**LASTING) as service:
            bench.say(f"filling in {PARTICIPANTS} participants")
            service.fill(PARTICIPANTS, body=body)
            first = service.scrape()
            series = first.series
            if series != series_each * PARTICIPANTS:
                raise RuntimeError(f"{series} series of {PARTICIPANTS} participants")
            what = f"{series_each} series each"
            bench.add(f"{what}: the first scrape of all", [1e3 * first.seconds], "ms")
            taken = [
                _measure_form(bench, service, what, form, body, series)
                for form in (FORMS if body == "wire" else (FORMS[0], FORMS[-1]))
            ]
        bench.add_ratio(f"{what}: OpenMetrics, all have pushed / plain", taken[-1], taken[0])
        if body == "wire":
            name = f"{what}: one in ten has pushed / all have pushed"
            bench.add_ratio(name, taken[2], taken[3])


def _measure_form(
    bench: Bench, service: Running, what: str, form: Form, body: str, series: int
) -> float:
    """Scrape in one *form*, add its figures, and return how long a scrape takes."""
    pushing = PARTICIPANTS * form.tenths // 10
    scraped: list[Scraped] = []
    cpu = {SERVICE: 0.0, STORE: 0.0}
    service.scrape(form.headers)
    watch = service.watch()
    for number in bench.rounds(10, 3):
        if pushing:
            # Another tenth each time.
            service.fill(pushing, first=number * pushing % PARTICIPANTS, body=body)
        watch.read()
        scraped.append(service.scrape(form.headers))
        usage = bench.note(watch.read())
        for role in cpu:
            cpu[role] += usage.cpu[role]
    # The kernel tells CPU in hundredths of a second: of all rounds together.
    over = 1e6 / len(scraped) / series
    name = f"{what}: {form.name}"
    target = form.target_ms if body == "wire" else None
    value = bench.add(name, [1e3 * each.seconds for each in scraped], "ms", target)
    bench.add(f"{name}: CPU a series", [over * sum(cpu.values())], "µs")
    bench.add(f"{name}: size", [len(scraped[-1].body) / 1e6], "MB")
    return value
