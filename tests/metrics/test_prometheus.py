"""
The exposition: both formats, complete families, escaped text, and the names of our own metrics.

Prometheus' own client library and promtool read it back.
"""

import gzip
import platform
import re
import urllib.request
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from exposition import promtool_complaints, samples
from harness import Answer, Service, push_body
from opentelemetry.metrics import Observation
from prometheus_client.openmetrics import parser as openmetrics
from series_names import OURS

from otel_jcmc.metrics.observed import Column, Labels, Observed
from otel_jcmc.metrics.prometheus import label_name, metric_name, render
from otel_jcmc.metrics.provider import Collected
from otel_jcmc.version import __version__

# What Prometheus 2.42 and 3.5 send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

OWN = {
    "otel_jcmc_pushes": ("counter", {"outcome", "reason"}),
    "otel_jcmc_fields_dropped": ("counter", {"reason"}),
    "otel_jcmc_participants": ("gauge", set()),
    "otel_jcmc_conferences": ("gauge", set()),
    "otel_jcmc_participants_suppressed": ("counter", {"reason"}),
    "otel_jcmc_store_up": ("gauge", set()),
    "otel_jcmc_partitions_unread": ("gauge", set()),
    "otel_jcmc_push_duration_seconds": ("histogram", set()),
    "otel_jcmc_collection_duration_seconds": ("histogram", {"exporter"}),
    "otel_jcmc_exports": ("counter", {"exporter", "outcome"}),
    "otel_jcmc_build_info": ("gauge", {"version", "python_version"}),
}


def read_openmetrics(text: str) -> list[Any]:
    """Return the families of *text*, read by the strict parser of OpenMetrics."""
    families: Any = openmetrics.text_string_to_metric_families
    return list(families(text))


def scrape(service: Service, accept: str = "") -> Answer:
    """Scrape at least twice, so that the counts of scrapes are there."""
    service.get("/metrics")
    return service.get("/metrics", headers={"accept": accept})


@pytest.fixture(scope="module", params=["jcmc", "otel"])
def with_data(request: pytest.FixtureRequest) -> Service:
    """Return a service, in each naming, that has counted everything it can count."""
    shared = "shared_service" if request.param == "jcmc" else "shared_otel_service"
    service = request.getfixturevalue(shared)
    assert isinstance(service, Service)
    stays = {"interval_ms": 100_000}  # five minutes
    for participant in ("one", "two"):
        service.push(push_body(participant, "exposed", session=stays))
    service.push(push_body("three", "exposed", session=stays, unknown=1))
    service.push("no push")
    return service


@pytest.fixture(params=["", PROMETHEUS_2], ids=["text", "openmetrics"])
def exposition(request: pytest.FixtureRequest, with_data: Service) -> str:
    """Return the answer to a scrape, in each naming and each format."""
    return scrape(with_data, request.param).body


