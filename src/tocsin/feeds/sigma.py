"""Sigma rules as indicators of STIX, whose pattern is the rule's own text. A tag such as `tlp.amber` is their marking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from tocsin.errors import RuleError, UnsupportedRule
from tocsin.feeds.forms import Json
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.made import UNDATED, Made, any_moment, dated, dates, of_tags, read_made
from tocsin.rules.documents import load_documents
from tocsin.rules.meta import parse_meta
from tocsin.rules.parse import parse_document

_SEPARATOR: Final = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_TACTIC: Final = re.compile(r"attack\.([a-z]+(?:[-_][a-z]+)*)", re.IGNORECASE)
_MOST_ALIASES: Final = 20
_ICS: Final = frozenset({"inhibit-response-function", "impair-process-control"})


def is_sigma(text: str) -> bool:
    """Tell whether a text looks like Sigma rules: YAML with a title, and a detection or correlation."""
    return bool(
        re.search(r"^title\s*:", text, re.MULTILINE) and re.search(r"^(?:detection|correlation)\s*:", text, re.MULTILINE)
    )


def read_sigma(text: str, label: str, terms: Terms) -> list[Incoming | Rejected]:
    """Read the rules of a file."""
    try:
        if _aliases(text) > _MOST_ALIASES:
            return [Rejected(label, "X034", f"more than {_MOST_ALIASES} aliases of YAML, which can stand for anything huge")]
        documents = load_documents(text.encode(), label)
    except RuleError as error:
        return [Rejected(label, "X034", str(error))]
    parts = [part for part in _SEPARATOR.split(text) if _has_content(part)]
    return read_made(_rules(documents, parts if len(parts) == len(documents) else [], label), terms)


def _aliases(text: str) -> int:
    """Return how many aliases a text has; nothing is counted in one that is no YAML, of which its reader tells."""
    if "&" not in text or "*" not in text:
        return 0
    try:
        return sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.CSafeLoader))
    except yaml.YAMLError:
        return 0


def _has_content(part: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in part.splitlines())


def _rules(documents: list[Any], parts: list[str], label: str) -> Iterator[Made | Rejected]:
    for number, document in enumerate(documents):
        place = f"{label}: rule {number + 1}"
        try:
            parse_document(document, label)
        except UnsupportedRule:
            pass
        except RuleError as error:
            yield Rejected(place, "X034", str(error))
            continue
        text = parts[number].strip("\n") + "\n" if parts else yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        yield Made(place, _indicator(document, text, label))


def _indicator(document: Mapping[str, Any], text: str, label: str) -> Json:
    meta = parse_meta(dict(document), label)
    created = any_moment(_day(document.get("date"))) or UNDATED
    when = dates(created, any_moment(_day(document.get("modified"))) or created)
    techniques = [found[1].upper() for tag in meta.tags if (found := _TECHNIQUE.fullmatch(tag))]
    tactics = [found[1].lower().replace("_", "-") for tag in meta.tags if (found := _TACTIC.fullmatch(tag))]
    references: list[Json] = [{"source_name": _matrix(name), "external_id": name} for name in techniques]
    references += [{"source_name": "sigma", "external_id": meta.id}] if meta.id else []
    references += [{"source_name": "reference", "url": url} for url in meta.references]
    content = {
        "name": meta.title,
        "description": meta.description,
        "indicator_types": ["malicious-activity"],
        "pattern": text,
        "pattern_type": "sigma",
        "valid_from": when.created,
        "labels": [f"level-{meta.level}", *([f"status-{meta.status}"] if meta.status else [])],
        "kill_chain_phases": [{"kill_chain_name": _chain(name), "phase_name": name} for name in tactics],
        "external_references": references,
    }
    told = of_tags(tag.replace(".", ":", 1) for tag in meta.tags)
    return dated("indicator", f"sigma {meta.id or text}", when, told, content)


def _day(value: object) -> str:
    """Return a date as ISO 8601 has it; older rules write 2024/01/31."""
    return str(value or "").replace("/", "-")


def _matrix(technique: str) -> str:
    return "mitre-ics-attack" if technique.startswith("T0") else "mitre-attack"


def _chain(tactic: str) -> str:
    return "mitre-ics-attack" if tactic in _ICS else "mitre-attack"


__all__ = ["is_sigma", "read_sigma"]
