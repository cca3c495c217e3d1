"""
`otel-jcmc simulate` pushes as the pages of many participants do.

A seat is a place in a conference for one participant at a time. The participant joins, pushes every
interval, is sometimes muted or has a bad network, and leaves. Another participant takes the seat
only after the service has answered the push with which the first one left. Therefore the number of
participants is never higher than requested. At the end, or at Ctrl-C, all participants leave.
"""

import asyncio
import random
import signal
import socket
import ssl
import sys
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from shutil import get_terminal_size
from time import monotonic
from typing import Final, Protocol

from otel_jcmc.simulate.client import Client, PageAnswer, Target, percentile
from otel_jcmc.simulate.page import Conference, Page

MAX_CONNECTIONS: Final = 128
LEAVE_ATTEMPTS: Final = 3
# How many participants may leave at a time. If all left at once, their pushes would wait in this
# process, and the measured latency would contain this wait.
LEAVING_AT_ONCE: Final = 16
# How long the end may take: the wait for the last answers, and the last push of each participant.
END_SECONDS: Final = 30.0
_SHARES: Final = (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))
_NAMES: Final = ("standup", "design-review", "retro", "town-hall", "interview", "support", "demo")


class Pushing(Protocol):
    """
    The page of a simulated participant: a crowd pushes its bodies.

    Attributes:
        stay_seconds: the time from the participant's join to its leave.
        headers: header lines of the page's requests, each with its end of line.
        tells_end: whether the page pushes when the participant leaves.
    """

    user_agent: str
    stay_seconds: float
    headers: str
    tells_end: bool

    def body(self, end: str = "") -> bytes:
        """Return the body of the next push; *end*: the reason why the participant leaves."""

    def leave(self) -> None:
        """Note that the participant has left the conference."""


class Seat:
    """A seat in the conference called *name*, with the page of its present participant."""

    def __init__(self, name: str, join: Callable[[], Pushing]) -> None:
        """Begin without a participant; *join* makes the page of the next participant."""
        self.name = name
        self.join = join
        self.page: Pushing | None = None
        self.leaves_at = 0.0


class Crowd:
    """Lets simulated participants join, push and leave, and counts the answers to their pushes."""

    def __init__(
        self, client: Client, seats: list[Seat], interval_seconds: float, chance: random.Random
    ) -> None:
        """Begin with empty *seats*; each participant pushes every *interval_seconds*."""
        self.seats = seats
        self._client = client
        self._interval = interval_seconds
        self._chance = chance
        self._pushing: set[asyncio.Task[None]] = set()
        self.is_over = False
        self.joined = 0
        self.answers: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latencies = array("d")

    @property
    def sent(self) -> int:
        """The number of pushes that have been answered or have failed."""
        return self.answers.total() + self.errors.total()

    def begin(self, within_seconds: float) -> None:
        """Let a participant join on each seat, at a random time *within_seconds* from now."""
        for seat in self.seats:
            self._later(seat, self._chance.uniform(0, within_seconds))

    async def end(self) -> None:
        """Wait for the answers to all pushes, then let all participants leave."""
        self.is_over = True
        await asyncio.gather(*self._pushing)
        gate = asyncio.Semaphore(LEAVING_AT_ONCE)
        await asyncio.gather(*(self._leave(page, gate) for page in self._staying))

    @property
    def _staying(self) -> list[Pushing]:
        return [seat.page for seat in self.seats if seat.page and seat.page.tells_end]

    def _later(self, seat: Seat, seconds: float) -> None:
        """Plan the next push of *seat* for *seconds* from now."""
        if not self.is_over:
            asyncio.get_running_loop().call_later(seconds, self._start_turn, seat)

    def _start_turn(self, seat: Seat) -> None:
        """Start the next push of *seat* as a task, and keep the task until it ends."""
        if not self.is_over:
            task = asyncio.create_task(self._turn(seat))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)

    async def _turn(self, seat: Seat) -> None:
        """Push that the participant of *seat* joins, stays or leaves; plan the seat's next push."""
        started = monotonic()
        page = seat.page
        if page is None:
            page = seat.page = seat.join()
            seat.leaves_at = started + page.stay_seconds
            self.joined += 1
        is_leaving = started >= seat.leaves_at
        answer = await self._push(page, "left" if is_leaving else "")
        if is_leaving and answer.status == 200:
            page.leave()
            seat.page = None
        due = started + self._interval * self._chance.uniform(0.98, 1.02) - monotonic()
        self._later(seat, max(due, answer.retry_after_seconds))

    async def _leave(self, page: Pushing, gate: asyncio.Semaphore) -> None:
        """Push that the participant of *page* leaves; repeat the push after a 429 or 503."""
        for _ in range(LEAVE_ATTEMPTS):
            async with gate:
                answer = await self._push(page, "left")
            if answer.status not in (429, 503):
                return
            await asyncio.sleep(max(1.0, answer.retry_after_seconds))

    async def _push(self, page: Pushing, end: str) -> PageAnswer:
        """Push once, count the answer and return it; after an error, return the status 0."""
        started = monotonic()
        try:
            answer = await self._client.post(page.body(end), page.user_agent, page.headers)
        except OSError as error:
            self.errors[_kind(error)] += 1
            return PageAnswer(0, 0)
        self.latencies.append(monotonic() - started)
        self.answers[answer.status] += 1
        return answer


