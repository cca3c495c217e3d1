"""
The time zone of a command: `--tz`, or this machine's.

Its name goes out, which the command sends to the service, and the zone for the times it shows.
"""

import os
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from otel_jcmc.command.running_service import CannotShow
from otel_jcmc.web.times import NotUnderstood, read_zone

_DATABASE: Final = "zoneinfo/"


def zone_of(text: str | None) -> tuple[str, tzinfo]:
    """
    Return name and zone of *text*, or of this machine if it is empty.

    Raises:
        CannotShow: no zone has this name.
    """
    name = text or _machine_zone()
    try:
        return name, read_zone(name)
    except NotUnderstood as wanted:
        raise CannotShow(f"--tz must be {wanted}") from None


def _machine_zone(localtime: Path = Path("/etc/localtime")) -> str:
    """Return the name of this machine's zone, or its present offset if it has no name."""
    names = [os.environ.get("TZ", "").removeprefix(":")]
    if not names[0] and localtime.is_symlink():
        # Debian, Red Hat, Alpine and macOS all link to a file of the database.
        names.append(str(localtime.resolve()).rpartition(_DATABASE)[2])
    for name in filter(None, names):
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            continue
        return name
    return datetime.now().astimezone().strftime("%z")
