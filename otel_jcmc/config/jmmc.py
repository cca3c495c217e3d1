"""Pages of the Jitsi Meet Metrics Collector: where they push, and what of theirs is kept."""

import re
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, check_secret, named, split

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class JmmcSettings(Group):
    """Pages of the Jitsi Meet Metrics Collector: where they push, and what of theirs is kept."""

    jmmc_path: str = Field(
        "/jmmc",
        validation_alias=named("JCMC_JMMC_PATH"),
        description="Where pages of the Jitsi Meet Metrics Collector push to, and get its client"
        " from; `none` for nowhere.",
    )
    jmmc_conf_pattern: str | None = Field(
        None,
        validation_alias=named("JCMC_JMMC_CONF_PATTERN"),
        description="Regular expression that a conference's name must match there. Unset: any.",
    )
    jmmc_authorized_regions: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JMMC_AUTHORIZED_REGIONS"),
        description="Server regions that are kept there, with commas; `none` or unset: any.",
    )
    jmmc_push_url: str | None = Field(
        None,
        validation_alias=named("JCMC_JMMC_PUSH_URL"),
        description="What the client served there posts to. Unset: `push` beside the place that"
        " it was loaded from.",
    )
    cookie_secret: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_COOKIE_SECRET"),
        description="What the session cookie of JMMC pages is signed with, at least 32 bytes."
        " Unset: one is made and kept in Redis, where all replicas find it.",
    )

    @field_validator("jmmc_path")
    @classmethod
    def _check_jmmc_path(cls, path: str) -> str:
        if path != "none" and not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no path: /jmmc is one, and `none` for nowhere")
        if path == "/metrics":
            raise ValueError("/metrics/push is where other pages push to")
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
