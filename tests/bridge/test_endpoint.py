"""What passes from one participant to another and what does not, without encryption."""

from struct import pack

import pytest
from bridge import rtcp, rtp
from bridge.endpoint import Endpoint
from bridge.stream import Source

ADA_SOUND, ADA_PICTURE, ADA_AGAIN = 10, 11, 12
EXTENSION = bytes.fromhex("bede00015100ff00")


class Plain:
    """Stands for the encryption."""

    is_ready = True

    def decrypt(self, packet: bytes, **_: object) -> bytes:
        return packet

    def encrypt(self, packet: bytes, **_: object) -> bytes:
        return packet


class Room:
    """Ada, who sends, and bob and cid, who have been told of it; and what each has got."""

    def __init__(self) -> None:
        self.got: dict[str, list[bytes]] = {"ada": [], "bob": [], "cid": []}
        self.ada, self.bob, self.cid = everybody = [self._endpoint(name) for name in self.got]
        for one in everybody:
            one.others = {other.name: other for other in everybody if other is not one}
        picture = Source(ADA_PICTURE, "video", ADA_AGAIN)
        self.ada.announce([Source(ADA_SOUND, "audio"), picture])
        self.bob.hears = self.cid.hears = {ADA_SOUND, ADA_PICTURE}

    def _endpoint(self, name: str) -> Endpoint:
        endpoint = Endpoint(name, lambda datagram, address: self.got[address[0]].append(datagram))
        endpoint.address = (name, 1)
        endpoint.secure = Plain()  # type: ignore[assignment]
        return endpoint

    def send(self, ssrc: int, *sequences: int) -> None:
        """Let ada send packets."""
        for sequence in sequences:
            head = pack("!BBHII", 0x90, 100, sequence, 0, ssrc) + EXTENSION
            self.ada.receive(head + b"%d" % sequence, 1.0)

    def sequences(self, name: str) -> list[tuple[int, int]]:
        """Return the stream and number of each packet that somebody has got."""
        read = [rtp.read(each) for each in self.got[name] if not rtp.is_rtcp(each)]
        return [(about.ssrc, about.sequence) for about in read]

    def messages(self, name: str) -> list[rtcp.Message]:
        """Return what somebody has got of RTCP."""
        compounds = [each for each in self.got[name] if rtp.is_rtcp(each)]
        return [message for each in compounds for message in rtcp.messages(each)]


@pytest.fixture
def room() -> Room:
    return Room()


def test_the_others_get_what_one_sends_with_its_gaps(room: Room) -> None:
    room.send(ADA_SOUND, 1, 3)
    assert room.sequences("bob") == room.sequences("cid") == [(ADA_SOUND, 1), (ADA_SOUND, 3)]
    assert room.sequences("ada") == []


def test_nobody_gets_a_stream_before_being_told_of_it(room: Room) -> None:
    room.bob.hears = {ADA_SOUND}
    room.send(ADA_PICTURE, 1)
    assert room.sequences("bob") == []
    assert room.sequences("cid") == [(ADA_PICTURE, 1)]


def test_each_hop_numbers_its_packets_anew(room: Room) -> None:
    room.send(ADA_SOUND, 1, 2)
    numbers = [each[rtp.read(each).transport_cc_at :][:2] for each in room.got["bob"]]
    assert numbers == [b"\0\1", b"\0\2"]


def test_a_gap_on_the_way_up_is_filled_for_all_by_the_sender(room: Room) -> None:
    room.send(ADA_PICTURE, 1, 3)
    (asked,) = room.messages("ada")
    assert rtcp.asked_for(asked) == (ADA_PICTURE, [2])
    again = pack("!BBHII", 0x80, 96, 900, 0, ADA_AGAIN) + pack("!H", 2) + b"2"
    room.ada.receive(again, 1.1)
    assert room.sequences("bob") == [(ADA_PICTURE, 1), (ADA_PICTURE, 3), (ADA_PICTURE, 2)]
    assert room.got["bob"][-1][-1:] == b"2"


def test_a_gap_on_the_way_down_is_filled_by_the_bridge_for_one_alone(room: Room) -> None:
    room.send(ADA_PICTURE, 1, 2)
    room.bob.receive(rtcp.wanted_again(ADA_PICTURE, [2, 9]), 1.1)
    assert room.sequences("bob")[2:] == [(ADA_AGAIN, 1)]
    assert len(room.sequences("cid")) == 2
    assert room.messages("ada") == []


def test_a_key_frame_that_two_want_is_asked_for_once(room: Room) -> None:
    for one in (room.bob, room.cid):
        one.receive(rtcp.key_frame_wanted(ADA_PICTURE), 1.0)
    assert [rtcp.key_frames_asked_for(each) for each in room.messages("ada")] == [[ADA_PICTURE]]


def test_who_wants_pictures_of_nobody_gets_sound(room: Room) -> None:
    assert room.bob.show(0) == []
    room.send(ADA_PICTURE, 1)
    room.send(ADA_SOUND, 1)
    assert room.sequences("bob") == [(ADA_SOUND, 1)]
    assert room.bob.show(-1) == ["ada", "cid"]
    room.send(ADA_PICTURE, 2)
    assert room.sequences("bob")[-1] == (ADA_PICTURE, 2)


def test_who_wants_pictures_of_one_gets_those_of_who_came_first(room: Room) -> None:
    assert room.cid.show(1) == ["ada"]
    assert room.cid.pictures_off == {"bob"}


def test_the_sender_is_told_of_loss_and_of_arrivals(room: Room) -> None:
    room.send(ADA_SOUND, 1, 2, 4)
    room.ada.report(2.0)
    room.ada.feed_back()
    room.ada.feed_back()
    report, feedback = room.messages("ada")
    assert (report.kind, report.whole[8:16].hex()) == (201, "0000000a" + "40000001")
    assert (feedback.kind, feedback.form) == (205, 15)


def test_a_senders_report_goes_to_the_others(room: Room) -> None:
    room.send(ADA_SOUND, 1)
    report = "0000000a" + "00" * 20
    room.ada.receive(bytes.fromhex("81c8000c" + report + "00" * 24), 2.0)
    # What ada says of what she gets is for the bridge alone.
    assert [each.whole.hex() for each in room.messages("bob")] == ["80c80006" + report]
