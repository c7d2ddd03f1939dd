"""A proposal as the text of a Sigma filter, the same bytes for the same content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid5

import yaml

from tocsin.findings.text import safe_text
from tocsin.rules.rule import Logsource
from tocsin.tuning.feature import Feature
from tocsin.tuning.proposal import Proposal

_NAMESPACE: Final = UUID("a0c3f1f4-5a55-5d3c-9d7e-6e3f6a1b7c20")
_WIDTH: Final = 1 << 20
_PREFIX: Final = "selection"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers for a filter, why it was made, and until when it holds."""

    owner: str
    reason: str
    expires: date


class _Text(str):
    """A value that stands in quotes, so that a backslash and a number stay what they are."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes lists indented below their key, and quoted values."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(_Text, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style="'"))


def filter_text(
    rule_id: str, title: str, logsource: Logsource, proposal: Proposal, decision: Decision, notes: Sequence[str]
) -> str:
    """Return the filter as a YAML document. Its id follows from what it removes, so that a new date keeps it."""
    body = _body(rule_id, proposal)
    parts = {"product": logsource.product, "category": logsource.category, "service": logsource.service}
    source = {key: part for key, part in parts.items() if part}
    document: dict[str, Any] = {
        "title": safe_text(f"Known false positives of {title}"),
        "id": str(uuid5(_NAMESPACE, json.dumps([source, body], sort_keys=True))),
        "description": " ".join(safe_text(note) for note in notes),
        "owner": safe_text(decision.owner),
        "reason": safe_text(decision.reason),
        "expires": decision.expires,
        "logsource": source,
        "filter": body,
    }
    if not document["description"]:
        del document["description"]
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False)


def _body(rule_id: str, proposal: Proposal) -> dict[str, Any]:
    body: dict[str, Any] = {"rules": [_Text(rule_id)]}
    if len(proposal.selections) == 1:
        return body | {_PREFIX: _map(proposal.selections[0]), "condition": f"not {_PREFIX}"}
    named: Mapping[str, Any] = {f"{_PREFIX}_{at}": _map(item) for at, item in enumerate(proposal.selections, 1)}
    return body | dict(named) | {"condition": f"not 1 of {_PREFIX}_*"}


def _map(selection: Sequence[Feature]) -> dict[str, Any]:
    return {feature.key: _values(feature) for feature in selection}


def _values(feature: Feature) -> _Text | list[_Text]:
    values = [_Text(value) for value in feature.values]
    return values[0] if len(values) == 1 else values


__all__ = ["Decision", "filter_text"]
