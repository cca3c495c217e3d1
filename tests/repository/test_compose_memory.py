"""The stores of the compose files have room for what the settings beside them may come to keep."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sizing import memory_advice

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "collector-config"


def services(env_file: str) -> dict[str, Any]:
    """Return the services of compose.yaml as *env_file* fills in its variables."""
    given = dotenv_values(CONFIG / env_file) if env_file else {}
    text = re.sub(
        r"\$\{(\w+):-([^}]*)\}",
        lambda found: given.get(found[1]) or found[2],
        (CONFIG / "compose.yaml").read_text(encoding="utf-8"),
    )
    return dict(yaml.safe_load(text)["services"])


def of_jitsi() -> dict[str, Any]:
    """Return the services of docs/jitsi.md, named as those of compose.yaml."""
    page = (ROOT / "docs" / "jitsi.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    told = yaml.safe_load(block)["services"]
    return {"otel_jcmc": told["otel-jcmc"], "valkey": told["otel-jcmc-store"]}


def bytes_of(command: str | list[str]) -> int:
    """Return the maxmemory of a server's command."""
    words = command.split() if isinstance(command, str) else command
    (mebibytes,) = re.findall(r"^(\d+)mb$", words[words.index("--maxmemory") + 1])
    return int(mebibytes) * 2**20


@pytest.mark.parametrize(
    "told",
    [services(""), services("everything.env"), of_jitsi()],
    ids=["alone", "everything", "jitsi"],
)
def test_the_store_has_room_for_all_that_the_service_may_keep(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it is full first, and pushes are refused that the service's own bounds let in."""
    for name, text in told["otel_jcmc"]["environment"].items():
        monkeypatch.setenv(name, "" if text is None else str(text))
    most_bytes = bytes_of(told["valkey"]["command"])
    assert memory_advice(Settings(), most_bytes, "noeviction") == []
