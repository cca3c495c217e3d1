"""The store: where Redis or Valkey is, and how long a participant lives in it."""

import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from otel_jcmc.config.fields import Group, named
from otel_jcmc.store.keys import DEFAULT_PARTITIONS, NUMBERS

_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class StoreSettings(Group):
    """The store: where Redis or Valkey is, and how long a participant lives in it."""

    redis_url: SecretStr | None = Field(
        None,
        validation_alias=named("REDIS_URL"),
        description="Where Redis or Valkey is: redis://, rediss:// (TLS), unix://, or"
        " redis+sentinel://host1,host2/mymaster/0 (rediss+sentinel:// with TLS),"
        " or redis+cluster://host1,host2 (rediss+cluster:// with TLS). Unset: an embedded store is"
        " started, for this one process, and forgets everyone when it stops.",
    )
    metrics_expiration_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        validation_alias=named("METRICS_EXPIRATION"),
        description="Seconds after a participant's last push at which all its series disappear.",
    )
    metrics_expiration_check_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("METRICS_EXPIRATION_CHECK", "METRICS_EXPIRATION_TOLERANCE"),
        description="Accepted and without effect: Redis expires participants by itself."
        " METRICS_EXPIRATION_TOLERANCE is a deprecated name of it.",
    )
    key_prefix: str = Field(
        "jcmc",
        validation_alias=named("JCMC_KEY_PREFIX"),
        description="What all keys in Redis start with.",
    )
    partitions: int = Field(
        DEFAULT_PARTITIONS,
        validation_alias=named("JCMC_PARTITIONS"),
        description="How many parts the participants are in: 4, 16 or 64, the same in all services"
        " on one Redis, which remembers it. More spread over more masters of a cluster, and make"
        " smaller shares of a scrape.",
    )
    embedded_dir: Path | None = Field(
        None,
        validation_alias=named("JCMC_EMBEDDED_DIR"),
        description="Folder of the embedded store's socket. Unset: `otel_jcmc-<uid>` in the"
        " system's temporary folder.",
    )

    @field_validator("partitions")
    @classmethod
    def _check_partitions(cls, partitions: int) -> int:
        if partitions not in NUMBERS:
            raise ValueError("4, 16 or 64 is wanted")
        return partitions

    @field_validator("key_prefix")
    @classmethod
    def _check_key_prefix(cls, prefix: str) -> str:
        if not _KEY_PREFIX.fullmatch(prefix):
            raise ValueError("1 to 64 characters of A-Z a-z 0-9 _ . : - are wanted")
        return prefix
