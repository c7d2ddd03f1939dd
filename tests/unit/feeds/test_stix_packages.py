"""Packages of STIX: how markings spread in them, what granular markings hide, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tocsin.errors import UsageError
from tocsin.feeds.granular import are_separable
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.spreading import Links, spread
from tocsin.feeds.stix import read_bundle
from tocsin.sharing.markings import PAP_2, TLP_2, Declared, Marking, Pap, Tlp
from tocsin.sharing.redaction import redact

MOMENT = "2026-01-31T12:00:00.000Z"
TERMS = Terms({}, Tlp.AMBER)
OWN = "marking-definition--00000009-0000-4000-8000-000000000009"
_TYPES: dict[str, dict[str, Any]] = {
    "indicator": {"pattern": "[url:value = 'x']", "pattern_type": "stix", "valid_from": MOMENT},
    "identity": {"name": "i"},
    "report": {"name": "r", "published": MOMENT},
    "grouping": {"context": "c"},
    "observed-data": {"first_observed": MOMENT, "last_observed": MOMENT, "number_observed": 1},
    "relationship": {"relationship_type": "indicates"},
    "note": {"content": "n"},
    "opinion": {"opinion": "agree"},
    "malware": {"is_family": False},
    "language-content": {"contents": {"de": {"name": "x"}}},
}
_OBSERVABLES: dict[str, dict[str, Any]] = {
    "url": {"value": "https://a.example"},
    "ipv4-addr": {"value": "192.0.2.1"},
    "file": {"name": "a"},
    "network-traffic": {"protocols": ["tcp"]},
}


def _id(name: str) -> str:
    """Return the id of `report 1`."""
    kind, number = name.split()
    return f"{kind}--0000000{number}-0000-4000-8000-00000000000{number}"


def _made(name: str, level: Tlp | None = None, /, **more: Any) -> dict[str, Any]:
    kind = name.split()[0]
    dated = {} if kind in _OBSERVABLES else {"created": MOMENT, "modified": MOMENT}
    marks = {} if level is None else {"object_marking_refs": [TLP_2[level]]}
    head = {"type": kind, "id": _id(name), "spec_version": "2.1"}
    return {**head, **dated, **_TYPES.get(kind, {}), **_OBSERVABLES.get(kind, {}), **marks, **more}


def _read(*objects: dict[str, Any], terms: Terms = TERMS) -> list[Incoming | Rejected]:
    return read_bundle(json.dumps({"type": "bundle", "objects": objects}).encode(), "file", terms)


def _one(item: dict[str, Any], terms: Terms = TERMS) -> Incoming:
    (found,) = _read(item, terms=terms)
    assert isinstance(found, Incoming), str(found)
    return found


def _levels(*objects: dict[str, Any]) -> list[Tlp]:
    read = _read(*objects)
    assert not [str(item) for item in read if isinstance(item, Rejected)]
    return [item.marking.tlp for item in read if isinstance(item, Incoming)]


@pytest.mark.parametrize(
    ("holder", "more"),
    [
        ("report 1", {"object_refs": [_id("indicator 2")]}),
        ("grouping 1", {"object_refs": [_id("indicator 2")]}),
        ("observed-data 1", {"object_refs": [_id("indicator 2")]}),
        ("x-bag 1", {"object_refs": [_id("indicator 2")]}),
        ("malware 1", {"sample_refs": [_id("indicator 2")]}),
        ("network-traffic 1", {"dst_ref": _id("indicator 2")}),
    ],
)
def test_what_holds_others_gives_them_its_marking(holder: str, more: dict[str, Any]) -> None:
    """What it holds is as restricted, and what is wider of the two does not matter; the holder keeps its own."""
    assert _levels(_made(holder, Tlp.RED, **more), _made("indicator 2", Tlp.GREEN)) == [Tlp.RED, Tlp.RED]
    assert _levels(_made(holder, Tlp.CLEAR, **more), _made("indicator 2", Tlp.GREEN)) == [Tlp.CLEAR, Tlp.GREEN]
    assert _levels(_made("indicator 2"), _made(holder, Tlp.CLEAR, **more)) == [Tlp.AMBER, Tlp.CLEAR]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("relationship 1", {"source_ref": _id("indicator 2"), "target_ref": _id("malware 3")}),
        ("relationship 1", {"source_ref": _id("malware 3"), "target_ref": _id("indicator 2")}),
        ("sighting 1", {"sighting_of_ref": _id("indicator 2")}),
        ("sighting 1", {"sighting_of_ref": _id("malware 3"), "where_sighted_refs": [_id("identity 2")]}),
        ("sighting 1", {"sighting_of_ref": _id("malware 3"), "observed_data_refs": [_id("observed-data 2")]}),
        ("note 1", {"object_refs": [_id("malware 3"), _id("indicator 2")]}),
        ("opinion 1", {"object_refs": [_id("indicator 2")]}),
        ("language-content 1", {"object_ref": _id("indicator 2")}),
    ],
)
def test_what_tells_of_others_takes_their_marking(name: str, more: dict[str, Any]) -> None:
    """It takes the most restricted of its ends, and gives them nothing."""
    held = {"object_refs": [_id("url 4")]}
    ends = [_made("indicator 2", Tlp.RED), _made("identity 2", Tlp.RED), _made("observed-data 2", Tlp.RED, **held)]
    assert _levels(_made(name, Tlp.GREEN, **more), *ends)[0] == Tlp.RED
    assert _levels(_made(name, Tlp.RED, **more), _made("indicator 2", Tlp.GREEN)) == [Tlp.RED, Tlp.GREEN]


def test_markings_spread_over_more_than_one_step() -> None:
    """From a report over what was observed to the address in it, and to a relationship of the address; cycles end."""
    chain = [
        _made("relationship 5", Tlp.CLEAR, source_ref=_id("ipv4-addr 4"), target_ref=_id("indicator 9")),
        _made("network-traffic 3", Tlp.CLEAR, dst_ref=_id("ipv4-addr 4"), src_ref=_id("network-traffic 3")),
        _made("ipv4-addr 4", Tlp.CLEAR),
        _made("observed-data 2", Tlp.GREEN, object_refs=[_id("network-traffic 3"), _id("report 1")]),
        _made("report 1", Tlp.AMBER_STRICT, object_refs=[_id("observed-data 2"), _id("report 1")]),
    ]
    assert _levels(*chain) == [Tlp.AMBER_STRICT] * 5


def test_what_is_only_in_the_same_package_stays_apart() -> None:
    """Neither a neighbour nor the creator takes an object's marking."""
    objects = [_made("indicator 1", Tlp.RED, created_by_ref=_id("identity 2")), _made("identity 2", Tlp.GREEN)]
    assert _levels(*objects, _made("url 3")) == [Tlp.RED, Tlp.GREEN, Tlp.AMBER]


