"""
What is kept of a session for longer than its samples: a row of at most MOST_BYTES.

A `Summary`, which summing.py makes, becomes a row, and a row becomes a `Summary`. A row is a
msgpack array of the fields. A later version may add fields at the end: this version skips them. For
its own fields that an earlier version did not write, it has defaults.
"""

from typing import Final

import msgspec

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.totals import Time

MOST_BYTES: Final = 390
# With names, and the digest by which a summary is erased.
MOST_NAMED_BYTES: Final = 700
# What Redis needs for a row of a list besides: its two lengths, and a share of the node (8 KiB).
BESIDES_BYTES: Final = 8
MOS_SCALE: Final = 100
# How the names of lists of rows begin, without names and with.
UNNAMED, NAMED = "past:", "named:"
# The lengths in bytes to which texts are cut in turn, until the row fits.
LENGTHS: Final = (64, 32, 16, 8)


class Told(msgspec.Struct, array_like=True, gc=False):
    """One vital: whole numbers of VITAL_SCALES, and tenths of a second; None: not known."""

    average: int | None = None
    known: int = 0
    bad: int = 0
    worst: int | None = None


class Who(msgspec.Struct, array_like=True, gc=False):
    """Whose session it was; *digest* is that of the client, whose id may be cut."""

    digest: bytes
    conference: str = ""
    client: str = ""
    participant: str = ""
    name: str = ""


class Summary(msgspec.Struct, array_like=True, gc=False):
    """
    One session; unknown texts are empty and unknown numbers None.

    Attributes:
        began: seconds since 2024.
        lasted: tenths of a second, like all times here.
        end, failure: why it ended, and why it failed.
        browser: with its major version.
        network: as the browser names it.
        state, cause: the verdict on the whole call (totals.py); the cause is a word.
        vitals: in the order of VITALS.
        mos: average and worst, in units of 1 / MOS_SCALE.
        times, counts: as `Totals` has them.
        scopes: how long it was bad in each.
        bad_at: the region, bridge and network of most of the bad time.
    """

    began: int
    lasted: int
    end: str
    failure: str = ""
    sender: str = ""
    role: str = ""
    region: str = ""
    bridge: str = ""
    browser: str = ""
    system: str = ""
    network: str = ""
    relay: str = ""
    state: int | None = None
    cause: str = ""
    vitals: list[Told] = []
    mos: tuple[int, int] | None = None
    times: list[Time] = []
    scopes: list[tuple[str, int]] = []
    bad_at: tuple[str, str, str] | None = None
    counts: list[int | None] = []
    outages: int | None = None
    rating: float | None = None
    who: Who | None = None

    @property
    def began_ms(self) -> int:
        """When it began, Unix time in ms, to the second."""
        return EPOCH_MS + self.began * 1000


_encode: Final = msgspec.msgpack.Encoder().encode
read_summary: Final = msgspec.msgpack.Decoder(Summary).decode


def packed(summary: Summary) -> bytes:
    """Return *summary* as a row; its texts are cut until the row fits."""
    most = MOST_BYTES if summary.who is None else MOST_NAMED_BYTES
    row = b""
    for length in LENGTHS:
        row = _encode(_cut(summary, length))
        if len(row) <= most:
            break
    return row


def _cut(summary: Summary, length: int) -> Summary:
    """Return *summary* with each text that clients sent cut to *length* bytes."""
    cut = msgspec.structs.replace(
        summary,
        **{
            field: short(getattr(summary, field), length)
            for field in ("region", "bridge", "browser", "system", "network", "relay")
        },
    )
    if summary.bad_at is not None:
        region, bridge, network = (short(each, length) for each in summary.bad_at)
        cut.bad_at = region, bridge, network
    if summary.who is not None:
        digest, *names = msgspec.structs.astuple(summary.who)
        cut.who = Who(digest, *(short(each, length) for each in names))
    return cut


def short(text: str, length: int = LENGTHS[0]) -> str:
    """Return the beginning of *text*, at most *length* bytes of UTF-8."""
    return text.encode()[:length].decode(errors="ignore")
