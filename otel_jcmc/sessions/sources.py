"""
Removes the id of an erased participant from sessions of other participants in the conference.

A client pushes the id of the participant whose stream it receives worst. So the sessions of other
participants may contain the id of the erased participant, in their latest attributes and in entries
of their logs. This file reads these values, and sources.lua replaces them by values without the id.
The script leaves a value alone if it has changed since it was read.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import CONFERENCE, WORST_SOURCE
from otel_jcmc.sessions.entry import ATTRIBUTES_AT
from otel_jcmc.sessions.theirs import Theirs
from otel_jcmc.store.commands import Command
from otel_jcmc.store.scripts import Script, script

SOURCES: Final[Script] = script("sessions/sources", touches_stays=False)
_ENTRIES_AT_ONCE: Final = 500
_decode: Final = msgspec.msgpack.Decoder().decode
_encode: Final = msgspec.msgpack.Encoder().encode

Run = Callable[[list[Command]], Awaitable[list[Any]]]


async def forget_sources(run: Run, base: str, sid: str, theirs: Theirs) -> None:
    """
    Remove the ids of the participants of *theirs* from the session *sid*.

    *base* is the prefix of the keys of the session's partition.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    about, who, samples = (f"{base}{kind}:{sid}" for kind in ("about", "who", "samples"))
    known = await run([("GET", about), ("GET", who)])
    conference = next(filter(None, map(_conference_of, known)), "")
    if not conference:
        return
    pairs = [
        (key, value, without)
        for key, value in zip((about, who), known, strict=True)
        if value and (without := _without(value, conference, theirs))
    ]
    await _put(run, base, sid, pairs)
    start = 0
    while True:
        (entries,) = await run([("LRANGE", samples, start, start + _ENTRIES_AT_ONCE - 1)])
        changed = _changed(entries, conference, theirs)
        await _put(run, base, sid, [(samples, *pair) for pair in changed])
        if len(entries) < _ENTRIES_AT_ONCE:
            return
        # Redis may remove some of the oldest entries during the read, and all others then move
        # forward. Therefore the next step reads half of the entries again, so that it misses none.
        start += _ENTRIES_AT_ONCE // 2


async def _put(run: Run, base: str, sid: str, pairs: list[tuple[str, bytes, bytes]]) -> None:
    """Run sources.lua for each (key, old value, new value) of *pairs*."""
    counted = (f"{base}session:{sid}", f"{base}bytes")
    commands: list[Command] = [
        ("EVALSHA", SOURCES.sha, 3, key, *counted, before, after) for key, before, after in pairs
    ]
    if commands:
        await run(commands)


def _changed(
    entries: list[bytes], conference: str, theirs: Theirs
) -> Iterator[tuple[bytes, bytes]]:
    """Yield (entry, entry without the id) for *entries* that name a participant of *theirs*."""
    for entry in entries:
        # A damaged entry is skipped: no reader can read an id in it.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            parts = _decode(entry)
            attributes = parts[ATTRIBUTES_AT] if len(parts) > ATTRIBUTES_AT else None
            if attributes and (without := _without(attributes, conference, theirs)):
                parts[ATTRIBUTES_AT] = without
                yield entry, _encode(parts)


def _without(attributes: bytes, conference: str, theirs: Theirs) -> bytes | None:
    """
    Return *attributes* without their worst source, if it is a participant of *theirs*.

    Otherwise return None.
    """
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        told = _decode(attributes)
        if (source := told.get(WORST_SOURCE.id)) and theirs.has(conference, source):
            del told[WORST_SOURCE.id]
            return _encode(told)
    return None


def _conference_of(attributes: bytes | None) -> str:
    """Return the name of the conference in the packed *attributes*; empty if not known."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return str(_decode(attributes).get(CONFERENCE.id, "")) if attributes else ""
    return ""
