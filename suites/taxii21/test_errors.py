"""Section 3.6: errors; and how the server is reached (8.2.2)."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from exchange import MEDIA, Collection, Json, body_of, check_media, expect
from requirements import must, should
from samples import indicator, new_id

_ERRORS: dict[str, Callable[[Collection], httpx.Response]] = {
    "unknown-object": lambda shared: shared.server.get(shared.at("objects", new_id("indicator"))),
    "unknown-collection": lambda shared: shared.server.get(f"collections/{uuid4()}/"),
    "unknown-status": lambda shared: shared.server.get(f"status/{uuid4()}/"),
    "bad-limit": lambda shared: shared.server.get(shared.at("objects"), {"limit": "x"}),
    "bad-body": lambda shared: shared.post(b"x"),
    "no-login": lambda shared: shared.server.get(shared.at("objects"), Authorization=None),
    "delete-unknown": lambda shared: shared.server.ask("DELETE", shared.at("objects", new_id("indicator"))),
}
_EACH = pytest.mark.parametrize("name", _ERRORS)
_TEXTS = ("title", "description", "error_id", "error_code", "http_status", "external_details")
_WRONG_METHODS = [
    ("POST", "collections/"),
    ("PUT", "collections/"),
    ("DELETE", "collections/"),
    ("POST", "manifest/"),
    ("PUT", "objects/"),
    ("DELETE", "objects/"),
    ("PATCH", "objects/"),
    ("POST", "objects/ID/"),
    ("PUT", "objects/ID/"),
    ("DELETE", "objects/ID/versions/"),
]
Ask = Callable[[], httpx.Response]


@pytest.fixture
def ask(shared: Collection, name: str, request: pytest.FixtureRequest) -> Ask:
    """Return what leads to an error; without a login there is none for want of it."""
    if name == "no-login":
        request.getfixturevalue("login")
    return lambda: _ERRORS[name](shared)


def _message(answer: httpx.Response) -> Json:
    expect(answer, 400, 401, 404, 422)
    return body_of(answer) if answer.content else {"title": ""}


@must("3.1")
@_EACH
def test_error_has_the_media_type(ask: Ask) -> None:
    """An error has the Content-Type of TAXII with its version."""
    check_media(ask())


@should("3.6")
@_EACH
def test_error_has_a_message(ask: Ask) -> None:
    """An error has a message in its body."""
    assert ask().content, "the body is empty"


@must("3.6.1")
@_EACH
def test_error_message_has_a_title(ask: Ask) -> None:
    """An error message has a title."""
    assert isinstance(_message(ask()).get("title"), str)


@must("3.6.1")
@_EACH
def test_error_message_is_well_formed(ask: Ask) -> None:
    """The texts of an error message are strings, and its details an object."""
    message = _message(ask())
    assert all(isinstance(message.get(name, ""), str) for name in _TEXTS), f"{message}"
    assert isinstance(message.get("details", {}), dict)


@must("3.6.1")
@_EACH
def test_error_message_has_the_status(ask: Ask) -> None:
    """The status in an error message, where it is given, is that of the answer."""
    answer = ask()
    assert _message(answer).get("http_status", str(answer.status_code)) == str(answer.status_code)


@should("3.6")
@_EACH
def test_error_tells_no_insides(ask: Ask) -> None:
    """An error tells nothing of the insides of the server."""
    text = ask().text
    assert not any(sign in text for sign in ("Traceback", "at java.", "SELECT ", "Exception in", "/site-packages/"))


@should("3.6")
@pytest.mark.parametrize(("method", "path"), _WRONG_METHODS, ids=[f"{method} {path}" for method, path in _WRONG_METHODS])
def test_wrong_method_is_refused(shared: Collection, method: str, path: str) -> None:
    """A method that an endpoint does not have is answered with 405, and Allow names those that it has."""
    url = shared.server.root + path if path == "collections/" else shared.url + path.replace("ID", new_id("indicator"))
    answer = expect(shared.server.ask(method, url, headers={"Content-Type": MEDIA}, content=b"{}"), 405)
    assert "GET" in answer.headers.get("Allow", ""), f"Allow is {answer.headers.get('Allow')!r}"


@must("3.6")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_wrong_method_changes_nothing(shared: Collection, method: str) -> None:
    """A method that a manifest does not have is refused, and changes nothing."""
    made = indicator()
    shared.add(made)
    answer = shared.server.ask(method, shared.at("manifest"), headers={"Content-Type": MEDIA}, content=b"{}")
    assert 400 <= answer.status_code < 500, f"{method} on a manifest answers {answer.status_code}"
    assert shared.ids("manifest", {"match[id]": made["id"]}) == [made["id"]]


@must("3.1")
@pytest.mark.parametrize("path", ["", "manifest", "objects"])
def test_missing_slash_is_harmless(shared: Collection, path: str) -> None:
    """A path without the slash at its end, which no client should ask for, is refused, redirected to it, or served."""
    answer = shared.server.get((shared.url + path).rstrip("/"))
    assert answer.status_code in {200, 301, 302, 307, 308, 400, 404}, f"it answers {answer.status_code}"


@must("8.2.2")
def test_server_speaks_https(shared: Collection) -> None:
    """The server is reached by HTTPS."""
    expect(shared.server.get(shared.server.root), 200)
    assert shared.server.root.startswith("https://"), f"{shared.server.root} is not HTTPS"


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(ssl.TLSVersion.TLSv1_2, marks=must("8.2.2"), id="1.2"),
        pytest.param(ssl.TLSVersion.TLSv1_3, marks=should("8.2.2"), id="1.3"),
    ],
)
def test_server_speaks_tls(shared: Collection, given: Any, pytestconfig: pytest.Config, version: ssl.TLSVersion) -> None:
    """The server takes TLS 1.2, and 1.3 as well."""
    if pytestconfig.hook.pytest_taxii_transport(config=pytestconfig) is not None:
        pytest.skip("the server is not reached by a network")
    context = httpx.create_ssl_context()
    if given.taxii_ca:
        context.load_verify_locations(given.taxii_ca)
    context.minimum_version = context.maximum_version = version
    answer = httpx.get(shared.server.discovery, headers={"Accept": MEDIA}, verify=context, timeout=30)
    assert answer.status_code < 500
