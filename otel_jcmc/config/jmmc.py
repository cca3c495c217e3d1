"""Pages of the Jitsi Meet Metrics Collector (JMMC): where they push, and what is kept."""

import re
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, check_secret, named, split

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class JmmcSettings(Group):
    """Pages of the Jitsi Meet Metrics Collector (JMMC): where they push, and what is kept."""

    jmmc_path: str = Field(
        "/jmmc",
        validation_alias=named("JCMC_JMMC_PATH"),
        description="Path where pages of the Jitsi Meet Metrics Collector (JMMC) push to and load"
        " its client from. `none`: the service does not serve them.",
    )
    jmmc_conf_pattern: str | None = Field(
        None,
        validation_alias=named("JCMC_JMMC_CONF_PATTERN"),
        description="Regular expression that the conference name of a JMMC push must match. Unset:"
        " any name.",
    )
    jmmc_authorized_regions: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JMMC_AUTHORIZED_REGIONS"),
        description="Server regions that are accepted in JMMC pushes, separated by commas. The"
        " service drops any other region, and keeps the rest of the push. `none` or unset: all"
        " regions.",
    )
    jmmc_push_url: str | None = Field(
        None,
        validation_alias=named("JCMC_JMMC_PUSH_URL"),
        description="URL that the served JMMC client pushes to. Unset: `push` beside the URL that"
        " the client was loaded from.",
    )
    cookie_secret: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_COOKIE_SECRET"),
        description="Secret that signs the session cookie of JMMC pages, at least 32 bytes. Unset:"
        " the service makes one and keeps it in Redis for all replicas.",
    )

    @field_validator("jmmc_path")
    @classmethod
    def _check_jmmc_path(cls, path: str) -> str:
        if path != "none" and not _PATH.fullmatch(path):
            raise ValueError(
                f"{path!r} is not a path: write it like /jmmc, or `none` to switch it off"
            )
        if path == "/metrics":
            raise ValueError("/metrics is taken: other pages push to /metrics/push")
        return "" if path == "none" else path

    @field_validator("jmmc_conf_pattern")
    @classmethod
    def _check_jmmc_conf_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    @field_validator("jmmc_authorized_regions", mode="before")
    @classmethod
    def _split_regions(cls, value: Any) -> Any:
        return () if value == "none" else split(value)

    @field_validator("cookie_secret")
    @classmethod
    def _check_cookie_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        return check_secret(secret)
