"""Sections 3.4.1 and 5.8: versions of objects."""

from __future__ import annotations

import pytest
from exchange import FIRST, LAST, Collection, Json, check_error, expect, moment, moments
from requirements import must, should
from samples import BORN, VERSIONS, Library, indicator, new_id

_WANTED = {
    "last": ("last", [2]),
    "first": ("first", [0]),
    "all": ("all", [0, 1, 2]),
    "one": (VERSIONS[1], [1]),
    "two": (f"{VERSIONS[0]},{VERSIONS[2]}", [0, 2]),
    "first-and-last": ("first,last", [0, 2]),
    "last-and-first": ("last,first", [0, 2]),
    "first-and-one": (f"first,{VERSIONS[1]}", [0, 1]),
    "all-three-ways": (f"first,{VERSIONS[1]},last", [0, 1, 2]),
    "none": ("1999-01-01T00:00:00.000Z", []),
    "none-and-one": (f"1999-01-01T00:00:00.000Z,{VERSIONS[2]}", [2]),
}


def _modified(found: list[Json]) -> list[str]:
    return [item["modified"] for item in found]


@must("3.4.1", "3.13.1.5")
@pytest.mark.parametrize(("value", "which"), _WANTED.values(), ids=_WANTED)
def test_versions_of_objects(shared: Collection, library: Library, value: str, which: list[int]) -> None:
    """`match[version]` gives those versions that it names: first, last, all, or by their moments."""
    found = shared.objects({"match[id]": library.id, "match[version]": value})
    assert _modified(found) == [VERSIONS[place] for place in which]


@must("3.4.1", "3.13.1.5")
@pytest.mark.parametrize(("value", "which"), _WANTED.values(), ids=_WANTED)
def test_versions_of_manifests(shared: Collection, library: Library, value: str, which: list[int]) -> None:
    """`match[version]` means in a manifest what it means for objects."""
    found = shared.manifest({"match[id]": library.id, "match[version]": value})
    assert moments(item["version"] for item in found) == moments(VERSIONS[place] for place in which)


@must("5.6", "3.13.1.5")
@pytest.mark.parametrize(("value", "which"), _WANTED.values(), ids=_WANTED)
def test_versions_of_one_object(shared: Collection, library: Library, value: str, which: list[int]) -> None:
    """`match[version]` means for one object what it means for all."""
    found = shared.read(f"objects/{library.id}", {"match[version]": value}).get("objects", [])
    assert _modified(found) == [VERSIONS[place] for place in which]


@must("3.4.1")
@pytest.mark.parametrize("endpoint", ["manifest", "objects"])
def test_latest_version_is_the_default(shared: Collection, library: Library, endpoint: str) -> None:
    """Without `match[version]`, every object is given out in its latest version alone."""
    asked = {"match[id]": library.id}
    assert shared.read(endpoint, asked) == shared.read(endpoint, asked | {"match[version]": "last"})


@must("3.4.1")
def test_version_is_that_of_each_object(shared: Collection, library: Library) -> None:
    """First and last are the first and the last of each object, rather than of the collection."""
    first = {item["id"]: item.get("modified") for item in shared.objects(library.mine | {"match[version]": "first"})}
    assert first == {item["id"]: item.get("modified") for item in [library.indicator[0], *library.others.values()]}


@must("3.4.1")
def test_version_of_what_is_never_modified(shared: Collection, library: Library) -> None:
    """An object that is never modified is matched by when it was created."""
    made = library.others["statement"]
    assert shared.ids("objects", {"match[id]": made["id"], "match[version]": made["created"]}) == [made["id"]]
    assert shared.ids("objects", {"match[id]": made["id"], "match[version]": "2020-01-01T00:00:00.000Z"}) == []


@must("3.4.1")
@pytest.mark.parametrize("value", ["last", "first", "all"])
def test_version_of_what_has_no_dates(shared: Collection, library: Library, value: str) -> None:
    """An object without dates is its own first, last and only version."""
    made = library.others["domain"]["id"]
    assert shared.ids("objects", {"match[id]": made, "match[version]": value}) == [made]


@must("3.4.1")
def test_version_that_is_told_is_found(shared: Collection, library: Library) -> None:
    """The version that a manifest tells of an object matches this object."""
    for item in shared.manifest(library.mine | {"match[version]": "all"}):
        asked = {"match[id]": item["id"], "match[version]": item["version"]}
        assert shared.ids("objects", asked) == [item["id"]], f"{asked} finds nothing"


