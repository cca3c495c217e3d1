"""The cost of summaries: bytes in Redis, the time to make one, and to count a year of them."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from urllib.request import urlopen

import redis

from benchmarks.load.order import Order
from benchmarks.report.bench import Bench
from benchmarks.service.running import LASTING, Running, running
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, MOS_ID
from otel_jcmc.sessions.entry import EPOCH_MS, encode, in_order
from otel_jcmc.sessions.leg import Leg
from otel_jcmc.sessions.summary import BESIDES_BYTES, Summary, Told, packed
from otel_jcmc.sessions.summing import Sum, row_of

SUMMARIES, DAYS, SAMPLES, FOLDS = 1_000_000, 365, 120, 200
RATE, TARGET_BYTES = 200, 400
_TEXTS = ("eu-west", "us-east", "ap-south"), ("Chrome 126", "Firefox 128", "Safari 18")


def measure(bench: Bench) -> None:
    """Fill a service with a year of summaries, and count them while others push."""
    bench.add(f"the making of one, {SAMPLES} samples", [_fold_us()], "µs")
    count = bench.choose(SUMMARIES, 20_000)
    with running(**LASTING, JCMC_SUMMARY_DAYS="400", JCMC_SUMMARY_MAX_BYTES=str(2**32)) as service:
        before = service.used_memory_bytes()
        bench.say(f"{count:,} summaries")
        _fill(service.store, count)
        each = (service.used_memory_bytes() - before) / count
        bench.add("a summary in Redis", [each], "bytes", TARGET_BYTES)
        order = Order("", 1000, rate=RATE, seconds=bench.choose(10, 2))
        alone, asked, took = [], [], []
        for _ in bench.rounds(3, 1):
            alone.append(service.load(order).p99)
            with ThreadPoolExecutor(1) as thread:
                asking = thread.submit(_ask, service)
                asked.append(service.load(order).p99)
                took.append(asking.result())
    bench.add(f"a year of {count:,}, by bridge and week", took, "s")
    bench.add("a push: p99", alone, "ms")
    bench.add("a push while they are counted: p99", asked, "ms")


def _fold_us() -> float:
    """Return the CPU time of one session's summary, from its log to the row."""
    numbers = [None] * LAST_METRIC_ID
    entries = []
    for number in range(SAMPLES):
        told: list[float | None] = [*numbers]
        told[0], told[11], told[MOS_ID - 1] = 91.5, 0.5, 4.3
        tally = [(915, 300, 0), (50, 300, 0), (40, 300, 0)]
        at_ms = EPOCH_MS + 30_000 * number
        entries.append(encode(at_ms, told, tally=tally, stretches=[[300, 0]], counts=[0, 0, 1]))
    leg = Leg("0" * 48, "session", EPOCH_MS, EPOCH_MS + 3_600_000, "left", 1, 0, "", 0)
    began = process_time()
    for _ in range(FOLDS):
        of = Sum({}, None, None)
        of.add(in_order(entries))
        row_of(leg, of, 30, names=False)
    return (process_time() - began) / FOLDS * 1e6


def _fill(store: redis.Redis, count: int) -> None:
    """Write *count* summaries, as many for each day and partition."""
    today = datetime.now(UTC).date()
    rows = _rows()
    each = count // DAYS // 4
    for ago in range(DAYS):
        day = (today - timedelta(days=ago)).isoformat()
        for part in range(4):
            some = [next(rows) for _ in range(each)]
            base = f"jcmc:{{{part:02d}}}:"
            store.rpush(f"{base}past:{day}", *some)
            size = sum(map(len, some)) + BESIDES_BYTES * len(some)
            store.hset(f"{base}past", f"past:{day}", size)


def _rows() -> Iterator[bytes]:
    """Return rows as calls of an hour have them, one in ten of them bad."""
    chance = random.Random(1)
    while True:
        is_bad = chance.random() < 0.1
        lasted = chance.randint(600, 60_000)
        bad = lasted // 5 if is_bad else 0
        vitals = [Told(chance.randint(700, 1000), lasted, bad, 300) for _ in range(3)]
        region, browser = (chance.choice(texts) for texts in _TEXTS)
        yield packed(
            Summary(
                chance.randint(50_000_000, 90_000_000), lasted, "left", "", "otel_jcmc", "", region,
                f"jvb-{chance.randint(1, 40)}", browser, "Windows", "wifi", "",
                2 if is_bad else 0, "uplink" if is_bad else "", vitals, (430, 380),
                [(lasted - bad, 0, 0), *([(bad, 2, 7)] if bad else [])],
                [("participant", bad)] if bad else [],
                (region, "jvb-3", "wifi") if bad else None, [0, 0, 12], 0,
            )
        )  # fmt: skip


def _ask(service: Running) -> float:
    """Ask for the year, and return how long the answer takes in seconds."""
    began = perf_counter()
    with urlopen(f"{service.service.url}/summaries?from=-365d&by=bridge&per=week") as answer:
        answer.read()
    return perf_counter() - began
