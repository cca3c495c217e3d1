"""The catalogue's rows as gauges: the labels and values of series, and what makes a series."""

from typing import Any

import pytest
from people import person, snapshot_of
from series_names import PARTICIPANT_NAMES

from otel_jcmc.catalogue.attributes import (
    AUDIO_CODEC,
    BROWSER_NAME,
    BROWSER_VERSION,
    CANDIDATE_TYPE,
    CLIENT,
    CONFERENCE,
    LOCAL_ADDRESS,
    MEETING,
    NETWORK_TYPE,
    OS_NAME,
    OS_VERSION,
    PARTICIPANT,
    PEER_ADDRESS,
    PEER_TO_PEER,
    PROTOCOL,
    REGION,
    REMOTE_CANDIDATE_TYPE,
    USERNAME,
    VIDEO_CODEC,
    WORST_SOURCE,
)
from otel_jcmc.catalogue.metrics import METRICS, PUSHED
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.gauges import declare, instruments
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.snapshot import bound
from otel_jcmc.store.participant import Participant

CLIENT_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER_CLIENT = "00000000-0000-0000-0000-000000000002"
ID_OF = {row.field: row.id for row in METRICS}

Points = list[tuple[dict[str, Any], float]]


def participant(
    fields: dict[int, Any] | None = None,
    participant_id: str = "1a2b3c4d",
    client_id: str = CLIENT_ID,
    session: str = "session-one",
    **metrics: Any,
) -> Participant:
    """Return a participant of the conference `standup` with *metrics* by their wire names."""
    stored = {CONFERENCE.id: "standup", CLIENT.id: client_id, PARTICIPANT.id: participant_id}
    stored.update({ID_OF[name]: value for name, value in metrics.items()})
    return person(stored | (fields or {}), session, 1e12)


def observed(naming: Naming, *participants: Participant) -> dict[str, Points]:
    """Return name -> (labels, value) of a collection of *participants*."""
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)
    with bound(snapshot_of(*participants)):
        collection = provider.collect()
    assert not any(provider.errors.values())
    return {
        gauge.name: [(dict(each.attributes or {}), each.value) for each in gauge.observations]
        for gauge in collection
        if gauge.observations
    }


def otel(**extra: str) -> dict[str, str]:
    """Return the common labels of the `otel` naming, and *extra*, with dots written as `__`."""
    return {
        "jitsi.conference.name": "standup",
        "jitsi.participant.id": "1a2b3c4d",
        "session.id": "session-one",
        **{name.replace("__", "."): text for name, text in extra.items()},
    }


JCMC = {"roomname": "standup", "client_id": CLIENT_ID, "participant_id": "1a2b3c4d"}
DESCRIBED = {
    REGION.id: "eu-west",
    USERNAME.id: "Ada",
    BROWSER_NAME.id: "Chrome",
    BROWSER_VERSION.id: "126.0.0.0",
    OS_NAME.id: "Windows",
    OS_VERSION.id: "10",
    MEETING.id: "6f0e",
}


# Names


def test_the_jcmc_naming_has_these_gauges_without_units() -> None:
    gauges = instruments(Naming.JCMC)
    assert {each.unit for each in gauges} == {""}
    assert sorted(each.name for each in gauges) == sorted(
        name for name in PARTICIPANT_NAMES if name.startswith("jitsi_jcmc_")
    )


def test_the_otel_naming_has_these_gauges_and_units() -> None:
    """Prometheus names end with the unit, so they tell which unit it must be."""
    ends = {"s": "_seconds", "bit/s": "_bit_per_second", "{frame}/s": "_per_second"}
    gauges = {each.name: each.unit for each in instruments(Naming.OTEL)}
    assert gauges["jitsi.client.connection.quality"] == "{score}"
    assert gauges["jitsi.client.info"] == ""
    assert sorted(
        name.replace(".", "_") + ends.get(unit, "") for name, unit in gauges.items()
    ) == sorted(name for name in PARTICIPANT_NAMES if name.startswith("jitsi_client_"))
    assert all(unit == "1" for name, unit in gauges.items() if name.endswith(".ratio"))


def test_the_prefix_stands_before_every_name_of_the_jcmc_naming() -> None:
    names = [each.name for each in instruments(Naming.JCMC, "meet_")]
    assert names[0] == "meet_connectionquality"
    assert all(name.startswith("meet_") for name in names)


def test_the_prefix_does_not_touch_the_otel_naming() -> None:
    assert instruments(Naming.OTEL, "meet_") == instruments(Naming.OTEL)


@pytest.mark.parametrize("naming", Naming)
def test_every_gauge_says_what_it_is_in_one_line(naming: Naming) -> None:
    for each in instruments(naming):
        assert each.description
        assert "\n" not in each.description


# Values


