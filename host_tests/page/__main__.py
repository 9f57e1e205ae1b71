"""Make the pictures of the page that the documentation shows: `make pictures`.

A real run each time, so that no picture shows what the page does not. Written to docs/pictures/.
"""

import pathlib
import sys
import tempfile

from PIL import Image

from host_tests.conftest import ROOT
from host_tests.page.live import NO_BROWSER, Live, find_browser

FOLDER = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000
_VIEW = {"width": 1360, "height": 900}
_SETTLE_MS = 900


def shrink(path: pathlib.Path) -> None:
    """In place: 192 colours are enough for a page."""
    Image.open(path).convert("RGB").quantize(192, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def shoot(page, name: str) -> None:
    page.wait_for_timeout(_SETTLE_MS)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    shrink(path)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} KiB")


def make(live: Live, browser) -> None:
    page = browser.new_page(viewport=_VIEW, color_scheme="light")
    page.goto(live.address)
    live.wait(lambda scene: len(scene["cloud"]) >= 1 and scene["says"]["code"] == "recording")
    shoot(page, "page-recording")
    live.wait_open()
    live.turn("speech")
    live.turn("outage")
    live.take(6.0)
    live.wait(lambda scene: live.said("outage"))
    page.locator(".clip").last.click()
    page.set_viewport_size({"width": 1360, "height": 1040})
    shoot(page, "page-outage")
    live.turn("outage", False)
    live.wait_idle()
    page.close()
    dark = browser.new_page(viewport=_VIEW, color_scheme="dark")
    dark.goto(live.address)
    live.turn("slow")
    live.take(12.0)
    live.wait(lambda scene: any(0.2 < clip["progress"] < 0.6 for clip in scene["clips"]))
    shoot(dark, "page-dark")
    live.turn("slow", False)


def main() -> int:
    path = find_browser()
    if path is None:
        print(f"pictures: {NO_BROWSER}", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        live = Live(pathlib.Path(folder) / "simulate", "--keep", "--speed", "8")
        try:
            make(live, browser)
        finally:
            live.stop()
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
