"""What runs before a commit is what `make check` runs, with the project's own tools."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".pre-commit-config.yaml"
(LOCAL,) = yaml.safe_load(CONFIG.read_text())["repos"]
HOOKS: list[dict[str, Any]] = LOCAL["hooks"]
PRE_COMMIT = (sys.executable, "-m", "pre_commit")


def checked() -> list[str]:
    """Return the commands of `make check` up to the audit, as they are run."""
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = recipe[1].replace("$(BIN)", ".venv/bin").replace("$(NODE)", "node_modules/.bin")
    quick, _, _ = commands.partition("\t@")
    return [line.strip() for line in quick.splitlines()]


def test_the_hooks_run_what_make_check_runs_first() -> None:
    assert [hook["entry"] for hook in HOOKS] == checked()


def test_nothing_is_installed_beside_the_projects_own_tools() -> None:
    assert LOCAL["repo"] == "local"
    assert {(hook["language"], hook["pass_filenames"]) for hook in HOOKS} == {("system", False)}


@pytest.mark.parametrize(
    ("hook", "name", "text"),
    [
        ("ruff-format", "fault.py", "a = ( 1 )\n"),
        ("ruff-check", "fault.py", "import os\n"),
        ("typos", "fault.md", "Recieved.\n"),
    ],
)
def test_a_fault_stops_a_commit(tmp_path: Path, hook: str, name: str, text: str) -> None:
    for each in (".pre-commit-config.yaml", "pyproject.toml", "typos.toml", "README.md"):
        (tmp_path / each).write_bytes((ROOT / each).read_bytes())
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*git, "add", "README.md", "*.toml"], cwd=tmp_path, check=True)
    well = subprocess.run([*PRE_COMMIT, "run", hook], cwd=tmp_path, check=False)
    (tmp_path / name).write_text(text)
    subprocess.run([*git, "add", name], cwd=tmp_path, check=True)
    bad = subprocess.run(
        [*PRE_COMMIT, "run", hook], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (well.returncode, bad.returncode) == (0, 1)
    assert name in bad.stdout
