"""crowds/matrices.py: docs/verdict-matrices.md agrees with its results."""

from crowds.matrices import CROWDS, PAGE, page, read


def test_the_page_is_made_of_the_results() -> None:
    assert page(read()) == PAGE.read_text("utf-8")


def test_the_results_have_every_crowd() -> None:
    results = read()
    for part in ("told", "held"):
        assert set(results[part]) == {crowd.name for crowd in CROWDS}


def test_a_cell_is_recall_and_precision_and_bold_where_one_misses() -> None:
    kept = {
        "causes": [["outage", "outage", 9], ["outage", "none", 1], ["none", "outage", 1]],
        "harmed": [["outage", "outage", 9]],
        "ours": [],
        "originals": [],
        "whole": [["outage", "outage", 9], ["outage", "none", 11]],
        "scopes": [],
        "standing": [],
        "unknowable": 0,
    }
    made = page({"told": {"20 rooms": kept}})
    assert "| `outage` | 90 / **90** (10) |" in made
    assert "| `downlink` | - |" in made
    assert "| `outage` | that show any harm | 100 (9) |" in made
    assert "| `outage` | all, also where the page can't see it | **45** (20) |" in made
    assert "at our pages" not in made


def test_the_quiet_hour_kept_its_promise() -> None:
    quiet = read()["quiet"]
    assert quiet["people"] >= 10_000
    assert quiet["looks"] == 360
    assert quiet["conferences"] * 10_000 <= quiet["conference_looks"]
    assert quiet["longest"] < 3
    assert quiet["wide"] == 0
