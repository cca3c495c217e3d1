"""
`otel-jcmc simulate`: pushes as the pages of many participants would.

Each seat holds one participant at a time, who joins, pushes every interval what drifts, is muted
or has a bad network for a while, and leaves; then another takes the seat, once the leave is
answered. So there are never more than were asked for. At the end, or at Ctrl-C, everyone leaves.

Source of the bodies: docs/push.md, and what browsers were seen to send.
"""

import asyncio
import random
import signal
import socket
import ssl
import sys
import uuid
from array import array
from collections import Counter
from shutil import get_terminal_size
from time import monotonic
from typing import Any, Final

import msgspec

from otel_jcmc.load import Answer, Client, Target, percentile

MAX_CONNECTIONS: Final = 128
LEAVE_ATTEMPTS: Final = 3
# In intervals: how long people stay, on average.
MEAN_STAY: Final = 20

_NAMES: Final = ("standup", "design-review", "retro", "town-hall", "interview", "support", "demo")
_REGIONS: Final = ("eu-west", "eu-central", "us-east", "us-west", "ap-south")
_NETWORKS: Final = ("wifi", "wifi", "wifi", "ethernet", "ethernet", "cellular", "vpn")
_CANDIDATES: Final = ("srflx", "srflx", "host", "prflx", "relay")
_CHROMIUM: Final = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {} Safari/537.36"
_WINDOWS: Final = "Windows NT 10.0; Win64; x64"
_USER_AGENTS: Final = (
    _CHROMIUM.format(_WINDOWS, "Chrome/142.0.0.0"),
    _CHROMIUM.format(_WINDOWS, "Chrome/142.0.0.0") + " Edg/142.0.0.0",
    _CHROMIUM.format("Macintosh; Intel Mac OS X 10_15_7", "Chrome/141.0.0.0"),
    _CHROMIUM.format("X11; Linux x86_64", "Chrome/140.0.0.0"),
    _CHROMIUM.format("Linux; Android 10; K", "Chrome/142.0.0.0 Mobile"),
    _CHROMIUM.format(_WINDOWS, "JitsiMeet/2025.10.0 Chrome/138.0.7204.251 Electron/37.6.0"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
)


class Page:
    """One participant's page, from its join to its leave."""

    def __init__(self, chance: random.Random, conference: str, interval_seconds: float) -> None:
        """Join *conference* with numbers of its own."""
        self._chance = chance
        self._labels = {
            "client_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "participant_id": f"{chance.getrandbits(32):08x}",
            "roomname": conference,
        }
        self._session_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self._meeting_id = str(uuid.uuid5(uuid.NAMESPACE_URL, conference))
        self._interval_ms = round(interval_seconds * 1000)
        self.user_agent = chance.choice(_USER_AGENTS)
        self._region = chance.choice(_REGIONS)
        self._transport = {
            "src_ip": f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",
            "dst_ip": f"198.51.100.{1 + _REGIONS.index(self._region)}",
            "protocol": "tcp" if chance.random() < 0.1 else "udp",
            "networkType": chance.choice(_NETWORKS),
            "localCandidateType": chance.choice(_CANDIDATES),
            "p2p": "false",
        }
        self.pushes = 0
        self.stay_seconds = interval_seconds * (2 + chance.expovariate(1 / MEAN_STAY))
        self._width = chance.uniform(0.5, 1.2)
        self._rtt_ms = chance.uniform(12, 90)
        self._quality = chance.uniform(80, 100)
        # Pushes for which the network stays bad; one in ten comes with a bad one.
        self._bad = chance.randint(3, 8) if chance.random() < 0.1 else 0
        self._muted = chance.random() < 0.4
        self._camera = chance.random() < 0.7

    def body(self, end: str = "") -> bytes:
        """Return the next push; *end* is the reason to leave."""
        session: dict[str, Any] = {
            "id": self._session_id,
            "meeting_id": self._meeting_id,
            "seq": self.pushes,
            "interval_ms": self._interval_ms,
            "stats_age_ms": self._chance.randint(1, 20),
        }
        push = {"default_labels": self._labels, "session": session}
        if end:
            session["end"] = {"reason": end}
        else:
            self._drift()
            push["metrics"] = self._metrics()
        self.pushes += 1
        return msgspec.json.encode(push)

    def _drift(self) -> None:
        """Go one step: a bounded random walk, and now and then an event."""
        chance = self._chance
        self._width = _bounded(self._width + chance.uniform(-0.05, 0.05), 0.3, 1.3)
        self._rtt_ms = _bounded(self._rtt_ms + chance.uniform(-4, 4), 8, 150)
        self._quality = _bounded(self._quality + chance.uniform(-2, 2), 70, 100)
        if self._bad:
            self._bad -= 1
        elif chance.random() < 0.02:
            self._bad = chance.randint(3, 8)
        if chance.random() < 0.05:
            self._muted = not self._muted
        if chance.random() < 0.01:
            self._camera = not self._camera

    def _metrics(self) -> dict[str, Any]:
        """Return the numbers of now, as lib-jitsi-meet would have them."""
        chance, is_bad = self._chance, self._bad > 0
        width = self._width * (0.2 if is_bad else 1)
        # The library's first event has zero bitrates, and no estimate of the bridge yet.
        flows = 1 if self.pushes else 0
        audio = [0 if self._muted else flows * chance.randint(20, 40), flows * chance.randint(0, 80)]
        video = [flows * round(1300 * width) if self._camera else 0, flows * round(2600 * width)]
        loss = [chance.randint(5, 30) if is_bad else int(chance.random() < 0.1) for _ in range(2)]
        quality = self._quality if self._camera else 100
        rtt_ms = self._rtt_ms * (chance.uniform(3, 8) if is_bad else 1)
        values = {
            "connectionquality": round(quality * chance.uniform(0.2, 0.5) if is_bad else quality, 1),
            "bandwidth_upload": round(3000 * width),
            "bandwidth_download": round(6000 * width) if flows else None,
            "bitrate_audio_upload": audio[0],
            "bitrate_audio_download": audio[1],
            "bitrate_video_upload": video[0],
            "bitrate_video_download": video[1],
            "bitrate_upload": audio[0] + video[0],
            "bitrate_download": audio[1] + video[1],
            "packetloss_upload": loss[0],
            "packetloss_download": loss[1],
            "packetloss_total": sum(loss) // 2,
        }
        metrics: dict[str, Any] = {name: {"value": value} for name, value in values.items()}
        metrics["connectionquality"]["labels"] = {"serverregion": self._region}
        metrics["transport_rtt"] = [{"labels": self._transport, "value": round(rtt_ms)}]
        return metrics


class _Seat:
    """A place in a conference, and who has it now."""

    def __init__(self, conference: str) -> None:
        self.conference = conference
        self.page: Page | None = None
        self.leaves_at = 0.0


class Crowd:
    """Everyone who takes part, and what came of their pushes."""

    def __init__(
        self, client: Client, seats: list[_Seat], interval_seconds: float, chance: random.Random
    ) -> None:
        """Put nobody in the *seats* yet."""
        self._client, self.seats, self._interval, self._chance = (
            *(client, seats, interval_seconds, chance),
        )
        self._pushing: set[asyncio.Task[None]] = set()
        self.is_over = False
        self.joined = 0
        self.answers: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latencies = array("d")

    @property
    def sent(self) -> int:
        """Pushes that have been answered, or will not be."""
        return self.answers.total() + self.errors.total()

    def begin(self, within_seconds: float) -> None:
        """Let everyone join, each at a time of its own *within_seconds*."""
        for seat in self.seats:
            self._later(seat, self._chance.uniform(0, within_seconds))

    async def end(self) -> None:
        """Wait for the pushes that are under way, then let everyone leave."""
        self.is_over = True
        await asyncio.gather(*self._pushing)
        await asyncio.gather(*(self._leave(seat.page) for seat in self.seats if seat.page))

    def _later(self, seat: _Seat, seconds: float) -> None:
        """Give *seat* its turn after so many *seconds*."""
        if not self.is_over:
            asyncio.get_running_loop().call_later(seconds, self._start_turn, seat)

    def _start_turn(self, seat: _Seat) -> None:
        """Start a turn as a task that is known until it ends."""
        if not self.is_over:
            task = asyncio.create_task(self._turn(seat))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)

    async def _turn(self, seat: _Seat) -> None:
        """Join, push or leave, whatever is next."""
        started = monotonic()
        page = seat.page
        if page is None:
            page = seat.page = Page(self._chance, seat.conference, self._interval)
            seat.leaves_at = started + page.stay_seconds
            self.joined += 1
        is_leaving = started >= seat.leaves_at
        answer = await self._push(page, "left" if is_leaving else "")
        if is_leaving and answer.status == 200:
            seat.page = None
        due = started + self._interval * self._chance.uniform(0.98, 1.02) - monotonic()
        self._later(seat, max(due, answer.retry_after_seconds))

    async def _leave(self, page: Page) -> None:
        """Leave for good, and say so again if the server asks to."""
        for _ in range(LEAVE_ATTEMPTS):
            answer = await self._push(page, "left")
            if answer.status not in (429, 503):
                return
            await asyncio.sleep(answer.retry_after_seconds)

    async def _push(self, page: Page, end: str) -> Answer:
        """Push once and note what came of it; an error is an answer with status 0."""
        started = monotonic()
        try:
            answer = await self._client.post(page.body(end), page.user_agent)
        except OSError as error:
            self.errors[_kind(error)] += 1
            return Answer(0, 0)
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
    Push as *participants* in *conferences* would, for so many *seconds*, then print what came of it.

    Returns the exit code: 0, or 1 when no push was accepted. The same *seed* makes the same people.
    """
    client: Client | None = None
    try:
        if min(participants, conferences, seconds, interval_seconds) <= 0:
            raise ValueError("participants, conferences, seconds and interval must be above 0")
        target = Target(url)
        (await target.connect()).close()
        client = Client(target, min(participants, MAX_CONNECTIONS))
    except (ValueError, OSError) as error:
        why = f"{url} can't be reached: {_kind(error)}" if isinstance(error, OSError) else error
        print(f"otel-jcmc: {why}", file=sys.stderr)
        return 1
    chance = random.Random(seed)  # noqa: S311  # numbers of people who are not there
    seats = [_Seat(_conference(index, conferences, chance)) for index in range(participants)]
    crowd = Crowd(client, seats, interval_seconds, chance)
    started = monotonic()
    crowd.begin(min(interval_seconds, seconds / 4))
    await _until_over(crowd, seconds)
    await crowd.end()
    client.close()
    print(_summary(crowd, monotonic() - started))
    return 0 if crowd.answers[200] else 1


async def _until_over(crowd: Crowd, seconds: float) -> None:
    """Wait so many *seconds*, or until Ctrl-C; another Ctrl-C then ends without the leaves."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        loop.add_signal_handler(each, over.set)
    deadline = monotonic() + seconds
    shows = sys.stderr.isatty()
    try:
        while not over.is_set() and (left := deadline - monotonic()) > 0:
            if shows:
                print(_progress(crowd, seconds - left, seconds), end="", file=sys.stderr, flush=True)
            try:
                await asyncio.wait_for(over.wait(), min(left, 0.5) if shows else left)
            except TimeoutError:
                continue
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
        if shows:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _progress(crowd: Crowd, elapsed: float, seconds: float) -> str:
    """Return one line of the terminal that says how far we are."""
    live = sum(seat.page is not None for seat in crowd.seats)
    filled = round(20 * elapsed / seconds)
    text = (
        f"[{'#' * filled}{'.' * (20 - filled)}] {elapsed:.0f} of {seconds:g} s"
        f"  {live} participants  {crowd.sent} pushes  {crowd.sent - crowd.answers[200]} not taken"
    )
    return f"\r{text[: get_terminal_size().columns - 1]}\033[K"


