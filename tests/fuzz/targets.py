"""What is tried in this process, by name."""

from collections.abc import Sequence
from random import Random

from fuzz import corpus, edges, mutations, push
from fuzz.engine import Target


def _mutate_push(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Return a worse push, and now and then only worse bytes."""
    if chance.random() < 0.05:
        return edges.mutate(data, chance, others)
    return mutations.mutate(data, chance, others)


def _seeds(target: str, known: Sequence[bytes]) -> list[bytes]:
    return [*known, *corpus.found(target)]


TARGETS = {
    "push": Target(push.check, corpus.pushes, _mutate_push),
    "stored": Target(edges.check_stored, lambda: _seeds("stored", edges.stored()), edges.mutate),
    "agent": Target(
        edges.check_user_agent, lambda: _seeds("agent", edges.USER_AGENTS), edges.mutate
    ),
    "forwarded": Target(
        edges.check_forwarded, lambda: _seeds("forwarded", edges.FORWARDED), edges.mutate
    ),
    "accept": Target(edges.check_accept, lambda: _seeds("accept", edges.ACCEPTS), edges.mutate),
}
