"""Sections 5.1 and 5.2: the collections of an API root."""

from __future__ import annotations

from uuid import RFC_4122, UUID, uuid4

import pytest
from exchange import Collection, Json, Server, body_of, check_error, check_media, expect
from requirements import must, should


@pytest.fixture(scope="module")
def listed(server: Server) -> list[Json]:
    """Return the collections that are listed."""
    return list(body_of(expect(server.get("collections/"), 200)).get("collections", []))


@must("5.1", "3.4.1")
def test_collections_are_listed(listed: list[Json], shared: Collection) -> None:
    """The collection that may be used is among those of its API root."""
    assert shared.id in {item["id"] for item in listed}


@must("5.2.1")
def test_ids_are_random_uuids(listed: list[Json]) -> None:
    """The id of a collection is a UUID of version 4."""
    for item in listed:
        found = UUID(item["id"])
        assert (found.variant, found.version) == (RFC_4122, 4), f"{found} is of version {found.version}"


@must("5.2.1")
def test_ids_of_collections_are_unique(listed: list[Json]) -> None:
    """No two collections have the same id."""
    ids = [item["id"] for item in listed]
    assert len(ids) == len(set(ids))


@must("5.2.1")
def test_aliases_are_unique(listed: list[Json]) -> None:
    """No two collections of an API root have the same alias."""
    aliases = [item["alias"] for item in listed if "alias" in item]
    assert len(aliases) == len(set(aliases))


@must("5.2.1")
def test_collections_have_titles(listed: list[Json]) -> None:
    """Every collection has a title, which is text."""
    assert all(isinstance(item.get("title"), str) for item in listed)


@must("5.2.1")
@pytest.mark.parametrize("name", ["can_read", "can_write"])
def test_rights_are_booleans(listed: list[Json], name: str) -> None:
    """Every collection says with true or false whether the caller may read and write it."""
    assert all(isinstance(item.get(name), bool) for item in listed)


@must("5.2.1")
def test_media_types_of_collections_are_a_list(listed: list[Json]) -> None:
    """The media types of a collection are a list of text that is not empty, or are left out."""
    for item in listed:
        kinds = item.get("media_types", ["application/stix+json"])
        assert isinstance(kinds, list), f"media_types is {kinds!r}"
        assert kinds, "media_types is an empty list"
        assert all(isinstance(kind, str) for kind in kinds), f"media_types is {kinds!r}"


@must("3.3")
def test_collections_keep_their_order(server: Server, listed: list[Json]) -> None:
    """The collections come in the same order whenever they are asked for."""
    for _ in range(3):
        assert body_of(server.get("collections/")).get("collections", []) == listed


@must("5.2", "3.5.1.2")
def test_collection_is_answered(shared: Collection) -> None:
    """A collection is answered by its id, and may be read and written where it is so."""
    found = body_of(expect(shared.server.get(shared.url), 200))
    assert (found["id"], found["can_read"], found["can_write"]) == (shared.id, True, True)


@must("5.2")
def test_collection_is_the_same_in_the_list(shared: Collection, listed: list[Json]) -> None:
    """A collection says of itself what the list says of it."""
    assert body_of(shared.server.get(shared.url)) in listed


@must("3.1")
def test_collection_has_the_media_type(shared: Collection) -> None:
    """A collection is answered with the Content-Type of TAXII with its version."""
    check_media(shared.server.get(shared.url))


@must("5.2", "3.5.1.3")
def test_read_only_collection_says_so(read_only: Collection) -> None:
    """A collection that may only be read says so."""
    found = body_of(expect(read_only.server.get(read_only.url), 200))
    assert (found["can_read"], found["can_write"]) == (True, False)


@must("5.2", "3.5.1.1")
def test_write_only_collection_says_so(write_only: Collection) -> None:
    """A collection that may only be written says so."""
    found = body_of(expect(write_only.server.get(write_only.url), 200))
    assert (found["can_read"], found["can_write"]) == (False, True)


@must("5.2", "3.5.3")
def test_unknown_collection_is_not_found(server: Server) -> None:
    """A collection that does not exist is answered with 404."""
    check_error(server.get(f"collections/{uuid4()}/"), 404)


@must("5.2")
@pytest.mark.parametrize("name", ["none", "0", "%00", "..%2F", "%F0%9F%90%AA"])
def test_strange_names_of_collections_are_not_found(server: Server, name: str) -> None:
    """A name that no collection can have is answered with 400 or 404, or with a redirection to a better one."""
    expect(server.get(f"collections/{name}/"), 301, 308, 400, 404)


@should("5.2.1")
def test_collection_is_answered_by_its_alias(shared: Collection) -> None:
    """A collection that has an alias is answered by it as by its id."""
    found = body_of(expect(shared.server.get(shared.url), 200))
    if "alias" not in found:
        pytest.skip("the collection has no alias")
    named = Collection(shared.server, found["alias"])
    assert body_of(expect(shared.server.get(named.url), 200)) == found


@must("5.1", "3.5.1.4")
def test_hidden_collection_is_not_listed(listed: list[Json], hidden: Collection) -> None:
    """A collection that the caller may neither read nor write is not listed as one that it may."""
    found = [item for item in listed if hidden.id in {item["id"], item.get("alias")}]
    assert not any(item["can_read"] or item["can_write"] for item in found)


@should("1.6.9")
def test_hidden_collection_is_no_different_from_none(server: Server, hidden: Collection) -> None:
    """A collection that the caller may not know of is answered as one that does not exist."""
    there, absent = server.get(hidden.url), server.get(f"collections/{uuid4()}/")
    assert (there.status_code, there.content) == (absent.status_code, absent.content)
