"""
The summary of a session, which is kept for longer than its log: a row of at most MOST_BYTES.

`packed` returns the row of a `Summary`, which summing.py makes; `read_summary` returns the
`Summary` of a row. A row is a msgpack array of the fields. A later version may add fields at the
end: this version skips them. Fields that an earlier version did not write have defaults.
"""

from typing import Final

import msgspec

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.totals import Time

MOST_BYTES: Final = 390
# Most bytes of a row with names, and with the digest by which a summary is erased.
MOST_NAMED_BYTES: Final = 700
# Bytes that Redis needs for a row of a list besides the row's own: its two lengths, and a part of
# the list's node (8 KiB).
BESIDES_BYTES: Final = 8
MOS_SCALE: Final = 100
# The beginnings of the keys of lists of rows: for rows without names, and for rows with names.
UNNAMED, NAMED = "past:", "named:"
# The lengths in bytes to which texts are cut in turn, until the row fits.
LENGTHS: Final = (64, 32, 16, 8)


class Told(msgspec.Struct, array_like=True, gc=False):
    """
    One vital of the whole session; None: not known.

    Values are in units of VITAL_SCALES, times in tenths of a second.
    """

    average: int | None = None
    known: int = 0
    bad: int = 0
    worst: int | None = None


class Who(msgspec.Struct, array_like=True, gc=False):
    """The participant's names; *digest* is the digest of the whole client id, which may be cut."""

    digest: bytes
    conference: str = ""
    client: str = ""
    participant: str = ""
    name: str = ""


class Summary(msgspec.Struct, array_like=True, gc=False):
    """
    One session; unknown texts are empty and unknown numbers None.

    Attributes:
        began: when the session began, seconds since 2024.
        lasted: how long it lasted, in tenths of a second, like all times here.
        end, failure: why it ended, and why it failed.
        browser: the browser's name with its major version.
        network: the kind of network, in the browser's words.
        state, cause: the verdict on the whole call (totals.py); the cause is a word.
        vitals: one for each of VITALS, in their order.
        mos: average and worst MOS, in units of 1 / MOS_SCALE.
        times, counts: see `Totals`.
        scopes: how far trouble reached, and how long the session was bad by it.
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
