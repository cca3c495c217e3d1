"""The memory of 10,000 live participants in the service and in the store; their sessions apart."""

from benchmarks.report.bench import Bench
from benchmarks.service.running import LASTING, PARTICIPANTS, SERVICE, Running, running

SCRAPES = 20
TARGET_MB, TARGET_STORE_BYTES = 140, 1000


def measure(bench: Bench) -> None:
    """Compare an idle service with one that is full and has been scraped, for both shapes."""
    for body, series_each in (("wire", 13), ("client", 30)):
        what = f"{PARTICIPANTS:,} live, {series_each} series each"
        with running(**LASTING) as service:
            service.fill(1_000, body=body)
            service.scrape()
            service.store.flushall()
            service.scrape()
            empty = service.rss_mb()
            with_session = _bytes_each(service, body)
            for _ in bench.rounds(SCRAPES, SCRAPES):
                service.scrape()
            full, store = service.rss_mb(), service.rss_mb("store")
            processes = len(service.families[SERVICE].members())
        with running(**LASTING, JCMC_HISTORY_HOURS="0") as service:
            service.fill(1_000, body=body)
            service.store.flushall()
            each = _bytes_each(service, body)
        target = TARGET_MB if body == "wire" else None
        if body == "wire":
            bench.add("service, no participant live", [empty], "MB")
        bench.add(f"service, {what}, after {SCRAPES} scrapes", [full], "MB", target)
        bench.add(f"processes of the service, {what}", [processes], "")
        bench.add(f"store, {what}", [store], "MB")
        bench.add(f"store, a participant of {series_each}", [each], "bytes", TARGET_STORE_BYTES)
        more = with_session - each
        bench.add(f"store, a session that begins, of {series_each}", [more], "bytes")


def _bytes_each(service: Running, body: str) -> float:
    """Let all participants push once, and return what each took of the store."""
    before = service.used_memory_bytes()
    service.fill(PARTICIPANTS, body=body)
    return (service.used_memory_bytes() - before) / PARTICIPANTS
