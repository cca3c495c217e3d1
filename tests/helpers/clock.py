"""A wall clock for one process, which a test can set (libfaketime)."""

from pathlib import Path

import pytest

CLOCK = Path(__file__).parents[2] / ".cache" / "clock"


class Clock:
    """The wall clock of one process. A test sets it; the monotonic clock does not change."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "clock"
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set the clock *seconds* away from the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables of a process that uses this clock."""
        found = next(iter(CLOCK.rglob("libfaketimeMT.so.1")), None)
        if found is None:
            pytest.fail("libfaketime is missing: run tests/real-parts.sh", pytrace=False)
        return {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