def _summary(crowd: Crowd, seconds: float) -> str:
    """Return what came of it all, a line each."""
    ordered = sorted(1000 * latency for latency in crowd.latencies)
    shares = [f"p{percent} {percentile(ordered, percent):.1f} ms" for percent in (50, 90, 99)]
    answers = [f"{status}: {count}" for status, count in sorted(crowd.answers.items())]
    errors = [f"{kind}: {count}" for kind, count in crowd.errors.most_common()]
    conferences = len({seat.conference for seat in crowd.seats})
    return "\n".join(
        (
            f"participants  {crowd.joined}, at most {len(crowd.seats)} at a time,"
            f" in {conferences} conferences",
            f"pushes sent   {crowd.sent} in {seconds:.1f} s, {crowd.sent / seconds:.1f} a second",
            f"answers       {', '.join(answers) or 'none'}",
            f"errors        {', '.join(errors) or 'none'}",
            f"latency       {', '.join(shares)}, max {percentile(ordered, 100):.1f} ms",
        )
    )


def _conference(index: int, conferences: int, chance: random.Random) -> str:
    """Return the conference of a seat: none is empty, and some are larger than others."""
    number = index if index < conferences else chance.randrange(conferences)
    name, again = _NAMES[number % len(_NAMES)], number // len(_NAMES)
    return f"{name}-{again + 1}" if again else name


def _bounded(value: float, least: float, most: float) -> float:
    """Return *value*, or the bound that it is beyond."""
    return min(most, max(least, value))


def _kind(error: OSError) -> str:
    """Return in a few words what kind of *error* it is."""
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
    # Several addresses were tried and failed: asyncio puts their errors into one text.
    return "connection refused" if "Connect call failed" in str(error) else error.strerror or "error"
