"""The audit of `make check` finds vulnerable packages, and distrusts an empty result."""

import re
from pathlib import Path

import pytest

from tools import audit

HASH = "--hash=sha256:" + "0" * 64


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """Return a list with a version of Starlette that has been found vulnerable."""
    path = tmp_path / "requirements.txt"
    path.write_text(f"h11==0.16.0 \\\n    {HASH}\nstarlette==0.49.0 \\\n    {HASH}\n")
    return path


def test_a_vulnerable_version_is_found(pinned: Path) -> None:
    with audit.serving(audit.known()["advisories"]) as service:
        found = audit.audit([pinned], service)
    assert found.returncode == 1
    named = {tuple(line.split()[:4]) for line in found.stdout.splitlines()}
    assert ("starlette", "0.49.0", "CVE-2025-62727", "0.49.1") in named
    # In which its own was mended.
    assert not [line for line in named if line[:1] == ("h11",)]


def test_all_lists_are_audited() -> None:
    """runtime and run are parts of dev; nobody but a test installs lowest."""
    there = set(audit.REQUIREMENTS.glob("*.txt"))
    assert there - set(audit.LISTS) == {
        audit.REQUIREMENTS / "runtime.txt",
        audit.REQUIREMENTS / "run.txt",
        audit.REQUIREMENTS / "lowest.txt",
    }
    pins = {
        path.name: set(re.findall(r"^[\w.-]+==[^ ;]+", path.read_text(), re.MULTILINE))
        for path in there
    }
    assert pins["runtime.txt"] <= pins["run.txt"] <= pins["dev.txt"]


def test_a_service_without_advisories_is_not_believed() -> None:
    with audit.serving([]) as empty:
        assert not audit.is_of_use(empty)
    with audit.serving(audit.known()["advisories"]) as service:
        assert audit.is_of_use(service)


def test_a_service_that_is_not_there_is_not_believed() -> None:
    with audit.serving([]) as gone:
        pass
    assert not audit.is_of_use(gone)


def test_what_is_not_audited_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with audit.serving([]) as empty:
        monkeypatch.setattr(audit, "SERVICES", (empty,))
        assert audit.python() == 0
    assert "NOT audited" in capsys.readouterr().out


def test_a_service_that_has_advisories_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pinned: Path
) -> None:
    with audit.serving(audit.known()["advisories"]) as service:
        monkeypatch.setattr(audit, "SERVICES", (service,))
        monkeypatch.setattr(audit, "LISTS", [pinned])
        assert audit.python() == 1
    said = capsys.readouterr().out
    assert "CVE-2025-62727" in said
    assert "NOT audited" not in said
