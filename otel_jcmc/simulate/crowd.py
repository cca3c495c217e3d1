"""
`otel-jcmc simulate`: pushes like the pages of many participants.

A seat is a place for one participant in a conference. The participant joins, pushes every interval,
is muted or has a bad network for a while, and leaves. Another participant takes the seat only when
the service has answered the last push. So the number of participants never exceeds the requested
number. At the end, or at Ctrl-C, all participants leave.
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
# The most participants that leave at the same time. If all participants left at once, their pushes
# would wait in this process, and the measured latency would contain this wait.
LEAVING_AT_ONCE: Final = 16
# The most seconds that the end may take: the last answers come, and all participants leave.
END_SECONDS: Final = 30.0
_SHARES: Final = (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))
_NAMES: Final = ("standup", "design-review", "retro", "town-hall", "interview", "support", "demo")


class Pushing(Protocol):
    """
    What a crowd needs of a simulated participant's page.

    Attributes:
        stay_seconds: the time from the participant's join to its leave.
        headers: more header lines for the page's requests; each line ends in CR LF.
        tells_end: whether the page sends a last push when the participant leaves.
    """

    user_agent: str
    stay_seconds: float
    headers: str
    tells_end: bool

    def body(self, end: str = "") -> bytes:
        """Return the body of the next push; *end* is the reason to leave, empty: no leave."""

    def leave(self) -> None:
        """Take the participant out of its conference."""


class Seat:
    """A place in the conference called *name*, and its present participant."""

    def __init__(self, name: str, join: Callable[[], Pushing]) -> None:
        """Begin without a participant; *join* makes the page of the next participant."""
        self.name = name
        self.join = join
        self.page: Pushing | None = None
        self.leaves_at = 0.0


class Crowd:
    """Lets all simulated participants join, push and leave, and counts answers and errors."""

    def __init__(
        self, client: Client, seats: list[Seat], interval_seconds: float, chance: random.Random
    ) -> None:
        """Prepare for *seats* without participants, which will push every *interval_seconds*."""
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
        """The number of pushes that were answered or failed so far."""
        return self.answers.total() + self.errors.total()

    def begin(self, within_seconds: float) -> None:
        """Let a participant join in each seat, at a random time in the next *within_seconds*."""
        for seat in self.seats:
            self._later(seat, self._chance.uniform(0, within_seconds))

    async def end(self) -> None:
        """Wait for the answers to all pushes that were sent, then let all participants leave."""
        self.is_over = True
        await asyncio.gather(*self._pushing)
        gate = asyncio.Semaphore(LEAVING_AT_ONCE)
        await asyncio.gather(*(self._leave(page, gate) for page in self._staying))

    @property
    def _staying(self) -> list[Pushing]:
        return [seat.page for seat in self.seats if seat.page and seat.page.tells_end]

    def _later(self, seat: Seat, seconds: float) -> None:
        """Let the next push of *seat* begin after so many *seconds*, unless the end has begun."""
        if not self.is_over:
            asyncio.get_running_loop().call_later(seconds, self._start_turn, seat)

    def _start_turn(self, seat: Seat) -> None:
        """Start the next push of *seat* as a task, and remember the task until it ends."""
        if not self.is_over:
            task = asyncio.create_task(self._turn(seat))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)

    async def _turn(self, seat: Seat) -> None:
        """Send the next push of *seat*: its participant joins, stays or leaves with this push."""
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
        """Send the last push of *page*; if the service answers 429 or 503, send it again later."""
        for _ in range(LEAVE_ATTEMPTS):
            async with gate:
                answer = await self._push(page, "left")
            if answer.status not in (429, 503):
                return
            await asyncio.sleep(max(1.0, answer.retry_after_seconds))

    async def _push(self, page: Pushing, end: str) -> PageAnswer:
        """Push once, count the outcome, and return the answer; an error gives the status 0."""
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
    Push for *seconds* as so many *participants* in so many *conferences* would; print a summary.

    Returns the exit code: 0, or 1 if no push was accepted. The same *seed* always makes the same
    participants.
    """
    if min(participants, conferences, seconds, interval_seconds) <= 0:
        return refuse("participants, conferences, seconds and interval must be above 0")
    chance = random.Random(seed)  # noqa: S311  # numbers of simulated participants
    rooms = [Conference(_name(number)) for number in range(conferences)]
    # One participant goes to each conference first, so that no conference is empty. Each of the
    # others goes to a random conference.
    taken = rooms[:participants]
    taken += [chance.choice(rooms) for _ in range(participants - conferences)]
    seats = [Seat(room.name, partial(Page, chance, room, interval_seconds)) for room in taken]
    return await push_as(seats, url, seconds, interval_seconds, chance)


async def push_as(
    seats: list[Seat], url: str, seconds: float, interval_seconds: float, chance: random.Random
) -> int:
    """Push as the participants in *seats* would, print a summary, and return the exit code."""
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
    """Wait so many *seconds*, or until Ctrl-C; a second Ctrl-C stops the process at once."""
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
    """Return a line for the terminal: time, participants and pushes so far."""
    live = sum(seat.page is not None for seat in crowd.seats)
    filled = round(20 * elapsed / seconds)
    text = (
        f"[{'#' * filled}{'.' * (20 - filled)}] {elapsed:.0f} of {seconds:g} s"
        f"  {live} participants  {crowd.sent} pushes  {crowd.sent - crowd.answers[200]} not taken"
    )
    return text[: get_terminal_size().columns - 1]


def _show(text: str) -> None:
    """Write *text* over the last line of the terminal."""
    print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def refuse(why: str) -> int:
    """Print *why* no push was sent, and return the exit code 1."""
    print(f"otel-jcmc: {why}", file=sys.stderr)
    return 1


def _summary(crowd: Crowd, seconds: float) -> str:
    """Return the summary: lines about participants, pushes, answers, errors and latency."""
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
    """Return a name for the conference with this *number*, such as `standup` or `standup-2`."""
    name, again = _NAMES[number % len(_NAMES)], number // len(_NAMES)
    return f"{name}-{again + 1}" if again else name


def _kind(error: OSError) -> str:
    """Return the kind of *error* in a few words, such as `connection refused`."""
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
    # If several addresses of a host failed, asyncio joins their errors into one text.
    return error.strerror or str(error) or type(error).__name__
