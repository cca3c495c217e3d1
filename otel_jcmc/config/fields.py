"""Helpers for the fields of all groups: names, lists, secrets and URLs."""

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# A secret must be at least as long as the output of HS256 (RFC 7518, section 3.2).
LEAST_SECRET_BYTES = 32
_HOST = re.compile(r"[\w.:%-]+")


class Group(BaseSettings):
    """A group of settings. `Settings` has all groups; no group is read alone."""

    # Only `Settings` validates. Without this, pydantic would also build a validator for each group,
    # and each start would take 6 ms more.
    model_config = SettingsConfigDict(defer_build=True)


def named(*names: str) -> AliasChoices:
    """Return the names of a field in the environment; the first name wins."""
    return AliasChoices(*names)


def check_secret(secret: SecretStr | None) -> SecretStr | None:
    """Refuse a *secret* that is too short to sign with."""
    if secret and len(secret.get_secret_value().encode()) < LEAST_SECRET_BYTES:
        raise ValueError(
            f"must be at least {LEAST_SECRET_BYTES} bytes: `openssl rand -hex 32` makes one"
        )
    return secret


def split(value: Any) -> Any:
    """Return the parts between the commas of a text, without blanks; any other value unchanged."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def show_url(url: str) -> str:
    """Return *url* without user and password, so that it can be shown."""
    scheme, mark, rest = url.partition("://")
    where, slash, path = rest.partition("/")
    user, at, host = where.rpartition("@")
    return f"{scheme}{mark}{'***' if user else ''}{at}{host}{slash}{path}"


def check_url(url: str | None, name: str, schemes: tuple[str, ...]) -> None:
    """
    Refuse a *url* of another scheme.

    The error does not repeat the URL: it may hold a password.
    """
    if url is not None and not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        wanted = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{name} must start with one of {wanted}")


def check_http_url(url: str | None, name: str) -> None:
    """
    Refuse a *url* that is not HTTP.

    The error does not repeat the URL: it may hold a password.
    """
    if url is None:
        return
    check_url(url, name, ("http", "https"))
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # The library's message is not repeated: its "port" may be part of an unescaped password.
        host = None
    else:
        # The host of `http://user:12/34@host` would be read as user.
        if "@" in url.partition("://")[2].removeprefix(parts.netloc):
            raise ValueError(
                f"{name} is not a valid URL: write `/` as %2F and `@` as %40 in a user, a password"
                " or a path"
            )
    if not host or not _HOST.fullmatch(host):
        raise ValueError(f"{name} is not a valid URL: its host or port can't be read")
