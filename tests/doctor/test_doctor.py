"""`otel-jcmc doctor` on running services: a good one has no finding, each fault has exactly one."""

import http.client
import json
import re
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from doctor.conftest import Ask, push_and_scrape, run
from harness import Service, eventually, push_body
from otlp_sink import OtlpSink

from otel_jcmc.doctor.service import find_service

# So many scrapes in a row that say the same are longer than an interval of history.
SETTLED = 40


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"JCMC_ADMIN_PORT": "0"},
        {"JCMC_PRIVACY": "sender=drop,roomname=hash,client_id=hash", "JCMC_PRIVACY_KEY": 32 * "k"},
        {"JCMC_WORKERS": "2"},
    ],
    ids=lambda environ: " ".join(environ) or "nothing is set",
)
def test_on_a_good_service_all_is_well(
    short_path: Path, doctor: Ask, environ: dict[str, str]
) -> None:
    with Service(short_path, **environ) as service:
        push_and_scrape(service)
        told = doctor(service, "--public-url", service.url)
        assert (told.code, told.of("wrong"), told.of("open")) == (0, [], [])
        topics = [topic for topic, _ in told.of("well")]
        assert [*dict.fromkeys(topics)] == [
            *("settings", "store", "service", "pushes", "page", "scrape")
        ]
        (pushes,) = [text for topic, text in told.of("well") if topic == "pushes"]
        assert re.fullmatch(
            r"the last one was \d+ s ago, from pages of https://meet\.example\.org", pushes
        )
        (came_back,) = [text for _, text in told.of("well") if "test push" in text]
        assert came_back.endswith(" became a participant, and left")


def test_it_is_lines_for_a_person(short_path: Path) -> None:
    with Service(short_path) as service:
        done = run(service, "--url", service.url)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "✓ service    otel_jcmc 0.1.0 answers at " + service.url in lines
    at = lines.index("✗ pushes     none since the service started")
    assert lines[at + 1].startswith("             -> does the conference's page load")


def test_a_test_push_is_told_of_nowhere(short_path: Path, doctor: Ask) -> None:
    """No count, no gauge, no session; and the last push is still the client's."""
    changing = re.compile(
        r"_(bucket|sum|count)|process|reads|connections|exports|looks|last_scrape"
    )
    with Service(short_path, JCMC_HISTORY_INTERVAL="1") as service:
        push_and_scrape(service)
        eventually(lambda: service.own("otel_jcmc_history_bytes"))

        def seen() -> dict[str, float]:
            found = service.series(("jitsi_", "otel_jcmc_"))
            return {name: value for name, value in found.items() if not changing.search(name)}

        # The client's own push becomes an entry of history, which is counted a moment later.
        every: list[dict[str, float]] = []

        def is_settled() -> bool:
            every.append(seen())
            return len(every) > SETTLED and all(each == every[-1] for each in every[-SETTLED:])

        eventually(is_settled, 30)
        before = every[-1]
        told = doctor(service, "--public-url", service.url)
        after = seen()
        assert [text for _, text in told.of("well") if "became a participant" in text]
        assert after == before
        assert len([name for name in before if name.startswith("jitsi_")]) > 20
        found = service.get("/sessions").json()["sessions"]
        assert [each["conference"] for each in found] == ["standup"]
        assert service.get("/-/doctor?tests").json()["tests"] == 0


def test_a_test_push_that_is_live_is_in_no_count(short_path: Path) -> None:
    test = push_body(conference="otel-jcmc-doctor")
    test["default_labels"]["client_id"] = "7e57c11e-0000-4000-8000-000000000000"
    with Service(short_path) as service:
        assert service.push(test).status == 200
        assert service.get("/-/doctor?tests").json()["tests"] == 1
        assert service.series("jitsi_jcmc_packetloss") == {}
        assert service.own("otel_jcmc_participants") == 0
        assert service.own('otel_jcmc_pushes_total{outcome="accepted",reason=""}') == 0
        assert service.own("otel_jcmc_last_push_timestamp_seconds") is None


def test_no_service_is_said_so(short_path: Path, doctor: Ask) -> None:
    service = Service(short_path)
    service.url = "http://127.0.0.1:9"
    topic, text, remedy = doctor(service).wrong()
    assert (topic, text) == ("service", "no answer from http://127.0.0.1:9: Connection refused")
    assert remedy.startswith("start it with `otel-jcmc serve`")


