"""Who may push: pages of which origins, and with which token."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, check_secret, named, split


class PushingSettings(Group):
    """Who may push: pages of which origins, and with which token."""

    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",),
        validation_alias=named("JCMC_CORS_ALLOWED_ORIGINS"),
        description="Origins whose pages may push and load the client file, with commas;"
        " `*` for all, `none` for none.",
    )
    push_auth: Literal["none", "token", "jwt"] = Field(
        "none",
        validation_alias=named("JCMC_PUSH_AUTH"),
        description="Who may push: `none` asks nobody, `token` pages of the allowed origins,"
        " `jwt` who has a Jitsi token for the conference. With `none`, and with `token` for any"
        " script, who knows a participant's ids can overwrite it, and lock its owner out with nine"
        " pushes at once, which use up what it may push; with `jwt` it takes a token for the"
        " conference, and a participant that a user has is not overwritten by another"
        " (docs/security.md).",
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
