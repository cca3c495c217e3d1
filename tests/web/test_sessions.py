"""The routes of sessions at a running service: who may ask, and the answers."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from exposition import exposed, values
from harness import CLIENT_ID, Answer, Service, eventually, push_body, request
from past import NOON, Past, numbers

from otel_jcmc.config.settings import Settings
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.pushes import Event
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.verdict.rules import UPLINK
from otel_jcmc.web.session_about import about
from otel_jcmc.web.session_query import LISTED_BY
from otel_jcmc.web.times import EXAMPLES
from otel_jcmc.wire.session import END_REASONS

MINUTE = 60_000
TOKEN = "a-token-for-people-who-read"
FAR = {"x-forwarded-for": "203.0.113.9"}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Return an empty Redis for one module."""
    server = EmbeddedStore(tmp_path_factory.mktemp("s", numbered=True) / "r")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        yield Past(client)
    server.stop()


@pytest.fixture(scope="module")
def service(past: Past, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service on this Redis."""
    path = past.client.connection_pool.connection_kwargs["path"]
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        REDIS_URL=f"unix://{path}",
        JCMC_READ_TOKEN=TOKEN,
        JCMC_CORS_ALLOWED_ORIGINS="https://meet.example.org",
    ) as running:
        yield running


LOG = (
    Sample(
        NOON + 10_000,
        numbers(f1=97.5, f2=2900, f12=1, f13=[41, 60]),
        [80, 2.5, 75],
        [99, 0, 41],
        attributes={64: "read", 65: CLIENT_ID, 69: "eu-west", 13: [{82: "udp"}, {82: "tcp"}]},
    ),
    Sample(NOON + 40_000, numbers(f1=96, f13=[40]), [96, None, 40], [96, None, 40]),
    Sample(
        NOON + 400_000,
        numbers(f1=12, f2=0, f12=30),
        [12, 30, None],
        [50, 3, None],
        events=[Event(NOON + 390_000, "quality.bad", 29.5)],
        attributes={69: '=HYPERLINK("//evil")'},
    ),
)


@pytest.fixture(scope="module")
def sid(past: Past) -> str:
    """Return a session with a log."""
    end = NOON + 400_000
    return past.session(NOON, "read", last_ms=end, ended_ms=end, reason="left", log=LOG)


def the(service: Service, sid: str, query: str = "", **kwargs: Any) -> Answer:
    """Request one session."""
    return service.get(f"/sessions/{sid}{query}", **kwargs)


# The list


def test_a_page_tells_who_and_when(service: Service, sid: str) -> None:
    answer = service.get("/sessions?conference=read")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "sessions": [
            {
                "id": sid,
                "conference": "read",
                "client_id": CLIENT_ID,
                "participant_id": "ada",
                "name": None,
                "session_id": "996af30b-d7ce-5bb5-979f-6e3e8190e02f",
                "started": "2036-03-01T12:00:00.000Z",
                "last_push": "2036-03-01T12:06:40.000Z",
                "ended": "2036-03-01T12:06:40.000Z",
                "end_reason": "left",
                "end_cause": None,
                "duration_seconds": 400.0,
                "samples_count": 3,
                "verdict": None,
                "summary": None,
                "seconds": None,
                "outages": None,
                "counts": None,
                "browser": None,
                "system": None,
                "region": None,
                "bridge": None,
                "role": None,
                "rating": None,
                "feedback": None,
                "transports": [],
                "leg": 1,
                "previous": None,
                "trace_id": None,
                "span_id": None,
            }
        ],
        "next": None,
    }


@pytest.mark.parametrize(
    "query",
    [
        "from=2036-03-01T12:06:00Z",
        "to=2036-03-01T12:00:00Z",
        "from=2036-03-01T14:06:00%2B02:00",
        "from=2036-03-01T14:06:00+02:00",
        "from=2087985960&to=2087985960.5",
        f"client_id={CLIENT_ID}",
        "from=-1s",
        "from=0001-01-01T00:00:00%2B09:00",
        "limit=500",
    ],
)
def test_filters_find_it(service: Service, sid: str, query: str) -> None:
    found = service.get(f"/sessions?conference=read&{query}").json()["sessions"]
    assert [each["id"] for each in found] == [sid]


@pytest.mark.parametrize(
    "query",
    [
        "from=2036-03-01T12:06:41Z",
        "to=2036-03-01T11:59:59Z",
        "client_id=somebody",
        "to=-1h",
        "from=2036-03-01T12:06:00Z&to=2036-03-01T12:00:00Z",
    ],
)
def test_filters_leave_it_out(service: Service, sid: str, query: str) -> None:
    assert sid
    assert service.get(f"/sessions?conference=read&{query}").json()["sessions"] == []


AFTER = "after must be the `next` of an earlier answer to the same question"
TIMES = f"must be a time: {EXAMPLES}"


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("from=soon", f"from {TIMES}"),
        ("to=2036-03-01T29:30:00", f"to {TIMES}"),
        ("from=-2y", f"from {TIMES}"),
        ("from=-2h&tz=Mars", "tz must be a time zone: Europe/Berlin, UTC or +02:00"),
        ("state=awful", "state must be good, fair, bad or unknown"),
        ("sort=best", "sort must be newest or worst"),
        ("region=", "region must be a name that was pushed, or its hash"),
        (f"sort=worst&after={'a' * 48}", AFTER),
        (f"after={'a' * 52}", AFTER),
        ("from=99999-01-01", f"from {TIMES}"),
        ("limit=0", "limit must be a whole number from 1 to 500"),
        ("limit=501", "limit must be a whole number from 1 to 500"),
        ("limit=%D9%A1", "limit must be a whole number from 1 to 500"),
        ("conference=", "conference must be a name that was pushed, or its hash"),
        ("client_id=%00", "client_id must be a name that was pushed, or its hash"),
        ("client_id=x&client_id=y", "client_id is given twice: give it once"),
        ("from=-1h&limit=5&from=-2h", "from is given twice: give it once"),
        ("after=x", AFTER),
        (
            "room=x",
            f"unknown parameter: use any of {', '.join(LISTED_BY)}",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(service: Service, query: str, line: str) -> None:
    answer = service.get(f"/sessions?{query}")
    assert (answer.status, answer.body) == (400, f"{line}\n")


# One session


def test_one_session_is_read_back_as_it_was_stored(service: Service, sid: str) -> None:
    answer = the(service, sid)
    assert answer.status == 200
    told = answer.json()
    assert told["id"] == sid
    assert told["interval_seconds"] == 30
    assert told["metrics"] == [
        *("connectionquality", "bandwidth_upload", "packetloss_total", "transport_rtt")
    ]
    first, second, third = told["samples"]
    assert first == {
        "time": "2036-03-01T12:00:10.000Z",
        "metrics": {
            "connectionquality": 97.5,
            "bandwidth_upload": 2900,
            "packetloss_total": 1,
            "transport_rtt": [41, 60],
        },
        "worst": {"quality": 80, "loss": 2.5, "round_trip": 75},
        "best": {"quality": 99, "loss": 0, "round_trip": 41},
        "attributes": {
            "roomname": "read",
            "client_id": CLIENT_ID,
            "serverregion": "eu-west",
            "transport_rtt": [{"protocol": "udp"}, {"protocol": "tcp"}],
        },
    }
    assert second["metrics"]["packetloss_total"] is None
    assert "attributes" not in second
    assert "gap_seconds" not in second
    assert third["gap_seconds"] == 360
    assert third["events"] == [
        {"time": "2036-03-01T12:06:30.000Z", "what": "quality.bad", "value": 29.5}
    ]
    assert told["summary"] == {
        "quality": {"worst": 12, "mean": 68.5, "best": 99, "bad_share": None},
        "loss": {"worst": 30, "mean": 15.5, "best": 0, "bad_share": None},
        "round_trip": {"worst": 75, "mean": 50, "best": 40, "bad_share": None},
    }


def test_some_metrics_are_had_alone_and_in_the_order_of_asking(service: Service, sid: str) -> None:
    told = the(service, sid, "?metrics=packetloss_total,connectionquality,jitter_upload").json()
    assert told["metrics"] == ["packetloss_total", "connectionquality", "jitter_upload"]
    assert list(told["samples"][0]["metrics"].items()) == [
        ("packetloss_total", 1),
        ("connectionquality", 97.5),
        ("jitter_upload", None),
    ]


@pytest.mark.parametrize(("sender", "filled"), [("jmmc", [1, 2900]), ("otel_jcmc", [None, None])])
def test_what_a_push_left_out_can_be_filled(
    service: Service, past: Past, sender: str, filled: list[int | None]
) -> None:
    """Only JMMC clients leave out what has not changed. A value that was null stays null."""
    sid = past.session(NOON, f"fill-{sender}", attributes={101: sender}, log=LOG)
    told = the(service, sid, "?fill=true&metrics=packetloss_total,bandwidth_upload").json()
    assert [[*each["metrics"].values()] for each in told["samples"]] == [
        [1, 2900],
        filled,
        [30, 0],
    ]


def test_what_the_service_said_is_beside_what_was_pushed(service: Service, past: Past) -> None:
    """State, cause and estimated sound, as far as they are known; they are metrics by name, too."""
    judged: tuple[dict[str, float], ...] = (
        {"f1": 97.5, "f44": 4.21, "f45": 0},
        {"f1": 50, "f44": 2.5, "f45": 2, "f46": UPLINK.id},
        # A cause of a newer version.
        {"f1": 60, "f45": 1, "f46": 99},
        {"f1": 70},
    )
    log = tuple(Sample(NOON + n * 30_000, numbers(**each)) for n, each in enumerate(judged))
    sid = past.session(NOON, "judged", log=log)
    told = the(service, sid).json()
    assert told["metrics"] == ["connectionquality"]
    assert [each.get("verdict") for each in told["samples"]] == [
        {"state": "good", "audio_mos": 4.21},
        {"state": "bad", "cause": "uplink", "audio_mos": 2.5},
        {"state": "fair", "cause": "unknown"},
        None,
    ]
    named = the(service, sid, "?metrics=audio_mos,verdict_state").json()["samples"]
    assert [[*each["metrics"].values()] for each in named] == [
        [4.21, 0],
        [2.5, 2],
        [None, 1],
        [None, None],
    ]
    text = the(service, sid, "?format=csv").body
    rows = csv.DictReader(io.StringIO(text, newline=""))
    names = ("verdict.state", "verdict.cause", "verdict.audio_mos")
    assert [[row[name] for name in names] for row in rows] == [
        ["good", "", "4.21"],
        ["bad", "uplink", "2.5"],
        ["fair", "unknown", ""],
        ["", "", ""],
    ]


@pytest.mark.parametrize("how", ["?format=csv", ""])
def test_csv_says_what_json_does(service: Service, sid: str, how: str) -> None:
    answer = the(service, sid, how, headers={} if how else {"accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.body, newline="")))
    told = the(service, sid).json()
    for row, sample in zip(rows, told["samples"], strict=True):
        assert row["time"] == sample["time"]
        for name, value in sample["metrics"].items():
            worst = max(value) if isinstance(value, list) else value
            assert row[name] == ("" if worst is None else str(worst))
        for which in ("worst", "best"):
            for name, value in sample[which].items():
                assert row[f"{name}_{which}"] == ("" if value is None else str(value))
        assert row["gap_seconds"] == str(sample.get("gap_seconds", ""))
        for part in ("attributes", "events"):
            assert row[part] == "" or json.loads(row[part]) == sample[part]
            assert (row[part] == "") == (part not in sample)


def test_no_cell_of_csv_is_a_formula(service: Service, sid: str) -> None:
    rows = csv.reader(io.StringIO(the(service, sid, "?format=csv").body, newline=""))
    assert [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))] == []


def test_a_long_session_is_whole(service: Service, past: Past) -> None:
    log = tuple(Sample(NOON + n * 1000, numbers(f1=n % 100)) for n in range(6000))
    told = the(service, past.session(NOON, "long", log=log)).json()
    assert [each["metrics"]["connectionquality"] for each in told["samples"]] == [
        n % 100 for n in range(6000)
    ]


def test_entries_of_two_processes_are_put_in_order_and_damaged_ones_left_out(
    service: Service, past: Past
) -> None:
    log = tuple(Sample(NOON + at, numbers(f1=1)) for at in (0, 60_000, 30_000))
    sid = past.session(NOON, "two", log=log)
    past.client.rpush(f"{past.base(sid)}samples:{sid}", b"\x92\xce")
    told = the(service, sid).json()["samples"]
    assert [each["time"][14:19] for each in told] == ["00:00", "00:30", "01:00"]


def test_a_session_without_samples_is_one_too(service: Service, past: Past) -> None:
    sid = past.session(NOON, "quiet")
    told = the(service, sid).json()
    assert (told["metrics"], told["samples"]) == ([], [])
    assert len(the(service, sid, "?format=csv").body.splitlines()) == 1


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("?format=xml", "format must be json or csv"),
        ("?fill=yes", "fill must be true or false"),
        ("?fill=true&fill=true", "fill is given twice: give it once"),
        ("?metric=x", "unknown parameter: use any of metrics, format, fill"),
    ],
)
def test_what_is_wrong_with_a_view_is_told(
    service: Service, sid: str, query: str, line: str
) -> None:
    answer = the(service, sid, query)
    assert (answer.status, answer.body) == (400, f"{line}\n")


def test_a_metric_that_there_is_not_is_answered_with_those_that_there_are(
    service: Service, sid: str
) -> None:
    answer = the(service, sid, "?metrics=quality")
    assert answer.status == 400
    assert answer.body.startswith("metrics must be some of connectionquality, bandwidth_upload, ")


@pytest.mark.parametrize("sid", ["f" * 48, "x", "..%2f..%2fmetrics"])
def test_a_session_that_is_not_there_is_404_in_one_line(service: Service, sid: str) -> None:
    answer = the(service, sid)
    assert answer.status == 404
    assert len(answer.body.splitlines()) == 1


# Who may read

PATHS = ("/sessions", f"/sessions/{'f' * 48}")


@pytest.mark.parametrize("path", PATHS)
def test_only_private_addresses_and_who_has_the_token_may_read(service: Service, path: str) -> None:
    assert service.get(path, headers=FAR).status == 401
    wrong = FAR | {"authorization": "Bearer another-token-of-somebody"}
    assert service.get(path, headers=wrong).status == 401
    right = FAR | {"authorization": f"Bearer {TOKEN}"}
    assert service.get(path, headers=right).status in {200, 404}
    assert service.own('otel_jcmc_reads_refused_total{door="pages",reason="token_missing"}')


def test_the_scrapes_settings_open_nothing(short_path: Path) -> None:
    with Service(short_path, ALLOW_PRIVATE_SCRAPE_ONLY="false") as open_service:
        for path in PATHS:
            assert open_service.get(path, headers=FAR).status == 403


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_no_page_of_another_origin_may_read_not_even_one_that_may_push(
    service: Service, path: str, method: str
) -> None:
    headers = {
        "origin": "https://meet.example.org",
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "authorization",
    }
    answer = service.get(path, method=method, headers=headers)
    assert [name for name in answer.headers if name.lower().startswith("access-control")] == []
    if method == "OPTIONS":
        assert answer.status == 405


def test_nothing_keeps_an_answer(service: Service, sid: str) -> None:
    for path in (*PATHS, f"/sessions/{sid}", "/sessions?from=x"):
        for headers in ({}, FAR):
            answer = service.get(path, headers=headers)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_without_history_an_answer_says_how_to_get_one(short_path: Path) -> None:
    with Service(short_path, JCMC_HISTORY_HOURS="0") as without:
        for path, method in ((PATHS[0], "GET"), (PATHS[1], "GET"), ("/sessions", "DELETE")):
            answer = without.get(path, method=method)
            assert answer.status == 404
            assert answer.body == "JCMC_HISTORY_HOURS is 0: no history is kept\n"


def test_with_redis_away_an_answer_says_so(short_path: Path) -> None:
    server = EmbeddedStore(short_path / "r")
    server.start()
    with Service(short_path / "a", REDIS_URL=server.url) as left_alone:
        server.stop()
        for path in PATHS:
            answer = left_alone.get(path)
            assert (answer.status, answer.body) == (503, "Redis does not answer\n")
            assert answer.headers["retry-after"] == "5"


# End to end


def test_who_has_just_pushed_is_listed(service: Service, room: str) -> None:
    assert service.push(push_body("bob", room, session={"id": "session-of-bob"})).body == "OK"
    (told,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    assert told["participant_id"] == "bob"
    assert told["session_id"] == "session-of-bob"
    assert (told["ended"], told["end_reason"], told["browser"]) == (None, None, "Chrome 126.0.0.0")
    assert service.get(f"/sessions?client_id={CLIENT_ID}&conference={room}").json()["sessions"]

    def ends() -> list[str]:
        query = f"/sessions?participant=BO&conference={room[1:]}&browser=chrome&end="
        words = ("live", "expired", "left", "failed")
        return [word for word in words if service.get(query + word).json()["sessions"]]

    assert ends() == ["live"]
    end = {"id": "session-of-bob", "end": {"reason": "left"}}
    assert service.push(push_body("bob", room, session=end)).body == "OK"
    (told,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    assert told["end_reason"] == "left"
    assert ends() == ["left"]
    # The same with a card.
    query = f"/sessions?conference={room}&state=good&sort=worst"
    (told,) = eventually(lambda: service.get(query).json()["sessions"])
    assert (told["verdict"], told["seconds"]["bad"]) == (
        {"state": "good", "cause": None, "scope": None},
        0,
    )
    assert ends() == ["left"]


def test_what_was_pushed_is_read_back(service: Service, room: str) -> None:
    """The last of three pushes in one interval, with the worst and the best of all."""
    for quality, loss, trip in ((97.5, 1, 41), (20, 12, 400), (88.5, 0, 35)):
        body = push_body("bob", room, session={"id": "session-of-bob"})
        body["metrics"]["connectionquality"]["value"] = quality
        body["metrics"]["packetloss_download"]["value"] = loss
        body["metrics"]["transport_rtt"][0]["value"] = trip
        assert service.push(body).body == "OK"
    end = {"id": "session-of-bob", "end": {"reason": "left"}}
    assert service.push(push_body("bob", room, session=end)).body == "OK"
    query = f"/sessions?conference={room}"
    (told,) = eventually(
        lambda: [e for e in service.get(query).json()["sessions"] if e["samples_count"]]
    )
    assert told["transports"] == [{"protocol": "udp", "networkType": "wifi"}]
    answer = the(service, told["id"]).json()
    # The summary has no best of a list.
    del told["summary"]
    assert answer.items() >= told.items()
    (sample,) = answer["samples"]
    assert sample["metrics"] == {
        "connectionquality": 88.5,
        "bandwidth_upload": 2900,
        "bandwidth_download": 5100,
        "bitrate_audio_upload": 24,
        "bitrate_audio_download": 31,
        "bitrate_video_upload": 1210,
        "bitrate_video_download": 2404,
        "bitrate_upload": 1234,
        "bitrate_download": 2435,
        "packetloss_upload": 0,
        "packetloss_download": 0,
        "packetloss_total": 1,
        "transport_rtt": [35],
    }
    # Values that the service derived are not pushed metrics.
    assert sample["verdict"] == {"state": "good"}
    assert sample["worst"] == {"quality": 20, "loss": 12, "round_trip": 400}
    assert sample["best"] == {"quality": 97.5, "loss": 0, "round_trip": 35}
    assert sample["attributes"]["browser_name"] == "Chrome"


def test_of_a_jmmc_page_each_push_has_what_it_sent(service: Service, room: str) -> None:
    def push(headers: dict[str, str], **m: Any) -> Answer:
        told = {"uid": CLIENT_ID, "conf": room, "m": m}
        return request(f"{service.url}/jmmc/push", told, headers=headers)

    opened = push({}, br="?", os="?", pid="eve")
    headers = {"cookie": opened.headers["set-cookie"].partition(";")[0]}
    sent: list[dict[str, Any]] = [{"cq": 88}, {"u": {"bw": 900, "pl": 2}}, {"cq": 70}]
    for m in sent:
        assert push(headers, **m).status == 200
    (session,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    path = f"{session['id']}?metrics=connectionquality,bandwidth_upload,packetloss_upload"

    def told(query: str = "") -> list[list[Any]]:
        samples = the(service, path, query).json()["samples"]
        return [[*each["metrics"].values()] for each in samples[-3:]]

    assert eventually(
        lambda: found if len(found := told()) == 3 and found[2][0] == 70 else None
    ) == [
        [88, None, None],
        [None, 900, 2],
        [70, None, None],
    ]
    assert told("&fill=true") == [[88, None, None], [88, 900, 2], [70, 900, 2]]


def test_with_spans_and_no_history_sessions_are_nobodys_to_read_and_can_be_erased(
    short_path: Path,
) -> None:
    with Service(short_path, JCMC_HISTORY_HOURS="0", OTEL_TRACES_EXPORTER="otlp") as spans:
        # The exporter starts at the same time and uses the CPU for a moment.
        assert eventually(lambda: spans.push(push_body()).body == "OK")
        assert spans.get("/sessions").status == 404
        answer = spans.get(f"/sessions?client_id={CLIENT_ID}", method="DELETE")
        assert answer.json() == {"deleted": 1}


# What the docs say


def test_the_page_on_history_names_what_there_is() -> None:
    """Settings with their defaults, fields of an answer, words for an end."""
    page = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
    for name, default in (
        *(("HOURS", "24"), ("INTERVAL", "30 s"), ("SAMPLES", "6,000 of a session")),
        *(("SESSIONS", "200,000"), ("MAX_BYTES", "256 MiB")),
    ):
        assert f"| `JCMC_HISTORY_{name}` | {default} |" in page
    fields = Settings.model_fields
    assert fields["history_hours"].default == 24
    assert fields["history_interval_seconds"].default == 30
    assert fields["history_samples"].default == 6000
    assert fields["history_sessions"].default == 200_000
    assert fields["history_max_bytes"].default == 256 * 2**20
    for word in (*END_REASONS, "replaced", "expired"):
        assert f"`{word}`" in page
    example = page.partition("limit=1'\n")[2].partition("\n```")[0].replace("\n", "")
    told = about(PastSession("0" * 48, {}, "", 0, 0, None, None, 1, "", 0, 0))
    assert json.loads(example)["sessions"][0].keys() == told.keys()


# Names, and what the participant says of the call


def end_of(room: str, **session: Any) -> dict[str, Any]:
    """Return the push that ends bob's session."""
    return {
        "default_labels": push_body("bob", room)["default_labels"],
        "session": {"id": "session-of-bob", "end": {"reason": "left"}, **session},
    }


def test_who_is_no_ordinary_participant_is_told(service: Service, room: str) -> None:
    body = push_body("bob", room, session={"id": "session-of-bob", "role": "recorder"})
    assert service.push(body).body == "OK"
    (told,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    assert (told["role"], told["rating"], told["feedback"]) == ("recorder", None, None)


def test_a_rating_during_the_call_is_a_gauge_and_of_the_session(
    service: Service, room: str
) -> None:
    body = push_body("bob", room, session={"id": "session-of-bob"})
    body["metrics"]["rating"] = {"value": 2}
    assert service.push(body).body == "OK"
    assert values(service, room)["rating"] == 2
    (told,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    assert told["rating"] == 2


def test_a_rating_after_the_call_is_of_the_session_and_brings_nobody_back(
    service: Service, room: str
) -> None:
    body = push_body("bob", room, session={"id": "session-of-bob", "role": "visitor"})
    assert service.push(body).body == "OK"
    assert service.push(end_of(room)).body == "OK"
    (before,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    for stars in (1, 4):
        rated = end_of(room, feedback="nobody has asked for this")
        rated["metrics"] = {"rating": {"value": stars}}
        assert service.push(rated).body == "OK"
    assert exposed(service, room) == []
    (told,) = service.get(f"/sessions?conference={room}").json()["sessions"]
    # Its samples may have been written meanwhile.
    samples = {"samples_count": told["samples_count"], "last_push": told["last_push"]}
    assert told == {**before, "rating": 4, **samples}
    assert told["feedback"] is None
    assert told["role"] == "visitor"


def test_what_was_written_is_kept_where_it_is_wanted(short_path: Path) -> None:
    with Service(short_path, JCMC_COLLECT_FEEDBACK="true") as curious:
        body = push_body("bob", "standup", session={"id": "session-of-bob"})
        assert curious.push(body).body == "OK"
        rated = end_of("standup", feedback="choppy, then nothing")
        assert curious.push(rated).body == "OK"
        (told,) = curious.get("/sessions?conference=standup").json()["sessions"]
        assert (told["rating"], told["feedback"]) == (None, "choppy, then nothing")
        assert "choppy" not in curious.get("/metrics").body
        client_id = body["default_labels"]["client_id"]
        erased = curious.get(f"/sessions?client_id={client_id}", method="DELETE").json()
        assert erased == {"deleted": 1}
        # It comes too late and is stored nowhere.
        assert curious.push(rated).body == "OK"
        assert curious.get("/sessions?conference=standup").json()["sessions"] == []
