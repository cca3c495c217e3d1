"""Serving: where the service listens, trusted proxies, callers that may read, and the log."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, named, split
from otel_jcmc.intake.callers import PRIVATE, Network

# The characters that a header and an env file can hold unchanged. RFC 6750 allows fewer of them.
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class ServingSettings(Group):
    """Serving: where the service listens, trusted proxies, callers that may read, and the log."""

    host: str = Field(
        "0.0.0.0",  # noqa: S104  # as the original: browsers come from everywhere
        validation_alias=named("JCMC_HOST"),
        description="Address to listen on; `::` for IPv6.",
    )
    port: int = Field(
        3000,
        ge=0,
        le=65535,
        validation_alias=named("JCMC_PORT", "PORT"),
        description="Port to listen on. 0: the service takes a free port and prints it.",
    )
    admin_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        validation_alias=named("JCMC_ADMIN_PORT"),
        description="Separate port for everything that browsers of participants do not need:"
        " scrape, health, pages, /sessions. JCMC_PORT then serves only pushes, push tokens and the"
        " client file. 0: the service takes a free port and prints it. Unset: one port for"
        " everything.",
    )
    admin_host: str = Field(
        "127.0.0.1",
        validation_alias=named("JCMC_ADMIN_HOST"),
        description="Address that JCMC_ADMIN_PORT listens on. The default is loopback: an operator"
        " notices at once that a scraper cannot connect, but may never notice an open port.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        validation_alias=named("JCMC_WORKERS"),
        description="Number of processes that take pushes; one further process answers readers."
        " Only `serve` on Linux supports them. 0: one process does everything.",
    )
    tls_certificate_file: Path | None = Field(
        None,
        validation_alias=named("JCMC_TLS_CERTIFICATE_FILE"),
        description="File with the certificate chain, PEM. With it the service speaks TLS on its"
        " ports. SIGHUP loads it again.",
    )
    tls_key_file: Path | None = Field(
        None,
        validation_alias=named("JCMC_TLS_KEY_FILE"),
        description="File with the private key of the certificate, PEM, without a password. Unset:"
        " the certificate's file holds the key.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        PRIVATE,
        validation_alias=named("JCMC_TRUSTED_PROXIES"),
        description="Networks of trusted proxies, separated by commas. The service takes the"
        " caller's address from their forwarded headers. `none`: no proxy is trusted.",
    )
    allow_private_scrape_only: bool = Field(
        True,
        validation_alias=named("ALLOW_PRIVATE_SCRAPE_ONLY"),
        description="Only loopback, link-local and private addresses may scrape /metrics. With"
        " JCMC_SCRAPE_TOKEN they also need the token.",
    )
    scrape_token: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_SCRAPE_TOKEN"),
        description="Bearer token that a scrape of /metrics needs, at least 16 characters. The"
        " caller also needs a private address unless ALLOW_PRIVATE_SCRAPE_ONLY=false.",
    )
    read_token: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_READ_TOKEN"),
        description="Bearer token that lets callers without a private address read pages, /sessions"
        " and /openapi.json. At least 16 characters.",
    )
    pages: bool = Field(
        True,
        validation_alias=named("JCMC_PAGES"),
        description="Serve HTML pages: `/`, /live, /conferences/NAME, /sessions. A reader needs"
        " JCMC_READ_TOKEN or a private address.",
    )
    read_hosts: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        validation_alias=named("JCMC_READ_HOSTS"),
        description="DNS names of this service, separated by commas. A caller that has a private"
        " address and no JCMC_READ_TOKEN may read pages and /sessions only if the host in its URL"
        " is one of these names, an IP address, or a name that public DNS cannot have. `none`: no"
        " names.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO",
        validation_alias=named("JCMC_LOG_LEVEL"),
        description="Least severe level that is written to the log. The log goes to stderr.",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        parts = () if value == "none" else split(value)
        for part in parts:
            _check_network(part)
        return parts

    @field_validator("read_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        told = () if value == "none" else split(value)
        names = [each.lower().removesuffix(".") for each in told]
        for each in names:
            if not _HOST.fullmatch(each):
                raise ValueError(
                    f"{each!r} is not a DNS name: write it like jitsi-quality.example.org"
                )
        return names

    @field_validator("scrape_token", "read_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("must have at least 16 characters of ASCII without blanks")
        return token


def _check_network(text: Any) -> None:
    """Refuse a *text* that is neither an IPv4 nor an IPv6 network; the error is one line."""
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{str(text)!r} is not a network: write it like 10.0.0.0/8") from None