# Formats


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/json", TEXT),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        # A weight of 0 means no.
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text; version=1.0.0; q=0.000, */*", TEXT),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.8", TEXT),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.1,*/*;q=0.9", OPENMETRICS),
        ("text/plain, application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;q=2", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        # We do not write another version.
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=abc", TEXT),
        (
            "application/openmetrics-text;version=2,application/openmetrics-text;version=1.0.0;q=0.9",
            OPENMETRICS,
        ),
        ('Application/OpenMetrics-Text; Version="1.0.0"', OPENMETRICS),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(
    shared_service: Service, accept: str, content_type: str
) -> None:
    answer = scrape(shared_service, accept)
    assert answer.headers["content-type"] == content_type
    assert answer.headers["vary"] == "accept, accept-encoding"
    assert answer.body.endswith("# EOF\n") == (content_type == OPENMETRICS)


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.1", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
        ("br, gzip; q=0.0", None),
        ("*", None),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/client-file"])
def test_what_is_compressed_can_be_read(
    shared_service: Service, path: str, accept_encoding: str, encoding: str | None
) -> None:
    with closing(HTTPConnection(shared_service.url.removeprefix("http://"))) as connection:
        connection.request("GET", path, headers={"accept-encoding": accept_encoding})
        answer = connection.getresponse()
        answer.read()
    assert answer.getheader("content-encoding") == encoding


def test_what_is_asked_for_may_be_in_two_headers(shared_service: Service) -> None:
    with closing(HTTPConnection(shared_service.url.removeprefix("http://"))) as connection:
        connection.putrequest("GET", "/metrics", skip_accept_encoding=True)
        connection.putheader("accept", "text/plain;q=0.5")
        connection.putheader("accept", "application/openmetrics-text")
        connection.putheader("accept-encoding", "br")
        connection.putheader("accept-encoding", "gzip")
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
    assert answer.getheader("content-type") == OPENMETRICS
    assert answer.getheader("content-encoding") == "gzip"


def test_openmetrics_ends_once_and_is_read_by_its_own_parser(with_data: Service) -> None:
    text = scrape(with_data, PROMETHEUS_2).body
    assert text.count("# EOF") == 1
    found = {family.name for family in read_openmetrics(text)}
    assert {"otel_jcmc_pushes", "target"} <= found
    assert [name for name in found if name.startswith("jitsi_")]


def test_both_formats_say_the_same_of_participants(with_data: Service) -> None:
    def of_participants(text: str) -> list[str]:
        return [line for line in text.splitlines() if re.match(r"(# \w+ )?jitsi_", line)]

    plain = of_participants(scrape(with_data).body)
    assert len(plain) > 30
    assert of_participants(scrape(with_data, PROMETHEUS_2).body) == plain


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("identity", False),
        ("deflate", False),
        ("", False),
    ],
)
def test_the_answer_is_zipped_for_who_can_unzip(
    with_data: Service, accepted: str, *, zipped: bool
) -> None:
    asked = urllib.request.Request(
        f"{with_data.url}/metrics", headers={"accept-encoding": accepted, "accept": PROMETHEUS_2}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        body = answer.read()
    assert (answer.headers["content-encoding"] == "gzip") is zipped
    text = (gzip.decompress(body) if zipped else body).decode()
    assert text.endswith("# EOF\n")
    assert 'roomname="exposed"' in text or 'jitsi_conference_name="exposed"' in text


# Families


def test_every_family_is_whole_and_described_once(exposition: str) -> None:
    lines = exposition.removesuffix("# EOF\n").splitlines()
    helps = [line.split()[2] for line in lines if line.startswith("# HELP")]
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert helps == types
    assert len(types) == len(set(types))
    order: list[str] = []
    for line in lines:
        name = line.split()[2] if line.startswith("#") else re.split(r"[{ ]", line)[0]
        family = next(
            each for each in sorted(types, key=len, reverse=True) if name.startswith(each)
        )
        if not order or order[-1] != family:
            order.append(family)
    assert order == types


def test_no_series_is_there_twice(exposition: str) -> None:
    series = [line.rpartition(" ")[0] for line in exposition.splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))


def test_no_label_tells_the_scope(exposition: str) -> None:
    assert "otel_scope" not in exposition


def test_who_served_is_told_once(exposition: str) -> None:
    found = [line for line in exposition.splitlines() if line.startswith("target_info{")]
    assert len(found) == 1
    assert 'service_name="otel_jcmc"' in found[0]
    assert f'service_version="{__version__}"' in found[0]
    assert re.search(r'service_instance_id="[0-9a-f-]{36}"', found[0])


def test_no_participant_series_has_a_label_without_a_value(exposition: str) -> None:
    assert not [line for line in exposition.splitlines() if re.match(r'jitsi_.*=""', line)]


def test_no_unit_line_is_written(exposition: str) -> None:
    assert not re.search(r"^# UNIT jitsi_", exposition, re.MULTILINE)


def test_promtool_is_content_with_opentelemetrys_names(shared_otel_service: Service) -> None:
    shared_otel_service.push({**push_body("four", "exposed"), "unknown": 1})
    text = scrape(shared_otel_service).body
    assert text.count("\njitsi_client_") >= 14
    assert promtool_complaints(text) == ""


