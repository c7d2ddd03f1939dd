"""The findings as data of the page: an index of all, and their events in packed blocks that are opened when looked at.

A block of events is JSON Lines, deflated and written in base64: a tenth of the bytes to open, and no character that HTML
knows.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tocsin.findings import Finding, FoundRule
from tocsin.findings.text import safe_json
from tocsin.reports.event_rows import event_rows, preview, users_of
from tocsin.reports.facts import milliseconds
from tocsin.reports.markup import Markup, tag
from tocsin.reports.matching import Parts

_MOST_FINDINGS: Final = 250
_MOST_BYTES: Final = 2**21
_LEVEL: Final = 6


class _Block:
    """Findings that follow each other: their rows of the index, and their events."""

    def __init__(self, first: int, parts: Parts) -> None:
        self.first = first
        self._parts = parts
        self._texts: dict[str, int] = {}
        self.rows: list[list[Any]] = []
        self._packer = zlib.compressobj(_LEVEL)
        self._packed: list[bytes] = []
        self._size_bytes = 0

    @property
    def is_full(self) -> bool:
        """Tell whether the block is large enough."""
        return len(self.rows) >= _MOST_FINDINGS or self._size_bytes >= _MOST_BYTES

    def add(self, finding: Finding, rule: int, incident: int) -> None:
        """Take a finding: `rule` and `incident` are their numbers, -1 for no incident."""
        found = event_rows(finding.event)
        source = finding.source
        texts = (finding.host, finding.telemetry, source.path, source.format)
        users = [self._number(user) for user in users_of(found.rows)]
        numbers = [self._number(text) for text in texts]
        self.rows.append([milliseconds(finding.time), rule, *numbers, source.record, incident, preview(finding.matched), users])
        assets = finding.assets if isinstance(finding.assets, dict) else {}
        event = {
            "time": finding.time,
            "twin": finding.twin,
            "rows": found.rows,
            "left_out": found.left_out,
            "matched": [
                (selection, field, values, [self._parts.of(finding.rule, selection, field, value) for value in values])
                for selection, fields in finding.matched.items()
                for field, values in fields.items()
            ],
            "assets": [(text, asset.label) for text, asset in assets.items()],
        }
        line = msgspec.json.encode(event) + b"\n"
        self._size_bytes += len(line)
        self._packed.append(self._packer.compress(line))

    def _number(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def markup(self) -> Iterator[Markup]:
        """Yield the two pieces of data of the block."""
        yield data("index", {"first": self.first, "texts": list(self._texts), "rows": self.rows})
        packed = base64.b64encode(b"".join((*self._packed, self._packer.flush()))).decode()
        yield tag("script", packed, type="application/octet-stream", class_="events", id=f"events-{self.first}")


def data(kind: str, value: Any) -> Markup:
    """Return a piece of data for the page's program, in which nothing can end its element."""
    text = safe_json(msgspec.json.encode(value)).replace(b"<", b"\\u003c").replace(b">", b"\\u003e").decode()
    return Markup(f'<script type="application/json" class="{kind}">{text}</script>')


def blocks(
    findings: Iterable[Finding], rules: Mapping[FoundRule, int], incidents: Mapping[int, int], texts: Mapping[str, str]
) -> Iterator[Markup]:
    """Yield the data of all findings.

    `incidents` has the number of an incident by the 1-based number of a finding, `texts` those of rules by their paths.
    """
    parts = Parts(texts)
    block = _Block(0, parts)
    for number, finding in enumerate(findings, 1):
        block.add(finding, rules[finding.rule], incidents.get(number, -1))
        if block.is_full:
            yield from block.markup()
            block = _Block(number, parts)
    if block.rows:
        yield from block.markup()


__all__ = ["blocks", "data"]
