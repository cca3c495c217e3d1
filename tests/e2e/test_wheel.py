"""
The installed package: a wheel is built, installed into a virtual environment, and serves.

Its dependencies are those of the environment that runs the tests; the package itself comes only
from the wheel.
"""

import configparser
import io
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from e2e.parts import ROOT
from harness import Service, push_body

pytestmark = pytest.mark.xdist_group("e2e")

CLIENTS = [
    *("jmmc.js", "otel_jcmc.js"),
    *(f"parts/{part.name}" for part in (ROOT / "client" / "parts").iterdir()),
]


def run(*command: str | Path) -> str:
    """Run *command*, without a network for pip, and return its output."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", ".", "--wheel-dir", folder, "--quiet"),
        *("--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"),
    )
    (built,) = folder.glob("otel_jcmc-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment that has the wheel and, by a path, its dependencies."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home)
    python = home / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", wheel, "--quiet"),
        *("--no-deps", "--no-index", "--disable-pip-version-check"),
    )
    (site,) = home.glob("lib/python*/site-packages")
    # Only paths are added: .pth files there, also the editable install's, are not read.
    dependencies = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
    return home


def test_the_wheel_carries_what_the_package_reads_at_run_time(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
        (about,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        entry_points = configparser.ConfigParser()
        entry_points.read_file(io.TextIOWrapper(files.open(about), "utf-8"))
        clients = {name: files.read(f"otel_jcmc/client/{name}") for name in CLIENTS}
    assert clients == {name: (ROOT / "client" / name).read_bytes() for name in CLIENTS}
    assert {
        "otel_jcmc/store/participant.lua",
        "otel_jcmc/store/stays.lua",
        "otel_jcmc/jmmc/states.lua",
        "otel_jcmc/py.typed",
        "otel_jcmc/__main__.py",
    } <= names
    assert dict(entry_points["console_scripts"]) == {
        "otel-jcmc": "otel_jcmc.command.arguments:main"
    }
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"otel_jcmc"}


def test_an_installed_service_serves_the_wheels_own_client_file(
    installed: Path, short_path: Path
) -> None:
    """The installed copy has a mark, so that the source tree's file cannot be taken for it."""
    (copy,) = installed.glob("lib/python*/site-packages/otel_jcmc/client/served/otel_jcmc.js")
    marked = copy.read_text(encoding="utf-8") + 'console.debug("from the wheel");\n'
    copy.write_text(marked, encoding="utf-8")
    # Nothing comes from the source tree, and the only series are the participant's.
    service = Service(short_path, PYTHONPATH="", JCMC_SERIES="participants")
    service.command = [installed / "bin" / "otel-jcmc"]
    with service:
        client = service.get("/client-file")
        assert client.status == 200
        assert 'console.debug("from the wheel");' in client.body
        assert '"jitterMs":5000' in client.body
        # The script beside the code and the store's server are installed, too.
        assert service.push(push_body()).body == "OK"
        # The pushed values, the participant's info, and the verdict.
        assert len(service.series("jitsi_jcmc_")) == 15
