"""MISP events as STIX: an event is a report, an attribute an indicator or what was observed, an object a grouping.

The tags of an event and its distribution reach every attribute; so do those of an object. Source: MISP core format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.feeds.forms import Json
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.loose import as_map, as_maps, as_text, odd
from tocsin.feeds.made import (
    UNDATED,
    Dates,
    Made,
    Told,
    any_moment,
    dated,
    dates,
    of_group,
    of_tags,
    read_made,
    seconds_text,
)
from tocsin.feeds.misp_types import LANGUAGES, PATHS, observables, pattern, split
from tocsin.indicators.misp import events
from tocsin.sharing.markings import Tlp, is_marking_name
from tocsin.sharing.moments import read_moment

_DISTRIBUTIONS: Final[Mapping[str, Told]] = {
    "0": Told(Tlp.RED),
    "1": Told(Tlp.AMBER),
    "2": Told(Tlp.GREEN),
    "3": Told(),
    "5": Told(),
    "": Told(),
}
"""Only this organisation, this community, connected communities, all communities, as the event says, not stated."""
_GROUP: Final = "4"
_NOT_TAKEN: Final[Mapping[str, str]] = {
    "ShadowAttribute": "proposals",
    "Sighting": "sightings",
    "EventReport": "reports of the event",
    "RelatedEvent": "related events",
    "CryptographicKey": "keys",
    "ObjectReference": "references between objects",
}
_SHOWN: Final = 100
_MISP: Final = "misp"


@dataclass(frozen=True, slots=True)
class _Event:
    """What all parts of an event share."""

    place: str
    name: str
    told: Told
    created: str
    modified: str


def read_misp(document: object, label: str, terms: Terms) -> Iterator[Incoming | Rejected]:
    """Read the events of an export, or of a list of exports, one after another."""
    for event in events(document):
        yield from read_event(event, label, terms)


def read_event(event: Mapping[str, Any], label: str, terms: Terms) -> list[Incoming | Rejected]:
    """Read one event: its report first, then its parts, then what could not be taken."""
    uuid = as_text(event.get("uuid")) or f"{as_text(event.get('info'))} {as_text(event.get('date'))}"
    modified = seconds_text(event.get("timestamp"))
    created = any_moment(event.get("date")) or modified
    shared = _Event(f"{label}: event {uuid[:_SHOWN]}", uuid, _told(event), created, modified)
    parts = [*_attributes(event, shared, shared.told), *_objects(event, shared)]
    parts += _galaxies(event, shared)
    refs = [item.content["id"] for item in parts if isinstance(item, Made)]
    if not refs:
        empty = Rejected(shared.place, "X020", "the event has nothing that a report could be about")
        return read_made([*parts, empty, *_not_taken(event, shared)], terms)
    report = Made(shared.place, _report(event, shared, list(dict.fromkeys(refs))))
    return read_made([report, *parts, *_not_taken(event, shared)], terms)


def _told(holder: Mapping[str, Any]) -> Told:
    """Return what the tags and the distribution of an event, object or attribute say; what is of another form is TLP:RED."""
    tags, distribution = holder.get("Tag"), holder.get("distribution")
    told = of_tags(_tags(holder))
    if odd(tags) or not all(as_text(tag.get("name")) for tag in as_maps(tags)):
        told = told.join(Told(Tlp.RED))
    if as_text(distribution) == _GROUP:
        return told.join(of_group(as_map(holder.get("SharingGroup")).get("uuid")))
    stated = as_text(distribution) or ("" if distribution in ("", None) else "of another form")
    return told.join(_DISTRIBUTIONS.get(stated, Told(Tlp.RED)))


def _tags(holder: Mapping[str, Any]) -> list[str]:
    return [as_text(tag.get("name")) for tag in as_maps(holder.get("Tag"))]


def _report(event: Mapping[str, Any], shared: _Event, refs: list[str]) -> Json:
    published = seconds_text(event.get("publish_timestamp"))
    creator = as_text(as_map(event.get("Orgc")).get("name"))
    reference = {"source_name": _MISP, "external_id": shared.name, "description": f"MISP event of {creator or '?'}"}
    content = {
        "name": as_text(event.get("info")) or "MISP event",
        "published": shared.modified if published == UNDATED else published,
        "labels": _labels(event),
        "external_references": [reference, *_links(event)],
        "object_refs": refs,
        "x_misp_threat_level_id": as_text(event.get("threat_level_id")),
        "x_misp_analysis": as_text(event.get("analysis")),
    }
    return dated("report", f"misp {shared.name}", dates(shared.created, shared.modified), shared.told, content)


def _labels(holder: Mapping[str, Any]) -> list[str]:
    """Return the tags that are no markings."""
    return list(dict.fromkeys(name for name in _tags(holder) if name and not is_marking_name(name)))


def _links(event: Mapping[str, Any]) -> list[Json]:
    """Return the links of an event, unless they are more restricted than it."""
    links = [item for item in as_maps(event.get("Attribute")) if item.get("type") == "link" and _is_plain(item)]
    return [{"source_name": "link", "url": as_text(item.get("value"))} for item in links]


def _is_plain(attribute: Mapping[str, Any]) -> bool:
    return _told(attribute) == Told() and not attribute.get("deleted")


def _objects(event: Mapping[str, Any], shared: _Event) -> Iterator[Made | Rejected]:
    for item in as_maps(event.get("Object")):
        told = shared.told.join(_told(item))
        uuid = as_text(item.get("uuid"))
        deleted = bool(item.get("deleted"))
        parts = list(_attributes(item, shared, told, deleted=deleted))
        yield from parts
        refs = list(dict.fromkeys(part.content["id"] for part in parts if isinstance(part, Made)))
        place = f"{shared.place}, object {uuid[:_SHOWN]}"
        if not refs:
            yield Rejected(place, "X020", f"the object {as_text(item.get('name'))[:_SHOWN]!r} has nothing that can be taken")
            continue
        content = {
            "name": as_text(item.get("name")),
            "description": as_text(item.get("comment")),
            "context": "misp-object",
            "revoked": deleted or None,
            "object_refs": refs,
        }
        seed = f"misp {shared.name} {uuid or refs[0]}"
        yield Made(place, dated("grouping", seed, _dates(item, shared), told, content))


def _dates(part: Mapping[str, Any], shared: _Event) -> Dates:
    """Return when a part was made and changed. A change of the event is one of each part, since it can change markings."""
    own = seconds_text(part.get("timestamp"))
    modified = max(own, shared.modified, key=lambda text: read_moment(text) or 0)
    return dates(shared.created, modified)


def _attributes(holder: Mapping[str, Any], shared: _Event, told: Told, *, deleted: bool = False) -> Iterator[Made | Rejected]:
    for number, attribute in enumerate(as_maps(holder.get("Attribute"))):
        uuid = as_text(attribute.get("uuid"))
        place = f"{shared.place}, attribute {uuid[:_SHOWN] or number}"
        made = _Attribute(attribute, shared, told.join(_told(attribute)), deleted or bool(attribute.get("deleted")))
        try:
            contents = made.contents()
        except ValueError as error:
            yield Rejected(place, "X020", str(error))
            continue
        yield from (Made(place, content) for content in contents)


class _Attribute:
    """One attribute, and what it becomes."""

    def __init__(self, attribute: Mapping[str, Any], shared: _Event, told: Told, deleted: bool) -> None:
        self._of = attribute
        self._told = told
        self._deleted = deleted
        self._when = _dates(attribute, shared)
        self._kind = as_text(attribute.get("type"))
        self._value = as_text(attribute.get("value")).strip()
        self._seed = f"misp {as_text(attribute.get('uuid')) or f'{shared.name} {self._kind} {self._value}'}"
        first = any_moment(attribute.get("first_seen")) or seconds_text(attribute.get("timestamp"))
        last = any_moment(attribute.get("last_seen"))
        self._seen = dates(first, last or first)

    def contents(self) -> list[Json]:
        """Return the objects that say what the attribute says. Raises: ValueError when it says nothing."""
        if not self._kind or not self._value:
            raise ValueError("the attribute has no type or no value")
        if self._kind in LANGUAGES:
            return [self._indicator(self._value, LANGUAGES[self._kind])]
        if self._kind == "vulnerability":
            reference = {"source_name": "cve", "external_id": self._value}
            return [self._dated("vulnerability", {"name": self._value, "external_references": [reference]})]
        if self._kind in PATHS:
            return self._known() or [self._custom()]
        return [self._custom()]

    def _known(self) -> list[Json]:
        """Return what a type with a counterpart becomes, nothing when its value is none of the type."""
        try:
            parts = split(self._kind, self._value)
            if self._of.get("to_ids"):
                return [self._indicator(pattern(self._kind, parts), "stix")]
            made = observables(self._kind, parts, self._told)
        except ValueError:
            return []
        return [*made, self._observed(made)] if made and not self._deleted else []

    def _indicator(self, text: str, language: str) -> Json:
        content = {
            "name": self._value[:_SHOWN] if language == "stix" else self._kind,
            "pattern": text,
            "pattern_type": language,
            "valid_from": self._seen.created,
            "indicator_types": ["malicious-activity"] if self._of.get("to_ids") else ["unknown"],
        }
        return self._dated("indicator", content)

    def _observed(self, made: list[Json]) -> Json:
        content = {
            "first_observed": self._seen.created,
            "last_observed": self._seen.modified,
            "number_observed": 1,
            "object_refs": [item["id"] for item in made],
        }
        return self._dated("observed-data", content)

    def _custom(self) -> Json:
        content = {
            "x_misp_type": self._kind,
            "x_misp_value": self._value,
            "x_misp_to_ids": bool(self._of.get("to_ids")),
        }
        return self._dated("x-misp-attribute", content)

    def _dated(self, kind: str, content: Mapping[str, object]) -> Json:
        shared = {
            "labels": _labels(self._of),
            "revoked": self._deleted or None,
            "description" if kind in {"indicator", "vulnerability"} else "x_misp_comment": as_text(self._of.get("comment")),
            "x_misp_category": as_text(self._of.get("category")),
        }
        return dated(kind, self._seed, self._when, self._told, {**content, **shared})


def _galaxies(event: Mapping[str, Any], shared: _Event) -> Iterator[Made | Rejected]:
    """Yield the techniques and actors that an event's galaxies name, where their form in STIX is plain.

    Several galaxies may hold one cluster in other words: the first are taken, as restricted as the most restricted of them.
    """
    found: dict[tuple[str, str], tuple[Mapping[str, Any], Told]] = {}
    for galaxy in as_maps(event.get("Galaxy")):
        kind = _GALAXIES.get(as_text(galaxy.get("type")), "")
        for cluster in as_maps(galaxy.get("GalaxyCluster")) if kind else ():
            name = as_text(cluster.get("value"))
            if not name:
                continue
            key = kind, as_text(cluster.get("uuid")) or name
            first, told = found.get(key, (cluster, shared.told))
            found[key] = first, told.join(_told(cluster))
            if _words(first) != _words(cluster):
                yield Rejected(f"{shared.place}, galaxy {name[:_SHOWN]}", "X021", "other words for the same are not taken")
    for (kind, seed), (held, told) in found.items():
        content = _words(held) | ({"is_family": True} if kind == "malware" else {})
        made = dated(kind, f"misp {shared.name} {seed}", _dates({}, shared), told, content)
        yield Made(f"{shared.place}, galaxy {content['name'][:_SHOWN]}", made)


def _words(cluster: Mapping[str, Any]) -> Json:
    return {"name": as_text(cluster.get("value")), "description": as_text(cluster.get("description"))}


_GALAXIES: Final[Mapping[str, str]] = {
    "threat-actor": "intrusion-set",
    "mitre-intrusion-set": "intrusion-set",
    "mitre-enterprise-attack-intrusion-set": "intrusion-set",
    "mitre-attack-pattern": "attack-pattern",
    "mitre-enterprise-attack-attack-pattern": "attack-pattern",
    "mitre-ics-techniques": "attack-pattern",
    "mitre-malware": "malware",
    "mitre-tool": "tool",
    "malpedia": "malware",
    "ransomware": "malware",
    "tool": "tool",
}


def _not_taken(event: Mapping[str, Any], shared: _Event) -> Iterator[Rejected]:
    """Yield what an event has that is not taken: once for each kind, with its number."""
    holders = [event, *as_maps(event.get("Attribute")), *as_maps(event.get("Object"))]
    holders += [item for holder in as_maps(event.get("Object")) for item in as_maps(holder.get("Attribute"))]
    for key, name in _NOT_TAKEN.items():
        count = sum(len(as_maps(holder.get(key))) for holder in holders)
        if count:
            yield Rejected(shared.place, "X021", f"{count} {name} are not taken")
    for key in ("Attribute", "Object", "Tag", "Galaxy"):
        count = sum(odd(holder.get(key)) for holder in holders)
        if count:
            yield Rejected(shared.place, "X020", f"{count} entries of {key} are of another form")
    count = sum(bool(holder.get("data")) for holder in holders)
    if count:
        yield Rejected(shared.place, "X021", f"the files of {count} attachments are not taken")


__all__ = ["read_event", "read_misp"]
