"""
The fields of a session's summary, and the bytes (a row) in which Redis keeps it.

summing.py makes a `Summary` of a session that is over. `packed` turns the `Summary` into a row;
`read_summary` turns the row back into a `Summary`. A row is a msgpack array of the fields. Readers
skip fields at the end that a later version has added. Fields that an earlier version did not write
get their defaults.
"""

from typing import Final

import msgspec

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.totals import Time

MOST_BYTES: Final = 390
# Most bytes of a row that also has names, and the digest by which `erase` finds the summary.
MOST_NAMED_BYTES: Final = 700
# Bytes that Redis needs for a row of a list besides the row's own bytes: the row's length, stored
# before and after the row, and a part of the list node, which holds 8 KiB of rows.
BESIDES_BYTES: Final = 8
MOS_SCALE: Final = 100
# The key of a list begins with UNNAMED if its rows have no names, with NAMED if they have names.
UNNAMED, NAMED = "past:", "named:"
# Texts are cut to the first of these lengths in bytes. If the row is still too long, texts are cut
# to the next length, and so on.
LENGTHS: Final = (64, 32, 16, 8)


class Told(msgspec.Struct, array_like=True, gc=False):
    """
    One vital (vitals.py) over the whole session.

    Attributes:
        average, worst: the average and the worst value, in units of VITAL_SCALES; None: the vital
            is not known.
        known, bad: how long the vital was known, and how long it was bad, in tenths of a second.
    """

    average: int | None = None
    known: int = 0
    bad: int = 0
    worst: int | None = None


class Who(msgspec.Struct, array_like=True, gc=False):
    """
    The names in a summary: conference, client id, participant id and user name.

    `digest` is the digest of the whole client id, because the field `client` may be cut.
    """

    digest: bytes
    conference: str = ""
    client: str = ""
    participant: str = ""
    name: str = ""


class Summary(msgspec.Struct, array_like=True, gc=False):
    """
    The summary of one session; unknown texts are empty, unknown numbers are None.

    Attributes:
        began: when the session began, in seconds since the start of 2024.
        lasted: how long the session lasted, in tenths of a second.
        end, failure: why the session ended, and why it failed.
        browser: the browser's name with its major version.
        network: the kind of the participant's network, as the browser names it.
        state, cause: the verdict on the whole call (totals.py); the cause is a word.
        vitals: a `Told` for each of VITALS, in the order of VITALS.
        mos: average and worst MOS, in units of 1 / MOS_SCALE.
        times, counts: as in `Totals` (totals.py).
        scopes: (scope, time) for each scope of trouble, such as `bridge`: for how many tenths of a
            second the session was bad with trouble of this scope.
        bad_at: the region, the bridge and the network with the longest bad time, each found
            separately; None: the session was never bad.
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
        """When the session began: Unix time in ms, exact to the second."""
        return EPOCH_MS + self.began * 1000


_encode: Final = msgspec.msgpack.Encoder().encode
read_summary: Final = msgspec.msgpack.Decoder(Summary).decode


def packed(summary: Summary) -> bytes:
    """
    Return *summary* as a row.

    A row has at most MOST_BYTES, with names at most MOST_NAMED_BYTES; longer texts are cut.
    """
    most = MOST_BYTES if summary.who is None else MOST_NAMED_BYTES
    row = b""
    for length in LENGTHS:
        row = _encode(_cut(summary, length))
        if len(row) <= most:
            break
    return row


def _cut(summary: Summary, length: int) -> Summary:
    """Return a copy of *summary* in which each text of a client has at most *length* bytes."""
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
