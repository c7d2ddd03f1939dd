"""The page on paper: Chromium, where it is installed, prints it as PDF, in a folder of its own and without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tocsin.errors import OutputError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT_S: Final = 300
_OPTIONS: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--proxy-server=127.0.0.1:9",
    "--no-pdf-header-footer",
)
"""The proxy is one that nobody serves: the browser reaches nothing, whatever it would want to."""


def find_browser() -> str:
    """Return the path of the browser. Raises: OutputError O003 without one."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        raise OutputError("O003", f"a PDF needs one of {', '.join(BROWSERS)} on PATH", hint="apt-get install chromium")
    return path


def print_pdf(browser: str, page: Path) -> bytes:
    """Return the PDF of a page. Raises: OutputError O003 when the browser fails or takes too long."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        pdf = Path(folder) / "report.pdf"
        options = [*_OPTIONS, *(("--no-sandbox",) if os.geteuid() == 0 else ())]
        command = [browser, *options, f"--user-data-dir={folder}/profile", f"--print-to-pdf={pdf}", page.resolve().as_uri()]
        try:
            done = subprocess.run(  # noqa: S603 - a browser found on PATH, with arguments of our own
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise OutputError("O003", f"{browser}: printed nothing within {_TIMEOUT_S} s") from error
        if done.returncode or not pdf.is_file():
            told = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise OutputError("O003", f"{browser}: printed nothing (exit {done.returncode}): {told}")
        return pdf.read_bytes()


__all__ = ["BROWSERS", "find_browser", "print_pdf"]
