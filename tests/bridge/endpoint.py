"""
One participant at the bridge: an address, a transport and the streams that it sends.

Its packets go to the other participants of the conference unchanged, except for the hop's own
number (transport-wide-cc) and the encryption. Reports, feedback and retransmissions are between the
bridge and each participant, as with a real bridge.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from secrets import token_hex
from struct import unpack_from

from bridge import rtcp, rtp, stun
from bridge.jingle import RETRANSMISSION_TYPE, VIDEO_TYPE
from bridge.secure import Secure, is_dtls
from bridge.stream import RETRY_SECONDS, Source, Stream
from bridge.stun import Address

REPORT_SECONDS = 1.0
FEEDBACK_SECONDS = 0.1
# A key frame that many ask for is asked for once.
_KEY_FRAME_SECONDS = 0.3

Send = Callable[[bytes, Address], None]


def _credential(size: int) -> Callable[[], str]:
    return lambda: token_hex(size)


@dataclass
class Endpoint:
    """
    A participant.

    Attributes:
        others: who gets what this one sends, and sends what this one gets.
        hears: whose streams this one has been told of: nothing else is sent to it.
        pictures_off: of whom no pictures are sent to it.
    """

    name: str
    send: Send
    others: dict[str, "Endpoint"] = field(default_factory=dict)
    hears: set[int] = field(default_factory=set)
    ufrag: str = field(default_factory=_credential(4))
    password: str = field(default_factory=_credential(12))
    remote_password: str = ""
    address: Address | None = None
    streams: dict[int, Stream] = field(default_factory=dict)
    pictures_off: set[str] = field(default_factory=set)
    secure: Secure = field(default_factory=Secure)
    _of_retransmissions: dict[int, Stream] = field(default_factory=dict)
    _sent: int = 0
    _sent_again: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _arrived: dict[int, float] = field(default_factory=dict)
    _arrived_last: int = 0
    _told_until: int = 0
    _feedback: int = 0
    _key_frame_at: dict[int, float] = field(default_factory=dict)

    def announce(self, sources: Iterable[Source]) -> None:
        """Take what this one says that it is going to send."""
        for source in sources:
            stream = self.streams[source.ssrc] = Stream(source)
            self._of_retransmissions[source.retransmissions] = stream

    def forget(self, ssrcs: Iterable[int]) -> None:
        """Take what this one says that it sends no more."""
        for ssrc in ssrcs:
            self.streams.pop(ssrc, None)

    def check(self, datagram: bytes, sender: Address) -> None:
        """Answer a check of ICE, and take the address that it came from."""
        request = stun.read_request(datagram, self.password)
        if request is None:
            return
        self.address = sender
        self.send(stun.response(request, self.password, sender), sender)
        if self.remote_password:
            nominated = stun.nomination(self.ufrag, request.remote_ufrag, self.remote_password)
            self.send(nominated, sender)

    def receive(self, datagram: bytes, now: float) -> None:
        """Take a *datagram* of DTLS, SRTP or SRTCP."""
        if is_dtls(datagram):
            for answer in self.secure.handshake(datagram):
                self._send(answer)
            return
        is_rtcp = rtp.is_rtcp(datagram)
        packet = self.secure.decrypt(datagram, is_rtcp=is_rtcp)
        if packet is None:
            return
        if is_rtcp:
            self._receive_rtcp(packet, now)
        else:
            self._receive_rtp(packet, now)

    def _receive_rtp(self, packet: bytes, now: float) -> None:
        about = rtp.read(packet)
        if about.transport_cc_at:
            self._note_arrival(unpack_from("!H", packet, about.transport_cc_at)[0], now)
        stream = self.streams.get(about.ssrc)
        if stream is not None:
            if stream.receive(packet, about.sequence, about.timestamp, now):
                self._ask_again(stream)
            self._forward(packet, about, stream)
        elif about.ssrc in self._of_retransmissions:
            self._receive_again(packet, about, self._of_retransmissions[about.ssrc])

    def _receive_again(self, packet: bytes, about: rtp.Rtp, stream: Stream) -> None:
        """Take a retransmission; what was missing goes on as if it had not been lost."""
        found = rtp.original(packet, about, VIDEO_TYPE, stream.source.ssrc)
        if found is None:
            return
        again = rtp.read(found)
        if stream.bring_back(found, again.sequence):
            self._forward(found, again, stream)

    def _note_arrival(self, number: int, now: float) -> None:
        last = self._arrived_last
        number = last + (number - last + 0x8000 & 0xFFFF) - 0x8000 if last else number
        self._told_until = self._told_until or number
        self._arrived_last = max(last, number)
        self._arrived[number] = now

    def _forward(self, packet: bytes, about: rtp.Rtp, stream: Stream) -> None:
        for other in self.others.values():
            if other.wants(self.name, stream):
                other.send_rtp(packet, about)

    def wants(self, sender: str, stream: Stream) -> bool:
        """Say whether *stream* of *sender* is to be sent to this one."""
        is_off = stream.is_video and sender in self.pictures_off
        return stream.source.ssrc in self.hears and not is_off

    def show(self, last_n: int) -> list[str]:
        """Send pictures of so many others, those who came first; -1: of all. Return of whom."""
        names = list(self.others)
        shown = names if last_n < 0 else names[:last_n]
        off = set(names) - set(shown)
        for name in self.pictures_off & set(shown):
            self.others[name].want_key_frames()
        self.pictures_off = off
        return shown

    def send_rtp(self, packet: bytes, about: rtp.Rtp) -> None:
        """Send a *packet* of another's."""
        self._sent += about.transport_cc_at > 0
        encrypted = self.secure.encrypt(
            rtp.numbered(packet, about, self._sent & 0xFFFF), is_rtcp=False
        )
        if encrypted is not None:
            self._send(encrypted)

    def _send(self, datagram: bytes) -> None:
        if self.address is not None:
            self.send(datagram, self.address)

    def _send_rtcp(self, message: bytes) -> None:
        encrypted = self.secure.encrypt(message, is_rtcp=True)
        if encrypted is not None:
            self._send(encrypted)

    def _receive_rtcp(self, compound: bytes, now: float) -> None:
        for message in rtcp.messages(compound):
            if message.kind == rtcp.SENDER_REPORT:
                self._receive_report(message, now)
            for ssrc in rtcp.key_frames_asked_for(message):
                self._ask_for_key_frame(ssrc, now)
            if wanted := rtcp.asked_for(message):
                self._send_again(*wanted)

    def _receive_report(self, message: rtcp.Message, now: float) -> None:
        """Take a sender's report; the others need it too, to play sound and picture together."""
        stream = self.streams.get(message.ssrc)
        if stream is None:
            return
        stream.note_report(unpack_from("!I", message.whole, 10)[0], now)
        for other in self.others.values():
            if other.wants(self.name, stream):
                other._send_rtcp(rtcp.without_blocks(message))

    def _find(self, ssrc: int) -> tuple["Endpoint", Stream] | None:
        """Return who of the others sends *ssrc*."""
        for other in self.others.values():
            if ssrc in other.streams:
                return other, other.streams[ssrc]
        return None

    def _ask_for_key_frame(self, ssrc: int, now: float) -> None:
        if found := self._find(ssrc):
            found[0].want_key_frame(ssrc, now)

    def want_key_frames(self) -> None:
        """Ask for a key frame of each picture, for who begins to see it."""
        for ssrc, stream in self.streams.items():
            if stream.is_video:
                self._send_rtcp(rtcp.key_frame_wanted(ssrc))

    def want_key_frame(self, ssrc: int, now: float) -> None:
        """Ask this one for a key frame, unless that has just been done."""
        if now - self._key_frame_at.get(ssrc, 0.0) > _KEY_FRAME_SECONDS:
            self._key_frame_at[ssrc] = now
            self._send_rtcp(rtcp.key_frame_wanted(ssrc))

    def _send_again(self, ssrc: int, sequences: list[int]) -> None:
        """Send packets of another's once more, those of them that are kept."""
        found = self._find(ssrc)
        if found is None or not found[1].source.retransmissions:
            return
        stream = found[1]
        again = stream.source.retransmissions
        for packet in map(stream.kept, sequences):
            if packet is None:
                continue
            self._sent_again[again] += 1
            about = rtp.read(packet)
            number = self._sent_again[again]
            once_more = rtp.retransmission(packet, about, RETRANSMISSION_TYPE, again, number)
            self.send_rtp(once_more, rtp.read(once_more))

    def report(self, now: float) -> None:
        """Tell this one how its streams arrive."""
        blocks = [block for each in self.streams.values() if (block := each.block(now))]
        if blocks:
            self._send_rtcp(rtcp.receiver_report(blocks))

    def ask_again(self) -> None:
        """Ask this one for what is missing."""
        for stream in self.streams.values():
            self._ask_again(stream)

    def _ask_again(self, stream: Stream) -> None:
        if wanted := stream.to_ask_for():
            self._send_rtcp(rtcp.wanted_again(stream.source.ssrc, wanted))

    def feed_back(self) -> None:
        """Tell this one when its packets have arrived: by that it chooses its bitrate."""
        if self._arrived:
            arrived, self._arrived = self._arrived, {}
            ssrc, first = next(iter(self.streams), 0), self._told_until
            self._send_rtcp(rtcp.transport_feedback(ssrc, self._feedback, first, arrived))
            self._feedback += 1
            self._told_until = max(self._told_until, max(arrived) + 1)


__all__ = ["FEEDBACK_SECONDS", "REPORT_SECONDS", "RETRY_SECONDS", "Endpoint"]
