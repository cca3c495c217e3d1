"""
Builds the wheel and the source distribution, and checks both as their users meet them.

The build backend is the one that requirements/ pins, and so is what the wheel is installed with.
"""

import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2
from packaging.metadata import Metadata

_UV: Final = Path(sys.executable).with_name("uv")
_CLIENT: Final = ("jmmc.js", "otel_jcmc.js", "parts", "served")
_START_SECONDS: Final = 30
# What the installed service gets of this shell: no setting, and no folder to import from.
_BARE: Final = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


class PackageFault(Exception):
    """What was built is not as it should be: the text says what."""


def run(*command: str | Path, at: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Run *command* at *at* and return what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=at,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise PackageFault(f"{words}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(tree: Path, out: Path, day: int) -> list[Path]:
    """Build *tree* into *out* as of *day*, in seconds since 1970; return wheel and sdist."""
    words = ("build", "--quiet", "--python", sys.executable, "--no-build-isolation", "--offline")
    dated = {**os.environ, "SOURCE_DATE_EPOCH": str(day)}
    run(_UV, *words, "--out-dir", out, at=tree, environment=dated)
    return [next(out.glob("*.whl")), next(out.glob("*.tar.gz"))]


def check(built: Sequence[Path], version: str, tree: Path) -> None:
    """Raise PackageFault where a file lacks, is one too many, or the metadata is wrong."""
    wheel, sdist = built
    tracked = set(run("git", "ls-files", at=tree).splitlines())
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    compare(sdist.name, names, tracked | {"PKG-INFO"})
    about = f"otel_jcmc-{version}.dist-info"
    with zipfile.ZipFile(wheel) as files:
        compare(
            wheel.name,
            set(files.namelist()),
            {name for name in tracked if name.startswith("otel_jcmc/")}
            | {
                f"otel_jcmc/{name}"
                for name in tracked
                if name.startswith("client/") and name.split("/")[1] in _CLIENT
            }
            | {f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
            | {f"{about}/licenses/LICENSE"},
        )
        text = files.read(f"{about}/METADATA")
    try:
        metadata = Metadata.from_email(text)
    except ExceptionGroup as wrong:
        raise PackageFault(f"{wheel.name}: {wrong.exceptions}") from wrong
    if str(metadata.version) != version or metadata.license_expression != "Apache-2.0":
        raise PackageFault(f"{wheel.name} names another version or licence")


def compare(name: str, has: set[str], wants: set[str]) -> None:
    """Raise PackageFault where *has* and *wants* are not the same files."""
    if has != wants:
        raise PackageFault(f"{name} lacks {sorted(wants - has)}, and has {sorted(has - wants)}")


def try_out(wheel: Path, version: str, tree: Path) -> None:
    """Install *wheel* with the pinned versions into an empty environment and use it there."""
    with tempfile.TemporaryDirectory(prefix="installed-") as folder:
        home = Path(folder)
        run(_UV, "venv", "--quiet", "--python", sys.executable, "here", at=home)
        install = (_UV, "pip", "install", "--quiet", "--python", "here/bin/python")
        lock = tree / "requirements" / "run.txt"
        run(*install, "--require-hashes", "--requirement", lock, at=home)
        run(*install, "--no-deps", "--offline", wheel, at=home)
        command = home / "here" / "bin" / "otel-jcmc"
        said = run(command, "--version", at=home, environment=_BARE).strip()
        if said != f"otel-jcmc {version}":
            raise PackageFault(f"--version says {said!r}")
        run(command, "check", at=home, environment=_BARE)
        serve(command, home, (tree / "tests" / "golden" / "whole.push.json").read_bytes())


def serve(command: Path, home: Path, push: bytes) -> None:
    """Start the service, send *push* and scrape it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (home / "log").open("wb")
    # A store of its own: another service may use the usual folder.
    own = {"JCMC_HOST": "127.0.0.1", "JCMC_PORT": str(port), "JCMC_EMBEDDED_DIR": str(home / "s")}
    settings = _BARE | own
    with (
        log,
        subprocess.Popen([command, "serve"], cwd=home, env=settings, stdout=log, stderr=log) as one,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        try:
            wait_until_ready(client, one)
            client.post("/metrics/push", content=push).raise_for_status()
            text = client.get("/metrics").raise_for_status().text
        except httpx2.HTTPError as fault:
            raise PackageFault(f"serve: {fault}\n{(home / 'log').read_text()}") from fault
        finally:
            one.terminate()
    room = json.loads(push)["default_labels"]["roomname"]
    if f'roomname="{room}"' not in text:
        raise PackageFault("what was pushed is not in the scrape")


def wait_until_ready(client: httpx2.Client, service: "subprocess.Popen[bytes]") -> None:
    """Return when the service takes pushes; raise the last fault where it does not in time."""
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.get("/-/ready").raise_for_status()
        except httpx2.HTTPError:
            if service.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
