"""Prints the settings in force, or the mistakes in them, for `otel-jcmc check`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from otel_jcmc.config.settings import Settings


def check(arguments: "Namespace", settings: "Settings") -> int:
    """
    Print the settings in force, with secrets hidden, and notes about settings that may surprise.

    Return 1 if the certificate can't be loaded, otherwise 0. Other mistakes in the settings are
    raised as exceptions.
    """
    import json

    from otel_jcmc.catalogue.reasons import CannotServe
    from otel_jcmc.command.partitions import check_partitions
    from otel_jcmc.config.advice import advice
    from otel_jcmc.config.settings import to_text
    from otel_jcmc.server.tls import load_certificate

    shown, about = [*_shown(settings)], _about(settings)
    notes = [*advice(settings), *_of_memory(settings)]
    if arguments.json:
        told = [{"name": name, "value": value, "is_set": is_set} for name, value, is_set in shown]
        print(json.dumps({"settings": told, "about": about, "notes": notes}, indent=1))
    else:
        for name, value, is_set in shown:
            print(f"{name}={value}{'' if is_set else '  (default)'}")
        for line in about:
            print(f"# {line}")
        for line in notes:
            print(f"note: {line}", file=sys.stderr)
    try:
        load_certificate(settings.tls_certificate_file, settings.tls_key_file)
    except CannotServe as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    check_partitions(settings)
    if settings.push_auth == "jwt":
        from otel_jcmc.intake.jitsi_keys import keys_of

        secret = to_text(settings.jwt_secret or "")
        keys_of(secret, settings.jwt_public_key or "", settings.jwt_jwks_file)
    return 0


def _shown(settings: "Settings") -> "Iterator[tuple[str, str, bool]]":
    """Yield name and value of each setting, with secrets hidden, and whether it is set."""
    from otel_jcmc.config.fields import show_url
    from otel_jcmc.config.settings import in_order, name_of

    for field in in_order():
        value = getattr(settings, field)
        if isinstance(value, tuple | frozenset):
            value = ",".join(sorted(str(part) for part in value)) or "none"
        elif isinstance(value, str) and "://" in value:
            value = show_url(value)
        is_set = field in settings.model_fields_set
        yield name_of(field), "" if value is None else str(value), is_set


def _about(settings: "Settings") -> list[str]:
    """Return lines that explain settings that work together, and name the file that was read."""
    from otel_jcmc.config.advice import ways
    from otel_jcmc.intake.privacy import describe

    lines = [f"{signal}: {way}" for signal, way in ways(settings)]
    if settings.workers:
        most = settings.worker_connections or "any number of"
        lines.append(
            f"workers: {settings.workers} take pushes, {most} connections each;"
            " one more process reads"
        )
    lines += [f"privacy: {line}" for line in describe(settings.privacy_policy)]
    env_file = Path(".env").absolute()
    files = f"{env_file}" if env_file.is_file() else f"no {env_file}"
    lines.append(
        f"these are the settings of this shell and of {files}: a running service has those"
        " with which it was started"
    )
    return lines


def _of_memory(settings: "Settings") -> list[str]:
    """Return a line for each way in which the memory limit of Redis does not fit *settings*."""
    import asyncio

    from otel_jcmc.catalogue.reasons import StoreUnavailable
    from otel_jcmc.config.settings import to_text
    from otel_jcmc.config.sizing import memory_advice
    from otel_jcmc.store.cluster import open_link
    from otel_jcmc.store.memory import Memory, memory_of

    if settings.redis_url is None:
        return []

    async def ask() -> "Memory | None":
        link = open_link(to_text(settings.redis_url or ""))
        try:
            return await memory_of(link)
        finally:
            await link.close()

    try:
        memory = asyncio.run(ask())
    except StoreUnavailable:
        return ["Redis does not answer: it is unknown whether its memory is large enough"]
    return memory_advice(settings, *memory) if memory else []
