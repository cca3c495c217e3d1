"""
`python -m bridge XMPP_PORT SECRET DOMAIN NAME REGION`: runs a focus and a bridge until it is ended.

To browsers it looks like jicofo and jitsi-videobridge: one UDP port for all participants, a
transport for each of them, and RTP that is forwarded, not made anew.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

from bridge import jingle, stun
from bridge.channel import Channels
from bridge.endpoint import FEEDBACK_SECONDS, REPORT_SECONDS, RETRY_SECONDS, Endpoint
from bridge.focus import Focus
from bridge.secure import fingerprint
from bridge.stun import Address

HOST = "127.0.0.1"
BUFFER_BYTES = 2 << 20


@dataclass
class Bridge(asyncio.DatagramProtocol):
    """The UDP port; a browser's first check says who it is."""

    by_ufrag: dict[str, Endpoint] = field(default_factory=dict)
    by_address: dict[Address, Endpoint] = field(default_factory=dict)
    by_room: dict[str, dict[str, Endpoint]] = field(default_factory=dict)
    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        taken = transport.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)

    def send(self, datagram: bytes, address: Address) -> None:
        """Send a datagram."""
        self.transport.sendto(datagram, address)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if stun.is_stun(data):
            request = stun.read_request(data)
            endpoint = self.by_ufrag.get(request.ufrag) if request else None
            if endpoint is not None:
                endpoint.check(data, addr)
                if endpoint.address == addr:
                    self.by_address[addr] = endpoint
        elif (known := self.by_address.get(addr)) is not None:
            known.receive(data, time.monotonic())

    def make(self, room: str, name: str) -> Endpoint:
        """Make the endpoint of a participant, that exchanges streams with those of its room."""
        endpoint = Endpoint(name, self.send)
        others = self.by_room.setdefault(room, {})
        for other in others.values():
            other.others[name] = endpoint
            endpoint.others[other.name] = other
        others[name] = self.by_ufrag[endpoint.ufrag] = endpoint
        return endpoint

    def drop(self, endpoint: Endpoint) -> None:
        """Forget an endpoint."""
        for other in endpoint.others.values():
            other.others.pop(endpoint.name, None)
        self.by_ufrag.pop(endpoint.ufrag, None)
        for known in self.by_room.values():
            if known.get(endpoint.name) is endpoint:
                del known[endpoint.name]

    def each(self, do: Callable[[Endpoint], None]) -> None:
        """Do something with every endpoint."""
        for endpoint in list(self.by_ufrag.values()):
            do(endpoint)


async def _every(seconds: float, do: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        do()


async def main(xmpp_port: int, secret: str, domain: str, name: str, region: str) -> None:
    """Run a bridge called *name* in *region*, until the server of XMPP ends."""
    loop = asyncio.get_running_loop()
    transport, bridge = await loop.create_datagram_endpoint(Bridge, local_addr=(HOST, 0))
    address: Address = transport.get_extra_info("sockname")

    channels = Channels(name, bridge.by_ufrag.get)
    await channels.start(HOST)

    def offer(endpoint: Endpoint) -> list[Element]:
        ice = jingle.Ice(endpoint.ufrag, endpoint.password, fingerprint(), address)
        return jingle.offer(ice, channels.url_of(endpoint), region)

    def report(endpoint: Endpoint) -> None:
        endpoint.report(time.monotonic())

    focus = Focus(domain, bridge.make, bridge.drop, offer)
    timers = [
        asyncio.create_task(_every(REPORT_SECONDS, partial(bridge.each, report))),
        asyncio.create_task(_every(RETRY_SECONDS, partial(bridge.each, Endpoint.ask_again))),
        asyncio.create_task(_every(FEEDBACK_SECONDS, partial(bridge.each, Endpoint.feed_back))),
    ]
    await focus.run(xmpp_port, secret)
    for timer in timers:
        timer.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:6]))