def test_versions_of_an_object_are_marked_apart() -> None:
    """The older one keeps its wider marking, and what refers to both takes the narrower."""
    newer = _made("indicator 1", Tlp.RED, modified="2026-02-01T00:00:00Z")
    link = _made("sighting 2", Tlp.CLEAR, sighting_of_ref=_id("indicator 1"))
    assert _levels(_made("indicator 1", Tlp.GREEN), newer, link) == [Tlp.GREEN, Tlp.RED, Tlp.RED]


def test_many_references_to_many_versions() -> None:
    """Their number is added, not multiplied."""
    linked = [*(Links("a") for _ in range(20_000)), *(Links(f"b{n}", takes=("a",)) for n in range(20_000))]
    own = [Marking(Tlp.RED if n == 7 else Tlp.GREEN) for n in range(40_000)]
    assert spread(linked, own)[20_000:] == [Marking(Tlp.RED)] * 20_000


_TLP_2 = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


@pytest.mark.parametrize(
    ("definitions", "expected"),
    [
        ([{"definition_type": "tlp", "definition": {"tlp": "green"}}], Marking(Tlp.GREEN)),
        ([{"definition_type": "tlp", "definition": {"tlp": "mauve"}}], Marking(Tlp.RED)),
        ([{"definition_type": "statement", "definition": {"statement": "(c)"}}], Marking(Tlp.RED)),
        ([{"extensions": {_TLP_2: {"tlp_2_0": "amber+strict"}}}], Marking(Tlp.AMBER_STRICT)),
        ([{"extensions": {_TLP_2: {"tlp_2_0": 3}}}], Marking(Tlp.RED)),
        ([{"definition_type": "pap", "definition": {"pap": "red"}}], Marking(Tlp.AMBER, Pap.RED)),
        ([{"definition_type": "tlp", "definition": {"tlp": name}} for name in ("green", "white")], Marking(Tlp.RED)),
        ([], Marking(Tlp.RED)),
    ],
)  # fmt: skip
def test_definitions_of_a_package(definitions: list[dict[str, Any]], expected: Marking) -> None:
    """One of TLP or PAP under an id of its own is understood; told in two ways, unknown or missing it is RED."""
    made = [{"type": "marking-definition", "spec_version": "2.1", "id": OWN, "created": MOMENT, **item} for item in definitions]
    *_, found = _read(*made, _made("indicator 1", object_marking_refs=[OWN]))
    assert isinstance(found, Incoming), str(found)
    assert found.marking == expected


