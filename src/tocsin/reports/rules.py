"""The rules that matched, the most serious first."""

from __future__ import annotations

from typing import Final

from tocsin.findings import FoundRule
from tocsin.reports.facts import Entry, Facts
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import choose, level_mark, note, section, table, when

_MOST: Final = 500


def rules_section(facts: Facts) -> Markup:
    """Return the table of rules."""
    found = sorted(facts.rules.items(), key=lambda item: (facts.by_rule[item[1]].weight, item[0].title, item[1]))
    rows = (_row(rule, number, facts.by_rule[number]) for rule, number in found[:_MOST])
    heads = ("Level", "Rule", "Findings", "Hosts", "First (UTC)", "Last (UTC)", "Technique")
    content = table("Rules that matched", heads, rows, numeric="Findings|Hosts", class_="wide")
    more = note(f"{len(found) - _MOST:,} more rules are not listed.") if len(found) > _MOST else None
    return section("rules", "Rules", content if found else note("No rule matched."), more)


def _row(rule: FoundRule, number: int, entry: Entry) -> tuple[Child, ...]:
    ids = [
        name.upper() for tag in rule.tags if (name := tag.lower().removeprefix("attack."))[:1] == "t" and name[1:2].isdigit()
    ]
    title = choose("rule", str(number), rule.title)
    techniques = [tag("span", name, class_="id") for name in ids]
    return (
        level_mark(rule.level),
        title,
        entry.count,
        len(entry.others),
        when(entry.first),
        when(entry.last),
        tag("span", *techniques, class_="ids"),
    )


__all__ = ["rules_section"]
