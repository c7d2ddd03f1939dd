"""What every document of a finding is made of: its parts, with the rule's read once for many findings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol, TypeVar

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from tocsin.findings import FoundAsset, FoundLogsource, FoundRule, FoundSource
from tocsin.findings.text import safe_text

EVENT_CHARS: Final = 256 << 10
"""The longest text of an event that is written whole where a form has it as text, in characters."""
VALUE_CHARS: Final = 32 << 10
"""The longest value that is written whole; a command line of Windows has fewer characters."""
MESSAGE_CHARS: Final = 1024
DEPTH: Final = 32
"""Levels of nesting up to which an event is written as an object; a reader of the form may refuse more."""
EPOCH: Final = "1970-01-01T00:00:00.000000Z"
"""What stands for an unknown time in a form that demands one; the document says that it is unknown."""
SEVERITIES: Final = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_TACTIC: Final = re.compile(r"attack\.([a-z][a-z_-]+)")
_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)")
_SHOWN_VALUES: Final = 3
_MOST_VALUES: Final = 100
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_EVENT: Final = b'},"event":'


class Found(Struct):
    """A finding whose rule, event and reason stay JSON."""

    rule: Raw
    time: str
    host: str
    logsource: FoundLogsource
    telemetry: str
    twin: bool
    source: FoundSource
    event: Raw
    matched: Raw
    assets: dict[str, FoundAsset] = {}


class _HasEvent(Protocol):
    event: Raw


_Whole = TypeVar("_Whole", bound=_HasEvent)


@dataclass(frozen=True, slots=True)
class RuleParts:
    """A rule with what its tags tell: tactics by their ATT&CK short name, techniques by their id, each once."""

    rule: FoundRule
    tactics: tuple[str, ...]
    techniques: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return what tells this rule from others."""
        return self.rule.id or self.rule.path or self.rule.title


_FOUND: Final = Decoder(Found)
_decode_rule: Final = Decoder(FoundRule).decode
_decode_matched: Final = Decoder(dict[str, dict[str, list[str]]]).decode


def read_line(decoder: Decoder[_Whole], line: bytes) -> _Whole:
    """Return the parts of a finding's line, even where its event is nested too deep for the decoder."""
    try:
        return decoder.decode(line)
    except RecursionError:
        begin, end = _event_span(line)
        whole = decoder.decode(line[:begin] + b"null" + line[end:])
        whole.event = Raw(line[begin:end])
        return whole


def read_finding(line: bytes) -> Found:
    """Return the parts of a finding's line."""
    return read_line(_FOUND, line)


@lru_cache(maxsize=4096)
def rule_parts(raw: bytes) -> RuleParts:
    """Return the rule of a finding, remembered for the findings that share it."""
    rule = _decode_rule(raw)
    tags = [tag.lower() for tag in rule.tags]
    tactics = dict.fromkeys(found[1].replace("_", "-") for tag in tags if (found := _TACTIC.fullmatch(tag)))
    techniques = dict.fromkeys(found[1].upper() for tag in tags if (found := _TECHNIQUE.fullmatch(tag)))
    return RuleParts(rule, tuple(tactics), tuple(techniques))


def cut(text: str, most: int = VALUE_CHARS) -> str:
    """Return the text, cut to `most` characters, with a mark that says how many are missing."""
    return text if len(text) <= most else f"{text[:most]}... [cut: {len(text) - most} more characters]"


def event_text(found: Found) -> str:
    """Return the event as JSON text, cut when it is huge."""
    return cut(bytes(found.event).decode("utf-8", "replace"), EVENT_CHARS)


def event_object(found: Found) -> Raw:
    """Return the event as it is; as text, cut, when it is huge or nested deeper than readers bear."""
    raw = bytes(found.event)
    return found.event if len(raw) <= EVENT_CHARS and _is_shallow(raw) else Raw(encode(event_text(found)))


def matched_object(found: Found) -> Raw:
    """Return why the rule matched, with huge values cut."""
    return found.matched if len(memoryview(found.matched)) <= VALUE_CHARS else Raw(encode(_cut_reason(reason(found))))


def reason(found: Found) -> dict[str, dict[str, list[str]]]:
    """Return why the rule matched: selection, then field, then values."""
    return _decode_matched(bytes(found.matched))


def reason_text(found: Found) -> str:
    """Return the values that matched as `field=value`, each once."""
    values: dict[str, None] = {}
    for fields in reason(found).values():
        for name, texts in fields.items():
            before = f"{name}=" if name != "*" else ""
            for text in texts[:_SHOWN_VALUES]:
                values[before + text] = None
    return ", ".join(values)


def message(found: Found, rule: FoundRule) -> str:
    """Return a line for people: the rule, the host, the values that matched; control characters visible."""
    where = f" on {found.host}" if found.host else ""
    told = reason_text(found)
    return safe_text(cut(f"{rule.title}{where}{': ' if told else ''}{told}", MESSAGE_CHARS))


def microseconds(time: str) -> int | None:
    """Return a finding's time in microseconds since 1970, or None when it is unknown."""
    return (datetime.fromisoformat(time) - _START) // _MICROSECOND if time else None


def _is_shallow(raw: bytes) -> bool:
    return raw.count(b"{") + raw.count(b"[") <= DEPTH or _depth(raw) <= DEPTH


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for found in _TOKEN.finditer(raw):
        mark = found[0]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest


def _event_span(line: bytes) -> tuple[int, int]:
    """Return where the event of a line begins and ends; no text before it can hold its key unescaped."""
    begin = line.index(_EVENT) + len(_EVENT)
    depth = 0
    for found in _TOKEN.finditer(line, begin):
        mark = found[0]
        depth += (mark in b"[{") - (mark in b"]}")
        if depth == 0:
            return begin, found.end()
    return begin, len(line)


def _cut_reason(matched: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    return {name: {field: _cut_values(texts) for field, texts in fields.items()} for name, fields in matched.items()}


def _cut_values(texts: list[str]) -> list[str]:
    more = len(texts) - _MOST_VALUES
    return [*map(cut, texts[:_MOST_VALUES]), *([f"... [cut: {more} more values]"] if more > 0 else [])]


__all__ = [
    "DEPTH",
    "EPOCH",
    "EVENT_CHARS",
    "SEVERITIES",
    "VALUE_CHARS",
    "Found",
    "RuleParts",
    "cut",
    "event_object",
    "event_text",
    "matched_object",
    "message",
    "microseconds",
    "read_finding",
    "read_line",
    "reason",
    "reason_text",
    "rule_parts",
]
