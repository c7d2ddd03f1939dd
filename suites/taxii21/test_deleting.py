"""Section 5.7: deleting objects. Nothing is deleted but what the suite added."""

from __future__ import annotations

import pytest
from exchange import Collection, check_error, check_media, expect, moments
from requirements import must, should
from samples import VERSIONS, domain, indicator, malware, new_id


@pytest.fixture
def three(shared: Collection) -> str:
    """Return the id of an object in three versions."""
    stix_id = new_id("indicator")
    shared.add(*(indicator(version, stix_id) for version in VERSIONS))
    return stix_id


def _left(shared: Collection, stix_id: str) -> list[str]:
    """Return the versions of an object that are left."""
    answer = expect(shared.server.get(shared.at("objects", stix_id), {"match[version]": "all"}), 200, 404)
    return [] if answer.status_code == 404 else [item["modified"] for item in answer.json().get("objects", [])]


@must("5.7", "3.12.1")
def test_object_is_deleted(shared: Collection) -> None:
    """Deleting an object is answered with 200."""
    made = indicator()
    shared.add(made)
    expect(shared.delete(made["id"]), 200)


@must("5.7")
def test_deletion_has_the_media_type(shared: Collection) -> None:
    """The answer to a deletion has the Content-Type of TAXII with its version."""
    made = indicator()
    shared.add(made)
    check_media(expect(shared.delete(made["id"]), 200))


@must("5.7", "3.12.1")
@pytest.mark.parametrize("path", ["", "versions"], ids=["object", "versions"])
def test_deleted_object_is_not_found(shared: Collection, path: str) -> None:
    """An object that was deleted is answered with 404, and so are its versions."""
    made = indicator()
    shared.add(made)
    expect(shared.delete(made["id"]), 200)
    check_error(shared.server.get(shared.at("objects", made["id"], *filter(None, [path]))), 404)


@must("5.7")
@pytest.mark.parametrize("endpoint", ["manifest", "objects"])
def test_deleted_object_is_in_no_list(shared: Collection, endpoint: str) -> None:
    """An object that was deleted is in no manifest and in no envelope."""
    made = indicator()
    shared.add(made)
    expect(shared.delete(made["id"]), 200)
    assert shared.ids(endpoint, {"match[id]": made["id"], "match[version]": "all"}) == []


@must("5.7")
def test_others_stay(shared: Collection) -> None:
    """Deleting one object leaves the others."""
    made = [indicator(), malware()]
    shared.add(*made)
    expect(shared.delete(made[0]["id"]), 200)
    assert shared.ids("objects", {"match[id]": made[1]["id"]}) == [made[1]["id"]]


@must("5.7")
def test_object_without_versions_is_deleted(shared: Collection) -> None:
    """An observable is deleted as other objects."""
    made = domain()
    shared.add(made)
    expect(shared.delete(made["id"]), 200)
    check_error(shared.server.get(shared.at("objects", made["id"])), 404)


@must("5.7")
def test_object_is_deleted_in_all_its_versions(shared: Collection, three: str) -> None:
    """When an object is deleted without naming a version, none of its versions is found afterwards."""
    expect(shared.delete(three), 200)
    check_error(shared.server.get(shared.at("objects", three)), 404)
    assert _left(shared, three) == []


@must("5.7")
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (VERSIONS[1], [VERSIONS[0], VERSIONS[2]]),
        ("first", list(VERSIONS[1:])),
        ("last", list(VERSIONS[:2])),
        (f"{VERSIONS[0]},{VERSIONS[2]}", [VERSIONS[1]]),
        ("all", []),
    ],
    ids=["one", "first", "last", "two", "all"],
)
def test_versions_are_deleted(shared: Collection, three: str, value: str, kept: list[str]) -> None:
    """Exactly those versions are deleted that `match[version]` names."""
    expect(shared.delete(three, {"match[version]": value}), 200)
    assert sorted(moments(_left(shared, three))) == moments(kept)


@must("5.7")
def test_version_before_is_the_last_afterwards(shared: Collection, three: str) -> None:
    """When the last version was deleted, the one before it is the last."""
    expect(shared.delete(three, {"match[version]": "last"}), 200)
    assert [item["modified"] for item in shared.objects({"match[id]": three})] == [VERSIONS[1]]
    assert sorted(moments(shared.versions(three))) == moments(VERSIONS[:2])


@must("5.7")
def test_other_specification_is_not_deleted(shared: Collection, three: str) -> None:
    """When what is to be deleted is of another version of STIX, nothing is."""
    expect(shared.delete(three, {"match[spec_version]": "2.0"}), 200, 404)
    assert len(_left(shared, three)) == 3


@should("5.7")
def test_version_that_is_not_there_deletes_nothing(shared: Collection, three: str) -> None:
    """Naming a version that is not there deletes nothing."""
    expect(shared.delete(three, {"match[version]": "1999-01-01T00:00:00.000Z"}), 200, 404)
    assert len(_left(shared, three)) == 3


@must("3.4")
def test_malformed_version_deletes_nothing(shared: Collection, three: str) -> None:
    """A version that cannot be read is answered with 400, and nothing is deleted."""
    check_error(shared.delete(three, {"match[version]": "yesterday"}), 400)
    assert len(_left(shared, three)) == 3


@must("5.7")
def test_unknown_object_is_not_deleted(shared: Collection) -> None:
    """Deleting what is not there is answered with 404."""
    check_error(shared.server.ask("DELETE", shared.at("objects", new_id("indicator"))), 404)


@must("5.7")
def test_object_is_deleted_once(shared: Collection) -> None:
    """Deleting an object a second time is answered with 404."""
    made = indicator()
    shared.add(made)
    expect(shared.delete(made["id"]), 200)
    check_error(shared.delete(made["id"]), 404)


@should("5.7")
def test_wrong_accept_deletes_nothing(shared: Collection) -> None:
    """A deletion whose answer could not be read is refused with 406, and nothing is deleted."""
    made = indicator()
    shared.add(made)
    check_error(shared.server.ask("DELETE", shared.at("objects", made["id"]), headers={"Accept": "text/html"}), 406)
    expect(shared.server.get(shared.at("objects", made["id"])), 200)
