"""Files of other tools: their format is recognised, their markings are read, and what they cannot say is told."""

from __future__ import annotations

import json
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from shared_data import shared
from tocsin.errors import UsageError
from tocsin.feeds.csv import write_csv
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.read import read_package
from tocsin.feeds.reference import read_naively
from tocsin.sharing.markings import Marking, Tlp

TERMS = Terms({}, Tlp.AMBER)
UUID = "7d1d3c1e-6a5a-4f6e-8a5f-0f9b3a1c2d3e"
RULE = """title: A rule
id: 7d1d3c1e-6a5a-4f6e-8a5f-0f9b3a1c2d3e
date: 2024/01/31
level: high
tags: [attack.t1059.001, attack.execution{tag}]
logsource: {{category: process_creation}}
detection: {{a: {{Image: x}}, condition: a}}
"""


def _read(data: bytes, terms: Terms = TERMS) -> tuple[list[Incoming], list[Rejected]]:
    read = list(read_package(data, "file", terms))
    return [item for item in read if isinstance(item, Incoming)], [item for item in read if isinstance(item, Rejected)]


def _advisory(distribution: Any, **more: Any) -> bytes:
    head = {
        "csaf_version": "2.0",
        "title": "t",
        "distribution": distribution,
        "publisher": {"name": "n", "namespace": "https://n"},
        "tracking": {
            "id": "A-1",
            "initial_release_date": "2024-01-31T00:00:00+01:00",
            "current_release_date": "2024-02-01T00:00:00Z",
            "status": "final",
        },
    }
    tree = {
        "branches": [
            {
                "category": "vendor",
                "name": "V",
                "branches": [{"category": "product_version", "name": "1", "product": {"name": "V P 1", "product_id": "P1"}}],
            }
        ]
    }
    vulnerability = {
        "cve": "CVE-2024-1",
        "product_status": {"known_affected": ["P1"], "fixed": ["P2"]},
        "remediations": [{"category": "vendor_fix", "details": "update", "product_ids": ["P1"]}],
    }
    return json.dumps({"document": head, "product_tree": tree, "vulnerabilities": [vulnerability], **more}).encode()


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ({"tlp": {"label": "WHITE"}}, Tlp.CLEAR),
        ({"tlp": {"label": "CLEAR"}}, Tlp.CLEAR),
        ({"tlp": {"label": "AMBER+STRICT"}}, Tlp.AMBER_STRICT),
        ({"tlp": {"label": "PURPLE"}}, Tlp.RED),
        ({"tlp": {}}, Tlp.RED),
        ({"tlp": "GREEN"}, Tlp.RED),
        (["GREEN"], Tlp.RED),
        ({"tlp": {"label": "GREEN"}, "sharing_group": {"id": UUID}}, Tlp.RED),
        ({"tlp": {"label": "GREEN"}, "sharing_group": {"id": "ffffffff-ffff-ffff-ffff-ffffffffffff"}}, Tlp.GREEN),
        ({"tlp": {"label": "GREEN"}, "sharing_group": {"id": "00000000-0000-0000-0000-000000000000"}}, Tlp.RED),
        ({"tlp": {"label": "GREEN"}, "sharing_group": {}}, Tlp.RED),
        ({}, Tlp.AMBER),
        (None, Tlp.AMBER),
    ],
)
def test_the_label_of_an_advisory_reaches_all_of_it(distribution: Any, expected: Tlp) -> None:
    """Report, vulnerabilities, products, remedies and relationships have it; an unknown label or group is RED."""
    good, bad = _read(_advisory(distribution))
    assert Counter(item.type for item in good) == {
        "report": 1,
        "vulnerability": 1,
        "software": 1,
        "course-of-action": 1,
        "relationship": 2,
    }
    assert {item.marking for item in good} == {Marking(expected)}
    assert [(item.code, item.why) for item in bad] == [("X030", "the product 'P2' is not in the product tree")]


@pytest.mark.parametrize(
    "change",
    [{"vulnerabilities": 3}, {"product_tree": []}, {"vulnerabilities": [{}, 3]}, {"document": {"csaf_version": "2.1"}}],
)
def test_an_advisory_of_another_form(change: dict[str, Any]) -> None:
    """What is missing or of the wrong type is told, and raises nothing."""
    good, bad = _read(_advisory({}, **change))
    assert good or bad