def test_what_answers_is_not_the_service(short_path: Path, doctor: Ask) -> None:
    with Service(short_path, JCMC_ADMIN_PORT="0") as service:
        service.admin_url = ""
        topic, text, remedy = doctor(service).wrong()
    assert topic == "service"
    assert text.endswith("is not otel_jcmc, or is an older version (404)")
    assert "JCMC_ADMIN_PORT" in remedy


def test_a_misspelt_setting_is_named(short_path: Path, doctor: Ask) -> None:
    with Service(short_path) as service:
        push_and_scrape(service)
        told = doctor(service, JCMC_HISTROY_HOURS="3")
        topic, text, _ = told.wrong()
    assert (topic, len(told.findings)) == ("settings", 1)
    assert "JCMC_HISTROY_HOURS is no setting: is JCMC_HISTORY_HOURS meant?" in text


def test_settings_that_contradict_each_other_are_named(short_path: Path, doctor: Ask) -> None:
    with Service(short_path) as service:
        topic, text, _ = doctor(service, JCMC_PORT="3000", JCMC_ADMIN_PORT="3000").wrong()
    assert (topic, text) == (
        "settings",
        "settings: JCMC_ADMIN_PORT must differ from JCMC_PORT",
    )


def test_settings_of_another_shell_are_named_and_nothing_of_them_is_told(
    short_path: Path, doctor: Ask
) -> None:
    secret = "sixteen-characters-and-more"
    with Service(short_path, JCMC_SCRAPE_TOKEN=secret) as service:
        assert service.push(push_body()).status == 200
        token = {"authorization": f"Bearer {secret}"}
        assert service.get("/metrics", headers=token).status == 200
        told = doctor(service, METRICS_EXPIRATION="77", JCMC_SCRAPE_TOKEN="another-" + secret)
        raw = service.get("/-/doctor").body
    assert told.of("wrong") == []
    assert ("settings", "the service and this shell differ in METRICS_EXPIRATION") in told.of(
        "open"
    )
    assert secret not in raw + json.dumps(told.findings)


def test_a_scrape_that_is_cut_is_named(short_path: Path, doctor: Ask) -> None:
    """The answer is larger than the kernel's buffers; the client stops reading and hangs up."""
    with Service(short_path) as service:
        push_and_scrape(service)
        where = urlsplit(service.url).netloc
        with closing(http.client.HTTPConnection(where, timeout=10)) as wire:
            for at in range(3000):
                wire.request("POST", "/metrics/push", json.dumps(push_body(f"{at}", f"{at // 40}")))
                assert wire.getresponse().read() == b"OK"
        time.sleep(1.1)  # the times are of whole seconds
        asking = http.client.HTTPConnection(where, timeout=10)
        asking.request("GET", "/metrics")
        assert asking.getresponse().read(100)
        time.sleep(1)
        asking.close()
        assert asking.sock is None
        eventually(lambda: service.get("/-/doctor").json()["scrape_failed_at"])
        topic, text, remedy = doctor(service).wrong()
    assert (topic, text) == ("scrape", "Prometheus did not read the last one to its end")
    assert "scrape_timeout" in remedy


def test_no_service_and_no_redis_are_two_faults(tmp_path: Path, doctor: Ask) -> None:
    service = Service(tmp_path, REDIS_URL="redis://127.0.0.1:9")
    service.url = "http://127.0.0.1:9"
    assert [topic for topic, _ in doctor(service).of("wrong")] == ["store", "service"]


def test_pushes_that_are_refused_are_named_with_what_to_do(short_path: Path, doctor: Ask) -> None:
    with Service(short_path, JCMC_LIMIT_BODY_BYTES="1500") as service:
        eventually(lambda: service.get("/-/doctor").json()["seconds"])
        push = push_body()
        del push["metrics"]["transport_rtt"]
        assert service.push(push).status == 200
        assert service.get("/metrics").status == 200
        for _ in range(3):
            assert service.push({**push, "more": "x" * 1500}).status == 413
        topic, text, remedy = doctor(service).wrong()
    assert topic == "pushes"
    assert re.fullmatch(r"3 refused in the last \d+ s: body_too_large", text)
    assert remedy == "if the senders are yours, raise JCMC_LIMIT_BODY_BYTES"


