"""
The wire format of JMMC clients: which parts of a push are kept, dropped and why, or refused.

The rows are those of the table in docs/jmmc.md; the expected results are written out.
"""

import json
from typing import Any

import pytest
from harness import CLIENT_ID

from otel_jcmc.catalogue.reasons import PushRefused
from otel_jcmc.jmmc.wire import JmmcParser, JmmcPush
from otel_jcmc.wire.rules import make_rules

OPENING = {"br": "x", "os": "y", "pid": "1a2b3c4d"}
# Nothing is dropped as personal.
ALL = make_rules(dropped=frozenset())


def body(m: Any, **changes: Any) -> bytes:
    """Return a push of *m*; *changes* replace the fields beside it, None removes one."""
    push = {"uid": CLIENT_ID, "conf": "standup", "m": m, **changes}
    return json.dumps({key: value for key, value in push.items() if value is not None}).encode()


def parsed(m: Any, parser: JmmcParser | None = None, **changes: Any) -> JmmcPush:
    """Return the result of a push of *m*."""
    return (parser or JmmcParser(ALL)).parse(body(m, **changes))


def refusal(m: Any, parser: JmmcParser | None = None, **changes: Any) -> list[tuple[str, str]]:
    """Return why a push of *m* is refused."""
    with pytest.raises(PushRefused) as refused:
        parsed(m, parser, **changes)
    return [(fault.field, fault.reason) for fault in refused.value.faults]


def dropped(push: JmmcPush) -> list[tuple[str, str]]:
    """Return what was dropped of *push*."""
    return [(fault.field, fault.reason) for fault in push.dropped]


# The table: where each field of `m` goes


@pytest.mark.parametrize(
    ("m", "numbers"),
    [
        ({"cq": 97.5}, {1: 97.5}),
        ({"cq": 0}, {1: 0}),
        ({"res": {"h": 720, "w": 1280}}, {21: 720, 20: 1280}),
        ({"res": {"h": 720}}, {21: 720}),
        (
            {"u": {"bw": 2900, "ab": 24, "vb": 1210.33, "pl": 0.5}},
            {2: 2900, 4: 24, 6: 1210.33, 10: 0.5},
        ),
        ({"d": {"bw": 5100, "ab": 31, "vb": 2404, "pl": 100}}, {3: 5100, 5: 31, 7: 2404, 11: 100}),
        ({"d": {"bw": None}}, {3: None}),
    ],
)
def test_a_number_is_that_metric(m: dict[str, Any], numbers: dict[int, Any]) -> None:
    push = parsed(m)
    assert (push.numbers, push.texts, push.dropped) == (numbers, {}, [])


@pytest.mark.parametrize(
    ("m", "texts"),
    [
        ({"cdc": {"a": "opus", "v": "VP9"}}, {75: "opus", 76: "VP9"}),
        ({"t": {"sr": "eu-west"}}, {69: "eu-west"}),
        ({"t": {"tp": "udp"}}, {82: "udp"}),
        ({"t": {"tp": "tcp"}}, {82: "tcp"}),
        ({"t": {"ip": 3325256708}}, {81: "198.51.100.4"}),
        ({"t": {"lip": 167772167}}, {80: "10.0.0.7"}),
        ({"t": {"rip": 3405803785}}, {89: "203.0.113.9"}),
        ({"t": {"ip": 0}}, {81: "0.0.0.0"}),  # what the original says before it knows
        ({"t": {"ip": 4294967295}}, {81: "255.255.255.255"}),
        ({"t": {"ip": 167772167.0}}, {81: "10.0.0.7"}),
        ({"t": {"p": 10000}}, {88: "10000"}),
        ({"t": {"lp": 50000.0}}, {87: "50000"}),
        ({"t": {"p": 65535, "lp": 0}}, {88: "65535", 87: "0"}),
    ],
)
def test_a_text_an_address_and_a_port_are_that_attribute(
    m: dict[str, Any], texts: dict[int, str]
) -> None:
    push = parsed(m)
    assert (push.numbers, push.texts, push.dropped) == ({}, texts, [])


@pytest.mark.parametrize("t", [{"ip": 1}, {"lip": 1}, {"rip": 1}, {"p": 1}, {"lp": 1}])
def test_addresses_and_ports_are_not_kept_unless_they_are_collected(t: dict[str, int]) -> None:
    push = parsed({"t": t}, JmmcParser(make_rules()))
    assert (push.texts, push.dropped, push.accepted["t"]) == ({}, [], t)


# One bad field is dropped, the rest is kept


