"""Free ports of loopback, for servers that cannot choose one themselves."""

import random
import socket


def free_port() -> int:
    """
    Return a port that was free a moment ago.

    It is below the range of outgoing connections (32768 and above on Linux). Otherwise such a
    connection would now and then use the port before the server does.
    """
    for port in random.sample(range(15_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
