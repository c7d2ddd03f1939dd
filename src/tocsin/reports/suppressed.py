"""What was suppressed or has another level: how much, by whom, why and until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.findings import Coverage, DecidedRule, Decision
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import fold, note, plural, section, table, when

_MOST: Final = 500
_MOST_RULES: Final = 20
_HEADS: Final = ("Findings", "What", "By", "Why", "Until", "First (UTC)", "Last (UTC)", "Rules", "Where")


def suppressed_section(coverage: Coverage | None) -> Markup:
    """Return what was decided about findings, and what came of it."""
    if coverage is None:
        told = "Not known: give the file that 'tocsin scan --coverage FILE' wrote with --coverage."
        return section("suppressed", "Suppressed", note(told))
    return section("suppressed", "Suppressed", *_content(coverage))


def _content(coverage: Coverage) -> Iterator[Markup]:
    decisions = coverage.decisions
    if not decisions:
        yield note("Nothing: the scan had no filter and no tuning file.")
        return
    gone = [item for item in decisions if item.kind != "level"]
    yield note(f"{plural(coverage.suppressed, 'finding')} suppressed. These are in no other part of this report.")
    yield from _decided("Suppressed", gone)
    yield from _decided("Given another level", [item for item in decisions if item.kind == "level"])
    notes = [text for item in decisions for text in item.notes]
    if notes:
        remarks = tag("ul", [tag("li", text) for text in notes[:_MOST]])
        yield fold(f"To be judged anew ({len(notes):,})", remarks, *_more(len(notes)), open_=True)


def _decided(title: str, found: Sequence[Decision]) -> Iterator[Markup]:
    """Yield a table of decisions, those with the most findings first."""
    if found:
        ordered = sorted(found, key=lambda item: (-item.findings, item.title, item.path))
        rows = [_row(item) for item in ordered[:_MOST]]
        content = table(title, _HEADS, rows, numeric="Findings", class_="wide")
        yield fold(f"{title} ({sum(item.findings for item in found):,})", content, *_more(len(found)), open_=True)


def _row(item: Decision) -> tuple[Child, ...]:
    state = "" if item.status == "applied" else f", {item.status}"
    return (
        item.findings,
        f"{item.title} ({item.what}{state})",
        item.owner or "nobody is named",
        item.reason or "no reason is given",
        item.expires or "without an end",
        when(item.first),
        when(item.last),
        tag("ul", [tag("li", text) for text in _rules(item.rules)], class_="plain"),
        tag("span", item.path, class_="path"),
    )


def _rules(rules: Sequence[DecidedRule]) -> Iterator[str]:
    yield from (f"{rule.title or rule.id} ({rule.findings:,})" for rule in rules[:_MOST_RULES])
    if len(rules) > _MOST_RULES:
        yield f"and {len(rules) - _MOST_RULES:,} more"


def _more(count: int) -> Iterator[Markup]:
    if count > _MOST:
        yield note(f"{count - _MOST:,} more are in the coverage file.")


__all__ = ["suppressed_section"]