@pytest.mark.parametrize(
    ("m", "field", "reason"),
    [
        ({"cq": 140}, "m.cq", "out_of_range"),
        ({"cq": -1}, "m.cq", "out_of_range"),
        ({"cq": "97"}, "m.cq", "not_a_number"),
        ({"cq": True}, "m.cq", "not_a_number"),
        ({"cq": None}, "m.cq", "not_a_number"),
        ({"cq": [97]}, "m.cq", "not_a_number"),
        ({"u": {"bw": "2900"}}, "m.u.bw", "not_a_number"),
        ({"u": {"bw": None}}, "m.u.bw", "not_a_number"),
        ({"u": {"pl": 100.01}}, "m.u.pl", "out_of_range"),
        ({"u": {"vb": 10_000_001}}, "m.u.vb", "out_of_range"),
        ({"d": {"pl": None}}, "m.d.pl", "not_a_number"),
        ({"res": {"h": "720"}}, "m.res.h", "not_a_number"),
        ({"res": {"w": 65_536}}, "m.res.w", "out_of_range"),
        ({"res": 720}, "m.res", "not_an_object"),
        ({"u": None}, "m.u", "not_an_object"),
        ({"t": []}, "m.t", "not_an_object"),
        ({"cdc": {"a": 5}}, "m.cdc.a", "not_text"),
        ({"cdc": {"a": None}}, "m.cdc.a", "not_text"),
        ({"cdc": {"v": "v" * 65}}, "m.cdc.v", "too_long"),
        ({"cdc": {"v": "\0"}}, "m.cdc.v", "bad_text"),
        ({"t": {"tp": "quic"}}, "m.t.tp", "unknown_word"),
        ({"t": {"sr": 5}}, "m.t.sr", "not_text"),
        ({"t": {"ip": "198.51.100.4"}}, "m.t.ip", "not_a_number"),
        ({"t": {"ip": "3325256708"}}, "m.t.ip", "not_a_number"),
        ({"t": {"ip": 4294967296}}, "m.t.ip", "out_of_range"),
        ({"t": {"ip": -1}}, "m.t.ip", "out_of_range"),
        ({"t": {"ip": 1.5}}, "m.t.ip", "not_a_number"),
        ({"t": {"p": "10000"}}, "m.t.p", "not_a_number"),
        ({"t": {"p": 65_536}}, "m.t.p", "out_of_range"),
        ({"t": {"lp": None}}, "m.t.lp", "not_a_number"),
        ({"v": 1}, "m.v", "unknown_field"),
        ({"t": {"x": 1}}, "m.t.x", "unknown_field"),
        ({"os": 7}, "m.os", "not_text"),
        ({"os": "\ud800"}, "m.os", "bad_text"),
        ({"cdc": {"a": "\ud800"}}, "m.cdc.a", "bad_text"),
        ({"pid": ""}, "m.pid", "missing"),
        ({"pid": 7}, "m.pid", "not_text"),
        ({"pid": "p" * 129}, "m.pid", "too_long"),
    ],
)
def test_a_bad_field_is_dropped_alone(m: dict[str, Any], field: str, reason: str) -> None:
    good = {"d": {"ab": 31}} if "u" in m else {"u": {"ab": 24}}
    push = parsed({**m, **good})
    assert dropped(push) == [(field, reason)]
    assert push.numbers == ({5: 31} if "u" in m and "d" not in m else {4: 24})
    assert push.texts == {}
    assert push.accepted.keys() == {"ts", *good}


def test_of_an_object_with_a_bad_field_the_others_are_kept() -> None:
    push = parsed({"u": {"bw": "2900", "ab": 24, "x": 1}, "t": {"tp": "udp", "p": -1}})
    assert dropped(push) == [
        ("m.u.bw", "not_a_number"),
        ("m.u.x", "unknown_field"),
        ("m.t.p", "out_of_range"),
    ]
    assert (push.numbers, push.texts) == ({4: 24}, {82: "udp"})
    assert push.accepted.keys() == {"u", "t", "ts"}
    assert (push.accepted["u"], push.accepted["t"]) == ({"ab": 24}, {"tp": "udp"})


def test_what_is_unknown_beside_m_is_dropped() -> None:
    push = parsed({"cq": 97}, extra=1, token="any")
    assert dropped(push) == [("extra", "unknown_field")]
    assert push.token == "any"


def test_what_a_sender_named_is_repeated_short_and_clean() -> None:
    push = parsed({"cq": 97, "ü" * 60: 1, "t": {'"' * 60: 1}})
    assert dropped(push) == [
        ("m." + "?" * 40, "unknown_field"),
        ("m.t." + "?" * 40, "unknown_field"),
    ]


@pytest.mark.parametrize("nothing", ["", "undefined"])
def test_a_text_without_anything_to_say_changes_nothing(nothing: str) -> None:
    push = parsed({"cq": 97, "t": {"sr": nothing, "tp": nothing}, "cdc": {"a": nothing}})
    assert (push.texts, push.dropped) == ({}, [])
    assert push.accepted.keys() == {"cq", "ts"}


def test_a_region_that_is_not_authorized_is_dropped() -> None:
    parser = JmmcParser(ALL, regions=["eu-west", "us-east"])
    assert parsed({"t": {"sr": "us-east"}}, parser).texts == {69: "us-east"}
    push = parsed({"cq": 97, "t": {"sr": "mars", "tp": "udp"}}, parser)
    assert dropped(push) == [("m.t.sr", "region_not_authorized")]
    assert push.texts == {82: "udp"}


