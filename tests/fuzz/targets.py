"""The targets that run in this process, by name."""

from collections.abc import Callable, Sequence
from random import Random

from fuzz import corpus, edges, framing, jmmc, mutations, push, tokens
from fuzz.engine import Target


def _mutate_push(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Return a worse push, and now and then only worse bytes."""
    if chance.random() < 0.05:
        return edges.mutate(data, chance, others)
    return mutations.mutate(data, chance, others)


def _seeds(target: str, known: Sequence[bytes]) -> list[bytes]:
    return [*known, *corpus.found(target)]


def _header(name: str, check: Callable[[bytes], float], known: Sequence[bytes]) -> Target:
    """Return the target of a header."""
    limits = (edges.MAX_HEADER_SECONDS, edges.MAX_HEADER_BYTES)
    return Target(check, lambda: _seeds(name, known), edges.mutate, *limits)


TARGETS = {
    "push": Target(push.check, corpus.pushes, _mutate_push),
    "jmmc": Target(jmmc.check, lambda: _seeds("jmmc", jmmc.seeds(corpus.pushes())), _mutate_push),
    "framing": Target(framing.check, lambda: _seeds("framing", framing.seeds()), framing.mutate),
    "stored": Target(edges.check_stored, lambda: _seeds("stored", edges.stored()), edges.mutate),
    "agent": _header("agent", edges.check_user_agent, edges.USER_AGENTS),
    "forwarded": _header("forwarded", edges.check_forwarded, edges.FORWARDED),
    "token": Target(tokens.check, lambda: _seeds("token", tokens.seeds()), tokens.mutate),
    "accept": _header("accept", edges.check_accept, edges.ACCEPTS),
}
