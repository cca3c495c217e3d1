"""Whose fault a bad call is: the words, and the page of a running service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Service, eventually
from looking import looking_often
from sender import body

from otel_jcmc.pages.viewing import LOOK_SECONDS
from otel_jcmc.pages.words import evidence_text, fault, mostly, reach
from otel_jcmc.verdict.judge import Evidence

HTML = {"accept": "text/html"}
# A look every ten seconds finds what stands out, and the next look of the pages shows it. Here both
# are more frequent.
FOUND_SECONDS = 10 + LOOK_SECONDS + 5


@pytest.mark.parametrize(
    ("cause", "scope", "told"),
    [
        ("downlink", "bridge", "it affects the whole bridge"),
        ("downlink", "participant", "it affects this participant only"),
        ("pair", "participant", "it affects these two only"),
        ("received", "sender", "it affects one sender and everyone who receives them"),
        ("received", "participant", ""),
        ("outage", "unknown", ""),
        ("", "", ""),
        ("outage", "of-a-newer-version", "it affects of-a-newer-version"),
    ],
)
def test_how_far_it_reaches_is_told_where_that_is_known(cause: str, scope: str, told: str) -> None:
    """A participant that receives others badly is never the only one: others receive the same."""
    assert reach(cause, scope) == told
    assert reach(cause, scope, "affected") == told.replace("affects", "affected")


def test_who_sends_badly_is_named_where_it_is_known() -> None:
    assert fault("received") == "what other participants send"
    assert fault("received", "Ada") == "what Ada sends"
    assert fault("downlink", "Ada") == "network from bridge to participant"
    assert mostly("received", "participant", "Ada") == "what Ada sends"
    assert mostly("uplink", "sender", "Ada") == "what Ada sends"
    assert mostly("uplink", "participant", "Ada") == "network from participant to bridge"
    assert mostly("outage", "conference") == "connection lost; whole conference"
    assert mostly("outage", "unknown") == "connection lost"


def test_evidence_never_reads_as_if_it_were_none() -> None:
    assert evidence_text(Evidence("packetloss_download", 5.04, 5)) == (
        "download loss 5 %, just past the threshold"
    )
    assert evidence_text(Evidence("packetloss_download", 5.1, 5)) == (
        "download loss 5.1 %, threshold 5 %"
    )


def test_decoding_is_told_as_a_share_of_the_time() -> None:
    assert evidence_text(Evidence("decode_time", 40, 15)) == (
        "time spent on decoding video 40 %, threshold 15 %"
    )


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, METRICS_EXPIRATION="300", COLLECT_USERNAME="true")
    with looking_often(made) as running:
        yield running


def hears_badly(participant: str, conference: str, source: str) -> dict[str, Any]:
    """Return a push of a participant that receives, of several streams, only *source* badly."""
    told = body(participant, conference)
    metrics = told["metrics"]
    metrics["connectionquality"]["labels"]["worstSource"] = source
    metrics["packetloss_download"] = {"value": 7}
    metrics["packetloss_download_worst"] = {"value": 14}
    metrics["packetloss_download_best"] = {"value": 0}
    return told


def named(participant: str, conference: str, name: str, loss_up: float = 0) -> dict[str, Any]:
    """Return a push of a participant with the display name *name*."""
    told = body(participant, conference, loss_up)
    told["metrics"]["connectionquality"]["labels"]["username"] = name
    return told


def live(service: Service, query: str = "") -> str:
    return service.get(f"/live{query}", headers=HTML).body


def shown(service: Service, text: str, query: str = "") -> str:
    """Return the page as soon as it contains *text*."""

    def probe() -> str:
        told = live(service, query)
        return told if text in told else ""

    return eventually(probe, FOUND_SECONDS)


def test_whose_stream_is_bad_is_said_by_name(service: Service) -> None:
    """Also to a client that cannot know it itself, as the original."""
    service.push(named("a1", "board", "Ada"))
    for number in range(2):
        service.push(hears_badly(f"b{number}", "board", "a1"))
    told = shown(service, "what Ada sends</td>")
    assert "affects" not in told
    opened = live(service, "?conference=board")
    assert opened.count("<td>what Ada sends</td>") == 2
    assert "affects this participant only" not in opened
    # Ada's own call is good, but the page shows that she sends badly.
    assert opened.index(">Ada</a>") < opened.index(">b0</a>")
    ada = opened[opened.index(">Ada</a>") :]
    assert "2 others hear them badly" in ada[: ada.index("</tr>")]


def test_nobody_is_named_where_most_name_others(service: Service) -> None:
    for number, source in enumerate(("a1", "a2")):
        service.push(hears_badly(f"b{number}", "board", source))
    told = shown(service, "what other participants send</td>")
    assert "what a1 sends" not in told


def test_who_spoils_the_call_of_others_is_named_with_the_way_there(service: Service) -> None:
    service.push(named("a1", "the board", "Ada", loss_up=20))
    for number in range(2):
        service.push(hears_badly(f"b{number}", "the board", "a1"))
    told = shown(service, "Sender Ada", "?sort=name")
    assert 'data-key="s:sender:the board/a1"' in told
    link = '<a href="/live?sort=name&amp;conference=the+board#open">Sender Ada</a></strong> in the'
    assert link in told
    assert "causes bad calls for 2 others" in told
    assert ">what Ada sends</td>" in told


def test_what_stands_out_says_why(service: Service) -> None:
    for number in range(3):
        service.push(body(f"g{number}", "gamma", loss_up=20))
    told = shown(service, "Conference gamma</a>")
    assert '<a href="/live?conference=gamma#open">Conference gamma</a>' in told
    assert "Main cause: <b>network from participant to bridge</b>." in told


def test_where_nobody_has_a_bad_call_none_is_spoken_of(service: Service) -> None:
    service.push(body("a", "alpha"))
    eventually(lambda: "Not known" not in live(service), FOUND_SECONDS)
    told = shown(service, "1 participant ")
    assert "Nothing. No participant has a bad call." in told
    service.push(body("a", "alpha", loss_up=20))
    shown(service, "Nothing.</p>")
    service.push(body("b", "beta", loss_up=20))
    shown(service, "Nothing. The bad calls have little in common.</p>")