def test_every_name_of_opentelemetrys_naming_is_there(shared_otel_service: Service) -> None:
    shared_otel_service.push(push_body("four", "exposed"))
    # Other participants, which pushed more than the original's client, may still be live.
    names = {
        sample.name
        for sample in samples(scrape(shared_otel_service).body)
        if sample.name.startswith("jitsi_client_") and "exposed" in sample.labels.values()
    }
    assert names - OURS == {
        "jitsi_client_connection_quality",
        "jitsi_client_bandwidth_estimate_bit_per_second",
        "jitsi_client_bitrate_bit_per_second",
        "jitsi_client_media_bitrate_bit_per_second",
        "jitsi_client_packet_loss_ratio",
        "jitsi_client_packet_loss_overall_ratio",
        "jitsi_client_transport_round_trip_time_seconds",
    }


# Our own metrics


@pytest.mark.parametrize("name", OWN)
def test_our_own_metric_has_this_name_type_and_labels(with_data: Service, name: str) -> None:
    kind, labels = OWN[name]
    text = scrape(with_data, PROMETHEUS_2).body
    (family,) = [family for family in read_openmetrics(text) if family.name == name]
    assert family.type == kind
    assert family.documentation
    carried = [set(sample.labels) - {"le"} for sample in family.samples]
    assert carried
    assert all(each == labels for each in carried)


@pytest.mark.parametrize(
    "series",
    [
        'otel_jcmc_pushes_total{outcome="accepted",reason=""}',
        'otel_jcmc_pushes_total{outcome="refused",reason="not_json"}',
        'otel_jcmc_fields_dropped_total{reason="unknown_field"}',
        'otel_jcmc_participants_suppressed_total{reason="participant_limit"}',
        'otel_jcmc_exports_total{exporter="prometheus",outcome="ok"}',
        'otel_jcmc_collection_duration_seconds_count{exporter="prometheus"}',
        "otel_jcmc_push_duration_seconds_count",
        "otel_jcmc_participants",
        "otel_jcmc_conferences",
        "otel_jcmc_store_up",
        "otel_jcmc_partitions_unread",
    ],
)
def test_our_own_series_reads_like_this_in_the_text_format(with_data: Service, series: str) -> None:
    with_data.get("/metrics")
    assert with_data.own(series) is not None


def test_the_build_is_told(with_data: Service) -> None:
    series = (
        f'otel_jcmc_build_info{{python_version="{platform.python_version()}"'
        f',version="{__version__}"}}'
    )
    assert with_data.own(series) == 1


def test_durations_have_buckets_that_fit_them(with_data: Service) -> None:
    bounds = [
        sample.labels["le"]
        for sample in samples(scrape(with_data).body)
        if sample.name == "otel_jcmc_push_duration_seconds_bucket"
    ]
    assert bounds[0] == "0.0005"
    assert {"0.01", "0.1", "1.0", "10.0", "+Inf"} <= set(bounds)


# The text itself, without a service


def text_of(gauges: list[Collected], own: bytes = b"") -> str:
    """Return the exposition of *gauges*."""
    return b"".join(render(gauges, own, is_openmetrics=own.endswith(b"# EOF\n"))).decode()


def collected(*observations: Observation, name: str = "a.b", unit: str = "") -> Collected:
    """Return a gauge with *observations*."""
    return Collected(name, unit, "What it is", [Observed.gather(observations)])


@pytest.mark.parametrize(
    ("name", "unit", "written"),
    [
        ("jitsi_jcmc_bitrate_upload", "", "jitsi_jcmc_bitrate_upload"),
        ("jitsi.client.connection.quality", "{score}", "jitsi_client_connection_quality"),
        ("jitsi.client.bitrate", "bit/s", "jitsi_client_bitrate_bit_per_second"),
        ("jitsi.client.packet_loss.ratio", "1", "jitsi_client_packet_loss_ratio"),
        ("jitsi.client.loss", "1", "jitsi_client_loss_ratio"),
        ("a.round_trip_time", "s", "a_round_trip_time_seconds"),
        ("a.time.seconds", "s", "a_time_seconds"),
        ("a.size", "By", "a_size_bytes"),
        ("a.b", "furlong", "a_b"),
    ],
)
def test_a_gauge_is_named_as_a_collector_names_it(name: str, unit: str, written: str) -> None:
    assert metric_name(name, unit) == written


