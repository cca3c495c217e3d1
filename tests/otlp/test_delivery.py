"""What waits for a receiver: read, removed, bounded, and delivered whatever it answers."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis

from otel_jcmc.otlp.delivery import Delivery
from otel_jcmc.otlp.outbox import Outbox, Waiting
from otel_jcmc.otlp.sender import Outcome, Sent
from otel_jcmc.sessions.span_marks import marked
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.link import Link
from otel_jcmc.traces.delivery import without_marks

pytestmark = pytest.mark.anyio

MANY = 10_000
TAKEN, AWAY = Sent(Outcome.TAKEN), Sent(Outcome.AWAY, "UNAVAILABLE")
REFUSED, BAD = Sent(Outcome.REFUSED, "HTTP 500"), Sent(Outcome.BAD, "HTTP 400")


class Box:
    """An outbox and its contents."""

    def __init__(self, server: EmbeddedStore, most: int = MANY) -> None:
        self.redis = redis.Redis.from_url(server.url)
        self.link = Link(server.url)
        self.outbox = Outbox(self.link, DEFAULT_KEYS, most)

    def put(self, partition: int, *spans: str) -> None:
        self.redis.rpush(f"jcmc:{{{partition:02d}}}:outbox", *spans)

    def held(self) -> list[str]:
        lists: list[Any] = [
            self.redis.lrange(f"jcmc:{{{each:02d}}}:outbox", 0, -1) for each in range(4)
        ]
        return [span.decode() for spans in lists for span in spans]


@pytest.fixture
async def box(redis_server: EmbeddedStore) -> AsyncIterator[Box]:
    made = Box(redis_server)
    yield made
    await made.link.close()
    made.redis.close()


def texts(found: list[Waiting]) -> list[str]:
    return [each.item.decode() for each in found]


async def test_the_oldest_of_each_list_come_first(box: Box) -> None:
    box.put(0, "a1", "a2", "a3")
    box.put(3, "d1")
    assert sorted(texts(await box.outbox.read(MANY, MANY))) == ["a1", "a2", "a3", "d1"]
    read = [texts(await box.outbox.read(1, MANY)) for _ in range(8)]
    # The lists take turns.
    assert {text for (text,) in read} == {"a1", "d1"}


async def test_a_batch_is_bounded_and_never_empty(box: Box) -> None:
    box.put(1, "x" * 60, "y" * 60, "z" * 60)
    assert [len(await box.outbox.read(most, size)) for most, size in ((2, MANY), (9, 120))] == [
        2,
        2,
    ]
    assert len(await box.outbox.read(9, 10)) == 1


async def test_what_is_removed_is_what_was_sent_and_nothing_else(box: Box) -> None:
    box.put(0, "a1", "a2", "a3")
    await box.outbox.remove([Waiting(0, b"a2"), Waiting(0, b"gone")])
    assert box.held() == ["a1", "a3"]


async def test_beyond_the_bound_the_oldest_of_the_longest_list_go(
    redis_server: EmbeddedStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    box = Box(redis_server, 4)
    box.put(0, *(f"a{number}" for number in range(6)))
    box.put(1, "b0", "b1")
    assert await box.outbox.bound() == 4
    assert box.held() == ["a4", "a5", "b0", "b1"]
    assert box.outbox.dropped == 4
    box.put(2, "c0")
    assert await box.outbox.bound() == 4
    assert box.outbox.dropped == 5
    assert caplog.messages == ["traces: JCMC_TRACES_WAITING spans wait: the oldest are dropped"]
    box.redis.flushall()
    assert await box.outbox.bound() == 0
    assert caplog.messages[1:] == ["traces: there is room for spans again"]
    await box.link.close()


async def test_what_waits_does_not_expire_while_somebody_tends_it(box: Box) -> None:
    box.put(0, "a")
    box.redis.pexpire("jcmc:{00}:outbox", 1000)
    await box.outbox.tend()
    assert box.redis.pttl("jcmc:{00}:outbox") > 600_000_000


# Deliveries.


class Receiver:
    """A receiver: what it accepted, and the size of each request."""

    def __init__(self, answer: Callable[[list[str]], Sent]) -> None:
        self.answer = answer
        self.took: list[str] = []
        self.sizes: list[int] = []

    def __call__(self, spans: list[bytes]) -> Sent:
        sent = self.answer([span.decode() for span in spans])
        self.sizes.append(len(spans))
        if sent.answer is Outcome.TAKEN:
            self.took += [span.decode() for span in spans]
        return sent


async def deliver(
    box: Box, receiver: Callable[[list[bytes]], Sent], most: int = 100
) -> tuple[Delivery, list[float]]:
    """Deliver until there is a pause; return the pauses."""
    delivery = Delivery(box.outbox, receiver)
    pauses = []
    for _ in range(most):
        pauses.append(await delivery.deliver())
        if pauses[-1]:
            break
    return delivery, pauses


async def test_what_is_taken_is_removed_and_counted(box: Box) -> None:
    box.put(0, *(f"a{number}" for number in range(600)))
    receiver = Receiver(lambda _spans: TAKEN)
    delivery, _ = await deliver(box, receiver)
    assert receiver.sizes == [512, 88]
    assert len(set(receiver.took)) == 600
    assert box.held() == []
    assert delivery.counts == {"sent": 600, "rejected": 0}


async def test_the_mark_of_a_span_is_not_sent(box: Box) -> None:
    """The digest of a client is only for erasure."""
    waiting = marked(b"a1", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "0123456789ab" + "c" * 20)
    box.redis.rpush("jcmc:{00}:outbox", waiting)
    receiver = Receiver(lambda _spans: TAKEN)
    await deliver(box, without_marks(receiver))
    assert receiver.took == ["a1"]
    assert box.held() == []


async def test_what_is_taken_in_part_is_not_sent_again(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    box.put(0, "a", "b", "c")
    delivery, _ = await deliver(box, Receiver(lambda _spans: Sent(Outcome.TAKEN, rejected=2)))
    assert box.held() == []
    assert delivery.counts == {"sent": 1, "rejected": 2}
    assert caplog.messages == ["traces: the receiver rejects 2 spans; its own log says why"]


async def test_with_the_receiver_away_everything_waits_longer_and_longer(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    box.put(0, "a", "b")
    answers = [AWAY] * 12
    delivery = Delivery(box.outbox, Receiver(lambda _spans: answers.pop() if answers else TAKEN))
    pauses = [await delivery.deliver() for _ in range(12)]
    for number, pause in enumerate(pauses):
        longest = min(60, 2**number)
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 12
    assert box.held() == ["a", "b"]
    assert await delivery.deliver() == 0
    assert box.held() == []
    assert caplog.messages == [
        "traces: the receiver does not take spans: UNAVAILABLE",
        "traces: the receiver takes spans",
    ]


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(box: Box) -> None:
    box.put(0, "a")
    _, pauses = await deliver(box, Receiver(lambda _spans: AWAY._replace(after_seconds=120.0)))
    assert pauses == [120.0]


@pytest.mark.parametrize("answer", [BAD, REFUSED])
async def test_one_span_that_is_never_taken_goes_and_the_others_are_taken(
    box: Box, answer: Sent
) -> None:
    spans = [f"a{number}" for number in range(100)]
    box.put(0, *spans)
    receiver = Receiver(lambda spans: answer if "a37" in spans else TAKEN)
    delivery, _ = await deliver(box, receiver)
    assert set(receiver.took) == set(spans) - {"a37"}
    assert len(receiver.took) == 99
    assert box.held() == []
    assert delivery.counts == {"sent": 99, "rejected": 1}
    assert len(receiver.sizes) < 30


async def test_a_receiver_that_refuses_everything_with_500_loses_nothing(box: Box) -> None:
    spans = [f"a{number}" for number in range(100)]
    box.put(0, *spans)
    refuses = True
    receiver = Receiver(lambda _spans: REFUSED if refuses else TAKEN)
    delivery, pauses = await deliver(box, receiver)
    assert pauses[-1] >= 0.5
    assert box.held() == spans
    refuses = False
    while box.held():
        await delivery.deliver()
    assert len(receiver.took) == 100
    assert delivery.counts == {"sent": 100, "rejected": 0}


async def test_a_lone_span_that_is_refused_is_tried_again_with_pauses(box: Box) -> None:
    box.put(0, "a")
    receiver = Receiver(lambda _spans: REFUSED)
    delivery = Delivery(box.outbox, receiver)
    pauses = [await delivery.deliver() for _ in range(10)]
    assert len(receiver.sizes) == 5
    assert sum(pauses) > 10
    assert box.held() == ["a"]


async def test_what_was_sent_and_not_removed_is_sent_again_the_same(box: Box) -> None:
    """A kill between the receiver's answer and the removal has this effect."""
    box.put(0, "a")
    receiver = Receiver(lambda _spans: TAKEN)
    batch = await box.outbox.read(10, MANY)
    receiver([each.item for each in batch])
    await deliver(box, receiver)
    assert receiver.took == ["a", "a"]


async def test_two_who_send_at_once_remove_each_span_once(box: Box) -> None:
    """A lease that was lost during a request has this effect."""
    box.put(0, "a", "b")
    one = await box.outbox.read(10, MANY)
    two = await box.outbox.read(10, MANY)
    await box.outbox.remove(one)
    box.put(0, "c")
    await box.outbox.remove(two)
    assert box.held() == ["c"]
