"""
A UDP relay between browsers on this machine, which loses, delays and holds up datagrams.

Each socket of a browser has a stand-in here. `relayed.js` tells the other side the stand-in's
address, so B's datagrams for A arrive at A's stand-in, and go on to A from B's stand-in. No root
rights are needed. A datagram passes the sender's way up, then the receiver's way down.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

Address = tuple[str, int]
# After an outage, a bridge sends many packets at once: those that the relay cannot handle must
# wait.
BUFFER_BYTES = 2 << 20


class Conditions(NamedTuple):
    """
    What one direction does to datagrams.

    Attributes:
        loss_percent: this share is lost, at random.
        delay_seconds: each is late by this.
        jitter_seconds: and by up to this more, at random: one may overtake another.
        kbits_per_second: the limit, 0: none; the rest waits.
        queue_seconds: datagrams that would have to wait longer are lost.
        is_dead: nothing passes.
    """

    loss_percent: float = 0.0
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    kbits_per_second: float = 0.0
    queue_seconds: float = 0.4
    is_dead: bool = False


SOUND = Conditions()


@dataclass
class Way:
    """
    One direction between a tab and the others, up or down.

    Attributes:
        sent: datagrams that have come to it.
        lost: datagrams that have not gone on.
        sent_bytes: of those that have gone on, without IP's and UDP's headers.
    """

    conditions: Conditions = SOUND
    sent: int = 0
    lost: int = 0
    sent_bytes: int = 0
    _is_free_at: float = 0.0

    def wait(self, size: int, now: float, chance: Random) -> float | None:
        """Count a datagram of *size* bytes; return the seconds until it goes on; None: lost."""
        self.sent += 1
        wait = self._turn(size, now, chance)
        if wait is None:
            self.lost += 1
        else:
            self.sent_bytes += size
        return wait

    def _turn(self, size: int, now: float, chance: Random) -> float | None:
        is_ = self.conditions
        if is_.is_dead or chance.random() * 100 < is_.loss_percent:
            return None
        wait = is_.delay_seconds + chance.random() * is_.jitter_seconds
        if is_.kbits_per_second:
            begins = max(self._is_free_at, now)
            if begins - now > is_.queue_seconds:
                return None
            self._is_free_at = begins + size * 8 / (1000 * is_.kbits_per_second)
            wait += self._is_free_at - now
        return wait


@dataclass
class Link:
    """How a tab is connected to the others."""

    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)


@dataclass
class Relay:
    """A running relay at *host*; everything except `links` belongs to its own thread."""

    loop: asyncio.AbstractEventLoop
    host: str
    links: dict[str, Link] = field(default_factory=dict)
    _owners: dict[Address, str] = field(default_factory=dict)
    _stand_ins: dict[Address, asyncio.DatagramTransport] = field(default_factory=dict)
    _chance: Random = field(default_factory=lambda: Random(1))

    def link(self, tab: str) -> Link:
        """Return the link of *tab*."""
        return self.links.setdefault(tab, Link())

    @contextmanager
    def impaired(
        self, sender: str, loss_percent: float = 0.0, delay_seconds: float = 0.0
    ) -> Iterator[Way]:
        """Impair the way up of *sender* until the block ends, with new counts."""
        way = self.link(sender).up = Way(Conditions(loss_percent, delay_seconds))
        try:
            yield way
        finally:
            way.conditions = SOUND

    def stand_in(self, real: Address, owner: str | None = None) -> Address:
        """Return the stand-in's address for *real*, a socket of *owner* if that is known."""
        opened = asyncio.run_coroutine_threadsafe(self._open(real, owner), self.loop)
        return opened.result(timeout=30)

    async def _open(self, real: Address, owner: str | None) -> Address:
        if owner:
            self._owners[real] = owner
        if real not in self._stand_ins:
            transport, _ = await self.loop.create_datagram_endpoint(
                lambda: _StandIn(self, real), local_addr=(self.host, 0)
            )
            taken = transport.get_extra_info("socket")
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            # Several may have asked for it meanwhile: the first one counts.
            if self._stand_ins.setdefault(real, transport) is not transport:
                transport.close()
        address: Address = self._stand_ins[real].get_extra_info("sockname")
        return address

    def forward(self, datagram: bytes, sender: Address, receiver: Address) -> None:
        """Send *datagram* on, under the conditions of its two directions."""
        exit_ = self._stand_ins.get(sender)
        if exit_ is None:
            return  # not announced yet; ICE tries again
        wait = 0.0
        ways = (
            self.link(self._owners.get(sender, "")).up,
            self.link(self._owners.get(receiver, "")).down,
        )
        for way in ways:
            more = way.wait(len(datagram), self.loop.time() + wait, self._chance)
            if more is None:
                return
            wait += more
        if wait:
            self.loop.call_later(wait, exit_.sendto, datagram, receiver)
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
def running_relay(host: str = "127.0.0.1") -> Iterator[Relay]:
    """
    Run a relay between sockets of *host*.

    It has a thread of its own, because Playwright's sync API occupies this thread's loop.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    relay = Relay(loop, host)
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(relay.close)
        # After what the closing has put into the loop.
        loop.call_soon_threadsafe(lambda: loop.call_soon(loop.stop))
        thread.join()
        loop.close()
