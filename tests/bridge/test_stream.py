"""What the bridge reports of a stream that it receives, and what it requests again."""

from bridge.stream import Source, Stream


def video() -> Stream:
    return Stream(Source(7, "video", 8))


def receive(stream: Stream, *sequences: int) -> None:
    """Receive a packet each 10 ms, as they were sent."""
    for at, sequence in enumerate(sequences):
        clock = stream.source.clock
        stream.receive(b"%d" % sequence, sequence, sequence * clock // 100, 1 + at / 100)


def test_nothing_is_told_before_the_first_packet() -> None:
    assert video().block(1.0) is None


def test_loss_is_told_since_the_report_before_and_in_all() -> None:
    stream = Stream(Source(7, "audio"))
    receive(stream, 65533, 65534, 65535, 2)
    block = stream.block(2.0)
    assert block is not None
    # Two of six, in 256ths; the number has wrapped once.
    assert (block.fraction_lost, block.lost, block.highest) == (85, 2, 0x10002)
    receive(stream, 3, 4)
    block = stream.block(3.0)
    assert block is not None
    assert (block.fraction_lost, block.lost) == (0, 2)


def test_jitter_grows_by_a_sixteenth_of_how_late_a_packet_is() -> None:
    stream = Stream(Source(7, "audio"))
    stream.receive(b"", 1, 0, 1.0)
    stream.receive(b"", 2, 960, 1.03)
    block = stream.block(2.0)
    assert block is not None
    assert block.jitter == 30  # 10 ms are 480 ticks


def test_the_round_trip_needs_the_senders_report_and_the_time_since_it() -> None:
    stream = video()
    receive(stream, 1)
    stream.note_report(0xAABBCCDD, 2.0)
    block = stream.block(2.5)
    assert block is not None
    assert (block.last_report, block.since_last_report) == (0xAABBCCDD, 32768)


def test_a_gap_of_a_picture_is_asked_for_until_it_is_filled() -> None:
    stream = video()
    receive(stream, 1, 2, 5)
    assert [one & 0xFFFF for one in stream.to_ask_for()] == [3, 4]
    assert stream.bring_back(b"3", 3)
    assert not stream.bring_back(b"3", 3), "it was there already"
    assert [one & 0xFFFF for one in stream.to_ask_for()] == [4]
    assert stream.kept(3) == b"3"


def test_a_gap_is_asked_for_ten_times_and_no_more() -> None:
    stream = video()
    receive(stream, 1, 3)
    asked = [stream.to_ask_for() for _ in range(12)]
    assert [len(each) for each in asked] == [1] * 10 + [0] * 2


def test_a_gap_of_an_outage_is_not_asked_for() -> None:
    stream = video()
    receive(stream, 1, 3, 200)
    assert stream.to_ask_for() == []


def test_sound_is_not_asked_for() -> None:
    stream = Stream(Source(7, "audio"))
    receive(stream, 1, 3)
    assert stream.to_ask_for() == []


def test_a_packet_that_came_late_is_missing_no_more() -> None:
    stream = video()
    receive(stream, 1, 3, 2)
    assert stream.to_ask_for() == []
