"""What the fields of every group are made with: names, lists, secrets and URLs."""

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# As long as what HS256 makes of it (RFC 7518, section 3.2).
LEAST_SECRET_BYTES = 32
_HOST = re.compile(r"[\w.:%-]+")


class Group(BaseSettings):
    """A group of settings; `Settings` has them all, and nothing is ever read by a group alone."""

    # Not built: only Settings checks anything, and building each group costs a start 6 ms.
    model_config = SettingsConfigDict(defer_build=True)


def named(*names: str) -> AliasChoices:
    """Return the environment's names of a field, the first one winning."""
    return AliasChoices(*names)


def check_secret(secret: SecretStr | None) -> SecretStr | None:
    """Refuse a *secret* that is too short to sign with."""
    if secret and len(secret.get_secret_value().encode()) < LEAST_SECRET_BYTES:
        raise ValueError(f"at least {LEAST_SECRET_BYTES} bytes are wanted: openssl rand -hex 32")
    return secret


def split(value: Any) -> Any:
    """Return the parts between commas of a text, blanks off; anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def show_url(url: str) -> str:
    """Return *url* as it may be shown: without a user and a password."""
    scheme, mark, rest = url.partition("://")
    where, slash, path = rest.partition("/")
    user, at, host = where.rpartition("@")
    return f"{scheme}{mark}{'***' if user else ''}{at}{host}{slash}{path}"


def check_url(url: str | None, name: str, schemes: tuple[str, ...]) -> None:
    """Refuse a *url* of another scheme; its text is not repeated, it may hold a password."""
    if url is not None and not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        wanted = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{name} must start with one of {wanted}")


def check_http_url(url: str | None, name: str) -> None:
    """Refuse a *url* that is none of HTTP; its text is not repeated, it may hold a password."""
    if url is None:
        return
    check_url(url, name, ("http", "https"))
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Not its message: what looks like a port may be a piece of an unescaped password.
        host = None
    else:
        # Of `http://user:12/34@host` the host would be user.
        if "@" in url.partition("://")[2].removeprefix(parts.netloc):
            raise ValueError(
                f"{name} is no URL: in a user, a password or a path `/` is %2F and `@` is %40"
            )
    if not host or not _HOST.fullmatch(host):
        raise ValueError(f"{name} is no URL: its host or port can't be read")
