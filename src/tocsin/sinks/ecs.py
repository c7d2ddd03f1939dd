"""Elastic Common Schema: a document a line, for Filebeat, Logstash or the bulk interface of Elasticsearch and OpenSearch.

Source: Elastic Common Schema 8.17, field sets base, event, rule, threat, host, source, destination, process, user, related.
"""

from __future__ import annotations

from functools import lru_cache
from typing import BinaryIO, ClassVar, Final, NamedTuple

from msgspec import Raw
from msgspec.json import encode

from tocsin.findings import Coverage, FoundRule
from tocsin.findings.text import safe_json
from tocsin.sinks.found import (
    EPOCH,
    SEVERITIES,
    Found,
    RuleParts,
    cut,
    event_text,
    matched_object,
    message,
    read_finding,
    rule_parts,
)
from tocsin.sinks.observables import NUMBERS, Observed, base_name, hashes, observables

VERSION: Final = "8.17.0"
_UNTIMED: Final = "time_unknown"
_KINDS: Final = {
    "process_creation": ("process", "start"),
    "process_access": ("process", "access"),
    "network_connection": ("network", "connection"),
    "file_event": ("file", "creation"),
    "file_delete": ("file", "deletion"),
    "registry_set": ("registry", "change"),
    "registry_add": ("registry", "creation"),
    "registry_event": ("registry", "change"),
    "dns_query": ("network", "protocol"),
    "webserver": ("web", "access"),
    "proxy": ("web", "access"),
    "firewall": ("network", "connection"),
    "antivirus": ("malware", "info"),
}

_PLACES: Final = {
    "src.ip": ("source", "ip"),
    "src.port": ("source", "port"),
    "dst.ip": ("destination", "ip"),
    "dst.port": ("destination", "port"),
    "dst.host": ("destination", "domain"),
    "query": ("question", "name"),
    "process.path": ("process", "executable"),
    "process.command": ("process", "command_line"),
    "process.pid": ("process", "pid"),
    "process.uid": ("process", "entity_id"),
    "parent.path": ("parent", "executable"),
    "parent.command": ("parent", "command_line"),
    "parent.pid": ("parent", "pid"),
    "user": ("user", "name"),
    "domain": ("user", "domain"),
    "target.user": ("target", "name"),
    "file.path": ("file", "path"),
    "registry.key": ("registry", "path"),
}
_NAMED: Final = {"process": "process.path", "parent": "parent.path", "file": "file.path"}
_INNER: Final = {"question": ("dns", "question"), "parent": ("process", "parent"), "target": ("user", "target")}
_RELATED: Final = {"src.ip": "ip", "dst.ip": "ip", "user": "user", "target.user": "user", "dst.host": "hosts"}


class _EventParts(NamedTuple):
    """What follows from the event: itself as text, the fields of what it names, and for `related` these and hashes."""

    original: Raw
    observed: dict[str, Raw]
    related: dict[str, list[str]]
    hashes: dict[str, list[str]]


