"""Folders of MISP feeds: what is written can be read again, and what does not fit the manifest is told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from shared_data import shared
from tocsin.errors import OutputError, UsageError
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.misp_feed import is_feed, read_feed, write_feed
from tocsin.feeds.misp_out import Publisher
from tocsin.feeds.read import read_package
from tocsin.feeds.stix import read_bundle
from tocsin.sharing.markings import TLP_2, Declared, Tlp

TERMS = Terms({}, Tlp.AMBER)
PUBLISHER = Publisher("CERT", "0b7a1c1e-0000-4000-8000-000000000001")
MOMENT = "2026-01-31T12:00:00.000Z"
HEAD = {"spec_version": "2.1", "created": MOMENT, "modified": MOMENT}
UUID_OF = "0000000{}-0000-4000-8000-00000000000{}"


def _good(read: list[Incoming | Rejected]) -> list[Incoming]:
    assert not [item for item in read if isinstance(item, Rejected) and item.code != "X021"]
    return [item for item in read if isinstance(item, Incoming)]


def _indicator(number: int, pattern: str, level: Tlp | str, **more: str) -> dict[str, object]:
    ref = TLP_2[level] if isinstance(level, Tlp) else level
    name = f"indicator--{UUID_OF.format(number, number)}"
    content = {"pattern": pattern, "pattern_type": "stix", "valid_from": MOMENT, "object_marking_refs": [ref], **more}
    return {"type": "indicator", "id": name, **HEAD, **content}


def _package(*objects: dict[str, object], terms: Terms = TERMS) -> list[Incoming]:
    return _good(read_bundle(json.dumps(list(objects)).encode(), "made", terms))


def _event(folder: Path) -> dict[str, object]:
    (path,) = (path for path in folder.glob("*.json") if path.name != "manifest.json")
    event: dict[str, object] = json.loads(path.read_text())["Event"]
    return event


def _tags(holder: object) -> list[str]:
    assert isinstance(holder, dict)
    return [tag["name"] for tag in holder["Tag"]]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """All events of ESET come through a feed with the same values, under the same events, and no wider."""
    read = [item for path in sorted(shared("misp").glob("*.json")) for item in read_package(path, path.name, TERMS)]
    before = _good(read)
    write_feed(before, tmp_path / "feed", PUBLISHER)
    assert is_feed(tmp_path / "feed")
    after = _good(list(read_package(tmp_path / "feed", "feed", TERMS)))
    assert {item.id for item in after if item.type == "report"} == {item.id for item in before if item.type == "report"}
    assert _values(after) == _values(before)
    assert Counter(item.marking.tlp for item in after if item.type == "report")[Tlp.RED] == 6


def _values(items: list[Incoming]) -> set[str]:
    bodies = [json.loads(item.body) for item in items if item.type in {"indicator", "x-misp-attribute", "domain-name", "url"}]
    return {body.get("pattern") or body.get("x_misp_value") or body["value"] for body in bodies}


def test_an_event_is_as_restricted_as_what_it_holds(tmp_path: Path) -> None:
    """The most restricted attribute gives the tag of the event; each attribute keeps its own."""
    items = _package(
        _indicator(1, "[domain-name:value = 'a.example']", Tlp.CLEAR),
        _indicator(2, "[domain-name:value = 'b.example']", Tlp.AMBER_STRICT),
    )
    assert write_feed(items, tmp_path / "feed", PUBLISHER) == []
    event = _event(tmp_path / "feed")
    assert (_tags(event), event["distribution"]) == (["tlp:amber+strict"], "1")
    attributes = event["Attribute"]
    assert isinstance(attributes, list)
    assert [_tags(attribute) for attribute in attributes] == [["tlp:clear"], ["tlp:amber+strict"]]


def test_what_is_kept_to_a_group_is_red(tmp_path: Path) -> None:
    """MISP cannot say a group of the rulebook, so that the event has to go no further."""
    group = "marking-definition--" + UUID_OF.format(7, 7)
    terms = Terms({group: Declared(group, Tlp.GREEN, ("energy",))}, Tlp.AMBER)
    items = _package(_indicator(1, "[domain-name:value = 'a.example']", group), terms=terms)
    write_feed(items, tmp_path / "feed", PUBLISHER)
    assert _tags(_event(tmp_path / "feed")) == ["tlp:red"]


def test_patterns_of_other_forms_and_what_has_no_place(tmp_path: Path) -> None:
    """A pattern with AND is kept as one, a rule in its language; a relationship is told."""
    both = "[file:name = 'a' AND file:size = 3]"
    link = {
        "type": "relationship",
        "id": "relationship--" + UUID_OF.format(5, 5),
        **HEAD,
        "relationship_type": "uses",
        "source_ref": "tool--" + UUID_OF.format(5, 5),
        "target_ref": "tool--" + UUID_OF.format(5, 5),
    }
    rule = _indicator(2, "title: x", Tlp.GREEN, pattern_type="sigma")
    lost = write_feed(_package(_indicator(1, both, Tlp.GREEN), rule, link), tmp_path / "feed", PUBLISHER)
    assert [(item.code, item.why) for item in lost] == [
        ("X023", "1 objects of type relationship have no place in a MISP event")
    ]
    attributes = _event(tmp_path / "feed")["Attribute"]
    assert isinstance(attributes, list)
    assert [(item["type"], item["value"], item["to_ids"]) for item in attributes] == [
        ("stix2-pattern", both, True),
        ("sigma", "title: x", True),
    ]


def test_hashes_are_those_of_values_and_their_parts(tmp_path: Path) -> None:
    """hashes.csv has the MD5 of each value, by which MISP finds the event."""
    write_feed(_package(_indicator(1, "[domain-name:value = 'a.example']", Tlp.GREEN)), tmp_path / "feed", PUBLISHER)
    event = _event(tmp_path / "feed")
    digest = hashlib.md5(b"a.example", usedforsecurity=False).hexdigest()
    assert (tmp_path / "feed" / "hashes.csv").read_text() == f"{digest},{event['uuid']}\n"


def test_tags_of_the_manifest_count(tmp_path: Path) -> None:
    """A tag that only the manifest has restricts the event all the same."""
    folder = tmp_path / "feed"
    write_feed(_package(_indicator(1, "[domain-name:value = 'a.example']", Tlp.GREEN)), folder, PUBLISHER)
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest.values():
        entry["Tag"].append({"name": "tlp:red"})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert {item.marking.tlp for item in _good(list(read_feed(folder, "feed", TERMS)))} == {Tlp.RED}


@pytest.mark.parametrize(
    ("change", "why", "taken"),
    [
        ("timestamp", "the event has another timestamp than in the manifest; it is taken", True),
        ("value", "hashes.csv lacks values of the event; it is taken", True),
        ("uuid", "the event is another than the manifest says, and is not taken", False),
        ("damage", "the event cannot be read: Input data was truncated", False),
        ("missing", "the event cannot be read: No such file or directory", False),
        ("path", "the event cannot be read: badly formed hexadecimal UUID string", False),
    ],
)
def test_what_is_not_as_the_manifest_says(tmp_path: Path, change: str, why: str, taken: bool) -> None:
    """A feed that was changed, in part fetched, or that names another path, is told."""
    folder = tmp_path / "feed"
    write_feed(_package(_indicator(1, "[domain-name:value = 'a.example']", Tlp.GREEN)), folder, PUBLISHER)
    event = _event(folder)
    path = folder / f"{event['uuid']}.json"
    if change in {"timestamp", "uuid"}:
        event[change] = "1" if change == "timestamp" else UUID_OF.format(9, 9)
        path.write_text(json.dumps({"Event": event}))
    elif change == "value":
        path.write_text(path.read_text().replace("a.example", "b.example"))
    elif change == "damage":
        path.write_text(path.read_text()[:-9])
    elif change == "missing":
        path.unlink()
    else:
        text = (folder / "manifest.json").read_text()
        (folder / "manifest.json").write_text(text.replace(str(event["uuid"]), "../../etc/x"))
        path.unlink()
    read = list(read_feed(folder, "feed", TERMS))
    told = [item for item in read if isinstance(item, Rejected)]
    assert [(item.code, item.why) for item in told] == [("X022", why)]
    assert any(isinstance(item, Incoming) for item in read) == taken


def test_a_file_that_the_manifest_does_not_list_is_told(tmp_path: Path) -> None:
    """It is not taken, since nothing says that it was to be published."""
    folder = tmp_path / "feed"
    write_feed([], folder, PUBLISHER)
    (folder / "more.json").write_text("{}")
    (told,) = read_feed(folder, "feed", TERMS)
    assert isinstance(told, Rejected)
    assert told.code == "X022"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder that holds something is refused."""
    (tmp_path / "x").write_text("")
    with pytest.raises(OutputError) as raised:
        write_feed([], tmp_path, PUBLISHER)
    assert raised.value.code == "O001"


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    """It ends the reading with a code."""
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UsageError) as raised:
        list(read_package(tmp_path, "feed", TERMS))
    assert raised.value.code == "X004"
