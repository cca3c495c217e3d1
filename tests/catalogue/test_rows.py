"""The catalogue's promises to Redis (ids), dashboards (names) and readers (briefs)."""

import re

import pytest

from otel_jcmc.catalogue.attributes import ATTRIBUTES
from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.catalogue.rows import OWN_MEMBERS, STREAMS, Attribute, Kind, Metric, Scope

# The ids that Redis holds instead of names. Lines may be added; none may change or go, even if its
# row goes: another version of the service on the same Redis still writes it.
METRIC_IDS = {
    1: "connectionquality",
    2: "bandwidth_upload",
    3: "bandwidth_download",
    4: "bitrate_audio_upload",
    5: "bitrate_audio_download",
    6: "bitrate_video_upload",
    7: "bitrate_video_download",
    8: "bitrate_upload",
    9: "bitrate_download",
    10: "packetloss_upload",
    11: "packetloss_download",
    12: "packetloss_total",
    13: "transport_rtt",
    14: "jitter_upload",
    15: "jitter_download",
    16: "round_trip_time",
    17: "bandwidth_available_upload",
    18: "framerate_upload",
    19: "framerate_download",
    20: "resolution_width_upload",
    21: "resolution_height_upload",
    22: "freezes",
    23: "freeze_time",
    24: "audio_concealed",
    25: "frames_dropped",
    26: "encode_time",
    27: "limitation_none",
    28: "limitation_cpu",
    29: "limitation_bandwidth",
    30: "conference_participants",
    31: "outage_down",
    32: "outage_up",
    33: "join_time",
    34: "rating",
    35: "packetloss_download_best",
    36: "packetloss_download_worst",
    37: "decode_time",
    38: "audio_buffer_time",
    39: "microphone_silent",
    40: "ice_restarts",
    41: "path_changes",
    42: "resolution_height_wanted",
    43: "streams_expected",
    44: "audio_mos",
    45: "verdict_state",
    48: "event_loop_delay",
}
ATTRIBUTE_IDS = {
    64: "roomname",
    65: "client_id",
    66: "participant_id",
    67: "session.id",
    68: "session.meeting_id",
    69: "serverregion",
    70: "username",
    71: "browser_name",
    72: "browser_version",
    73: "os_name",
    74: "os_version",
    75: "audio_codec",
    76: "video_codec",
    80: "src_ip",
    81: "dst_ip",
    82: "protocol",
    83: "networkType",
    84: "localCandidateType",
    85: "p2p",
    86: "remoteCandidateType",
    87: "m.t.lp",
    88: "m.t.p",
    89: "m.t.rip",
    96: "role",
    98: "bridge",
    97: "feedback",
    99: "caller.network",
    100: "relay",
    101: "sender",
    102: "direct",
    92: "metrics.connectionquality.labels.worstSource",
}

every_metric = pytest.mark.parametrize("row", METRICS, ids=lambda row: row.field)
every_attribute = pytest.mark.parametrize(
    "row", ATTRIBUTES, ids=lambda row: row.label or row.otel_name or row.field
)


def test_metric_ids_are_what_redis_already_holds() -> None:
    held = {row.id: row.field for row in METRICS}
    assert held == METRIC_IDS, (
        f"new: {dict(held.items() - METRIC_IDS.items())}; add the new id to METRIC_IDS here. "
        f"Gone: {dict(METRIC_IDS.items() - held.items())}; an id stays as it is for ever."
    )


def test_attribute_ids_are_what_redis_already_holds() -> None:
    assert {row.id: row.label or row.field for row in ATTRIBUTES} == ATTRIBUTE_IDS


def test_no_two_rows_have_one_id() -> None:
    ids = [row.id for row in METRICS] + [row.id for row in ATTRIBUTES]
    assert sorted(ids) == sorted(set(ids))


@every_metric
def test_a_metric_id_fits_its_half_of_one_byte(row: Metric) -> None:
    assert 1 <= row.id <= 63


@every_attribute
def test_an_attribute_id_fits_its_half_of_one_byte(row: Attribute) -> None:
    assert 64 <= row.id <= 127


@every_metric
def test_a_metric_has_a_brief_of_one_line_and_a_panel(row: Metric) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{10,99}", row.brief)
    assert row.panel


@every_metric
def test_a_metric_has_names_that_both_worlds_take(row: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z_]*", row.field)
    assert re.fullmatch(r"jitsi\.client(\.[a-z_]+)+", row.otel_name)


@every_metric
def test_an_otel_name_holds_neither_its_unit_nor_total(row: Metric) -> None:
    words = re.split(r"[._]", row.otel_name)
    assert {"total", "kbit", "bit", "seconds", "ms", "percent"} & set(words) == set()


@pytest.mark.parametrize("row", [row for row in METRICS if row.id <= 13 and row.client])
def test_the_name_of_what_the_library_tells_is_where_it_tells_it(row: Metric) -> None:
    path = row.client.replace("[]", "").replace(".", "_").lower()
    assert row.field == path


@every_metric
def test_a_metric_has_one_source(row: Metric) -> None:
    assert [bool(row.client), bool(row.reading), row.is_ours].count(True) == 1


@pytest.mark.parametrize("row", [row for row in METRICS if row.reading], ids=lambda row: row.field)
def test_a_reading_is_of_members_of_the_report(row: Metric) -> None:
    assert row.reading is not None
    for term in (*row.reading.of, *row.reading.per):
        assert re.fullmatch(
            r"-?((remote-in|in|out)bound-rtp|candidate-pair|media-source|transport|page)"
            r"(:[a-z]+)?\.[a-zA-Z]+(\.[a-z]+)?",
            term,
        )


