"""
All settings together: where they are read from, and the checks between groups.

Settings are read from the environment, then from a `.env` file in the working folder. Settings of
the original service (JCMC) have its names. `OTEL_*` names have the meaning that the OpenTelemetry
specification gives them. All other names start with `JCMC_`. A trailing comment (`5 # In seconds`)
is stripped, also if a container runtime passes it on. NAME_FILE may be the path of a file that
holds the secret NAME. Each group of fields has its own file; docs/settings.md and .env.example are
made from these files, in the order of GROUPS.
"""

import os
from typing import Any, Self

from pydantic import AliasChoices, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from otel_jcmc.config.client import ClientSettings
from otel_jcmc.config.fields import check_http_url, check_url
from otel_jcmc.config.jmmc import JmmcSettings
from otel_jcmc.config.limits import LimitSettings
from otel_jcmc.config.logs import LogSettings
from otel_jcmc.config.otel import OtelSettings
from otel_jcmc.config.privacy import PrivacySettings
from otel_jcmc.config.pushing import PushingSettings
from otel_jcmc.config.series import SeriesSettings
from otel_jcmc.config.serving import ServingSettings
from otel_jcmc.config.sessions import SessionSettings
from otel_jcmc.config.sources import EnvFile, Environment, secret_names, strip_comments
from otel_jcmc.config.store import StoreSettings
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.url import CLUSTER_SCHEMES, SCHEMES, check_redis

_REDIS = ("redis", "rediss", "unix", *SCHEMES, *CLUSTER_SCHEMES)
# The groups of settings, in the order of docs/settings.md.
GROUPS: tuple[type[BaseSettings], ...] = (
    StoreSettings,
    ServingSettings,
    PushingSettings,
    PrivacySettings,
    LimitSettings,
    ClientSettings,
    OtelSettings,
    SeriesSettings,
    JmmcSettings,
    SessionSettings,
    LogSettings,
)


