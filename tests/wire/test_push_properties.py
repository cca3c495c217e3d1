"""
Whatever is pushed: no exception except PushRefused, and nothing exported that was not sent.

The whole chain except Redis: the checked push, the write, the read, the gauges in both namings, and
their text, which Prometheus' own client library reads. The oracle is Python's own JSON and the
tables below, which are written by hand.
"""

import copy
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from exposition import Sample, samples
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from people import snapshot_of, value_of

from otel_jcmc.catalogue.attributes import ATTRIBUTES
from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.intake.privacy import Privacy, make_policy, name_of
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.prometheus import render
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.snapshot import bound
from otel_jcmc.store.participant import from_value, to_write
from otel_jcmc.wire.by_type import Shape
from otel_jcmc.wire.push import PushParser, Report
from otel_jcmc.wire.rules import make_rules

ALL = make_rules(dropped=frozenset())
COLLECTING = PushParser(ALL)
DEFAULT = PushParser()
HASHING = Privacy(make_policy([f"{name_of(row)}=hash" for row in ATTRIBUTES]), "of sixteen or more")
# Deployments with other limits and drops. If less than the nine letters of `undefined` are allowed,
# which is no text, a push with it is correct all the same, and is read field by field.
OTHERS = [
    ALL,
    make_rules(),
    make_rules(0, 0),
    make_rules(12, 2, frozenset({68, 69, 70, 81, 83})),
    make_rules(9, 1, frozenset()),
]
SHAPES = [(PushParser(rules), Shape(rules)) for rules in OTHERS]
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0"
# Labels that are not from the push: the browser's, and words of the `otel` naming.
DERIVED = {
    *("Chrome", "126.0.0.0", "126", "Windows", "10"),
    *("transmit", "receive", "audio", "video", "wired", "cell"),
}
KBITS = 10_000_000
BOUNDS = {
    "connectionquality": 100,
    "bandwidth_upload": KBITS,
    "bandwidth_download": KBITS,
    "bitrate_audio_upload": KBITS,
    "bitrate_audio_download": KBITS,
    "bitrate_video_upload": KBITS,
    "bitrate_video_download": KBITS,
    "bitrate_upload": KBITS,
    "bitrate_download": KBITS,
    "packetloss_upload": 100,
    "packetloss_download": 100,
    "packetloss_total": 100,
    "transport_rtt": 600_000,
}
# Wire name -> name in the `otel` naming, the fixed labels in order, and the factor of a value.
OTEL = {
    "connectionquality": ("connection_quality", "", 1),
    "bandwidth_upload": ("bandwidth_estimate_bit_per_second", "transmit", 1000),
    "bandwidth_download": ("bandwidth_estimate_bit_per_second", "receive", 1000),
    "bitrate_audio_upload": ("media_bitrate_bit_per_second", "transmit audio", 1000),
    "bitrate_audio_download": ("media_bitrate_bit_per_second", "receive audio", 1000),
    "bitrate_video_upload": ("media_bitrate_bit_per_second", "transmit video", 1000),
    "bitrate_video_download": ("media_bitrate_bit_per_second", "receive video", 1000),
    "bitrate_upload": ("bitrate_bit_per_second", "transmit", 1000),
    "bitrate_download": ("bitrate_bit_per_second", "receive", 1000),
    "packetloss_upload": ("packet_loss_ratio", "transmit", 0.01),
    "packetloss_download": ("packet_loss_ratio", "receive", 0.01),
    "packetloss_total": ("packet_loss_overall_ratio", "", 0.01),
    "transport_rtt": ("transport_round_trip_time_seconds", "", 0.001),
}

# Inputs

# Every code point, also the lone surrogates, which JSON can escape.
any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_number = st.one_of(
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.sampled_from([0, -0.0, 1e308, -1, 100, 100.5, KBITS, KBITS + 1]),
)
any_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | any_number | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)

good_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
some_text = good_text.filter(bool)
label_text = st.one_of(st.none(), st.sampled_from(["", "undefined", "wifi", "ethernet"]), good_text)


def number(most: float) -> st.SearchStrategy[float | None]:
    """Return good values from 0 to *most*."""
    return st.none() | st.integers(0, int(most)) | st.floats(0, most)


def metric(name: str) -> st.SearchStrategy[Any]:
    """Return good entries of the metric *name*."""
    value = number(BOUNDS[name])
    if name == "transport_rtt":
        address = st.sampled_from([None, "undefined", "10.0.0.7", "2001:db8::1"])
        labels = st.fixed_dictionaries(
            {},
            optional={
                "src_ip": address,
                "dst_ip": address,
                "protocol": st.sampled_from([None, "udp", "tcp"]),
                "networkType": label_text,
                "localCandidateType": st.sampled_from([None, "host", "relay"]),
                "p2p": st.sampled_from(["true", "false"]),
            },
        )
        return st.lists(st.fixed_dictionaries({"value": value, "labels": labels}), max_size=8)
    if name == "connectionquality":
        labels = st.fixed_dictionaries(
            {}, optional={"serverregion": label_text, "username": label_text}
        )
        return st.fixed_dictionaries({"value": value}, optional={"labels": labels})
    return st.fixed_dictionaries({"value": value})


