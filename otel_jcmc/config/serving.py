"""Serving: where the service listens, whom it believes, who may read, and its log."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, named, split
from otel_jcmc.intake.callers import PRIVATE, Network

# RFC 6750 has fewer; what matters is that a header and an env file can hold it as it is.
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class ServingSettings(Group):
    """Serving: where the service listens, whom it believes, who may read, and its log."""

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
        description="Port to listen on; 0 takes a free one and prints it.",
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
    workers: int = Field(
        0,
        ge=0,
        le=64,
        validation_alias=named("JCMC_WORKERS"),
        description="Processes that take pushes, beside one that answers whoever reads; for `serve`"
        " on Linux. 0: one process does everything.",
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
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        PRIVATE,
        validation_alias=named("JCMC_TRUSTED_PROXIES"),
        description="Networks whose forwarded headers tell the caller's address, with commas;"
        " `none` for none.",
    )
    allow_private_scrape_only: bool = Field(
        True,
        validation_alias=named("ALLOW_PRIVATE_SCRAPE_ONLY"),
        description="Only loopback, link-local and private addresses may scrape /metrics; with"
        " JCMC_SCRAPE_TOKEN they need the token as well.",
    )
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
    pages: bool = Field(
        True,
        validation_alias=named("JCMC_PAGES"),
        description="Pages to look at: `/`, /live, /conferences/NAME, /sessions. They are for whom"
        " JCMC_READ_TOKEN or a private address lets in.",
    )
    read_hosts: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        validation_alias=named("JCMC_READ_HOSTS"),
        description="Names that lead here, with commas: a private address alone lets a caller read"
        " pages and /sessions only who asks by one of them, by an address, or by a name that no"
        " public DNS has.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO",
        validation_alias=named("JCMC_LOG_LEVEL"),
        description="Least severe log that is written, to stderr.",
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
                raise ValueError(f"{each!r} is no name: jitsi-quality.example.org is one")
        return names

    @field_validator("scrape_token", "read_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("at least 16 characters of ASCII without blanks are wanted")
        return token


def _check_network(text: Any) -> None:
    """Refuse a *text* that is no network, in one line and not one for each family."""
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{str(text)!r} is no network: 10.0.0.0/8 is one") from None
