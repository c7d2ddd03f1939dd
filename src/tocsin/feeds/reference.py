"""The naive reader of objects of STIX and the naive spreading of markings: what the fast ones have to agree with.

It reads with the JSON reader of Python's library, checks property after property from tables of its own, and lets markings
spread until a whole round changes nothing. It is never made faster.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.feeds.spreading import Links, M
from tocsin.sharing.moments import read_moment

_ID: Final = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DEEPEST: Final = 64
_LONGEST: Final = 32 << 20
Test = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_full(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and read_moment(value) is not None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _number(low: int, high: int) -> Test:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _degrees(most: int) -> Test:
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and -most <= value <= most


def _id(*types: str) -> Test:
    def test(value: Any) -> bool:
        found = _ID.fullmatch(value) if isinstance(value, str) else None
        return found is not None and (not types or found[1] in types)

    return test


def _listed(test: Test) -> Test:
    return lambda value: isinstance(value, list) and value != [] and all(test(item) for item in value)


def _mapped(test: Test, key: Test = _is_text) -> Test:
    return lambda value: (
        isinstance(value, dict) and value != {} and all(key(name) and test(item) for name, item in value.items())
    )


def _formed(needed: Mapping[str, Test], known: Mapping[str, Test]) -> Test:
    return lambda value: (
        isinstance(value, dict)
        and all(name in value for name in needed)
        and all(test(value[name]) for name, test in {**needed, **known}.items() if name in value)
    )


_HASHES: Final = _mapped(_is_full, _is_full)
_REFERENCE: Final = _formed(
    {"source_name": _is_full}, {"description": _is_text, "url": _is_text, "external_id": _is_text, "hashes": _HASHES}
)
_PHASES: Final = _listed(_formed({"kill_chain_name": _is_full, "phase_name": _is_full}, {}))
_GRANULAR_FORM: Final = _formed({"selectors": _listed(_is_text)}, {"marking_ref": _id("marking-definition"), "lang": _is_text})


def _is_granular(value: Any) -> bool:
    return _GRANULAR_FORM(value) and bool(value.get("marking_ref")) != bool(value.get("lang"))


_TEXTS: Final = _listed(_is_text)
_IDS: Final = _listed(_id())
_COMMON: Final[Mapping[str, Test]] = {
    "created": _is_moment,
    "modified": _is_moment,
    "created_by_ref": _id("identity"),
    "revoked": _is_flag,
    "labels": _TEXTS,
    "confidence": _number(0, 100),
    "lang": _is_text,
    "external_references": _listed(_REFERENCE),
    "object_marking_refs": _listed(_id("marking-definition")),
    "granular_markings": _listed(_is_granular),
    "extensions": _mapped(_is_object),
}
_NAMED: Final[Mapping[str, Test]] = {"name": _is_full, "aliases": _TEXTS, "kill_chain_phases": _PHASES}
_SHARED: Final[Mapping[str, Test]] = {"defanged": _is_flag}
_SEEN: Final[Mapping[str, Test]] = {"first_seen": _is_moment, "last_seen": _is_moment}
_NAMED_AND_SEEN: Final[Mapping[str, Test]] = {**_NAMED, **_SEEN}
_OF_VALUE: Final[Mapping[str, Test]] = {**_SHARED, "value": _is_full}
_OF_NAME: Final[Mapping[str, Test]] = {**_SHARED, "name": _is_full}
_KNOWN: Final[Mapping[str, Mapping[str, Test]]] = {
    **dict.fromkeys(("attack-pattern", "course-of-action", "identity", "incident", "tool", "vulnerability"), _NAMED),
    **dict.fromkeys(("campaign", "infrastructure", "intrusion-set", "threat-actor"), _NAMED_AND_SEEN),
    "grouping": {"name": _is_text, "context": _is_full, "object_refs": _IDS},
    "indicator": {
        "name": _is_text,
        "pattern": _is_full,
        "pattern_type": _is_full,
        "pattern_version": _is_text,
        "valid_from": _is_moment,
        "valid_until": _is_moment,
        "indicator_types": _TEXTS,
        "kill_chain_phases": _PHASES,
    },
    "location": {
        "name": _is_text,
        "latitude": _degrees(90),
        "longitude": _degrees(180),
        "region": _is_text,
        "country": _is_text,
    },
    "malware": {
        **_SEEN,
        "name": _is_text,
        "is_family": _is_flag,
        "malware_types": _TEXTS,
        "aliases": _TEXTS,
        "kill_chain_phases": _PHASES,
        "sample_refs": _IDS,
        "operating_system_refs": _IDS,
    },
    "malware-analysis": {"product": _is_full, "result": _is_text, "analysis_sco_refs": _IDS, "sample_ref": _id()},
    "note": {"content": _is_full, "object_refs": _IDS},
    "opinion": {"opinion": _is_full, "object_refs": _IDS},
    "observed-data": {
        "first_observed": _is_moment,
        "last_observed": _is_moment,
        "number_observed": _number(1, 999_999_999),
        "objects": _is_object,
        "object_refs": _IDS,
    },
    "report": {"name": _is_full, "published": _is_moment, "object_refs": _IDS},
    "relationship": {
        "relationship_type": _is_full,
        "source_ref": _id(),
        "target_ref": _id(),
        "start_time": _is_moment,
        "stop_time": _is_moment,
    },
    "sighting": {
        **_SEEN,
        "sighting_of_ref": _id(),
        "count": _number(0, 999_999_999),
        "observed_data_refs": _listed(_id("observed-data")),
        "where_sighted_refs": _listed(_id("identity", "location")),
        "summary": _is_flag,
    },
    "language-content": {"object_ref": _id(), "contents": _mapped(_is_object)},
    "marking-definition": {"definition_type": _is_text, "definition": _is_object},
    "extension-definition": {"name": _is_full, "schema": _is_full, "version": _is_full, "extension_types": _TEXTS},
    **dict.fromkeys(("domain-name", "email-addr", "ipv4-addr", "ipv6-addr", "mac-addr", "url"), _OF_VALUE),
    **dict.fromkeys(("mutex", "software"), _OF_NAME),
    "process": _SHARED,
    "user-account": _SHARED,
    "windows-registry-key": _SHARED,
    "x509-certificate": _SHARED,
    "artifact": {"defanged": _is_flag, "payload_bin": _is_text, "url": _is_text, "hashes": _HASHES},
    "autonomous-system": {"defanged": _is_flag, "number": _number(0, 0xFFFFFFFF)},
    "directory": {"defanged": _is_flag, "path": _is_full},
    "email-message": {"defanged": _is_flag, "is_multipart": _is_flag, "body": _is_text},
    "file": {"defanged": _is_flag, "name": _is_full, "hashes": _HASHES},
    "network-traffic": {"defanged": _is_flag, "protocols": _TEXTS, "src_ref": _id(), "dst_ref": _id()},
}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("attack-pattern", "course-of-action", "identity", "incident", "tool", "vulnerability"), ("name",)),
    **dict.fromkeys(("campaign", "infrastructure", "intrusion-set", "threat-actor", "mutex", "software"), ("name",)),
    **dict.fromkeys(("domain-name", "email-addr", "ipv4-addr", "ipv6-addr", "mac-addr", "url"), ("value",)),
    "grouping": ("context", "object_refs"),
    "indicator": ("pattern", "pattern_type", "valid_from"),
    "malware": ("is_family",),
    "malware-analysis": ("product",),
    "note": ("content", "object_refs"),
    "opinion": ("opinion", "object_refs"),
    "observed-data": ("first_observed", "last_observed", "number_observed"),
    "report": ("name", "published", "object_refs"),
    "relationship": ("relationship_type", "source_ref", "target_ref"),
    "sighting": ("sighting_of_ref",),
    "language-content": ("object_ref", "contents"),
    "extension-definition": ("created_by_ref", "name", "schema", "version", "extension_types"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "email-message": ("is_multipart",),
    "network-traffic": ("protocols",),
}
_EITHER: Final[Mapping[str, tuple[str, ...]]] = {
    "location": ("region", "country", "latitude"),
    "malware-analysis": ("result", "analysis_sco_refs"),
    "observed-data": ("objects", "object_refs"),
    "marking-definition": ("definition", "extensions"),
    "artifact": ("payload_bin", "url"),
    "file": ("name", "hashes"),
    "network-traffic": ("src_ref", "dst_ref"),
}
_UNVERSIONED: Final = frozenset(
    {
        "artifact",
        "autonomous-system",
        "directory",
        "domain-name",
        "email-addr",
        "email-message",
        "file",
        "ipv4-addr",
        "ipv6-addr",
        "mac-addr",
        "mutex",
        "network-traffic",
        "process",
        "software",
        "url",
        "user-account",
        "windows-registry-key",
        "x509-certificate",
    }
)
_PAIRS: Final = (
    ("created", "modified"),
    ("first_seen", "last_seen"),
    ("valid_from", "valid_until"),
    ("first_observed", "last_observed"),
    ("start_time", "stop_time"),
)


def read_naively(body: bytes) -> tuple[str, str, int | None] | None:
    """Return id, STIX version and version of an object, or None for one that has not the form of its type."""
    try:
        content = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if len(body) > _LONGEST or not isinstance(content, dict) or _depth(content) > _DEEPEST or _has_endless(content):
        return None
    spec = _spec(content)
    if spec is None or not _fits(content, spec):
        return None
    found = content.get("modified", content.get("created"))
    return content["id"], spec, None if found is None else read_moment(found)


def _spec(content: Mapping[str, Any]) -> str | None:
    """Return which STIX an object is of, None when it is of none."""
    kind = content.get("type")
    name = content.get("id")
    found = _ID.fullmatch(name) if isinstance(name, str) else None
    if found is None or found[1] != kind or kind == "bundle" or not 3 <= len(kind) <= 250:
        return None
    spec = content.get("spec_version", "2.1" if kind in _UNVERSIONED else "2.0")
    return spec if spec in ("2.0", "2.1") else None


def _fits(content: Mapping[str, Any], spec: str) -> bool:
    kind = content["type"] if spec == "2.1" and content["type"] in _KNOWN else ""
    known = {**_COMMON, **_KNOWN.get(kind, {}), **({} if kind in _UNVERSIONED or not kind else {"description": _is_text})}
    if kind == "marking-definition":
        del known["description"]
    needed = {*_NEEDED.get(kind, ())}
    if kind and kind not in _UNVERSIONED:
        needed |= {"spec_version", "created", *(() if kind == "marking-definition" else ("modified",))}
    if not needed <= content.keys() or not all(test(content[name]) for name, test in known.items() if name in content):
        return False
    if kind in _EITHER and not any(name in content for name in _EITHER[kind]):
        return False
    pairs = [pair for pair in _PAIRS if all(name in known and name in content for name in pair)]
    return all((read_moment(content[first]) or 0) <= (read_moment(content[last]) or 0) for first, last in pairs)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _depth(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max((_depth(item) for item in (value.values() if isinstance(value, dict) else value)), default=0)


def _has_endless(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return any(_has_endless(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isinf(value)


def spread_naively(linked: Sequence[Links], own: Sequence[M]) -> list[M]:
    """Return the marking of each object of a package, by joining over all pairs until a round changes nothing."""
    markings = list(own)
    while True:
        before = list(markings)
        for at, holder in enumerate(linked):
            for to, other in enumerate(linked):
                if other.id in holder.gives or holder.id in other.takes:
                    markings[to] = markings[to].join(markings[at])
        if markings == before:
            return markings


__all__ = ["read_naively", "spread_naively"]
