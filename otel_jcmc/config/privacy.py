"""Privacy: which personal attributes are kept, hashed, truncated or dropped."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, named, split
from otel_jcmc.intake.bridges import read_names
from otel_jcmc.intake.privacy import (
    MIN_KEY_CHARACTERS,
    Policy,
    Treatment,
    make_policy,
    read_entries,
)


class PrivacySettings(Group):
    """Privacy: which personal attributes are kept, hashed, truncated or dropped."""

    collect_username: bool = Field(
        False,
        validation_alias=named("COLLECT_USERNAME"),
        description="Collect display names (a label of the connection quality). Short for"
        " `username=keep` in JCMC_PRIVACY. If both are set, JCMC_PRIVACY applies.",
    )
    collect_addresses: bool = Field(
        False,
        validation_alias=named("JCMC_COLLECT_ADDRESSES"),
        description="Collect the addresses of transports (labels of the round-trip time). Short for"
        " `src_ip=keep,dst_ip=keep` in JCMC_PRIVACY. If both are set, JCMC_PRIVACY applies.",
    )
    collect_feedback: bool = Field(
        False,
        validation_alias=named("JCMC_COLLECT_FEEDBACK"),
        description="Collect the text that participants write when they rate a call, for the"
        " session's history and span. Short for `feedback=keep` in JCMC_PRIVACY. If both are"
        " set, JCMC_PRIVACY applies. The rating itself is always collected.",
    )
    privacy: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_PRIVACY"),
        description="How attributes are treated before they are stored, for example"
        " `roomname=hash,username=keep`: `keep`, `drop`, `hash`, or for an address `truncate` (to"
        " /24 or /48). Name an attribute in either naming; docs/security.md lists them. `none`: the"
        " defaults.",
    )
    privacy_key: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_PRIVACY_KEY"),
        description="Secret key of the hashes, at least 16 characters, the same in all replicas."
        " Required if anything is hashed and REDIS_URL is set. Without REDIS_URL, the service makes"
        " a new key at each start.",
    )

    bridges: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_BRIDGES"),
        description="Names of bridges, for example `203.0.113.7:10000=jvb-1`, separated by commas."
        " Write left of `=` the bridge's own `server-id`, or its address with or without the port."
        " Several entries may have the same name. A bridge without a name here is shown as a hash."
        " `none`: no names.",
    )

    relays: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_RELAYS"),
        description="Names of your TURN servers, for example `203.0.113.9=turn-1`, separated by"
        " commas. Write left of `=` the address that other hosts see. A relay without a name here"
        " is not shown. `none`: no names.",
    )

    @field_validator("bridges", "relays", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return () if value == "none" else split(value)

    @field_validator("bridges", "relays")
    @classmethod
    def _check_names(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        read_names(entries)
        return entries

    @property
    def relay_names(self) -> dict[str, str]:
        """Address of a TURN server -> its name."""
        return read_names(self.relays)

    @property
    def bridge_names(self) -> dict[str, str]:
        """Id or address of a bridge, as clients send it -> the bridge's name."""
        return read_names(self.bridges)

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
            raise ValueError(f"must have at least {MIN_KEY_CHARACTERS} characters")
        return key

    @property
    def privacy_policy(self) -> Policy:
        """The treatment of each attribute: keep, drop, hash or truncate."""
        names = ("collect_username", "collect_addresses", "collect_feedback")
        return make_policy(self.privacy, [name for name in names if getattr(self, name)])

    @property
    def hashes(self) -> bool:
        """Whether the service hashes at least one attribute."""
        return Treatment.HASH in self.privacy_policy.values()
