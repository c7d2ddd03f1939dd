"""Section 1.6.9, and what sections 5.1 to 5.8 say about who may do what."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from exchange import Collection, Login, Secret, Server, body_of, check_error, expect
from requirements import must, should
from samples import indicator, new_id

_ID = new_id("indicator")
_READS = ["manifest/", "objects/", f"objects/{_ID}/", f"objects/{_ID}/versions/"]
_SECTIONS = dict(zip(_READS, ("5.3", "5.4", "5.6", "5.8"), strict=True))
Path = Callable[[Collection], str]


def _reads(interop: str) -> list[object]:
    """Return each endpoint that reads a collection, with the section that is about it."""
    names = ("manifest", "objects", "object", "versions")
    return [pytest.param(path, marks=must(_SECTIONS[path], interop), id=name) for path, name in zip(_READS, names, strict=True)]


@must("1.6.9", "3.1.1")
def test_api_root_without_login_challenges(server: Server, login: Login) -> None:
    """A request that needs a login and has none is answered with 401 and WWW-Authenticate, or the API root is open to all."""
    answer = expect(server.get(server.root, Authorization=None), 200, 401, 404)
    assert answer.status_code != 401 or answer.headers.get("WWW-Authenticate"), "401 without WWW-Authenticate"


@must("5.1", "3.1.1")
def test_collections_without_login_are_refused(server: Server, login: Login) -> None:
    """The list of collections without a login is answered with 401 or 404, or shows none that may be used."""
    answer = expect(server.get("collections/", Authorization=None), 200, 401, 404)
    if answer.status_code == 200:
        assert not any(item["can_write"] for item in body_of(answer).get("collections", []))


@pytest.mark.parametrize("path", _reads("3.1.1"))
def test_reading_without_login_is_refused(shared: Collection, login: Login, path: str) -> None:
    """A collection that needs a login is not read without: 401 or 404."""
    check_error(shared.server.get(shared.url + path, Authorization=None), 401, 404)


@pytest.mark.parametrize("path", _reads("3.1.1"))
def test_refusal_without_login_challenges(shared: Collection, login: Login, path: str) -> None:
    """An answer of 401 says in WWW-Authenticate how to log in."""
    answer = shared.server.get(shared.url + path, Authorization=None)
    assert answer.status_code != 401 or answer.headers.get("WWW-Authenticate"), "401 without WWW-Authenticate"


@must("5.5", "3.1.1")
def test_adding_without_login_is_refused(shared: Collection, login: Login) -> None:
    """Objects are not added without a login: 401 or 404, and they are not there afterwards."""
    made = indicator()
    check_error(shared.post({"objects": [made]}, Authorization=None), 401, 404)
    expect(shared.server.get(shared.at("objects", made["id"])), 404)


@must("5.7", "3.1.1")
def test_deleting_without_login_is_refused(shared: Collection, login: Login) -> None:
    """An object is not deleted without a login: 401 or 404, and it is still there."""
    made = indicator()
    shared.add(made)
    check_error(shared.server.ask("DELETE", shared.at("objects", made["id"]), headers={"Authorization": None}), 401, 404)
    expect(shared.server.get(shared.at("objects", made["id"])), 200)


@must("4.3", "3.1.1")
def test_status_without_login_is_refused(shared: Collection, login: Login) -> None:
    """The status of somebody's request is not told without a login: 401 or 404."""
    status = shared.add(indicator())
    check_error(shared.server.get(f"status/{status['id']}/", Authorization=None), 401, 404)


@must("1.6.9", "3.1.2")
@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "Basic not-base64!", "Basic", "Digest username=x", "Bearer " + "x" * 5000],
    ids=["token", "password", "no-base64", "empty", "other-scheme", "long"],
)
def test_wrong_login_is_refused(shared: Collection, login: Login, header: str) -> None:
    """A login that is wrong in any way is answered with 401 or 404 (400 where it cannot be read), never with content."""
    check_error(shared.server.get(shared.at("objects"), Authorization=header), 400, 401, 404, 431)


