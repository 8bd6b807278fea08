"""A browser for the tests of the player; they are skipped where there is none."""

from __future__ import annotations

import pytest

from tests.teaching.pages_in_a_browser import Window, launched


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright to drive a browser")
    with sync_api.sync_playwright() as playwright:
        found = launched(playwright)
        yield found
        found.close()


@pytest.fixture
def show(browser):
    """A function that opens the page of a player."""
    windows = []

    def opened(player, **options):
        windows.append(Window(browser, getattr(player, "html", player), **options))
        return windows[-1].page

    yield opened
    for window in windows:
        window.close()
