"""
`otel-jcmc simulate --story`: pushes with trouble of participants, and a file that tells the truth.

All participants are in their conferences from the beginning to the end of the story. The trouble of
a story begins after a quarter of the time and ends after three quarters. In the story `quiet`,
trouble may come at any time. The file lists each trouble and each thing that should stand out.
"""

import json
import random
import uuid
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic, time
from typing import Any, NamedTuple

from otel_jcmc.simulate.crowd import Seat, push_as, refuse
from otel_jcmc.simulate.fleet import Person, make_fleet
from otel_jcmc.simulate.recorded import Recorded
from otel_jcmc.simulate.stories import NAMES, Happening, Told, tell
from otel_jcmc.simulate.tape import USER_AGENTS, Moment, Tapes, Voice

# The intervals between pushes, in seconds, for which the package has recordings.
INTERVALS_SECONDS = (2, 10)


class Plan(NamedTuple):
    """
    The settings of a story.

    Attributes:
        rooms: the number of conferences.
        size: the number of participants of each conference; None: various numbers.
        originals: the share of participants who use the page of the original (JCMC).
        truth: the file for the troubles and the things that stand out; None: no file is written.
    """

    story: str
    rooms: int = 20
    size: int | None = None
    seconds: float = 300
    interval_seconds: float = 10
    originals: float = 0.3
    truth: Path | None = None
    seed: int | None = None


class StoryPage:
    """The page of one participant in a story; its pushes are those of *tape*, made by tape.py."""

    stay_seconds = inf

    def __init__(self, person: Person, tape: Iterator[Moment], started: float) -> None:
        """Begin a session; *started* is the story's start by the monotonic clock, in seconds."""
        self._tape, self._started = tape, started
        self._voice = Voice(person, str(uuid.uuid4()))
        self._next = next(tape)
        self.user_agent = USER_AGENTS[person.browser]
        # All pushes come from this machine. This header tells each participant's own address, and
        # the service believes it only if it trusts this machine as a proxy.
        self.headers = f"x-forwarded-for: {person.address}\r\n"
        self.tells_end = not person.is_original

    def body(self, end: str = "") -> bytes:
        """Return the body of the push that is due now; with *end*, the body of the last push."""
        if end:
            return self._voice.leave()
        now = monotonic() - self._started
        moment, self._next = self._next, next(self._tape)
        while self._next.at <= now:
            moment, self._next = self._next, next(self._tape)
        return self._voice.body(moment)

    def leave(self) -> None:
        """Do nothing: in a story, all participants stay until the end."""


async def tell_story(plan: Plan, url: str) -> int:
    """Push the story of *plan* to the service at *url*, and return the exit code."""
    if plan.story not in NAMES:
        near = get_close_matches(plan.story, NAMES, 1)
        meant = f"; is {near[0]} meant?" if near else ""
        return refuse(f"no story {plan.story}: there are {', '.join(NAMES)}{meant}")
    if plan.interval_seconds not in INTERVALS_SECONDS:
        return refuse("a story has an interval of 2 or 10 seconds, as it was recorded")
    if min(plan.rooms, plan.seconds, plan.size or 2) <= 0 or not 0 <= plan.originals <= 1:
        return refuse("conferences, seconds and room size must be above 0, originals 0 to 1")
    chance = random.Random(plan.seed)  # noqa: S311  # numbers of simulated participants
    fleet = make_fleet(chance, plan.rooms, plan.size, plan.originals)
    told = tell(plan.story, fleet, chance, plan.seconds / 4, plan.seconds * 3 / 4)
    if plan.truth is not None:
        lines = [json.dumps(each) for each in truth_of(told, time())]
        try:
            plan.truth.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        except OSError as error:
            return refuse(f"{plan.truth} can't be written: {error.strerror}")
    tapes = Tapes(Recorded(), int(plan.interval_seconds), chance)
    started = monotonic()
    seats = [
        Seat(
            person.room.name,
            partial(StoryPage, person, tapes.tape(person, told.of(person)), started),
        )
        for person in fleet.people
    ]
    return await push_as(seats, url, plan.seconds, plan.interval_seconds, chance)


def truth_of(told: Told, started: float) -> Iterator[dict[str, Any]]:
    """
    Yield a line of the truth file for each thing that should stand out, and for each trouble.

    *started* is the Unix time, in seconds, at which the story began.
    """
    for thing in told.standing:
        yield {
            "stands_out": thing.scope,
            "name": thing.name,
            "region": thing.region,
            "from": round(started + thing.begins, 3),
            "to": round(started + thing.ends, 3),
        }
    for happening in told.happenings:
        yield _line(happening, started)


def _line(happening: Happening, started: float) -> dict[str, Any]:
    person = happening.person
    room = person.room
    return {
        "from": round(started + happening.begins, 3),
        "to": round(started + happening.ends, 3),
        "who": person.participant_id,
        "client_id": person.client_id,
        "room": room.name,
        "bridge": None if room.is_direct else room.bridge,
        "region": room.region,
        "is_original": person.is_original,
        "state": happening.state,
        "cause": happening.cause,
        "scope": happening.scope,
    }