def test_a_package_cannot_redefine_what_the_rulebook_declares() -> None:
    """A definition that is declared means what the rulebook says, whatever a package says of its id."""
    widened = {"type": "marking-definition", "spec_version": "2.1", "id": OWN, "created": MOMENT,
               "definition_type": "tlp", "definition": {"tlp": "white"}}  # fmt: skip
    red = {**widened, "id": TLP_2[Tlp.RED]}
    terms = Terms({OWN: Declared(OWN, Tlp.AMBER, ("energy",))}, Tlp.GREEN)
    item = _made("indicator 1", object_marking_refs=[OWN])
    read = _read(widened, red, item, _made("indicator 2", object_marking_refs=[TLP_2[Tlp.RED]]), terms=terms)
    assert [found.marking for found in read[2:] if isinstance(found, Incoming)] == [
        Marking(Tlp.AMBER, named=(OWN,)), Marking(Tlp.RED),
    ]  # fmt: skip


def _granular(selectors: list[str], ref: str = TLP_2[Tlp.RED], /, **more: Any) -> dict[str, Any]:
    marks = [{"selectors": selectors, "marking_ref": ref}]
    return _made("indicator 1", Tlp.GREEN, granular_markings=marks, **more)


def test_parts_stand_beside_the_object() -> None:
    """A granular marking narrows its part and not the object; one that is wider than the object is none."""
    item = _one(_granular(["description"], description="secret"))
    assert (item.marking.tlp, item.whole.tlp) == (Tlp.GREEN, Tlp.RED)
    assert [(part.selectors, part.marking) for part in item.parts] == [(("description",), Marking(Tlp.RED))]
    wider = _one(_granular(["description"], TLP_2[Tlp.CLEAR], description="x"))
    assert (wider.parts, wider.whole.tlp) == ((), Tlp.GREEN)
    actions = _one(_granular(["description"], PAP_2[Pap.RED], description="x"))
    assert [part.marking for part in actions.parts] == [Marking(Tlp.GREEN, Pap.RED)]


@pytest.mark.parametrize(
    "selector", ["descripton", "labels.[7]", "labels.[x]", "labels.0", "name.x", "", "external_references.[0].y"]
)
def test_a_selector_that_selects_nothing_is_for_the_whole(selector: str) -> None:
    """What it was meant to hide is not known, so that nothing is given more widely than it says."""
    item = _one(_granular(["name", selector], name="n", labels=["a"], external_references=[{"source_name": "s"}]))
    assert item.marking.tlp == Tlp.RED


