"""Where settings come from: the environment, a `.env` file, and files of one secret each."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

_COMMENT: Final = re.compile(r"\s+#.*$", re.DOTALL)


class NoSecret(ValueError):
    """In the place of a secret whose file can't be had; the message says why."""


class Environment(EnvSettingsSource):
    """The environment, and the files that it names for secrets."""

    def __call__(self) -> dict[str, Any]:
        """Return what is given; a secret from a file as it is, blanks and `#` included."""
        found = super().__call__()
        given = {name.upper(): text for name, text in self.env_vars.items()}
        for name in secret_names(self.settings_cls):
            path = _COMMENT.sub("", given.get(f"{name}_FILE") or "").strip()
            if path and given.get(name):
                found[name] = NoSecret(f"{name} and {name}_FILE are both given: one is wanted")
            elif path:
                try:
                    found[name] = SecretStr(read_secret(f"{name}_FILE", path))
                except ValueError as error:
                    found[name] = NoSecret(str(error))
        return found


class EnvFile(Environment, DotEnvSettingsSource):
    """The same in a `.env` file; what the environment gives either way goes before it."""


def read_secret(name: str, path: str) -> str:
    """
    Return the text of the file at *path*, which *name* gives, without a line end at its end.

    Raises:
        ValueError: it can't be read, or there is nothing in it; the message is for the operator.
    """
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {path} is no UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{name}: {path} can't be read: {error.strerror}") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.strip():
        raise ValueError(f"{name}: {path} is empty")
    return secret


def is_secret(field: Any) -> bool:
    """Say whether a *field* of a pydantic model holds a secret, which may come from a file."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def secret_names(settings: type[BaseSettings]) -> list[str]:
    """Return the environment's names of all secrets."""
    fields: Mapping[str, Any] = settings.model_fields
    return [
        str(name)
        for field in fields.values()
        if is_secret(field)
        for name in field.validation_alias.choices
    ]


def strip_comments(values: dict[str, Any]) -> dict[str, Any]:
    """
    Return *values* without trailing comments and blanks, which env files have and containers pass.

    Raises:
        ValueError: one of them is a secret whose file can't be had.
    """
    for value in values.values():
        if isinstance(value, NoSecret):
            raise value
    return {
        key: _COMMENT.sub("", value).strip() if isinstance(value, str) else value
        for key, value in values.items()
        if not (isinstance(value, str) and not _COMMENT.sub("", f" {value}").strip())
    }
