"""The pictures of the review page in docs/images, made from what the workflow left in data/: needs Chromium.

    python -m bench.review_pictures [folder]

Nothing of this workspace is written to but the folder: the page runs in a temporary one, as a reviewer named Ann.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.review import FLAGS

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PORT = ("--port", "0")
JUDGED = 12  # before the picture is taken, so that progress and time left have something to say
PACE_MS = 2000  # between two answers, about a person's


def main(target: Path) -> None:
    """Take all pictures."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("error: no Chromium on PATH: install chromium to take the pictures")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*FLAGS])
        with served("triplets") as address, page_of(browser, address, WIDE) as page:
            for number in range(JUDGED):
                page.wait_for_timeout(PACE_MS)
                page.keyboard.press("r" if number % 8 == 3 else "k")
                shown(page)
            take(page, target / "review-single.png")
            page.keyboard.press("g")
            page.locator(".cell").nth(3).click()
            page.keyboard.press("2")
            page.locator(".cell").nth(8).click()
            take(page, target / "review-grid.png")
        with served("triplets") as address, page_of(browser, address, PHONE) as page:
            take(page, target / "review-phone.png")
        with served("preference") as address, page_of(browser, address, WIDE) as page:
            page.keyboard.press("2")
            take(page, target / "review-preference.png")
        browser.close()


@contextmanager
def served(task: str) -> Iterator[str]:
    """The page's address, served from a copy of the settings and the data of this workspace, without verdicts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").symlink_to(ROOT / "data")
        shutil.copy(ROOT / "params.yaml", folder)
        server = subprocess.Popen(
            [sys.executable, "-m", "pipeline.review_page.command", task, "--reviewer", "Ann", "--no-browser", *PORT],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SUR_WORK": str(folder / "work")},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
            server.communicate()


@contextmanager
def page_of(browser: Any, address: str, size: dict[str, int]) -> Iterator[Any]:
    """A page of that size on the address."""
    context = browser.new_context(viewport=size, reduced_motion="reduce")
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("figure img")
    yield page
    context.close()


def shown(page: Any) -> None:
    """Wait until what was said is on the disk."""
    page.locator("#saved").get_by_text("Saved", exact=True).wait_for()


def take(page: Any, path: Path) -> None:
    """Write a picture of the page when everything on it is there."""
    page.wait_for_load_state("networkidle")
    page.evaluate("Promise.all([...document.images].map((picture) => picture.decode()))")
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
