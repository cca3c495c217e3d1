"""
Which browser can fill which metric: docs/browsers.md says so, and cannot become outdated.

The expected cells come from the browsers' documentation, not from the file.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from otel_jcmc.catalogue.metrics import METRICS, PUSHED
from otel_jcmc.catalogue.rows import OWN_MEMBERS, How, Metric, Reading
from tools import generate
from tools.browser_support import (
    BrowserSupport,
    MemberUnknown,
    Since,
    member_cells,
    read_support,
    support_row,
)

FILE = Path(__file__).parents[2] / "client" / "browser_support.json"
BROWSERS = {"chrome", "firefox", "safari", "safari_ios"}


def metric(field: str) -> Metric:
    """Return the catalogue's row of *field*."""
    return next(row for row in METRICS if row.field == field)


def cells(field: str) -> tuple[str, ...]:
    """Return what the page says of Chrome, Firefox and Safari."""
    return support_row(metric(field), read_support(FILE))[2:]


def support_of(**members: Since) -> BrowserSupport:
    """Return a file's content in which every browser has *members* of `inbound-rtp` alike."""
    rows: dict[str, dict[str, Since]] = {
        f"inbound-rtp.{name}": dict.fromkeys(BROWSERS, since) for name, since in members.items()
    }
    return BrowserSupport(members=rows, notes={}, sources={}, library={}, besides={})


@pytest.mark.parametrize(
    ("field", "chrome", "firefox", "safari"),
    [
        ("connectionquality", "yes", "yes", "yes"),
        ("bandwidth_upload", "yes (since 58)", "-", "yes (since 18 or earlier)"),
        ("transport_rtt", "yes (since 71)", "yes (since 142)", "yes (since 18 or earlier)"),
        ("packetloss_upload", "yes (since 80)", "yes (since 72)", "yes (since 18 or earlier)"),
        ("bandwidth_available_upload", "yes (since 58)", "-", "yes (since 18 or earlier)"),
        ("framerate_upload", "yes (since 84)", "yes (since 115)", "yes (since 18 or earlier)"),
        (
            "freezes",
            "yes (since 139 or earlier)",
            "yes (since 142)",
            "yes (since 18 or earlier)",
        ),
        (
            "audio_concealed",
            "yes (since 86)",
            "yes (since 104)",
            "yes (since 14.1); iOS: yes (since 14.5)",
        ),
        ("limitation_cpu", "yes (since 93)", "-", "yes (since 18 or earlier)"),
        ("conference_participants", "yes", "yes", "yes"),
        ("join_time", "yes", "yes", "yes"),
    ],
)
def test_a_metric_has_these_cells(field: str, chrome: str, firefox: str, safari: str) -> None:
    assert cells(field) == (chrome, firefox, safari)


def test_a_metric_is_there_since_the_last_of_its_members() -> None:
    found = support_of(jitter="14.1", packetsLost="101", packetsReceived="≤99")
    terms = ["inbound-rtp.jitter", "inbound-rtp.packetsLost", "inbound-rtp.packetsReceived"]
    assert set(member_cells(terms, found, "a test")) == {"yes (since 101)"}


@pytest.mark.parametrize(
    ("other", "cell"),
    [("99", "yes (since 99)"), (None, "not known"), (False, "-")],
)
def test_one_member_that_is_missing_costs_the_metric(other: Since, cell: str) -> None:
    found = support_of(jitter="80", packetsLost=other)
    terms = ["inbound-rtp.jitter", "inbound-rtp.packetsLost"]
    assert set(member_cells(terms, found, "a test")) == {cell}


def test_missing_weighs_more_than_not_known() -> None:
    found = support_of(jitter=None, packetsLost=False)
    terms = ["inbound-rtp.jitter", "inbound-rtp.packetsLost"]
    assert set(member_cells(terms, found, "a test")) == {"-"}


def test_a_member_that_is_subtracted_may_be_missing() -> None:
    found = support_of(jitter="80", packetsLost=False)
    terms = ["inbound-rtp.jitter", "-inbound-rtp.packetsLost"]
    assert set(member_cells(terms, found, "a test")) == {"yes (since 80)"}


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_member_that_nobody_looked_up_is_an_error(sign: str) -> None:
    row = replace(
        metric("freezes"), reading=Reading(How.GROWTH, (f"{sign}inbound-rtp.framesImagined",))
    )
    with pytest.raises(MemberUnknown) as caught:
        support_row(row, read_support(FILE))
    assert str(caught.value) == (
        "client/browser_support.json has no inbound-rtp.framesImagined: the metric freezes reads it"
    )


def test_the_check_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_support(FILE)
    del found.members["inbound-rtp.freezeCount"]
    monkeypatch.setattr(generate, "read_support", lambda _: found)
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == (
        "client/browser_support.json has no inbound-rtp.freezeCount: the metric freezes reads it\n"
    )


def test_the_check_notices_a_page_that_fell_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_support(FILE)
    found.members["inbound-rtp.freezeCount"]["firefox"] = "143"
    monkeypatch.setattr(generate, "read_support", lambda _: found)
    assert generate.main(["--check"]) == 1
    assert "docs/browsers.md is not up to date" in capsys.readouterr().err


def test_the_page_has_every_metric_once() -> None:
    page = generate.browsers_page()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")]
    assert [f"`{row.field}`" for row in PUSHED] == rows[: len(PUSHED)]


def looked_up() -> Iterator[tuple[str, str, list[object]]]:
    """Return member, browser, and what the file says of it."""
    for member, row in json.loads(FILE.read_text("utf-8"))["members"].items():
        assert set(row) - {"note"} == BROWSERS, member
        for browser in BROWSERS:
            yield member, browser, row[browser]


def test_every_version_has_a_source() -> None:
    sources = set(read_support(FILE).sources)
    for member, browser, (since, source) in looked_up():
        assert source in sources, (member, browser)
        assert since is None or since is False or isinstance(since, str), (member, browser)


def test_the_file_holds_nothing_that_no_one_reads() -> None:
    page = re.sub(r"(?<=[a-z]):[a-z]+(?=\.)", "", generate.browsers_page())
    own = {part.lstrip("-") for member in OWN_MEMBERS.values() for part in member.of}
    unread = [
        member
        for member in read_support(FILE).members
        if f"`{member}`" not in page and member not in own
    ]
    assert unread == []
