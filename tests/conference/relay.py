"""
A UDP relay between browsers on this machine, to lose and delay what one of them sends.

Each of a browser's sockets has a stand-in here. `relayed.js` names that to the other side, so
that B's datagrams for A arrive at A's stand-in, and go on to A from B's. No root is needed.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

Address = tuple[str, int]


@dataclass
class Uplink:
    """What happens to the datagrams of one sender, and what has happened."""

    loss_percent: float = 0.0
    delay_seconds: float = 0.0
    sent: int = 0
    lost: int = 0


@dataclass
class Relay:
    """A running relay; all but `uplinks` belongs to its own thread."""

    loop: asyncio.AbstractEventLoop
    uplinks: dict[str, Uplink] = field(default_factory=dict)
    _senders: dict[Address, str] = field(default_factory=dict)
    _stand_ins: dict[Address, asyncio.DatagramTransport] = field(default_factory=dict)
    _chance: Random = field(default_factory=lambda: Random(1))

    def uplink(self, sender: str) -> Uplink:
        """Return the uplink of *sender*."""
        return self.uplinks.setdefault(sender, Uplink())

    @contextmanager
    def impaired(
        self, sender: str, loss_percent: float = 0.0, delay_seconds: float = 0.0
    ) -> Iterator[Uplink]:
        """Lose and delay what *sender* sends until the block ends."""
        uplink = self.uplinks[sender] = Uplink(loss_percent, delay_seconds)
        try:
            yield uplink
        finally:
            self.uplinks[sender] = Uplink()

    def stand_in(self, real: Address, sender: str | None = None) -> Address:
        """Return the address that stands for *real*, a socket of *sender* if that is known."""
        opened = asyncio.run_coroutine_threadsafe(self._open(real, sender), self.loop)
        return opened.result(timeout=30)

    async def _open(self, real: Address, sender: str | None) -> Address:
        if sender:
            self._senders[real] = sender
        if real not in self._stand_ins:
            transport, _ = await self.loop.create_datagram_endpoint(
                lambda: _StandIn(self, real), local_addr=("127.0.0.1", 0)
            )
            # Both sides may have asked for it meanwhile: one of the two goes unused.
            self._stand_ins.setdefault(real, transport)
        address: Address = self._stand_ins[real].get_extra_info("sockname")
        return address

    def forward(self, datagram: bytes, sender: Address, receiver: Address) -> None:
        """Send *datagram* on, or lose it as the sender's uplink wants it."""
        exit_ = self._stand_ins.get(sender)
        if exit_ is None:
            return  # not announced yet; ICE tries again
        uplink = self.uplink(self._senders.get(sender, ""))
        uplink.sent += 1
        if self._chance.random() * 100 < uplink.loss_percent:
            uplink.lost += 1
        elif uplink.delay_seconds:
            self.loop.call_later(uplink.delay_seconds, exit_.sendto, datagram, receiver)
        else:
            exit_.sendto(datagram, receiver)

    def close(self) -> None:
        """Close every socket."""
        for transport in self._stand_ins.values():
            transport.abort()


class _StandIn(asyncio.DatagramProtocol):
    """A socket that stands for the one at *real*."""

    def __init__(self, relay: Relay, real: Address) -> None:
        self.relay = relay
        self.real = real

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.relay.forward(data, addr, self.real)


@contextmanager
def running_relay() -> Iterator[Relay]:
    """Run a relay in a thread of its own: this one's loop is taken by Playwright's sync API."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    relay = Relay(loop)
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(relay.close)
        # After what the closing has put into the loop.
        loop.call_soon_threadsafe(lambda: loop.call_soon(loop.stop))
        thread.join()
        loop.close()
