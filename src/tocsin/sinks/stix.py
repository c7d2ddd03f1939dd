"""STIX 2.1: one bundle with an indicator for each rule, and for each finding what was observed and its sighting.

Source: STIX 2.1 (OASIS Standard, 2021). Nothing has a date of creation but that of its event: 1970 stands for what has
none, such as a rule.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import BinaryIO, ClassVar, Final
from uuid import UUID, uuid5

from msgspec.json import encode

from tocsin.findings import Coverage
from tocsin.findings.text import safe_json
from tocsin.sharing.markings import PAP_2, TLP_2, read_tags
from tocsin.sinks.found import Found, RuleParts, cut, message, read_finding, rule_parts
from tocsin.sinks.observables import observables
from tocsin.sinks.stix_observables import Object, Scene

_NAMESPACE: Final = UUID("6e0c3f5e-2f0e-5d3b-9c53-2d5f1f0c8a41")
_UNDATED: Final = "1970-01-01T00:00:00.000Z"
_REMEMBERED: Final = 65536
_REMEMBERED_RULES: Final = 4096
_ICS_TACTICS: Final = frozenset({"evasion", "inhibit-response-function", "impair-process-control"})
_INCOMPLETE: Final = "The scan was not complete: not all of the evidence was read. What is missing here may be in the rest."
_UNTIMED: Final = "The time of the event is unknown, so that this is no observed-data; the sighting has no time."
RuleText = Callable[[str, str], str]


class StixSink:
    """A bundle. What many findings share is written once, as far back as 65,536 objects.

    `rule_text` gives the text of a rule by its path and id, empty when it is not at hand.
    """

    name: ClassVar[str] = "stix"

    def __init__(self, rule_text: RuleText = lambda path, rule_id: "") -> None:
        self._rule_text = rule_text
        self._told: OrderedDict[str, None] = OrderedDict()
        self._digest = hashlib.sha256()
        self._identity = ""
        self._indicators: OrderedDict[bytes, Object] = OrderedDict()

    def begin(self, out: BinaryIO) -> None:
        """Open the bundle and write who tells all this."""
        self._told.clear()
        self._indicators.clear()
        self._digest = hashlib.sha256()
        identity = _dated("identity", "tocsin", {"name": "Tocsin", "identity_class": "system"})
        self._identity = str(identity["id"])
        out.write(b'{"type":"bundle","objects":[\n')
        self._put(out, identity, b"")

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        found = read_finding(line)
        parts = rule_parts(bytes(found.rule))
        indicator = self._indicator(parts, found)
        self._put(out, indicator)
        seed = hashlib.sha256(b"%b\0%d\0%b" % (found.source.path.encode(), found.source.record, bytes(found.event))).digest()
        scene = Scene(observables(found), bytes(found.event), seed)
        for item in scene.objects.values():
            self._put(out, item)
        observed = self._observed(found, seed, list(scene.objects)) if found.time else None
        where = _dated("identity", f"host {found.host}", {"name": cut(found.host), "identity_class": "system"})
        for item in (*((where,) if found.host else ()), *((observed,) if observed else ())):
            self._put(out, item)
        sighting = self._sighting(found, line, message(found, parts.rule))
        sighting["sighting_of_ref"] = indicator["id"]
        if found.host:
            sighting["where_sighted_refs"] = [where["id"]]
        if observed:
            sighting["observed_data_refs"] = [observed["id"]]
        self._put(out, sighting)
        if not observed:
            self._put(out, self._note(_UNTIMED, (str(sighting["id"]), *scene.objects)))

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write whether the scan was complete, when it was not, and end the bundle."""
        self.close(out, complete=coverage.complete)

    def close(self, out: BinaryIO, *, complete: bool) -> None:
        """End the bundle with its id, which follows from its content; say before whether something may be missing."""
        if not complete:
            self._put(out, self._note(_INCOMPLETE, (self._identity,)))
        out.write(b'\n],"id":"bundle--%b"}\n' % str(uuid5(_NAMESPACE, self._digest.hexdigest())).encode())

    def _put(self, out: BinaryIO, item: Object, before: bytes = b",\n") -> None:
        """Write an object, unless it was told already."""
        object_id = str(item["id"])
        if object_id in self._told:
            self._told.move_to_end(object_id)
            return
        self._told[object_id] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        text = safe_json(encode(item))
        self._digest.update(text)
        out.write(before + text)

    def _indicator(self, parts: RuleParts, found: Found) -> Object:
        """Return the indicator of a rule, remembered for the findings that share it."""
        raw = bytes(found.rule)
        indicator = self._indicators.get(raw)
        if indicator is None:
            indicator = self._indicators[raw] = self._new_indicator(parts, found)
            if len(self._indicators) > _REMEMBERED_RULES:
                self._indicators.popitem(last=False)
        return indicator

    def _new_indicator(self, parts: RuleParts, found: Found) -> Object:
        rule = parts.rule
        content: Object = {
            "name": rule.title,
            "description": f"Sigma rule {rule.title!r} of level {rule.level}, from {rule.path}",
            "indicator_types": ["malicious-activity"],
            "pattern": self._rule_text(rule.path, rule.id) or _header(parts, found),
            "pattern_type": "sigma",
            "valid_from": _UNDATED,
            "labels": [f"level-{rule.level}"],
        }
        if parts.tactics:
            content["kill_chain_phases"] = [{"kill_chain_name": _chain(name), "phase_name": name} for name in parts.tactics]
        references = [{"source_name": _source(name), "external_id": name} for name in parts.techniques]
        references += [{"source_name": "sigma", "external_id": rule.id}] if rule.id else []
        if references:
            content["external_references"] = references
        if marks := _marks(rule.tags):
            content["object_marking_refs"] = marks
        return _dated("indicator", f"{parts.key}\0{encode(content).decode()}", content, self._identity)

    def _observed(self, found: Found, seed: bytes, refs: list[str]) -> Object:
        content: Object = {
            "first_observed": found.time,
            "last_observed": found.time,
            "number_observed": 1,
            "object_refs": refs,
        }
        return _dated("observed-data", f"{seed.hex()} {found.time}", content, self._identity, found.time)

    def _sighting(self, found: Found, line: bytes, told: str) -> Object:
        content: Object = {"description": told, "count": 1}
        if found.time:
            content |= {"first_seen": found.time, "last_seen": found.time}
        return _dated("sighting", hashlib.sha256(line).hexdigest(), content, self._identity, found.time)

    def _note(self, text: str, refs: Iterable[str]) -> Object:
        references = list(refs)
        return _dated("note", f"{text} {' '.join(references)}", {"content": text, "object_refs": references}, self._identity)


