"""Permission to push: the allowed origins of pages, and the token that a push needs."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.config.fields import Group, check_secret, named, split


class PushingSettings(Group):
    """Permission to push: the allowed origins of pages, and the token that a push needs."""

    cors_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",),
        validation_alias=named("JCMC_CORS_ALLOWED_ORIGINS"),
        description="Origins whose pages may push and load the client file, separated by commas."
        " `*`: all origins, `none`: no origin.",
    )
    push_auth: Literal["none", "token", "jwt"] = Field(
        "none",
        validation_alias=named("JCMC_PUSH_AUTH"),
        description="Callers that may push. `none`: anyone. `token`: pages of the allowed origins."
        " `jwt`: callers with a Jitsi token for the conference. With `none`, anyone who knows a"
        " participant's ids can overwrite its values, or use up its limit by nine pushes at once,"
        " so that its own pushes are refused. With `token` any script can still do both. With"
        " `jwt` only a caller with a token for the conference can use up the limit, and no user can"
        " overwrite the participant of another user (docs/security.md).",
    )
    push_token_secret: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_PUSH_TOKEN_SECRET"),
        description="Secret that signs push tokens in mode `token`, at least 32 bytes. Unset: the"
        " service makes one and keeps it in Redis for all replicas.",
    )
    push_token_seconds: int = Field(
        3600,
        ge=60,
        le=86_400,
        validation_alias=named("JCMC_PUSH_TOKEN_SECONDS"),
        description="Seconds for which a push token is valid; browsers renew it before that.",
    )
    jwt_secret: SecretStr | None = Field(
        None,
        validation_alias=named("JCMC_JWT_SECRET"),
        description="Jitsi's secret in mode `jwt`, for tokens that are signed by HS256. Set exactly"
        " one of JCMC_JWT_SECRET, JCMC_JWT_PUBLIC_KEY and JCMC_JWT_JWKS_FILE.",
    )
    jwt_public_key: str | None = Field(
        None,
        validation_alias=named("JCMC_JWT_PUBLIC_KEY"),
        description="Public key or certificate in PEM, or the path of a file that holds one. The"
        " service reads the file again when it changes. An RSA key verifies RS256 tokens, a P-256"
        " key ES256 tokens.",
    )
    jwt_jwks_file: Path | None = Field(
        None,
        validation_alias=named("JCMC_JWT_JWKS_FILE"),
        description="File with a JSON Web Key Set for RS256 and ES256. The service reads it again"
        " when it changes.",
    )
    jwt_issuer: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JWT_ISSUER"),
        description="Allowed values of a token's `iss`, separated by commas; `*`: any. Mode `jwt`"
        " requires JCMC_JWT_ISSUER, JCMC_JWT_AUDIENCE and JCMC_JWT_SUBJECT.",
    )
    jwt_audience: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JWT_AUDIENCE"),
        description="Allowed values of a token's `aud`, separated by commas; `*`: any.",
    )
    jwt_subject: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=named("JCMC_JWT_SUBJECT"),
        description="Allowed values of a token's `sub`, separated by commas: the domain, or"
        " tenants; `*`: any. A token whose own `sub` is `*` is always accepted.",
    )
    jwt_leeway_seconds: int = Field(
        10,
        ge=0,
        le=300,
        validation_alias=named("JCMC_JWT_LEEWAY_SECONDS"),
        description="Seconds by which the issuer's clock may differ from this service's clock.",
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
                raise ValueError(
                    f"{origin!r} is not an origin: write it like https://meet.example.org"
                )
        if "*" in origins and len(origins) > 1:
            raise ValueError("`*` must stand alone")
        return origins

    @field_validator("push_token_secret")
    @classmethod
    def _check_push_token_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        return check_secret(secret)

    @field_validator("jwt_issuer", "jwt_audience", "jwt_subject", mode="before")
    @classmethod
    def _split_claims(cls, value: Any) -> Any:
        return () if value == "none" else split(value)
