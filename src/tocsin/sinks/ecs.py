"""Elastic Common Schema: a document a line, for Filebeat, Logstash or the bulk interface of Elasticsearch and OpenSearch.

Source: Elastic Common Schema 8.17, field sets base, event, rule, threat, host, source, destination, process, user, related.
"""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar, Final

from msgspec.json import encode

from tocsin.findings import Coverage
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
from tocsin.sinks.observables import Observed, base_name, hashes, observables

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


class EcsSink:
    """A document a line. An event without a time has `@timestamp` 1970, which is demanded, and the tag `time_unknown`.

    The event is `event.original`, as text: its own fields would be thousands in an index.
    """

    name: ClassVar[str] = "ecs"

    def begin(self, out: BinaryIO) -> None:
        """Write nothing."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        out.write(safe_json(encode(_document(read_finding(line)))) + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write nothing: the form has no place for what was looked at, which `--coverage` tells."""


def _document(found: Found) -> dict[str, object]:
    parts = rule_parts(bytes(found.rule))
    observed = observables(found)
    document: dict[str, object] = {
        "@timestamp": found.time or EPOCH,
        "message": message(found, parts.rule),
        "ecs": {"version": VERSION},
        "event": _event(found, parts),
        "rule": _rule(parts),
        "threat": _threat(parts),
        "log": {"file": {"path": cut(found.source.path)}},
        "tags": [*parts.rule.tags, *(() if found.time else (_UNTIMED,))],
        "tocsin": _own(found, parts),
    }
    if found.host:
        document["host"] = {"name": cut(found.host)}
    _add_network(document, observed)
    _add_rest(document, observed)
    _add_related(document, found, observed)
    return document


def _event(found: Found, parts: RuleParts) -> dict[str, object]:
    event: dict[str, object] = {
        "kind": "alert",
        "module": "tocsin",
        "dataset": "tocsin.findings",
        "severity": SEVERITIES.get(parts.rule.level, 0),
        "original": event_text(found),
    }
    provider, separator, code = found.telemetry.rpartition(":")
    if separator:
        event["provider"] = cut(provider)
        event["code"] = cut(code)
    kind = _KINDS.get(found.logsource.category)
    if kind:
        event["category"], event["type"] = [kind[0]], [kind[1]]
    return event


def _rule(parts: RuleParts) -> dict[str, object]:
    rule = parts.rule
    told = {"id": rule.id, "name": rule.title, "reference": rule.references[0] if rule.references else ""}
    return {
        **{name: text for name, text in told.items() if text},
        **({"author": [rule.author]} if rule.author else {}),
        "ruleset": "sigma",
    }


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


def _own(found: Found, parts: RuleParts) -> dict[str, object]:
    """Return what ECS has no field for. The reason is text: its fields have any name."""
    own: dict[str, object] = {
        "level": parts.rule.level,
        "status": parts.rule.status,
        "rule_path": parts.rule.path,
        "telemetry": cut(found.telemetry),
        "twin": found.twin,
        "format": found.source.format,
        "record": found.source.record,
        "matched": bytes(matched_object(found)).decode("utf-8", "replace"),
    }
    if found.assets:
        own["assets"] = sorted({cut(asset.label) for asset in found.assets.values()})
    return own


def _add_network(document: dict[str, object], observed: Observed) -> None:
    for side, name in (("src", "source"), ("dst", "destination")):
        end: dict[str, object] = {}
        if ip := observed.get(f"{side}.ip"):
            end["ip"] = ip
        if port := observed.get(f"{side}.port"):
            end["port"] = int(port)
        if domain := observed.get(f"{side}.host"):
            end["domain"] = domain
        if end:
            document[name] = end
    if query := observed.get("query"):
        document["dns"] = {"question": {"name": query}}


def _add_rest(document: dict[str, object], observed: Observed) -> None:
    process = _process(observed, "process")
    parent = _process(observed, "parent")
    if parent:
        process["parent"] = parent
    if digests := hashes(observed):
        process["hash"] = {name.lower(): digits for name, digits in digests.items()}
    if process:
        document["process"] = process
    user: dict[str, object] = {}
    if name := observed.get("user"):
        user["name"] = name
    if domain := observed.get("domain"):
        user["domain"] = domain
    if target := observed.get("target.user"):
        user["target"] = {"name": target}
    if user:
        document["user"] = user
    if path := observed.get("file.path"):
        document["file"] = {"path": path, "name": base_name(path)}
    if key := observed.get("registry.key"):
        document["registry"] = {"path": key}


def _process(observed: Observed, who: str) -> dict[str, Any]:
    process: dict[str, Any] = {}
    if path := observed.get(f"{who}.path"):
        process["executable"], process["name"] = path, base_name(path)
    if command := observed.get(f"{who}.command"):
        process["command_line"] = command
    if pid := observed.get(f"{who}.pid"):
        process["pid"] = int(pid)
    return process


def _add_related(document: dict[str, object], found: Found, observed: Observed) -> None:
    told = {
        "ip": ("src.ip", "dst.ip"),
        "user": ("user", "target.user"),
        "hosts": ("dst.host",),
    }
    related = {name: list(dict.fromkeys(observed[kind] for kind in kinds if kind in observed)) for name, kinds in told.items()}
    related["hash"] = list(hashes(observed).values())
    if found.host:
        related["hosts"].insert(0, cut(found.host))
    document["related"] = {name: values for name, values in related.items() if values}


__all__ = ["VERSION", "EcsSink"]
