"""MISP events as STIX: what an event says about its markings reaches every part, and nothing goes unsaid."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from shared_data import shared
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.misp import read_misp
from tocsin.feeds.reference import read_naively
from tocsin.sharing.markings import Declared, Marking, Pap, Tlp

GROUP = "7d1d3c1e-6a5a-4f6e-8a5f-0f9b3a1c2d3e"
TERMS = Terms({}, Tlp.AMBER)


def _attribute(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": str(uuid5(UUID(GROUP), f"{kind} {value}")),
        "type": kind,
        "value": value,
        "timestamp": "1700000000",
        "to_ids": True,
        "distribution": "5",
        **more,
    }


def _event(*attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Event": {
            "uuid": "b2a1c0de-0000-4000-8000-000000000001",
            "info": "an event",
            "date": "2023-11-01",
            "timestamp": "1700000001",
            "publish_timestamp": "1700000002",
            "distribution": "3",
            "Attribute": list(attributes),
            **more,
        }
    }


def _read(document: object, terms: Terms = TERMS) -> tuple[list[Incoming], list[Rejected]]:
    read = list(read_misp(document, "event.json", terms))
    return [item for item in read if isinstance(item, Incoming)], [item for item in read if isinstance(item, Rejected)]


def test_a_tag_of_an_event_reaches_every_child() -> None:
    """Attributes, observables, objects and galaxies of an event of AMBER+STRICT are AMBER+STRICT, in their bodies too."""
    document = _event(
        _attribute("domain", "a.example"),
        _attribute("ip-dst|port", "192.0.2.1|443", to_ids=False),
        _attribute("btc", "1x"),
        Tag=[{"name": "tlp:amber+strict"}, {"name": "PAP:RED"}, {"name": "phishing"}],
        Object=[{"uuid": GROUP, "name": "file", "distribution": "5", "Attribute": [_attribute("md5", "0" * 32)]}],
        Galaxy=[{"type": "threat-actor", "GalaxyCluster": [{"value": "Sofacy"}]}],
    )
    good, bad = _read(document)
    assert not bad
    assert Counter(item.type for item in good) == {
        "report": 1,
        "indicator": 2,
        "observed-data": 1,
        "ipv4-addr": 1,
        "network-traffic": 1,
        "x-misp-attribute": 1,
        "grouping": 1,
        "intrusion-set": 1,
    }
    assert {item.marking for item in good} == {Marking(Tlp.AMBER_STRICT, Pap.RED)}
    assert all(len(json.loads(item.body)["object_marking_refs"]) == 2 for item in good)
    report = next(json.loads(item.body) for item in good if item.type == "report")
    assert report["labels"] == ["phishing"]
    assert set(report["object_refs"]) == {item.id for item in good if item.type != "report"}


@pytest.mark.parametrize(
    ("event", "attribute", "expected"),
    [
        ({}, {}, Marking(Tlp.AMBER)),
        ({"Tag": [{"name": "tlp:clear"}]}, {}, Marking(Tlp.CLEAR)),
        ({"Tag": [{"name": "tlp:clear"}]}, {"Tag": [{"name": "tlp:red"}]}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:red"}]}, {"Tag": [{"name": "tlp:clear"}]}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:purple"}]}, {}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:green"}], "distribution": "0"}, {}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:green"}], "distribution": "1"}, {}, Marking(Tlp.AMBER)),
        ({"Tag": [{"name": "tlp:clear"}], "distribution": "2"}, {}, Marking(Tlp.GREEN)),
        ({"Tag": [{"name": "tlp:green"}], "distribution": 9}, {}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:green"}]}, {"distribution": "0"}, Marking(Tlp.RED)),
        ({"Tag": ["tlp:green"]}, {}, Marking(Tlp.RED)),
        ({"Tag": {"name": "tlp:green"}}, {}, Marking(Tlp.RED)),
        ({"Tag": [{"name": ["tlp:green"]}]}, {}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:green"}], "distribution": [0]}, {}, Marking(Tlp.RED)),
        ({"Tag": [{"name": "tlp:green"}], "distribution": None}, {"distribution": None}, Marking(Tlp.GREEN)),
        ({"distribution": "4"}, {}, Marking(Tlp.RED)),
        ({"distribution": "4", "SharingGroup": {"uuid": "no"}}, {}, Marking(Tlp.RED)),
        (
            {"distribution": "4", "SharingGroup": {"uuid": GROUP}},
            {},
            Marking(Tlp.GREEN, named=(f"marking-definition--{GROUP}",)),
        ),
    ],
)
def test_distribution_and_tags(event: dict[str, Any], attribute: dict[str, Any], expected: Marking) -> None:
    """The most restricted of tags and distributions holds; a group is a marking that the rulebook declares, or else RED."""
    group = f"marking-definition--{GROUP}"
    terms = Terms({group: Declared(group, Tlp.GREEN, ("energy",))}, Tlp.AMBER)
    good, _ = _read(_event(_attribute("domain", "a.example", **attribute), **event), terms)
    assert next(item.marking for item in good if item.type == "indicator") == expected


def test_an_unknown_group_is_red() -> None:
    """A sharing group that the rulebook does not declare keeps an event to nobody."""
    good, _ = _read(_event(_attribute("domain", "a.example"), distribution="4", SharingGroup={"uuid": GROUP}))
    assert {item.marking for item in good} == {Marking(Tlp.RED)}


@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        (
            "filename|sha256",
            "it's.exe|" + "a" * 64,
            "[file:name = 'it\\'s.exe' AND file:hashes.'SHA-256' = '" + "a" * 64 + "']",
        ),
        ("ip-src", "2001:db8::1", "[ipv6-addr:value = '2001:db8::1']"),
        ("ip-dst|port", "192.0.2.1|80", "[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 80]"),
        ("regkey", "HKLM\\x", "[windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\\\x']"),
        ("AS", "AS64500", "[autonomous-system:number = 64500]"),
        ("yara", "rule x { condition: true }", "rule x { condition: true }"),
    ],
)
def test_patterns(kind: str, value: str, pattern: str) -> None:
    """An attribute for detection is an indicator with a pattern that asks for its parts."""
    good, _ = _read(_event(_attribute(kind, value)))
    assert next(json.loads(item.body)["pattern"] for item in good if item.type == "indicator") == pattern


def test_what_does_not_fit_its_type_stays_what_it_is() -> None:
    """A value with a part missing, or a port that is none, is kept as a custom object; one without a value is refused."""
    good, bad = _read(
        _event(_attribute("ip-dst|port", "192.0.2.1"), _attribute("ip-dst|port", "192.0.2.1|x"), _attribute("domain", ""))
    )
    assert Counter(item.type for item in good) == {"report": 1, "x-misp-attribute": 2}
    assert [item.code for item in bad] == ["X020"]


def test_what_was_deleted_is_revoked() -> None:
    """A deleted attribute becomes a revocation of what it was, under the same id."""
    before, _ = _read(_event(_attribute("domain", "a.example")))
    after, _ = _read(_event(_attribute("domain", "a.example", deleted=True, timestamp="1700000009")))
    old, new = (next(item for item in items if item.type == "indicator") for items in (before, after))
    assert (old.id, json.loads(old.body).get("revoked"), json.loads(new.body)["revoked"]) == (new.id, None, True)
    assert (old.version or 0) < (new.version or 0)


def test_what_is_not_taken_is_told() -> None:
    """Proposals, sightings and files of attachments are counted and told."""
    document = _event(_attribute("attachment", "a.bin", data="AAAA", Sighting=[{}, {}]), ShadowAttribute=[{}])
    _, bad = _read(document)
    assert sorted(item.why for item in bad) == [
        "1 proposals are not taken",
        "2 sightings are not taken",
        "the files of 1 attachments are not taken",
    ]


@pytest.mark.parametrize(
    "document", [[], {}, {"response": []}, {"Event": 3}, {"Event": {}}, [{"Event": {"Attribute": [3, None]}}]]
)
def test_other_documents_give_no_object(document: object) -> None:
    """What holds no event, or an event without parts, gives no object and raises nothing."""
    good, _ = _read(document)
    assert not good


def test_one_cluster_in_two_galaxies() -> None:
    """The first words are taken, under the narrower of both markings, and the others are told: it is one object, not two."""
    clusters = [{"uuid": GROUP, "value": "Mail", "description": text} for text in ("first", "second")]
    clusters[1] |= {"Tag": [{"name": "tlp:red"}]}  # type: ignore[dict-item]
    galaxies = [
        {"type": kind, "GalaxyCluster": [cluster]}
        for kind, cluster in zip(("mitre-attack-pattern", "mitre-enterprise-attack-attack-pattern"), clusters, strict=True)
    ]
    good, rejected = _read(_event(_attribute("domain", "a.example"), Galaxy=galaxies))
    (pattern,) = [item for item in good if item.type == "attack-pattern"]
    assert (json.loads(pattern.body)["description"], pattern.marking.tlp) == ("first", Tlp.RED)
    assert [(item.code, item.why) for item in rejected] == [("X021", "other words for the same are not taken")]


def test_one_observable_of_two_attributes() -> None:
    """A domain of which one attribute says where it leads is one object that says so; marked differently they stay apart."""
    pair, alone = _attribute("domain|ip", "a.example|192.0.2.1", to_ids=False), _attribute("domain", "a.example", to_ids=False)
    for order in ([pair, alone], [alone, pair]):
        good, rejected = _read(_event(*order))
        (domain,) = [json.loads(item.body) for item in good if item.type == "domain-name"]
        assert (domain["value"], len(domain["resolves_to_refs"]), rejected) == ("a.example", 1, [])
    good, _ = _read(_event(pair, alone | {"Tag": [{"name": "tlp:red"}]}))
    assert [item.marking.tlp for item in good if item.type == "domain-name"] == [Tlp.RED] * 2  # what refers to it is RED


def test_events_of_eset() -> None:
    """All 27 events are read whole; each object is one that the naive reader takes too, and ids do not change."""
    read: list[Incoming | Rejected] = []
    for path in sorted(shared("misp").glob("*.json")):
        document = msgspec.json.decode(path.read_bytes())
        once = list(read_misp(document, path.name, TERMS))
        assert once == list(read_misp(document, path.name, TERMS))
        read += once
    good = [item for item in read if isinstance(item, Incoming)]
    assert Counter(item.type for item in good).most_common(4) == [
        ("observed-data", 698),
        ("indicator", 408),
        ("file", 277),
        ("domain-name", 263),
    ]
    assert Counter(item.marking for item in good) == {Marking(Tlp.AMBER): 1568, Marking(Tlp.RED): 623}
    assert {item.code for item in read if isinstance(item, Rejected)} == {"X021"}
    assert all(read_naively(item.body) == (item.id, "2.1", item.version) for item in good)