def test_rows_of_a_csv() -> None:
    """Columns of markings are read; a word that is none is RED; a row that is no indicator is told with its line."""
    text = (
        "type,value,name,tlp,pap\ndomain,a.example,x,green,RED\nsha1,"
        + "a" * 40
        + ",,TLP:CLEAR,\nip,10.0.0.0/8,,secret,\nip,no,,,\n"
    )
    good, bad = _read(text.encode())
    assert [json.loads(item.body)["pattern"] for item in good] == [
        "[domain-name:value = 'a.example']",
        f"[file:hashes.'SHA-1' = '{'a' * 40}']",
        "[ipv4-addr:value ISSUBSET '10.0.0.0/8']",
    ]
    assert [str(item.marking) for item in good] == ["TLP:GREEN PAP:RED", "TLP:CLEAR", "TLP:RED"]
    assert [(item.place, item.code) for item in bad] == [("file:4", "X035"), ("file:5", "X033")]
    assert "'secret' is no marking, so the indicator is TLP:RED" in bad[0].why


def test_of_rows_with_the_same_value_the_most_restricted_holds() -> None:
    """Two rows of one value are one indicator."""
    good, bad = _read(b"type,value,tlp_level\ndomain,a.example,green\ndomain,A.example,amber+strict\n")
    assert ([str(item.marking) for item in good], bad) == (["TLP:AMBER+STRICT"], [])


def test_a_csv_that_is_written_is_read_again() -> None:
    """Values and markings come back; a name is no formula; what a CSV cannot hold is told."""
    text = "type,value,name,tlp,pap\nurl,https://a.example/x,=1+1,green,red\ncidr,10.0.0.0/8,n,clear,\nfilename,-a.exe,,red,\n"
    before, _ = _read(text.encode())
    both = json.dumps(
        {**json.loads(before[0].body), "id": f"indicator--{UUID}", "pattern": "[file:name = 'a' AND file:size = 1]"}
    )
    more, _ = _read(f"[{both}]".encode())
    out = StringIO()
    lost = write_csv([*before, *more, *(item for item in _read(_advisory({}))[0] if item.type == "report")], out)
    assert [item.code for item in lost] == ["X024", "X024"]
    assert "'=1+1" in out.getvalue()
    assert all(line[0] not in "=+-@" for row in out.getvalue().splitlines() for line in row.split(",") if line)
    after, _ = _read(out.getvalue().encode())
    assert [(item.id, item.marking) for item in after] == [(item.id, item.marking) for item in before]


def test_a_csv_on_disk_has_the_version_of_its_file(tmp_path: Path) -> None:
    """A file that was changed later gives a later version of the same object."""
    path = tmp_path / "list.csv"
    path.write_text("a.example\n")
    (before,) = read_package(path, "list", TERMS)
    path.write_text("a.example\n# more\n")
    (after,) = read_package(path, "list", TERMS)
    assert isinstance(before, Incoming)
    assert isinstance(after, Incoming)
    assert before.id == after.id
    assert (before.version or 0) <= (after.version or 0)


@pytest.mark.parametrize(("tag", "expected"), [("", Tlp.AMBER), (", tlp.amber-strict", Tlp.AMBER_STRICT), (", tlp.x", Tlp.RED)])
def test_a_sigma_rule(tag: str, expected: Tlp) -> None:
    """It is an indicator whose pattern is its own text; its tag of TLP is its marking."""
    text = RULE.format(tag=tag)
    (item,), bad = _read(text.encode())
    body = json.loads(item.body)
    assert (body["pattern"], body["pattern_type"], body["created"]) == (text, "sigma", "2024-01-31T00:00:00.000Z")
    assert body["kill_chain_phases"] == [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}]
    assert {"source_name": "mitre-attack", "external_id": "T1059.001"} in body["external_references"]
    assert item.marking == Marking(expected)
    assert not bad


