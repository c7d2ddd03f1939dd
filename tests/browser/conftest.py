"""A browser for tests of pages: Debian's Chromium, found on PATH. Without it these tests skip, and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tocsin.reports.paper import BROWSERS


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a browser without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (the group 'test' has it)")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on PATH (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=path, args=options)
        yield started
        started.close()
