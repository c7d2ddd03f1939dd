"""Run the suite of TAXII 2.1 against the server in memory: right, then with each of its faults; print the outcomes as JSON.

It is a program of its own, as the suite brings its own `conftest`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from threading import RLock
from typing import Any

import httpx
import pytest
from faulty_taxii import COLLECTIONS, FAULTS, TOKEN, FaultyTaxii
from starlette.types import ASGIApp, Message

SUITE = Path(__file__).resolve().parents[2] / "suites" / "taxii21"
URL = "https://taxii.example/taxii2/"


class InMemory(httpx.BaseTransport):
    """Leads requests to an application that never waits, so that no event loop is needed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lock = RLock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        body = request.read()
        sent: list[Message] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (request.url.host, 443),
            "client": ("127.0.0.1", 1),
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        with self._lock:
            _finish(self._app(scope, receive, send))
        content = b"" if request.method == "HEAD" else b"".join(item.get("body", b"") for item in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content)


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits to its end."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("the application waits for something")


class Plugin:
    """Gives the suite its way to the server, and keeps the outcomes of its cases."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_taxii_transport(self, config: pytest.Config) -> httpx.BaseTransport:
        """Return the way to the server."""
        return self._transport

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of a case: passed, skipped, failed, unmet for a SHOULD, or error when it could not be tried."""
        if report.when == "call" or report.outcome != "passed":
            outcome = "error" if report.when != "call" and report.failed else report.outcome
            self.outcomes[report.nodeid.partition("::")[2]] = "unmet" if hasattr(report, "wasxfail") else outcome


def run(*faults: str, only: str = "", few: bool = False) -> dict[str, str]:
    """Return the outcome of each case of the suite, or of those whose name contains `only`, for a server with faults.

    With `few`, no collection is named but the one that has to be, and no case may do harm.
    """
    plugin = Plugin(InMemory(FaultyTaxii(*faults).app()))
    names = list(zip(("", "read-only-", "write-only-", "hidden-"), COLLECTIONS, strict=True))
    options = [f"--taxii-url={URL}", f"--taxii-token={TOKEN}", *(["--gentle"] if few else [])]
    options += [] if few else ["--taxii-user=user", f"--taxii-password={TOKEN}"]
    options += [f"--{kind}collection={name}" for kind, name in names[: 1 if few else None]]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([str(SUITE), "-q", f"--rootdir={SUITE}", *options, *(["-k", only] if only else [])], plugins=[plugin])
    return plugin.outcomes


def main() -> None:
    """Print the outcomes without a fault (empty), with few options, and for each fault those of the case that finds it."""
    found = {"": run()}
    found["without options"] = run(few=True)
    found |= {fault: run(fault, only=case) for fault, case in FAULTS.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
