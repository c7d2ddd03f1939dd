"""Sections 1.6.8 and 3.1: media types."""

from __future__ import annotations

import pytest
from exchange import MEDIA, Collection, Server, check_error, check_media, expect
from requirements import must, should
from samples import Library, indicator

_TAKEN = [
    MEDIA,
    "application/taxii+json",
    "application/taxii+json; version=2.1",
    'application/taxii+json;version="2.1"',
    "Application/TAXII+JSON;Version=2.1",
    "application/taxii+json;version=2.1;q=0.5",
    "application/taxii+json;q=0.1",
    "text/html, application/taxii+json;version=2.1;q=0.9",
    "application/json;q=0.2,application/taxii+json;version=2.1,*/*;q=0.1",
    "application/taxii+json;version=2.1,application/stix+json;version=2.1",
    "application/taxii+json;version=2.0,application/taxii+json;version=2.1",
]
_RANGES = ["*/*", "application/*", "application/*;q=0.3", "text/html, */*;q=0.1"]
_OTHERS = ["text/html", "application/xml", "application/stix+json;version=2.1", "application/taxii+json;version=9.9"]
_BODIES = [
    MEDIA,
    "application/taxii+json",
    "application/taxii+json; version=2.1",
    'application/taxii+json;version="2.1"',
    "Application/TAXII+JSON;VERSION=2.1",
]


@must("3.1")
@pytest.mark.parametrize("accept", _TAKEN)
def test_accept_of_taxii_is_served(server: Server, accept: str) -> None:
    """An Accept header that names TAXII 2.1, or TAXII without a version, is not answered with 406."""
    check_media(expect(server.get(server.root, Accept=accept), 200))


@should("3.1")
@pytest.mark.parametrize("accept", _RANGES)
def test_accept_of_a_range_is_served(server: Server, accept: str) -> None:
    """A range of media types that TAXII is in is served with TAXII."""
    check_media(expect(server.get(server.root, Accept=accept), 200))


@must("3.1")
@pytest.mark.parametrize("accept", _OTHERS)
def test_accept_of_something_else_is_harmless(server: Server, accept: str) -> None:
    """An Accept header without TAXII 2.1 is answered with 406, or with TAXII 2.1 all the same."""
    answer = expect(server.get(server.root, Accept=accept), 200, 406)
    if answer.content:
        check_media(answer)


@should("4.2")
@pytest.mark.parametrize("accept", _OTHERS)
def test_accept_of_something_else_is_refused(server: Server, accept: str) -> None:
    """An Accept header that nothing in TAXII 2.1 meets is answered with 406."""
    check_error(server.get(server.root, Accept=accept), 406)


@should("4.2")
def test_accept_with_no_quality_is_refused(server: Server) -> None:
    """A media type whose quality is zero is one that is not wanted."""
    check_error(server.get(server.root, Accept="application/taxii+json;version=2.1;q=0"), 406)


@must("3.1")
def test_request_without_accept_is_no_fault_of_the_server(server: Server) -> None:
    """A request without Accept, which no client should send, is served with TAXII or refused, and breaks nothing."""
    answer = expect(server.get(server.root, Accept=None), 200, 400, 406)
    if answer.content:
        check_media(answer)


@should("5.4")
@pytest.mark.parametrize("endpoint", ["manifest", "objects"])
def test_wrong_accept_is_refused_where_objects_are(shared: Collection, library: Library, endpoint: str) -> None:
    """Objects and manifests are refused with 406 to who wants something else."""
    check_error(shared.server.get(shared.at(endpoint), library.mine, Accept="text/html"), 406)


@should("5.5")
def test_wrong_accept_is_refused_where_objects_are_added(shared: Collection) -> None:
    """A request to add objects whose answer could not be read is refused with 406."""
    check_error(shared.post({"objects": [indicator()]}, Accept="text/html"), 406)


@must("3.1")
@pytest.mark.parametrize("kind", _BODIES)
def test_content_type_of_taxii_is_taken(shared: Collection, kind: str) -> None:
    """A body whose Content-Type is that of TAXII, with or without its version, is not answered with 415."""
    expect(shared.post({"objects": [indicator()]}, Content_Type=kind), 202)


@must("3.1")
@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/taxii+json;version=9.9", None])
def test_content_type_of_something_else_is_harmless(shared: Collection, kind: str | None) -> None:
    """A body with another Content-Type, or none, is taken or refused as such."""
    expect(shared.post({"objects": [indicator()]}, Content_Type=kind), 202, 400, 415)


@should("5.5")
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/taxii+json;version=9.9"])
def test_content_type_of_something_else_is_refused(shared: Collection, kind: str) -> None:
    """A body with a Content-Type that the server does not support is answered with 415."""
    check_error(shared.post({"objects": [indicator()]}, Content_Type=kind), 415)


@must("5.5")
def test_refused_body_adds_nothing(shared: Collection) -> None:
    """What was refused for its Content-Type is not in the collection."""
    made = indicator()
    if shared.post({"objects": [made]}, Content_Type="text/plain").status_code == 202:
        return
    expect(shared.server.get(shared.at("objects", made["id"])), 404)
