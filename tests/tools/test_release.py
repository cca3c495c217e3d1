"""`make release`, in a repository of its own: what it makes, and what it leaves alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from otel_jcmc.version import __version__
from tools import release
from tools.package import PackageFault, build, check

ROOT = Path(__file__).parents[2]
NEXT = "123.0.1"


def git(at: Path, *words: str) -> str:
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *author, *words], cwd=at, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of what is tracked here, with one line to release."""
    there = tmp_path_factory.mktemp("release") / "repository"
    for name in git(ROOT, "ls-files").splitlines():
        if (ROOT / name).is_file():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, there / name)
    changelog = there / "CHANGELOG.md"
    text = changelog.read_text().replace(
        "## [Unreleased]\n", "## [Unreleased]\n\n### Added\n- A thing.\n"
    )
    changelog.write_text(text)
    git(there, "init", "--quiet", "--initial-branch", "main")
    # The release's own commands are to find an author too.
    git(there, "config", "user.name", "A")
    git(there, "config", "user.email", "a@example.org")
    git(there, "add", "--all")
    git(there, "commit", "--quiet", "--message", "all")
    return there


@pytest.fixture
def repository(copied: Path) -> Iterator[Path]:
    """Return it as it was."""
    first = git(copied, "rev-list", "--max-parents=0", "HEAD")
    yield copied
    git(copied, "checkout", "--quiet", "--force", "-B", "main", first)
    git(copied, "clean", "-xfdq")
    for tag in git(copied, "tag").splitlines():
        git(copied, "tag", "--delete", tag)


def released(repository: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tools.release", *words],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_command_leads_to_a_tag_and_a_wheel_that_has_served(repository: Path) -> None:
    before = git(repository, "rev-parse", "HEAD")
    done = released(repository, NEXT)
    assert done.returncode == 0, done.stderr
    assert sorted(each.name for each in (repository / "dist").iterdir()) == [
        f"otel_jcmc-{NEXT}-py3-none-any.whl",
        f"otel_jcmc-{NEXT}.tar.gz",
    ]
    assert git(repository, "rev-parse", f"v{NEXT}^{{commit}}", "main", "main~1").splitlines() == [
        *[git(repository, "rev-parse", "HEAD")] * 2,
        before,
    ]
    assert git(repository, "log", "-1", "--format=%s", "--name-only").splitlines() == [
        *(f"release: {NEXT}", "", "CHANGELOG.md", "otel_jcmc/version.py"),
    ]
    assert f'__version__ = "{NEXT}"' in (repository / "otel_jcmc" / "version.py").read_text()
    assert git(repository, "status", "--porcelain") == ""
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert f"git push origin main v{NEXT}" in done.stdout

    again = released(repository, NEXT)
    assert (again.returncode, again.stdout) == (1, "")
    assert "its tag is there" in again.stderr


def test_a_wheel_that_lacks_a_script_is_not_released(repository: Path) -> None:
    project = repository / "pyproject.toml"
    packages = 'packages = ["otel_jcmc"]\n'
    project.write_text(project.read_text().replace(packages, f'{packages}exclude = ["log.lua"]\n'))
    git(repository, "commit", "--quiet", "--all", "--message", "a fault")
    before = git(repository, "rev-parse", "HEAD")
    done = released(repository, NEXT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "lacks ['otel_jcmc/sessions/log.lua'], and has []" in done.stderr
    assert git(repository, "rev-parse", "HEAD") == before
    assert git(repository, "tag") == ""
    assert git(repository, "status", "--porcelain") == ""
    assert len(git(repository, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize(
    ("version", "why"),
    [("1.2", "is no version"), ("v1.2.3", "is no version"), ("0.0.1", "is older than"), ("", "no")],
)
def test_a_version_that_can_not_be_is_refused(repository: Path, version: str, why: str) -> None:
    done = released(repository, version)
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr


def test_a_release_is_of_what_is_committed(repository: Path) -> None:
    (repository / "README.md").write_text("other")
    (repository / "new.py").write_text("")
    done = released(repository, NEXT)
    assert done.returncode == 1
    assert "README.md" in done.stderr
    assert "new.py" in done.stderr


def test_a_release_is_made_on_main(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "other")
    done = released(repository, NEXT)
    git(repository, "checkout", "--quiet", "main")
    git(repository, "branch", "--delete", "other")
    assert done.returncode == 1
    assert "made on main, this is other" in done.stderr


def test_a_version_that_the_wheel_does_not_name_is_found(copied: Path, tmp_path: Path) -> None:
    built = build(copied, tmp_path, 1_800_000_000)
    check(built, __version__, copied)
    with pytest.raises(PackageFault, match=r"lacks \['otel_jcmc-9\.9\.9\.dist-info"):
        check(built, "9.9.9", copied)


CHANGELOG = "# Changelog\n\n## [Unreleased]\n{}\n## [0.1.0] - 2026-11-30\n\n- First.\n"


def test_the_date_stands_above_what_was_not_released() -> None:
    text = release.dated(CHANGELOG.format("\n- New.\n"), "0.2.0", date(2027, 1, 2))
    assert text == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2027-01-02\n\n- New.\n\n"
        "## [0.1.0] - 2026-11-30\n\n- First.\n"
    )
    assert release.day_of(text, "0.2.0") == int(datetime(2027, 1, 2, tzinfo=UTC).timestamp())


def test_a_heading_that_is_there_keeps_its_date() -> None:
    text = CHANGELOG.format("")
    assert release.dated(text, "0.1.0", date(2027, 1, 2)) == text


@pytest.mark.parametrize(
    ("version", "between", "why"),
    [("0.1.0", "\n- New.\n", "has its heading"), ("0.2.0", "", "nothing under")],
)
def test_a_changelog_that_does_not_fit_is_refused(version: str, between: str, why: str) -> None:
    with pytest.raises(release.NotReleased, match=why):
        release.dated(CHANGELOG.format(between), version, date(2027, 1, 2))


def test_the_changelogs_newest_version_is_the_packages() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert text.split("\n## [")[1].startswith("Unreleased]")
    assert text.split("\n## [")[2].startswith(f"{__version__}] - 20")
