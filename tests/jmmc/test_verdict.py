"""The verdict for a client that sends only what has changed."""

from exposition import said
from harness import Service
from jmmc_page import JmmcPage


def state_of(page: JmmcPage) -> float | None:
    found = [each for each in said(page.service, page.conference) if each.name == "verdict_state"]
    return found[0].value if found else None


def test_what_was_told_two_pushes_ago_is_no_reason_to_call_it_bad(
    shared_service: Service, room: str
) -> None:
    page = JmmcPage(shared_service, room)
    page.open({"d": {"pl": 20}})
    assert state_of(page) == 2
    page.push({"cq": 90})
    assert state_of(page) == 2
    page.push({"cq": 91})
    assert state_of(page) is None
    # The series goes on with the last value that the client sent.
    assert page.series()["packetloss_download"] == 20
    page.push({"d": {"pl": 20}})
    assert state_of(page) == 2
