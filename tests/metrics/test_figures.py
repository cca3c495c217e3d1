"""metrics/figures.py: what several processes count is one number, also when one is killed."""

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial

import pytest

from otel_jcmc.metrics import figures as module
from otel_jcmc.metrics.figures import Figures, Published, Publisher, add_counts
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.metrics.own import Telemetry, make_resource
from otel_jcmc.metrics.prometheus import render
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

NAME = "otel_jcmc.pushes"


def counted(number: int, size: int = 1) -> Figures:
    """Return figures that are as long as *size* says, each of them the same *number*."""
    return Figures(time.monotonic(), {NAME: {(str(key),): number for key in range(size)}})


def total(publisher: Publisher, key: str = "0") -> int:
    """Return the count of *key* over all whom *publisher* hears."""
    return add_counts([each.counts.get(NAME, {}) for each in publisher.hear()])[(key,)]


def forked(run: Callable[[], None]) -> int:
    """Return the id of a process that does *run* and ends."""
    if pid := os.fork():
        return pid
    try:
        run()
    finally:
        os._exit(0)


def tell(published: Published, slot: int, number: int) -> None:
    """Publish figures as the process at *slot*."""
    published.at(slot).publish(counted(number))


def test_who_asks_hears_all_others_as_they_are_now() -> None:
    published = Published(3)
    reader = published.at(2)
    assert [each.counts for each in reader.hear()] == [{}, {}, {}]
    for slot, number in ((0, 1), (1, 10), (0, 2), (0, 3)):
        pid = forked(partial(tell, published, slot, number))
        os.waitpid(pid, 0)
    # Those in one place one after the other have each counted by themselves.
    assert total(reader) == 1 + 2 + 3 + 10


def test_who_follows_goes_on_and_its_gauges_are_its_own() -> None:
    published = Published(2)
    published.at(0).publish(Figures(time.monotonic(), {NAME: {("a",): 5}}, {"open": 7}))
    successor = published.at(0)
    (before, _) = successor.hear()
    assert before.counts == {NAME: {("a",): 5}}
    assert not before.levels
    assert not before.is_fresh
    for number in (1, 2):
        successor.publish(Figures(time.monotonic(), {NAME: {("a",): number, ("b",): 1}}))
        (_, heard) = published.at(1).hear()
        assert heard.counts == {NAME: {("a",): 5 + number, ("b",): 1}}
        assert heard.is_fresh


def test_a_writer_that_is_killed_at_any_moment_leaves_what_is_whole() -> None:
    """Each figure of one that was written is the same: half of one would show two."""
    chance = random.Random(7)
    published = Published(2)
    reader = published.at(1)

    def write_on() -> None:
        publisher, number = published.at(0), 0
        while True:
            number += 1
            publisher.publish(counted(number, chance.randrange(50, 400)))

    last = 0
    for _ in range(60):
        pid = forked(write_on)
        until = time.monotonic() + chance.uniform(0.002, 0.03)
        while time.monotonic() < until:
            reader.hear()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        (_, heard) = reader.hear()
        # Those of some size were counted by all before, the others by some.
        values = [heard.counts[NAME][(str(key),)] for key in range(50)] if heard.counts else []
        assert len(set(values)) <= 1
        assert sum(values[:1]) >= last
        last = sum(values[:1])
    assert last > 100


def test_a_reader_beside_a_writer_never_sees_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PLACE_BYTES", 65_536)
    monkeypatch.setattr(module, "_HALF_BYTES", 32_768)
    published = Published(2)

    def write_on() -> None:
        publisher = published.at(0)
        for number in range(100_000):
            publisher.publish(counted(number, 200))

    pid = forked(write_on)
    reader, seen = published.at(1), set()
    until = time.monotonic() + 1
    while time.monotonic() < until:
        (_, heard) = reader.hear()
        seen.add(len(set(heard.counts.get(NAME, {}).values())))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    # None yet, or all the same.
    assert seen <= {0, 1}
    assert 1 in seen


def test_what_is_too_large_is_said_once_and_what_was_told_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    published = Published(2)
    publisher = published.at(0)
    publisher.publish(counted(3))
    for _ in range(2):
        publisher.publish(counted(4, 200_000))
    assert total(published.at(1)) == 3
    (line,) = caplog.records
    assert "too many" in line.getMessage()


def report(loss: float, region: str) -> Report:
    numbers: list[object] = [None] * 60
    numbers[9] = loss
    return Report("standup", "", "ada", Session("s"), {69: region}, numbers)


def telemetry(kind: str = "worker", hear: module.Hear = list) -> Telemetry:
    made = Telemetry(
        make_resource("x", "", "one"), histograms=Histograms(), started=kind, hear=hear
    )
    made.expect(["prometheus"])
    return made


def count(into: Telemetry, number: int) -> None:
    """Let *into* count something of every kind, more with a larger *number*."""
    for _ in range(number):
        into.count_push("accepted")
        into.count_dropped(["not_a_number"])
        into.record_batch(0.003 * number)
        assert into.fleet is not None
        into.fleet.count(report(number, f"region-{number % 2}"))


def lines(of: Telemetry) -> set[str]:
    """Return what is told of *of* and those whom it hears, but for what differs by process."""
    text = of.exposition(openmetrics=False).decode()
    told = [line for line in text.splitlines() if "process_starts" not in line]
    return {*told, *b"".join(render((), b"", of.families())).decode().splitlines()}


def test_three_processes_tell_what_one_tells_that_has_counted_all() -> None:
    published, alone = Published(3), telemetry("serve")
    for number in (1, 2, 4):
        count(alone, number)
    for slot, number in ((0, 1), (1, 2), (1, 4)):
        worker = telemetry()
        count(worker, number)
        publisher = published.at(slot)
        publisher.publish(worker.figures())
    reader = telemetry("reader", published.at(2).hear)
    reader.count_connections = alone.count_connections = lambda: 1
    assert lines(reader) == lines(alone)
    starts = [
        line.split()[-1]
        for line in reader.exposition(openmetrics=False).decode().splitlines()
        if line.startswith("otel_jcmc_process_starts_total{")
    ]
    assert sorted(starts) == ["1.0", "3.0"]


def test_gauges_are_added_or_the_least_or_of_who_knows() -> None:
    published = Published(3)
    for slot, is_up in ((0, True), (1, False)):
        worker = telemetry()
        worker.count_connections = lambda: 5
        worker.store_up = is_up
        published.at(slot).publish(worker.figures())
    reader = telemetry("reader", published.at(2).hear)
    reader.count_connections, reader.store_up, reader.participants = (lambda: 2), True, 9
    text = reader.exposition(openmetrics=False).decode()
    assert "\notel_jcmc_connections 12.0\n" in text
    assert "\notel_jcmc_store_up 0.0\n" in text
    assert "\notel_jcmc_participants 9.0\n" in text
