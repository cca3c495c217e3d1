"""The XMPP server of a conference: a real Prosody on loopback, in a folder of its own."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from bridge.component import READY
from e2e.parts import ROOT, is_open, missing, running
from harness import eventually
from ports import free_port

HERE = Path(__file__).parent
UNPACKED = ROOT / ".cache" / "prosody"

# The focus of calls of two, and the focus of conferences through a bridge, if one runs.
FOCUS: Final = "focus.meet.local"
BRIDGE_FOCUS: Final = "bridge.meet.local"
_SECRET: Final = "bridge"
BRIDGE: Final = "jvb-1"
REGION: Final = "region-1"

# Nobody logs in; mod_focus.lua replaces jicofo if no bridge is needed.
_CONFIG = Template("""
run_as_root = true
data_path = "$folder"
plugin_paths = { "$plugins" }
storage = "memory"
interfaces = { "127.0.0.1" }
http_interfaces = { "127.0.0.1" }
http_ports = { $port }
https_ports = {}
c2s_ports = {}
s2s_ports = {}
component_ports = { $component_port }
component_interfaces = { "127.0.0.1" }
modules_enabled = { "saslauth", "disco", "ping", "websocket" }
modules_disabled = { "s2s", "tls", "offline", "register" }
http_default_host = "meet.local"
consider_websocket_secure = true
cross_domain_websocket = true
log = { { levels = { min = "warn" }, to = "console" } }
VirtualHost "meet.local"
  authentication = "anonymous"
Component "conference.meet.local" "muc"
  modules_enabled = { "full" }
  muc_room_locking = false
  muc_room_default_public_jids = true
Component "$focus" "focus"
Component "$bridge_focus"
  component_secret = "$secret"
""")


class Prosody(NamedTuple):
    """A running Prosody: the URL of its WebSocket, and its port for components."""

    url: str
    component_port: int


@contextmanager
def running_prosody(folder: Path) -> Iterator[Prosody]:
    """Run a Prosody in *folder*."""
    found = shutil.which("prosody") or shutil.which("prosody", path=UNPACKED)
    binary = found or missing("prosody")
    port, component_port = free_port(), free_port()
    config = folder / "prosody.cfg.lua"
    values = {"folder": folder, "plugins": HERE, "port": port, "component_port": component_port}
    values |= {"focus": FOCUS, "bridge_focus": BRIDGE_FOCUS, "secret": _SECRET}
    config.write_text(_CONFIG.substitute(values))
    with running([binary, "--config", config, "-F"], folder / "log"):
        eventually(lambda: is_open(port) and is_open(component_port))
        yield Prosody(f"ws://127.0.0.1:{port}/xmpp-websocket", component_port)


@contextmanager
def running_bridge(prosody: Prosody, log: Path) -> Iterator[None]:
    """Run the stand-ins for jicofo and jitsi-videobridge at *prosody*, with a *log*."""
    asked = [str(prosody.component_port), _SECRET, BRIDGE_FOCUS, BRIDGE, REGION]
    command = [sys.executable, "-m", "bridge", *asked]
    with running(command, log, cwd=ROOT / "tests"):
        eventually(lambda: log.read_text().startswith(READY))
        yield
