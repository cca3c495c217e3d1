"""
Makes a session's summary from its log and its card.

`Sum` adds up the samples in the log of a leg that is over. `Summing` makes the summary's row
(summary.py) and names the list in Redis in which the row is kept (summaries.py).
The row has names and the participant's id only if the settings ask for them.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any, Final

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    NETWORK_TYPE,
    OS_NAME,
    PARTICIPANT,
    REGION,
    RELAY,
    ROLE,
    SENDER,
    USERNAME,
)
from otel_jcmc.catalogue.metrics import LIST_ID, MOS_ID
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.blame import bad_by_scope
from otel_jcmc.sessions.card import read_card
from otel_jcmc.sessions.entry import EPOCH_MS, Sample
from otel_jcmc.sessions.leg import Leg
from otel_jcmc.sessions.lines import BRIDGE_LINE, BROWSER_LINE, REGION_LINE
from otel_jcmc.sessions.moves import Kept
from otel_jcmc.sessions.past import batched
from otel_jcmc.sessions.stretches import TENTH_MS
from otel_jcmc.sessions.summaries import Summaries
from otel_jcmc.sessions.summary import (
    BESIDES_BYTES,
    NAMED,
    UNNAMED,
    Summary,
    Who,
    packed,
)
from otel_jcmc.sessions.tallying import count, mos_of, told_of
from otel_jcmc.sessions.totals import Totals, cause_of, new_totals, state_of
from otel_jcmc.store.participant import client_digest, read_word
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.rules import State

log = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
# How often summaries that exceed their limit are removed.
BOUND_SECONDS: Final = 10.0
# After this many samples, `row_of` lets the service take pushes before it continues.
SAMPLES_AT_ONCE: Final = 500
# A summary has at most this many of the session's times and scopes: the longest ones.
_MOST_TIMES: Final = 8
_MOST_SCOPES: Final = 3


class Sum:
    """Adds up the samples of one leg; `summary` returns the leg's summary."""

    def __init__(
        self, about: Mapping[int, Any], entries: Sequence[Entry] | None, card: bytes | None
    ) -> None:
        """
        Begin without samples.

        Args:
            about: the session's attributes, by catalogue id.
            entries: the journal's entries of the time of the leg; None: not known.
            card: the leg's card. Its totals are used if it can be read, because they count all
                pushes, also pushes whose samples are gone. Otherwise the samples are counted.
        """
        self.about = dict(about)
        self._entries = entries
        self._counted = new_totals()
        self._of_card: Totals | None = None
        self._mos: list[float] = []
        self._scopes: Counter[str] = Counter()
        self._places: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
        if card:
            with suppress(ValueError):
                self._take_card(card)

    def _take_card(self, card: bytes) -> None:
        """Take the totals from *card*, and attributes that are not known yet."""
        read = read_card(card)
        self._of_card = read.totals
        for row, mark in (
            (REGION, REGION_LINE),
            (BRIDGE, BRIDGE_LINE),
            (BROWSER_NAME, BROWSER_LINE),
        ):
            if mark in read.lines:
                self.about.setdefault(row.id, read.lines[mark])

    def add(self, samples: Sequence[Sample]) -> None:
        """Add the next *samples* of the leg; calls must follow the order of the log."""
        for sample in samples:
            # A push without numbers names no transports, although the participant may have some:
            # keep the transports that an earlier push named.
            self.about.update(
                {id_: each for id_, each in (sample.attributes or {}).items() if each}
            )
            if (mos := sample.numbers[MOS_ID - 1]) is not None:
                self._mos.append(mos)
            for each in sample.stretches:
                if each.state == State.BAD:
                    where = each.region, each.bridge, each.network
                    for place, name in zip(self._places, where, strict=True):
                        place[name] += each.tenths
            if self._of_card is None:
                count(self._counted, sample)
        if self._entries is not None:
            who = self.about.get(CONFERENCE.id) or "", self.about.get(PARTICIPANT.id) or ""
            self._scopes.update(dict(bad_by_scope(samples, *who, self._entries)))

    def summary(self, leg: Leg, *, names: bool) -> Summary:
        """Return the summary of *leg* from all samples so far; it has names only if *names*."""
        totals = self._of_card or self._counted
        state = state_of(totals)
        about = self.about
        path: Mapping[int, str] = (about.get(LIST_ID) or ({},))[0]
        return Summary(
            began=(leg.started - EPOCH_MS) // 1000,
            lasted=max(0, leg.ended - leg.started) // TENTH_MS,
            end=leg.reason,
            failure=leg.cause,
            sender=about.get(SENDER.id) or "",
            role=about.get(ROLE.id) or "",
            region=about.get(REGION.id) or "",
            bridge=about.get(BRIDGE.id) or "",
            browser=_browser_of(about),
            system=about.get(OS_NAME.id) or "",
            network=path.get(NETWORK_TYPE.id) or "",
            relay=about.get(RELAY.id) or "",
            state=None if state is None else state.value,
            cause=cause_of(totals),
            vitals=told_of(totals),
            mos=mos_of(self._mos),
            times=sorted(totals.times, key=lambda each: -each[0])[:_MOST_TIMES],
            scopes=self._scopes.most_common(_MOST_SCOPES),
            bad_at=self._bad_at(),
            counts=totals.counts if any(each is not None for each in totals.counts) else [],
            outages=totals.outages if totals.times else None,
            rating=read_word(leg.word)[0],
            who=_who(about) if names else None,
        )

    def _bad_at(self) -> tuple[str, str, str] | None:
        """
        Return the region, the bridge and the network with the longest bad time.

        Each of the three is found separately. Return None if the session was never bad.
        """
        if not any(self._places):
            return None
        region, bridge, network = (max(each, key=each.__getitem__) for each in self._places)
        return region, bridge, network


