"""Sections 5.5 and 4.3: adding objects, and the status of it."""

from __future__ import annotations

import itertools
import json
from typing import Any
from uuid import RFC_4122, UUID, uuid4

import pytest
from exchange import (
    MEDIA,
    Collection,
    Json,
    Server,
    body_of,
    check_error,
    check_media,
    check_timestamp,
    expect,
    moment,
)
from requirements import may_damage, must, should
from samples import VERSIONS, domain, identity, indicator, malware, older, relationship, statement

_NO_BODY = {
    "text": b"hello",
    "nothing": b"",
    "cut": b'{"objects":[{"type":"indi',
    "array": b"[]",
    "number": b"7",
    "null": b"null",
    "no-list": b'{"objects":{}}',
    "deep": b'{"objects":[' + b"[" * 20_000,
}


@pytest.fixture(scope="module")
def first(shared: Collection) -> Json:
    """Return the first answer to a request to add two objects."""
    answer = expect(shared.post({"objects": [indicator(), malware()]}), 202)
    check_media(answer)
    return body_of(answer)


@must("5.5", "3.10.1")
def test_objects_are_taken(shared: Collection) -> None:
    """Adding objects is answered with 202 and a status resource."""
    assert "status" in body_of(expect(shared.post({"objects": [indicator()]}), 202))


@must("4.3.1")
def test_status_has_a_random_uuid(first: Json) -> None:
    """The id of a status is a UUID of version 4."""
    found = UUID(first["id"])
    assert (found.variant, found.version) == (RFC_4122, 4)


@must("4.3.1")
def test_status_is_complete_or_pending(first: Json) -> None:
    """A status is complete or pending."""
    assert first["status"] in {"complete", "pending"}


@must("4.3.1", "3.11.2")
@pytest.mark.parametrize("name", ["total_count", "success_count", "failure_count", "pending_count"])
def test_status_counts(first: Json, name: str) -> None:
    """A status has four counts, whole numbers from zero."""
    assert type(first.get(name)) is int, f"{name} is {first.get(name)!r}"
    assert first[name] >= 0


@must("4.3.1")
def test_counts_add_up(shared: Collection, first: Json) -> None:
    """When a request is complete, what succeeded and what failed is all that was sent."""
    done = shared.settled(first)
    assert (done["total_count"], done["success_count"], done["failure_count"], done["pending_count"]) == (2, 2, 0, 0)


@must("4.3.1")
def test_request_time_is_a_timestamp(first: Json) -> None:
    """The time of the request, where it is told, has microseconds and is in UTC."""
    if "request_timestamp" in first:
        check_timestamp(first["request_timestamp"])


@must("4.3.1")
def test_lists_of_the_status_are_as_long_as_counted(shared: Collection, first: Json) -> None:
    """Where a status names objects, they are as many as it counts, and no list is empty."""
    done = shared.settled(first)
    for name, count in (("successes", "success_count"), ("failures", "failure_count"), ("pendings", "pending_count")):
        assert name not in done or len(done[name]) == done[count] > 0


@must("4.3.1")
def test_status_names_objects_by_id_and_version(shared: Collection) -> None:
    """Where a status names an object, it does so by its id, and by the time when it was modified or else created."""
    made = [indicator(VERSIONS[1]), statement()]
    expected = {made[0]["id"]: VERSIONS[1], made[1]["id"]: made[1]["created"]}
    for item in shared.add(*made).get("successes", []):
        assert moment(item["version"]) == moment(expected[item["id"]])


@must("4.3", "3.11.1")
def test_status_is_told_again(shared: Collection, first: Json) -> None:
    """The status that was answered is found at its own URL, under the same id."""
    answer = expect(shared.server.get(f"status/{first['id']}/"), 200)
    check_media(answer)
    assert body_of(answer)["id"] == first["id"]


@must("4.3")
def test_complete_status_stays_as_it_is(shared: Collection, first: Json) -> None:
    """A status that is complete is not changed any more."""
    done = shared.settled(first)
    assert body_of(shared.server.get(f"status/{done['id']}/")) == shared.settled(first)


@must("4.3")
@pytest.mark.parametrize("name", [str(uuid4()), "none"])
def test_unknown_status_is_not_found(server: Server, name: str) -> None:
    """A status that is not there is answered with 404."""
    check_error(server.get(f"status/{name}/"), 404)


@must("5.5")
@pytest.mark.parametrize("make", [indicator, malware, identity, statement, domain], ids=lambda make: make.__name__)
def test_object_comes_back_as_it_was_sent(shared: Collection, make: Any) -> None:
    """What was added is given out with every property as it was."""
    made = make()
    shared.add(made)
    assert shared.read(f"objects/{made['id']}")["objects"] == [made]


