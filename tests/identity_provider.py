"""A provider of OpenID Connect that runs here: Canaille, with its own database, pages and keys.

`make .venv-identity/installed` installs it in an environment of its own; TOCSIN_TEST_CANAILLE names another one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from joserfc.jwk import RSAKey

from node_samples import ROOT

PROGRAM = Path(os.environ.get("TOCSIN_TEST_CANAILLE", ROOT / ".venv-identity" / "bin" / "canaille"))
SECRET = "secret-of-the-node"
PASSWORD = "correct-horse-battery"
_START_S = 60
_CONFIGURATION = """\
SECRET_KEY = "of a test"
SERVER_NAME = "{host}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
JAVASCRIPT = false
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
[CANAILLE_OIDC]
ACTIVE_JWKS = [{{{key}}}]
[CANAILLE.ACL.DEFAULT]
PERMISSIONS = ["edit_self", "use_oidc"]
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Provider:
    """A provider that runs, and its command line."""

    folder: Path
    issuer: str

    def run(self, *arguments: str) -> str:
        """Run a command of Canaille and return what it prints."""
        environment = {**os.environ, "CANAILLE_CONFIG": str(self.folder / "canaille.toml"), "PYTHONPATH": ""}
        done = subprocess.run(
            [PROGRAM, *arguments], env=environment, capture_output=True, text=True, cwd=self.folder, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def person(self, name: str, full: str) -> str:
        """Make somebody who can log in, and return the id by which groups know them."""
        made = self.run(
            *("create", "user", "--user-name", name, "--password", PASSWORD, "--formatted-name", full),
            *("--family-name", full.split()[-1], "--emails", f"{name}@example.org"),
        )
        return str(json.loads(made)["user_name"])


@contextmanager
def provider(folder: Path, back: str, groups: dict[str, dict[str, str]]) -> Iterator[Provider]:
    """Give a provider that knows a node, which people come back to, and people by groups: their names by their accounts."""
    if not PROGRAM.is_file():
        reason = f"{PROGRAM} is not there: make .venv-identity/installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    port = free_port()
    found = Provider(folder, f"http://127.0.0.1:{port}")
    key = ", ".join(f'{name}="{value}"' for name, value in RSAKey.generate_key(2048).as_dict(private=True).items())
    (folder / "canaille.toml").write_text(_CONFIGURATION.format(host=f"127.0.0.1:{port}", folder=folder, key=key))
    found.run("install")
    for group, people in groups.items():
        members = [option for name, full in people.items() for option in ("--members", found.person(name, full))]
        found.run("create", "group", "--display-name", group, *members)
    client = found.run(
        *("create", "client", "--client-id", "tocsin", "--client-secret", SECRET, "--client-name", "Tocsin"),
        *("--redirect-uris", back, "--grant-types", "authorization_code", "--response-types", "code"),
        *("--scope", "openid", "--scope", "profile", "--scope", "groups"),
        *("--token-endpoint-auth-method", "client_secret_basic"),
    )
    name = json.loads(client)["id"]
    found.run("set", "client", name, "--audience", name)
    environment = {**os.environ, "CANAILLE_CONFIG": str(folder / "canaille.toml"), "PYTHONPATH": ""}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [PROGRAM, "run", "--bind", f"127.0.0.1:{port}"], env=environment, cwd=folder, stdout=log, stderr=log
        )
        try:
            _await(found, server)
            yield found
        finally:
            server.terminate()
            server.wait(30)


def _await(found: Provider, server: subprocess.Popen[bytes]) -> None:
    """Return when the provider answers."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{found.issuer}/.well-known/openid-configuration").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail((found.folder / "log").read_text())


class _Forms(HTMLParser):
    """The forms of a page: action, method, fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, or a field of the last one."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((found.get("action", ""), found.get("method", "get"), {}))
        elif tag in {"input", "button"} and self.forms and found.get("name"):
            self.forms[-1][2].setdefault(found["name"], found.get("value", ""))


def post_form(browser: httpx.Client, page: httpx.Response, has: str, **values: str) -> httpx.Response:
    """Send the form of a page that has a field, as a browser sends it, and return the page that it leads to."""
    for action, _, fields in _Forms(page.text).forms:
        if has in fields:
            return browser.post(urljoin(str(page.url), action), data=fields | values, headers={"Referer": str(page.url)})
    return pytest.fail(f"no form with {has} at {page.url}:\n{page.text}")


__all__ = ["PASSWORD", "PROGRAM", "SECRET", "Provider", "free_port", "post_form", "provider"]