def row_of(leg: Leg, of: Sum, days: int, *, names: bool) -> Kept:
    """
    Return the summary of *leg* as a row, and the list in Redis in which the row is kept.

    *of* has added up the leg's samples. Redis deletes the list *days* days after the end of the day
    (UTC) on which the leg ended.
    """
    row = packed(of.summary(leg, names=names))
    begins = leg.ended // DAY_MS * DAY_MS
    day = datetime.fromtimestamp(begins / 1000, UTC).date().isoformat()
    name = f"{NAMED if names else UNNAMED}{day}"
    return Kept(row, name, begins + (1 + days) * DAY_MS, BESIDES_BYTES)


class Summing:
    """Makes rows of summaries by the settings, and removes summaries that exceed the settings."""

    def __init__(
        self,
        summaries: Summaries,
        days: int,
        most_bytes: int,
        *,
        names: bool,
        clock: Callable[[], float] = time,
    ) -> None:
        """
        Take the settings.

        Args:
            summaries: where summaries are removed.
            days: for how many days after the day of a session's end its row is kept.
            most_bytes: how many bytes all summaries may take in Redis.
            names: whether rows have names.
            clock: returns Unix time in seconds.
        """
        self._summaries = summaries
        self._days, self._most_bytes, self._names = days, most_bytes, names
        self._clock = clock
        self._bound_at = 0.0
        self._trouble = Trouble(log, "summaries: something in Redis can't be read: %s")

    async def row_of(
        self,
        leg: Leg,
        samples: Sequence[Sample],
        about: Mapping[int, Any],
        entries: Sequence[Entry] | None,
        card: bytes | None,
    ) -> Kept:
        """
        Return the row of *leg* and the list that keeps the row.

        The other arguments are as in `Sum`. If the other arguments can't be read, the row has only
        the data of *leg*. Pushes get their turn while the samples are added up.
        """
        try:
            of = Sum(about, entries, card)
            for some in batched(samples, SAMPLES_AT_ONCE):
                of.add(some)
                await asyncio.sleep(0)
            return row_of(leg, of, self._days, names=self._names)
        except Exception as error:  # noqa: BLE001  # the row still shows that the leg existed
            self._trouble.update(repr(error), error)
            return row_of(leg, Sum({}, None, None), self._days, names=self._names)

    async def tend(self) -> None:
        """
        Remove summaries that are too old, or take too many bytes, every BOUND_SECONDS.

        A call less than BOUND_SECONDS after the last removal does nothing.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        now = self._clock()
        if now >= self._bound_at:
            today = datetime.fromtimestamp(now, UTC).date()
            await self._summaries.bound(self._most_bytes, today - timedelta(days=self._days))
            self._bound_at = now + BOUND_SECONDS


def _browser_of(about: Mapping[int, Any]) -> str:
    """Return the browser's name and major version, such as `Firefox 128`; empty: not known."""
    major = (about.get(BROWSER_VERSION.id) or "").partition(".")[0]
    return f"{about.get(BROWSER_NAME.id) or ''} {major}".strip()


def _who(about: Mapping[int, Any]) -> Who:
    """Return the participant's names, and the digest of its client id."""
    digest = client_digest(about.get(CLIENT.id) or "")
    return Who(
        digest, *(about.get(row.id) or "" for row in (CONFERENCE, CLIENT, PARTICIPANT, USERNAME))
    )
