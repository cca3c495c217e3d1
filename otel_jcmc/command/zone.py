"""
Finds the user's time zone: the zone that `--tz` names, otherwise this machine's.

The output is the zone's name, for requests to the service, and the zone itself, to show times in.
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
    Return the name of a time zone, and the zone: the zone *text*; None: this machine's zone.

    Raises:
        CannotShow: there is no such zone.
    """
    name = text or _machine_zone()
    try:
        return name, read_zone(name)
    except NotUnderstood as wanted:
        raise CannotShow(f"--tz must be {wanted}") from None


def _machine_zone(localtime: Path = Path("/etc/localtime")) -> str:
    """Return the name of this machine's zone, or its present offset if the zone has no name."""
    names = [os.environ.get("TZ", "").removeprefix(":")]
    if not names[0] and localtime.is_symlink():
        # On Debian, Red Hat, Alpine and macOS, the file is a link to the zone's file, whose path
        # ends with the zone's name.
        names.append(str(localtime.resolve()).rpartition(_DATABASE)[2])
    for name in filter(None, names):
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            continue
        return name
    return datetime.now().astimezone().strftime("%z")
