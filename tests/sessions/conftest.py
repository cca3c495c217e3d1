"""Fixtures of the tests of sessions: a server that `Past` writes to."""

from collections.abc import Iterator

import pytest
import redis
from past import Past

from otel_jcmc.store.embedded import EmbeddedStore


@pytest.fixture
def past(kind: EmbeddedStore) -> Iterator[Past]:
    """Return an empty server, to write to."""
    with redis.Redis.from_url(kind.url) as client:
        client.flushall()
        yield Past(client)