@should("8.2.2", "3.1.4")
def test_http_basic_is_taken(shared: Collection) -> None:
    """The server takes HTTP Basic."""
    if not shared.server.login.user:
        pytest.skip("--taxii-user is not given")
    expect(shared.server.get(shared.url, Authorization=shared.server.login.basic), 200)


@must("1.6.9")
def test_scheme_of_the_login_has_no_case(shared: Collection, login: Login) -> None:
    """The name of an authentication scheme is the same in capital and small letters."""
    scheme, _, rest = login.header.partition(" ")
    expect(shared.server.get(shared.url, Authorization=Secret(f"{scheme.upper()} {rest}")), 200)
    expect(shared.server.get(shared.url, Authorization=Secret(f"{scheme.lower()} {rest}")), 200)


@pytest.mark.parametrize("path", _reads("3.5.2.1"))
def test_write_only_collection_is_not_read(write_only: Collection, path: str) -> None:
    """A collection that the caller may only write is not read: 403 or 404."""
    check_error(write_only.server.get(write_only.url + path), 403, 404)


@must("5.5")
def test_write_only_collection_takes_objects(write_only: Collection) -> None:
    """A collection that the caller may only write takes objects."""
    write_only.add(indicator())


@must("5.7", "3.5.2.3")
def test_write_only_collection_deletes_nothing(write_only: Collection) -> None:
    """Deleting from a collection that may not be read is answered with 403, also of what the caller added itself."""
    made = indicator()
    write_only.add(made)
    check_error(write_only.delete(made["id"]), 403)


@must("5.4")
def test_read_only_collection_is_read(read_only: Collection) -> None:
    """A collection that the caller may only read is read."""
    read_only.read("objects", {"limit": "1"})
    read_only.read("manifest", {"limit": "1"})


@must("5.5", "3.5.2.2")
def test_read_only_collection_takes_nothing(read_only: Collection) -> None:
    """Adding to a collection that may not be written is answered with 403 or 404, and adds nothing."""
    made = indicator()
    check_error(read_only.post({"objects": [made]}), 403, 404)
    expect(read_only.server.get(read_only.at("objects", made["id"])), 404)


@must("5.7", "3.5.2.3")
def test_read_only_collection_deletes_nothing(read_only: Collection) -> None:
    """Deleting from a collection that may not be written is answered with 403."""
    check_error(read_only.server.ask("DELETE", read_only.at("objects", _ID)), 403)


@pytest.mark.parametrize("path", _reads("3.5.1.4"))
def test_hidden_collection_is_not_read(hidden: Collection, path: str) -> None:
    """A collection that the caller may neither read nor write is not read: 403 or 404."""
    check_error(hidden.server.get(hidden.url + path), 403, 404)


@must("5.5")
def test_hidden_collection_takes_nothing(hidden: Collection) -> None:
    """Adding to a collection that the caller may not use is answered with 403 or 404."""
    check_error(hidden.post({"objects": [indicator()]}), 403, 404)


@must("5.7", "3.5.2.4")
def test_hidden_collection_deletes_nothing(hidden: Collection) -> None:
    """Deleting from a collection that the caller may neither read nor write is answered with 404."""
    check_error(hidden.server.ask("DELETE", hidden.at("objects", _ID)), 404)


@pytest.mark.parametrize("path", _reads("3.5.3"))
def test_unknown_collection_is_not_read(server: Server, path: str) -> None:
    """What is asked of a collection that does not exist is answered with 404."""
    check_error(server.get(f"collections/{uuid4()}/{path}"), 404)


@must("5.5", "3.5.3")
def test_unknown_collection_takes_nothing(server: Server) -> None:
    """Adding to a collection that does not exist is answered with 404."""
    check_error(Collection(server, str(uuid4())).post({"objects": [indicator()]}), 404)


@must("5.7", "3.5.3")
def test_unknown_collection_deletes_nothing(server: Server) -> None:
    """Deleting from a collection that does not exist is answered with 404."""
    check_error(server.ask("DELETE", f"collections/{uuid4()}/objects/{_ID}/"), 404)
