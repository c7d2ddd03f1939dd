"""STIX as MISP events: a report is an event, what it refers to its attributes; what no report refers to is one event more.

An event is as restricted as the most restricted thing in it: MISP and its users look at the tag of the event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid5

import msgspec

from tocsin.feeds.forms import Json
from tocsin.feeds.interface import Incoming, Rejected
from tocsin.feeds.loose import as_map, as_maps, as_text, as_texts
from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, URL
from tocsin.indicators.patterns import read_pattern
from tocsin.sharing.markings import Marking, Tlp
from tocsin.sharing.moments import read_moment

_NAMESPACE: Final = UUID("5c3d8a34-6b0e-5c55-8f4f-2f8b8a8e4d17")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DISTRIBUTION: Final = {Tlp.CLEAR: "3", Tlp.GREEN: "2", Tlp.AMBER: "1", Tlp.AMBER_STRICT: "1", Tlp.RED: "0"}
_OF_KIND: Final = {ADDRESS: "ip-dst", DOMAIN: "domain", URL: "url", FILE_NAME: "filename"}
_HASHES: Final = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SSDEEP": "ssdeep", "TLSH": "tlsh"}
_OF_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_RULES: Final = frozenset({"sigma", "yara", "snort", "suricata"})
_VALUED: Final[Mapping[str, tuple[str, str]]] = {
    "domain-name": ("domain", "value"),
    "ipv4-addr": ("ip-dst", "value"),
    "ipv6-addr": ("ip-dst", "value"),
    "url": ("url", "value"),
    "email-addr": ("email", "value"),
    "mac-addr": ("mac-address", "value"),
    "mutex": ("mutex", "name"),
    "windows-registry-key": ("regkey", "key"),
    "autonomous-system": ("AS", "number"),
    "vulnerability": ("vulnerability", "name"),
}
_CATEGORIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "filename"), "Payload delivery"),
    **dict.fromkeys(("yara", "sigma", "stix2-pattern"), "Payload installation"),
    **dict.fromkeys(("domain", "ip-dst", "url", "mac-address", "AS", "snort", "suricata"), "Network activity"),
    "email": "Social network",
    "mutex": "Artifacts dropped",
    "regkey": "Persistence mechanism",
    "vulnerability": "External analysis",
}
_FOR_DETECTION: Final = frozenset({"indicator"})
_CARRIED: Final = frozenset({"report", "marking-definition"})
"""What is not an attribute: an event itself, or told by its tags."""
_GALAXY: Final = {"attack-pattern": "mitre-attack-pattern", "intrusion-set": "mitre-intrusion-set", "tool": "mitre-tool"}


@dataclass(frozen=True, slots=True)
class Publisher:
    """The organisation whose events they become."""

    name: str
    uuid: str


@dataclass(slots=True)
class _Gathered:
    """An event that is being made of objects."""

    uuid: str
    info: str
    published: str
    head: Json = field(default_factory=dict)
    items: list[tuple[Incoming, Json]] = field(default_factory=list)


def as_events(items: Iterable[Incoming], publisher: Publisher) -> Iterator[Json | Rejected]:
    """Yield MISP events of objects, those of reports first, and what has no place in MISP.

    A package is held whole. An object that several reports refer to is in each of their events.
    """
    last: dict[str, tuple[Incoming, Json]] = {}
    for item in items:
        known = last.get(item.id)
        if known is None or (known[0].version or 0) < (item.version or 0):
            last[item.id] = (item, msgspec.json.decode(item.body))
    gathered = [_of_report(content, last) for _, content in last.values() if content["type"] == "report"]
    held = {item.id for event in gathered for item, _ in event.items}
    left = [pair for name, pair in last.items() if name not in held]
    if left:
        seed = " ".join(sorted(item.id for item, _ in left))
        gathered.append(_Gathered(str(uuid5(_NAMESPACE, seed)), "Objects that no report refers to", "", {}, left))
    for event in gathered:
        yield from _event(event, publisher)


def _of_report(content: Json, last: Mapping[str, tuple[Incoming, Json]]) -> _Gathered:
    known = (as_text(item.get("external_id")) for item in as_maps(content.get("external_references"))
             if item.get("source_name") == "misp")  # fmt: skip
    own = next((name for name in known if _UUID.fullmatch(name)), "")
    refs = [content["id"], *dict.fromkeys(as_texts(content.get("object_refs")))]
    items = [last[ref] for ref in refs if ref in last]
    name, published = as_text(content.get("name")), as_text(content.get("published"))
    return _Gathered(own or str(uuid5(_NAMESPACE, content["id"])), name or "Report", published, content, items)


def _event(gathered: _Gathered, publisher: Publisher) -> Iterator[Json | Rejected]:
    attributes: list[Json] = []
    tags: list[str] = []
    marking: Marking | None = None
    lost: dict[str, int] = {}
    for item, content in gathered.items:
        made = list(_attributes(item, content))
        tag = _tag(content)
        if not made and not tag and content["type"] not in _CARRIED:
            lost[content["type"]] = lost.get(content["type"], 0) + 1
            continue
        attributes += made
        tags += [tag] if tag else []
        marking = item.whole if marking is None else marking.join(item.whole)
    for kind, count in sorted(lost.items()):
        yield Rejected(f"event {gathered.uuid}", "X023", f"{count} objects of type {kind} have no place in a MISP event")
    if marking is not None and attributes:
        yield _written(gathered, publisher, attributes, [*_marks(marking), *dict.fromkeys(tags)], marking)


def _written(gathered: _Gathered, publisher: Publisher, attributes: list[Json], tags: Sequence[str], marking: Marking) -> Json:
    moments = [item.version or 0 for item, _ in gathered.items]
    stamp = str(max(moments, default=0) // 1_000_000)
    published = read_moment(gathered.published) if gathered.published else None
    labels = [label for label in as_texts(gathered.head.get("labels")) if label not in tags]
    day = as_text(gathered.head.get("created"))[:10] or "1970-01-01"
    return {
        "uuid": gathered.uuid,
        "info": gathered.info,
        "date": day,
        "timestamp": stamp,
        "publish_timestamp": stamp if published is None else str(published // 1_000_000),
        "published": True,
        "analysis": "2",
        "threat_level_id": "4",
        "distribution": _distribution(marking),
        "Orgc": {"name": publisher.name, "uuid": publisher.uuid},
        "Tag": [{"name": name} for name in [*tags, *labels]],
        "Attribute": attributes,
    }


def _marks(marking: Marking) -> list[str]:
    """Return the tags of a marking. What is kept to groups cannot be said in MISP, and so is TLP:RED."""
    tlp = Tlp.RED if marking.named else marking.tlp
    return [tlp.label.lower(), *([marking.pap.label] if marking.pap else [])]


def _distribution(marking: Marking) -> str:
    return _DISTRIBUTION[Tlp.RED if marking.named else marking.tlp]


def _tag(content: Json) -> str:
    """Return the tag by which MISP names a technique, actor or tool."""
    galaxy = _GALAXY.get(content["type"])
    if galaxy is None:
        return ""
    known = [as_text(item.get("external_id")) for item in as_maps(content.get("external_references"))
             if as_text(item.get("source_name")).startswith("mitre-")]  # fmt: skip
    name = " - ".join([as_text(content.get("name")), *known[:1]]).replace('"', "'")
    return f'misp-galaxy:{galaxy}="{name}"'


def _attributes(item: Incoming, content: Json) -> Iterator[Json]:
    """Yield the attributes of an object; what is there to detect with is `to_ids`, unless it was revoked."""
    maker = _MAKERS.get(content["type"])
    pairs = list(maker(content)) if maker else []
    if content["type"] in _VALUED:
        kind, name = _VALUED[content["type"]]
        pairs = [(kind, as_text(content.get(name)))]
    for number, (kind, value) in enumerate(pair for pair in pairs if all(pair)):
        yield {
            "uuid": str(uuid5(_NAMESPACE, f"{item.id} {number}")),
            "type": kind,
            "category": as_text(content.get("x_misp_category")) or _category(kind),
            "value": value,
            "to_ids": _detects(content),
            "comment": as_text(content.get("description")) or as_text(content.get("x_misp_comment")),
            "timestamp": str((item.version or 0) // 1_000_000),
            "deleted": content.get("revoked") is True,
            "distribution": "5",
            "Tag": [{"name": name} for name in _marks(item.whole)],
        }


def _category(kind: str) -> str:
    return _CATEGORIES.get(kind.partition("|")[0], "Other")


def _detects(content: Json) -> bool:
    asked = content["type"] in _FOR_DETECTION or content.get("x_misp_to_ids") is True
    return asked and content.get("revoked") is not True


def _of_indicator(content: Json) -> Iterator[tuple[str, str]]:
    text, language = as_text(content.get("pattern")), as_text(content.get("pattern_type"))
    if language != "stix":
        yield (language if language in _RULES else "text"), text
        return
    try:
        found = read_pattern(text)
    except ValueError:
        yield "stix2-pattern", text
        return
    for kind, value in found:
        yield (_OF_LENGTH.get(len(value), "other") if kind == HASH else _OF_KIND[kind]), value


def _of_file(content: Json) -> Iterator[tuple[str, str]]:
    name = as_text(content.get("name"))
    hashes = [(_HASHES[key], as_text(value)) for key, value in as_map(content.get("hashes")).items() if key in _HASHES]
    if name and hashes:
        yield from ((f"filename|{kind}", f"{name}|{value}") for kind, value in hashes)
    else:
        yield from hashes
        yield "filename", name


def _of_custom(content: Json) -> Iterator[tuple[str, str]]:
    yield as_text(content.get("x_misp_type")), as_text(content.get("x_misp_value"))


_MAKERS: Final[Mapping[str, Callable[[Json], Iterator[tuple[str, str]]]]] = {
    "indicator": _of_indicator,
    "file": _of_file,
    "x-misp-attribute": _of_custom,
}


__all__ = ["Publisher", "as_events"]