@must("3.4.1")
def test_older_version_that_is_added_later_is_not_the_last(shared: Collection) -> None:
    """The last version is the one that was modified last, rather than added last."""
    stix_id = new_id("indicator")
    for version in (VERSIONS[1], VERSIONS[0]):
        shared.add(indicator(version, stix_id))
    assert _modified(shared.objects({"match[id]": stix_id})) == [VERSIONS[1]]
    assert _modified(shared.objects({"match[id]": stix_id, "match[version]": "first"})) == [VERSIONS[0]]


@must("3.4.1")
def test_new_version_takes_the_place_of_the_last(shared: Collection) -> None:
    """A version that is newer than all is the last as soon as it is added."""
    stix_id = new_id("indicator")
    for version in VERSIONS:
        shared.add(indicator(version, stix_id))
        assert _modified(shared.objects({"match[id]": stix_id})) == [version]


@must("3.4.1")
def test_versions_are_told_apart_by_a_millisecond(shared: Collection) -> None:
    """Versions that lie a millisecond apart are two."""
    stix_id = new_id("indicator")
    times = [BORN, BORN.replace(".000Z", ".001Z")]
    shared.add(*(indicator(time, stix_id) for time in times))
    assert _modified(shared.objects({"match[id]": stix_id, "match[version]": times[0]})) == times[:1]
    assert _modified(shared.objects({"match[id]": stix_id})) == times[1:]


@must("3.4")
def test_version_and_moment_are_joined_by_and(shared: Collection, library: Library) -> None:
    """Of the versions that are named, those are given out that were added after the moment."""
    records = shared.manifest({"match[id]": library.id, "match[version]": "all"})
    asked = {"match[id]": library.id, "match[version]": "all", "added_after": records[0]["date_added"]}
    assert _modified(shared.objects(asked)) == list(VERSIONS[1:])


@must("5.8", "3.9.1")
def test_versions_are_listed(shared: Collection, library: Library) -> None:
    """The versions of an object are listed, all of them."""
    assert sorted(moments(shared.versions(library.id))) == moments(VERSIONS)


@should("5.8")
def test_versions_are_listed_in_the_order_of_adding(shared: Collection, library: Library) -> None:
    """The versions of an object come in the order in which they were added."""
    assert moments(shared.versions(library.id)) == moments(VERSIONS)


@must("5.8")
def test_version_of_what_is_never_modified_is_listed(shared: Collection, library: Library) -> None:
    """The version of an object that is never modified is when it was created."""
    made = library.others["statement"]
    assert moments(shared.versions(made["id"])) == moments([made["created"]])


@must("5.8")
def test_limit_of_versions(shared: Collection, library: Library) -> None:
    """A list of versions keeps to the limit and says that there is more."""
    found = shared.read(f"objects/{library.id}/versions", {"limit": "2"})
    assert (len(found["versions"]), found.get("more")) == (2, True)


@must("5.8", "3.14.1")
def test_versions_are_paged(shared: Collection, library: Library) -> None:
    """Page by page, every version is listed once."""
    pages = shared.pages(f"objects/{library.id}/versions", {"limit": "1"})
    found = [version for _, page in pages for version in page.get("versions", [])]
    assert sorted(moments(found)) == moments(VERSIONS)


@must("5.8")
def test_added_after_of_versions(shared: Collection, library: Library) -> None:
    """Only those versions are listed that were added after the moment."""
    answer = expect(shared.server.get(shared.at("objects", library.id, "versions")), 200)
    first, last = answer.headers[FIRST], answer.headers[LAST]
    path = f"objects/{library.id}/versions"
    assert sorted(moments(shared.read(path, {"added_after": first})["versions"])) == moments(VERSIONS[1:])
    assert "versions" not in shared.read(path, {"added_after": last})


@must("5.8")
@pytest.mark.parametrize(("spec", "count"), [("2.1", 3), ("2.0", 0), ("2.0,2.1", 3)])
def test_spec_version_of_versions(shared: Collection, library: Library, spec: str, count: int) -> None:
    """Only the versions of the wanted versions of STIX are listed."""
    found = shared.read(f"objects/{library.id}/versions", {"match[spec_version]": spec})
    assert len(found.get("versions", [])) == count


@must("3.4")
@pytest.mark.parametrize("params", [{"limit": "0"}, {"added_after": "x"}], ids=["limit", "added_after"])
def test_malformed_parameter_of_versions_is_refused(shared: Collection, library: Library, params: dict[str, str]) -> None:
    """A parameter that cannot be read is answered with 400 where versions are listed, too."""
    check_error(shared.server.get(shared.at("objects", library.id, "versions"), params), 400)


@must("5.8")
def test_version_added_twice_is_listed_once(shared: Collection) -> None:
    """A version that was added twice is one version."""
    made = indicator()
    shared.add(made)
    shared.add(made)
    assert [moment(text) for text in shared.versions(made["id"])] == [moment(BORN)]
