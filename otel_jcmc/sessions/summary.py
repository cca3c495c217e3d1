"""
What is kept of a session for longer than its samples: a row of at most MOST_BYTES.

In goes a `Summary`, which summing.py makes; out comes its row, and back. A row is a msgpack array
of the fields. A later version adds fields at the end: this one passes over them, and has its
default for those of its own that an earlier one did not write.
"""

from typing import Final

import msgspec

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.totals import Time

MOST_BYTES: Final = 390
# With names, and the digest that one is erased by.
MOST_NAMED_BYTES: Final = 700
# What a list takes of Redis for a row besides: its two lengths, and a share of the node (8 KiB).
BESIDES_BYTES: Final = 8
MOS_SCALE: Final = 100
# What the lists of rows begin with, without names and with.
UNNAMED, NAMED = "past:", "named:"
# To how many bytes each text is cut, until the row fits.
LENGTHS: Final = (64, 32, 16, 8)


class Told(msgspec.Struct, array_like=True, gc=False):
    """One vital: whole numbers of VITAL_SCALES, and tenths of a second; None: not known."""

    average: int | None = None
    known: int = 0
    bad: int = 0
    worst: int | None = None


class Who(msgspec.Struct, array_like=True, gc=False):
    """Who it was; *digest* is that of the client, whose id may be cut."""

    digest: bytes
    conference: str = ""
    client: str = ""
    participant: str = ""
    name: str = ""


class Summary(msgspec.Struct, array_like=True, gc=False):
    """
    One session; texts are empty and numbers None where nobody knows.

    Attributes:
        began: seconds since 2024.
        lasted: tenths of a second, as all times here.
        end, failure: why it ended, and why it failed.
        browser: with its major version.
        network: as the browser names it.
        state, cause: what is said of it as a whole (totals.py), the cause a word.
        vitals: as VITALS has them.
        mos: average and worst of MOS_SCALE.
        times, counts: as `Totals` has them.
        scopes: for how long it was bad by each.
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
    """Return *summary* as a row; its texts are cut until it is no longer than it may be."""
    most = MOST_BYTES if summary.who is None else MOST_NAMED_BYTES
    row = b""
    for length in LENGTHS:
        row = _encode(_cut(summary, length))
        if len(row) <= most:
            break
    return row


def _cut(summary: Summary, length: int) -> Summary:
    """Return *summary* with each of the texts that others have made cut to *length* bytes."""
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
    """Return as much of *text* as *length* bytes of UTF-8 have."""
    return text.encode()[:length].decode(errors="ignore")