class EcsSink:
    """A document a line. An event without a time has `@timestamp` 1970, which is demanded, and the tag `time_unknown`.

    The event is `event.original`, as text: its own fields would be thousands in an index.
    """

    name: ClassVar[str] = "ecs"

    def __init__(self) -> None:
        self._event = b""
        self._parts = _EventParts(Raw(b"null"), {}, {}, {})

    def begin(self, out: BinaryIO) -> None:
        """Write nothing."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        found = read_finding(line)
        if (event := bytes(found.event)) != self._event:  # many findings follow another in the same event
            self._event, self._parts = event, _event_parts(found)
        out.write(safe_json(encode(_document(found, self._parts))) + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


def _document(found: Found, parts: _EventParts) -> dict[str, object]:
    raw = bytes(found.rule)
    rule = rule_parts(raw).rule
    document: dict[str, object] = {
        "@timestamp": found.time or EPOCH,
        "message": message(found, rule),
        **_rule(raw, not found.time),
        "event": {**_event(found.telemetry, found.logsource.category, rule.level), "original": parts.original},
        "log": {"file": {"path": cut(found.source.path)}},
        "tocsin": _own(found, rule),
    }
    if found.host:
        document["host"] = {"name": cut(found.host)}
    document.update(parts.observed)
    hosts = {"hosts": [cut(found.host), *parts.related.get("hosts", ())]} if found.host else {}
    document["related"] = {**parts.related, **hosts, **parts.hashes}
    return document


def _event_parts(found: Found) -> _EventParts:
    observed = observables(found)
    digests = hashes(observed)
    fields = {name: Raw(encode(part)) for name, part in _observed_fields(observed, digests).items()}
    related_hashes = {"hash": list(digests.values())} if digests else {}
    return _EventParts(Raw(encode(event_text(found))), fields, _related(observed), related_hashes)


@lru_cache(maxsize=4096)
def _rule(raw: bytes, untimed: bool) -> dict[str, Raw]:
    """Return the parts of a document that follow from the rule."""
    parts = rule_parts(raw)
    rule = parts.rule
    told = {"id": rule.id, "name": rule.title, "reference": rule.references[0] if rule.references else ""}
    fields = {
        **{name: text for name, text in told.items() if text},
        **({"author": [rule.author]} if rule.author else {}),
        "ruleset": "sigma",
    }
    tags = [*rule.tags, *((_UNTIMED,) if untimed else ())]
    made = {"ecs": {"version": VERSION}, "rule": fields, "threat": _threat(parts), "tags": tags}
    return {name: Raw(encode(part)) for name, part in made.items()}


def _threat(parts: RuleParts) -> dict[str, object]:
    techniques = list(dict.fromkeys(name.partition(".")[0] for name in parts.techniques))
    subtechniques = [name for name in parts.techniques if "." in name]
    technique: dict[str, object] = {"id": techniques}
    if subtechniques:
        technique["subtechnique"] = {"id": subtechniques}
    return {
        "framework": "MITRE ATT&CK",
        **({"tactic": {"name": list(parts.tactics)}} if parts.tactics else {}),
        **({"technique": technique} if techniques else {}),
    }


@lru_cache(maxsize=4096)
def _event(telemetry: str, category: str, level: str) -> dict[str, object]:
    """Return the fields of `event` that many findings share."""
    event: dict[str, object] = {
        "kind": "alert",
        "module": "tocsin",
        "dataset": "tocsin.findings",
        "severity": SEVERITIES.get(level, 0),
    }
    provider, separator, code = telemetry.rpartition(":")
    if separator:
        event["provider"] = cut(provider)
        event["code"] = cut(code)
    kind = _KINDS.get(category)
    if kind:
        event["category"], event["type"] = [kind[0]], [kind[1]]
    return event


def _own(found: Found, rule: FoundRule) -> dict[str, object]:
    """Return what ECS has no field for. The reason is text: its fields have any name."""
    own: dict[str, object] = {
        "level": rule.level,
        "status": rule.status,
        "rule_path": rule.path,
        "telemetry": cut(found.telemetry),
        "twin": found.twin,
        "format": found.source.format,
        "record": found.source.record,
        "matched": bytes(matched_object(found)).decode("utf-8", "replace"),
    }
    if found.assets:
        own["assets"] = sorted({cut(asset.label) for asset in found.assets.values()})
    return own


def _observed_fields(observed: Observed, digests: dict[str, str]) -> dict[str, dict[str, object]]:
    """Return what the event names where ECS has it."""
    made: dict[str, dict[str, object]] = {}
    for kind, text in observed.items():
        place = _PLACES.get(kind)
        if place:
            made.setdefault(place[0], {})[place[1]] = int(text) if kind in NUMBERS else text
    for name, kind in _NAMED.items():
        if kind in observed:
            made[name]["name"] = base_name(observed[kind])
    if digests:
        made.setdefault("process", {})["hash"] = {name.lower(): digits for name, digits in digests.items()}
    for name, (outer, key) in _INNER.items():
        if name in made:
            made.setdefault(outer, {})[key] = made.pop(name)
    return made


def _related(observed: Observed) -> dict[str, list[str]]:
    related: dict[str, list[str]] = {}
    for kind, name in _RELATED.items():
        if kind in observed and observed[kind] not in related.setdefault(name, []):
            related[name].append(observed[kind])
    return related


__all__ = ["VERSION", "EcsSink"]