# What refuses the push


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"uid": None}, [("uid", "missing")]),
        ({"uid": ""}, [("uid", "missing")]),
        ({"uid": 7}, [("uid", "not_text")]),
        ({"uid": "3fa85f64"}, [("uid", "not_a_guid")]),
        ({"conf": None}, [("conf", "missing")]),
        ({"conf": 7}, [("conf", "not_text")]),
        ({"conf": "c" * 257}, [("conf", "too_long")]),
        ({"conf": "a\0b"}, [("conf", "bad_text")]),
        ({"uid": "x", "conf": ""}, [("uid", "not_a_guid"), ("conf", "missing")]),
    ],
)
def test_a_push_of_nobody_knows_whom_is_refused(
    changes: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert refusal({"cq": 97}, **changes) == faults
    assert refusal(OPENING, **changes) == faults


@pytest.mark.parametrize(
    ("pattern", "conference", "is_taken"),
    [
        (None, "any thing", True),
        ("^[a-z]+[0-9]{3}$", "standup123", True),
        ("^[a-z]+[0-9]{3}$", "standup12", False),
        # As in the original, a pattern matches anywhere unless it says otherwise.
        ("[0-9]{3}", "standup123x", True),
        # And its `$` is the very end, not before a final line end.
        ("^[a-z]+$", "standup\n", False),
        ("^(?=.*[a-z])(?=(.*[0-9]){3})[a-z0-9]{10,}$", "standup123", True),
    ],
)
def test_a_conference_must_match_the_pattern(
    pattern: str | None, conference: str, *, is_taken: bool
) -> None:
    parser = JmmcParser(conference_pattern=pattern)
    if is_taken:
        assert parsed({"cq": 97}, parser, conf=conference).conference == conference
    else:
        assert refusal({"cq": 97}, parser, conf=conference) == [("conf", "conference_pattern")]


@pytest.mark.parametrize(
    ("m", "faults"),
    [
        (None, [("m", "missing")]),
        ([], [("m", "not_an_object")]),
        ("m", [("m", "not_an_object")]),
        ({}, [("m", "nothing_kept")]),
        ({"ts": 1}, [("m", "nothing_kept")]),
        ({"u": {}}, [("m", "nothing_kept")]),
        ({"cq": 140}, [("m", "nothing_kept"), ("m.cq", "out_of_range")]),
        ({"t": {"sr": ""}}, [("m", "nothing_kept")]),
    ],
)
def test_with_nothing_left_but_the_time_it_is_refused(
    m: Any, faults: list[tuple[str, str]]
) -> None:
    assert refusal(m) == faults


@pytest.mark.parametrize(
    ("raw", "reason"), [(b"", "not_json"), (b"\xff", "not_json"), (b"[]", "not_an_object")]
)
def test_what_is_no_object_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(PushRefused) as refused:
        JmmcParser().parse(raw)
    assert [fault.reason for fault in refused.value.faults] == [reason]


# Which pushes open a session


def test_a_push_with_br_opens_a_session() -> None:
    push = parsed(OPENING)
    assert (push.is_opening, push.participant_id, push.numbers) == (True, "1a2b3c4d", {})
    assert not parsed({"cq": 97}).is_opening


def test_a_session_may_open_with_metrics() -> None:
    push = parsed({**OPENING, "cq": 97, "t": {"sr": "eu"}})
    assert (push.is_opening, push.numbers, push.texts) == (True, {1: 97}, {69: "eu"})


@pytest.mark.parametrize(
    ("m", "faults"),
    [
        ({"br": "x"}, [("m.os", "missing"), ("m.pid", "missing")]),
        ({"br": "x", "os": "y"}, [("m.pid", "missing")]),
        ({"br": "x", "pid": "p"}, [("m.os", "missing")]),
        ({**OPENING, "br": 126}, [("m.br", "not_text")]),
        ({**OPENING, "br": None}, [("m.br", "missing")]),
        ({**OPENING, "os": "o" * 257}, [("m.os", "too_long")]),
        ({**OPENING, "br": "\ud800"}, [("m.br", "bad_text")]),
        ({**OPENING, "pid": ""}, [("m.pid", "missing")]),
        ({**OPENING, "pid": "p" * 129}, [("m.pid", "too_long")]),
        ({**OPENING, "pid": "\0"}, [("m.pid", "bad_text")]),
    ],
)
def test_who_opens_a_session_says_all_three(m: Any, faults: list[tuple[str, str]]) -> None:
    assert refusal(m) == faults


def test_placeholders_may_be_empty() -> None:
    assert parsed({"br": "", "os": "", "pid": "p"}).is_opening


# What the answer says


def test_what_was_accepted_is_told_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_jcmc.jmmc.wire.time", lambda: 1_795_339_200.9)
    push = parsed({"cq": 97, "u": {"bw": 1, "pl": 140}, "t": {"tp": "x"}, "ts": 1, "res": {}})
    assert push.accepted == {"cq": 97, "u": {"bw": 1}, "ts": 1_795_339_200}
