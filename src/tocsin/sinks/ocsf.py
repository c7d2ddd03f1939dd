"""Open Cybersecurity Schema Framework: an event of the class Detection Finding (2004) a line.

Source: OCSF 1.5.0, class detection_finding, with no profile. Times are milliseconds since 1970.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import BinaryIO, ClassVar, Final

from msgspec import Raw
from msgspec.json import encode

import tocsin
from tocsin.findings import Coverage, FoundRule
from tocsin.findings.text import safe_json
from tocsin.sinks.found import (
    SEVERITIES,
    Found,
    cut,
    event_text,
    message,
    microseconds,
    read_finding,
    rule_parts,
)
from tocsin.sinks.observables import Observed, base_name, hashes, observables

VERSION: Final = "1.5.0"
_PRODUCT: Final = Raw(encode({"name": "Tocsin", "vendor_name": "Tocsin", "version": tocsin.__version__}))
_SEVERITY_NAMES: Final = ("Unknown", "Informational", "Low", "Medium", "High", "Critical")
_CLASS: Final = {
    "activity_id": 1,
    "category_uid": 2,
    "class_uid": 2004,
    "type_uid": 200401,
    "activity_name": "Create",
    "category_name": "Findings",
    "class_name": "Detection Finding",
    "type_name": "Detection Finding: Create",
    "status_id": 1,
}
_HASHES: Final = {"MD5": 1, "SHA1": 2, "SHA256": 3}
_KINDS: Final = {  # an observable's type by what it is, and where the event has it
    "src.ip": (2, "evidences.src_endpoint.ip"),
    "dst.ip": (2, "evidences.dst_endpoint.ip"),
    "dst.host": (1, "evidences.dst_endpoint.hostname"),
    "query": (1, "evidences.query.hostname"),
    "user": (4, "evidences.actor.user.name"),
    "target.user": (4, "evidences.user.name"),
    "process.path": (45, "evidences.process.path"),
    "process.command": (13, "evidences.process.cmd_line"),
    "file.path": (45, "evidences.file.path"),
    "registry.key": (46, "evidences.reg_key.path"),
}
_HOSTNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_REGULAR_FILE: Final = 1


class OcsfSink:
    """A Detection Finding a line. An event without a time has `time` 0, which is demanded, and a `status_detail` that says so.

    The event is `raw_data`, as text; what it names is in `evidences` and `observables`.
    """

    name: ClassVar[str] = "ocsf"

    def __init__(self) -> None:
        self._event = b""
        self._parts: dict[str, Raw] = {}

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


def _document(found: Found, parts: dict[str, Raw]) -> dict[str, object]:
    raw = bytes(found.rule)
    rule = rule_parts(raw).rule
    micros = microseconds(found.time)
    document: dict[str, object] = {
        **_class(rule.level),
        "time": (micros or 0) // 1000,
        "message": message(found, rule),
        "metadata": {
            "version": VERSION,
            "product": _PRODUCT,
            "log_name": cut(found.telemetry),
            **({"original_time": found.time} if found.time else {}),
        },
        "finding_info": _finding_info(found, raw),
        "raw_data": parts["raw_data"],
        "unmapped": _unmapped(found, rule),
    }
    if micros is None:
        document["status_detail"] = "the time of the event is unknown; time is 0"
    if found.host:
        document["device"] = _device(found.host)
    document.update(parts)
    return document


def _event_parts(found: Found) -> dict[str, Raw]:
    """Return the parts of a document that follow from the event."""
    parts: dict[str, object] = {"raw_data": event_text(found)}
    observed = observables(found)
    if named := _evidence(observed):
        parts["evidences"] = [named]
        parts["observables"] = [
            {"name": place, "type_id": number, "value": observed[kind]}
            for kind, (number, place) in _KINDS.items()
            if kind in observed
        ]
    return {name: Raw(encode(part)) for name, part in parts.items()}


@lru_cache(maxsize=64)
def _class(level: str) -> dict[str, Raw]:
    severity = SEVERITIES.get(level, 0)
    told: dict[str, object] = {**_CLASS, "severity_id": severity, "severity": _SEVERITY_NAMES[severity]}
    return {name: Raw(encode(value)) for name, value in told.items()}


def _finding_info(found: Found, raw: bytes) -> Raw:
    """Return `finding_info`; its `uid` is the place of the event and the rule, so that two runs give the same."""
    uid = encode(cut(f"{found.source.path}#{found.source.record}:{rule_parts(raw).key}"))
    return Raw(b'{"uid":%b,%b' % (uid, _rule_info(raw)))


@lru_cache(maxsize=4096)
def _rule_info(raw: bytes) -> bytes:
    """Return what `finding_info` tells of the rule, without the opening brace."""
    parts = rule_parts(raw)
    rule = parts.rule
    info: dict[str, object] = {
        "title": rule.title,
        "types": ["Sigma"],
        "analytic": {"type_id": 1, "type": "Rule", "name": rule.title, **({"uid": rule.id} if rule.id else {})},
    }
    attacks: list[object] = [{"tactic": {"name": name}} for name in parts.tactics]
    attacks += map(_technique, parts.techniques)
    if attacks:
        info["attacks"] = attacks
    if rule.references:
        info["src_url"] = rule.references[0]
    return encode(info)[1:]


def _technique(name: str) -> dict[str, object]:
    technique, _, sub = name.partition(".")
    return {"technique": {"uid": technique}, **({"sub_technique": {"uid": name}} if sub else {})}


@lru_cache(maxsize=4096)
def _device(host: str) -> dict[str, object]:
    hostname = {"hostname": host} if _HOSTNAME.fullmatch(host) else {}
    return {"type_id": 0, "name": cut(host), **hostname}


def _unmapped(found: Found, rule: FoundRule) -> dict[str, object]:
    unmapped: dict[str, object] = {
        "rule_path": rule.path,
        "rule_status": rule.status,
        "source_format": found.source.format,
        "twin": found.twin,
    }
    if found.assets:
        unmapped["assets"] = sorted({cut(asset.label) for asset in found.assets.values()})
    return unmapped


def _evidence(observed: Observed) -> dict[str, object]:
    """Return what the event names, as far as the class has a place for it."""
    evidence: dict[str, object] = {}
    for side in ("src", "dst"):
        if told := _endpoint(observed, side):
            evidence[f"{side}_endpoint"] = told
    process = _process(observed)
    if process:
        evidence["process"] = process
    if user := observed.get("user"):
        domain = observed.get("domain")
        evidence["actor"] = {"user": {"name": user, **({"domain": domain} if domain else {})}}
    if target := observed.get("target.user"):
        evidence["user"] = {"name": target}
    if path := observed.get("file.path") or ("" if process else observed.get("process.path")):
        evidence["file"] = _file(path)
    if key := observed.get("registry.key"):
        evidence["reg_key"] = {"path": key}
    if query := observed.get("query"):
        evidence["query"] = {"hostname": query}
    return evidence


def _endpoint(observed: Observed, side: str) -> dict[str, object]:
    told: dict[str, object] = {}
    if ip := observed.get(f"{side}.ip"):
        told["ip"] = ip
    if host := observed.get(f"{side}.host"):
        told["hostname"] = host
    if told and (port := observed.get(f"{side}.port")):
        told["port"] = int(port)
    return told


def _process(observed: Observed) -> dict[str, object]:
    """Return the process; the class takes one only with an id."""
    process: dict[str, object] = {}
    if pid := observed.get("process.pid"):
        process["pid"] = int(pid)
    if uid := observed.get("process.uid"):
        process["uid"] = uid
    if not process:
        return process
    if path := observed.get("process.path"):
        digests = [
            {"algorithm_id": _HASHES[name], "algorithm": name, "value": digits} for name, digits in hashes(observed).items()
        ]
        process["name"], process["path"] = base_name(path), path
        process["file"] = {**_file(path), **({"hashes": digests} if digests else {})}
    if command := observed.get("process.command"):
        process["cmd_line"] = command
    if pid := observed.get("parent.pid"):
        parent = observed.get("parent.path")
        process["parent_process"] = {"pid": int(pid), **({"name": base_name(parent), "path": parent} if parent else {})}
    return process


def _file(path: str) -> dict[str, object]:
    return {"name": base_name(path), "path": path, "type_id": _REGULAR_FILE}


__all__ = ["VERSION", "OcsfSink"]
