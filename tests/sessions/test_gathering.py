"""What a process gathers of a session: its use of memory, for thousands of sessions."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

from recording import push

from otel_jcmc.sessions.gathering import Gathered, gather, make_item
from otel_jcmc.sessions.items import versions
from otel_jcmc.store.participant import to_write

SESSIONS = 200
# For a session without waiting entries, with 100 bytes of attributes.
MOST_BYTES = 1200
BOUNDS = (50.0, 5.0, 400.0)


def gathered(number: int, names: Iterator[bytes]) -> Gathered:
    """Return a session with two entries of three pushes each, in which it was good and bad."""
    session = f"3fa85f64-5717-4562-b3fc-2c96{number:08x}"
    of = None
    for turn in range(6):
        told: dict[str, Any] = {
            "f1": 97.5 - turn,
            "f11": 1.25,
            "f45": turn % 3,
            "f46": turn % 3 and 7,
        }
        report = push(f"p{number}", session=session, f13=[[41 + turn, {}]], f69="eu-west", **told)
        write = to_write(report, 90_000)
        of = of or Gathered(write.member, session, 90_000)
        gather(of, write.payload, report, 1000.0 + 10 * turn, 90_000, BOUNDS)
        if turn % 3 == 2:
            make_item(of, write.payload, 1.8e9, names, BOUNDS)
    assert of is not None
    return of


def test_a_session_of_which_nothing_waits_takes_about_a_kilobyte() -> None:
    """Totals and attributes are bytes; as objects they took twice as much."""
    names = versions()
    gathered(0, names)
    tracemalloc.start()
    try:
        kept = [gathered(number, names) for number in range(SESSIONS)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == SESSIONS
    assert taken / SESSIONS < MOST_BYTES
