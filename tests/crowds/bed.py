"""
Plays a crowd's story to the rules themselves, without a network: what do they say of whom?

Every 10 s there is a look at all participants, and what stands out is worked out. A look at a
participant counts only if the rules can know: not in the first pushes of the trouble (KNOWN_SECONDS
and one push), not in the pushes after it, and not if the page cannot tell.
"""

import random
from collections.abc import Sequence
from functools import cache
from typing import Final

from crowds.counting import NONE, Matrix, Outcome
from crowds.harm import harmed
from crowds.knowable import Knowable, can_tell
from crowds.seats import Bench, Seat

from otel_jcmc.simulate.fleet import make_fleet
from otel_jcmc.simulate.recorded import Recorded, Spell, read
from otel_jcmc.simulate.stories import Happening, StandsOut, tell
from otel_jcmc.simulate.tape import Tapes
from otel_jcmc.verdict import rules
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.everybody import everybody_of
from otel_jcmc.verdict.journal import Entry, continue_with
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.settling import Settling
from otel_jcmc.verdict.standing import sender_name, standing_out

LOOK_SECONDS: Final = 10
# Nothing is known of an outage, or of loss up, for so long.
KNOWN_SECONDS: Final = 5.0
BEGINS, ENDS, OVER = 40, 160, 190
# A look that finds what has begun takes so long: two pushes, and the look.
SETTLED_SECONDS: Final = 30


def hold(
    story: str,
    rooms: int,
    *,
    size: int | None = None,
    interval: int = 10,
    seed: int = 1,
    spells: Sequence[Spell] | None = None,
    bench: Bench | None = None,
    originals: float = 0.3,
) -> Outcome:
    """
    Tell a *story* to a fleet of so many *rooms*, and return what the rules made of it.

    Args:
        size: of each room; None: of several sizes.
        interval: of the pages, in seconds: 2 or 10.
        spells: that are told; the package's if none are given.
    """
    chance = random.Random(f"{story} {rooms} {size} {seed}")
    fleet = make_fleet(chance, rooms, size, originals)
    told = tell(story, fleet, chance, BEGINS, ENDS)
    of_whom: dict[str, list[Happening]] = {}
    for each in told.happenings:
        of_whom.setdefault(each.person.participant_id, []).append(each)
    recorded, harm = _package() if spells is None else _read(spells)
    tapes = Tapes(recorded, interval, chance)
    seats = [
        Seat(person, tapes.tape(person, happens), is_blurred=any(map(_is_blurred, happens)))
        for person in fleet.people
        for happens in [of_whom.get(person.participant_id, [])]
    ]
    return _watched(seats, told.standing, Knowable(fleet, told), bench or Bench(), harm)


def _read(spells: Sequence[Spell]) -> tuple[Recorded, dict[bool, set[int]]]:
    """Return *spells* as a crowd tells them, and which of their intervals have harm."""
    return Recorded(spells), harmed(spells)


@cache
def _package() -> tuple[Recorded, dict[bool, set[int]]]:
    """Return the same of the package's, which most stories are told by."""
    return _read(read())


def _is_blurred(happening: Happening) -> bool:
    return happening.source is not None and happening.source.is_original


def _watched(
    seats: list[Seat],
    standing: list[StandsOut],
    knowable: Knowable,
    bench: Bench,
    harm: dict[bool, set[int]],
) -> Outcome:
    outcome, settling = Outcome(), Settling()
    blurred = {seat.person.room.name for seat in seats if seat.is_blurred}
    entries: list[Entry] = []
    for now in range(LOOK_SECONDS, OVER + 1, LOOK_SECONDS):
        for seat in seats:
            seat.look(now, bench)
        everybody = everybody_of(seat.seen() for seat in seats)
        settled = settling.settle(now * 1000, everybody)
        found = standing_out(everybody._replace(ill=settled.ill))
        entries, _ = continue_with(entries, now * 1000, found + settled.senders)
        # What has just begun, or is just over, is no matter of right or wrong.
        if BEGINS + SETTLED_SECONDS <= now <= ENDS:
            true = {(each.scope, each.name) for each in standing}
            said = {
                (each.scope.value, each.name) for each in found if each.scope is not Scope.BROWSER
            }
            # Everybody hears a sender badly whose page cannot tell: nobody can say that it is he.
            said -= {each for each in said if each[1] in blurred}
            uncounted = knowable.uncounted
            _count_standing(outcome.standing, true - uncounted, said - uncounted)
            reach = Reach(entries)
            for seat in seats:
                is_hidden = not knowable.has_scope(seat.person)
                # Nobody knows which bridge a page of the original is by.
                is_hidden |= seat.person.is_original and "bridge" in {each[0] for each in true}
                _count(outcome, seat, settled.causes, reach, harm, is_hidden=is_hidden)
    return outcome


def _count_standing(matrix: Matrix, true: set[tuple[str, str]], said: set[tuple[str, str]]) -> None:
    for scope, _ in true & said:
        matrix.counts[scope, scope] += 1
    for scope, _ in true - said:
        matrix.counts[scope, NONE] += 1
    for scope, _ in said - true:
        matrix.counts[NONE, scope] += 1


def _count(
    outcome: Outcome,
    seat: Seat,
    settled: dict[str, int],
    reach: Reach,
    harm: dict[bool, set[int]],
    *,
    is_hidden: bool,
) -> None:
    """Count one look at one participant."""
    seen = seat.seen()
    moment = seat.moment
    is_said = seen.state in (rules.State.FAIR, rules.State.BAD)
    id_ = settled.get(sender_name(seen.place.conference, seen.participant), seen.cause)
    cause = rules.WORD_OF.get(id_, rules.UNKNOWN) if is_said else NONE
    happening = moment.happening if moment else None
    if moment is None or happening is None:
        if cause not in (NONE, rules.UNKNOWN):
            outcome.causes.counts[NONE, cause] += 1
        return
    # As it was recorded: what was held out is told without what came before it.
    since = moment.interval.nth * moment.interval.covers_ms / 1000
    if moment.is_after or not moment.turn or since < KNOWN_SECONDS:
        return
    outcome.whole.counts[happening.cause, cause] += 1
    if not can_tell(seat, happening):
        outcome.unknowable += 1
        if cause not in (NONE, rules.UNKNOWN, rules.DOWNLINK_OR_RECEIVED.word, happening.cause):
            outcome.causes.counts[NONE, cause] += 1
        return
    # Who is fair is not asked what it comes to: then it is one of the two.
    if id_ != rules.DOWNLINK_OR_RECEIVED.id or seen.state == rules.State.BAD:
        pair = happening.cause, cause
        outcome.causes.counts[pair] += 1
        (outcome.originals if seat.person.is_original else outcome.ours).counts[pair] += 1
        if moment.interval.number in harm[seat.person.is_original]:
            outcome.harmed.counts[pair] += 1
    source = happening.source
    if seen.state == rules.State.BAD and not is_hidden and not (source and source.is_original):
        scope = reach.of(seen.place, seen.participant, id_, seen.source)
        outcome.scopes.counts[happening.scope, scope.value] += 1
