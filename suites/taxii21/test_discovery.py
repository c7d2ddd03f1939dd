"""Section 4: discovery and API roots."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from exchange import MEDIA, Server, body_of, check_media, expect
from requirements import must, should


@must("4.1", "3.2.1")
def test_discovery_is_answered(server: Server) -> None:
    """The discovery URL answers 200 with a discovery resource."""
    assert "title" in body_of(expect(server.get(server.discovery), 200))


@must("8.2.1")
def test_discovery_is_at_the_root_of_the_server(server: Server) -> None:
    """The path of the discovery URL is /taxii2/ and nothing else."""
    path = httpx.URL(server.discovery).path
    expect(server.get(str(httpx.URL(server.discovery).join("/taxii2/"))), 200)
    assert path == "/taxii2/", f"discovery was asked for at {path}"


@must("4.1.1")
def test_discovery_has_a_title(server: Server) -> None:
    """The title of the server is there and is text."""
    assert isinstance(body_of(server.get(server.discovery)).get("title"), str)


@must("4.1.1")
@pytest.mark.parametrize("name", ["description", "contact", "default"])
def test_discovery_texts_are_strings(server: Server, name: str) -> None:
    """An optional text of the discovery resource is a string where it is given."""
    assert isinstance(body_of(server.get(server.discovery)).get(name, ""), str)


@must("8.2.1")
def test_discovery_lists_an_api_root(server: Server) -> None:
    """The server has at least one API root, and tells a caller who may use it."""
    roots = body_of(server.get(server.discovery)).get("api_roots")
    assert isinstance(roots, list), f"api_roots is {roots!r}"
    assert roots, "api_roots is an empty list"


@must("4.1.1")
def test_default_root_is_one_of_the_list(server: Server) -> None:
    """The default API root is among those that are listed."""
    found = body_of(server.get(server.discovery))
    assert "default" not in found or found["default"] in found.get("api_roots", [])


@must("4.1.1")
def test_urls_of_api_roots_are_well_formed(server: Server) -> None:
    """An API root is an absolute URL of HTTPS, or a path that begins with exactly one slash; it has no query."""
    for root in body_of(server.get(server.discovery)).get("api_roots", []):
        relative = root.startswith("/") and not root.startswith("//")
        assert relative or root.startswith("https://"), f"{root!r} is neither"
        assert "?" not in root, f"{root!r} has a query"


@must("4.2")
def test_api_roots_are_unique(server: Server) -> None:
    """No API root is listed twice."""
    roots = body_of(server.get(server.discovery)).get("api_roots", [])
    assert len(roots) == len(set(roots)), f"some of {roots} are the same"


@must("4.2", "3.3.1")
def test_api_root_is_answered(server: Server) -> None:
    """The URL of the API root answers 200 with an API root resource."""
    assert "versions" in body_of(expect(server.get(server.root), 200))


@must("4.2.1")
def test_api_root_has_a_title(server: Server) -> None:
    """The title of the API root is there and is text."""
    assert isinstance(body_of(server.get(server.root)).get("title"), str)


@must("4.2.1")
def test_api_root_speaks_this_version(server: Server) -> None:
    """The versions of the API root have the media type of TAXII 2.1 with its version parameter."""
    versions = body_of(server.get(server.root)).get("versions")
    assert isinstance(versions, list), f"versions is {versions!r}"
    assert MEDIA in versions, f"{MEDIA} is none of {versions}"


@must("4.2.1")
def test_api_root_versions_are_media_types(server: Server) -> None:
    """Every version of the API root is a media type of TAXII with a version parameter."""
    for version in body_of(server.get(server.root))["versions"]:
        assert version.startswith("application/taxii+json;version="), f"{version!r} is none"


@must("4.2.1")
def test_api_root_says_how_long_a_body_may_be(server: Server) -> None:
    """The longest body that is taken is a whole number above zero."""
    most = body_of(server.get(server.root)).get("max_content_length")
    assert type(most) is int, f"max_content_length is {most!r}"
    assert most > 0, f"max_content_length is {most}"


@must("4.2", "3.3.2")
def test_unknown_api_root_is_not_found(server: Server) -> None:
    """An API root that does not exist is answered with 404."""
    expect(server.get(str(httpx.URL(server.discovery).join(f"/{uuid4()}/"))), 404)


@must("3.1")
@pytest.mark.parametrize("where", ["discovery", "root", "collections"])
def test_information_has_the_media_type(server: Server, where: str) -> None:
    """What a server tells about itself has the Content-Type of TAXII with its version."""
    url = {"discovery": server.discovery, "root": server.root, "collections": server.root + "collections/"}[where]
    check_media(expect(server.get(url), 200))


@must("1.6.7")
@pytest.mark.parametrize("where", ["discovery", "root", "collections"])
def test_information_is_utf8(server: Server, where: str) -> None:
    """What a server tells about itself is JSON in UTF-8, without a byte order mark."""
    url = {"discovery": server.discovery, "root": server.root, "collections": server.root + "collections/"}[where]
    content = expect(server.get(url), 200).content
    assert content.decode("utf-8").lstrip().startswith("{")


@must("2")
def test_information_has_no_empty_list(server: Server) -> None:
    """A list that would be empty is left out."""
    for url in (server.discovery, server.root, server.root + "collections/"):
        found = body_of(server.get(url))
        empty = [name for name, value in found.items() if value == []]
        assert not empty, f"{url}: {empty} are empty lists"


@must("8.2.1")
def test_server_answers_a_client_without_a_name(server: Server) -> None:
    """A request without User-Agent is answered as any other."""
    expect(server.get(server.discovery, User_Agent=None), 200)


@should("3.6")
def test_head_is_as_get_without_a_body(server: Server) -> None:
    """HEAD is answered with the status and the Content-Type of GET, and with no body."""
    answer = expect(server.ask("HEAD", server.discovery), 200)
    check_media(answer)
    assert not answer.content
