r"""Markdown: a short report for people, of findings counted by rule, host, asset and technique, and of what was not seen.

Text that is not plain words stands between backticks, where nothing is a link, HTML or a format; the two characters that
could end a span or a cell there are written as `\x60` and `\x7c`. Source: CommonMark 0.31, "Code spans"; GFM, "Tables".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Final

from tocsin.findings import Coverage, Decision, RuleNote
from tocsin.findings.text import safe_text
from tocsin.sinks.found import SEVERITIES, Found, RuleParts, cut, read_finding, reason_text, rule_parts

_PLAIN: Final = re.compile(r"[^\W_](?:[^\W_]|[ ,'()/-])*")
_ENDS: Final = {ord("`"): "\\x60", ord("|"): "\\x7c"}
_MOST_NAMES: Final = 10_000
_SHOWN: Final = 50
_FIRST: Final = 20
_CELL_CHARS: Final = 200
_MOST_RULES: Final = 5
_OTHERS: Final = ""
_HIGH: Final = SEVERITIES["high"]


@dataclass(slots=True)
class _Rule:
    parts: RuleParts
    count: int = 0
    first: str = ""
    last: str = ""


@dataclass(slots=True)
class _Counts:
    """What is kept of the findings; names that come from events are kept up to a limit, the rest are counted together."""

    findings: int = 0
    untimed: int = 0
    first: str = ""
    last: str = ""
    rules: dict[bytes, _Rule] = field(default_factory=dict)
    hosts: Counter[str] = field(default_factory=Counter)
    assets: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, ...]] = field(default_factory=list)


class MarkdownSink:
    """A report of a page or two. It does not have every finding: it is for reading beside a form that does."""

    name: ClassVar[str] = "markdown"

    def __init__(self) -> None:
        self._counts = _Counts()

    def begin(self, out: BinaryIO) -> None:
        """Write nothing: the summary stands first."""
        self._counts = _Counts()

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Count one finding."""
        found = read_finding(line)
        counts = self._counts
        raw = bytes(found.rule)
        rule = counts.rules.setdefault(raw, _Rule(rule_parts(raw)))
        counts.findings += 1
        counts.untimed += not found.time
        for seen in (counts, rule):
            seen.first = seen.first or found.time
            seen.last = found.time or seen.last
        if not rule.count and len(counts.examples) < _FIRST and SEVERITIES.get(rule.parts.rule.level, 0) >= _HIGH:
            counts.examples.append(_example(found, rule.parts))
        rule.count += 1
        if found.host:
            _count(counts.hosts, found.host)
        for label in {asset.label for asset in found.assets.values() if asset.name}:
            _count(counts.assets, label)

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write the report."""
        counts = self._counts
        rules = sorted(counts.rules.values(), key=_order)
        lines = [*_summary(counts, coverage), *_levels(rules), *_rules(rules)]
        head = ("time (UTC)", "host", "rule", "matched", "file#record")
        lines += _table("First findings of the high and critical rules", head, counts.examples, len(counts.examples))
        lines += _names("Assets of the site", "asset", counts.assets)
        lines += _names("Hosts", "host", counts.hosts)
        lines += _attack(rules)
        lines += [*_decisions(coverage.decisions), *_coverage(coverage), ""]
        out.write("\n".join(lines).encode())


def shown(text: str) -> str:
    """Return text from an event, a file or a rule so that no reader of Markdown takes it for more than text."""
    text = safe_text(cut(text, _CELL_CHARS))
    if not text.strip():
        return ""
    if _PLAIN.fullmatch(text) and not text.lower().startswith("www"):
        return text
    return f"`{text.translate(_ENDS)}`"


def _count(names: Counter[str], name: str) -> None:
    name = name[: _CELL_CHARS + 1]
    names[name if name in names or len(names) < _MOST_NAMES else _OTHERS] += 1


def _order(rule: _Rule) -> tuple[int, int, str, str]:
    return (-SEVERITIES.get(rule.parts.rule.level, 0), -rule.count, rule.parts.rule.title, rule.parts.key)


def _example(found: Found, parts: RuleParts) -> tuple[str, ...]:
    place = f"{found.source.path}#{found.source.record}"
    return (
        found.time[:19] or "unknown",
        shown(found.host),
        shown(parts.rule.title),
        shown(reason_text(found)),
        shown(place),
    )


def _summary(counts: _Counts, coverage: Coverage) -> list[str]:
    lines = ["# Findings of Tocsin", "", f"**{_number(counts.findings, 'finding')}** of {_number(len(counts.rules), 'rule')}"]
    if counts.first:
        lines[-1] += f", from {counts.first[:19]} to {counts.last[:19]} UTC"
    lines[-1] += f". {_number(coverage.events, 'event')} read."
    if counts.untimed:
        lines.append(f"{_number(counts.untimed, 'finding')} without a time.")
    if coverage.site:
        lines.append(f"Site: {shown(coverage.site)}.")
    if coverage.interrupted:
        lines += ["", "**The scan was interrupted: these findings are not all.**"]
    elif not coverage.complete:
        lines += ["", "**Not all of the evidence was read: see the last section.**"]
    if not counts.findings and coverage.suppressed:
        lines += ["", f"No finding is left: {_number(coverage.suppressed, 'finding')} suppressed, by whom is told below."]
    elif not counts.findings:
        lines += ["", "That no rule matched does not mean that nobody was there."]
    return lines


def _levels(rules: Iterable[_Rule]) -> list[str]:
    levels: Counter[str] = Counter()
    for rule in rules:
        levels[rule.parts.rule.level] += rule.count
    rows = [(level, f"{levels[level]:,}") for level in sorted(levels, key=lambda name: -SEVERITIES.get(name, 0))]
    return _table("Levels", ("level", "findings"), rows, len(rows))


def _rules(rules: Sequence[_Rule]) -> list[str]:
    rows = [
        (
            shown(rule.parts.rule.level),
            f"{rule.count:,}",
            shown(rule.parts.rule.title),
            " ".join(rule.parts.techniques),
            rule.first[:19] or "unknown",
            rule.last[:19] or "unknown",
        )
        for rule in rules[:_SHOWN]
    ]
    return _table("Rules that matched", ("level", "findings", "rule", "ATT&CK", "first (UTC)", "last (UTC)"), rows, len(rules))


def _names(title: str, head: str, names: Counter[str]) -> list[str]:
    others = names.get(_OTHERS, 0)
    known = sorted(((name, count) for name, count in names.items() if name != _OTHERS), key=lambda item: (-item[1], item[0]))
    rows = [(shown(name), f"{count:,}") for name, count in known[:_SHOWN]]
    rows += [("(others, not told apart)", f"{others:,}")] if others else []
    return _table(title, (head, "findings"), rows, len(known) + bool(others))


def _attack(rules: Iterable[_Rule]) -> list[str]:
    tactics: Counter[str] = Counter()
    techniques: Counter[str] = Counter()
    for rule in rules:
        tactics.update(dict.fromkeys(rule.parts.tactics, rule.count))
        techniques.update(dict.fromkeys(rule.parts.techniques, rule.count))
    lines: list[str] = []
    for title, head, names in (("ATT&CK tactics", "tactic", tactics), ("ATT&CK techniques", "technique", techniques)):
        ordered = sorted(names.items(), key=lambda item: (-item[1], item[0]))
        rows = [(name, f"{count:,}") for name, count in ordered[:_SHOWN]]  # both have passed a strict form
        lines += _table(title, (head, "findings"), rows, len(ordered))
    return lines


def _coverage(coverage: Coverage) -> list[str]:
    """Return what was not looked at, and what this evidence cannot show."""
    rules = coverage.rules
    by_status = Counter(file.status for file in coverage.files)
    lines = [
        "",
        "## What was looked at, and what was not",
        "",
        f"- files: {by_status['read']:,} read, {by_status['partial']:,} in part, {by_status['skipped']:,} skipped",
        f"- rules: {len(rules.compiled):,} evaluated, {len(rules.unsupported):,} unsupported, {len(rules.invalid):,} invalid",
        f"- rules that this evidence cannot show: {len(rules.not_evaluable):,}; only in part: {len(rules.blind):,}",
    ]
    if rules.failed:
        lines.append(f"- rules that failed on some event: {len(rules.failed):,}")
    if coverage.baseline:
        done = sum(check.status == "evaluated" for check in coverage.baseline)
        lines.append(f"- checks against the site file: {done} of {len(coverage.baseline)} evaluated")
    lost = [(shown(file.path), file.status, shown(file.reason)) for file in coverage.files if file.status != "read"]
    lines += _table("Files not read, or only in part", ("file", "status", "reason"), lost[:_SHOWN], len(lost))
    for title, notes in (
        ("Rules that could not be evaluated", [*rules.invalid, *rules.unsupported, *rules.failed]),
        ("Why this evidence cannot show rules", rules.not_evaluable),
    ):
        reasons = Counter(note.reason for note in notes)
        ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        rows = [(f"{count:,}", shown(reason), _titles(notes, reason)) for reason, count in ordered[:_SHOWN]]
        lines += _table(title, ("rules", "reason", "such as"), rows, len(ordered))
    return lines


def _decisions(decisions: Sequence[Decision]) -> list[str]:
    """Return what was suppressed or has another level, by whom, why and until when."""
    lines: list[str] = []
    for title, found in (
        ("Suppressed", [item for item in decisions if item.kind != "level"]),
        ("Given another level", [item for item in decisions if item.kind == "level"]),
    ):
        ordered = sorted(found, key=lambda item: (-item.findings, item.title, item.path))
        rows = [_decided(item) for item in ordered[:_SHOWN]]
        head = ("findings", "what", "by", "why", "until", "first (UTC)", "last (UTC)", "rules")
        lines += _table(title, head, rows, len(found))
    notes = [note for item in decisions for note in item.notes]
    lines += _table("To be judged anew", ("filter or entry",), [(shown(note),) for note in notes[:_SHOWN]], len(notes))
    return lines


def _decided(item: Decision) -> tuple[str, ...]:
    state = "" if item.status == "applied" else f", {item.status}"
    rules = ", ".join(shown(rule.title or rule.id) for rule in item.rules[:_MOST_RULES])
    more = len(item.rules) - _MOST_RULES
    return (
        f"{item.findings:,}",
        shown(f"{item.title} ({item.what}{state})"),
        shown(item.owner) or "nobody is named",
        shown(item.reason) or "no reason is given",
        shown(item.expires) or "without an end",
        item.first[:19],
        item.last[:19],
        rules + (f" and {more:,} more" if more > 0 else ""),
    )


def _titles(notes: Iterable[RuleNote], reason: str) -> str:
    return next((shown(note.title or note.id) for note in notes if note.reason == reason), "")


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> list[str]:
    """Return a heading and a table; nothing without rows. `total` is how many there are with those left out."""
    if not rows:
        return []
    lines = ["", f"## {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return [*lines, *(("", f"{total - len(rows):,} more are not shown.") if total > len(rows) else ())]


def _number(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


__all__ = ["MarkdownSink", "shown"]
