"""RTP packets: what the bridge reads of them, and what it changes on their way."""

from bridge import rtp

# Type 100, number 0x1234, stream 7; extensions: 1 (one byte) and 5 (two bytes), then three bytes.
HEAD = bytes.fromhex("9064123400000bb800000007bede000210ff51abcd000000")
PACKET = HEAD + b"xyz"


def test_what_is_known_of_a_packet() -> None:
    about = rtp.read(PACKET)
    assert about == rtp.Rtp(
        payload_type=100,
        sequence=0x1234,
        timestamp=3000,
        ssrc=7,
        payload_at=24,
        transport_cc_at=19,
        padding=0,
    )


def test_a_packet_without_the_extension_goes_on_as_it_is() -> None:
    plain = bytes.fromhex("8064123400000bb800000007") + b"xyz"
    about = rtp.read(plain)
    assert (about.payload_at, about.transport_cc_at) == (12, 0)
    assert rtp.numbered(plain, about, 9) == plain


def test_a_packet_gets_the_number_of_its_next_hop_and_nothing_else() -> None:
    numbered = rtp.numbered(PACKET, rtp.read(PACKET), 0x0102)
    assert numbered == PACKET[:19] + b"\x01\x02" + PACKET[21:]


def test_a_retransmission_brings_back_the_packet() -> None:
    again = rtp.retransmission(PACKET, rtp.read(PACKET), 96, 8, 1)
    about = rtp.read(again)
    assert (about.payload_type, about.ssrc, about.sequence) == (96, 8, 1)
    assert again[about.payload_at :] == b"\x12\x34xyz"
    assert rtp.original(again, about, 100, 7) == PACKET


def test_a_retransmission_of_padding_alone_brings_nothing() -> None:
    padding = bytes([HEAD[0] | 32, *HEAD[1:]]) + b"\0\0\0\4"
    assert rtp.original(padding, rtp.read(padding), 100, 7) is None


def test_rtcp_is_told_from_rtp_with_a_marker() -> None:
    assert rtp.is_rtcp(bytes.fromhex("80c8"))
    assert not rtp.is_rtcp(bytes.fromhex("80e4"))
