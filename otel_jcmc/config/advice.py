"""What `otel-jcmc check` and the start say: what leaves where to, and what may disappoint."""

from collections.abc import Iterator

from otel_jcmc.catalogue.attributes import LOCAL_ADDRESS, PEER_ADDRESS, USERNAME
from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.config.fields import LEAST_SECRET_BYTES, show_url
from otel_jcmc.config.misspelt import misspelt
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.privacy import Treatment, read_entries

LONG_INTERVAL_SECONDS = 120


def ways(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return each signal beside metrics that leaves by OTLP, and how and where it goes."""
    for signal, exporter, protocol, endpoint in (
        ("traces", settings.traces_exporter, settings.spans_protocol, settings.spans_endpoint),
        ("logs", settings.logs_exporter, settings.logs_protocol, settings.logs_endpoint),
    ):
        if exporter == "otlp":
            where = show_url(endpoint) or "this machine's Collector"
            yield signal, f"{protocol} to {where}"


def advice(settings: Settings) -> list[str]:
    """Return what is allowed and still likely to disappoint, one line each."""
    lines = misspelt(type(settings))
    if "otlp" in settings.metrics_exporter:
        ttl, interval = settings.metrics_expiration_seconds, settings.export_interval_ms / 1000
        wanted = max(ttl, 2.5 * interval)
        lines.append(
            f"a Collector's prometheus exporter should have metric_expiration: {wanted:g}s"
            " (by its default it shows for 5m whom a service has pushed that was killed)"
        )
        if interval > ttl:
            lines.append(
                f"OTEL_METRIC_EXPORT_INTERVAL ({interval:g} s) is longer than METRICS_EXPIRATION"
                f" ({ttl} s): who comes and goes in between is never pushed"
            )
    lines += _of_traces(settings) if settings.traces_exporter == "otlp" else []
    if settings.logs_exporter == "otlp" and settings.redis_url is None:
        lines.append(
            "events that wait for their receiver are gone when this stops: REDIS_URL keeps them"
        )
    if settings.summary_days and settings.redis_url is None:
        lines.append("summaries are gone when this stops: REDIS_URL keeps them")
    if settings.hashes and not settings.privacy_key:
        lines.append("JCMC_PRIVACY_KEY is not set: all hashes are others after a restart")
    if not settings.allow_private_scrape_only and settings.scrape_token is None:
        lines.append(
            "ALLOW_PRIVATE_SCRAPE_ONLY is off: whoever reaches /metrics reads conference names"
        )
    if settings.push_auth == "token" and "*" in settings.cors_allowed_origins:
        lines.append(
            "JCMC_PUSH_AUTH=token stops nobody while JCMC_CORS_ALLOWED_ORIGINS is `*`:"
            " name the origins of the pages"
        )
    # Asked for where one of its own settings is: it is there for everybody.
    wants_jmmc = settings.jmmc_path and (
        settings.jmmc_conf_pattern
        or settings.jmmc_authorized_regions
        or settings.jmmc_push_url
        or settings.cookie_secret
    )
    if wants_jmmc and "*" in settings.cors_allowed_origins:
        lines.append(
            "JMMC pages of another origin send a cookie, which no browser does while"
            " JCMC_CORS_ALLOWED_ORIGINS is `*`: name the origins of the pages"
        )
    jwt_secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if settings.push_auth == "jwt" and 0 < len(jwt_secret.encode()) < LEAST_SECRET_BYTES:
        lines.append(
            f"JCMC_JWT_SECRET is shorter than {LEAST_SECRET_BYTES} bytes: who has one token can"
            " try to find it"
        )
    return lines + _of_former(settings)


def _of_former(settings: Settings) -> list[str]:
    """Return what somebody who comes from JCMC or JMMC, with its settings, will look for."""
    given = settings.model_fields_set
    # The original's env file has both, in every release; nobody else has a use for the second.
    is_jcmc = {"metrics_expiration_seconds", "metrics_expiration_check_seconds"} <= given
    # Both are what the middleware is called with.
    is_jmmc = {"jmmc_conf_pattern", "jmmc_authorized_regions"} <= given
    lines = []
    # Its COLLECT_USERNAME=false kept nobody's name out, so that it is not what was decided.
    if is_jcmc and _is_dropped_unsaid(settings, USERNAME):
        lines.append(
            "display names are dropped, which JCMC collects whatever COLLECT_USERNAME says: true"
            " has them back, JCMC_PRIVACY=username=drop ends this line"
        )
    is_said = "collect_addresses" in given or not (is_jcmc or is_jmmc)
    addresses = (LOCAL_ADDRESS, PEER_ADDRESS)
    if not is_said and any(_is_dropped_unsaid(settings, each) for each in addresses):
        lines.append(
            "addresses (src_ip, dst_ip) are dropped, which JCMC and JMMC collect:"
            " JCMC_COLLECT_ADDRESSES=true has them back, false ends this line"
        )
    if is_jmmc and not {"history_hours", "summary_days"} & given:
        lines.append(
            f"sessions are kept for {settings.history_hours} hours, which JMMC keeps for ever:"
            " JCMC_HISTORY_HOURS is up to 744, JCMC_SUMMARY_DAYS keeps a line of each for 400 days"
        )
    return lines


def _is_dropped_unsaid(settings: Settings, row: Attribute) -> bool:
    """Say whether *row* is dropped, and JCMC_PRIVACY says nothing of it."""
    is_dropped = settings.privacy_policy.get(row.id) is Treatment.DROP
    return is_dropped and row.id not in read_entries(settings.privacy)


def _of_traces(settings: Settings) -> list[str]:
    """Return what is likely to disappoint of spans."""
    lines = []
    if settings.redis_url is None:
        lines.append(
            "spans that wait for their receiver are gone when this stops: REDIS_URL keeps them"
        )
    if settings.history_interval_seconds > LONG_INTERVAL_SECONDS:
        lines.append(
            f"JCMC_HISTORY_INTERVAL ({settings.history_interval_seconds} s): a session's span comes"
            " so long after its end, or later"
        )
    if settings.bad_packet_loss == 100:
        lines.append("JCMC_BAD_PACKET_LOSS=100 is never reached: no loss is bad")
    return lines
