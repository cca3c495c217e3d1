"""
Two processes that took pushes of one session: what each wrote of it, put together.

In come items (items.py) that Redis did not take, since they stand on another state of their session
than it has, and what it has; out come items that stand on that. An interval of one process and an
interval of the other become one entry, and totals are of both.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions import items, pushes
from otel_jcmc.sessions.card import lines_text, read_card, write_card
from otel_jcmc.sessions.entry import EPOCH_MS, Stored, pack, unpack, with_told
from otel_jcmc.sessions.items import Item, Newest
from otel_jcmc.sessions.pushes import Push, begun_outages
from otel_jcmc.sessions.stretches import TENTH_MS, Stretch, time_of
from otel_jcmc.sessions.totals import Totals, add, new_totals, take_away
from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITALS, StoredTally, vitals

# Then an item is written whatever it stands on: more processes than these seldom write of one
# session within the same milliseconds.
MOST_TRIES: Final = 5
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Rebased(NamedTuple):
    """
    An item that stands on what Redis has.

    Attributes:
        former: its version before.
        totals, lines, attributes: of its session with it, *lines* as its card has them; attributes
            empty: as before.
    """

    packed: bytes
    member: str
    former: bytes
    version: bytes
    totals: Totals
    lines: bytes
    attributes: bytes


def rebased(
    conflicts: Iterable[tuple[bytes, Newest]], versions: Iterator[bytes], interval_ms: int
) -> list[Rebased]:
    """Return the items of *conflicts*, in the same order, as they can be written."""
    sessions: dict[bytes, _Session] = {}
    again = []
    told = [(items.unpack(packed), newest) for packed, newest in conflicts]
    # What was told last is the newest.
    latest = {item.name: newest for item, newest in told}
    for item, _ in told:
        session = sessions.get(item.name)
        if session is None:
            session = sessions[item.name] = _Session(latest[item.name], interval_ms)
        again.append(session.take(item, next(versions)))
    return again


class _Session:
    """A session as Redis has it, and as it will be."""

    def __init__(self, newest: Newest, interval_ms: int) -> None:
        """Begin with the *newest* of it."""
        self._by = newest.by
        self._attributes = newest.attributes
        self._entry = _unpacked(newest.entry)
        self._bytes = newest.entry
        self._interval_ms = interval_ms
        try:
            self._last_ms, self._totals, self._lines = read_card(newest.card)
        except ValueError:
            # There is none, or it is damaged.
            self._last_ms, self._totals, self._lines = 0, new_totals(), {}

    def take(self, item: Item, version: bytes) -> Rebased:
        """Return *item* as it stands on what there is, and let that go on with it."""
        former = item.version
        item.base, item.version = self._by[-items.VERSION_BYTES :] or items.NONE, version
        item.tries += 1
        item.flags &= ~items.REPLACES
        if item.tries > MOST_TRIES:
            item.flags |= items.FORCED
        attributes = b""
        if item.attributes:
            attributes = self._attributes = with_told(
                self._attributes, _decode_attributes(item.attributes)
            )
            item.attributes = attributes
        if item.entry:
            self._put(item, attributes)
        at_ms = max(item.at_ms, self._last_ms)
        self._last_ms = at_ms
        if item.card:
            self._lines |= read_card(item.card).lines
            item.card = write_card(at_ms, self._totals, lines_text(self._lines))
        if item.flags & items.FORCED:
            # What the others have counted meanwhile is in a newer one.
            item.card = b""
        self._by = version
        totals = deepcopy(self._totals)
        member = item.name.partition(b":")[0].decode()
        lines = lines_text(self._lines)
        return Rebased(items.pack(item), member, former, version, totals, lines, attributes)

    def _put(self, item: Item, attributes: bytes) -> None:
        """Make the entry of *item* one with the newest, or one after it; count it."""
        own = unpack(item.entry)
        if own.attributes is not None:
            own.attributes = attributes
        other = self._entry
        if other is not None and self._is_mergeable(item, own, other):
            _count(take_away, self._totals, other)
            allowed = None
            if item.flags & items.GUESSED:
                allowed = _tenths(other) + max(0, own.at - other.at)
            whole = _merge(other, own, allowed)
            item.flags |= items.REPLACES
            item.other = self._bytes
            item.at_ms = max(item.at_ms, EPOCH_MS + other.at * TENTH_MS)
            _count(add, self._totals, whole)
        else:
            if item.flags & items.GUESSED and self._last_ms:
                passed = max(0, own.at - (self._last_ms - EPOCH_MS) // TENTH_MS)
                _scale(own, min(passed, _tenths(own)))
            whole = own
            _count(add, self._totals, own)
        self._totals.outages += _more_outages(other, own)
        self._entry, self._bytes = whole, pack(whole)
        item.entry = self._bytes

    def _is_mergeable(self, item: Item, own: Stored, other: Stored) -> bool:
        """
        Say whether the newest entry is of others' pushes alone, and of the same time.

        That is the same interval, or two that overlap: each process has its own.
        """
        tag = item.version[: items.TAG_BYTES]
        tags = {
            self._by[at : at + items.TAG_BYTES]
            for at in range(0, len(self._by), items.VERSION_BYTES)
        }
        return (
            not item.flags & (items.ALONE | items.FORCED)
            and tag not in tags
            and _is_of_one_time(_in_turns(own), _in_turns(other), self._interval_ms)
        )


def _is_of_one_time(own: Sequence[Push], others: Sequence[Push], interval_ms: int) -> bool:
    """Say whether two that are in order overlap, or are within an interval together."""
    if not own or not others:
        return False
    begins = own[0].at_ms, others[0].at_ms
    ends = own[-1].at_ms, others[-1].at_ms
    return max(begins) <= min(ends) or max(ends) - min(begins) <= interval_ms


def _unpacked(entry: bytes) -> Stored | None:
    """Return *entry* as it is stored, None if there is none or it is damaged."""
    try:
        return unpack(entry) if entry else None
    except ValueError:
        return None


def _count(how: Any, totals: Totals, entry: Stored) -> None:
    """Add what is in *entry* to *totals*, or take it away; but for outages."""
    tally = [*(entry.tally or ()), *[None] * len(VITALS)][: len(VITALS)]
    times = [time_of(msgspec.structs.astuple(each)) for each in entry.stretches or ()]
    how(totals, tally, _extreme(entry, entry.worst), times, entry.counts or ())


def _extreme(entry: Stored, told: Sequence[int | None] | None) -> list[int | None]:
    """Return worst or best of *entry*: those of its last push where nothing is *told*."""
    if told is not None:
        return [*told]
    numbers = [*entry.numbers, *[None] * LAST_METRIC_ID][:LAST_METRIC_ID]
    # They are whole in an entry.
    return [None if each is None else int(each) for each in vitals(numbers)]


def _tenths(entry: Stored) -> int:
    """Return for how long all pushes of *entry* stand."""
    return sum(each.tenths for each in entry.stretches or ())


def _scale(entry: Stored, wanted: int) -> None:
    """Let the pushes of *entry* stand for as many tenths as *wanted*, about."""
    tenths = _tenths(entry)
    if not tenths:
        return
    entry.tally = [
        each and (each[0], each[1] * wanted // tenths, each[2] * wanted // tenths)
        for each in entry.tally or ()
    ]
    entry.stretches = [
        msgspec.structs.replace(each, tenths=round(each.tenths * wanted / tenths))
        for each in entry.stretches or ()
    ]


def _share(one: Stored, other: Stored, most: int) -> None:
    """Let both together stand for so many tenths at *most*: each for as many as it has pushes."""
    counts = len(_in_turns(one)), len(_in_turns(other))
    if _tenths(one) + _tenths(other) > most and all(counts):
        share = most * counts[0] // sum(counts)
        _scale(one, share)
        _scale(other, most - share)


def _merge(one: Stored, other: Stored, most: int | None) -> Stored:
    """Return an entry of both; pushes stand for so many tenths at *most*, None: as they do."""
    if most is not None:
        _share(one, other, most)
    early, late = (one, other) if one.at <= other.at else (other, one)
    worst, best = (
        [_pick(low == is_worst, *both) for low, both in zip(LOWER_IS_WORSE, pairs, strict=True)]
        for is_worst, pairs in (
            (True, [*zip(_extreme(one, one.worst), _extreme(other, other.worst), strict=True)]),
            (False, [*zip(_extreme(one, one.best), _extreme(other, other.best), strict=True)]),
        )
    )
    whole = Stored(late.at, late.numbers, worst, best)
    whole.attributes = early.attributes if late.attributes is None else late.attributes
    whole.verdict = late.verdict
    whole.tally = [
        _mean(*each) for each in zip(_three(one.tally), _three(other.tally), strict=True)
    ]
    whole.stretches = _together(one.stretches or (), other.stretches or ())
    if one.counts or other.counts:
        none = [None] * len(COUNTED)
        both = zip(one.counts or none, other.counts or none, strict=False)
        whole.counts = [a if b is None else b if a is None else a + b for a, b in both]
    whole.pushes = pushes.pack(_in_turns(one, other)) or None
    return whole


def _three(tally: Sequence[StoredTally | None] | None) -> list[StoredTally | None]:
    return [*(tally or ()), *[None] * len(VITALS)][: len(VITALS)]


def _pick(is_lower: bool, one: int | None, other: int | None) -> int | None:  # noqa: FBT001
    """Return the lower or the higher of two, as far as they are known."""
    known = [each for each in (one, other) if each is not None]
    if not known:
        return None
    return min(known) if is_lower else max(known)


def _mean(one: StoredTally | None, other: StoredTally | None) -> StoredTally | None:
    """Return the tally of both."""
    if one is None or other is None:
        return one or other
    weights = max(one[1], 1), max(other[1], 1)
    mean = round((one[0] * weights[0] + other[0] * weights[1]) / sum(weights))
    return mean, one[1] + other[1], one[2] + other[2]


def _together(*both: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches of *both*, one of each kind."""
    tenths: dict[Any, int] = {}
    for each in (stretch for some in both for stretch in some):
        key = msgspec.structs.astuple(each)[1:]
        tenths[key] = tenths.get(key, 0) + each.tenths
    return [Stretch(count, *key) for key, count in tenths.items()]


def _in_turns(*entries: Stored | None) -> list[Push]:
    """Return the pushes of all *entries* in the order of time."""
    return sorted(
        (
            push
            for entry in entries
            if entry is not None
            for push in pushes.unpack(entry.pushes or b"", EPOCH_MS + entry.at * TENTH_MS)
        ),
        key=lambda push: push.at_ms,
    )


def _more_outages(other: Stored | None, own: Stored) -> int:
    """Return how many outages there are more, with those pushes of one's own between the others."""
    return begun_outages(_in_turns(other, own)) - begun_outages(_in_turns(other))