# Pydantic lists the fields of the last base first, so the bases stand in reverse order.
class Settings(
    LogSettings,
    SessionSettings,
    JmmcSettings,
    SeriesSettings,
    OtelSettings,
    ClientSettings,
    LimitSettings,
    PrivacySettings,
    PushingSettings,
    ServingSettings,
    StoreSettings,
):
    """The settings in force; frozen. Reading fails if an unknown variable begins with JCMC_."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        # No variable has an equals sign in its name, so field names work only as keyword arguments.
        # Without this prefix, HOST and LOG_LEVEL of other programs would set our fields.
        env_prefix="=",
        hide_input_in_errors=True,
        defer_build=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # ours reads files too
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # a folder of files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings; the first source that has a setting wins."""
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        env_file = EnvFile(settings_cls, dotenv_settings.env_file)
        return init_settings, Environment(settings_cls), env_file

    @model_validator(mode="before")
    @classmethod
    def _strip_comments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return strip_comments(values)

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        if self.redis_url:
            redis_url = self.redis_url.get_secret_value()
            check_url(redis_url, "REDIS_URL", _REDIS)
            try:
                check_redis(redis_url)
            except ValueError as error:
                raise ValueError(f"REDIS_URL is not valid: {error}") from None
        check_http_url(self.push_url, "PUSH_URL")
        check_http_url(self.jmmc_push_url, "JCMC_JMMC_PUSH_URL")
        check_http_url(self.otlp_traces_endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        check_http_url(self.otlp_logs_endpoint, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
        check_http_url(self.otlp_endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT")
        check_http_url(self.trace_url, "JCMC_TRACE_URL")
        if self.trace_url is not None and "{trace_id}" not in self.trace_url:
            raise ValueError("JCMC_TRACE_URL must have {trace_id} in the place of the trace's id")
        return self

    @model_validator(mode="after")
    def _check_push_auth(self) -> Self:
        if self.push_auth == "token":
            if not self.cors_allowed_origins:
                raise ValueError(
                    "JCMC_PUSH_AUTH=token requires an origin in JCMC_CORS_ALLOWED_ORIGINS"
                )
            if self.client_send_jwt:
                raise ValueError(
                    "JCMC_CLIENT_SEND_JWT does not go with JCMC_PUSH_AUTH=token: a push has only"
                    " one token"
                )
        if self.push_auth == "jwt":
            keys = ("jwt_secret", "jwt_public_key", "jwt_jwks_file")
            if sum(getattr(self, key) is not None for key in keys) != 1:
                named = ", ".join(name_of(key) for key in keys)
                raise ValueError(f"JCMC_PUSH_AUTH=jwt requires exactly one of {named}")
            for field in ("jwt_issuer", "jwt_audience", "jwt_subject"):
                if not getattr(self, field):
                    raise ValueError(
                        f"JCMC_PUSH_AUTH=jwt requires {name_of(field)}; `*` allows any value"
                    )
        return self

    @model_validator(mode="after")
    def _check_hashes(self) -> Self:
        if self.redis_url and not self.privacy_key and self.hashes:
            # If replicas hash with different keys, each replica stores every participant once more.
            raise ValueError(
                "JCMC_PRIVACY hashes attributes: set JCMC_PRIVACY_KEY, the same in all replicas,"
                " and keep it"
            )
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.admin_port and self.admin_port == self.port:
            raise ValueError("JCMC_ADMIN_PORT must differ from JCMC_PORT")
        return self

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.export_shares > self.partitions:
            raise ValueError("JCMC_EXPORT_SHARES can be at most JCMC_PARTITIONS")
        return self

    @property
    def spans_protocol(self) -> str:
        """
        OTLP transport of spans: the setting for traces if it is set, otherwise the general setting.

        Settings that are only for metrics have no influence.
        """
        return self._protocol_of(self.otlp_traces_protocol)

    @property
    def spans_endpoint(self) -> str:
        """URL that spans are sent to, empty if no setting names one; see `spans_protocol`."""
        return self._endpoint_of(self.otlp_traces_endpoint, self.spans_protocol, "traces")

    @property
    def spans_timeout_ms(self) -> int:
        """Most milliseconds for a request with spans; see `spans_protocol`."""
        return self._timeout_of(self.otlp_traces_timeout_ms)

    @property
    def logs_protocol(self) -> str:
        """OTLP transport of events: the setting for logs if set, otherwise the general one."""
        return self._protocol_of(self.otlp_logs_protocol)

    @property
    def logs_endpoint(self) -> str:
        """URL that events are sent to, empty if no setting names one; see `spans_protocol`."""
        return self._endpoint_of(self.otlp_logs_endpoint, self.logs_protocol, "logs")

    @property
    def logs_timeout_ms(self) -> int:
        """Most milliseconds for a request with events; see `spans_protocol`."""
        return self._timeout_of(self.otlp_logs_timeout_ms)

    def _protocol_of(self, own: str | None) -> str:
        """Return the transport of a signal; *own* is the signal's own setting."""
        if own:
            return own
        if "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL" in os.environ:
            return os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        return self.otlp_protocol

    def _endpoint_of(self, own: str | None, protocol: str, path: str) -> str:
        """Return the URL for a signal sent by *protocol*; *own* is the signal's own setting."""
        if own:
            return own
        general = self.otlp_endpoint
        if "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in os.environ:
            general = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        if not general or protocol == "grpc":
            return general or ""
        return f"{general.rstrip('/')}/v1/{path}"

    def _timeout_of(self, own: int | None) -> int:
        """Return the timeout of a signal's requests in ms; *own* is the signal's own setting."""
        if own:
            return own
        if "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT" in os.environ:
            return int(os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") or 10_000)
        return self.otlp_timeout_ms

    @property
    def keys(self) -> Keys:
        """The names of all keys in Redis, by partition."""
        return Keys(self.key_prefix, self.partitions)

    def with_redis(self, url: str) -> Self:
        """Return a copy of these settings with *url* as REDIS_URL."""
        return self.model_copy(update={"redis_url": SecretStr(url)})

    @property
    def worker_connections(self) -> int:
        """Most connections of each process that takes pushes; 0: no limit."""
        return -(-self.limit_connections // max(1, self.workers))

    def to_environ(self) -> dict[str, str]:
        """Return the environment that gives a child process these settings, also the secrets."""
        environ = {
            name_of(field): to_text(getattr(self, field))
            for field in type(self).model_fields
            if getattr(self, field) is not None
        }
        # The child gets the secret itself, not the file: a variable that is empty counts as unset.
        environ |= {f"{name}_FILE": "" for name in secret_names(type(self)) if name in environ}
        # The child gets the endpoint by its general name, because an exporter adds /v1/metrics only
        # to the general URL.
        if endpoint := environ.pop("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", None):
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        return environ


def name_of(field: str) -> str:
    """Return the first name of a *field* in the environment."""
    return names_of(field)[0]


def names_of(field: str) -> list[str]:
    """Return all names of a *field* in the environment; the first name wins."""
    choices = Settings.model_fields[field].validation_alias
    assert isinstance(choices, AliasChoices)
    return [str(choice) for choice in choices.choices]


def in_order() -> list[str]:
    """Return the names of all fields, group after group."""
    return [field for group in GROUPS for field in group.model_fields]


def other_names(name: str) -> list[str]:
    """Return all environment names of the field with the name *name*; empty if no field has it."""
    every = (names_of(field) for field in Settings.model_fields)
    return next((names for names in every if name in names), [])


def to_text(value: Any) -> str:
    """Return a setting's *value* as the text that an environment variable would have."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | frozenset):
        return ",".join(sorted(str(part) for part in value)) or "none"
    return str(value)
