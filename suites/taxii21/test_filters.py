"""Section 3.4: the filters of objects and manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from exchange import Collection, body_of, check_error, expect, moment
from requirements import must, should
from samples import VERSIONS, Library, indicator, new_id, older

_BOTH = pytest.mark.parametrize("endpoint", ["manifest", "objects"])
_STIX_TYPES = (
    "attack-pattern,campaign,course-of-action,grouping,identity,incident,indicator,infrastructure,intrusion-set,location,"
    "malware,malware-analysis,note,observed-data,opinion,report,threat-actor,tool,vulnerability,relationship,sighting,"
    "marking-definition,language-content,extension-definition,artifact,autonomous-system,directory,domain-name,email-addr,"
    "email-message,file,ipv4-addr,ipv6-addr,mac-addr,mutex,network-traffic,process,software,url,user-account,"
    "windows-registry-key,x509-certificate"
)
_BAD = {
    "added_after-word": [("added_after", "yesterday")],
    "added_after-month": [("added_after", "2021-13-01T00:00:00.000000Z")],
    "added_after-empty": [("added_after", "")],
    "limit-zero": [("limit", "0")],
    "limit-negative": [("limit", "-1")],
    "limit-word": [("limit", "ten")],
    "limit-fraction": [("limit", "1.5")],
    "limit-empty": [("limit", "")],
    "version-word": [("match[version]", "newest")],
    "version-day": [("match[version]", "2021-99-99T00:00:00.000Z")],
}
_TWICE = {
    "added_after": [("added_after", "2021-01-01T00:00:00.000000Z"), ("added_after", "2022-01-01T00:00:00.000000Z")],
    "limit": [("limit", "1"), ("limit", "2")],
    "id": [("match[id]", new_id("indicator")), ("match[id]", new_id("indicator"))],
    "type": [("match[type]", "indicator"), ("match[type]", "malware")],
    "version": [("match[version]", "first"), ("match[version]", "last")],
    "spec_version": [("match[spec_version]", "2.0"), ("match[spec_version]", "2.1")],
}


def _dates(shared: Collection, library: Library) -> list[str]:
    """Return when the versions of the library were added, in their order."""
    return [item["date_added"] for item in shared.manifest(library.mine | {"match[version]": "all"})]


@must("3.4", "3.13.1.1")
@_BOTH
def test_added_after_leaves_out_what_was_before(shared: Collection, library: Library, endpoint: str) -> None:
    """Only what was added after a moment is given out."""
    records = shared.manifest(library.mine)
    middle = records[1]["date_added"]
    later = [item["id"] for item in records if moment(item["date_added"]) > moment(middle)]
    assert sorted(shared.ids(endpoint, library.mine | {"added_after": middle})) == sorted(later)


@must("3.4")
@_BOTH
def test_added_after_leaves_out_the_moment_itself(shared: Collection, library: Library, endpoint: str) -> None:
    """What was added at the moment is not after it."""
    assert shared.ids(endpoint, library.mine | {"added_after": _dates(shared, library)[-1]}) == []


@must("3.4")
@_BOTH
def test_added_after_tells_microseconds(shared: Collection, library: Library, endpoint: str) -> None:
    """What was added one microsecond after the moment is given out."""
    last = _dates(shared, library)[-1]
    before = last[:-7] + f"{int(last[-7:-1]) - 1:06d}Z" if int(last[-7:-1]) else last[:-8] + ".000000Z"
    found = shared.ids(endpoint, library.mine | {"added_after": before})
    assert found or not int(last[-7:-1])


@must("3.4")
@_BOTH
def test_added_after_long_ago_is_everything(shared: Collection, library: Library, endpoint: str) -> None:
    """A moment before everything leaves nothing out."""
    assert sorted(shared.ids(endpoint, library.mine | {"added_after": "1990-01-01T00:00:00.000000Z"})) == sorted(library.ids)


@must("3.4")
def test_added_after_is_not_about_the_content(shared: Collection) -> None:
    """What was modified long ago and added now is after a moment in between."""
    made = indicator("2021-06-01T00:00:00.000Z")
    shared.add(made)
    assert shared.ids("objects", {"match[id]": made["id"], "added_after": "2022-01-01T00:00:00.000000Z"}) == [made["id"]]


@must("3.4")
def test_without_added_after_the_oldest_come_first(shared: Collection, library: Library) -> None:
    """Without a moment, the answer begins with what was added first."""
    dates = sorted(_dates(shared, library))
    first = shared.manifest(library.mine | {"match[version]": "all", "limit": "1"})[0]
    assert first["date_added"] == dates[0]


@must("3.4", "3.13.1.2")
@_BOTH
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_limit_is_kept(shared: Collection, library: Library, endpoint: str, limit: int) -> None:
    """No more is given out than was asked for, and `more` says that there is more."""
    found = shared.read(endpoint, library.mine | {"limit": str(limit)})
    assert 1 <= len(found["objects"]) <= limit
    assert found.get("more") is True


@must("3.4")
@_BOTH
def test_limit_that_is_enough_gives_everything(shared: Collection, library: Library, endpoint: str) -> None:
    """When no more matches than was asked for, all of it is given out and `more` is not true."""
    for limit in (len(library.ids), len(library.ids) + 1, 2**31):
        found = shared.read(endpoint, library.mine | {"limit": str(limit)})
        assert len(found["objects"]) == len(library.ids)
        assert not found.get("more")


@must("3.4", "3.13.1.3")
@_BOTH
def test_match_id_of_one(shared: Collection, library: Library, endpoint: str) -> None:
    """One id gives one object."""
    assert shared.ids(endpoint, {"match[id]": library.id}) == [library.id]


@must("3.4", "3.13.1.7")
@_BOTH
def test_match_id_of_several(shared: Collection, library: Library, endpoint: str) -> None:
    """Ids with commas between them give each of these objects."""
    wanted = library.ids[1:4]
    assert sorted(shared.ids(endpoint, {"match[id]": ",".join(wanted)})) == sorted(wanted)


@must("3.4")
@_BOTH
def test_match_id_that_is_not_there(shared: Collection, library: Library, endpoint: str) -> None:
    """An id that is not there gives nothing, and takes nothing away from others."""
    absent = new_id("indicator")
    assert shared.ids(endpoint, {"match[id]": absent}) == []
    assert shared.ids(endpoint, {"match[id]": f"{absent},{library.id}"}) == [library.id]


@must("3.4.1", "3.13.1.4")
@_BOTH
@pytest.mark.parametrize("kind", ["indicator", "malware", "relationship", "marking-definition", "domain-name"])
def test_match_type_of_one(shared: Collection, library: Library, endpoint: str, kind: str) -> None:
    """A type gives the objects of this type."""
    assert sorted(shared.ids(endpoint, library.mine | {"match[type]": kind})) == library.of(kind)


@must("3.4.1", "3.13.1.7")
@_BOTH
def test_match_type_of_several(shared: Collection, library: Library, endpoint: str) -> None:
    """Types with commas between them give the objects of each."""
    found = shared.ids(endpoint, library.mine | {"match[type]": "malware,identity"})
    assert sorted(found) == sorted(library.of("malware") + library.of("identity"))


@must("3.4.1")
@_BOTH
def test_match_type_alone(shared: Collection, library: Library, endpoint: str) -> None:
    """Without any other filter, a type keeps all others out."""
    found = shared.ids(endpoint, {"match[type]": "marking-definition", "limit": "50"})
    assert found
    assert {stix_id.partition("--")[0] for stix_id in found} == {"marking-definition"}


@must("3.4.1")
@_BOTH
def test_every_type_of_stix_may_be_asked_for(shared: Collection, library: Library, endpoint: str) -> None:
    """No type that STIX 2.1 has is an error."""
    assert sorted(shared.ids(endpoint, library.mine | {"match[type]": _STIX_TYPES})) == sorted(library.ids)


@must("3.4.1")
@_BOTH
def test_type_that_is_not_there(shared: Collection, library: Library, endpoint: str) -> None:
    """A type that no object is of gives nothing."""
    assert shared.ids(endpoint, library.mine | {"match[type]": "volcano"}) == []


@must("3.4.1", "3.13.1.6")
@_BOTH
def test_match_spec_version(shared: Collection, library: Library, endpoint: str) -> None:
    """The version of STIX that objects are of gives them."""
    assert sorted(shared.ids(endpoint, library.mine | {"match[spec_version]": "2.1"})) == sorted(library.ids)


@must("3.4.1")
@_BOTH
def test_match_spec_version_of_several(shared: Collection, library: Library, endpoint: str) -> None:
    """Versions of STIX with commas between them give the objects of each."""
    assert sorted(shared.ids(endpoint, library.mine | {"match[spec_version]": "2.0,2.1"})) == sorted(library.ids)


@must("3.4.1")
def test_match_spec_version_keeps_others_out(shared: Collection, library: Library) -> None:
    """No object of another version of STIX than the one that was asked for is given out."""
    found = shared.objects(library.mine | {"match[spec_version]": "2.0"})
    assert not [item["id"] for item in found if item.get("spec_version") == "2.1"]


@pytest.fixture(scope="module")
def two_specs(shared: Collection) -> str:
    """Return the id of an object that was added as of STIX 2.0 and as of 2.1."""
    kinds = body_of(expect(shared.server.get(shared.url), 200)).get("media_types", [])
    if "application/stix+json;version=2.0" not in kinds:
        pytest.skip("the collection does not say that it takes STIX 2.0")
    made = indicator()
    shared.add(made)
    shared.add(older(made))
    return str(made["id"])


@must("3.4.1")
@_BOTH
def test_latest_specification_is_the_default(shared: Collection, two_specs: str, endpoint: str) -> None:
    """Of an object in two versions of STIX, the latest is given out unless another is asked for."""
    assert shared.ids(endpoint, {"match[id]": two_specs}) == [two_specs]
    assert shared.objects({"match[id]": two_specs})[0].get("spec_version") == "2.1"


@must("3.4.1", "3.13.1.6")
def test_older_specification_may_be_asked_for(shared: Collection, two_specs: str) -> None:
    """Of an object in two versions of STIX, the older is given out when it is asked for."""
    found = shared.objects({"match[id]": two_specs, "match[spec_version]": "2.0"})
    assert [item.get("spec_version", "2.0") for item in found] == ["2.0"]


@must("3.4", "3.13.1.8")
@_BOTH
def test_filters_are_joined_by_and(shared: Collection, library: Library, endpoint: str) -> None:
    """Several filters give what all of them match."""
    found = shared.ids(endpoint, {"match[id]": library.id, "match[type]": "malware"})
    assert found == []
    same = {"match[id]": library.id, "match[type]": "indicator", "match[spec_version]": "2.1", "match[version]": VERSIONS[1]}
    assert shared.ids(endpoint, same) == [library.id]


@must("3.4", "3.13.1.9")
@_BOTH
def test_or_within_and_between_filters(shared: Collection, library: Library, endpoint: str) -> None:
    """Several values of several filters give what matches one of each."""
    bad, maker = library.others["malware"]["id"], library.others["identity"]["id"]
    found = shared.ids(endpoint, {"match[id]": f"{bad},{maker},{library.id}", "match[type]": "malware,indicator"})
    assert sorted(found) == sorted([bad, library.id])


@must("3.4", "3.13.1.8")
@_BOTH
def test_moment_and_match_are_joined_by_and(shared: Collection, library: Library, endpoint: str) -> None:
    """A moment and a filter of content apply both."""
    records = shared.manifest(library.mine)
    middle = records[2]["date_added"]
    later = {item["id"] for item in records if moment(item["date_added"]) > moment(middle)}
    found = shared.ids(endpoint, library.mine | {"added_after": middle, "match[type]": "malware"})
    assert sorted(found) == sorted(later & set(library.of("malware")))


@must("3.4")
@_BOTH
def test_limit_and_match_are_joined(shared: Collection, library: Library, endpoint: str) -> None:
    """A limit counts what matches, rather than what was looked at."""
    found = shared.read(endpoint, library.mine | {"match[type]": "malware", "limit": "2"})
    assert sorted(item["id"] for item in found["objects"]) == library.of("malware")
    assert not found.get("more")


@must("3.4")
@_BOTH
@pytest.mark.parametrize("params", _BAD.values(), ids=_BAD)
def test_malformed_parameter_is_refused(shared: Collection, endpoint: str, params: Any) -> None:
    """A parameter that cannot be read is answered with 400."""
    check_error(shared.server.get(shared.at(endpoint), params), 400)


@must("3.4", "3.13.1.10")
@pytest.mark.parametrize("params", _TWICE.values(), ids=_TWICE)
def test_parameter_twice_is_refused(shared: Collection, params: Any) -> None:
    """A parameter that is given twice is answered with 400."""
    check_error(shared.server.get(shared.at("objects"), params), 400)


@must("3.4")
def test_unknown_filter_breaks_nothing(shared: Collection, library: Library) -> None:
    """A filter that TAXII does not have is ignored or refused."""
    expect(shared.server.get(shared.at("objects"), library.mine | {"match[x_colour]": "red"}), 200, 400)


@must("3.4")
def test_unknown_parameter_breaks_nothing(shared: Collection, library: Library) -> None:
    """A parameter that TAXII does not have is ignored or refused."""
    expect(shared.server.get(shared.at("objects"), library.mine | {"colour": "red"}), 200, 400)


@must("3.4")
@pytest.mark.parametrize("escape", [str, lambda text: text.replace("[", "%5B").replace("]", "%5D")], ids=["plain", "escaped"])
@pytest.mark.parametrize("comma", [",", "%2C"], ids=["comma", "escaped-comma"])
def test_brackets_and_commas_may_be_escaped(
    shared: Collection, library: Library, escape: Callable[[str], str], comma: str
) -> None:
    """Brackets and commas of filters mean the same, escaped or not."""
    query = escape(f"match[type]=malware{comma}indicator&match[id]={comma.join(library.ids)}")
    url = httpx.URL(shared.at("objects")).copy_with(query=query.encode())
    found = body_of(expect(shared.server.get(str(url)), 200))
    assert sorted(item["id"] for item in found["objects"]) == sorted([*library.of("malware"), library.id])


@must("3.4")
@pytest.mark.parametrize("value", ["'", "' OR 1=1 --", "%", "*", "\\", "<script>", "\u0000", "é", "x" * 2000])
def test_strange_values_match_nothing(shared: Collection, library: Library, value: str) -> None:
    """Text that is no id matches nothing, or is refused; it is never a fault of the server and never everything."""
    answer = expect(shared.server.get(shared.at("objects"), {"match[id]": value}), 200, 400, 414)
    assert answer.status_code != 200 or "objects" not in body_of(answer)


@should("3.4.1")
@pytest.mark.parametrize("value", ["all,last", "first,all", "all,2021-03-01T08:00:00.000Z", "last,last"])
def test_contradictory_versions_are_refused(shared: Collection, library: Library, value: str) -> None:
    """`all` beside another version, or a version twice, is answered with 400."""
    check_error(shared.server.get(shared.at("objects"), library.mine | {"match[version]": value}), 400)
