"""The XMPP server of a conference: a real Prosody on loopback, in a folder of its own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from e2e.parts import ROOT, is_open, missing, running
from harness import eventually
from ports import free_port

HERE = Path(__file__).parent
UNPACKED = ROOT / ".cache" / "prosody"

# Nobody logs in; mod_focus.lua stands for jicofo.
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
Component "focus.meet.local" "focus"
""")


@contextmanager
def running_prosody(folder: Path) -> Iterator[str]:
    """Run a Prosody in *folder*; the URL of its WebSocket."""
    found = shutil.which("prosody") or shutil.which("prosody", path=UNPACKED)
    binary = found or missing("prosody")
    port = free_port()
    config = folder / "prosody.cfg.lua"
    config.write_text(_CONFIG.substitute(folder=folder, plugins=HERE, port=port))
    with running([binary, "--config", config, "-F"], folder / "log"):
        eventually(lambda: is_open(port))
        yield f"ws://127.0.0.1:{port}/xmpp-websocket"
