"""
Every knob: its name, unit, default, bounds and meaning.

Read from the environment, else from a `.env` file in the working folder. Names of the original
service are kept as they are, standard `OTEL_*` names mean what the OpenTelemetry specification
says, everything else starts with `JCMC_`. A trailing comment (`5 # In seconds`) is stripped, also
where a container runtime passes it along. A secret NAME may be given as NAME_FILE, the file that
holds it. docs/settings.md and .env.example are generated from this file. Only app, service, advice,
generate and the command line see `Settings`.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.config.sessions import SessionSettings, check_secret, named, split
from otel_jcmc.config.sources import EnvFile, Environment, secret_names, strip_comments
from otel_jcmc.intake.callers import PRIVATE, Network
from otel_jcmc.intake.privacy import (
    MIN_KEY_CHARACTERS,
    Policy,
    Treatment,
    make_policy,
    read_entries,
)
from otel_jcmc.store.url import SCHEMES, is_sentinel, parse_sentinel

_METRIC_PREFIX = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# RFC 6750 has fewer; what matters is that a header and an env file can hold it as it is.
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")
_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class Settings(SessionSettings):
    """The settings in force; frozen. Unknown variables are ignored."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        # By name for keyword arguments alone: no variable has an equals sign in its name, and
        # without this HOST and LOG_LEVEL, which are other programs' too, would set ours.
        env_prefix="=",
        hide_input_in_errors=True,
    )

    # The original's variables, names and meanings as they were.
    redis_url: SecretStr | None = Field(
        None,
        validation_alias=named("REDIS_URL"),
        description="Where Redis or Valkey is: redis://, rediss:// (TLS), unix://, or"
        " redis+sentinel://host1,host2/mymaster/0 (rediss+sentinel:// with TLS). Unset: an"
        " embedded store is started, for this one process, and forgets everyone when it stops.",
    )
    metrics_expiration_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        validation_alias=named("METRICS_EXPIRATION"),
        description="Seconds after a participant's last push at which all its series disappear.",
    )
    metrics_expiration_check_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("METRICS_EXPIRATION_CHECK", "METRICS_EXPIRATION_TOLERANCE"),
        description="Accepted and without effect: Redis expires participants by itself."
        " METRICS_EXPIRATION_TOLERANCE is a deprecated name of it.",
    )
    allow_private_scrape_only: bool = Field(
        True,
        validation_alias=named("ALLOW_PRIVATE_SCRAPE_ONLY"),
        description="Only loopback, link-local and private addresses may scrape /metrics; with"
        " JCMC_SCRAPE_TOKEN they need the token as well.",
    )
    push_url: str | None = Field(
        None,
        validation_alias=named("PUSH_URL"),
        description="What the served client posts to. Unset: `metrics/push` beside the place that"
        " the client file was loaded from, http://127.0.0.1:3000/metrics/push for a page there.",
    )
    collect_username: bool = Field(
        False,
        validation_alias=named("COLLECT_USERNAME"),
        description="Collect display names (a label of the connection quality): short for"
        " `username=keep` in JCMC_PRIVACY, which wins.",
    )
    metrics_prefix: str = Field(
        "jitsi_jcmc_",
        validation_alias=named("METRICS_PREFIX"),
        description="Stands before every metric's name in the `jcmc` naming.",
    )
    port: int = Field(
        3000,
        ge=0,
        le=65535,
        validation_alias=named("JCMC_PORT", "PORT"),
        description="Port to listen on; 0 takes a free one and prints it.",
    )

    # Ours.
    host: str = Field(
        "0.0.0.0",  # noqa: S104  # as the original: browsers come from everywhere
        validation_alias=named("JCMC_HOST"),
        description="Address to listen on; `::` for IPv6.",
    )
    naming: Naming = Field(
        Naming.JCMC,
        validation_alias=named("JCMC_NAMING"),
        description="Names of the series: `jcmc` as the original's, `otel` as OpenTelemetry has"
        " them (docs/metrics.md shows both).",
    )
    collect_addresses: bool = Field(
        False,
        validation_alias=named("JCMC_COLLECT_ADDRESSES"),
        description="Collect the transports' addresses (labels of the round-trip time): short for"
        " `src_ip=keep,dst_ip=keep` in JCMC_PRIVACY, which wins.",
    )
    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",),
        validation_alias=named("JCMC_CORS_ALLOWED_ORIGINS"),
        description="Origins whose pages may push and load the client file, with commas;"
        " `*` for all, `none` for none.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        PRIVATE,
        validation_alias=named("JCMC_TRUSTED_PROXIES"),
        description="Networks whose forwarded headers tell the caller's address, with commas;"
        " `none` for none.",
    )
    key_prefix: str = Field(
        "jcmc",
        validation_alias=named("JCMC_KEY_PREFIX"),
        description="What all keys in Redis start with.",
    )
    embedded_dir: Path | None = Field(
        None,
        validation_alias=named("JCMC_EMBEDDED_DIR"),
        description="Folder of the embedded store's socket. Unset: `otel_jcmc-<uid>` in the"
        " system's temporary folder.",
    )
    # Who may push.
    push_auth: Literal["none", "token", "jwt"] = Field(
        "none",
        validation_alias=named("JCMC_PUSH_AUTH"),
        description="Who may push: `none` asks nobody, `token` pages of the allowed origins,"
        " `jwt` who has a Jitsi token for the conference (docs/security.md).",
    )
    push_token_secret: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_PUSH_TOKEN_SECRET"),
        description="What push tokens are signed with in the mode `token`, at least 32 bytes."
        " Unset: one is made and kept in Redis, where all replicas find it.",
    )
    push_token_seconds: int = Field(
        3600,
        ge=60,
        le=86_400,
        validation_alias=named("JCMC_PUSH_TOKEN_SECONDS"),
        description="Seconds that a push token is good for; browsers renew it before.",
    )
    jwt_secret: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_JWT_SECRET"),
        description="Jitsi's secret, in the mode `jwt`: its tokens are signed by HS256. One of this"
        " and the next two is wanted.",
    )
    jwt_public_key: str | None = Field(
        None,
        validation_alias=named("JCMC_JWT_PUBLIC_KEY"),
        description="Public key or certificate in PEM, or the path of a file with it, that is read"
        " again when it changes: tokens are signed by RS256 if it is RSA, by ES256 if it is P-256.",
    )
    jwt_jwks_file: Path | None = Field(
        None,
        validation_alias=named("JCMC_JWT_JWKS_FILE"),
        description="File with a JSON Web Key Set for RS256 and ES256, read again when it changes.",
    )
    jwt_issuer: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JWT_ISSUER"),
        description="What a token's `iss` may be, with commas; `*` for anything. The mode `jwt`"
        " wants this and the next two to be said.",
    )
    jwt_audience: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JWT_AUDIENCE"),
        description="What a token's `aud` may be, with commas; `*` for anything.",
    )
    jwt_subject: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JWT_SUBJECT"),
        description="What a token's `sub` may be, with commas: the domain, or tenants; `*` for"
        " anything. A token whose own `sub` is `*` is always taken.",
    )
    jwt_leeway_seconds: int = Field(
        10,
        ge=0,
        le=300,
        validation_alias=named("JCMC_JWT_LEEWAY_SECONDS"),
        description="Seconds by which the issuer's clock and ours may differ.",
    )

    # Who may read.
    scrape_token: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_SCRAPE_TOKEN"),
        description="Bearer token that a scrape of /metrics needs, at least 16 characters; a caller"
        " needs a private address as well unless ALLOW_PRIVATE_SCRAPE_ONLY=false.",
    )
    read_token: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_READ_TOKEN"),
        description="Bearer token that lets callers without a private address read what is neither"
        " the scrape nor for browsers: /sessions, /openapi.json. At least 16 characters.",
    )
    admin_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        validation_alias=named("JCMC_ADMIN_PORT"),
        description="Port for all that is not for browsers (scrape, health, /sessions). Then"
        " JCMC_PORT answers the push, its token and the client file alone. 0 takes a free one and"
        " prints it. Unset: one port for everything.",
    )
    admin_host: str = Field(
        "127.0.0.1",
        validation_alias=named("JCMC_ADMIN_HOST"),
        description="Address that JCMC_ADMIN_PORT listens on. Loopback, because a scraper that can"
        " not connect is seen at once, and a port that is open to everybody is not.",
    )
    tls_certificate_file: Path | None = Field(
        None,
        validation_alias=named("JCMC_TLS_CERTIFICATE_FILE"),
        description="Certificate chain, PEM: the service speaks TLS on its ports. SIGHUP loads it"
        " again.",
    )
    tls_key_file: Path | None = Field(
        None,
        validation_alias=named("JCMC_TLS_KEY_FILE"),
        description="Private key of the certificate, PEM, without a password. Unset: it is in the"
        " certificate's file.",
    )

    # Privacy.
    privacy: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_PRIVACY"),
        description="What becomes of an attribute before it is stored, as `roomname=hash` with"
        " commas: `keep`, `drop`, `hash`, or of an address `truncate` (to /24 or /48). By its name"
        " in either naming; docs/security.md lists them. `none` for nothing but the defaults.",
    )
    privacy_key: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_PRIVACY_KEY"),
        description="Secret of the hashes, at least 16 characters, the same in all replicas. Needed"
        " to hash with a REDIS_URL; without one it is made anew at each start.",
    )

    # Limits.
    limit_body_bytes: int = Field(
        65_536,
        ge=0,
        validation_alias=named("JCMC_LIMIT_BODY_BYTES"),
        description="Largest body of a push in bytes; 0 for any.",
    )
    limit_label_characters: int = Field(
        256,
        ge=0,
        validation_alias=named("JCMC_LIMIT_LABEL_CHARACTERS"),
        description="Longest text of a push in characters. Ids and codecs have smaller limits of"
        " their own (docs/metrics.md); 0 switches those off too, so that only the body's size"
        " bounds a text.",
    )
    limit_transports: int = Field(
        8,
        ge=0,
        validation_alias=named("JCMC_LIMIT_TRANSPORTS"),
        description="Most transports of a push, further ones are dropped; 0 for any number.",
    )
    limit_participants: int = Field(
        120_000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_PARTICIPANTS"),
        description="Most live participants, over all replicas; newcomers beyond are refused, those"
        " already seen go on; 0 for any number.",
    )
    limit_conference_participants: int = Field(
        1000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_CONFERENCE_PARTICIPANTS"),
        description="Most participants of one conference, over all replicas, those counted who"
        " expired within the last minute; newcomers beyond are refused; 0 for any number.",
    )
    limit_participant_pushes: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND"),
        description="Most pushes a second for one participant, ten seconds' worth of them at once,"
        " in each replica; 0 for any number.",
    )
    limit_address_pushes: float = Field(
        1000.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND"),
        description="Most pushes a second from one address (IPv6: one /64), ten seconds' worth of"
        " them at once, in each replica; a school behind one address is 2,000 pupils who push 200"
        " times a second; 0 for any number.",
    )
    limit_address_newcomers: float = Field(
        50.0,
        ge=0,
        allow_inf_nan=False,
        validation_alias=named("JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND"),
        description="Most new participants a second from one address, ten seconds' worth of them at"
        " once, in each replica; 0 for any number.",
    )

    limit_connections: int = Field(
        10_000,
        ge=0,
        validation_alias=named("JCMC_LIMIT_CONNECTIONS"),
        description="Most open connections, fewer when the limit of open files is lower; for one"
        " more the longest idle are closed, and with nobody idle it is; 0 for any number. For each"
        " process.",
    )
    limit_head_bytes: int = Field(
        65_536,
        ge=0,
        validation_alias=named("JCMC_LIMIT_HEAD_BYTES"),
        description="Largest head of a request in bytes; 0 for any.",
    )
    limit_head_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_HEAD_SECONDS"),
        description="Seconds that a head may take, a handshake of TLS, and a new connection to ask"
        " anything; 0 for any.",
    )
    limit_body_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_BODY_SECONDS"),
        description="Seconds that a body may take; 0 for any.",
    )
    limit_answer_seconds: int = Field(
        60,
        ge=0,
        validation_alias=named("JCMC_LIMIT_ANSWER_SECONDS"),
        description="Seconds that reading an answer may take, from when the network first holds it"
        " up; 0 for any.",
    )
    limit_scrapes: int = Field(
        10,
        ge=0,
        validation_alias=named("JCMC_LIMIT_SCRAPES"),
        description="Most scrapes answered at a time, each of which holds its answer until it is"
        " read; further ones are told to come again; 0 for any number.",
    )

    # The log, and the browser's file.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO",
        validation_alias=named("JCMC_LOG_LEVEL"),
        description="Least severe log that is written, to stderr.",
    )
    client_debug: bool = Field(
        False,
        validation_alias=named("JCMC_CLIENT_DEBUG"),
        description="Let the client file write to the browser's console what it does, and serve it"
        " with its comments.",
    )
    client_interval_seconds: int = Field(
        0,
        ge=0,
        le=100,
        validation_alias=named("JCMC_CLIENT_INTERVAL"),
        description="Seconds between two pushes of a browser, each the average of the samples in"
        " between. 0: it pushes every sample, which lib-jitsi-meet takes every 10 s by default.",
    )
    client_jitter_seconds: int = Field(
        5,
        ge=0,
        le=100,
        validation_alias=named("JCMC_CLIENT_JITTER"),
        description="Each browser waits a random time of its own, at most this many seconds and"
        " one sample, before it pushes, so that those that join together do not push together.",
    )
    client_send_jwt: bool = Field(
        False,
        validation_alias=named("JCMC_CLIENT_SEND_JWT"),
        description="Let the client file send the page's Jitsi token with each push, as"
        " `Authorization: Bearer`, for a proxy that checks it. It may hold a name and an address.",
    )

    # OpenTelemetry's. The exporters read the other OTEL_EXPORTER_OTLP_* variables themselves.
    metrics_exporter: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(("prometheus",)),
        validation_alias=named("OTEL_METRICS_EXPORTER"),
        description="How metrics leave: `prometheus` (scrape of /metrics), `otlp` (push to a"
        " Collector), both with a comma, or `none`.",
    )
    export_interval_ms: int = Field(
        15_000,
        ge=100,
        validation_alias=named("OTEL_METRIC_EXPORT_INTERVAL"),
        description="Milliseconds between two OTLP pushes. Not the specification's 60,000, which is"
        " longer than a participant lives.",
    )
    export_timeout_ms: int = Field(
        30_000,
        ge=100,
        validation_alias=named("OTEL_METRIC_EXPORT_TIMEOUT"),
        description="Milliseconds that one OTLP push may take, its retries included.",
    )
    otlp_protocol: Literal["grpc", "http/protobuf"] = Field(
        "http/protobuf",
        validation_alias=named(
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
        ),
        description="OTLP transport: `grpc` or `http/protobuf`.",
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=named(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        ),
        description="Where the Collector is: http://127.0.0.1:4318 for http/protobuf,"
        " http://127.0.0.1:4317 for grpc when unset.",
    )
    otlp_timeout_ms: int = Field(
        10_000,
        ge=1,
        validation_alias=named("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        description="Milliseconds that one OTLP request may take, its retries included.",
    )
    service_name: str = Field(
        "otel_jcmc",
        validation_alias=named("OTEL_SERVICE_NAME"),
        description="Resource attribute `service.name`.",
    )
    resource_attributes: str = Field(
        "",
        validation_alias=named("OTEL_RESOURCE_ATTRIBUTES"),
        description="More resource attributes, `key=value` with commas.",
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
        """Return where settings come from, the first one winning."""
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        env_file = EnvFile(settings_cls, dotenv_settings.env_file)
        return init_settings, Environment(settings_cls), env_file

    @model_validator(mode="before")
    @classmethod
    def _strip_comments(cls, values: dict[str, Any]) -> dict[str, Any]:
        return strip_comments(values)

    @field_validator("cors_allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return () if value == "none" else split(value)

    @field_validator("cors_allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if origin != "*" and not (
                parts.scheme and parts.netloc and origin == f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{origin!r} is no origin: https://meet.example.org is one")
        if "*" in origins and len(origins) > 1:
            raise ValueError("`*` stands alone")
        return origins

    @field_validator("push_token_secret")
    @classmethod
    def _check_push_token_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        return check_secret(secret)

    @field_validator("jwt_issuer", "jwt_audience", "jwt_subject", mode="before")
    @classmethod
    def _split_claims(cls, value: Any) -> Any:
        return () if value == "none" else split(value)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        parts = () if value == "none" else split(value)
        for part in parts:
            _check_network(part)
        return parts

    @field_validator("privacy", mode="before")
    @classmethod
    def _split_privacy(cls, value: Any) -> Any:
        return () if value == "none" else split(value)

    @field_validator("privacy")
    @classmethod
    def _check_privacy(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        read_entries(entries)
        return entries

    @field_validator("privacy_key")
    @classmethod
    def _check_privacy_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < MIN_KEY_CHARACTERS:
            raise ValueError(f"at least {MIN_KEY_CHARACTERS} characters are wanted")
        return key

    @field_validator("metrics_exporter", mode="before")
    @classmethod
    def _split_exporters(cls, value: Any) -> Any:
        names = frozenset(split(value))
        if unknown := names - {"prometheus", "otlp", "none"}:
            raise ValueError(f"{sorted(unknown)} can't be had: prometheus, otlp, or none")
        if "none" in names and len(names) > 1:
            raise ValueError("`none` stands alone")
        return names - {"none"}

    @field_validator("metrics_prefix")
    @classmethod
    def _check_metrics_prefix(cls, prefix: str) -> str:
        if not _METRIC_PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} can't begin a metric's name: [a-zA-Z_:][a-zA-Z0-9_:]*")
        return prefix

    @field_validator("key_prefix")
    @classmethod
    def _check_key_prefix(cls, prefix: str) -> str:
        if not _KEY_PREFIX.fullmatch(prefix):
            raise ValueError("1 to 64 characters of A-Z a-z 0-9 _ . : - are wanted")
        return prefix

    @field_validator("scrape_token", "read_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("at least 16 characters of ASCII without blanks are wanted")
        return token

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        redis_url = self.redis_url.get_secret_value() if self.redis_url else None
        if redis_url and is_sentinel(redis_url):
            try:
                parse_sentinel(redis_url)
            except ValueError as error:
                raise ValueError(f"REDIS_URL is no URL: {error}") from None
        else:
            _check_url(redis_url, "REDIS_URL", _REDIS)
        _check_url(self.push_url, "PUSH_URL", _HTTP)
        _check_url(self.jmmc_push_url, "JCMC_JMMC_PUSH_URL", _HTTP)
        _check_url(self.otlp_traces_endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", _HTTP)
        _check_url(self.otlp_endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT", _HTTP)
        return self

    @model_validator(mode="after")
    def _check_push_auth(self) -> Self:
        if self.push_auth == "token":
            if not self.cors_allowed_origins:
                raise ValueError(
                    "JCMC_PUSH_AUTH=token wants JCMC_CORS_ALLOWED_ORIGINS to name some"
                )
            if self.client_send_jwt:
                raise ValueError(
                    "JCMC_CLIENT_SEND_JWT can't be with JCMC_PUSH_AUTH=token: a push has one token"
                )
        if self.push_auth == "jwt":
            keys = ("jwt_secret", "jwt_public_key", "jwt_jwks_file")
            if sum(getattr(self, key) is not None for key in keys) != 1:
                named = ", ".join(name_of(key) for key in keys)
                raise ValueError(f"JCMC_PUSH_AUTH=jwt wants one of {named}")
            for field in ("jwt_issuer", "jwt_audience", "jwt_subject"):
                if not getattr(self, field):
                    raise ValueError(
                        f"JCMC_PUSH_AUTH=jwt wants {name_of(field)} to be said, `*` for anything"
                    )
        return self

    @model_validator(mode="after")
    def _check_hashes(self) -> Self:
        if self.redis_url and not self.privacy_key and self.hashes:
            # Replicas with keys of their own would store everyone as often as there are replicas.
            raise ValueError(
                "JCMC_PRIVACY hashes: set JCMC_PRIVACY_KEY, the same in all replicas and for good"
            )
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.admin_port and self.admin_port == self.port:
            raise ValueError("JCMC_ADMIN_PORT must be another one than JCMC_PORT")
        return self

    @property
    def privacy_policy(self) -> Policy:
        """What becomes of every attribute."""
        names = ("collect_username", "collect_addresses")
        return make_policy(self.privacy, [name for name in names if getattr(self, name)])

    @property
    def hashes(self) -> bool:
        """Whether some attribute is hashed."""
        return Treatment.HASH in self.privacy_policy.values()

    @property
    def spans_protocol(self) -> str:
        """
        OTLP transport of spans: what is said of them, else what is said of everything.

        What the environment says of metrics alone does not count.
        """
        if self.otlp_traces_protocol:
            return self.otlp_traces_protocol
        if "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL" in os.environ:
            return os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        return self.otlp_protocol

    @property
    def spans_endpoint(self) -> str:
        """Where spans go, as far as anybody said so; see `spans_protocol`."""
        if self.otlp_traces_endpoint:
            return self.otlp_traces_endpoint
        general = self.otlp_endpoint
        if "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in os.environ:
            general = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        if not general or self.spans_protocol == "grpc":
            return general or ""
        return f"{general.rstrip('/')}/v1/traces"

    @property
    def spans_timeout_ms(self) -> int:
        """How long a request with spans may take; see `spans_protocol`."""
        if self.otlp_traces_timeout_ms:
            return self.otlp_traces_timeout_ms
        if "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT" in os.environ:
            return int(os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") or 10_000)
        return self.otlp_timeout_ms

    def to_environ(self) -> dict[str, str]:
        """Return the environment that gives these settings, secrets included, to a child."""
        environ = {
            name_of(field): to_text(getattr(self, field))
            for field in type(self).model_fields
            if getattr(self, field) is not None
        }
        # The child has the secret itself; empty is not given.
        environ |= {f"{name}_FILE": "" for name in secret_names(type(self)) if name in environ}
        # Under its general name: the metrics' own would be taken as it is, without /v1/metrics.
        if endpoint := environ.pop("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", None):
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        return environ


def name_of(field: str) -> str:
    """Return the environment's name of a *field*."""
    return names_of(field)[0]


def names_of(field: str) -> list[str]:
    """Return all names of a *field* in the environment, the first one winning."""
    choices = Settings.model_fields[field].validation_alias
    assert isinstance(choices, AliasChoices)
    return [str(choice) for choice in choices.choices]


def in_order() -> list[str]:
    """Return every field, those of sessions at the end."""
    return sorted(Settings.model_fields, key=lambda field: field in SessionSettings.model_fields)


def other_names(name: str) -> list[str]:
    """Return all names of the field that is called *name* in the environment; none for no field."""
    every = (names_of(field) for field in Settings.model_fields)
    return next((names for names in every if name in names), [])


def to_text(value: Any) -> str:
    """Return a setting's *value* as the environment has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | frozenset):
        return ",".join(sorted(str(part) for part in value)) or "none"
    return str(value)


_REDIS = ("redis", "rediss", "unix", *SCHEMES)
_HTTP = ("http", "https")


def _check_url(url: str | None, name: str, schemes: tuple[str, ...]) -> None:
    """Refuse a *url* of another scheme; its text is not repeated, it may hold a password."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Not its message: what looks like a port may be a piece of an unescaped password.
        raise ValueError(f"{name} is no URL: its host or port can't be read") from None
    if parts.scheme not in schemes:
        wanted = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{name} must start with one of {wanted}")


def _check_network(text: Any) -> None:
    """Refuse a *text* that is no network, in one line and not one for each family."""
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{str(text)!r} is no network: 10.0.0.0/8 is one") from None
