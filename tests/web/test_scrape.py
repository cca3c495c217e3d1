"""web/scrape.py: the pages that are parts of /metrics."""

from itertools import chain

import pytest
from exposition import Sample, promtool_complaints, samples, scraped
from harness import Service, push_body

PAGES = ("/metrics/participants", "/metrics/verdicts", "/metrics/service")


def families(service: Service, page: str) -> set[str]:
    """Return the families of the series on a *page*."""
    return {
        kind_of(each.name)
        for each in scraped(service, page)
        if each.name.startswith(("otel_jcmc_", "jitsi_jcmc_"))
    }


def kind_of(name: str) -> str:
    """Return the kind of a series with this *name*."""
    levels = ("conference", "bridge", "region", "fleet", "standing_out")
    if name.startswith("otel_jcmc_"):
        return "own"
    if name.startswith("jitsi_jcmc_fleet_") and name.endswith(("_bucket", "_sum", "_count")):
        return "histogram"
    return "level" if name[11:].startswith(levels) else "one"


def test_each_page_has_one_kind_and_together_they_are_everything(
    shared_service: Service, room: str
) -> None:
    shared_service.push(push_body(conference=room))
    found = [families(shared_service, page) for page in PAGES]
    assert found == [{"one"}, {"level"}, {"own", "histogram"}]
    assert families(shared_service, "/metrics") == {"one", "level", "own", "histogram"}


def test_the_shares_of_participants_are_all_of_them_once(
    shared_service: Service, room: str
) -> None:
    rooms = {f"{room}-{number}" for number in range(12)}
    for each in rooms:
        shared_service.push(push_body(conference=each))

    def found(share: str) -> list[Sample]:
        page = f"/metrics/participants?partition={share}"
        return [each for each in scraped(shared_service, page) if each.labels["roomname"] in rooms]

    whole = found("1/1")
    for of in (2, 3, 4):
        shares = [found(f"{number + 1}/{of}") for number in range(of)]
        assert all(len(each) < len(whole) for each in shares)
        assert sorted(map(str, chain.from_iterable(shares))) == sorted(map(str, whole))


@pytest.mark.parametrize("share", ["0/1", "2/1", "5/4", "1/5", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_share_is_said_to_be_none(shared_service: Service, share: str) -> None:
    answer = shared_service.get(f"/metrics/participants?partition={share}")
    assert (answer.status, answer.body) == (
        400,
        "partition must be k/n, the kth of n shares: n is 1 to 4; 1/1 is all\n",
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_in_the_format_that_is_asked_for(
    shared_service: Service, room: str, page: str
) -> None:
    shared_service.push(push_body(conference=room))
    answer = shared_service.get(page, headers={"accept": "application/openmetrics-text"})
    assert answer.body.endswith("# EOF\n")
    assert samples(shared_service.get(page).body) != []


@pytest.mark.parametrize("page", PAGES[1:])
def test_promtool_is_content_with_what_no_original_has_named(
    shared_service: Service, page: str
) -> None:
    assert promtool_complaints(shared_service.get(page).body) == ""


@pytest.mark.parametrize("page", PAGES)
def test_who_may_not_scrape_sees_no_page(shared_service: Service, page: str) -> None:
    answer = shared_service.get(page, headers={"x-forwarded-for": "203.0.113.9"})
    assert answer.status == 403
