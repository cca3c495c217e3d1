"""Where settings come from: the environment, a `.env` file, and files of one secret each."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

_COMMENT: Final = re.compile(r"\s+#.*$", re.DOTALL)


# Names with this prefix are settings of this service, or misspelt names of settings.
PREFIX: Final = "JCMC_"
# Variables that `serve` passes to the exporter's process that it starts; they are not settings.
_TOLD: Final = frozenset(("JCMC_INSTANCE_ID",))
# Kubernetes gives every pod variables for its services, which may be called jcmc or jcmc-redis.
_OF_KUBERNETES: Final = re.compile(
    r"JCMC(_.+)?_(SERVICE_(HOST|PORT(_.+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_.+)?)"
)


class NoSetting(ValueError):
    """Stands for the value of a setting that can't be read; the message says why it can't."""


class Environment(EnvSettingsSource):
    """Reads settings from the environment, and secrets from the files that it names."""

    def __call__(self) -> dict[str, Any]:
        """Return the settings that are set. Blanks and `#` in a secret from a file are kept."""
        found = super().__call__()
        given = {name.upper(): text for name, text in self.env_vars.items()}
        for name in secret_names(self.settings_cls):
            path = _COMMENT.sub("", given.get(f"{name}_FILE") or "").strip()
            if path and given.get(name):
                found[name] = NoSetting(f"{name} and {name}_FILE are both set: set only one")
            elif path:
                try:
                    found[name] = SecretStr(read_secret(f"{name}_FILE", path))
                except ValueError as error:
                    found[name] = NoSetting(str(error))
        for name, text in given.items():
            if text and (fault := _unknown(name, given, self.settings_cls)):
                found[name] = NoSetting(fault)
        return found


def _unknown(name: str, given: Mapping[str, Any], settings: type[BaseSettings]) -> str:
    """Return the error for an unknown *name* that begins with JCMC_; otherwise empty."""
    if not name.startswith(PREFIX) or name in _TOLD or _OF_KUBERNETES.fullmatch(name):
        return ""
    known = setting_names(settings)
    is_link = f"{name.removesuffix('PORT')}SERVICE_HOST" in given
    if name in known or (name.endswith("_PORT") and is_link):
        return ""
    # The common prefix does not make two names similar.
    by_rest = {each.removeprefix(PREFIX): each for each in sorted(known, reverse=True)}
    meant = get_close_matches(name.removeprefix(PREFIX), by_rest, 1)
    what = f"is {by_rest[meant[0]]} meant?" if meant else "docs/settings.md has all of them"
    return f"{name} is no setting: {what}"


class EnvFile(Environment, DotEnvSettingsSource):
    """
    Reads settings from the `.env` file, and secrets from the files that it names.

    If the environment and the `.env` file both have a setting, the environment's value applies.
    This is also true if one of the two has a secret as NAME and the other has it as NAME_FILE.
    """


def read_secret(name: str, path: str) -> str:
    """
    Return the text of the file at *path*, which *name* gives, without its last line end.

    Raises:
        ValueError: the file can't be read, or is empty; the message is for the operator.
    """
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {path} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{name}: {path} can't be read: {error.strerror}") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.strip():
        raise ValueError(f"{name}: {path} is empty")
    return secret


def is_secret(field: Any) -> bool:
    """Return whether a *field* of a pydantic model holds a secret, which may come from a file."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def secret_names(settings: type[BaseSettings]) -> list[str]:
    """Return the names that secrets have in the environment, set or not."""
    fields: Mapping[str, Any] = settings.model_fields
    return [
        str(name)
        for field in fields.values()
        if is_secret(field)
        for name in field.validation_alias.choices
    ]


def setting_names(settings: type[BaseSettings]) -> set[str]:
    """Return all names that *settings* may have in the environment."""
    fields: Mapping[str, Any] = settings.model_fields
    names = {str(name) for field in fields.values() for name in field.validation_alias.choices}
    return names | {f"{name}_FILE" for name in secret_names(settings)}


def strip_comments(values: dict[str, Any]) -> dict[str, Any]:
    """
    Return *values* without trailing comments and blanks, which env files may have.

    Raises:
        ValueError: a value can't be read.
    """
    for value in values.values():
        if isinstance(value, NoSetting):
            raise value
    return {
        key: _COMMENT.sub("", value).strip() if isinstance(value, str) else value
        for key, value in values.items()
        if not (isinstance(value, str) and not _COMMENT.sub("", f" {value}").strip())
    }
