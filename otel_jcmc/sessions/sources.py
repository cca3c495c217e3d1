"""
Removes an erased participant's id from the sessions of other participants of its conference.

Each client pushes the id of the participant whose stream it receives worst. This id is an attribute
of the client's own sessions: Redis has it in their latest attributes and in entries of their logs.
`forget_sources` reads these attributes and entries, and makes new values without the id. Then
sources.lua replaces each old value by the new value, unless the old value has changed meanwhile.
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
    Remove the participants of *theirs* from the attributes and log of another session, *sid*.

    All keys of the partition of *sid* begin with *base*.

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
        # Redis may remove some of the oldest entries during the read, and later entries then move
        # forward. So that none is missed, half of these entries are read again.
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
    """
    Return those of *entries* that name a participant of *theirs*.

    Each result is a pair: the entry as it is, and the entry without the name.
    """
    for entry in entries:
        # A damaged entry stays as it is: no reader can decode it, so it shows no name.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            parts = _decode(entry)
            attributes = parts[ATTRIBUTES_AT] if len(parts) > ATTRIBUTES_AT else None
            if attributes and (without := _without(attributes, conference, theirs)):
                parts[ATTRIBUTES_AT] = without
                yield entry, _encode(parts)


def _without(attributes: bytes, conference: str, theirs: Theirs) -> bytes | None:
    """
    Return the packed *attributes* without the participant whose stream was received worst.

    Return None if this participant is not of *theirs*, because then there is nothing to remove.
    """
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        told = _decode(attributes)
        if (source := told.get(WORST_SOURCE.id)) and theirs.has(conference, source):
            del told[WORST_SOURCE.id]
            return _encode(told)
    return None


def _conference_of(attributes: bytes | None) -> str:
    """Return the conference's name in the packed *attributes*; empty if they have no name."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return str(_decode(attributes).get(CONFERENCE.id, "")) if attributes else ""
    return ""
