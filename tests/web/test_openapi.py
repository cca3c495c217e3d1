"""
Our OpenAPI document is true: the service accepts what it describes, and every answer is in it.

The second half sends Schemathesis's requests, made from the document, to a running service. `make
fuzz` sends more of them; it sets FUZZ_EXAMPLES.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fuzz import corpus
from fuzz.schema import fits, fits_jmmc
from fuzz.wire import running
from harness import Service, push_body, request
from jsonschema_rs import Draft202012Validator, meta
from refusal_lines import without_refusals
from schemathesis.checks import load_all_checks
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from otel_jcmc.catalogue.metrics import PUSHED
from otel_jcmc.catalogue.reasons import PushRefused
from otel_jcmc.config.settings import Settings
from otel_jcmc.jmmc.wire import JmmcParser
from otel_jcmc.service.app import create_app
from otel_jcmc.service.application import Application
from otel_jcmc.wire.rules import make_rules
from otel_jcmc.wire.schema import push_schema

pytestmark = pytest.mark.xdist_group("openapi")

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
GOLDEN = Path(__file__).parents[1] / "golden"
MAX_ANSWER_BYTES = 4096
ORIGIN = "https://meet.example.org"
SCRAPE_TOKEN = "a-token-for-who-scrapes-it"
GUARDS = {
    "JCMC_PUSH_AUTH": "token",
    "JCMC_CORS_ALLOWED_ORIGINS": ORIGIN,
    "JCMC_SCRAPE_TOKEN": SCRAPE_TOKEN,
    "ALLOW_PRIVATE_SCRAPE_ONLY": "false",
}
# These are not the push's fault: the order of pushes is to blame.
OVERTAKEN = {"superseded", "session_ended"}


@pytest.fixture(scope="module")
def asked() -> Iterator[Service]:
    with running() as service:
        before = service.log.read_text()
        yield service
        assert service.push(push_body()).status == 200
        assert without_refusals(service.log.read_text().splitlines()) == before.splitlines()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Service]:
    with running(**GUARDS) as service:
        before = service.log.read_text()
        yield service
        assert without_refusals(service.log.read_text().splitlines()) == before.splitlines()


@pytest.fixture(scope="module")
def document(asked: Service) -> Any:
    return asked.get("/openapi.json").json()


# The schema of a push


def test_the_schema_is_one() -> None:
    meta.validate(push_schema(make_rules()))


def test_it_has_the_limits_of_the_deployment() -> None:
    push = push_body("p" * 9)
    assert not Draft202012Validator(push_schema(make_rules(8, 8))).is_valid(push)
    assert Draft202012Validator(push_schema(make_rules(9, 8))).is_valid(push)
    push["metrics"]["transport_rtt"] *= 100
    assert Draft202012Validator(push_schema(make_rules(9, 0))).is_valid(push)
    push["default_labels"]["roomname"] = "r" * 5000
    assert Draft202012Validator(push_schema(make_rules(0, 0))).is_valid(push)


def test_a_complete_push_fits() -> None:
    assert fits(push_body())


def test_what_was_recorded_of_real_conferences_fits() -> None:
    pushes = [json.loads(body) for body in corpus.recorded()]
    assert len(pushes) > 200
    assert [push for push in pushes if not fits(push)] == []


def test_what_simulated_pages_push_fits() -> None:
    pushes = [json.loads(body) for body in corpus.simulated()]
    assert [push for push in pushes if not fits(push)] == []


@pytest.mark.parametrize("path", [*GOLDEN.glob("*.push.json")], ids=lambda path: path.name)
def test_of_the_golden_pushes_only_the_partly_bad_one_does_not_fit(path: Path) -> None:
    assert fits(json.loads(path.read_bytes())) == (path.name != "partly-bad.push.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"default_labels": {}},
        {"default_labels": None},
        {"metrics": {}},
        {"metrics": None},
        {"metrics": {"connectionquality": {"value": 100.5}}},
        {"metrics": {"connectionquality": {"value": "97"}}},
        {"metrics": {"connectionquality": {}}},
        {"metrics": {"connectionquality": {"value": 1, "labels": {"serverregion": 7}}}},
        {"metrics": {"connectionquality": {"value": 1, "labels": {"region": "eu"}}}},
        {"metrics": {"bitrate_upload": {"value": 1, "labels": {"serverregion": "eu"}}}},
        {"metrics": {"unknown": {"value": 1}}},
        {"metrics": {"transport_rtt": [{"value": 1, "labels": {"src_ip": "10.0.0"}}]}},
        {"metrics": {"transport_rtt": [{"value": 1}] * 9}},
        {"session": {"id": "short"}},
        {"session": {"seq": 1.5}},
        {"session": {"end": {"reason": "bored"}}},
        {"unknown": 1},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_what_costs_a_field_or_the_push_does_not_fit(changes: dict[str, Any]) -> None:
    assert not fits(push_body(**changes))


def test_what_has_nothing_to_say_fits() -> None:
    nothing: tuple[Any, ...] = (None, "", "undefined")
    labels = [{"serverregion": each, "username": each} for each in nothing]
    paths = [dict.fromkeys(("src_ip", "protocol", "p2p"), each) for each in nothing]
    for quality, path in zip(labels, paths, strict=True):
        metrics = {
            "connectionquality": {"value": None, "labels": quality},
            "transport_rtt": [{"value": None, "labels": path}, {"value": 0, "labels": None}],
            "bitrate_upload": {"value": 0, "labels": {}},
        }
        assert fits(push_body(metrics=metrics, session=None, token="any"))


def test_a_session_is_enough() -> None:
    who = push_body()["default_labels"]
    assert fits({"default_labels": who, "session": {}})
    assert fits({"default_labels": who, "session": {"end": {"reason": "left", "more": 1}}})
    assert not fits({"default_labels": who, "session": None})


@pytest.mark.parametrize("m", [{"t": {}}, {"t": {"sr": ""}}, {"cdc": {"a": "undefined"}}])
def test_of_a_jmmc_page_what_has_nothing_to_say_fits_beside_what_has(m: dict[str, Any]) -> None:
    """Nothing of it is dropped; a push of empty fields alone has nothing to store."""
    who = {"uid": push_body()["default_labels"]["client_id"], "conf": "standup"}
    opening = {**who, "m": {"br": "x", "os": "y", "pid": "p", **m}}
    assert JmmcParser().parse(json.dumps(opening).encode()).dropped == []
    assert fits_jmmc(opening)
    assert fits_jmmc({**who, "m": {"cq": 1, **m}})
    assert not fits_jmmc({**who, "m": m})
    with pytest.raises(PushRefused):
        JmmcParser().parse(json.dumps({**who, "m": m}).encode())


# The document


def test_it_describes_every_metric_with_its_bounds(document: Any) -> None:
    body = document["paths"]["/metrics/push"]["post"]["requestBody"]
    metrics = body["content"]["application/json"]["schema"]["properties"]["metrics"]["properties"]
    assert metrics.keys() == {row.field for row in PUSHED}
    rtt = metrics["transport_rtt"]["items"]["properties"]["value"]
    assert (rtt["minimum"], rtt["maximum"], rtt["type"]) == (0, 600_000, ["number", "null"])


def test_every_answer_of_every_route_is_described(document: Any) -> None:
    """Without a description, FastAPI would only claim a success of any kind."""
    bare = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for answer in operation["responses"].values()
        if {} in [each.get("schema") for each in answer.get("content", {}).values()]
        or answer["description"] == "Successful Response"
    ]
    assert bare == []


def test_who_must_come_back_hears_when(document: Any) -> None:
    answers = document["paths"]["/metrics/push"]["post"]["responses"]
    assert answers["429"]["headers"]["Retry-After"]["required"]
    assert answers["503"]["headers"]["Retry-After"]["required"]


def test_a_405_lists_all_methods_of_its_path(asked: Service) -> None:
    told = request(asked.url + "/sessions", method="PUT")
    assert (told.status, told.headers["allow"]) == (405, "DELETE, GET, HEAD")
    told = request(asked.url + "/client-file", method="PUT")
    assert (told.status, told.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_head_is_get_without_a_body(asked: Service) -> None:
    get, head = asked.get("/-/healthy"), request(asked.url + "/-/healthy", method="HEAD")
    assert (head.status, head.body) == (get.status, "")
    assert head.headers["content-length"] == get.headers["content-length"]


# The service, with requests made from the document


def described(application: Application) -> Any:
    """Return the document of *application* for Schemathesis; a running service has the same."""
    load_all_checks()
    generation = {"max-examples": EXAMPLES, "database": "none", "deterministic": EXAMPLES < 100}
    auth = {"openapi": {"token": {"bearer": SCRAPE_TOKEN}}} if application.guarded else {}
    config = schemathesis.Config.from_dict({"generation": generation, "auth": auth})
    return schemathesis.openapi.from_dict(application.openapi(), config=config)


def application(**environ: str) -> Application:
    """Return the application with *environ*."""
    named: dict[str, Any] = dict(environ)
    return create_app(Settings(_env_file=None, **named))


@pytest.fixture(scope="module")
def documented() -> Application:
    return application()


@pytest.fixture(scope="module")
def documented_guarded() -> Application:
    return application(**GUARDS)


def test_the_document_is_the_services(
    document: Any, guarded: Service, documented: Application, documented_guarded: Application
) -> None:
    assert document == json.loads(json.dumps(documented.openapi()))
    told = guarded.get("/openapi.json").json()
    assert told == json.loads(json.dumps(documented_guarded.openapi()))


def ask_all(schema: Any, ask: Callable[[Any], None], subtests: pytest.Subtests) -> list[str]:
    """
    Give *ask* each case that Schemathesis makes of each operation; return the operations' names.

    Not with its decorator, which makes the cases when tests are collected: that takes seconds in
    each process.
    """

    def has_case(case: Any) -> None:
        ask(case)

    labels = []
    for made in get_all_tests(schema=schema, test_func=has_case, settings=None, given_kwargs={}):
        assert isinstance(made, Ok), made
        operation, test = made.ok()
        labels.append(operation.label)
        with subtests.test(operation.label):
            test()
    return labels


def test_the_service_does_what_its_document_says(
    asked: Service, documented: Application, subtests: pytest.Subtests
) -> None:
    """
    All checks of Schemathesis except one: the service drops bad fields and takes the rest.

    So a push that does not fit is refused, or the answer names what was dropped; `whole_or_told`
    checks that.
    """

    def ask(case: Any) -> None:
        label = case.operation.label
        is_push, is_jmmc = label == "POST /metrics/push", label == "POST /jmmc/push"
        own = [whole_or_told] if is_push else [jmmc_whole_or_told] if is_jmmc else []
        excluded = [negative_data_rejection] if is_push or is_jmmc else []
        if is_jmmc:
            # Only the service knows which cookie is good; `jmmc_whole_or_told` checks the rest.
            excluded.append(positive_data_acceptance)
        case.call_and_validate(asked.url, additional_checks=[short, *own], excluded_checks=excluded)

    labels = ask_all(described(documented), ask, subtests)
    assert {"POST /metrics/push", "POST /jmmc/push", "GET /sessions"} <= set(labels)


def test_a_guarded_service_does_what_its_document_says(
    guarded: Service, documented_guarded: Application, subtests: pytest.Subtests
) -> None:
    """With a token for scraping; without the token there is no scrape (`ignored_auth`)."""

    def ask(case: Any) -> None:
        case.call_and_validate(guarded.url, additional_checks=[short])

    schema = described(documented_guarded).include(path=["/metrics", "/push-token"])
    labels = ask_all(schema, ask, subtests)
    assert sorted(labels) == ["GET /metrics", "POST /push-token"]


def test_what_a_guarded_service_wants_is_in_its_document(guarded: Service) -> None:
    paths = guarded.get("/openapi.json").json()["paths"]
    assert paths["/metrics"]["get"]["security"] == [{"token": []}]
    assert paths["/metrics/push"]["post"]["security"] == [{"token": []}, {}]
    assert paths["/push-token"]["post"]["responses"].keys() == {"200", "403", "429", "503"}


def short(_context: Any, response: Any, _case: Any) -> None:
    """Answers are short, except where a long answer is the purpose."""
    is_long = response.request.path_url.startswith(
        ("/metrics", "/client-file", "/jmmc/getClient", "/openapi", "/sessions")
    )
    is_push = response.request.path_url.startswith("/metrics/push")
    if is_push or not is_long:
        told = len(response.content) + len(str(response.headers))
        assert told <= MAX_ANSWER_BYTES, told


def whole_or_told(_context: Any, response: Any, case: Any) -> None:
    """A push that fits the schema is stored completely; otherwise the answer says what is wrong."""
    if case.method != "POST":
        return
    body = response.request.body or b""
    try:
        sent = json.loads(body)
    except ValueError:
        assert response.status_code == 400, body
        return
    if not fits(sent):
        assert response.text != "OK", body
    elif response.text != "OK":
        assert response.status_code == 200, body
        assert {each["reason"] for each in response.json()["dropped"]} <= OVERTAKEN, body


def jmmc_whole_or_told(_context: Any, response: Any, case: Any) -> None:
    """The same for a push of a JMMC client; one that opens no session has no good cookie here."""
    if case.method != "POST":
        return
    body = response.request.body or b""
    try:
        sent = json.loads(body)
    except ValueError:
        assert response.status_code == 400, body
        return
    told = response.json()
    if not fits_jmmc(sent):
        assert "errors" in told or "dropped" in told, body
    elif "br" in sent["m"]:
        assert (response.status_code, "dropped" in told) == (200, False), body
    else:
        reasons = {each["reason"] for each in told["errors"]}
        assert reasons <= {"cookie_missing", "cookie_invalid"}, body
