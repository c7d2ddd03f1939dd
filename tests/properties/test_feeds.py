"""The fast reader of STIX and the fast spreading of markings agree with the naive ones on random packages."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.feeds.check import FormError, check
from tocsin.feeds.interface import Incoming, Terms
from tocsin.feeds.misp_out import Publisher, as_events
from tocsin.feeds.reference import read_naively, spread_naively
from tocsin.feeds.spreading import Links, spread
from tocsin.feeds.stix import read_bundle
from tocsin.sharing.markings import TLP_2, Marking, Pap, Tlp, read_tags
from tocsin.sharing.redaction import find, redact

UUIDS = [f"0000000{n}-0000-4000-8000-00000000000{n}" for n in range(6)]
MOMENT = "2026-01-31T12:00:00.000Z"
HEAD = {"spec_version": "2.1", "created": MOMENT, "modified": MOMENT}
SAMPLES: list[dict[str, Any]] = [
    {"type": "identity", **HEAD, "name": "a", "aliases": ["b"]},
    {"type": "indicator", **HEAD, "pattern": "[x]", "pattern_type": "stix", "valid_from": MOMENT, "labels": ["a", "b"]},
    {"type": "report", **HEAD, "name": "r", "published": MOMENT, "object_refs": [f"identity--{UUIDS[1]}"]},
    {"type": "malware", **HEAD, "is_family": False, "first_seen": MOMENT, "last_seen": MOMENT},
    {"type": "location", **HEAD, "latitude": 1, "longitude": 2.5},
    {
        "type": "relationship",
        **HEAD,
        "relationship_type": "uses",
        "source_ref": f"tool--{UUIDS[0]}",
        "target_ref": f"tool--{UUIDS[1]}",
    },
    {
        "type": "sighting",
        **HEAD,
        "sighting_of_ref": f"tool--{UUIDS[0]}",
        "count": 3,
        "observed_data_refs": [f"observed-data--{UUIDS[2]}"],
        "where_sighted_refs": [f"identity--{UUIDS[2]}"],
    },
    {
        "type": "observed-data",
        **HEAD,
        "first_observed": MOMENT,
        "last_observed": MOMENT,
        "number_observed": 1,
        "object_refs": [f"file--{UUIDS[3]}"],
    },
    {
        "type": "marking-definition",
        "spec_version": "2.1",
        "created": MOMENT,
        "definition_type": "tlp",
        "definition": {"tlp": "green"},
    },
    {"type": "file", "name": "a.exe", "hashes": {"MD5": "0"}, "extensions": {"x": {"y": 1}}},
    {"type": "ipv4-addr", "value": "192.0.2.1", "spec_version": "2.1"},
    {"type": "network-traffic", "protocols": ["tcp"], "src_ref": f"ipv4-addr--{UUIDS[0]}"},
    {"type": "report", "created": MOMENT, "modified": MOMENT, "object_refs": [f"ipv4-addr--{UUIDS[1]}"]},
    {"type": "vulnerability", **HEAD, "name": "CVE-1"},
    {"type": "x-misp-attribute", "x_misp_type": "btc", "x_misp_value": "1"},
    {"type": "x-thing", "external_references": [{"source_name": "s", "external_id": "1"}]},
    {"type": "note", **HEAD, "content": "c", "object_refs": [f"tool--{UUIDS[0]}"], "confidence": 50},
    {
        "type": "indicator",
        "created": MOMENT,
        "modified": MOMENT,
        "granular_markings": [{"selectors": ["created"], "marking_ref": f"marking-definition--{UUIDS[0]}"}],
    },
]
NAMES = sorted(
    {name for sample in SAMPLES for name in sample} | {"revoked", "lang", "object_marking_refs", "kill_chain_phases"}
)
VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        101,
        1.0,
        10**12,
        "",
        "a",
        "a:b",
        "2.0",
        "2.1",
        "2026-02-30T00:00:00Z",
        "2025-01-01T00:00:00Z",
        [],
        {},
        ["a"],
        [""],
        [1],
        {"a": {}},
        {"": "x"},
        f"identity--{UUIDS[0]}",
        f"identity--{UUIDS[0]}\n",
        [f"identity--{UUIDS[0]}"],
        [f"marking-definition--{UUIDS[0]}"],
        [{"source_name": ""}],
        [{"kill_chain_name": "k", "phase_name": "p"}],
        "bundle",
        "indicator",
    ]
)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """Draw an object of STIX, mostly with something wrong in it, in one of the ways that JSON can be written."""
    item = {"id": "", **copy.deepcopy(draw(st.sampled_from(SAMPLES)))}
    item["id"] = f"{item['type']}--{draw(st.sampled_from(UUIDS))}"
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(NAMES))
        if draw(st.booleans()):
            item.pop(name, None)
        else:
            item[name] = draw(VALUES)
    text = json.dumps(item, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 2])))
    damage = draw(st.sampled_from(["", "", "", "twice", "escaped", "cut", "byte", "endless", "deep"]))
    return _damaged(text, damage, draw(st.integers(60, 68)))


def _damaged(text: str, damage: str, depth: int) -> bytes:
    end = text.rindex("}")
    more = {
        "twice": ',"x":{"a":1,"a" :2}',
        "escaped": ',"z":"\\u003a","x":1,"\\u0078" :"y"',
        "endless": ',"x":1e999',
        "deep": f',"x":{"[" * depth}{"]" * depth}',
    }.get(damage, "")
    data = (text[:end] + more + text[end:]).encode()
    if damage == "cut":
        return data[:-2]
    return data.replace(b"created", b"cr\xffated") if damage == "byte" else data


@settings(max_examples=1500, deadline=None)
@given(objects())
def test_the_fast_reader_accepts_what_the_naive_one_accepts(body: bytes) -> None:
    """An object is taken or refused by both, with the same id and version."""
    try:
        found = check(body)
    except FormError:
        fast = None
    else:
        fast = (found.form.id, found.spec_version, found.version)
    assert fast == read_naively(body)


MARKINGS = st.builds(
    Marking, st.sampled_from(list(Tlp)), st.sampled_from(list(Pap)), st.sampled_from([(), ("a",), ("a", "b"), ("b",)])
)
LINKS = st.builds(
    Links,
    st.sampled_from(UUIDS),
    st.lists(st.sampled_from(UUIDS), max_size=3).map(tuple),
    st.lists(st.sampled_from(UUIDS), max_size=3).map(tuple),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(LINKS, MARKINGS), max_size=9))
def test_markings_spread_as_they_do_naively(package: list[tuple[Links, Marking]]) -> None:
    """Cycles, versions of one object and references to what is not there change nothing in that."""
    linked, own = [links for links, _ in package], [marking for _, marking in package]
    assert spread(linked, own) == spread_naively(linked, own)


LEAVES = st.one_of(st.text("ab", max_size=2), st.integers(0, 3), st.booleans())
TREES = st.dictionaries(
    st.sampled_from(["x_a", "x_b", "labels", "x.c"]),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "k.l", "l"]), inner)
    ),
    min_size=1,
)


def _leaves(held: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(held, (dict, list)):
        return [path]
    steps = held.items() if isinstance(held, dict) else enumerate(held)
    return [path, *(found for step, value in steps for found in _leaves(value, (*path, step)))]


@settings(max_examples=500, deadline=None)
@given(TREES, st.data())
def test_redaction_removes_what_is_marked_and_nothing_else(tree: dict[str, Any], data: st.DataObject) -> None:
    """No hidden value is left, each value that was not hidden is still there, and what is left is valid."""
    paths = [path for path in _leaves(tree) if path]
    chosen = data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=3, unique=True))
    secret, told = f"marking-definition--{UUIDS[0]}", f"marking-definition--{UUIDS[1]}"
    selectors = [".".join(f"[{step}]" if isinstance(step, int) else step for step in path) for path in chosen]
    content = {
        "type": "x-thing",
        "id": f"x-thing--{UUIDS[0]}",
        **_numbered(tree),
        "granular_markings": [{"selectors": selectors, "marking_ref": secret}, {"selectors": ["id"], "marking_ref": told}],
    }
    hidden = [found for selector in selectors if (found := find(content, selector)) is not None]
    body = json.dumps(content).encode()
    given_out = redact(body, selectors)
    assert given_out is not None
    if read_naively(given_out) is None:
        assert "labels" in tree
        return
    left = json.loads(given_out)
    expected = [value for path, value in _texts(content) if not any(path[: len(one)] == one for one in hidden)]
    assert {value for _, value in _texts(left) if value.startswith("value ")} == {
        value for value in expected if value.startswith("value ")
    }


def _numbered(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a tree whose leaves are texts that are all different."""
    count = iter(range(1000))

    def numbered(held: Any) -> Any:
        if isinstance(held, dict):
            return {key: numbered(value) for key, value in held.items()}
        return [numbered(value) for value in held] if isinstance(held, list) else f"value {next(count)}"

    return {key: numbered(value) for key, value in tree.items()}


