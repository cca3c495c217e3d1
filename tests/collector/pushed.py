"""A crowd of two, and what PromQL must find of it after every road, written by hand."""

from harness import Service, push_body

# The services' export interval; with the files' own 15 s, every wait would take that long.
EXPORT_SECONDS = 2

ADA = push_body("ada00001", session={"id": "0b8d4a52-join", "seq": 0})
# Only the quality and a transport are known.
BOB = push_body(
    "bob00002",
    session={"id": "77aa10c3-join", "seq": 0},
    metrics={
        "connectionquality": {"value": 0},
        "transport_rtt": [{"labels": {"protocol": "tcp", "networkType": "cellular"}, "value": 250}],
    },
)
LEAVE = push_body(
    "ada00001", session={"id": "0b8d4a52-join", "seq": 1, "end": {"reason": "left"}}, metrics={}
)

# The identity labels.
WHO = {
    "jcmc": 'roomname="standup",participant_id',
    "otel": 'jitsi_conference_name="standup",jitsi_participant_id',
}
_JCMC_ADA = 'participant_id="ada00001",roomname="standup"'
_JCMC_BOB = 'participant_id="bob00002",roomname="standup"'
_OTEL_ADA = 'jitsi_participant_id="ada00001",jitsi_conference_name="standup"'
_OTEL_BOB = 'jitsi_participant_id="bob00002",jitsi_conference_name="standup"'
_UP, _DOWN = 'network_io_direction="transmit"', 'network_io_direction="receive"'
_CHROME = 'browser_name="Chrome",browser_version="126.0.0.0",os_name="Windows",os_version="10"'
_AGENT = 'user_agent_name="Chrome",user_agent_version="126",user_agent_os_name="Windows"'
_MEDIA = "jitsi_client_media_bitrate_bit_per_second"
_SECONDS = "jitsi_client_transport_round_trip_time_seconds"