@pytest.mark.parametrize(
    ("field", "sent", "name", "extra", "value"),
    [
        ("connectionquality", 97.5, "connection.quality", {}, 97.5),
        (
            "bandwidth_upload",
            2900,
            "bandwidth.estimate",
            {"network__io__direction": "transmit"},
            2_900_000,
        ),
        (
            "bandwidth_download",
            5100,
            "bandwidth.estimate",
            {"network__io__direction": "receive"},
            5_100_000,
        ),
        ("bitrate_upload", 1234, "bitrate", {"network__io__direction": "transmit"}, 1_234_000),
        ("bitrate_download", 0, "bitrate", {"network__io__direction": "receive"}, 0),
        (
            "bitrate_audio_upload",
            24.5,
            "media.bitrate",
            {"network__io__direction": "transmit", "jitsi__media__kind": "audio"},
            24_500,
        ),
        (
            "bitrate_audio_download",
            31,
            "media.bitrate",
            {"network__io__direction": "receive", "jitsi__media__kind": "audio"},
            31_000,
        ),
        (
            "bitrate_video_upload",
            1210,
            "media.bitrate",
            {"network__io__direction": "transmit", "jitsi__media__kind": "video"},
            1_210_000,
        ),
        (
            "bitrate_video_download",
            2404,
            "media.bitrate",
            {"network__io__direction": "receive", "jitsi__media__kind": "video"},
            2_404_000,
        ),
        (
            "packetloss_upload",
            7,
            "packet_loss.ratio",
            {"network__io__direction": "transmit"},
            0.07,
        ),
        (
            "packetloss_download",
            100,
            "packet_loss.ratio",
            {"network__io__direction": "receive"},
            1,
        ),
        ("packetloss_total", 29, "packet_loss.overall.ratio", {}, 0.29),
    ],
)
def test_the_otel_naming_says_the_same_in_base_units(
    field: str, sent: float, name: str, extra: dict[str, str], value: float
) -> None:
    found = observed(Naming.OTEL, participant({ID_OF[field]: sent}))
    assert found.pop("jitsi.client.info")
    assert found == {f"jitsi.client.{name}": [(otel(**extra), value)]}


@pytest.mark.parametrize("field", [row.field for row in PUSHED if not row.is_list])
def test_the_jcmc_naming_says_what_was_sent(field: str) -> None:
    found = observed(Naming.JCMC, participant({ID_OF[field]: 41.5}))
    assert found == {f"jitsi_jcmc_{field}": [(JCMC, 41.5)], "jitsi_jcmc_info": [(JCMC, 1)]}


@pytest.mark.parametrize(
    ("rtt_ms", "seconds"), [(41, 0.041), (0, 0), (600_000, 600), (0.1, 0.0001), (57, 0.057)]
)
def test_a_round_trip_is_told_in_seconds(rtt_ms: float, seconds: float) -> None:
    found = observed(Naming.OTEL, participant(transport_rtt=[[rtt_ms, {}]]))
    assert found["jitsi.client.transport.round_trip_time"] == [(otel(), seconds)]


@pytest.mark.parametrize("percent", range(101))
def test_a_percentage_becomes_the_nearest_ratio(percent: int) -> None:
    (point,) = observed(Naming.OTEL, participant(packetloss_total=percent))[
        "jitsi.client.packet_loss.overall.ratio"
    ]
    assert str(float(point[1])) == str(float(f"{percent}e-2"))


# Labels


def test_quality_and_info_are_described_in_the_jcmc_naming() -> None:
    """As the original does; the display name is only on the quality."""
    found = observed(Naming.JCMC, participant(DESCRIBED, connectionquality=90, bitrate_upload=7))
    labels = {
        **JCMC,
        "serverregion": "eu-west",
        "browser_name": "Chrome",
        "browser_version": "126.0.0.0",
        "os_name": "Windows",
        "os_version": "10",
    }
    assert found["jitsi_jcmc_bitrate_upload"] == [(JCMC, 7)]
    assert found["jitsi_jcmc_connectionquality"] == [({**labels, "username": "Ada"}, 90)]
    assert found["jitsi_jcmc_info"] == [(labels, 1)]


def test_only_the_info_gauge_is_described_in_the_otel_naming() -> None:
    found = observed(Naming.OTEL, participant(DESCRIBED, connectionquality=90))
    assert found == {
        "jitsi.client.connection.quality": [(otel(), 90)],
        "jitsi.client.info": [
            (
                otel(
                    user_agent__name="Chrome",
                    user_agent__version="126",
                    user_agent__os__name="Windows",
                    user_agent__os__version="10",
                    jitsi__region="eu-west",
                ),
                1,
            )
        ],
    }


