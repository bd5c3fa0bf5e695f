"""A real browser for tests; those that need one are skipped, with the reason, where there is none."""

from contextlib import contextmanager

import pytest

from tests.pipeline.review_page.made import chromium

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def needed():
    """Playwright and the path of this machine's Chromium; the test is skipped where one is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install .[dev]")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on PATH: install chromium to run the browser's tests")
    return playwright, path


@contextmanager
def browser():
    """Chromium of this machine, headless."""
    playwright, path = needed()
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(found, address, *, width=1280, height=800, watch=None, **context):
    """A page of a fresh profile on the address; what its console calls an error fails the test."""
    context = found.new_context(viewport={"width": width, "height": height}, **context)
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    if watch is not None:
        page.on("response", lambda answer: watch.append(answer.url + (answer.text() if "/api/" in answer.url else "")))
    page.goto(address)
    page.wait_for_selector("#work > *")
    try:
        yield page
    finally:
        context.close()
    assert not faults
