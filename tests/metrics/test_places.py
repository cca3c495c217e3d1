"""metrics/places.py: the figures of a process are complete whenever it is read or killed."""

import asyncio
import logging
import mmap
import random
import struct
import time

import pytest
from forking import end_of, fork, kill, run_forked

from otel_jcmc.metrics.figures import Counts, Figures
from otel_jcmc.metrics.places import FRESH_SECONDS, Places, keep_publishing

KILLS = 60
REGIONS = 40


def figures(number: int, regions: int = REGIONS) -> Figures:
    """Return figures in which every value is *number*."""
    counters: dict[str, dict[str | tuple[str, str], int]] = {
        "pushes": {("accepted", ""): number, ("refused", "not_json"): number},
        "looks": {"ok": number},
    }
    tables = {"loss": {f"region-{each}": [number / 2, number, number] for each in range(regions)}}
    return Figures(number, counters, {"connections": number}, tables)


def number_of(read: Figures | None) -> int:
    """Return the number that is everywhere in *read*; 0: nothing was published."""
    if read is None:
        return 0
    assert read == figures(read.since_unix_nano)
    return read.since_unix_nano


def large(number: int) -> Figures:
    """Return large figures, slow to write, with *number* from the first to the last byte."""
    return Figures(number, {f"{number:08d}" * 30_000: {}}, {}, {"loss": {"": [number]}})


def number_of_large(read: Figures | None) -> int:
    """Return the number that is everywhere in large figures; 0: nothing was published."""
    if read is None:
        return 0
    assert read == large(read.since_unix_nano)
    return read.since_unix_nano


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_known_of_a_place_before_it_is_published_in() -> None:
    places = Places(2)
    assert places[0].read() is None
    assert places.others(1)() == []


def test_what_one_process_publishes_others_read() -> None:
    places = Places(3)
    run_forked(lambda: places[0].publish(figures(1)))
    run_forked(lambda: places[2].publish(figures(3)))
    assert [number_of(each) for each in places.others(1)()] == [1, 3]
    assert [number_of(each) for each in places.others(2)()] == [1]


def test_a_writer_killed_at_any_instant_leaves_its_last_figures_whole() -> None:
    """Each successor continues from what the one before has published, without a loss."""
    place = Places(1)[0]
    done = mmap.mmap(-1, 8)
    instants = random.Random(4)
    last = 0

    def publish_on() -> None:
        number = number_of_large(place.read())
        while True:
            number += 1
            place.publish(large(number))
            struct.pack_into("<Q", done, 0, number)

    for _ in range(KILLS):
        child = fork(publish_on)
        while (read := place.read()) is None or read.since_unix_nano == last:
            time.sleep(0.0002)
        time.sleep(instants.random() / 1000)
        kill(child)
        (published,) = struct.unpack_from("<Q", done)
        left = number_of_large(place.read())
        assert left > last
        assert published <= left <= max(last, published) + 1
        last = left


@pytest.mark.parametrize(("before", "is_same"), [(1, False), (2, False), (256, True)])
def test_a_write_that_ends_anywhere_leaves_the_old_or_the_new(
    before: int,
    is_same: bool,  # noqa: FBT001  # a parameter of pytest's
) -> None:
    """
    The bytes of a write may arrive from the first on or, seen by another CPU, from the last.

    If nothing new was counted, only the sequence number is new.
    """
    place = Places(1, 4096)[0]
    memory = place._memory

    def publish(number: int) -> None:
        place.publish(figures(0 if is_same else number, 2))

    for number in range(1, before + 1):
        publish(number)
    old = memory[:]
    publish(before + 1)
    new = memory[:]
    changed = [at for at in range(len(new)) if old[at] != new[at]]
    found = set()
    for end in range(changed[0], changed[-1] + 2):
        for torn in (new[:end] + old[end:], old[:end] + new[end:]):
            memory[:] = torn
            # Another reader, without memory.
            place._read = None
            read = place._read_newest()
            assert read is not None
            assert read[1] == figures(0 if is_same else read[0].sequence, 2)
            found.add(read[0].sequence)
            publish(before + 2)
            read = place._read_newest()
            assert read is not None
            assert read[1] == figures(0 if is_same else before + 2, 2)
    assert found == {before, before + 1}


def test_a_reader_beside_a_writer_without_a_pause_never_goes_backwards() -> None:
    place = Places(1)[0]

    def publish_all() -> None:
        for number in range(1, 501):
            place.publish(large(number))

    child = fork(publish_all)
    found = [0]
    while found[-1] < 500:
        found.append(number_of_large(place.read()))
    assert found == sorted(found)
    assert len(set(found)) > 2
    assert end_of(child) == 0


def test_gauges_of_a_process_that_is_gone_are_not_known_and_its_counters_are() -> None:
    clock = Clock()
    places = Places(2, clock=clock)
    places[0].publish(figures(7))
    clock.now += FRESH_SECONDS
    (read,) = places.others(1)()
    assert read.gauges == {"connections": 7}
    clock.now += 0.1
    (read,) = places.others(1)()
    assert (read.gauges, read.counters, read.histograms) == (
        {},
        figures(7).counters,
        figures(7).histograms,
    )
    places[0].publish(figures(8))
    (read,) = places.others(1)()
    assert read.gauges == {"connections": 8}


def test_too_many_labels_leave_the_first_of_them_and_all_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "otel_jcmc")
    place = Places(1, 4096)[0]
    for number, regions in ((1, 200), (2, 201)):
        place.publish(figures(number, regions))
        read = place.read()
        assert read is not None
        assert (read.counters, read.gauges) == (figures(number).counters, {"connections": number})
        assert read.histograms == figures(number, regions // 4).histograms
    (told,) = caplog.messages
    assert told.endswith("too small for all labels; those that came last are missing from loss")
    many = figures(3, 10)
    failed: Counts = {("conference.failed", f"{each}" * 300): each for each in range(1, 9)}
    many.counters["joins_failed"] = failed
    place.publish(many)
    read = place.read()
    assert read is not None
    assert read.histograms == many.histograms
    assert [*read.counters["joins_failed"]] == [*failed][:4]
    assert read.counters["pushes"] == many.counters["pushes"]
    place.publish(figures(4, 2))
    assert place.read() == figures(4, 2)
    assert caplog.messages[1].endswith("are missing from joins_failed")
    assert caplog.messages[2:] == ["figures: all labels are shared again"]


@pytest.mark.anyio
async def test_the_last_figures_are_published_at_the_end() -> None:
    place = Places(1)[0]
    counted = [figures(1)]
    publishing = asyncio.create_task(keep_publishing(place, lambda: counted[-1]))
    await asyncio.sleep(0)
    assert number_of(place.read()) == 1
    counted.append(figures(2))
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert number_of(place.read()) == 2