def _dated(kind: str, seed: str, content: Object, creator: str = "", time: str = "") -> Object:
    """Return an object with dates; its id is made of the seed."""
    date = f"{time[:23]}Z" if time else _UNDATED
    head: Object = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid5(_NAMESPACE, f'{kind} {seed}')}"}
    return {**head, **({"created_by_ref": creator} if creator else {}), "created": date, "modified": date, **content}


def _header(parts: RuleParts, found: Found) -> str:
    """Return what a finding tells of a rule whose text is not at hand, as YAML."""
    rule, asked = parts.rule, found.logsource
    told = {"title": rule.title, "id": rule.id, "status": rule.status, "level": rule.level, "author": rule.author}
    lines = [f"{name}: {encode(text).decode()}" for name, text in told.items() if text]
    source = {name: getattr(asked, name) for name in ("product", "category", "service") if getattr(asked, name)}
    return "\n".join([*lines, f"logsource: {encode(source).decode()}", "# the detection of the rule is not at hand", ""])


def _marks(tags: Iterable[str]) -> list[str]:
    """Return the marking that a rule's tags tell, such as `tlp.amber`; nothing when they tell none."""
    tlp, pap = read_tags(tag.replace(".", ":", 1) for tag in tags)
    return [*([] if tlp is None else [TLP_2[tlp]]), *([PAP_2[pap]] if pap else [])]


def _chain(tactic: str) -> str:
    return "mitre-ics-attack" if tactic in _ICS_TACTICS else "mitre-attack"


def _source(technique: str) -> str:
    return "mitre-ics-attack" if technique.startswith("T0") else "mitre-attack"


__all__ = ["RuleText", "StixSink"]
