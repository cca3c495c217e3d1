"""The store: where Redis or Valkey is, and how long it keeps a participant."""

import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from otel_jcmc.config.fields import Group, named
from otel_jcmc.store.keys import DEFAULT_PARTITIONS, NUMBERS

_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class StoreSettings(Group):
    """The store: where Redis or Valkey is, and how long it keeps a participant."""

    redis_url: SecretStr | None = Field(
        None,
        validation_alias=named("REDIS_URL"),
        description="URL of Redis or Valkey: redis://, rediss:// (TLS), unix://,"
        " redis+sentinel://host1,host2/mymaster/0 (rediss+sentinel:// with TLS) or"
        " redis+cluster://host1,host2 (rediss+cluster:// with TLS). Unset: the service starts an"
        " embedded store for itself alone; its data are lost when the service stops.",
    )
    metrics_expiration_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        validation_alias=named("METRICS_EXPIRATION"),
        description="A participant's series disappear this many seconds after its last push.",
    )
    metrics_expiration_check_seconds: int = Field(
        10,
        ge=0,
        validation_alias=named("METRICS_EXPIRATION_CHECK", "METRICS_EXPIRATION_TOLERANCE"),
        description="The service accepts this setting and does not use it, because Redis expires"
        " participants automatically. METRICS_EXPIRATION_TOLERANCE is its deprecated name.",
    )
    key_prefix: str = Field(
        "jcmc",
        validation_alias=named("JCMC_KEY_PREFIX"),
        description="Prefix of all keys in Redis.",
    )
    partitions: int = Field(
        DEFAULT_PARTITIONS,
        validation_alias=named("JCMC_PARTITIONS"),
        description="Number of partitions that participants are spread over: 4, 16 or 64. It must"
        " be the same in all services on one Redis; Redis remembers it. With more partitions, the"
        " data can be spread over more masters of a cluster, and a scrape can be divided into more"
        " shares.",
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
            raise ValueError("must be 4, 16 or 64")
        return partitions

    @field_validator("key_prefix")
    @classmethod
    def _check_key_prefix(cls, prefix: str) -> str:
        if not _KEY_PREFIX.fullmatch(prefix):
            raise ValueError("must have 1 to 64 characters of A-Z a-z 0-9 _ . : -")
        return prefix
