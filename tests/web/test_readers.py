"""Who may read what is not public. In doubt, the answer is no."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Service

from otel_jcmc.intake.callers import PRIVATE
from otel_jcmc.web.readers import Readers


def scope(peer: str | None, **headers: str) -> dict[str, object]:
    """Return the ASGI scope of a request from *peer* with *headers*."""
    return {
        "client": None if peer is None else (peer, 50_000),
        "headers": [
            (name.replace("_", "-").encode(), text.encode("latin-1"))
            for name, text in headers.items()
        ],
    }


TOKEN = "c7Zk-31Nn0_wR9aB"
OTHER = "c7Zk-31Nn0_wR9aC"
OUTSIDE = "203.0.113.9"
INSIDE = "10.1.2.3"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def scrape_door(*, private_only: bool, token: str) -> Readers:
    return Readers(
        "scrape",
        PRIVATE,
        {},
        token=token,
        token_setting="JCMC_SCRAPE_TOKEN",
        private_setting="ALLOW_PRIVATE_SCRAPE_ONLY",
        private_only=private_only,
    )


def page_door(token: str) -> Readers:
    return Readers("pages", PRIVATE, {}, token=token, token_setting="JCMC_READ_TOKEN")


def status(door: Readers, peer: str, headers: dict[str, str]) -> int:
    """Return the status of a caller's answer, 200 if it may read."""
    refusal = door.refuse(scope(peer, **headers))
    return refusal.status if refusal else 200


def statuses(door: Readers) -> tuple[int, ...]:
    """Return the statuses without, with a wrong and with the right token; inside and outside."""
    told: list[dict[str, str]] = [{}, bearer(OTHER), bearer(TOKEN)]
    return tuple(status(door, peer, each) for peer in (INSIDE, OUTSIDE) for each in told)


@pytest.mark.parametrize(
    ("private_only", "token", "expected"),
    [
        (True, "", (200, 200, 200, 403, 403, 403)),
        (False, "", (200, 200, 200, 200, 200, 200)),
        (False, TOKEN, (401, 401, 200, 401, 401, 200)),
        (True, TOKEN, (401, 401, 200, 403, 403, 403)),
    ],
)
def test_a_scrape_needs_all_that_is_asked_for(
    private_only: bool,  # noqa: FBT001  # a parameter of the table
    token: str,
    expected: tuple[int, ...],
) -> None:
    door = scrape_door(private_only=private_only, token=token)
    told: list[dict[str, str]] = [{}, bearer(OTHER), bearer(TOKEN)]
    assert (
        tuple(status(door, peer, each) for peer in (INSIDE, OUTSIDE) for each in told) == expected
    )


@pytest.mark.parametrize(
    ("token", "expected"),
    [("", (200, 200, 200, 403, 403, 403)), (TOKEN, (200, 200, 200, 401, 401, 200))],
)
def test_a_page_needs_a_private_address_or_the_token(token: str, expected: tuple[int, ...]) -> None:
    told: list[dict[str, str]] = [{}, bearer(OTHER), bearer(TOKEN)]
    door = page_door(token)
    assert (
        tuple(status(door, peer, each) for peer in (INSIDE, OUTSIDE) for each in told) == expected
    )


