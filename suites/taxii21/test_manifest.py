"""Sections 5.3, 5.4, 5.6 and 3.7: manifests, objects, envelopes; 3.2 and 3.3: their dates and order."""

from __future__ import annotations

import pytest
from exchange import FIRST, LAST, Collection, body_of, check_error, check_media, check_timestamp, expect, moment, moments
from requirements import must, should
from samples import Library, indicator, new_id

_PAGES = ["manifest", "objects"]
_ALL = ["manifest", "objects", "object", "versions"]
_SECTION = {"manifest": "5.3", "objects": "5.4", "object": "5.6", "versions": "5.8"}
_EMPTY = {"added_after": "2999-01-01T00:00:00.000000Z"}


def _path(endpoint: str, library: Library) -> str:
    """Return the path of an endpoint; what is of one object is asked of the indicator."""
    return {"object": f"objects/{library.id}", "versions": f"objects/{library.id}/versions"}.get(endpoint, endpoint)


def _each(names: list[str], interop: dict[str, str] | None = None) -> pytest.MarkDecorator:
    """Return a case for each endpoint, with its section."""
    found = interop or {}
    return pytest.mark.parametrize(
        "endpoint", [pytest.param(n, marks=must(_SECTION[n], found.get(n, "")), id=n) for n in names]
    )


@_each(_ALL, {"manifest": "3.6.1", "objects": "3.7.1", "object": "3.8.1", "versions": "3.9.1"})
def test_answer_has_the_media_type(shared: Collection, library: Library, endpoint: str) -> None:
    """What is read of a collection has the Content-Type of TAXII with its version."""
    check_media(expect(shared.server.get(shared.at(_path(endpoint, library))), 200))


@must("3.2")
@pytest.mark.parametrize("endpoint", _ALL)
@pytest.mark.parametrize("header", [FIRST, LAST])
def test_answer_has_the_dates(shared: Collection, library: Library, endpoint: str, header: str) -> None:
    """What is read of a collection says, to the microsecond, when its first and its last record were added."""
    check_timestamp(shared.server.get(shared.at(_path(endpoint, library))).headers.get(header))


@must("3.2")
def test_dates_are_those_of_the_records(shared: Collection, library: Library) -> None:
    """The dates in the headers of a manifest are those of its first and last record."""
    answer = shared.server.get(shared.at("manifest"), library.mine)
    dates = [item["date_added"] for item in body_of(answer)["objects"]]
    assert moments([answer.headers[FIRST], answer.headers[LAST]]) == moments([dates[0], dates[-1]])


@must("3.2")
def test_objects_and_manifest_have_the_same_dates(shared: Collection, library: Library) -> None:
    """Objects were added when their manifest says."""
    both = [shared.server.get(shared.at(endpoint), library.mine) for endpoint in _PAGES]
    assert both[0].headers[FIRST] == both[1].headers[FIRST]
    assert both[0].headers[LAST] == both[1].headers[LAST]


@must("3.2")
def test_dates_follow_the_page(shared: Collection, library: Library) -> None:
    """The dates in the headers are those of the page, rather than of all that matches."""
    answer = shared.server.get(shared.at("manifest"), library.mine | {"limit": "1"})
    assert answer.headers[FIRST] == answer.headers[LAST] == body_of(answer)["objects"][0]["date_added"]


@must("5.3.1", "3.6.1")
def test_manifest_has_every_object(shared: Collection, library: Library) -> None:
    """Every object that was added has its record, with its id."""
    assert sorted(shared.ids("manifest", library.mine)) == sorted(library.ids)


@must("5.3.1")
def test_manifest_dates_are_timestamps(shared: Collection, library: Library) -> None:
    """A record says, to the microsecond, when its object was added."""
    for item in shared.manifest(library.mine):
        check_timestamp(item.get("date_added"))


@must("5.3.1")
def test_manifest_has_the_modified_version(shared: Collection, library: Library) -> None:
    """The version of an object that can be modified is when it was."""
    found = {item["id"]: item["version"] for item in shared.manifest(library.mine)}
    for made in [library.indicator[-1], *(item for item in library.others.values() if "modified" in item)]:
        assert moment(found[made["id"]]) == moment(made["modified"])


@must("5.3.1")
def test_manifest_has_the_created_version(shared: Collection, library: Library) -> None:
    """The version of an object that is never modified is when it was created."""
    made = library.others["statement"]
    assert moment(shared.manifest({"match[id]": made["id"]})[0]["version"]) == moment(made["created"])


@should("5.3.1")
def test_manifest_has_some_version(shared: Collection, library: Library) -> None:
    """An object without any date has a version all the same, the same whenever it is asked for."""
    made = library.others["domain"]["id"]
    found = {shared.manifest({"match[id]": made})[0]["version"] for _ in range(2)}
    assert found == set(shared.versions(made))


@must("5.3.1")
def test_manifest_keeps_microseconds_of_versions(shared: Collection) -> None:
    """A version that differs from another by a microsecond is told as it is."""
    stix_id = new_id("indicator")
    times = ["2021-03-01T08:00:00.000001Z", "2021-03-01T08:00:00.000002Z"]
    shared.add(*(indicator(time, stix_id) for time in times))
    found = shared.manifest({"match[id]": stix_id, "match[version]": "all"})
    assert sorted(moments(item["version"] for item in found)) == moments(times)


