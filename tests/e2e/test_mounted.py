"""The client file of a mounted service, in a real browser: it finds its way below the mount."""

from pathlib import Path

import pytest
from e2e.conftest import Sit
from e2e.meeting import recorded
from harness import eventually
from hosting import Host

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.mark.parametrize("auth", ["none", "token"])
def test_pages_push_to_where_the_file_came_from(sit: Sit, short_path: Path, auth: str) -> None:
    """And get their tokens there; a host with CORS for all it serves answers their preflights."""
    with Host(short_path, JCMC_PUSH_AUTH=auth, ORIGIN="*") as host:
        ada = sit(f"{host.url}/jitsi-metrics")
        ada.join("ada00001", "standup")
        ada.replay(recorded("head-jvb-vp8-360", 1))

        def is_there() -> bool:
            return "ada00001" in host.get("/jitsi-metrics/metrics").body

        eventually(is_there)
        ada.leave_room()
        eventually(lambda: not is_there())
