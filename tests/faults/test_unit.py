"""The shipped systemd unit: what systemd says of it, and the service under its restrictions."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from harness import Service, eventually, push_body
from otlp_sink import OtlpSink
from restricted import allowed_by, settings_of
from workers import processes_of

from otel_jcmc.config.settings import Settings
from otel_jcmc.server.ending import GRACE_SECONDS
from otel_jcmc.server.relay import MOST_RELAYED
from otel_jcmc.server.supervisor import KILL_SECONDS

pytestmark = pytest.mark.xdist_group("faults-unit")

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "otel-jcmc@.service"
LAUNCHER = Path(__file__).parents[1] / "helpers" / "restricted.py"
# The score that systemd 252 gives, out of 10; the rest is the network, which the service needs.
MOST_EXPOSED = 1.5


def analyze(*words: str | Path) -> tuple[int, str]:
    """Run systemd-analyze; return exit code and output."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.fail("systemd-analyze is missing: run tests/real-parts.sh", pytrace=False)
    done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_systemd_has_nothing_to_say_of_the_unit(tmp_path: Path) -> None:
    """Its only complaint is the missing program; a copy of the unit names another one."""
    text, times = re.subn("(?m)^ExecStart=[^ ]*", f"ExecStart={sys.executable}", UNIT.read_text())
    assert times == 1
    copy = tmp_path / "otel-jcmc@3000.service"
    copy.write_text(text)
    assert analyze("verify", "--man=no", copy) == (0, "")


def test_the_unit_is_as_little_exposed_as_it_says() -> None:
    code, said = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", UNIT)
    assert code == 0, said
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found
    assert float(found[1]) <= MOST_EXPOSED


def test_the_unit_waits_as_long_as_the_service_takes_to_end() -> None:
    """With workers: workers are killed, then the reading process; then the store ends."""
    settings = settings_of(UNIT)
    assert int(settings["TimeoutStopSec"][0]) > 2 * KILL_SECONDS > GRACE_SECONDS + 10
    assert settings["KillMode"] == ["mixed"]
    assert settings["Type"] == ["notify"]


def test_the_unit_has_files_for_all_connections() -> None:
    files = int(settings_of(UNIT)["LimitNOFILE"][0])
    assert files > 2 * (Settings(_env_file=None).limit_connections + MOST_RELAYED)


def test_calls_that_need_rights_are_none_of_the_service() -> None:
    allowed = allowed_by(settings_of(UNIT))
    assert {"read", "sendto", "prlimit64", "clone", "execve"} <= allowed
    assert not {"mount", "ptrace", "bpf", "chown", "setuid", "reboot", "init_module"} & allowed


def test_the_service_runs_whole_under_the_units_restrictions(short_path: Path) -> None:
    """With all that it starts: workers, the embedded store, and the OTLP exporter's process."""
    with OtlpSink() as sink:
        told = {
            "JCMC_WORKERS": "2",
            "OTEL_METRICS_EXPORTER": "prometheus,otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": "/tmp",
        }
        service = Service(short_path, **told)
        del service.environ["JCMC_EMBEDDED_DIR"]
        service.command = [sys.executable, LAUNCHER, UNIT, sys.executable, "-m", "otel_jcmc"]
        with service:
            # Two workers and the reading process; the store and the exporter.
            eventually(lambda: len(processes_of(service)) == 5)
            everyone = [psutil.Process(service.pid), *processes_of(service)]
            for each in everyone:
                status = Path(f"/proc/{each.pid}/status").read_text()
                assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
                assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
                for name in ("CapPrm", "CapEff", "CapBnd"):
                    assert re.search(rf"^{name}:\t0+$", status, re.MULTILINE), status
                mounts = Path(f"/proc/{each.pid}/mountinfo").read_text()
                assert re.search(r"^(?:\S+ ){4}/ ro,", mounts, re.MULTILINE), mounts
            assert service.push(push_body("restricted")).body == "OK"
            assert 'participant_id="restricted"' in service.get("/metrics").body
            eventually(lambda: sink.points("jitsi_"))
            assert service.stop() == 0
    assert not [line for line in service.said() if " INFO " not in line]


def test_what_the_unit_refuses_is_refused(short_path: Path) -> None:
    """This shows that the test before proves something."""
    tries = """
import mmap, os, socket, sys
def fails(what):
    try: what()
    except (OSError, PermissionError): return
    sys.exit("nobody refuses")
fails(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
fails(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
fails(lambda: os.chown("/tmp", 0, 0))
fails(lambda: open(sys.argv[1], "w"))
open("/tmp/mine", "w")
"""
    command: list[str | Path] = [sys.executable, LAUNCHER, UNIT, sys.executable]
    command += ["-c", tries, short_path / "file"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