@must("5.3.1")
def test_manifest_media_types_are_those_of_the_collection(shared: Collection, library: Library) -> None:
    """The media type of a record is one that the collection lists."""
    kinds = body_of(shared.server.get(shared.url)).get("media_types", ["application/stix+json"])
    for item in shared.manifest(library.mine):
        assert item.get("media_type", kinds[0]) in kinds


@should("5.3.1")
def test_observable_without_spec_version_is_of_the_newest(shared: Collection) -> None:
    """An observable that names no version of STIX is of 2.1, as observables became objects only then."""
    made = {"type": "domain-name", "id": new_id("domain-name"), "value": "conformance.example"}
    shared.add(made)
    assert shared.manifest({"match[id]": made["id"]})[0].get("media_type", "2.1").endswith("2.1")


@must("5.4", "3.7.1")
def test_objects_are_given_out(shared: Collection, library: Library) -> None:
    """Objects are given out in an envelope, each in its latest version."""
    found = {item["id"]: item for item in shared.objects(library.mine)}
    assert found == {item["id"]: item for item in [library.indicator[-1], *library.others.values()]}


@must("3.7")
def test_envelope_has_only_its_own_properties(shared: Collection, library: Library) -> None:
    """An envelope has `objects`, `more` and `next`, and custom properties of the right form."""
    for name in shared.read("objects", library.mine):
        custom = 3 <= len(name) <= 250 and name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()
        assert name in {"objects", "more", "next"} or (custom and name.startswith("x_")), f"{name!r} is none"


@must("3.7")
@pytest.mark.parametrize("endpoint", _PAGES)
def test_more_is_a_boolean(shared: Collection, library: Library, endpoint: str) -> None:
    """`more` is true or false where it is there."""
    for limit in ("1", "100"):
        assert isinstance(shared.read(endpoint, library.mine | {"limit": limit}).get("more", False), bool)


@_each(_PAGES, {"objects": "3.7.2"})
def test_nothing_is_an_empty_answer(shared: Collection, library: Library, endpoint: str) -> None:
    """When nothing matches, the answer is 200 without `objects`, rather than an empty list or an error."""
    found = shared.read(endpoint, library.mine | _EMPTY)
    assert "objects" not in found
    assert not found.get("more")


@must("5.8.1")
def test_no_versions_is_an_empty_answer(shared: Collection, library: Library) -> None:
    """When no version matches, the answer is 200 without `versions`."""
    assert "versions" not in shared.read(f"objects/{library.id}/versions", _EMPTY)


@must("5.6")
def test_object_without_a_match_is_an_empty_envelope(shared: Collection, library: Library) -> None:
    """When an object is there and no version of it matches, the answer is an empty envelope."""
    found = shared.read(f"objects/{library.id}", {"match[version]": "1999-01-01T00:00:00.000Z"})
    assert "objects" not in found


@must("5.6", "3.8.1")
def test_object_is_given_out_by_its_id(shared: Collection, library: Library) -> None:
    """An object is given out by its id, in an envelope, in its latest version."""
    assert shared.read(f"objects/{library.id}")["objects"] == [library.indicator[-1]]


@_each(["object", "versions"], {"object": "3.8.2"})
def test_unknown_object_is_not_found(shared: Collection, endpoint: str) -> None:
    """An object that is not in the collection is answered with 404."""
    path = f"objects/{new_id('indicator')}" + ("/versions" if endpoint == "versions" else "")
    check_error(shared.server.get(shared.at(path)), 404)


@must("5.6")
@pytest.mark.parametrize("name", ["indicator", "--", "%00", "indicator--%F0%9F%90%AA", "a" * 300])
def test_strange_names_of_objects_are_not_found(shared: Collection, name: str) -> None:
    """A name that no object can have is answered with 400 or 404."""
    expect(shared.server.get(shared.at("objects", name)), 400, 404, 414)


@must("3.3")
@pytest.mark.parametrize("version", ["last", "all"])
def test_manifest_is_in_the_order_of_adding(shared: Collection, library: Library, version: str) -> None:
    """Records come in the order in which their objects were added, the newest last."""
    dates = moments(item["date_added"] for item in shared.manifest(library.mine | {"match[version]": version}))
    assert dates == sorted(dates)


@must("3.3")
def test_batches_are_in_the_order_of_adding(shared: Collection, library: Library) -> None:
    """What was added later comes later, whatever dates its content has."""
    found = [(item["id"], item.get("modified")) for item in shared.objects(library.mine | {"match[version]": "all"})]
    places = [found.index((made["id"], made["modified"])) for made in library.indicator]
    assert places == sorted(places)
    assert found.index((library.others["malware"]["id"], library.others["malware"]["modified"])) < places[1]


@must("3.3")
def test_objects_are_in_the_order_of_adding(shared: Collection, library: Library) -> None:
    """Objects come in the order in which they were added, as their manifest tells it."""
    added = {item["id"]: moment(item["date_added"]) for item in shared.manifest(library.mine)}
    dates = [added[stix_id] for stix_id in shared.ids("objects", library.mine)]
    assert dates == sorted(dates)


@must("3.3")
def test_older_content_that_is_added_later_comes_later(shared: Collection) -> None:
    """The order is that of adding, rather than that of `modified`."""
    made = [indicator("2022-01-01T00:00:00.000Z"), indicator("2021-06-01T00:00:00.000Z")]
    for item in made:
        shared.add(item)
    ids = [item["id"] for item in made]
    assert shared.ids("objects", {"match[id]": ",".join(reversed(ids))}) == ids
