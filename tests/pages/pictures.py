"""
Takes the pictures of the pages in docs/pictures, in light and in dark: part of `make pictures`.

The simulated crowd of a story pushes to a running service, and a real browser shows the pages. This
takes three minutes.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Literal

from client.pages import running_chromium
from harness import Service, eventually
from PIL import Image
from playwright.sync_api import Page

PICTURES = Path(__file__).parents[2] / "docs/pictures"
HTML = {"accept": "text/html"}
STORY = ("--story", "region", "--interval", "2", "--for", "240", "--conferences", "24")
TOLD_SECONDS = 150
SCHEMES: dict[Literal["light", "dark"], str] = {"light": "", "dark": "-dark"}
COLOURS = 256


def main() -> None:
    """Run the story, and take a picture of each page in the middle of it."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        command = [sys.executable, "-m", "otel_jcmc", "simulate", *STORY]
        push_url = f"{service.url}/metrics/push"
        telling = subprocess.Popen([*command, "--url", push_url], stdout=subprocess.DEVNULL)
        try:
            service.get("/metrics")
            time.sleep(TOLD_SECONDS)
            eventually(lambda: "standing" in service.get("/live", headers=HTML).body)
            with running_chromium() as chromium:
                size = {"width": 1200, "height": 760}
                with closing(chromium.new_context(viewport=size, device_scale_factor=1)) as tab:  # type: ignore[arg-type]
                    draw(tab.new_page(), service.url)
        finally:
            telling.terminate()
            telling.wait()


def draw(page: Page, url: str) -> None:
    """Take a picture of each page of the service at *url*."""
    page.goto(f"{url}/live?state=bad")
    shoot(page, "live")
    page.locator("table.rooms a").first.click()
    page.wait_for_selector("tr.people")
    shoot(page, "live-conference")
    page.locator("tr.people tbody a").first.click()
    page.wait_for_load_state()
    shoot(page, "session")
    page.goto(f"{url}/live?state=bad")
    page.locator("table.rooms a").first.click()
    page.locator("tr.people a", has_text="History of this conference").click()
    page.wait_for_load_state()
    shoot(page, "conference")
    page.goto(f"{url}/sessions?sort=worst")
    shoot(page, "sessions")
    page.goto(f"{url}/")
    shoot(page, "first")


def shoot(page: Page, name: str) -> None:
    """Write what is visible of *page*, in light and in dark."""
    page.wait_for_timeout(1500)
    for scheme, suffix in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        drawn = Image.open(BytesIO(page.screenshot())).convert("RGB")
        # Pages have few colours, so a palette makes files a third of the size. The usual way to
        # choose one loses the colours of small signs.
        small = drawn.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
        small.save(PICTURES / f"page-{name}{suffix}.png", optimize=True)
    page.emulate_media(color_scheme="light")


if __name__ == "__main__":
    main()