def test_everyone_has_an_info_series_even_who_says_nothing() -> None:
    assert observed(Naming.OTEL, participant()) == {"jitsi.client.info": [(otel(), 1)]}
    assert observed(Naming.JCMC, participant()) == {"jitsi_jcmc_info": [(JCMC, 1)]}


def test_whose_stream_is_the_worst_is_no_label() -> None:
    told = {WORST_SOURCE.id: "5e6f7a8b"}
    for naming in Naming:
        found = observed(naming, participant(told, connectionquality=90))
        assert "5e6f7a8b" not in str(found)


def test_a_description_that_is_not_known_is_no_label() -> None:
    found = observed(Naming.JCMC, participant({REGION.id: "eu"}, connectionquality=90))
    assert found["jitsi_jcmc_connectionquality"] == [({**JCMC, "serverregion": "eu"}, 90)]


PATH = {
    LOCAL_ADDRESS.id: "10.0.0.7",
    PEER_ADDRESS.id: "198.51.100.4",
    PROTOCOL.id: "udp",
    NETWORK_TYPE.id: "wifi",
    CANDIDATE_TYPE.id: "relay",
    REMOTE_CANDIDATE_TYPE.id: "srflx",
    PEER_TO_PEER.id: "true",
}


def test_a_transport_has_these_labels_in_the_jcmc_naming() -> None:
    found = observed(Naming.JCMC, participant(transport_rtt=[[41, PATH]]))
    assert found["jitsi_jcmc_transport_rtt"] == [
        (
            {
                **JCMC,
                "src_ip": "10.0.0.7",
                "dst_ip": "198.51.100.4",
                "protocol": "udp",
                "networkType": "wifi",
                "localCandidateType": "relay",
                "remoteCandidateType": "srflx",
                "p2p": "true",
            },
            41,
        )
    ]


def test_a_transport_has_these_labels_in_the_otel_naming() -> None:
    found = observed(Naming.OTEL, participant(transport_rtt=[[41, PATH]]))
    assert found["jitsi.client.transport.round_trip_time"] == [
        (
            otel(
                network__local__address="10.0.0.7",
                network__peer__address="198.51.100.4",
                network__transport="udp",
                network__connection__type="wifi",
                jitsi__ice__candidate__type="relay",
                jitsi__ice__remote_candidate__type="srflx",
                jitsi__p2p="true",
            ),
            0.041,
        )
    ]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("wifi", "wifi"),
        ("ethernet", "wired"),
        ("cellular", "cell"),
        ("unknown", "unknown"),
        ("vpn", "vpn"),
    ],
)
def test_a_network_is_named_in_each_namings_words(sent: str, told: str) -> None:
    someone = participant(transport_rtt=[[41, {NETWORK_TYPE.id: sent}]])
    (theirs,) = observed(Naming.JCMC, someone)["jitsi_jcmc_transport_rtt"]
    (ours,) = observed(Naming.OTEL, someone)["jitsi.client.transport.round_trip_time"]
    assert theirs[0]["networkType"] == sent
    assert ours[0]["network.connection.type"] == told


# Participants that become one


@pytest.mark.parametrize("values", [(41, 80), (80, 41), (80, 0, 41)])
def test_transports_with_the_same_labels_become_the_slowest(values: tuple[int, ...]) -> None:
    someone = participant(transport_rtt=[[value, {PROTOCOL.id: "udp"}] for value in values])
    assert observed(Naming.JCMC, someone)["jitsi_jcmc_transport_rtt"] == [
        ({**JCMC, "protocol": "udp"}, 80)
    ]


@pytest.mark.parametrize("naming", Naming)
def test_a_transport_without_a_round_trip_has_no_series(naming: Naming) -> None:
    """Nor does it share one with a transport that has a round trip."""
    one = participant(transport_rtt=[[None, {PROTOCOL.id: "udp"}]])
    several = participant(
        transport_rtt=[[None, {PROTOCOL.id: "udp"}], [41, {PROTOCOL.id: "udp"}], [None, {}]],
        participant_id="other",
    )
    name = {
        Naming.JCMC: "jitsi_jcmc_transport_rtt",
        Naming.OTEL: "jitsi.client.transport.round_trip_time",
    }[naming]
    assert observed(naming, one).get(name, []) == []
    ((labels, value),) = observed(naming, one, several)[name]
    assert value == (41 if naming is Naming.JCMC else 0.041)
    assert "udp" in labels.values()


@pytest.mark.parametrize("naming", Naming)
def test_transports_that_differ_in_a_candidate_are_two(naming: Naming) -> None:
    someone = participant(
        transport_rtt=[[41, {CANDIDATE_TYPE.id: "host"}], [80, {CANDIDATE_TYPE.id: "relay"}]]
    )
    name = {
        Naming.JCMC: "jitsi_jcmc_transport_rtt",
        Naming.OTEL: "jitsi.client.transport.round_trip_time",
    }[naming]
    assert len(observed(naming, someone)[name]) == 2


