"""Privacy: what of a person is kept, hashed, cut short or dropped."""

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
    """Privacy: what of a person is kept, hashed, cut short or dropped."""

    collect_username: bool = Field(
        False,
        validation_alias=named("COLLECT_USERNAME"),
        description="Collect display names (a label of the connection quality): short for"
        " `username=keep` in JCMC_PRIVACY, which wins.",
    )
    collect_addresses: bool = Field(
        False,
        validation_alias=named("JCMC_COLLECT_ADDRESSES"),
        description="Collect the transports' addresses (labels of the round-trip time): short for"
        " `src_ip=keep,dst_ip=keep` in JCMC_PRIVACY, which wins.",
    )
    collect_feedback: bool = Field(
        False,
        validation_alias=named("JCMC_COLLECT_FEEDBACK"),
        description="Collect what participants write when they rate a call, of its session in"
        " history and of its span: short for `feedback=keep` in JCMC_PRIVACY, which wins. The"
        " rating itself always comes.",
    )
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

    bridges: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_BRIDGES"),
        description="What bridges are called, as `203.0.113.7:10000=jvb-1` with commas: what the"
        " bridge calls itself (its `server-id`), or its address with or without the port, several"
        " for one name if need be. One that is not named here is a hash. `none` for no names.",
    )

    relays: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_RELAYS"),
        description="What your TURN servers are called, as `203.0.113.9=turn-1` with commas: the"
        " address at which they are seen by others. A relay that is not named here is not told."
        " `none` for no names.",
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
        """Name of a TURN server by its address."""
        return read_names(self.relays)

    @property
    def bridge_names(self) -> dict[str, str]:
        """Name of a bridge by what pages call it."""
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
            raise ValueError(f"at least {MIN_KEY_CHARACTERS} characters are wanted")
        return key

    @property
    def privacy_policy(self) -> Policy:
        """What becomes of every attribute."""
        names = ("collect_username", "collect_addresses", "collect_feedback")
        return make_policy(self.privacy, [name for name in names if getattr(self, name)])

    @property
    def hashes(self) -> bool:
        """Whether some attribute is hashed."""
        return Treatment.HASH in self.privacy_policy.values()
