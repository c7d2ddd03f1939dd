"""The matrices of ATT&CK: tactics as columns, the techniques that findings name below them with their counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tocsin.reports.attack import INDUSTRIAL, Matrix, attack, tactic_name
from tocsin.reports.facts import Entry, Facts, is_technique
from tocsin.reports.markup import Child, Markup, join, tag
from tocsin.reports.shown import choose, note, plural, section

_OTHER = "other"


def matrix_section(facts: Facts) -> Markup:
    """Return both matrices; one that no finding names is told in a sentence."""
    found = {key.upper(): entry for key, entry in facts.techniques.ordered()}
    named = _tactics_of(facts)
    parts = []
    for title, matrix, industrial in (("Enterprise", attack().enterprise, False), ("ICS", attack().ics, True)):
        own = {key: entry for key, entry in found.items() if key.startswith(INDUSTRIAL) == industrial}
        parts.append(_matrix(title, matrix, own, named))
    untagged = facts.total.count - sum(entry.count for entry in _tagged(facts))
    told = note(f"{plural(untagged, 'finding')} of rules that name no technique are not in these pictures.")
    return section("attack", "ATT&CK", *parts, told if untagged else None)


def _tagged(facts: Facts) -> Sequence[Entry]:
    """Return the entries of the rules that name a technique."""
    return [
        facts.by_rule[number]
        for rule, number in facts.rules.items()
        if any(is_technique(tag.lower().removeprefix("attack.")) for tag in rule.tags)
    ]


def _tactics_of(facts: Facts) -> Mapping[str, set[str]]:
    """Return, by technique, the tactics that its rules name beside it."""
    found: dict[str, set[str]] = defaultdict(set)
    for rule in facts.rules:
        names = [tag.lower().removeprefix("attack.") for tag in rule.tags if tag.lower().startswith("attack.")]
        for name in names:
            if is_technique(name):
                found[name.upper()].update(name for name in names if not is_technique(name))
    return found


def _matrix(title: str, matrix: Matrix, found: Mapping[str, Entry], named: Mapping[str, set[str]]) -> Markup:
    if not found:
        return join(tag("h3", title), note(f"No finding names a technique of ATT&CK {title}."))
    columns: dict[str, list[tuple[str, Entry]]] = {tactic: [] for tactic in matrix.tactics}
    for technique, entry in found.items():
        known = matrix.techniques.get(technique, ("", ()))[1]
        chosen = [tactic for tactic in known if tactic in named[technique]] or list(known)
        for tactic in chosen or [tactic for tactic in matrix.tactics if tactic in named[technique]] or [_OTHER]:
            columns.setdefault(tactic, []).append((technique, entry))
    most = max(entry.count for entry in found.values())
    body = [_column(tactic, cells, matrix, most) for tactic, cells in columns.items()]
    told = f"ATT&CK {title}: {plural(len(found), 'technique')} of {plural(sum(map(bool, columns.values())), 'tactic')}"
    head = tag("h3", title, tag("span", f" {told.partition(': ')[2]}", class_="dim"))
    return join(
        head,
        tag("div", tag("ul", body, class_="matrix"), class_="scroll", tabindex=0, role="region", aria_label=told),
    )


def _column(tactic: str, cells: Sequence[tuple[str, Entry]], matrix: Matrix, most: int) -> Markup:
    name = matrix.tactics.get(tactic) or ("Not in this version" if tactic == _OTHER else tactic_name(tactic))
    items = [tag("li", _cell(technique, entry, matrix, most)) for technique, entry in cells]
    inner: Child = tag("ul", items) if items else tag("p", "none found", class_="hidden")
    return tag("li", tag("h4", name), inner, class_=None if items else "empty")


def _cell(technique: str, entry: Entry, matrix: Matrix, most: int) -> Markup:
    """Return a technique; the bar below it is as long as its findings are many."""
    share = tag("rect", x=0, y=0, width=max(2.0, 100 * entry.count / most), height=3, class_=f"f-{entry.level}")
    bar = tag("svg", share, viewBox="0 0 100 3", preserveAspectRatio="none", aria_hidden="true", class_="share")
    head = tag("span", tag("span", technique, class_="id"), tag("b", entry.count), class_="top")
    whole = matrix.name(technique)
    parent, _, own = whole.rpartition(": ")
    name = tag("span", tag("span", f"{parent}: ", class_="hidden") if parent else None, own or "name not known", class_="what")
    return choose("technique", technique.lower(), (head, name, bar), title=whole)


__all__ = ["matrix_section"]
