"""
Tells systemd that the service is up, or that it stops, for units with `Type=notify`.

The protocol is sd_notify(3): a process sends a datagram to the socket that NOTIFY_SOCKET names.
"""

import logging
import os
import socket
from typing import Final

log = logging.getLogger(__name__)

UP: Final = "READY=1"
STOPPING: Final = "STOPPING=1"


def notify(state: str) -> None:
    """Send *state* to systemd if NOTIFY_SOCKET is set; a failure is logged as one line."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    # A leading @ stands for a null byte: the socket then has a name that is in no file system.
    address = "\0" + where[1:] if where.startswith("@") else where
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            wire.sendto(state.encode(), address)
    except OSError as error:
        log.warning("systemd can't be told %s at NOTIFY_SOCKET: %s", state, error)
