"""A complete search as lines, with more results than are in memory at once."""

import json
from collections.abc import Iterator

import pytest
import redis
from past import NOON, Past

from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.totals import Totals, VitalTotal
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.verdict.record import Record
from otel_jcmc.web import session_export
from otel_jcmc.web.session_export import exported

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a server with 50 sessions, half of them with cards."""
    server = EmbeddedStore(tmp_path_factory.mktemp("s", numbered=True) / "r")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        for n in range(50):
            times = [(600, 0, 0), (10 * n, 2, 7)]
            totals = Totals([VitalTotal()] * 3, [each for each in times if each[0]], [None] * 3)
            card = totals if n % 2 else None
            Past(client).session(NOON + n, f"room-{n}", totals=card)
    yield server.url
    server.stop()


@pytest.mark.parametrize("order", ["newest", "worst"])
@pytest.mark.parametrize("limit", [7, 21, 1000])
async def test_each_is_there_once_and_in_order(
    url: str, monkeypatch: pytest.MonkeyPatch, order: str, limit: int
) -> None:
    monkeypatch.setattr(session_export, "PLACES", 7)
    history, record = History(url, DEFAULT_KEYS, 30_000), Record(url, "jcmc", 60_000)
    try:
        asked = Asked(limit=limit, by_badness=order == "worst")
        total, lines = await exported(history, record, asked, is_csv=False)
        told = [json.loads(line) async for piece in lines for line in piece.splitlines()]
    finally:
        await history.close()
        await record.close()
    numbers = [int(each["conference"].removeprefix("room-")) for each in told]
    expected = [*range(49, -1, -1)]
    if order == "worst":
        # First the sessions that are known to be bad, then those without a known state.
        expected = [*range(49, 0, -2), *range(48, -1, -2)]
    assert total == 50
    assert numbers == expected[:limit]