# In both namings: the service's own counts.
_OWN = {
    'otel_jcmc_pushes_total{outcome="accepted",reason=""}': 2,
    'otel_jcmc_pushes_total{outcome="refused",reason="not_json"}': 0,
    "otel_jcmc_participants": 2,
    "otel_jcmc_conferences": 1,
    "otel_jcmc_store_up": 1,
    "otel_jcmc_push_duration_seconds_count": 2,
    'otel_jcmc_push_duration_seconds_bucket{le="+Inf"}': 2,
    'count(otel_jcmc_build_info{version!=""})': 1,
}
FOUND = {
    "jcmc": _OWN
    | {
        f'jitsi_jcmc_connectionquality{{{_JCMC_ADA},{_CHROME},serverregion="eu-west"}}': 97.5,
        f"jitsi_jcmc_connectionquality{{{_JCMC_BOB},{_CHROME}}}": 0,
        f"jitsi_jcmc_bandwidth_upload{{{_JCMC_ADA}}}": 2900,
        f"jitsi_jcmc_bandwidth_download{{{_JCMC_ADA}}}": 5100,
        f"jitsi_jcmc_bitrate_audio_upload{{{_JCMC_ADA}}}": 24,
        f"jitsi_jcmc_bitrate_audio_download{{{_JCMC_ADA}}}": 31,
        f"jitsi_jcmc_bitrate_video_upload{{{_JCMC_ADA}}}": 1210,
        f"jitsi_jcmc_bitrate_video_download{{{_JCMC_ADA}}}": 2404,
        f"jitsi_jcmc_bitrate_upload{{{_JCMC_ADA}}}": 1234,
        f"jitsi_jcmc_bitrate_download{{{_JCMC_ADA}}}": 2435,
        f"jitsi_jcmc_packetloss_upload{{{_JCMC_ADA}}}": 0,
        f"jitsi_jcmc_packetloss_download{{{_JCMC_ADA}}}": 1,
        f"jitsi_jcmc_packetloss_total{{{_JCMC_ADA}}}": 1,
        f'jitsi_jcmc_transport_rtt{{{_JCMC_ADA},protocol="udp",networkType="wifi"}}': 41,
        f'jitsi_jcmc_transport_rtt{{{_JCMC_BOB},protocol="tcp",networkType="cellular"}}': 250,
        f'jitsi_jcmc_info{{{_JCMC_ADA},serverregion="eu-west",sender="otel_jcmc"}}': 1,
        f"jitsi_jcmc_verdict_state{{{_JCMC_ADA}}}": 0,
        f"jitsi_jcmc_verdict_state{{{_JCMC_BOB}}}": 1,
        # Bob's round trip is over half of the threshold for bad.
        f'max(jitsi_jcmc_verdict{{{_JCMC_BOB},cause="path"}})': 1,
        'jitsi_jcmc_conference_participants_state{roomname="standup",state="good"}': 1,
        'jitsi_jcmc_conference_participants_state{roomname="standup",state="fair"}': 1,
        'sum(jitsi_jcmc_fleet_participants_state{state=~"good|fair"})': 2,
        'jitsi_jcmc_fleet_packetloss_download_bucket{region="eu-west",le="0.5"}': 0,
        'jitsi_jcmc_fleet_packetloss_download_bucket{region="eu-west",le=~"5|5.0"}': 1,
        'jitsi_jcmc_fleet_packetloss_download_sum{region="eu-west"}': 1,
    },
    "otel": _OWN
    | {
        f"jitsi_client_connection_quality{{{_OTEL_ADA}}}": 97.5,
        f"jitsi_client_connection_quality{{{_OTEL_BOB}}}": 0,
        f"jitsi_client_bandwidth_estimate_bit_per_second{{{_OTEL_ADA},{_UP}}}": 2_900_000,
        f"jitsi_client_bandwidth_estimate_bit_per_second{{{_OTEL_ADA},{_DOWN}}}": 5_100_000,
        f'{_MEDIA}{{{_OTEL_ADA},{_UP},jitsi_media_kind="audio"}}': 24_000,
        f'{_MEDIA}{{{_OTEL_ADA},{_DOWN},jitsi_media_kind="video"}}': 2_404_000,
        f"jitsi_client_bitrate_bit_per_second{{{_OTEL_ADA},{_UP}}}": 1_234_000,
        f"jitsi_client_bitrate_bit_per_second{{{_OTEL_ADA},{_DOWN}}}": 2_435_000,
        f"jitsi_client_packet_loss_ratio{{{_OTEL_ADA},{_UP}}}": 0,
        f"jitsi_client_packet_loss_ratio{{{_OTEL_ADA},{_DOWN}}}": 0.01,
        f"jitsi_client_packet_loss_overall_ratio{{{_OTEL_ADA}}}": 0.01,
        f'{_SECONDS}{{{_OTEL_ADA},network_transport="udp",network_connection_type="wifi"}}': 0.041,
        f'{_SECONDS}{{{_OTEL_BOB},network_transport="tcp",network_connection_type="cell"}}': 0.25,
        f'jitsi_client_info{{{_OTEL_ADA},{_AGENT},jitsi_region="eu-west",session_id!=""}}': 1,
        f"jitsi_client_verdict_state{{{_OTEL_ADA}}}": 0,
        f"jitsi_client_verdict_state{{{_OTEL_BOB}}}": 1,
        f'max(jitsi_client_verdict{{{_OTEL_BOB},jitsi_verdict_cause="path"}})': 1,
        'jitsi_conference_participants{jitsi_verdict_state="good"}': 1,
        'jitsi_conference_participants{jitsi_verdict_state="fair"}': 1,
        'sum(jitsi_fleet_participants{jitsi_verdict_state=~"good|fair"})': 2,
        f'jitsi_fleet_packet_loss_ratio_bucket{{{_DOWN},jitsi_region="eu-west",le="0.005"}}': 0,
        f'jitsi_fleet_packet_loss_ratio_bucket{{{_DOWN},jitsi_region="eu-west",le="0.05"}}': 1,
        f'jitsi_fleet_packet_loss_ratio_sum{{{_DOWN},jitsi_region="eu-west"}}': 0.01,
    },
}


def push_both(service: Service) -> None:
    """Push Ada and Bob once; neither expires during a test."""
    for body in (ADA, BOB):
        assert service.push(body).body == "OK"


def settings(naming: str, **more: str) -> dict[str, str]:
    """Return the settings of a service for scrapes and, with an endpoint in *more*, for OTLP."""
    return {
        "JCMC_NAMING": naming,
        "METRICS_EXPIRATION": "300",
        "OTEL_METRICS_EXPORTER": "prometheus,otlp" if more else "prometheus",
        "OTEL_METRIC_EXPORT_INTERVAL": str(EXPORT_SECONDS * 1000),
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        **more,
    }