good_push = st.fixed_dictionaries(
    {
        "default_labels": st.fixed_dictionaries(
            {
                "client_id": st.uuids().map(str),
                "participant_id": some_text,
                "roomname": some_text,
            }
        ),
        "metrics": st.fixed_dictionaries({}, optional={name: metric(name) for name in BOUNDS}),
        "session": st.fixed_dictionaries(
            {"id": st.from_regex(r"[A-Za-z0-9_-]{8,64}", fullmatch=True)},
            optional={
                "seq": st.integers(0, 2**32 - 1),
                "meeting_id": good_text,
                "interval_ms": st.integers(0, 3_600_000),
                "stats_age_ms": st.floats(0, 86_400_000),
            },
        ),
    }
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the path to each part of a JSON value."""
    yield path
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in inside:
        yield from places(part, (*path, key))


@st.composite
def spoiled_push(draw: st.DrawFn) -> Any:
    """Return a good push with a few parts replaced, removed or added."""
    push = copy.deepcopy(draw(good_push))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([path for path in places(push) if path]))
        holder = push
        for key in path[:-1]:
            holder = holder[key]
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        if what == "remove":
            del holder[path[-1]]
        elif what == "replace" or isinstance(holder, list):
            holder[path[-1]] = draw(any_json)
        else:
            holder[draw(any_text)] = draw(any_json)
        if not push:
            break
    return push


@st.composite
def spoiled_text(draw: st.DrawFn) -> bytes:
    """Return the text of a good push with a few bytes replaced, removed or doubled."""
    text = bytearray(json.dumps(draw(good_push)).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(at, min(at + 8, len(text))))
        text[at:end] = draw(
            st.sampled_from([b"", text[at:end] * 2, b"null", b"1e999", b'"', b"\xff"])
        )
        assume(text)
    return bytes(text)


spoiled = spoiled_push().map(lambda push: json.dumps(push).encode()) | spoiled_text()
bodies = st.one_of(
    st.binary(max_size=100), any_json.map(lambda value: json.dumps(value).encode()), spoiled
)


# The chain


def parsed(body: bytes) -> Report | None:
    """Return the checked push; None: it was refused in the correct way."""
    try:
        return COLLECTING.parse(body)
    except PushRefused as error:
        refused = error
    assert refused.faults
    assert_tellable(refused.faults)
    return None


def assert_tellable(faults: Iterable[Fault]) -> None:
    """Assert that an answer may contain *faults*."""
    for fault in faults:
        assert isinstance(fault.reason, Reason)
        assert fault.field.isascii()
        assert len(fault.field) < 120


def exported(report: Report, naming: Naming) -> list[Sample]:
    """Return the scrape of *report*."""
    report.attributes.update(browser_and_system(CHROME))
    participant = from_value(value_of(to_write(report, 30_000), 1e12))
    assert participant is not None
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)
    with bound(snapshot_of(participant)):
        text = b"".join(render(provider.collect())).decode()
    assert not any(provider.errors.values())
    series = [line.rpartition(" ")[0] for line in text.split("\n") if line and line[0] != "#"]
    assert len(series) == len(set(series))
    return samples(text)


def texts(value: Any) -> set[str]:
    """Return every text in a JSON value."""
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set[str]().union(*(texts(part) for part in parts))


def sent_values(metrics: Any, name: str) -> list[float]:
    """Return the numbers that were sent for the metric *name*."""
    entry = metrics.get(name) if isinstance(metrics, dict) else None
    entries = entry if isinstance(entry, list) else [entry]
    found: list[Any] = [each.get("value") for each in entries if isinstance(each, dict)]
    return [value for value in found if type(value) in (int, float)]


many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@many
@given(bodies)
def test_whatever_is_pushed_is_kept_or_refused(body: bytes) -> None:
    report = parsed(body)
    if report is not None:
        assert_tellable(report.dropped)


@many
@given(spoiled, st.sampled_from(Naming))
def test_nothing_is_exported_that_was_not_sent(body: bytes, naming: Naming) -> None:
    report = parsed(body)
    assume(report is not None and not report.session.end)
    assert report is not None
    sent = json.loads(body)
    known = texts(sent) | DERIVED
    for sample in exported(report, naming):
        for name, text in sample.labels.items():
            is_given_by_us = name == "session_id" and not report.session.id
            assert text in known or is_given_by_us, name
        assert math.isfinite(sample.value)
        if sample.name in ("jitsi_jcmc_info", "jitsi_client_info"):
            assert sample.value == 1
        elif naming is Naming.JCMC:
            field = sample.name.removeprefix("jitsi_jcmc_")
            assert sample.value in sent_values(sent["metrics"], field)
            assert 0 <= sample.value <= BOUNDS[field]
        else:
            assert any(
                math.isclose(sample.value, value * times, abs_tol=1e-300)
                for field, (name, _, times) in OTEL.items()
                if f"jitsi_client_{name}" == sample.name
                for value in sent_values(sent["metrics"], field)
                if 0 <= value <= BOUNDS[field]
            )


@many
@given(good_push, st.sampled_from(Naming))
def test_nothing_is_exported_as_it_was_sent_where_all_is_hashed(push: Any, naming: Naming) -> None:
    report = COLLECTING.parse(json.dumps(push).encode())
    HASHING.apply(report)
    found = exported(report, naming)
    assert len(found) >= len({each for each in BOUNDS if sent_values(push["metrics"], each)})
    for sample in found:
        for name, text in sample.labels.items():
            assert text in DERIVED or re.fullmatch("[0-9a-f]{16}", text), name


@many
@given(bodies | good_push.map(lambda push: json.dumps(push).encode()))
def test_a_push_of_the_ordinary_shape_is_what_its_fields_tell(body: bytes) -> None:
    """Including which numbers are integers: they are stored as sent."""
    for parser, shape in SHAPES:
        if ordinary := shape.take(body):
            report = parser.parse_by_field(body)
            told = (report.session, report.attributes, report.numbers)
            assert report.dropped == []
            assert ordinary[:3] == told
            assert repr(ordinary[2]) == repr(told[2])


@many
@given(good_push)
def test_a_push_in_which_all_is_well_is_of_the_ordinary_shape(push: Any) -> None:
    assert SHAPES[0][1].take(json.dumps(push).encode())


@many
@given(good_push)
def test_what_the_limits_of_a_deployment_let_through_is_of_its_ordinary_shape(push: Any) -> None:
    body = json.dumps(push).encode()
    for parser, shape in SHAPES:
        try:
            is_well = not parser.parse_by_field(body).dropped
        except PushRefused:
            is_well = False
        assert bool(shape.take(body)) is is_well


@many
@given(good_push)
def test_everything_that_is_good_is_kept(push: Any) -> None:
    assert DEFAULT.parse(json.dumps(push).encode()).dropped == []


@many
@given(good_push)
def test_everything_that_was_sent_is_exported_in_the_jcmc_naming(push: Any) -> None:
    report = COLLECTING.parse(json.dumps(push).encode())
    found = exported(report, Naming.JCMC)
    for name in BOUNDS:
        values = sent_values(push["metrics"], name)
        shown = [each.value for each in found if each.name == f"jitsi_jcmc_{name}"]
        if name == "transport_rtt":
            assert max(values, default=None) == max(shown, default=None)
            assert set(shown) <= set(values)
        else:
            assert shown == values
    for each in found:
        assert each.labels["roomname"] == push["default_labels"]["roomname"]
        assert each.labels["client_id"] == push["default_labels"]["client_id"]
        assert each.labels["participant_id"] == push["default_labels"]["participant_id"]


@many
@given(good_push)
def test_everything_that_was_sent_is_exported_in_the_otel_naming(push: Any) -> None:
    report = COLLECTING.parse(json.dumps(push).encode())
    found = exported(report, Naming.OTEL)
    for field, (name, fixed, times) in OTEL.items():
        values = sent_values(push["metrics"], field)
        shown = [
            each.value
            for each in found
            if each.name == f"jitsi_client_{name}"
            and (field == "transport_rtt" or fixed_labels(each) == fixed)
        ]
        if field == "transport_rtt":
            values, shown = values and [max(values)], shown and [max(shown)]
        assert shown == pytest.approx([value * times for value in values], rel=1e-12, abs=1e-300)
    for each in found:
        assert each.labels["session_id"] == push["session"]["id"]
        assert each.labels["jitsi_conference_name"] == push["default_labels"]["roomname"]


def fixed_labels(sample: Sample) -> str:
    """Return direction and media kind of a series."""
    found = (sample.labels.get(name) for name in ("network_io_direction", "jitsi_media_kind"))
    return " ".join(filter(None, found))


@many
@given(good_push, any_text.filter(bool), any_json)
def test_an_unknown_field_changes_nothing_else(push: Any, key: str, value: Any) -> None:
    assume(key not in push)
    body = json.dumps({**push, key: value}).encode()
    assume(not any(part in body for part in (b"NaN", b"Infinity")))
    with_it, without_it = DEFAULT.parse(body), DEFAULT.parse(json.dumps(push).encode())
    assert with_it.attributes == without_it.attributes
    assert with_it.numbers == without_it.numbers
    assert [fault.reason for fault in with_it.dropped] == [Reason.UNKNOWN_FIELD]
