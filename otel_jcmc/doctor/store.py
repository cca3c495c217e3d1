"""Checks the store: whether it answers, and its version, memory and clock."""

import asyncio
from collections.abc import Iterator, Sequence
from time import time
from typing import Any, Final

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.config.sizing import memory_advice
from otel_jcmc.doctor.findings import Finding, left_open, well, wrong
from otel_jcmc.doctor.service import Portrait
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import expect_all
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.info import info_of, run_of

MOST_CLOCK_SECONDS: Final = 5.0
LEAST_REDIS: Final = (7, 0)
# A store that uses more than this share of its maxmemory may be full at any moment.
FULL: Final = 0.95
_REDIS: Final = "is Redis up, and is REDIS_URL right? docs/operations.md has the forms"
# Words in Redis's error -> what the operator can do, if Redis answers neither this shell nor the
# service.
_ANSWERS: Final = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not from a CA that REDIS_URL trusts"
    " (ssl_ca_certs), or has another host name",
    "WRONGPASS": "Redis does not accept the user and password of REDIS_URL",
    "NOAUTH": "Redis needs a password: REDIS_URL has none",
    "invalid username-password": "Redis does not accept the user and password of REDIS_URL",
    "NOPERM": "Redis's ACL forbids it to REDIS_URL's user: docs/operations.md lists its needs",
}
_MEMORY: Final = "docs/sizing.md says how much memory it needs"


def store(settings: Settings, portrait: Portrait | None) -> Iterator[Finding]:
    """
    Check the store and return the findings.

    If the service answers (*portrait*), its view of the store decides, not the view of this shell.
    """
    told, why = _ask(settings)
    if told and portrait is not None and _is_another(portrait.told.get("store_run"), told):
        told, why = {}, "they name another Redis than the service's"
    yield from _state(settings, portrait, told, why)
    if told:
        yield from _details(told)
    if portrait is not None:
        advice: Sequence[str] = portrait.told["memory"] if portrait.is_ready else ()
    elif told and settings.redis_url is not None:
        most, policy = int(told.get("maxmemory", 0)), told.get("maxmemory_policy", "")
        advice = memory_advice(settings, most, policy)
    else:
        advice = ()
    for line in advice:
        text, _, remedy = line.partition(": ")
        yield wrong("store", text, remedy or _MEMORY)


def _state(
    settings: Settings, portrait: Portrait | None, told: dict[str, str], why: str
) -> Iterator[Finding]:
    """
    Check whether the store answers the service, and whether it answers this shell.

    *told* is the store's INFO as this shell got it. If it is empty, *why* is the reason.
    """
    if portrait is not None and not portrait.is_ready:
        yield wrong(
            "store", f"the service says: {portrait.told['why_not_ready']}", _remedy(told, why)
        )
    elif portrait is not None:
        if portrait.told["is_store_whole"]:
            yield well("store", "it answers the service and takes writes")
        else:
            text = "a part of the cluster does not answer: its conferences are missing"
            yield wrong("store", text, "docs/runbooks/OtelJcmcPartitionsUnread.md")
        if not told:
            text = f"the settings of this shell do not lead to it: {why}"
            yield left_open("store", text, "run doctor with the service's settings")
    elif not told:
        if settings.redis_url is None:
            yield left_open("store", "the embedded store runs only while the service runs")
        else:
            yield wrong("store", f"Redis does not answer: {why}", _remedy(told, why))


def _details(told: dict[str, str]) -> Iterator[Finding]:
    """Check version, memory, role and clock of the store in *told*, its INFO."""
    name = "Valkey" if "valkey_version" in told else "Redis"
    version = told.get("valkey_version") or told.get("redis_version", "")
    is_cluster = told.get("redis_mode") == "cluster"
    shown = f"{name} {version}{', a cluster' if is_cluster else ''}"
    if name == "Redis" and _number(version) < LEAST_REDIS:
        yield wrong("store", shown, "the service needs Redis 7.0 or newer, or Valkey")
    else:
        yield well("store", shown)
    used, most = int(told.get("used_memory", 0)), int(told.get("maxmemory", 0))
    if most and used > FULL * most:
        yield wrong("store", f"it uses {used / most:.0%} of its maxmemory", _MEMORY)
    if told.get("role") == "slave":
        yield wrong(
            "store", "it is a replica, which takes no writes", "point REDIS_URL at a master"
        )
    late = abs(float(told["clock"]))
    if late > MOST_CLOCK_SECONDS:
        text = f"its clock and this machine's differ by {late:.0f} s"
        yield wrong("store", text, "run a time service (NTP) on both")


def _is_another(run: str | None, told: dict[str, str]) -> bool:
    """Return whether the service's store (run id *run*) is another than the store in *told*."""
    return bool(run) and run_of(told) not in ("", run)


def _remedy(told: dict[str, str], why: str) -> str:
    """
    Return what the operator can do about a store that takes no pushes.

    *told* is the store's INFO as this shell got it. If it is empty, *why* is the reason.
    """
    if told and int(told.get("maxmemory", 0)):
        return f"raise its maxmemory: {_MEMORY}"
    return next((remedy for word, remedy in _ANSWERS.items() if word in why), _REDIS)


def _number(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a *version*, such as (7, 0) for `7.0.15`."""
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdecimal())


def _ask(settings: Settings) -> tuple[dict[str, str], str]:
    """Return the store's INFO and an empty text; if the store fails, no INFO and the reason."""
    url = to_text(settings.redis_url or "") or EmbeddedStore(settings.embedded_dir).url
    try:
        return asyncio.run(_info(url)), ""
    except StoreUnavailable as error:
        return {}, str(error.__cause__ or "") or "time-out"
    except StoreCannotStart as error:
        return {}, str(error)


async def _info(url: str) -> dict[str, str]:
    """
    Return the store's INFO as name -> value, and the difference of the clocks as `clock`.

    `clock` is the number of seconds by which the store's clock is ahead of this machine's clock.

    Raises:
        StoreUnavailable: the store does not answer, or refuses the command.
    """
    link = open_link(url)
    found: dict[str, str] = {}
    try:
        for section in ("server", "memory", "replication"):
            found |= await info_of(link, section)
        replies: list[Any] = expect_all(await link.run([("TIME",)]))
        found["clock"] = str(int(replies[0][0]) - time())
    finally:
        await link.close()
    return found
