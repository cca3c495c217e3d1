"""Lines that `check` and `serve` print: where OTLP sends spans and events; advice on settings."""

from collections.abc import Iterator

from otel_jcmc.catalogue.attributes import LOCAL_ADDRESS, PEER_ADDRESS, USERNAME
from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.config.fields import LEAST_SECRET_BYTES, show_url
from otel_jcmc.config.misspelt import misspelt
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.privacy import Treatment, read_entries

LONG_INTERVAL_SECONDS = 120


def ways(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield `traces` and `logs`, if sent by OTLP, each with a text of its protocol and endpoint."""
    for signal, exporter, protocol, endpoint in (
        ("traces", settings.traces_exporter, settings.spans_protocol, settings.spans_endpoint),
        ("logs", settings.logs_exporter, settings.logs_protocol, settings.logs_endpoint),
    ):
        if exporter == "otlp":
            where = show_url(endpoint) or "the Collector on this machine"
            yield signal, f"{protocol} to {where}"


def advice(settings: Settings) -> list[str]:
    """Return a line for each setting that is allowed but probably not what the operator wants."""
    lines = misspelt(type(settings))
    if "otlp" in settings.metrics_exporter:
        ttl, interval = settings.metrics_expiration_seconds, settings.export_interval_ms / 1000
        wanted = max(ttl, 2.5 * interval)
        lines.append(
            f"a Collector's prometheus exporter should have metric_expiration: {wanted:g}s (by"
            " default, participants of a service that was killed stay visible for 5m)"
        )
        if interval > ttl:
            lines.append(
                f"OTEL_METRIC_EXPORT_INTERVAL ({interval:g} s) is longer than METRICS_EXPIRATION"
                f" ({ttl} s): a participant that joins and leaves between two exports is never"
                " exported"
            )
    lines += _of_traces(settings) if settings.traces_exporter == "otlp" else []
    if settings.logs_exporter == "otlp" and settings.redis_url is None:
        lines.append(
            "when this service stops, events that wait for their receiver are lost: set REDIS_URL"
            " to keep them"
        )
    if settings.summary_days and settings.redis_url is None:
        lines.append("when this service stops, summaries are lost: set REDIS_URL to keep them")
    if settings.hashes and not settings.privacy_key:
        lines.append("JCMC_PRIVACY_KEY is not set: a restart changes all hashes")
    if not settings.allow_private_scrape_only and settings.scrape_token is None:
        lines.append(
            "ALLOW_PRIVATE_SCRAPE_ONLY is off: everyone who can reach /metrics can read conference"
            " names"
        )
    if settings.push_auth == "token" and "*" in settings.cors_allowed_origins:
        lines.append(
            "JCMC_PUSH_AUTH=token keeps no page out while JCMC_CORS_ALLOWED_ORIGINS is `*`: set the"
            " origins of your pages"
        )
    # JMMC's path is on by default. Only a deployment that sets one of its other settings uses it.
    wants_jmmc = settings.jmmc_path and (
        settings.jmmc_conf_pattern
        or settings.jmmc_authorized_regions
        or settings.jmmc_push_url
        or settings.cookie_secret
    )
    if wants_jmmc and "*" in settings.cors_allowed_origins:
        lines.append(
            "JMMC pages of another origin must send a cookie, and browsers send none while"
            " JCMC_CORS_ALLOWED_ORIGINS is `*`: set the origins of your pages"
        )
    jwt_secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if settings.push_auth == "jwt" and 0 < len(jwt_secret.encode()) < LEAST_SECRET_BYTES:
        lines.append(
            f"JCMC_JWT_SECRET is shorter than {LEAST_SECRET_BYTES} bytes: anyone with one token can"
            " try to guess the secret"
        )
    return lines + _of_former(settings)


def _of_former(settings: Settings) -> list[str]:
    """Return a line for each thing that an operator who used JCMC or JMMC is likely to miss."""
    given = settings.model_fields_set
    # The env file of JCMC has both settings, in every release. Only JCMC needs the second setting.
    is_jcmc = {"metrics_expiration_seconds", "metrics_expiration_check_seconds"} <= given
    # The middleware of JMMC takes both settings as arguments.
    is_jmmc = {"jmmc_conf_pattern", "jmmc_authorized_regions"} <= given
    lines = []
    # JCMC collects names even with COLLECT_USERNAME=false, so an operator who took that line from
    # JCMC has not decided against names.
    if is_jcmc and _is_dropped_unsaid(settings, USERNAME):
        lines.append(
            "display names are dropped, but JCMC collects them whatever COLLECT_USERNAME says:"
            " COLLECT_USERNAME=true collects them, JCMC_PRIVACY=username=drop ends this line"
        )
    is_said = "collect_addresses" in given or not (is_jcmc or is_jmmc)
    addresses = (LOCAL_ADDRESS, PEER_ADDRESS)
    if not is_said and any(_is_dropped_unsaid(settings, each) for each in addresses):
        lines.append(
            "addresses (src_ip, dst_ip) are dropped, but JCMC and JMMC collect them:"
            " JCMC_COLLECT_ADDRESSES=true collects them, false ends this line"
        )
    if is_jmmc and not {"history_hours", "summary_days"} & given:
        lines.append(
            f"sessions are kept for {settings.history_hours} hours, but JMMC keeps them for ever:"
            " JCMC_HISTORY_HOURS can be up to 744, JCMC_SUMMARY_DAYS keeps a summary of each for up"
            " to 400 days"
        )
    return lines


def _is_dropped_unsaid(settings: Settings, row: Attribute) -> bool:
    """Return whether *row*'s attribute is dropped, although JCMC_PRIVACY does not name it."""
    is_dropped = settings.privacy_policy.get(row.id) is Treatment.DROP
    return is_dropped and row.id not in read_entries(settings.privacy)


def _of_traces(settings: Settings) -> list[str]:
    """Return a line for each setting of spans that is probably not what the operator wants."""
    lines = []
    if settings.redis_url is None:
        lines.append(
            "when this service stops, spans that wait for their receiver are lost: set REDIS_URL to"
            " keep them"
        )
    if settings.history_interval_seconds > LONG_INTERVAL_SECONDS:
        lines.append(
            f"JCMC_HISTORY_INTERVAL ({settings.history_interval_seconds} s): a session's span is"
            " sent that long after the session's end, or later"
        )
    if settings.bad_packet_loss == 100:
        lines.append("JCMC_BAD_PACKET_LOSS=100 is never exceeded: no packet loss counts as bad")
    return lines
