"""Where settings come from: the environment, a `.env` file, and files of one secret each."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

_COMMENT: Final = re.compile(r"\s+#.*$", re.DOTALL)


# What starts so is ours, or meant to be.
PREFIX: Final = "JCMC_"
# What `serve` tells the exporter that it starts; no setting.
_TOLD: Final = frozenset(("JCMC_INSTANCE_ID",))
# What Kubernetes tells every pod of its services, which may be called jcmc, or jcmc-redis.
_OF_KUBERNETES: Final = re.compile(
    r"JCMC(_.+)?_(SERVICE_(HOST|PORT(_.+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_.+)?)"
)


class NoSetting(ValueError):
    """In the place of what can't be had, as a secret's file; the message says why."""


class Environment(EnvSettingsSource):
    """The environment, and the files that it names for secrets."""

    def __call__(self) -> dict[str, Any]:
        """Return what is given; a secret from a file as it is, blanks and `#` included."""
        found = super().__call__()
        given = {name.upper(): text for name, text in self.env_vars.items()}
        for name in secret_names(self.settings_cls):
            path = _COMMENT.sub("", given.get(f"{name}_FILE") or "").strip()
            if path and given.get(name):
                found[name] = NoSetting(f"{name} and {name}_FILE are both given: one is wanted")
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
    """Return what to say of a *name* that is no setting's and meant to be; else nothing."""
    if not name.startswith(PREFIX) or name in _TOLD or _OF_KUBERNETES.fullmatch(name):
        return ""
    known = setting_names(settings)
    is_link = f"{name.removesuffix('PORT')}SERVICE_HOST" in given
    if name in known or (name.endswith("_PORT") and is_link):
        return ""
    # What all begin with is no likeness.
    by_rest = {each.removeprefix(PREFIX): each for each in sorted(known, reverse=True)}
    meant = get_close_matches(name.removeprefix(PREFIX), by_rest, 1)
    what = f"is {by_rest[meant[0]]} meant?" if meant else "docs/settings.md has all of them"
    return f"{name} is no setting: {what}"


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


def setting_names(settings: type[BaseSettings]) -> set[str]:
    """Return all names that the environment may have for *settings*."""
    fields: Mapping[str, Any] = settings.model_fields
    names = {str(name) for field in fields.values() for name in field.validation_alias.choices}
    return names | {f"{name}_FILE" for name in secret_names(settings)}


def strip_comments(values: dict[str, Any]) -> dict[str, Any]:
    """
    Return *values* without trailing comments and blanks, which env files have and containers pass.

    Raises:
        ValueError: one of them can't be had.
    """
    for value in values.values():
        if isinstance(value, NoSetting):
            raise value
    return {
        key: _COMMENT.sub("", value).strip() if isinstance(value, str) else value
        for key, value in values.items()
        if not (isinstance(value, str) and not _COMMENT.sub("", f" {value}").strip())
    }
