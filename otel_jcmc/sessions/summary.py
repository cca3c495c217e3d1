"""
Packs the summary of a session into a row of at most MOST_BYTES, and unpacks it.

Redis keeps summaries for longer than logs. summing.py makes a `Summary`, `packed` makes its row,
and `read_summary` makes a `Summary` from a row. A row is a msgpack array of the fields. A later
version may add fields at the end, which this version skips. Fields that an earlier version did not
write get their defaults.
"""

from typing import Final

import msgspec

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.totals import Time

MOST_BYTES: Final = 390
# The most bytes of a row with names. Such a row also has a digest, by which an erasure finds it.
MOST_NAMED_BYTES: Final = 700
# The bytes that Redis needs for a row in a list in addition to the bytes of the row: two lengths,
# and a share of the list's node, which has 8 KiB.
BESIDES_BYTES: Final = 8
MOS_SCALE: Final = 100
# The keys of lists of rows begin with these texts: rows without names, and rows with names.
UNNAMED, NAMED = "past:", "named:"
# If a row is too long, its texts are cut to 64 bytes each, then to 32 and so on, until it fits.
LENGTHS: Final = (64, 32, 16, 8)


class Told(msgspec.Struct, array_like=True, gc=False):
    """
    One vital over the whole session: quality, packet loss or round trip (vitals.py).

    Attributes:
        average, worst: values multiplied by the vital's VITAL_SCALES; None: not known.
        known, bad: how long the vital was known, and was bad, in tenths of a second.
    """

    average: int | None = None
    known: int = 0
    bad: int = 0
    worst: int | None = None


class Who(msgspec.Struct, array_like=True, gc=False):
    """
    The names of the participant and its conference.

    *digest* is the digest of the whole client id; *client*, the id itself, may be cut.
    """

    digest: bytes
    conference: str = ""
    client: str = ""
    participant: str = ""
    name: str = ""


class Summary(msgspec.Struct, array_like=True, gc=False):
    """
    The summary of one session; a text that is not known is empty, a number is None.

    Attributes:
        began: the start of the session, in seconds since the beginning of 2024.
        lasted: the length of the session, in tenths of a second.
        end, failure: why the session ended, and why it failed.
        browser: the browser's name and major version.
        network: the kind of network that the browser named.
        state, cause: the verdict on the whole session (totals.py); the cause is a word.
        vitals: a `Told` for each of VITALS, in their order.
        mos: average and worst MOS, multiplied by MOS_SCALE.
        times, counts: as in `Totals`.
        scopes: (how far the trouble reached, tenths of a second of bad time with this scope).
        bad_at: the region, bridge and network that had the most bad time.
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
        """The start of the session, Unix time in ms, exact to the second."""
        return EPOCH_MS + self.began * 1000


_encode: Final = msgspec.msgpack.Encoder().encode
read_summary: Final = msgspec.msgpack.Decoder(Summary).decode


def packed(summary: Summary) -> bytes:
    """Return *summary* as a row; if the row is too long, its texts are cut."""
    most = MOST_BYTES if summary.who is None else MOST_NAMED_BYTES
    row = b""
    for length in LENGTHS:
        row = _encode(_cut(summary, length))
        if len(row) <= most:
            break
    return row


def _cut(summary: Summary, length: int) -> Summary:
    """Return *summary* with all texts from clients cut to *length* bytes each."""
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
