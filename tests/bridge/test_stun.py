"""ICE checks: their sender and their answer. The first is a test vector of RFC 5769."""

from bridge import stun

# 2.1, a request of a user with a long name and a short-term password.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae80220010"
    "5354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"


def test_a_check_says_who_it_is_for_and_who_sent_it() -> None:
    request = stun.read_request(REQUEST, PASSWORD)
    assert request is not None
    assert (request.ufrag, request.remote_ufrag) == ("evtj", "h6vY")
    assert request.transaction.hex() == "b7e7a701bc34d686fa87dfae"


def test_a_check_by_who_does_not_know_the_password_is_none() -> None:
    assert stun.read_request(REQUEST, "another") is None
    assert stun.read_request(bytes([*REQUEST[:40], 1, *REQUEST[41:]]), PASSWORD) is None


def test_an_answer_tells_where_the_check_came_from() -> None:
    request = stun.read_request(REQUEST, PASSWORD)
    assert request is not None
    answer = stun.response(request, PASSWORD, ("192.0.2.1", 32853))
    # Of RFC 5769, 2.2: the port and the address, each with the magic cookie.
    assert bytes.fromhex("002000080001a147e112a643") in answer
    assert answer[:2] == b"\x01\x01"
    assert answer[8:20] == request.transaction


def test_the_bridge_nominates_with_a_check_that_a_browser_can_verify() -> None:
    check = stun.nomination("ours", "theirs", "secret")
    request = stun.read_request(check, "secret")
    assert request is not None
    assert (request.ufrag, request.remote_ufrag) == ("theirs", "ours")
    assert bytes.fromhex("00250000") in check