def test_streams_that_a_reading_names_are_described() -> None:
    terms = {term for row in METRICS if row.reading for term in row.reading.of + row.reading.per}
    assert {term.lstrip("-").partition(".")[0] for term in terms if ":" in term} == set(STREAMS)
    assert set(OWN_MEMBERS) <= terms


def test_a_reading_shows_how_it_is_made() -> None:
    texts = {row.field: str(row.reading) for row in METRICS if row.reading}
    assert texts["jitter_upload"] == "max level of remote-inbound-rtp.jitter"
    assert texts["audio_concealed"] == (
        "growth of (inbound-rtp:any.concealedSamples - silentConcealedSamples)"
        " / (inbound-rtp:any.totalSamplesReceived - silentConcealedSamples)"
    )
    assert texts["encode_time"] == (
        "growth of outbound-rtp.totalEncodeTime / outbound-rtp.framesEncoded"
    )


@pytest.mark.parametrize(
    ("field", "minimum", "maximum", "unit"),
    [
        ("connectionquality", 0, 100, "score"),
        ("bandwidth_upload", 0, 10_000_000, "kbit/s"),
        ("bandwidth_download", 0, 10_000_000, "kbit/s"),
        ("bitrate_audio_upload", 0, 10_000_000, "kbit/s"),
        ("bitrate_audio_download", 0, 10_000_000, "kbit/s"),
        ("bitrate_video_upload", 0, 10_000_000, "kbit/s"),
        ("bitrate_video_download", 0, 10_000_000, "kbit/s"),
        ("bitrate_upload", 0, 10_000_000, "kbit/s"),
        ("bitrate_download", 0, 10_000_000, "kbit/s"),
        ("packetloss_upload", 0, 100, "percent"),
        ("packetloss_download", 0, 100, "percent"),
        ("packetloss_total", 0, 100, "percent"),
        ("transport_rtt", 0, 600_000, "ms"),
        ("jitter_upload", 0, 600_000, "ms"),
        ("jitter_download", 0, 600_000, "ms"),
        ("round_trip_time", 0, 600_000, "ms"),
        ("bandwidth_available_upload", 0, 10_000_000, "kbit/s"),
        ("framerate_upload", 0, 1000, "frames/s"),
        ("framerate_download", 0, 1000, "frames/s"),
        ("resolution_width_upload", 0, 65_535, "pixels"),
        ("resolution_height_upload", 0, 65_535, "pixels"),
        ("freezes", 0, 1_000_000, "freezes"),
        ("freeze_time", 0, 3_600_000, "ms"),
        ("audio_concealed", 0, 100, "percent"),
        ("frames_dropped", 0, 1_000_000, "frames"),
        ("encode_time", 0, 600_000, "ms"),
        ("limitation_none", 0, 100, "percent"),
        ("limitation_cpu", 0, 100, "percent"),
        ("limitation_bandwidth", 0, 100, "percent"),
        ("conference_participants", 0, 1_000_000, "participants"),
        ("join_time", 0, 3_600_000, "ms"),
        ("packetloss_download_best", 0, 100, "percent"),
        ("packetloss_download_worst", 0, 100, "percent"),
        ("decode_time", 0, 600_000, "ms"),
        ("audio_buffer_time", 0, 600_000, "ms"),
        ("microphone_silent", 0, 1, "share"),
        ("ice_restarts", 0, 1_000_000, "restarts"),
        ("path_changes", 0, 1_000_000, "changes"),
        ("resolution_height_wanted", 0, 65_535, "pixels"),
        ("streams_expected", 0, 1_000_000, "streams"),
    ],
)
def test_a_metric_has_these_bounds(field: str, minimum: int, maximum: int, unit: str) -> None:
    row = next(row for row in METRICS if row.field == field)
    assert (row.minimum, row.maximum, row.unit) == (minimum, maximum, unit)


def test_rows_of_one_otel_name_differ_in_an_attribute_and_in_nothing_else() -> None:
    seen: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    like: dict[str, tuple[str, int, int, bool]] = {}
    for row in METRICS:
        assert row.otel_attributes not in seen.setdefault(row.otel_name, set()), row.field
        seen[row.otel_name].add(row.otel_attributes)
        shape = (row.otel_unit, row.times, row.per, row.lower_is_worse)
        assert like.setdefault(row.otel_name, shape) == shape, row.field


@every_attribute
def test_an_attribute_has_a_brief_and_a_bound(row: Attribute) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{10,99}", row.brief)
    assert 0 <= row.max_length <= 256


@every_attribute
def test_words_are_listed_where_only_words_are_taken(row: Attribute) -> None:
    assert bool(row.choices) == (row.kind is Kind.CHOICE)


@pytest.mark.parametrize("naming", ["label", "otel_name"])
def test_no_two_attributes_have_one_name(naming: str) -> None:
    names = [name for row in ATTRIBUTES if (name := getattr(row, naming))]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("label", "setting"),
    [
        ("username", "collect_username"),
        ("src_ip", "collect_addresses"),
        ("dst_ip", "collect_addresses"),
    ],
)
def test_what_tells_who_somebody_is_needs_a_setting(label: str, setting: str) -> None:
    assert next(row for row in ATTRIBUTES if row.label == label).collect == setting


def test_neither_user_name_nor_client_id_is_an_otel_attribute() -> None:
    hidden = [row.otel_name for row in ATTRIBUTES if row.label in ("username", "client_id")]
    assert hidden == ["", ""]


def test_every_series_carries_the_identity() -> None:
    carried = {row.label for row in ATTRIBUTES if row.scope is Scope.IDENTITY}
    assert carried == {"roomname", "client_id", "participant_id"}
