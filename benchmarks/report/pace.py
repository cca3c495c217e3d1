"""
The speed of the machine just now, against its fastest in this run.

A virtual machine shares its cores with others, which no count of CPU time shows. On ours a loop of
3.2 ms takes 6.3 ms for seconds or minutes, with nothing else running. A round begins when the
machine has its full speed, or after a time limit. The report shows the speed beside the figure.
"""

from time import perf_counter, sleep

# A loop of a millisecond or two; the interpreter does nothing else in it.
_TURNS = 150_000
# Above it the machine is not at its own pace.
SLOWED = 1.15
PATIENCE_SECONDS = 6.0


class Pace:
    """The machine's pace; the fastest so far is what all else is compared with."""

    def __init__(self, seconds: float = 1.0) -> None:
        """Look for the fastest, for so many *seconds*."""
        self._fastest = _turn()
        end = perf_counter() + seconds
        while perf_counter() < end:
            self._fastest = min(self._fastest, _turn())

    def now(self) -> float:
        """Return how many times as long as at its fastest the machine takes."""
        taken = min(_turn() for _ in range(3))
        self._fastest = min(self._fastest, taken)
        return taken / self._fastest

    def wait(self, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until the machine is at its pace, at most so many *seconds*; return what it is."""
        end = perf_counter() + seconds
        while (pace := self.now()) > SLOWED and perf_counter() < end:
            sleep(0.05)
        return pace


def _turn() -> float:
    """Return how long the loop takes."""
    started = perf_counter()
    sum(range(_TURNS))
    return perf_counter() - started