def test_too_many_selectors_are_for_the_whole() -> None:
    """An object with hundreds of them, or with one of a megabyte, is as restricted as they say, at once."""
    many = _one(_granular([f"labels.[{number}]" for number in range(200)], labels=["a"] * 200))
    long = _one(_granular(["x." * 500_000 + "x"], x={}))
    assert (many.marking.tlp, many.parts, long.marking.tlp) == (Tlp.RED, (), Tlp.RED)


@pytest.mark.parametrize(
    ("selectors", "more", "left"),
    [
        (["description"], {"description": "x"}, {}),
        (["labels.[0]"], {"labels": ["a", "b"]}, {"labels": ["b"]}),
        (["labels.[0]", "labels.[1]"], {"labels": ["a", "b"]}, {}),
        (["labels"], {"labels": ["a", "b"]}, {}),
        (["external_references.[0].url"], {"external_references": [{"source_name": "a", "url": "u"}, {"source_name": "b"}]},
         {"external_references": [{"source_name": "b"}]}),
        (["extensions.x.y"], {"extensions": {"x": {"y": 1}, "z": {}}}, {"extensions": {"z": {}}}),
        (["x_a.b.[1].c"], {"x_a": {"b": [1, {"c": 2, "d": 3}]}}, {"x_a": {"b": [1, {"d": 3}]}}),
        (["x_a.b.c"], {"x_a": {"b.c": 1, "d": 2}}, {"x_a": {"d": 2}}),
        (["pattern"], {}, None),
        (["valid_from"], {}, None),
        (["id"], {}, None),
        (["type"], {}, None),
        (["object_marking_refs"], {}, None),
        (["granular_markings.[0]"], {}, None),
        (["created"], {}, None),
    ],
)  # fmt: skip
def test_redaction(selectors: list[str], more: dict[str, Any], left: dict[str, Any] | None) -> None:
    """What is hidden goes, with what cannot stand without it; None when no valid object would be left."""
    item = _one(_granular(selectors, **more))
    assert are_separable(item) is (left is not None)
    if left is not None:
        found = redact(item.body, item.parts[0].selectors)
        assert json.loads(found or b"") == {**_made("indicator 1", Tlp.GREEN), **left}


def test_parts_are_told_by_their_markings() -> None:
    """What carries one marking is one part; of more than four, or where one cannot go without another, none can be left out."""
    refs = [*TLP_2.values()][2:], [f"marking-definition--00000000-0000-4000-8000-00000000000{digit}" for digit in range(1, 6)]
    every = [ref for some in refs for ref in some]
    marks = [{"selectors": [f"labels.[{at}]"], "marking_ref": ref} for at, ref in enumerate([*every, *every])]
    labels = [str(at) for at in range(len(marks))]
    few = _one(_made("indicator 1", Tlp.GREEN, labels=labels, granular_markings=marks[:4] + marks[len(every) : len(every) + 4]))
    assert few.parts[0].selectors == ("labels.[0]", f"labels.[{len(every)}]")
    assert (len(few.parts), are_separable(few)) == (4, True)
    assert not are_separable(_one(_made("indicator 1", Tlp.GREEN, labels=labels, granular_markings=marks[:5])))
    two = [{"selectors": [name], "marking_ref": ref} for name, ref in zip(("first_seen", "last_seen"), every, strict=False)]
    seen = {"sighting_of_ref": _id("indicator 1"), "first_seen": MOMENT, "last_seen": MOMENT}
    assert are_separable(_one(_made("sighting 1", Tlp.GREEN, granular_markings=two, **seen)))


