"""catalogue/trouble.py: a fault is logged once for each change."""

import logging

import pytest

from otel_jcmc.catalogue.trouble import Trouble

log = logging.getLogger("otel_jcmc.test")


def test_it_is_said_when_it_begins_changes_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    trouble = Trouble(log, "store: refuses: %s", "store: takes again", logging.ERROR)
    for what in ("", "", "full", "full", "read-only", "", ""):
        trouble.update(what)
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("ERROR", "store: refuses: full"),
        ("ERROR", "store: refuses: read-only"),
        ("INFO", "store: takes again"),
    ]
    assert trouble.what == ""


def test_its_error_is_said_with_it(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("damaged")
    Trouble(log, "history: %s", "history: goes on").update(repr(error), error)
    assert caplog.records[0].exc_info == (ValueError, error, None)