def test_what_limits_the_sent_video_is_one_gauge_in_the_otel_naming() -> None:
    someone = participant(limitation_none=70, limitation_cpu=25, limitation_bandwidth=5)
    found = observed(Naming.OTEL, someone)["jitsi.client.video.quality_limitation.ratio"]
    assert [
        (dict(labels)["jitsi.quality_limitation.reason"], value) for labels, value in found
    ] == [
        ("none", 0.7),
        ("cpu", 0.25),
        ("bandwidth", 0.05),
    ]


def test_codecs_are_labels_of_the_info_gauge_alone() -> None:
    """Otherwise a camera that is switched off would end one series of quality and begin another."""
    codecs = {AUDIO_CODEC.id: "opus", VIDEO_CODEC.id: "AV1"}
    theirs = observed(Naming.JCMC, participant(codecs, connectionquality=90))
    assert theirs["jitsi_jcmc_connectionquality"] == [(JCMC, 90)]
    assert theirs["jitsi_jcmc_info"] == [({**JCMC, "audio_codec": "opus", "video_codec": "AV1"}, 1)]
    ours = observed(Naming.OTEL, participant(codecs))
    assert ours["jitsi.client.info"] == [
        (otel(jitsi__audio__codec="opus", jitsi__video__codec="AV1"), 1)
    ]


def twins() -> tuple[Participant, Participant]:
    """Return two clients with the same session id and different other values."""
    first: dict[str, Any] = {
        "connectionquality": 90,
        "bandwidth_upload": 5,
        "packetloss_total": 1,
    }
    second: dict[str, Any] = {
        "connectionquality": 20,
        "bandwidth_upload": 9,
        "packetloss_total": 7,
    }
    return (
        participant({BROWSER_NAME.id: "Chrome"}, transport_rtt=[[41, {}]], **first),
        participant(
            {BROWSER_NAME.id: "Firefox"},
            client_id=OTHER_CLIENT,
            transport_rtt=[[80, {}]],
            **second,
        ),
    )


def test_participants_that_look_the_same_become_one_with_the_worst_of_both() -> None:
    """A session id can be forged, and a duplicate series would break the whole scrape."""
    found = observed(Naming.OTEL, *twins())
    del found["jitsi.client.info"]
    assert found == {
        "jitsi.client.connection.quality": [(otel(), 20)],
        "jitsi.client.bandwidth.estimate": [
            (otel(network__io__direction="transmit"), 5_000),
        ],
        "jitsi.client.packet_loss.overall.ratio": [(otel(), 0.07)],
        "jitsi.client.transport.round_trip_time": [(otel(), 0.08)],
    }


def test_participants_that_look_the_same_have_one_info_series() -> None:
    """Two would break every query that joins on it, for everybody."""
    assert len(observed(Naming.OTEL, *twins())["jitsi.client.info"]) == 1


def test_who_does_not_look_the_same_stays_apart_beside_twins() -> None:
    other = participant(participant_id="5e6f7a8b", connectionquality=70)
    found = observed(Naming.OTEL, *twins(), other)
    assert [value for _, value in found["jitsi.client.connection.quality"]] == [20, 70]
    assert len(found["jitsi.client.info"]) == 2


def test_the_jcmc_naming_tells_clients_apart() -> None:
    assert len(observed(Naming.JCMC, *twins())["jitsi_jcmc_connectionquality"]) == 2


# Snapshots


@pytest.mark.parametrize("naming", Naming)
def test_outside_a_collection_there_is_nobody(naming: Naming) -> None:
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)
    assert [gauge.observations for gauge in provider.collect()] == [[] for _ in instruments(naming)]


def test_a_field_that_this_version_does_not_know_is_skipped() -> None:
    """Another version of the service wrote it to the same Redis."""
    someone = participant({63: 5, 127: "later", 200: [1, 2]}, bitrate_upload=7)
    assert observed(Naming.JCMC, someone) == {
        "jitsi_jcmc_bitrate_upload": [(JCMC, 7)],
        "jitsi_jcmc_info": [(JCMC, 1)],
    }


@pytest.mark.parametrize("naming", Naming)
def test_a_participants_series_share_their_labels(naming: Naming) -> None:
    """For each label set, an exporter keeps its text as long as a collection runs."""
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)
    with bound(snapshot_of(participant(bitrate_upload=7, bandwidth_upload=8))):
        found = {
            gauge.name: column.labels for gauge in provider.collect() for column in gauge.columns
        }
    one, other = (
        ("jitsi_jcmc_bitrate_upload", "jitsi_jcmc_bandwidth_upload")
        if naming is Naming.JCMC
        else ("jitsi.client.bitrate", "jitsi.client.bandwidth.estimate")
    )
    assert found[one][0] is found[other][0]