@must("5.5")
def test_relationship_comes_back_as_it_was_sent(shared: Collection) -> None:
    """Relationships are added and given out as other objects."""
    made = [indicator(), malware()]
    made.append(relationship(*made))
    shared.add(*made)
    assert shared.read(f"objects/{made[2]['id']}")["objects"] == [made[2]]


@must("3.7")
def test_content_is_kept_exactly(shared: Collection) -> None:
    """Signs of every script, numbers, nested and custom properties of an object survive."""
    made = indicator(
        description='Ж 字 🛰 \u2028 "quoted" \\ <b>&amp;',
        confidence=85,
        x_example_score=0.1,
        x_example_big=2**53 - 1,
        extensions={f"extension-definition--{uuid4()}": {"extension_type": "property-extension", "deep": [[1], {"a": None}]}},
        labels=["", "a,b", "é"],
    )
    shared.add(made)
    assert shared.read(f"objects/{made['id']}")["objects"] == [made]


@must("5.5")
def test_same_object_again_is_no_error(shared: Collection) -> None:
    """An object that is already there, exactly so, is not counted as a failure."""
    made = indicator()
    shared.add(made)
    shared.add(made)


@must("5.5")
def test_same_object_again_is_there_once(shared: Collection) -> None:
    """An object that was added twice is given out once."""
    made = indicator()
    shared.add(made)
    shared.add(made)
    assert shared.ids("objects", {"match[id]": made["id"], "match[version]": "all"}) == [made["id"]]


@should("5.5")
def test_same_object_again_keeps_its_date(shared: Collection) -> None:
    """An object that is added again was added when it was first, so that those who have it are not given it anew."""
    made = indicator()
    shared.add(made)
    before = shared.manifest({"match[id]": made["id"]})
    shared.add(made)
    assert shared.manifest({"match[id]": made["id"]}) == before


@must("5.5")
def test_same_object_twice_in_one_request_is_there_once(shared: Collection) -> None:
    """An object that is twice in one envelope is given out once."""
    made = indicator()
    shared.add(made, made)
    assert shared.ids("objects", {"match[id]": made["id"], "match[version]": "all"}) == [made["id"]]


@should("5.5")
def test_other_content_of_the_same_version_is_not_a_second_one(shared: Collection) -> None:
    """There is one content of one version, whatever is sent later under its name."""
    made = indicator()
    shared.add(made)
    shared.settled(body_of(expect(shared.post({"objects": [made | {"name": "Another"}]}), 202)))
    assert len(shared.objects({"match[id]": made["id"], "match[version]": "all"})) == 1


@must("5.5")
@pytest.mark.parametrize("content", _NO_BODY.values(), ids=_NO_BODY)
def test_body_that_is_no_envelope_is_refused(shared: Collection, content: bytes) -> None:
    """A body that cannot be read as an envelope is answered with 400 or 422."""
    check_error(shared.post(content), 400, 422)


@may_damage()
@must("1.6.7")
def test_text_that_is_no_utf8_is_told(shared: Collection) -> None:
    """A body with bytes that are no UTF-8 is refused with 400 or 422, or what has them is counted as a failure."""
    answer = expect(
        shared.post(json.dumps({"objects": [indicator(name="MARK")]}).encode().replace(b"MARK", b"\xff")), 202, 400, 422
    )
    if answer.status_code == 202:
        assert shared.settled(body_of(answer))["failure_count"] == 1


@may_damage()
@must("5.5")
@pytest.mark.parametrize("body", [{}, {"objects": []}], ids=["no-objects", "empty-list"])
def test_envelope_without_objects_is_harmless(shared: Collection, body: Json) -> None:
    """An envelope with nothing in it is taken or refused, and breaks nothing."""
    expect(shared.post(body), 202, 400, 422)


@may_damage()
@must("5.5")
@pytest.mark.parametrize(
    "wrong",
    [{"id": None}, {"type": None}, {"modified": "yesterday"}, {"id": "indicator"}, {"id": 7}, {"type": "malware"}],
    ids=["no-id", "no-type", "no-time", "half-an-id", "number", "another-type"],
)
def test_bad_object_is_told(shared: Collection, wrong: Json) -> None:
    """What is no STIX object is refused with 400 or 422, or is counted as a failure."""
    bad = {name: value for name, value in (indicator() | wrong).items() if value is not None}
    answer = expect(shared.post({"objects": [bad]}), 202, 400, 422)
    if answer.status_code == 202:
        done = shared.settled(body_of(answer))
        assert (done["success_count"], done["failure_count"]) == (0, 1), f"it was taken: {done}"


@may_damage()
@must("4.3.1")
def test_failure_names_the_object(shared: Collection) -> None:
    """Where a status names an object that failed, it does so by the id that the object has."""
    bad = indicator("yesterday")
    answer = shared.post({"objects": [bad]})
    if answer.status_code == 202:
        for item in shared.settled(body_of(answer)).get("failures", []):
            assert item["id"] == bad["id"]
            assert isinstance(item.get("version"), str)