async def simulate(
    url: str,
    participants: int,
    conferences: int,
    seconds: float,
    interval_seconds: float,
    seed: int | None = None,
) -> int:
    """
    Push for *seconds* as *participants* in *conferences* would, and print a summary.

    Returns the exit code: 0, or 1 if no push was accepted. The same *seed* makes the same
    participants.
    """
    if min(participants, conferences, seconds, interval_seconds) <= 0:
        return refuse("participants, conferences, seconds and interval must be above 0")
    chance = random.Random(seed)  # noqa: S311  # numbers of simulated participants
    rooms = [Conference(_name(number)) for number in range(conferences)]
    # Each conference gets one of the first participants, so that no conference is empty. For every
    # other participant, the conference is chosen at random.
    taken = rooms[:participants]
    taken += [chance.choice(rooms) for _ in range(participants - conferences)]
    seats = [Seat(room.name, partial(Page, chance, room, interval_seconds)) for room in taken]
    return await push_as(seats, url, seconds, interval_seconds, chance)


async def push_as(
    seats: list[Seat], url: str, seconds: float, interval_seconds: float, chance: random.Random
) -> int:
    """
    Push for *seconds* as participants in *seats* would, and print a summary.

    Returns the exit code: 0, or 1 if no push was accepted.
    """
    try:
        target = Target(url)
        (await target.connect()).close()
    except OSError as error:
        return refuse(f"{url} can't be reached: {_kind(error)}")
    except ValueError as error:
        return refuse(str(error))
    client = Client(target, min(len(seats), MAX_CONNECTIONS))
    crowd = Crowd(client, seats, interval_seconds, chance)
    started = monotonic()
    crowd.begin(min(interval_seconds, seconds / 2))
    await _until_over(crowd, seconds)
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await crowd.end()
    client.close()
    print(_summary(crowd, monotonic() - started))
    return 0 if crowd.answers[200] else 1


async def _until_over(crowd: Crowd, seconds: float) -> None:
    """Wait *seconds*, or until Ctrl-C; later, Ctrl-C ends the command before all have left."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        loop.add_signal_handler(each, over.set)
    deadline = monotonic() + seconds
    shows = sys.stderr.isatty()
    try:
        while not over.is_set() and (left := deadline - monotonic()) > 0:
            if shows:
                _show(_progress(crowd, seconds - left, seconds))
            try:
                await asyncio.wait_for(over.wait(), min(left, 0.5) if shows else left)
            except TimeoutError:
                continue
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
        if shows:
            _show("")


def _progress(crowd: Crowd, elapsed: float, seconds: float) -> str:
    """Return a line for the terminal: the time that has passed, and numbers of *crowd*."""
    live = sum(seat.page is not None for seat in crowd.seats)
    filled = round(20 * elapsed / seconds)
    text = (
        f"[{'#' * filled}{'.' * (20 - filled)}] {elapsed:.0f} of {seconds:g} s"
        f"  {live} participants  {crowd.sent} pushes  {crowd.sent - crowd.answers[200]} not taken"
    )
    return text[: get_terminal_size().columns - 1]


def _show(text: str) -> None:
    """Replace the terminal's last line by *text*."""
    print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def refuse(why: str) -> int:
    """Print *why* the command pushes nothing, and return the exit code 1."""
    print(f"otel-jcmc: {why}", file=sys.stderr)
    return 1


def _summary(crowd: Crowd, seconds: float) -> str:
    """Return a summary of *crowd*'s pushes in *seconds*: answers, errors and latency."""
    ordered = sorted(1000 * latency for latency in crowd.latencies)
    shares = [f"{name} {percentile(ordered, percent):.1f} ms" for name, percent in _SHARES]
    answers = [f"{status}: {count}" for status, count in sorted(crowd.answers.items())]
    errors = [f"{kind}: {count}" for kind, count in crowd.errors.most_common()]
    seats, conferences = len(crowd.seats), len({seat.name for seat in crowd.seats})
    return "\n".join(
        (
            f"participants  {crowd.joined}, at most {seats} at a time, conferences {conferences}",
            f"pushes sent   {crowd.sent} in {seconds:.1f} s, {crowd.sent / seconds:.1f} a second",
            f"answers       {', '.join(answers) or 'none'}",
            f"errors        {', '.join(errors) or 'none'}",
            f"latency       {', '.join(shares) if ordered else 'none'}",
        )
    )


def _name(number: int) -> str:
    """Return the name of conference *number*, from 0; different numbers have different names."""
    name, again = _NAMES[number % len(_NAMES)], number // len(_NAMES)
    return f"{name}-{again + 1}" if again else name


def _kind(error: OSError) -> str:
    """Return a few words that describe *error*, such as "connection refused"."""
    kinds = {
        TimeoutError: "time-out",
        ConnectionRefusedError: "connection refused",
        ConnectionError: "connection lost",
        socket.gaierror: "no such host",
        ssl.SSLCertVerificationError: "certificate not trusted",
        ssl.SSLError: "no TLS",
    }
    for known, words in kinds.items():
        if isinstance(error, known):
            return words
    # If a host has several addresses and all fail, asyncio joins their errors into one text.
    return error.strerror or str(error) or type(error).__name__
