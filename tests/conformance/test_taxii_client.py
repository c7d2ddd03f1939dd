"""The client of TAXII that most programs use, from discovery to deletion, against a served node with ATT&CK for ICS."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import HTTPError
from taxii2client.common import TokenAuth
from taxii2client.v21 import Collection, Server, Status, as_pages

from served_node import make_node, make_token, served
from shared_data import shared

RULEBOOK = """\
community: Community
operator: operator
organisations:
  operator: {name: Operator, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a001, relations: [{member_of: community}]}
  member: {name: Member, identity: identity--1f4e5c1e-6c0b-4f0d-9a53-3b1de3a5a002, relations: [{member_of: community}]}
markings:
  unmarked: TLP:GREEN
  marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168: {name: Copyright of MITRE, means: statement}
rules:
  - {id: members-read, to: [community], collections: [attack, notes], up_to: TLP:GREEN}
  - {id: operator-writes, may: write, to: [operator], collections: [attack]}
  - {id: members-write, may: write, to: [community], collections: [notes]}
"""
SETTINGS: dict[str, Any] = {"title": "Community", "collections": {"attack": {"title": "ATT&CK"}, "notes": {"title": "Notes"}}}
FIRST, SECOND, THIRD = "2026-01-05T10:00:00.000Z", "2026-02-05T10:00:00.000Z", "2026-03-05T10:00:00.000Z"
NOTE = "indicator--7d1c2c5e-5f0a-4a57-9e34-0d7f3f1f6b10"


@dataclass
class Client:
    """A served node, and the client's view of it for an organisation."""

    url: str
    tokens: dict[str, str]
    _open: list[Server] = field(default_factory=list)

    def server(self, organisation: str, *, basic: bool = False) -> Server:
        """Return the discovery endpoint for an organisation."""
        token = self.tokens[organisation]
        login: dict[str, Any] = {"user": organisation, "password": token} if basic else {"auth": TokenAuth(token)}
        made = Server(self.url, **login)
        self._open.append(made)
        return made

    def collection(self, organisation: str, title: str, *, basic: bool = False) -> Collection:
        """Return a collection for an organisation, found from discovery on."""
        found = self.server(organisation, basic=basic).default.collections
        return next(item for item in found if item.title == title)

    def close(self) -> None:
        """Let go of all connections."""
        for server in self._open:
            server.close()


@pytest.fixture(scope="module")
def bundle() -> list[dict[str, Any]]:
    """Return the objects of ATT&CK for ICS."""
    found: list[dict[str, Any]] = json.loads(shared("attack", "ics-attack.json").read_bytes())["objects"]
    return found


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, bundle: list[dict[str, Any]]) -> Iterator[Client]:
    """Serve a node to which the operator added ATT&CK for ICS with the client itself, in one envelope."""
    folder: Path = tmp_path_factory.mktemp("node")
    make_node(folder, RULEBOOK, SETTINGS)
    tokens = {name: make_token(folder, name, "read", "write") for name in ("operator", "member")}
    with served(folder) as node:
        made = Client(node.url, {**tokens, "nobody": "wrong"})
        try:
            status = made.collection("operator", "ATT&CK").add_objects({"objects": bundle})
            assert (status.status, status.success_count, status.failure_count) == ("complete", len(bundle), 0)
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def attack(client: Client) -> Collection:
    """Return the collection of ATT&CK for a member, who may read it."""
    return client.collection("member", "ATT&CK")


@pytest.fixture
def notes(client: Client) -> Collection:
    """Return the collection that members write, with three versions of one indicator, added one after the other."""
    found = client.collection("member", "Notes")
    for modified in (FIRST, SECOND, THIRD):
        assert found.add_objects({"objects": [_indicator(modified)]}).success_count == 1
    return found


def _indicator(modified: str, stix_id: str = NOTE) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "indicator", "spec_version": "2.1", "id": stix_id, "created": FIRST, "modified": modified}
    return made | {"name": modified, "pattern": "[ipv4-addr:value = '192.0.2.1']", "pattern_type": "stix", "valid_from": FIRST}


def _read(read: Callable[..., Any], size: int, **filters: Any) -> list[dict[str, Any]]:
    """Return the objects of all pages."""
    return [item for page in as_pages(read, per_request=size, **filters) for item in page.get("objects", [])]


def _status_of(call: Callable[[], Any]) -> int:
    """Return the status of HTTP that a call is refused with."""
    with pytest.raises(HTTPError) as raised:
        call()
    return int(raised.value.response.status_code)


def test_discovery_leads_to_collections(client: Client) -> None:
    """From discovery the client gets to the API root and to the collections, with what the caller may do there."""
    server = client.server("member")
    assert [root.url for root in server.api_roots] == [server.default.url]
    assert "application/taxii+json;version=2.1" in server.default.versions
    rights = {item.title: (item.can_read, item.can_write) for item in server.default.collections}
    assert rights == {"ATT&CK": (True, False), "Notes": (True, True)}


@pytest.mark.parametrize("size", [0, 1000, 137])
def test_all_pages_are_the_bundle(attack: Collection, bundle: list[dict[str, Any]], size: int) -> None:
    """Page by page the client gets every object of ATT&CK for ICS, each once and as it was added."""
    found = _read(attack.get_objects, size)
    assert len(found) == 1826
    assert {item["id"]: item for item in found} == {item["id"]: item for item in bundle}