@pytest.mark.parametrize("what", ["address", "token_missing"])
def test_scrapes_that_are_sent_away_are_named(short_path: Path, doctor: Ask, what: str) -> None:
    token = {} if what == "address" else {"JCMC_SCRAPE_TOKEN": "sixteen-characters"}
    with Service(short_path, **token) as service:
        assert service.push(push_body()).status == 200
        far = {"x-forwarded-for": "198.51.100.7"} if what == "address" else {}
        assert service.get("/metrics", headers=far).status in (401, 403)
        topic, text, remedy = doctor(service).wrong()
    assert (topic, text) == (
        "scrape",
        "none since the service started; the service refused some",
    )
    assert {"address": "ALLOW_PRIVATE_SCRAPE_ONLY", "token_missing": "JCMC_SCRAPE_TOKEN"}[
        what
    ] in remedy


@pytest.mark.parametrize("fault", ["413", "away"])
def test_an_otlp_receiver_that_takes_nothing_is_named(
    short_path: Path, doctor: Ask, fault: str
) -> None:
    with (
        OtlpSink() as sink,
        Service(
            short_path,
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
            OTEL_METRIC_EXPORT_INTERVAL="500",
            OTEL_EXPORTER_OTLP_TIMEOUT="400",
        ) as service,
    ):
        push_and_scrape(service)
        eventually(lambda: service.get("/-/doctor").json()["times"]["exported_at"])
        told = doctor(service)
        assert told.of("wrong") == []
        assert "otlp" in [topic for topic, _ in told.of("well")]
        if fault == "413":
            sink.refuse, sink.refuse_with = True, (413, *sink.refuse_with[1:])
        else:
            sink.stop()
        eventually(lambda: service.get("/-/doctor").json()["words"].get("otlp"))
        push_and_scrape(service)
        topic, text, remedy = doctor(service).wrong()
    assert topic == "otlp"
    if fault == "413":
        assert text == "the receiver does not take metrics: HTTP 413"
        assert "client_max_body_size" in remedy
    else:
        said, _, error = text.rpartition(": ")
        assert said == "the receiver does not take metrics"
        # The name depends on the version of the library below the exporter.
        assert error in {"ConnectionError", "MaxRetryError"}
        assert remedy.startswith("is the receiver up")


def test_spans_that_are_not_taken_are_named(short_path: Path, doctor: Ask) -> None:
    with (
        OtlpSink() as sink,
        Service(
            short_path,
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
            JCMC_HISTORY_INTERVAL="1",
            JCMC_SESSION_GRACE="1",
        ) as service,
    ):
        push_and_scrape(service)
        sink.refuse, sink.refuse_with = True, (404, *sink.refuse_with[1:])
        end = {"id": "a-session-of-a-page", "seq": 2, "end": {"reason": "left"}}
        assert service.push(push_body(session=end)).status == 200
        eventually(lambda: service.get("/-/doctor").json()["words"].get("spans"), 30)
        topic, text, remedy = doctor(service).wrong()
    assert topic == "traces"
    assert re.fullmatch(r"\d+ spans wait: the receiver does not take spans: HTTP 404", text)
    assert "without /v1/metrics" in remedy


def test_a_service_of_another_version_is_named(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_jcmc.doctor.service.__version__", "0.0.9")
    with Service(short_path) as service:
        portrait, found = find_service(service.url, "")
    assert portrait is not None
    assert [each.mark for each in found] == ["well", "open"]
    assert found[1].text.startswith("this command is version 0.0.9")
    assert found[1].remedy == "run the doctor of the service's installation"


def test_what_the_service_tells_is_what_a_scrape_has(short_path: Path) -> None:
    with Service(short_path) as service:
        portrait, _ = find_service(service.url, "")
        assert portrait is not None
        for _ in range(2):
            push_and_scrape(service)
            names = {name.partition("{")[0] for name in service.series(("otel_", "jitsi_"))}
            assert names == (portrait.names() or set()) - {"target_info"}
        assert len(names) > 50


def test_arguments_that_are_no_urls_are_another_code(short_path: Path) -> None:
    done = run(Service(short_path), "--public-url", "meet.example.org")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "otel-jcmc: --public-url: meet.example.org is not an http:// or https:// URL\n"
    )
