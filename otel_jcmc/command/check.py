"""`otel-jcmc check`: the settings in force, or what is wrong with them."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_jcmc.config.settings import Settings


def check(settings: "Settings") -> int:
    """Print the settings in force, secrets hidden, and what is likely to disappoint."""
    from otel_jcmc.catalogue.reasons import CannotServe
    from otel_jcmc.command.partitions import check_partitions
    from otel_jcmc.config.advice import advice, ways
    from otel_jcmc.config.fields import show_url
    from otel_jcmc.config.settings import in_order, name_of, to_text
    from otel_jcmc.intake.privacy import describe
    from otel_jcmc.server.tls import load_certificate

    for field in in_order():
        value = getattr(settings, field)
        if isinstance(value, tuple | frozenset):
            value = ",".join(sorted(str(part) for part in value)) or "none"
        elif isinstance(value, str) and "://" in value:
            value = show_url(value)
        is_set = field in settings.model_fields_set
        print(f"{name_of(field)}={'' if value is None else value}{'' if is_set else '  (default)'}")
    for signal, way in ways(settings):
        print(f"# {signal}: {way}")
    if settings.workers:
        most = settings.worker_connections or "any number of"
        print(
            f"# workers: {settings.workers} take pushes, {most} connections each;"
            " one process more reads"
        )
    for line in describe(settings.privacy_policy):
        print(f"# privacy: {line}")
    for line in [*advice(settings), *_of_memory(settings)]:
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


def _of_memory(settings: "Settings") -> list[str]:
    """Return what is wrong with the memory that Redis may take; one of our own has no bound."""
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
        return ["Redis does not answer: nobody knows whether all that it is to hold has room"]
    return memory_advice(settings, *memory) if memory else []
