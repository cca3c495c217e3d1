"""The served client file: this deployment's settings, caching, and the pages that may load it."""

import gzip
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Service

from otel_jcmc.version import __version__
from otel_jcmc.web import client
from otel_jcmc.web.client import (
    FILE_NAME,
    JMMC_FILE_NAME,
    PLACEHOLDER,
    make_client_file,
    served,
    source,
)
from tools.generate import client_hash

pytestmark = pytest.mark.xdist_group("client-file")

# Settings with everything that could end a script or a line of it.
NASTY_URL = "https://c.example.org/p?a=1&b=</script><!--&c='\"\\`${x}"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service whose client file has these settings."""
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        PUSH_URL=NASTY_URL,
        COLLECT_USERNAME="true",
        JCMC_COLLECT_ADDRESSES="true",
        JCMC_CLIENT_INTERVAL="30",
        JCMC_CLIENT_JITTER="0",
        JCMC_CLIENT_SEND_JWT="true",
        JCMC_CLIENT_DEBUG="true",
        JCMC_CORS_ALLOWED_ORIGINS="https://meet.example.org",
    ) as running:
        yield running


def settings_in(script: str, name: str = FILE_NAME) -> dict[str, Any]:
    """Return the settings in *script*, a client file."""
    head = served(name).partition(PLACEHOLDER)[0]
    _, place, found = script.partition("const SETTINGS = ")
    if not place:
        assert script.startswith(head)
        found = script.removeprefix(head)
    told: dict[str, Any] = json.JSONDecoder().raw_decode(found)[0]
    return told


def test_the_client_file_is_a_script(shared_service: Service) -> None:
    answer = shared_service.get("/client-file")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_who_debugs_reads_the_file_as_it_is_in_the_repository(tuned: Service) -> None:
    served = tuned.get("/client-file").body
    assert re.sub(r"const SETTINGS = .*", "", served) == re.sub(
        r"const SETTINGS = .*", "", source()
    )
    part = Path(__file__).parents[2].joinpath("client/parts/client_id.js").read_text()
    assert part.partition("export function clientId")[2] in served


@pytest.mark.parametrize("name", [FILE_NAME, JMMC_FILE_NAME])
def test_what_is_served_is_made_of_what_is_read(name: str) -> None:
    text = Path(__file__).parents[2].joinpath("client", "served", name).read_text()
    assert text.startswith(f"// {client_hash(name)}\n"), "make generate"
    assert text.endswith(served(name))
    assert served(name).count(PLACEHOLDER) == 1


def test_the_file_comes_compressed_in_at_most_8_kb(shared_service: Service) -> None:
    plain = shared_service.get("/client-file")
    asked = urllib.request.Request(
        f"{shared_service.url}/client-file", headers={"accept-encoding": "gzip"}
    )
    with urllib.request.urlopen(asked) as packed:
        body = packed.read()
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] == plain.headers["etag"]
    assert plain.headers["content-encoding"] is None
    assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
    assert gzip.decompress(body).decode() == plain.body
    assert len(body) <= 8292, (
        f"{len(body)} bytes: shorten something in client/parts. If nothing can go, raise the limit "
        "by 100: here and in benchmarks/measure/client.py."
    )


def test_an_untouched_deployment_tells_the_page_this(shared_service: Service) -> None:
    assert settings_in(shared_service.get("/client-file").body) == {
        "version": __version__,
        "jitterMs": 5000,
    }


def test_settings_reach_the_page_as_they_are(tuned: Service) -> None:
    assert settings_in(tuned.get("/client-file").body) == {
        "version": __version__,
        "pushUrl": NASTY_URL,
        "collectUsername": True,
        "collectAddresses": True,
        "intervalMs": 30_000,
        "sendJwt": True,
        "debug": True,
    }


@pytest.mark.parametrize("sign", ["</script", "<!--", "&", "\u2028", "\u2029", ">"])
def test_no_setting_ends_a_script_element_or_its_line(sign: str) -> None:
    script = make_client_file({"pushUrl": f"a{sign}b"}).body.decode()
    head, tail = served().split(PLACEHOLDER)
    assert sign not in script.removeprefix(head).removesuffix(tail)
    assert settings_in(script) == {"pushUrl": f"a{sign}b"}


def test_a_url_reaches_a_script_element_without_signs_of_html(tuned: Service) -> None:
    (line,) = re.findall(r"const SETTINGS = .*", tuned.get("/client-file").body)
    assert "c.example.org" in line
    assert re.search(r"[<>&]", line) is None


def test_a_file_without_a_place_for_settings_is_no_client_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "source", lambda _name: "const settings = {};")
    with pytest.raises(ValueError, match=r"has no line `const SETTINGS = \{\};`"):
        make_client_file({}, keep_comments=True)


def test_the_settings_have_one_place_in_the_source() -> None:
    assert source().count("const SETTINGS = {};") == 1


# Caching


def test_the_file_may_be_kept_for_five_minutes(shared_service: Service) -> None:
    assert shared_service.get("/client-file").headers["cache-control"] == "public, max-age=300"


def test_the_etag_changes_with_the_settings_alone(
    shared_service: Service, shared_otel_service: Service, tuned: Service
) -> None:
    tags = [
        each.get("/client-file").headers["etag"]
        for each in (shared_service, shared_otel_service, tuned)
    ]
    assert re.fullmatch(r'W/"[0-9a-f]{24}"', tags[0])
    assert tags[0] == tags[1]
    assert tags[0] != tags[2]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"another", {}', "*", '"another",W/{} '])
def test_who_has_the_file_hears_304(shared_service: Service, form: str) -> None:
    etag = shared_service.get("/client-file").headers["etag"]
    known = form.format(etag.removeprefix("W/"))
    answer = shared_service.get("/client-file", headers={"if-none-match": known})
    assert (answer.status, answer.body) == (304, "")
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("tag", ['"another"', "", "garbage", '"', ","])
def test_who_has_another_file_gets_this_one(shared_service: Service, tag: str) -> None:
    answer = shared_service.get("/client-file", headers={"if-none-match": tag})
    assert answer.status == 200
    assert len(answer.body) > 1000


# Pages of other origins


def test_pages_of_all_origins_may_load_it(shared_service: Service) -> None:
    answer = shared_service.get("/client-file", headers={"origin": "https://meet.example.org"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["access-control-allow-credentials"] is None


def test_a_page_of_a_listed_origin_may_load_it(tuned: Service) -> None:
    answer = tuned.get("/client-file", headers={"origin": "https://meet.example.org"})
    assert answer.headers["access-control-allow-origin"] == "https://meet.example.org"
    assert answer.headers["vary"] == "accept-encoding, origin"


def test_a_page_of_another_origin_may_not(tuned: Service) -> None:
    answer = tuned.get("/client-file", headers={"origin": "https://evil.example.org"})
    assert answer.headers["access-control-allow-origin"] is None
    assert answer.headers["vary"] == "accept-encoding, origin"


def test_a_preflight_for_the_file_is_answered(shared_service: Service) -> None:
    answer = shared_service.get(
        "/client-file",
        method="OPTIONS",
        headers={
            "origin": "https://meet.example.org",
            "access-control-request-method": "GET",
            "access-control-request-headers": "if-none-match",
        },
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET"
    assert answer.headers["access-control-allow-headers"] == "if-none-match"


# The file for clients of the Jitsi Meet Metrics Collector


def test_pages_of_the_other_collector_get_a_client_of_their_own(shared_service: Service) -> None:
    answer = shared_service.get("/jmmc/getClient", headers={"origin": "https://meet.example.org"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "otelJmmc" in answer.body
    assert settings_in(answer.body, JMMC_FILE_NAME) == {"version": __version__}
    etag = answer.headers["etag"]
    assert etag != shared_service.get("/client-file").headers["etag"]
    known = shared_service.get("/jmmc/getClient", headers={"if-none-match": etag})
    assert (known.status, known.body) == (304, "")


def test_it_is_small(shared_service: Service) -> None:
    asked = urllib.request.Request(
        f"{shared_service.url}/jmmc/getClient", headers={"accept-encoding": "gzip"}
    )
    with urllib.request.urlopen(asked) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert len(packed.read()) <= 3700


def test_it_knows_what_is_set_for_it(short_path: Path) -> None:
    url = "https://calls.example.org/jmmc/push"
    with Service(
        short_path,
        JCMC_JMMC_PATH="/a/b",
        JCMC_JMMC_PUSH_URL=url,
        JCMC_COLLECT_ADDRESSES="true",
        PUSH_URL="https://not.example.org/this",
        JCMC_CLIENT_SEND_JWT="true",
    ) as service:
        assert settings_in(service.get("/a/b/getClient").body, JMMC_FILE_NAME) == {
            "version": __version__,
            "pushUrl": url,
            "collectAddresses": True,
            "sendJwt": True,
        }
        assert service.get("/jmmc/getClient").status == 404