@may_damage()
@should("4.3.1")
def test_failure_says_why(shared: Collection) -> None:
    """The status says why an object was not taken."""
    bad = indicator("yesterday")
    answer = shared.post({"objects": [bad, indicator()]})
    if answer.status_code == 202:
        failures = shared.settled(body_of(answer)).get("failures")
        assert failures, "the failures are not named"
        assert all(item.get("message") for item in failures), f"no message: {failures}"


@may_damage()
@should("5.5")
def test_bad_object_does_not_keep_good_ones_out(shared: Collection) -> None:
    """Of several objects, those that are right are added although one is not."""
    good = [indicator(), malware()]
    answer = expect(shared.post({"objects": [good[0], indicator("yesterday"), good[1]]}), 202)
    done = shared.settled(body_of(answer))
    assert (done["total_count"], done["success_count"], done["failure_count"]) == (3, 2, 1)
    assert sorted(shared.ids("objects", {"match[id]": ",".join(item["id"] for item in good)})) == sorted(
        item["id"] for item in good
    )


@may_damage()
@should("5.5")
def test_unknown_version_of_stix_is_refused(shared: Collection) -> None:
    """An object of a version of STIX that does not exist is refused with 422, or is counted as a failure."""
    answer = expect(shared.post({"objects": [indicator(spec_version="7.5")]}), 202, 422)
    if answer.status_code == 202:
        assert shared.settled(body_of(answer))["failure_count"] == 1


@must("7.1.1", "3.15.1")
def test_custom_property_of_the_envelope(shared: Collection) -> None:
    """A property that the server does not know is ignored, or the request is refused with 422."""
    made = indicator()
    answer = expect(shared.post({"objects": [made], "x_example_note": {"a": [1]}}), 202, 422)
    if answer.status_code == 202:
        assert shared.settled(body_of(answer))["success_count"] == 1


@should("1.6.10")
def test_older_stix_is_kept_apart(shared: Collection) -> None:
    """An object of STIX 2.0 is taken where the collection says so, and is of that version in the manifest."""
    made = older(indicator())
    kinds = body_of(shared.server.get(shared.url)).get("media_types", [])
    answer = expect(shared.post({"objects": [made]}), 202, 422)
    taken = answer.status_code == 202 and not shared.settled(body_of(answer))["failure_count"]
    assert taken == ("application/stix+json;version=2.0" in kinds), f"taken: {taken}, but the media types are {kinds}"
    if taken:
        assert shared.manifest({"match[id]": made["id"]})[0].get("media_type", "2.0").endswith("2.0")


@must("4.2.1")
def test_body_below_the_limit_is_not_too_long(shared: Collection, most: int) -> None:
    """A body that is shorter than the API root allows is not answered with 413."""
    content = json.dumps({"objects": [indicator()]}).encode()
    answer = shared.post(content.ljust(most - 1))
    assert answer.status_code != 413, f"{most - 1} of {most} bytes are too many"
    expect(answer, 202)


@must("5.5")
def test_body_above_the_limit_is_too_long(shared: Collection, most: int) -> None:
    """A body that is longer than the API root allows is answered with 413."""
    content = json.dumps({"objects": [indicator()]}).encode()
    check_error(shared.post(content.ljust(most + 1)), 413)


@must("5.5")
def test_body_of_unknown_length_is_limited_too(shared: Collection, most: int) -> None:
    """A body whose length was not declared, sent in chunks, is refused when it gets too long."""
    chunk = b" " * 65_536
    client, headers = shared.server.client, {"Accept": MEDIA, "Content-Type": MEDIA}
    if shared.server.login.header:
        headers["Authorization"] = shared.server.login.header
    parts = itertools.chain([json.dumps({"objects": [indicator()]}).encode()], itertools.repeat(chunk, most // len(chunk) + 2))
    check_error(client.post(shared.at("objects"), content=parts, headers=headers), 400, 411, 413)


@pytest.fixture(scope="module")
def most(server: Server, given: Any) -> int:
    """Return the limit of a body, where it can be tried."""
    limit = int(body_of(server.get(server.root))["max_content_length"])
    largest = int(given.taxii_largest or 16 << 20)
    if limit > largest:
        pytest.skip(f"a body may have {limit} bytes, more than --taxii-largest ({largest})")
    return limit


@must("5.5")
def test_many_objects_at_once(shared: Collection) -> None:
    """An envelope with fifty objects is taken as a whole."""
    made = [domain() for _ in range(50)]
    done = shared.settled(body_of(expect(shared.post({"objects": made}), 202)))
    assert (done["total_count"], done["success_count"]) == (50, 50)