def test_an_attribute_is_named_as_a_collector_names_it() -> None:
    assert label_name("user_agent.os.name") == "user_agent_os_name"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-0.0, "-0.0"),
        (41, "41"),
        (97.5, "97.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-9, "1e-9"),
        (10_000_000_000, "10000000000"),
    ],
)
def test_a_value_is_written_whole(value: float, written: str) -> None:
    text = text_of([collected(Observation(value))])
    assert text == f"# HELP a_b What it is\n# TYPE a_b gauge\na_b {written}\n"
    assert samples(text)[0].value == value


def test_labels_are_escaped() -> None:
    labels = {"l.m": 'quote " backslash \\ newline \n end\\'}
    text = text_of([collected(Observation(1, labels))])
    assert text.splitlines()[2] == r'a_b{l_m="quote \" backslash \\ newline \n end\\"} 1'
    assert samples(text)[0].labels == {"l_m": labels["l.m"]}


def test_the_description_is_escaped_as_each_format_wants_it() -> None:
    gauge = Collected(
        "a.b", "", 'a "quoted" \\ and\nbroken line', [Observed.gather([Observation(1)])]
    )
    plain = text_of([gauge]).splitlines()[0]
    strict = text_of([gauge], b"# EOF\n").splitlines()[0]
    assert plain == r'# HELP a_b a "quoted" \\ and\nbroken line'
    assert strict == r"# HELP a_b a \"quoted\" \\ and\nbroken line"


def test_a_gauge_without_observations_has_no_family() -> None:
    assert text_of([collected()]) == ""


def test_our_own_metrics_come_first_and_the_end_mark_last() -> None:
    own = b"# TYPE own gauge\nown 1\n# EOF\n"
    assert text_of([collected(Observation(1))], own).splitlines() == [
        "# TYPE own gauge",
        "own 1",
        "# HELP a_b What it is",
        "# TYPE a_b gauge",
        "a_b 1",
        "# EOF",
    ]


def test_label_sets_that_are_equal_and_not_shared_are_written_alike() -> None:
    """The text of a label set is kept by its identity: a new set must never get an old text."""
    observations = [Observation(n, {"n": str(n)}) for n in range(1000)]
    found = samples(text_of([collected(*observations)]))
    assert [(each.labels["n"], each.value) for each in found] == [
        (str(n), float(n)) for n in range(1000)
    ]


def test_unusual_text_is_read_back_by_the_strict_parser() -> None:
    labels = {"l": '"} 1\n# EOF\n\\'}
    text = text_of([collected(Observation(1, labels))], b"# EOF\n")
    (family,) = read_openmetrics(text)
    assert family.samples[0].labels == labels


def test_a_column_may_have_labels_with_a_base_and_without() -> None:
    ada, bob = (Labels(("conference", "who"), ("standup", who)) for who in ("ada", 'b"b'))
    names = ("conference", "who", "browser", "system")
    labels = [
        Labels(names, ("Firefox", "C:\\"), ada),
        bob,
        Labels(ada.names, (), bob),
        Labels(names, ("Chrome", "Linux"), bob),
    ]
    gauge = Collected("quality", "", "How good", [Observed([Column([1, 2, 3, None], labels)])])
    lines = [
        r'quality{conference="standup",who="ada",browser="Firefox",system="C:\\"} 1',
        r'quality{conference="standup",who="b\"b"} 2',
        r'quality{conference="standup",who="b\"b"} 3',
    ]
    # Twice, because the labels keep their texts.
    for _ in range(2):
        text = b"".join(render([gauge])).decode()
        assert text.splitlines()[2:] == lines
    assert labels[3].values == ("standup", 'b"b', "Chrome", "Linux")
