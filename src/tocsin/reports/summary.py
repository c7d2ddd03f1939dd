"""The summary: what was found, when, where, and what could not be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import structs

from tocsin.findings import Coverage
from tocsin.findings.report import may_hold_evidence
from tocsin.incidents import Incident
from tocsin.reports.facts import Facts
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import HIGHEST_FIRST, choose, plural, section, short
from tocsin.rules.rule import LEVELS

_MOST: Final = 3


def summary_section(facts: Facts, coverage: Coverage | None, incidents: Sequence[Incident]) -> Markup:
    """Return the summary."""
    tiles = [_tile(level, facts.total.levels[LEVELS.index(level)]) for level in HIGHEST_FIRST]
    limits, gone = list(_limits(coverage)), coverage.suppressed if coverage else 0
    return section(
        "summary",
        "Summary",
        tag("p", _lead(facts, len(incidents), gone), class_="lead"),
        tag("ul", tiles, class_="tiles"),
        tag(
            "div",
            tag("div", tag("h3", "What stands out"), tag("ul", _standing_out(facts, incidents, gone))),
            tag("div", tag("h3", "What could not be looked at"), tag("ul", [tag("li", item) for item in limits])),
            class_="halves",
        ),
    )


def _lead(facts: Facts, incidents: int, gone: int) -> str:
    total = facts.total
    if not total.count:
        return f"No finding is left: {plural(gone, 'finding')} suppressed." if gone else "No rule matched."
    where = f" on {plural(len(facts.hosts), 'host')}" if len(facts.hosts) else ""
    time = f", from {short(total.first)} to {short(total.last)} UTC" if total.first else ""
    joined = f", joined into {plural(incidents, 'incident')}" if incidents else ""
    untimed = f" {plural(facts.untimed, 'finding')} without a time." if facts.untimed else ""
    rules = plural(len({rule.id or rule.path for rule in facts.rules}), "rule")
    return f"{plural(total.count, 'finding')} of {rules}{where}{time}{joined}.{untimed}"


def _tile(level: str, count: int) -> Markup:
    label = tag("span", tag("b", count), tag("span", level))
    return tag("li", choose("level", level, label) if count else label, class_=f"tile l-{level}{'' if count else ' none'}")


def _standing_out(facts: Facts, incidents: Sequence[Incident], gone: int) -> Iterator[Markup]:
    """Yield the first incidents, else the most serious rules, then the most serious hosts."""
    for at, item in enumerate(incidents[:_MOST], 1):
        told = f" (score {item.score}, {plural(item.findings, 'finding')})"
        yield tag("li", "Incident ", tag("a", item.title, href=f"#incident-{at}", class_="into"), told)
    entries = sorted(facts.rules.items(), key=lambda item: (facts.by_rule[item[1]].weight, item[0].title))
    for rule, number in entries[: 0 if incidents else _MOST]:
        entry = facts.by_rule[number]
        yield tag("li", choose("rule", str(number), rule.title), f" ({rule.level}, {plural(entry.count, 'finding')})")
    for name, entry in facts.hosts.ordered()[:2]:
        site = facts.label(name).partition(" (")[2].rstrip(")")
        told = f": {plural(entry.count, 'finding')}{f', {site}' if site else ''}"
        yield tag("li", "Host ", choose("host", name, name), told)
    if not facts.rules and not gone:
        yield tag("li", "Nothing: no rule matched. This says nothing about what could not be looked at.")


def _limits(coverage: Coverage | None) -> Iterator[Child]:
    """Yield, in words, what a scan did not see; never nothing."""
    if coverage is None:
        yield "Not known: this report was made without the coverage of the scan (--coverage)."
        return
    if coverage.interrupted:
        yield "The scan was interrupted: these findings are not all."
    partial = sum(file.status == "partial" for file in coverage.files)
    lost = sum(file.status == "skipped" and may_hold_evidence(file) for file in coverage.files)
    other = sum(file.status == "skipped" for file in coverage.files) - lost
    unseen = sum(file.unseen for file in coverage.files)
    for count, told in (
        (partial, f"{plural(partial, 'file')} read only in part."),
        (lost, f"{plural(lost, 'file')} that may hold evidence could not be read."),
        (other, f"{plural(other, 'file')} skipped: of no known log, empty, or read under another name."),
        (unseen, f"{plural(unseen, 'event')} of no known log, which no rule can see."),
    ):
        if count:
            yield told
    yield from _blind_rules(coverage)
    if coverage.suppressed:
        yield (
            f"{plural(coverage.suppressed, 'finding')} suppressed by filters or the tuning file: ",
            tag("a", "by whom", href="#suppressed"),
        )
    whole = "" if not (partial or lost or coverage.interrupted) else " Not all evidence was read."
    told = f"{plural(coverage.events, 'event')} of {plural(len(coverage.files), 'file')} read.{whole} "
    yield told, tag("a", "Details", href="#coverage")


def _blind_rules(coverage: Coverage) -> Iterator[str]:
    """Yield which rules and checks saw nothing, or not all."""
    rules = coverage.rules
    if rules.not_evaluable:
        evaluated = plural(len(rules.compiled), "rule")
        yield f"{len(rules.not_evaluable):,} of {evaluated} look for what this evidence cannot show."
    if rules.blind:
        yield f"{plural(len(rules.blind), 'rule')} blind in a part, for want of a field."
    if rules.unsupported or rules.invalid or rules.failed:
        told = f"{len(rules.unsupported):,} unsupported, {len(rules.invalid):,} invalid, {len(rules.failed):,} failed"
        yield f"Rules that could not be used in full: {told}."
    left_out = len(structs.asdict(rules).get("left_out", ()))
    if left_out:
        yield f"{plural(left_out, 'correlation')} without all of its events: see the details."
    missed = sum(check.status != "evaluated" for check in coverage.baseline) if coverage.site else 0
    if missed:
        yield f"{plural(missed, 'check')} against the site file could not be made."


__all__ = ["summary_section"]
