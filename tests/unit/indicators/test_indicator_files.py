"""Files of indicators: what each form gives, and that nothing is passed over in silence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from shared_data import shared
from tocsin.errors import UsageError
from tocsin.indicators import Indicators, read_indicators
from tocsin.indicators.patterns import read_pattern

SHA256 = "a" * 64


def read(tmp_path: Path, text: str | bytes, name: str = "x") -> Indicators:
    """Read one file of indicators."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_indicators([path])


def values(found: Indicators) -> list[tuple[str, str]]:
    """Return kind and value of each indicator."""
    return [(item.kind, item.value) for item in found.found]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[ipv4-addr:value = '198.51.100.1']", [("address", "198.51.100.1")]),
        ("[ipv4-addr:value = '198.51.100.0/24' OR url:value = 'http://a.b/c']", [("address", "198.51.100.0/24"), ("url", "http://a.b/c")]),
        (f"[file:hashes.'SHA-256' = '{SHA256}'] OR [file:hashes.MD5 = 'x']", [("hash", SHA256), ("hash", "x")]),
        ("([file:name IN ('a.exe', 'b\\'s.exe')])", [("file name", "a.exe"), ("file name", "b's.exe")]),
        ("[network-traffic:dst_ref.value = 'evil.com']", [("address", "evil.com")]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, found: list[tuple[str, str]]) -> None:
    """The common comparison forms give their alternatives."""
    assert read_pattern(pattern) == found


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[file:name = 'a' AND file:size = 3]", "'AND' is not supported"),
        ("[file:name = 'a'] FOLLOWEDBY [file:name = 'b']", "'FOLLOWEDBY' is not supported"),
        ("[windows-registry-key:key = 'HKLM']", "windows-registry-key:key is not supported"),
        ("[domain-name:value LIKE '%.evil.com']", "LIKE of domain-name:value is not supported"),
        ("[file:name != 'a']", "!= of file:name is not supported"),
        ("[file:name = 'a'] WITHIN 5 SECONDS", "not"),
        ("[file:name = 'a'", "not complete"),
        ("", "not complete"),
    ],
)
def test_unsupported_patterns(pattern: str, reason: str) -> None:
    """A pattern that asks for more is refused with what it asks for."""
    with pytest.raises(ValueError, match=reason):
        read_pattern(pattern)


def test_stix(tmp_path: Path) -> None:
    """A bundle gives its indicators; those that cannot be looked for are named with the reason."""
    indicator = {"type": "indicator", "id": "indicator--1", "name": "C2", "pattern_type": "stix"}
    bundle = {
        "type": "bundle",
        "objects": [
            {"type": "malware", "id": "malware--1"},
            {**indicator, "pattern": "[domain-name:value = 'Evil.com']"},
            {**indicator, "id": "indicator--2", "pattern": "[mutex:name = 'x']"},
            {**indicator, "id": "indicator--3", "pattern_type": "yara", "pattern": "rule x {}"},
            {**indicator, "id": "indicator--4", "revoked": True, "pattern": "[domain-name:value = 'b.com']"},
            {**indicator, "id": "indicator--5", "pattern": "[ipv4-addr:value = 'nowhere']"},
        ],
    }
    found = read(tmp_path, json.dumps(bundle))
    assert values(found) == [("domain", "evil.com")]
    assert found.found[0].name == "C2"
    assert found.found[0].id == "indicator--1 evil.com"
    assert [item.where.rpartition(" ")[2] for item in found.unusable] == [f"indicator--{n}" for n in (2, 3, 4, 5)]
    reasons = ["mutex:name is not supported", "type yara", "revoked", "no IPv4"]
    assert all(reason in item.reason for reason, item in zip(reasons, found.unusable, strict=True))


def test_misp() -> None:
    """Of the 27 public events every attribute is either an indicator, a repeated one, or named with the reason."""
    paths = sorted(shared("misp").glob("*.json"))
    wanted: Counter[str] = Counter()
    for path in paths:
        document = json.loads(path.read_text())
        for event in [item["Event"] for item in document["response"]] if "response" in document else [document["Event"]]:
            for holder in (event, *event.get("Object", [])):
                wanted.update(attribute["type"] for attribute in holder.get("Attribute", []))
    pairs = ("filename|md5", "filename|sha1", "filename|sha256", "domain|ip")
    found = read_indicators(paths)
    total = wanted.total() + sum(wanted[name] for name in pairs)
    assert len(found.found) + found.repeated + len(found.unusable) == total
    kinds = Counter(item.kind for item in found.found)
    assert kinds["hash"] >= 280
    assert kinds["domain"] >= 500
    left = Counter(item.reason for item in found.unusable)
    assert left["attributes of type regkey are not looked for"] == wanted["regkey"] == 18


@pytest.mark.parametrize(
    "text",
    [
        "type,value\nip,10.1.2.3\nsha256," + SHA256 + "\n",
        "ip,10.1.2.3\nSHA256," + SHA256 + "\n",
        "10.1.2.3\n" + SHA256 + "\n",
        "\ufeff# made today\n\n10[.]1[.]2[.]3\n" + SHA256 + "\n",
        "value;type;comment\n10.1.2.3;ipv4;a\n" + SHA256 + ";hash;b\n",
        "indicator\n10.1.2.3\n" + SHA256,
        "10.1.2.3\r\n" + SHA256 + "\r\n",
    ],
)
def test_csv(tmp_path: Path, text: str) -> None:
    """A CSV has the columns type and value, in any order and with or without a header, or one column."""
    assert values(read(tmp_path, text)) == [("address", "10.1.2.3"), ("hash", SHA256)]


def test_csv_names_bad_lines(tmp_path: Path) -> None:
    """A line that is no indicator is named by its number; the others are read."""
    found = read(tmp_path, "type,value\nip,10.1.2.3\nip,none\nmutex,x\nip,10.1.2.3\n")
    assert values(found) == [("address", "10.1.2.3")]
    assert found.repeated == 1
    assert [item.where.rpartition(":")[2] for item in found.unusable] == ["3", "4"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', "\x00\x01", "# nothing\n", '{"type": "bundle"}', "[" * 100_000])
def test_other_forms(tmp_path: Path, text: str) -> None:
    """A file of another form is an error that says which forms there are."""
    with pytest.raises(UsageError, match="I002") as error:
        read(tmp_path, text)
    assert "STIX" in error.value.hint


def test_missing(tmp_path: Path) -> None:
    """A file that cannot be read is an error."""
    with pytest.raises(UsageError, match="I001"):
        read_indicators([tmp_path / "missing"])
