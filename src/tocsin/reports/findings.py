"""The findings: filters, and an empty table that the page's program fills from its data."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.findings import FoundRule
from tocsin.reports.attack import technique_name
from tocsin.reports.blocks import data
from tocsin.reports.facts import Facts, is_technique
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import HIGHEST_FIRST, note, section
from tocsin.rules.rule import LEVELS


def findings_section(facts: Facts) -> Markup:
    """Return the place where the findings are looked at."""
    if not facts.total.count:
        return section("findings", "Findings", note("None."))
    without = tag("noscript", note("The table of findings needs JavaScript; everything above is here without it."))
    heads = ("No.", "Time (UTC)", "Level", "Finding", "Host", "Log")
    head = tag("tr", [tag("th", name, scope="col", class_="n" if name == "No." else None) for name in heads])
    listed = tag(
        "table",
        tag("caption", "Findings, in the order of time"),
        tag("thead", head),
        tag("tbody", id="rows"),
        id="listing",
    )
    pages = tag(
        "div",
        tag("button", "First", type="button", data_page="first"),
        tag("button", "Previous", type="button", data_page="back"),
        tag("span", id="page", class_="dim"),
        tag("button", "Next", type="button", data_page="on"),
        tag("button", "Last", type="button", data_page="last"),
        class_="pages",
        role="group",
        aria_label="Pages of findings",
    )
    inner = tag("div", listed, class_="scroll", tabindex=0, role="region", aria_label="Table of findings")
    return section("findings", "Findings", without, tag("div", _filters(facts), inner, pages, class_="script"))


def _filters(facts: Facts) -> Markup:
    levels = [
        tag(
            "label",
            tag("input", type="checkbox", value=level, checked=True, autocomplete="off"),
            tag("span", level, class_=f"level l-{level}"),
            tag("span", facts.total.levels[LEVELS.index(level)], class_="dim"),
        )
        for level in HIGHEST_FIRST
        if facts.total.levels[LEVELS.index(level)]
    ]
    return tag(
        "form",
        tag("fieldset", tag("legend", "Level"), levels, id="levels"),
        tag(
            "div",
            _field(
                "text", "Search in everything", tag("input", id="text", type="search", autocomplete="off", spellcheck="false")
            ),
            _field("host", "Host", tag("select", tag("option", "all", value=""), id="host", autocomplete="off")),
            _field("rule", "Rule", tag("select", tag("option", "all", value=""), id="rule", autocomplete="off")),
            _field("since", "From (UTC)", _time("since")),
            _field("until", "Until (UTC)", _time("until")),
            class_="fields",
        ),
        tag("ul", id="chosen", class_="chosen", aria_label="Filters set elsewhere on the page"),
        tag(
            "div",
            tag("p", id="count", role="status", aria_live="polite"),
            tag("button", "Clear filters", type="button", id="clear"),
            class_="line",
        ),
        id="filters",
        role="search",
        aria_label="Filter the findings",
        autocomplete="off",
    )


def _time(key: str) -> Markup:
    return tag(
        "input",
        id=key,
        type="text",
        autocomplete="off",
        placeholder="2026-01-31 08:00",
        inputmode="numeric",
        aria_describedby="count",
    )


def _field(key: str, label: str, control: Child) -> Markup:
    return tag("div", tag("label", label, for_=key), control, class_=f"field {key}")


def rule_data(facts: Facts, texts: Mapping[str, str]) -> Markup:
    """Return what the page's program knows of each rule, by its number."""
    return data("rules", [_rule(rule, texts) for rule in facts.rules])


def _rule(rule: FoundRule, texts: Mapping[str, str]) -> dict[str, object]:
    techniques = [name for tag in rule.tags if is_technique(name := tag.lower().removeprefix("attack."))]
    return {
        "title": rule.title,
        "level": rule.level if rule.level in LEVELS else LEVELS[0],
        "id": rule.id,
        "status": rule.status,
        "author": rule.author,
        "path": rule.path,
        "tags": rule.tags,
        "references": rule.references,
        "techniques": techniques,
        "names": [technique_name(name) for name in techniques],
        "text": texts.get(rule.path, ""),
    }


__all__ = ["findings_section", "rule_data"]