def test_manifest_is_that_of_the_bundle(attack: Collection, bundle: list[dict[str, Any]]) -> None:
    """The manifest has a record for every object, in the order in which they were added, with its version."""
    found = _read(attack.get_manifest, 500)
    assert [item["id"] for item in found] == [item["id"] for item in _read(attack.get_objects, 400)]
    versions = {item["id"]: item.get("modified") or item["created"] for item in bundle}
    assert {item["id"]: item["version"] for item in found} == versions
    dates = [item["date_added"] for item in found]
    assert dates == sorted(dates)


def test_type_is_filtered(attack: Collection, bundle: list[dict[str, Any]]) -> None:
    """Each type of the bundle gives as many objects as the bundle has of it."""
    wanted = Counter(item["type"] for item in bundle)
    assert {kind: len(_read(attack.get_objects, 300, type=kind)) for kind in wanted} == wanted


def test_ids_are_filtered(attack: Collection, bundle: list[dict[str, Any]]) -> None:
    """Ids give their objects, and one that is not there gives none."""
    wanted = sorted(item["id"] for item in bundle[::200])
    assert sorted(item["id"] for item in attack.get_objects(id=[*wanted, NOTE])["objects"]) == wanted
    assert attack.get_objects(id=NOTE) == {}


def test_filters_are_joined(attack: Collection, bundle: list[dict[str, Any]]) -> None:
    """A moment, a type and a specification together give what all of them match."""
    first = attack.get_manifest(limit=400)["objects"]
    half = first[-1]["date_added"]
    later = {item["id"] for item in _read(attack.get_manifest, 500, added_after=half)}
    assert later == {item["id"] for item in bundle} - {item["id"] for item in first}
    found = _read(attack.get_objects, 100, added_after=half, type=["malware", "campaign"], spec_version="2.1")
    assert {item["id"] for item in found} == {x["id"] for x in bundle if x["type"] in {"malware", "campaign"}} & later
    assert attack.get_objects(added_after=half, spec_version="2.0") == {}


def test_one_object_is_given(attack: Collection, bundle: list[dict[str, Any]]) -> None:
    """An object is given by its id, and so are its versions."""
    wanted = bundle[700]
    assert attack.get_object(wanted["id"])["objects"] == [wanted]
    assert attack.object_versions(wanted["id"])["versions"] == [wanted["modified"]]


def test_versions_are_told_apart(notes: Collection) -> None:
    """The client gets the last version, the first, all, or one by its moment."""
    wanted = {"last": [THIRD], "first": [FIRST], "all": [FIRST, SECOND, THIRD], SECOND: [SECOND]}
    found = {value: [item["modified"] for item in notes.get_object(NOTE, version=value)["objects"]] for value in wanted}
    assert found == wanted
    assert notes.object_versions(NOTE)["versions"] == [FIRST, SECOND, THIRD]


def test_status_is_asked_again(client: Client, notes: Collection) -> None:
    """The client asks for the status of what it added, and is told of what was not taken."""
    told = notes.add_objects({"objects": [_indicator(FIRST), _indicator("yesterday", NOTE[:-1] + "1")]})
    again: Status = client.server("member").default.get_status(told.id)
    assert (again.status, again.success_count, again.failure_count) == ("complete", 1, 1)
    assert [item["id"] for item in again.failures] == [NOTE[:-1] + "1"]


def test_object_is_deleted(notes: Collection) -> None:
    """A version is deleted, then the object; after that it is nowhere."""
    notes.delete_object(NOTE, version=SECOND)
    assert notes.object_versions(NOTE)["versions"] == [FIRST, THIRD]
    notes.delete_object(NOTE)
    assert _status_of(lambda: notes.get_object(NOTE)) == 404
    assert _status_of(lambda: notes.object_versions(NOTE)) == 404
    assert _status_of(lambda: notes.delete_object(NOTE)) == 404
    assert notes.get_manifest(id=NOTE, version="all") == {}


def test_basic_login_is_taken(client: Client, bundle: list[dict[str, Any]]) -> None:
    """A client that knows only names and passwords gives its token as the password."""
    found = client.collection("operator", "ATT&CK", basic=True)
    assert (found.can_read, found.can_write) == (True, True)
    assert found.get_object(bundle[0]["id"])["objects"] == [bundle[0]]


def test_stranger_is_refused(client: Client) -> None:
    """A token that nobody issued is answered with 401."""
    assert _status_of(lambda: client.server("nobody").title) == 401


def test_what_is_not_there_is_not_found(client: Client, attack: Collection) -> None:
    """A collection, an object and a status that are not there are answered with 404."""
    absent = attack.url.replace(attack.id, "5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a99")
    with Collection(absent, auth=TokenAuth(client.tokens["member"])) as nowhere:
        assert _status_of(lambda: nowhere.title) == 404
    assert _status_of(lambda: attack.get_object(NOTE)) == 404
    assert _status_of(lambda: client.server("member").default.get_status("5b1f7f30-8f3c-4d63-9d0b-6f1a4c2e7a99")) == 404


def test_malformed_filter_is_refused(attack: Collection) -> None:
    """A filter that cannot be read is answered with 400, rather than with everything."""
    assert _status_of(lambda: attack.get_objects(added_after="yesterday")) == 400
    assert _status_of(lambda: attack.get_objects(version="newest")) == 400
