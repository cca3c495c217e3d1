"""
One stream that the bridge receives, by its SSRC: its reports, its missing and its stored packets.

The rules are those of jitsi-videobridge. Reports count a packet before its retransmission. Only
video is requested again, at most ten times, and not after a gap of a hundred packets or more.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from bridge.rtcp import Block

# Three seconds of a picture of 360 lines. jitsi-videobridge keeps 500, of larger ones.
_KEPT: Final = 100
_GAP: Final = 100
_TRIES: Final = 10
RETRY_SECONDS: Final = 0.15


@dataclass
class Source:
    """A stream as its sender has announced it; `retransmissions` is the SSRC of those."""

    ssrc: int
    kind: str
    retransmissions: int = 0

    @property
    def clock(self) -> int:
        """Ticks a second of its timestamps."""
        return 48_000 if self.kind == "audio" else 90_000


@dataclass
class _Counts:
    """What a report is made of (RFC 3550, appendix A)."""

    first: int = -1
    highest: int = -1
    received: int = 0
    jitter: float = 0.0
    transit: float | None = None
    expected_before: int = 0
    received_before: int = 0

    def count(self, sequence: int, timestamp: int, now: float, clock: int) -> int:
        """Count a packet; its number, that does not wrap."""
        if self.first < 0:
            # So high that what comes before the first is no negative number.
            self.first = self.highest = sequence + 0x10000
        ahead = (sequence - self.highest + 0x8000 & 0xFFFF) - 0x8000
        number = self.highest + ahead
        self.highest = max(self.highest, number)
        self.received += 1
        transit = now * clock - timestamp
        # A step of half a second is the timestamp that wraps, or a stream that begins again.
        if self.transit is not None and abs(transit - self.transit) < clock / 2:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
        self.transit = transit
        return number


@dataclass
class Stream:
    """A stream that is being received."""

    source: Source
    missing: dict[int, int] = field(default_factory=dict)
    _counts: _Counts = field(default_factory=_Counts)
    _kept: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    _reported_at: tuple[int, float] = (0, 0.0)

    @property
    def is_video(self) -> bool:
        """Whether what is lost is asked for once more."""
        return self.source.kind == "video"

    def receive(self, packet: bytes, sequence: int, timestamp: int, now: float) -> bool:
        """Take a *packet* that came by itself; whether others are missing that were not before."""
        before = self._counts.highest
        number = self._counts.count(sequence, timestamp, now, self.source.clock)
        if not self.is_video:
            return False
        self._keep(packet, sequence)
        return self._note_gap(before, number)

    def _note_gap(self, before: int, number: int) -> bool:
        self.missing.pop(number, None)
        if before < 0 or number <= before + 1:
            return False
        if number - before >= _GAP:
            self.missing.clear()
            return False
        self.missing |= dict.fromkeys(range(before + 1, number), 0)
        return True

    def bring_back(self, packet: bytes, sequence: int) -> bool:
        """Take a *packet* that was sent once more; whether it was missing."""
        number = next((one for one in self.missing if one & 0xFFFF == sequence), None)
        if number is None:
            return False
        del self.missing[number]
        self._keep(packet, sequence)
        return True

    def _keep(self, packet: bytes, sequence: int) -> None:
        self._kept[sequence] = packet
        self._kept.move_to_end(sequence)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def kept(self, sequence: int) -> bytes | None:
        """Return a packet of the last seconds; None: there is no such."""
        return self._kept.get(sequence)

    def to_ask_for(self) -> list[int]:
        """Return which packets to ask for now."""
        asked = sorted(self.missing)[:_GAP]
        for number in asked:
            self.missing[number] += 1
            if self.missing[number] == _TRIES:
                del self.missing[number]
        return asked

    def note_report(self, ntp_middle: int, now: float) -> None:
        """Note the time that the sender has put into its report, for the round trip."""
        self._reported_at = ntp_middle, now

    def block(self, now: float) -> Block | None:
        """Return what to tell the sender; None: nothing has come yet."""
        counts = self._counts
        if counts.first < 0:
            return None
        expected = counts.highest - counts.first + 1
        of = expected - counts.expected_before
        lost = of - (counts.received - counts.received_before)
        counts.expected_before, counts.received_before = expected, counts.received
        middle, at = self._reported_at
        return Block(
            self.source.ssrc,
            min(255, 256 * lost // of) if of > 0 and lost > 0 else 0,
            expected - counts.received,
            counts.highest - 0x10000 & 0xFFFFFFFF,
            round(counts.jitter),
            middle,
            round((now - at) * 65536) if middle else 0,
        )