def _texts(held: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], str]]:
    if isinstance(held, str):
        return [(path, held)]
    steps = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    return [found for step, value in steps for found in _texts(value, (*path, step))]


@settings(max_examples=200, deadline=None)
@given(st.lists(objects(), max_size=6), st.sampled_from(list(Tlp)[1:]))
def test_nothing_is_lost_silently(bodies: list[bytes], default: Tlp) -> None:
    """Each object of a bundle is either there, byte for byte, or refused with a code; none is wider than its own marking."""
    good = [body for body in bodies if _is_json(body)]
    data = b'{"type":"bundle","objects":[' + b" ,\n".join(good) + b"]}"
    read = read_bundle(data, "file", Terms({}, default))
    assert len(read) == len(good)
    for body, item in zip(good, read, strict=True):
        assert not isinstance(item, Incoming) or (item.body == body and item.marking.tlp >= _told(body, default))


@settings(max_examples=300, deadline=None)
@given(st.lists(objects(), max_size=6))
def test_events_are_made_of_any_objects(bodies: list[bytes]) -> None:
    """Whatever passes the check can be told to MISP, or is told to have no place there; no event is wider than its parts."""
    read = read_bundle(b"[" + b",".join(body for body in bodies if _is_json(body)) + b"]", "file", Terms({}, Tlp.GREEN))
    items = [item for item in read if isinstance(item, Incoming)]
    made = list(as_events(items, Publisher("CERT", UUIDS[0])))
    for event in made:
        if isinstance(event, dict):
            tags = json.loads(json.dumps(event))["Tag"]
            levels = [tag["name"] for attribute in event["Attribute"] for tag in attribute["Tag"]]
            assert read_tags([tags[0]["name"]])[0] >= max(
                level for name in levels if (level := read_tags([name])[0]) is not None
            )


def _told(body: bytes, default: Tlp) -> Tlp:
    refs = json.loads(body).get("object_marking_refs") or []
    return default if not refs else Tlp.RED


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def test_the_ids_of_tlp_2_are_read() -> None:
    """Each level is read from the reference of its definition."""
    for level, ref in TLP_2.items():
        item = {**SAMPLES[0], "id": f"identity--{UUIDS[0]}", "object_marking_refs": [ref]}
        (found,) = read_bundle(json.dumps([item]).encode(), "file", Terms({}, Tlp.AMBER))
        assert isinstance(found, Incoming)
        assert found.marking == Marking(level)