def test_selectors_follow_what_moves() -> None:
    """Of a list without its first item, the mark of the second is one of the first."""
    marks = [{"selectors": ["labels.[0]", "name"], "marking_ref": TLP_2[Tlp.RED]},
             {"selectors": ["labels.[1]", "labels.[0]"], "marking_ref": TLP_2[Tlp.AMBER]}]  # fmt: skip
    item = _one(_made("indicator 1", Tlp.GREEN, name="n", labels=["a", "b"], granular_markings=marks))
    assert item.parts[0].marking.tlp == Tlp.RED
    found = json.loads(redact(item.body, item.parts[0].selectors) or b"")
    assert found["granular_markings"] == [{"selectors": ["labels.[0]"], "marking_ref": TLP_2[Tlp.AMBER]}]
    assert (found["labels"], "name" in found) == (["b"], False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"3", "X010"),
        (b"null", "X010"),
        (b'{"type":"url","id":"url--x","value":"a"}', "X010"),
        (b'{"type":"url","id":"file--00000001-0000-4000-8000-000000000001","value":"a"}', "X011"),
        (b'{"type":"URL","id":"URL--00000001-0000-4000-8000-000000000001","value":"a"}', "X010"),
        (b'{"type":"bundle","id":"bundle--00000001-0000-4000-8000-000000000001"}', "X011"),
        (b'{"type":"url","id":"url--00000001-0000-4000-8000-000000000001","value":"a","value":"b"}', "X013"),
        (b'{"type":"url","id":"url--00000001-0000-4000-8000-000000000001","value":"a","x":{"\\u0061":1,"a" :2}}', "X013"),
        (b'{"type":"url","id":"url--00000001-0000-4000-8000-000000000001","value":"a","x":"\\u003a","value":"b"}', "X013"),
        (b'{"type":"url","id":"url--00000001-0000-4000-8000-000000000001","value":"\xff"}', "X004"),
        (b'{"type":"url","id":"url--00000001-0000-4000-8000-000000000001","value":"a","spec_version":"3.0"}', "X010"),
        (b'{"type":"url","id":"url--00000001-0000-4000-8000-000000000001","x":' + b"[" * 90 + b"]" * 90 + b"}", "X014"),
        (json.dumps(_made("indicator 1", created="2026-02-30T00:00:00Z")).encode(), "X012"),
        (json.dumps(_made("indicator 1", created="2026-01-31T12:00:00+01:00")).encode(), "X012"),
        (json.dumps(_made("indicator 1", modified="2020-01-31T12:00:00Z")).encode(), "X012"),
        (json.dumps(_made("report 1")).encode(), "X010"),
        (json.dumps(_made("report 1", object_refs=[])).encode(), "X010"),
        (json.dumps(_made("indicator 1", description=None)).encode(), "X010"),
    ],
)  # fmt: skip
def test_what_is_refused(body: bytes, code: str) -> None:
    """One wrong object is refused with its place and code, and what stands beside it is taken."""
    good = json.dumps(_made("identity 2")).encode()
    bad, kept = read_bundle(b'{"objects": [' + body + b" , " + good + b"]}", "file", TERMS)
    assert isinstance(bad, Rejected)
    assert (bad.place, bad.code) == ("file: objects[0]", code)
    assert isinstance(kept, Incoming)
    assert kept.body == good


def test_an_object_is_kept_byte_for_byte() -> None:
    """White space, escapes, the order of keys, big numbers and extensions stay as they came."""
    body = (b'{ "x_big":12345678901234567890123, "value" : "\\u00e9\\/",\n"id":"url--00000001-0000-4000-8000-000000000001",'
            b'"type":"url", "extensions":{"x":{"y":1.50}}}')  # fmt: skip
    (item,) = read_bundle(b'{"type":"bundle","objects":[ ' + body + b" ]}", "file", TERMS)
    assert isinstance(item, Incoming)
    assert item.body == body


@pytest.mark.parametrize(
    "data", [b"", b"3", b"{}", b'{"objects":{}}', b'{"objects":[}', b"[" * 10_000, b'{"objects":[],"objects":[]}']
)
def test_what_is_no_package(data: bytes) -> None:
    """It is an error with a code."""
    with pytest.raises(UsageError) as raised:
        read_bundle(data, "file", TERMS)
    assert raised.value.code == "X004"