def test_who_may_not_read_hears_what_is_missing_and_which_setting_it_is() -> None:
    both = scrape_door(private_only=True, token=TOKEN)
    refusals = [
        both.refuse(scope(OUTSIDE)),
        both.refuse(scope(INSIDE)),
        both.refuse(scope(INSIDE, **bearer(OTHER))),
        page_door("").refuse(scope(OUTSIDE)),
        page_door(TOKEN).refuse(scope(OUTSIDE)),
    ]
    assert [(each.text, each.headers) for each in refusals if each] == [
        (
            (
                "only private addresses may read this (unless ALLOW_PRIVATE_SCRAPE_ONLY=false;"
                " JCMC_TRUSTED_PROXIES names the proxies whose forwarded headers count); the bearer"
                " token in JCMC_SCRAPE_TOKEN is needed too"
            ),
            {},
        ),
        (
            "a bearer token is missing (the token is in JCMC_SCRAPE_TOKEN)",
            {"www-authenticate": "Bearer"},
        ),
        (
            "the bearer token is wrong: it is not the token in JCMC_SCRAPE_TOKEN",
            {"www-authenticate": 'Bearer error="invalid_token"'},
        ),
        (
            (
                "only private addresses may read this (JCMC_TRUSTED_PROXIES names the proxies"
                " whose forwarded headers count); set JCMC_READ_TOKEN to admit others by a token"
            ),
            {},
        ),
        (
            (
                "a bearer token is missing (callers with private addresses need no token; the token"
                " is in JCMC_READ_TOKEN)"
            ),
            {"www-authenticate": "Bearer"},
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *(TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"),
        *(f"Bearer {TOKEN.lower()}", f"Bearer Bearer {TOKEN}", f"Bearer {TOKEN}, {TOKEN}", ""),
        *(f"Bearer{TOKEN}", "Bearer \xff\xfe", f'Bearer "{TOKEN}"', f"Bearer {TOKEN}\x00"),
    ],
)
def test_whatever_is_not_the_token_is_refused(text: str) -> None:
    door = scrape_door(private_only=False, token=TOKEN)
    assert status(door, INSIDE, {"authorization": text}) == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_name_may_be_written_in_any_case(scheme: str) -> None:
    door = scrape_door(private_only=False, token=TOKEN)
    assert status(door, OUTSIDE, {"authorization": f"{scheme} {TOKEN}"}) == 200


def test_of_two_tokens_none_counts() -> None:
    door = scrape_door(private_only=False, token=TOKEN)
    twice = scope(OUTSIDE)
    twice["headers"] = [(b"authorization", f"Bearer {TOKEN}".encode())] * 2
    refusal = door.refuse(twice)
    assert refusal is not None
    assert refusal.reason == "token_missing"


def test_a_door_without_a_token_lets_nobody_in_by_an_empty_one() -> None:
    assert status(page_door(""), OUTSIDE, {"authorization": "Bearer "}) == 403


def test_who_is_sent_away_is_counted_by_door_and_reason() -> None:
    refused: dict[tuple[str, str], int] = {}
    door = Readers("pages", PRIVATE, refused, token=TOKEN, token_setting="JCMC_READ_TOKEN")
    for told in ({}, bearer(OTHER), bearer(OTHER), bearer(TOKEN)):
        door.refuse(scope(OUTSIDE, **told))
    assert refused == {
        ("pages", "address"): 0,
        ("pages", "token_missing"): 1,
        ("pages", "token_wrong"): 2,
    }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that demands a token for scrapes, and from readers outside."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_SCRAPE_TOKEN=TOKEN, JCMC_READ_TOKEN=OTHER) as running:
        yield running


def test_each_door_has_a_token_of_its_own(guarded: Service) -> None:
    def answers(path: str, *, outside: bool) -> list[int]:
        from_there = {"x-forwarded-for": OUTSIDE} if outside else {}
        told: list[dict[str, str]] = [{}, bearer(TOKEN), bearer(OTHER)]
        return [guarded.get(path, headers=from_there | each).status for each in told]

    assert answers("/metrics", outside=False) == [401, 200, 401]
    assert answers("/metrics", outside=True) == [403, 403, 403]
    assert answers("/openapi.json", outside=False) == [200, 200, 200]
    assert answers("/openapi.json", outside=True) == [401, 401, 200]
    assert answers("/client-file", outside=True) == [200, 200, 200]
    assert answers("/-/ready", outside=True) == [200, 200, 200]
    page = guarded.get("/metrics", headers=bearer(TOKEN)).body
    assert 'otel_jcmc_reads_refused_total{door="scrape",reason="address"} 3.0' in page
    assert 'otel_jcmc_reads_refused_total{door="scrape",reason="token_wrong"} 1.0' in page
    assert 'otel_jcmc_reads_refused_total{door="pages",reason="token_missing"} 1.0' in page
    assert TOKEN not in guarded.log.read_text() + page


def test_what_is_for_people_is_private_whatever_the_scrape_is(short_path: Path) -> None:
    with Service(short_path, ALLOW_PRIVATE_SCRAPE_ONLY="false") as service:
        outside = {"x-forwarded-for": OUTSIDE}
        assert service.get("/metrics", headers=outside).status == 200
        assert service.get("/openapi.json", headers=outside).status == 403
        assert service.get("/openapi.json").status == 200
