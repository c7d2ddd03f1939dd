"""A visit to a page in the browser, on which everything that must not happen is noted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", (event) => window.refused.push(event.violatedDirective + " " + event.blockedURI));
"""


@dataclass
class Visit:
    """A page, and what went wrong on it: messages, errors, dialogues, requests beyond the page itself."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return what went wrong, with what the page's policy refused."""
        return self.wrong + [f"refused {item}" for item in self.page.evaluate("window.refused")]


@contextmanager
def visiting(browser: Any, path: Path, **options: Any) -> Iterator[Visit]:
    """Open a page, and close it in the end."""
    settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", "color_scheme": "light"}
    context = browser.new_context(**settings | options)
    page = context.new_page()
    visit = Visit(page)
    page.add_init_script(WATCH)
    page.on("dialog", lambda dialog: (visit.wrong.append(f"dialogue {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: visit.wrong.append(f"console {message.text}"))
    page.on("pageerror", lambda error: visit.wrong.append(f"error {error}"))
    page.on("request", lambda sent: sent.url.startswith(path.as_uri()) or visit.wrong.append(f"request {sent.url}"))
    page.on("popup", lambda other: visit.wrong.append(f"window {other.url}"))
    try:
        page.goto(path.as_uri())
        yield visit
    finally:
        context.close()


__all__ = ["Visit", "visiting"]
