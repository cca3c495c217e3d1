"""The cost of each stage of a push alone, in this process, in a loop: no socket, no store."""

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

from benchmarks.load.order import Order
from benchmarks.load.pushes import Pushes
from benchmarks.report.bench import Bench
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.intake.callers import PRIVATE, Callers
from otel_jcmc.intake.heads import RawHead
from otel_jcmc.intake.limits import Limits
from otel_jcmc.service.recording import make_recorder
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.simulate.client import Target
from otel_jcmc.store.participant import to_write
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.wire.push import PushParser, Report

# Few, because what a service looks at has just been read and is in the core's cache.
PUSHES = 100
TURNS = 200
LIMITS_TARGET_US = 2.4
PROXY = "127.0.0.1"


@dataclass
class Sample:
    """One push as the protocol hands it on."""

    head: RawHead
    body: bytes


def measure(bench: Bench) -> None:
    """Go through the same pushes stage by stage, in turns."""
    samples = _samples()
    limits = Limits(Callers(PRIVATE), 1e9, 1e9, 1e9, 10_000, 1000)
    parse = PushParser().parse
    reports = [_judged(parse(each.body)) for each in samples]
    writes = [to_write(each, 30_000) for each in reports]
    recorder = make_recorder(Settings(), "redis://127.0.0.1")
    assert recorder is not None
    for write, report in zip(writes, reports, strict=True):
        recorder.take(write, report)
    # Where sessions also become spans, which takes more of a push.
    for_spans = make_recorder(Settings(traces_exporter="otlp"), "redis://127.0.0.1")
    assert for_spans is not None
    agents = [each.head.user_agent() for each in samples]

    def take_limits() -> None:
        for sample, write in zip(samples, writes, strict=True):
            crowd = limits.find(PROXY, sample.head.forwarded(), 1.0)
            limits.admit(crowd, 1.0)
            limits.take_participant(write.member, 1.0)
            limits.has_seat(crowd, write.member, 1.0)
            recorder.goes_on(write)
            limits.count_live(crowd, write.member, 61.0)

    def record(by: Recorder) -> None:
        for write, report in zip(writes, reports, strict=True):
            by.take(write, report)

    stages: dict[str, Callable[[], object]] = {
        "browser's header": lambda: [each.head.user_agent() for each in samples],
        "parse and check": lambda: [parse(each.body) for each in samples],
        "browser and system": lambda: [browser_and_system(each) for each in agents],
        "digest and msgpack": lambda: [to_write(each, 30_000) for each in reports],
        "limits": take_limits,
        "history": lambda: record(recorder),
        "history and spans": lambda: record(for_spans),
    }
    seen: dict[str, list[float]] = {name: [] for name in stages}
    for _ in bench.rounds(9, 3):
        for name, stage in stages.items():
            before = process_time()
            for _ in range(TURNS):
                stage()
            seen[name].append((process_time() - before) / TURNS / PUSHES * 1e6)
    for name, rounds in seen.items():
        bench.add(name, rounds, "µs", LIMITS_TARGET_US if name == "limits" else None)


def _judged(report: Report) -> Report:
    """Return *report* with what is said of its call."""
    Judge().note(report.numbers, report.session.interval_ms, is_direct=False)
    return report


def _samples() -> list[Sample]:
    """Return pushes of as many participants, with a browser's and a proxy's head."""
    order = Order("http://127.0.0.1:3000", PUSHES)
    pushes = Pushes(Target(order.url), 0, order.participants)
    samples = []
    for _ in range(PUSHES):
        head, _, body = pushes.next().partition(b"\r\n\r\n")
        samples.append(Sample(RawHead(head + b"\r\n\r\n"), body))
    return samples
