"""The route of summaries at a running service: who may ask, and the answers."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import redis
from harness import Answer, Service, eventually, push_body

from otel_jcmc.sessions.summary import Summary, Told, packed
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.web.query import BadQuery
from otel_jcmc.web.summary_query import read_asked_summaries

TOKEN = "a-token-for-people-who-read"
AUTH = {"authorization": f"Bearer {TOKEN}"}


TODAY = datetime.now(UTC).date()
FIRST, SECOND, THIRD = (TODAY - timedelta(days=ago) for ago in (20, 13, 12))
DAYS = f"from={FIRST}&to={THIRD}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """Return a Redis for one module, with summaries of three days."""
    server = EmbeddedStore(tmp_path_factory.mktemp("s", numbered=True) / "r")
    server.start()
    with redis.Redis.from_url(server.url) as found:
        days: list[tuple[date, str, int | None, list[tuple[int, int | None, int]]]] = [
            (FIRST, "jvb-1", 0, [(36_000, 0, 0)]),
            (SECOND, "jvb-1", 2, [(9000, 2, 7), (27_000, 0, 0)]),
            (THIRD, "=1+1", None, [(36_000, None, 0)]),
        ]
        for day, bridge, state, times in days:
            row = Summary(
                1, 36_000, "left", bridge=bridge, state=state, times=times,
                cause="uplink" if state else "", vitals=[Told(905, 36_000, 0, 800)], mos=(431, 420),
                scopes=[("participant", 2250), ("bridge", 6750)] if state else [],
            )  # fmt: skip
            found.rpush(f"jcmc:{{01}}:past:{day}", packed(row))
            found.hset("jcmc:{01}:past", f"past:{day}", 100)
        yield found
    server.stop()


@pytest.fixture(scope="module")
def service(client: redis.Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    path = client.connection_pool.connection_kwargs["path"]
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        REDIS_URL=f"unix://{path}",
        JCMC_READ_TOKEN=TOKEN,
        JCMC_SUMMARY_DAYS="30",
    ) as running:
        yield running


def ask(service: Service, query: str, **headers: str) -> Answer:
    return service.get(
        f"/summaries?{query}", headers={"authorization": f"Bearer {TOKEN}"} | headers
    )


def test_sessions_in_groups(service: Service) -> None:
    answer = ask(service, f"{DAYS}&by=bridge&per=day")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["from"], told["to"], told["by"], told["per"]) == (
        FIRST.isoformat(),
        THIRD.isoformat(),
        "bridge",
        "day",
    )
    assert [(each["period"], each["bridge"], each["sessions"]) for each in told["groups"]] == [
        (FIRST.isoformat(), "jvb-1", 1),
        (SECOND.isoformat(), "jvb-1", 1),
        (THIRD.isoformat(), "=1+1", 1),
    ]
    assert told["groups"][1] == {
        "period": SECOND.isoformat(),
        "bridge": "jvb-1",
        "sessions": 1,
        "hours": 1.0,
        "bad_share": 0.25,
        "states": {"good": 0, "fair": 0, "bad": 1, "unknown": 0},
        "causes": {"uplink": 1},
        "scopes": {"bridge": 0.75, "participant": 0.25},
        "quality": {"average": 90.5, "worst": 80.0, "bad_share": 0.0},
        "loss": {"average": None, "worst": None, "bad_share": None},
        "round_trip": {"average": None, "worst": None, "bad_share": None},
        "audio_mos": 4.31,
        "failed": 0,
        "outages": 0,
        "freezes": 0,
    }
    assert told["groups"][2]["bad_share"] is None


def test_all_together(service: Service) -> None:
    (group,) = ask(service, DAYS).json()["groups"]
    assert "bridge" not in group
    assert (group["period"], group["sessions"], group["bad_share"]) == (None, 3, 0.125)


def test_as_csv(service: Service) -> None:
    for answer in (
        ask(service, f"{DAYS}&by=bridge&per=day&format=csv"),
        ask(service, f"{DAYS}&by=bridge&per=day", accept="text/csv"),
    ):
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.body)))
        assert len(rows) == 3
        assert rows[1]["causes"] == "uplink=1"
        assert rows[1]["scopes"] == "bridge=0.75 participant=0.25"
        assert (rows[1]["quality.average"], rows[1]["states.bad"], rows[1]["loss.worst"]) == (
            "90.5",
            "1",
            "",
        )
        assert rows[2]["bridge"] == "'=1+1"
    assert len(ask(service, "from=2020-01-01&to=2020-01-02&format=csv").body.splitlines()) == 1


def test_days_without_sessions_have_no_rows(service: Service) -> None:
    answer = ask(service, f"from={FIRST}&to={FIRST}&per=day&by=region").json()
    assert [(each["period"], each["region"]) for each in answer["groups"]] == [
        (FIRST.isoformat(), None)
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("by=user", "by must be one of region, bridge, browser, network, relay, end, sender"),
        ("per=month", "per must be one of day, week, all"),
        ("format=xml", "format must be json or csv"),
        ("from=2026-13-01", "from must be a day, like 2026-11-29, or days ago, like -30d"),
        ("to=tomorrow", "to must be a day, like 2026-11-29, or days ago, like -30d"),
        ("client_id=a", "unknown parameter: use any of from, to, by, per, format"),
        ("by=end&by=end", "by is given twice: give it once"),
    ],
)
def test_what_can_not_be_is_said_so(query: str, said: str) -> None:
    pairs = [tuple(each.split("=")) for each in query.split("&")]
    with pytest.raises(BadQuery) as bad:
        read_asked_summaries(pairs, "", date(2026, 11, 29))  # type: ignore[arg-type]
    assert str(bad.value) == said


def test_a_bad_query_is_400(service: Service) -> None:
    assert ask(service, "by=user").status == 400


def test_days_are_days_ago_or_dates() -> None:
    asked = read_asked_summaries([("from", "7d"), ("to", "-1d")], "", date(2026, 11, 29))
    assert (asked.first, asked.last) == (date(2026, 11, 22), date(2026, 11, 28))
    asked = read_asked_summaries([], "", date(2026, 11, 29))
    assert (asked.first, asked.last) == (date(2026, 10, 30), date(2026, 11, 29))


def test_only_readers_read_it(service: Service) -> None:
    far = {"x-forwarded-for": "203.0.113.9"}
    assert service.get("/summaries", headers=far).status == 401
    assert ask(service, "", origin="https://meet.example.org").headers["vary"] is None
    assert "access-control-allow-origin" not in ask(service, "", origin="https://a.b").headers


def test_without_summaries_it_says_how_to_get_some(shared_service: Service) -> None:
    answer = shared_service.get("/summaries")
    assert (answer.status, answer.body) == (
        404,
        "JCMC_SUMMARY_DAYS is 0: no summaries are kept\n",
    )


def test_a_session_that_is_over_is_counted_by_the_service_itself(short_path: Path) -> None:
    """Without OTLP, another process, or history."""
    with Service(
        short_path, JCMC_SUMMARY_DAYS="7", JCMC_HISTORY_HOURS="0", JCMC_HISTORY_INTERVAL="1"
    ) as it:
        session = {"id": "session-of-ada", "seq": 1}
        assert it.push(push_body(session=session)).status == 200
        assert (
            it.push(push_body(session=session | {"seq": 2, "end": {"reason": "left"}})).status
            == 200
        )

        def counted() -> bool:
            groups = it.get("/summaries?by=end").json()["groups"]
            return [(each["end"], each["sessions"]) for each in groups] == [("left", 1)]

        eventually(counted)
