"""Files of other tools with anything in any place: readers end with objects, with codes, or with one error, and no wider."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import UsageError
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.read import read_package
from tocsin.feeds.reference import read_naively
from tocsin.sharing.markings import Tlp

TERMS = Terms({}, Tlp.AMBER)
UUID = "7d1d3c1e-6a5a-4f6e-8a5f-0f9b3a1c2d3e"
EVENT = {
    "uuid": UUID,
    "info": "i",
    "date": "2024-01-31",
    "timestamp": "1700000000",
    "publish_timestamp": 1,
    "distribution": "3",
    "Orgc": {"name": "o", "uuid": UUID},
    "Tag": [{"name": "x"}],
    "Galaxy": [{"type": "tool", "GalaxyCluster": [{"value": "v"}]}],
    "Attribute": [
        {
            "uuid": UUID,
            "type": "ip-dst|port",
            "value": "192.0.2.1|1",
            "to_ids": False,
            "first_seen": "2024-01-31",
            "comment": "c",
            "distribution": "5",
            "Tag": [{"name": "y"}],
            "timestamp": "1",
        },
        {"type": "domain", "value": "a.example", "to_ids": True, "deleted": False},
    ],
    "Object": [{"uuid": UUID, "name": "file", "Attribute": [{"type": "filename|md5", "value": "a|b"}]}],
}
ADVISORY = {
    "document": {
        "csaf_version": "2.0",
        "title": "t",
        "distribution": {"tlp": {"label": "GREEN"}},
        "lang": "en",
        "publisher": {"name": "n", "namespace": "x"},
        "notes": [{"category": "summary", "text": "t"}],
        "references": [{"url": "u", "summary": "s"}],
        "tracking": {"id": "1", "initial_release_date": "2024-01-31", "current_release_date": "2024-02-01"},
    },
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "v",
                "branches": [{"category": "product_version", "name": "1", "product": {"name": "p", "product_id": "P"}}],
            }
        ],
        "product_groups": [{"group_id": "G", "product_ids": ["P"]}],
    },
    "vulnerabilities": [
        {
            "cve": "CVE-1",
            "cwe": {"id": "CWE-1"},
            "product_status": {"known_affected": ["P"]},
            "scores": [{"cvss_v3": {"vectorString": "v"}}],
            "ids": [{"text": "x"}],
            "remediations": [{"category": "c", "details": "d", "group_ids": ["G"], "url": "u"}],
        }
    ],
}
CATALOGUE = {
    "catalogVersion": "1",
    "dateReleased": "2024-01-31T00:00:00Z",
    "vulnerabilities": [{"cveID": "CVE-1", "dateAdded": "2024-01-31", "cwes": ["CWE-1"], "notes": "https://x ; y"}],
}
ODD = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        10**30,
        1.5,
        "",
        "x",
        "\x00",
        "a|b|c",
        "2024-02-30",
        "9" * 30,
        "9999-12-31T23:59:59-23:59",
        [],
        {},
        [[]],
        [None],
        [{}],
        {"a": 1},
        {"": []},
        "'] OR [x:y = '",
        "\u202e",
        ["x"],
        [3],
    ]
)


def _places(held: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    return [path, *(found for step, value in steps for found in _places(value, (*path, step)))]


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Draw an event, an advisory or a catalogue in which some values are others."""
    document = copy.deepcopy(draw(st.sampled_from([{"Event": EVENT}, {"response": [{"Event": EVENT}]}, ADVISORY, CATALOGUE])))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from([path for path in _places(document) if path]))
        held: Any = document
        for step in path[:-1]:
            held = held[step]
        held[path[-1]] = copy.deepcopy(draw(ODD))
    return document


def _tried(data: bytes) -> list[Incoming | Rejected] | str:
    """Return what was read, or the code of the error that ended it."""
    try:
        return list(read_package(data, "file", TERMS))
    except UsageError as error:
        return error.code


@settings(max_examples=1500, deadline=None)
@given(documents())
def test_odd_values_are_taken_or_told(document: Any) -> None:
    """Nothing is raised but that the format is not recognised, and each object that comes out is valid."""
    read = _tried(json.dumps(document).encode())
    assert read or document.get("vulnerabilities") == []
    if isinstance(read, str):
        assert read == "X002"
        return
    for item in read:
        assert not isinstance(item, Incoming) or read_naively(item.body) == (item.id, "2.1", item.version)


@settings(max_examples=500, deadline=None)
@given(documents())
def test_red_is_red_whatever_else_is_odd(document: Any) -> None:
    """The label of an event or advisory reaches every object, however the rest of the file looks."""
    if isinstance(document.get("Event"), dict):
        document["Event"]["Tag"] = [{"name": "tlp:red"}]
    elif isinstance(document.get("document"), dict):
        document["document"]["distribution"] = {"tlp": {"label": "RED"}}
    else:
        return
    read = _tried(json.dumps(document).encode())
    assert isinstance(read, str) or {item.marking.tlp for item in read if isinstance(item, Incoming)} <= {Tlp.RED}


STARTS = st.sampled_from([b"", b"{", b"[", b'{"objects":', b"title: x\ndetection:\n", b"type,value\n"])


@settings(max_examples=500, deadline=None)
@given(STARTS, st.binary(max_size=60))
def test_any_bytes(start: bytes, rest: bytes) -> None:
    """Readers survive any bytes."""
    read = _tried(start + rest)
    assert not isinstance(read, str) or read in {"X002", "X004"}