def test_rules_of_one_file_are_told_apart() -> None:
    """Each has its own text; one that is not valid is told, the others are taken."""
    second = RULE.format(tag="").replace(UUID, UUID[::-1].replace("-", "0")[:8] + UUID[8:]).replace("A rule", "Another")
    good, bad = _read(f"---\n{RULE.format(tag='')}---\n{second}---\ntitle: broken\ndetection: 3\n".encode())
    assert [json.loads(item.body)["pattern"] for item in good] == [RULE.format(tag=""), second]
    assert [item.code for item in bad] == ["X034"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "X002"),
        (b"\x00\x01\x02", "X002"),
        (b'[project]\nname = "x"\n', "X002"),
        (b"{}", "X002"),
        (b'{"a":', "X004"),
        (b"[" * 100_000, "X004"),
        (b'{"objects": 3}', "X002"),
        (b'{"objects":[],"objects":[]}', "X004"),
        (b'{"type":"bundle","objects":[{]}', "X004"),
        (b'{"\\u006fbjects":[{"a":1}],"objects":[]}', "X004"),
        (b'{"objects":[6],"\\u006fbjects":[6]}', "X004"),
    ],
)
def test_what_is_not_recognised(data: bytes, code: str) -> None:
    """It ends with a code; so does a package with two lists of objects, of which one would be lost."""
    with pytest.raises(UsageError) as raised:
        list(read_package(data, "file", TERMS))
    assert raised.value.code == code


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It ends with a code."""
    with pytest.raises(UsageError) as raised:
        list(read_package(tmp_path / "x.json", "x.json", TERMS))
    assert raised.value.code == "X001"
    with pytest.raises(UsageError, match=r"it is a folder without manifest\.json, so no MISP feed"):
        list(read_package(tmp_path, "folder", TERMS))


def test_what_would_take_for_ever() -> None:
    """Lists in lists, aliases that stand for a million values, and a field of a megabyte end with a code."""
    for data in (b"[" * 900 + b"]" * 900, b"[" * 990 + b"]" * 990):
        with pytest.raises(UsageError):
            list(read_package(data, "file", TERMS))
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    _, bad = _read(f"title: x\ndetection: 1\na0: &a0 [x]\n{laughs}".encode())
    assert [item.code for item in bad] == ["X034"]
    with pytest.raises(UsageError, match="no indicators"):
        _read(b"type,value\ndomain," + b"x" * 1_000_000 + b"\n")


def test_other_texts_are_no_lists_of_indicators() -> None:
    """A licence and a list of accounts are refused as a whole; a list with a comment in prose is read, a header decides too."""
    prose = b"Nothing in this document, or/and its annexes, limits rights.\n"
    for text in (prose * 9, b"root:x:0:0:root:/root:/bin/bash\nwww:x:33:33:www:/var/www:/usr/sbin/nologin\n"):
        with pytest.raises(UsageError, match="no indicators") as raised:
            _read(text)
        assert raised.value.code == "X002"
    good, bad = _read(prose + b"evil.example\n192.0.2.7\nbin/evil\n")
    assert (len(good), [item.code for item in bad]) == (3, ["X033"])
    good, bad = _read(b"value\n" + prose * 3)
    assert (good, len(bad)) == ([], 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    """A byte order mark and UTF-16, as some tools write them, are read."""
    item = {"type": "url", "id": f"url--{UUID}", "value": "https://é.example"}
    good, bad = _read(json.dumps({"type": "bundle", "objects": [item]}, ensure_ascii=False).encode(encoding))
    assert [json.loads(found.body) for found in good] == [item]
    assert not bad


@pytest.mark.parametrize(
    ("folder", "types", "marking"),
    [
        (
            "csaf",
            {"relationship": 5342, "software": 1067, "course-of-action": 1047, "vulnerability": 649, "report": 199},
            "TLP:CLEAR",
        ),
        ("kev", {"vulnerability": 1404}, "TLP:AMBER"),
    ],
)
def test_shared_files(folder: str, types: dict[str, int], marking: str) -> None:
    """All advisories and the whole catalogue are read; the naive reader takes each object too."""
    read = [item for path in sorted(shared(folder).glob("*.json")) for item in read_package(path, path.name, TERMS)]
    good = [item for item in read if isinstance(item, Incoming)]
    assert Counter(item.type for item in good) == types
    assert {str(item.marking) for item in good} == {marking}
    assert {item.code for item in read if isinstance(item, Rejected)} <= {"X031"}
    assert all(read_naively(item.body) == (item.id, "2.1", item.version) for item in good)


def test_attack() -> None:
    """ATT&CK for ICS is taken whole, byte for byte. Its statement is RED until a rulebook declares it."""
    path = shared("attack", "ics-attack.json")
    data = path.read_bytes()
    good = [item for item in read_package(path, path.name, TERMS) if isinstance(item, Incoming)]
    assert len(good) == len(json.loads(data)["objects"]) == 1826
    assert all(item.body in data and read_naively(item.body) for item in good)
    assert Counter(item.marking.tlp for item in good) == {Tlp.RED: 1825, Tlp.AMBER: 1}
