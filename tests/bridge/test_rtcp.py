"""RTCP, byte by byte."""

from bridge import rtcp


def only(compound: bytes) -> rtcp.Message:
    (message,) = rtcp.messages(compound)
    return message


def test_a_compound_is_taken_apart() -> None:
    both = rtcp.key_frame_wanted(7) + rtcp.wanted_again(7, [3])
    assert [(each.kind, each.form) for each in rtcp.messages(both)] == [(206, 1), (205, 1)]


def test_key_frames_are_asked_for_by_either_message() -> None:
    assert rtcp.key_frames_asked_for(only(bytes.fromhex("81ce00020000000100000007"))) == [7]
    full = bytes.fromhex("84ce000400000001000000000000000705000000")
    assert rtcp.key_frames_asked_for(only(full)) == [7]


def test_what_is_wanted_again_is_the_first_and_a_mask() -> None:
    asked = only(bytes.fromhex("81cd0003000000010000000700058001"))
    assert rtcp.asked_for(asked) == (7, [5, 6, 21])
    assert rtcp.wanted_again(7, [5, 9]).hex() == "81cd0004000000010000000700050000" + "00090000"


def test_a_report_on_a_stream() -> None:
    block = rtcp.Block(7, 26, 10, 0x10005, 90, 0xAABBCCDD, 65536)
    told = rtcp.receiver_report([block])
    assert told.hex() == (
        "81c90007" + "00000001" + "00000007" + "1a00000a" + "00010005" + "0000005a" + "aabbccdd"
        "00010000"
    )


def test_a_sender_report_goes_on_without_what_is_said_of_others() -> None:
    head = "00000007" + "0102030405060708" + "00000bb8" + "00000064" + "00001000"
    report = only(bytes.fromhex("81c8000c" + head + "00" * 24))
    assert (report.kind, report.ssrc) == (200, 7)
    assert rtcp.without_blocks(report).hex() == "80c80006" + head


def test_feedback_tells_when_each_packet_of_a_transport_came() -> None:
    """Packet 10 at 64 ms, 12 at 65 ms, 13 before that, 11 never; 9 was told of before."""
    told = rtcp.transport_feedback(7, 3, 10, {10: 0.064, 12: 0.065, 13: 0.0645})
    assert (
        told.hex()
        == (
            "afcd0006" + "00000001" + "00000007"  # with padding
            "000a0004" + "00000103"  # from 10, four packets; from 64 ms, the third feedback
            "d180"  # came, came not, came, came late
            "00" + "04" + "fffe"  # in quarters of a ms since the one before
            "0002"
        )
    )


def test_feedback_begins_with_what_was_lost_since_the_one_before() -> None:
    told = rtcp.transport_feedback(7, 0, 8, {10: 0.064})
    assert told[12:16].hex() == "00080003"
