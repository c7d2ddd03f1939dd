"""Incidents: what belongs together, in the order of its score, each with its reasons and processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.incidents import Incident, Member, Process
from tocsin.reports.attack import tactic_name, technique_name
from tocsin.reports.markup import Child, Markup, join, tag
from tocsin.reports.shown import choose, fold, level_mark, note, number, plural, section, short, table, when

_MOST: Final = 100
_MOST_OPEN: Final = 3
_MOST_MEMBERS: Final = 200
_MOST_PROCESSES: Final = 200
_MOST_NAMES: Final = 12
_DATE: Final = len("2026-01-31")


def incidents_section(incidents: Sequence[Incident]) -> Markup:
    """Return the incidents: the first hundred whole, the others as rows of a table."""
    if not incidents:
        return section("incidents", "Incidents", note("No findings were joined into an incident."))
    cards = [_card(item, at) for at, item in enumerate(incidents[:_MOST])]
    rest = [
        (item.score, level_mark(item.level), choose("incident", str(at), item.title), item.findings, when(item.first))
        for at, item in enumerate(incidents[_MOST:], _MOST)
    ]
    more = table("Further incidents", ("Score", "Level", "Incident", "Findings", "First"), rest, numeric="Score|Findings")
    return section("incidents", "Incidents", tag("ol", cards, class_="cards"), more if rest else None)


def _card(incident: Incident, at: int) -> Markup:
    head = tag(
        "summary",
        _score(incident),
        tag("div", tag("h3", incident.title), tag("p", _when(incident), class_="when")),
        level_mark(incident.level),
    )
    folds = (
        fold(f"Processes ({_processes(incident):,})", _tree(incident)) if incident.processes else None,
        fold(f"Findings and why they belong together ({incident.findings:,})", *_members(incident, at)),
        fold(f"Rules ({len(incident.rules):,})", _rules(incident, at)),
        fold(f"Techniques ({len(incident.techniques):,})", _techniques(incident, at)) if incident.techniques else None,
    )
    body = (
        tag("p", incident.summary, class_="said"),
        _chain(incident),
        tag("dl", _facts(incident), class_="facts"),
        *folds,
        tag("p", choose("incident", str(at), f"Show its {plural(incident.findings, 'finding')}"), class_="script"),
    )
    card = tag("details", head, tag("div", *body), open=at < _MOST_OPEN, id=f"incident-{at + 1}")
    return tag("li", card, class_=f"card l-{incident.level}")


def _score(incident: Incident) -> Markup:
    """Return the score as a ring with its number."""
    radius, middle = 20, 24
    length = 2 * 3.14159 * radius
    filled = f"{number(length * max(0, min(100, incident.score)) / 100)} {number(length)}"
    return tag(
        "svg",
        tag("circle", cx=middle, cy=middle, r=radius, class_="ring"),
        tag(
            "circle",
            cx=middle,
            cy=middle,
            r=radius,
            class_=f"arc s-{incident.level}",
            stroke_dasharray=filled,
            transform=f"rotate(-90 {middle} {middle})",
        ),
        tag("text", str(incident.score), x=middle, y=middle + 5, text_anchor="middle"),
        viewBox="0 0 48 48",
        width=48,
        height=48,
        class_="score",
        role="img",
        aria_label=f"score {incident.score} of 100",
    )


def _when(incident: Incident) -> Child:
    if not incident.first:
        return "no finding has a time"
    return (
        (when(incident.first), " to ", when(incident.last), " UTC")
        if incident.last != incident.first
        else (when(incident.first), " UTC")
    )


def _chain(incident: Incident) -> Markup | None:
    """Return the tactics in the order in which they were first seen."""
    steps = [
        tag("li", tag("b", tactic_name(stage.name)), tag("span", f"{stage.count:,}, first {_moment(stage.first, incident)}"))
        for stage in incident.tactics
    ]
    return tag("ol", steps, class_="chain", aria_label="Tactics in the order of their first finding") if steps else None


def _moment(time: str, incident: Incident) -> str:
    """Return a time, without its date where that is the incident's first."""
    same_day = time[:_DATE] == incident.first[:_DATE]
    return (short(time)[_DATE + 1 :] if same_day else short(time)) or "unknown"


def _facts(incident: Incident) -> Iterator[Markup]:
    techniques = [stage.name.upper() for stage in incident.techniques]
    for name, values in (
        ("Hosts", incident.hosts),
        ("Accounts", incident.users),
        ("Addresses", incident.addresses),
        ("Assets", incident.assets),
        ("Techniques", techniques),
    ):
        if values:
            more = f" and {len(values) - _MOST_NAMES:,} more" if len(values) > _MOST_NAMES else ""
            names = [tag("span", value, class_="name") for value in values[:_MOST_NAMES]]
            yield tag("div", tag("dt", name), tag("dd", *names, more))


def _processes(incident: Incident) -> int:
    return len(incident.processes) + incident.processes_left_out


def _tree(incident: Incident) -> Markup:
    """Return process trees as a nested list."""
    return join(
        _nested(incident.processes[:_MOST_PROCESSES]),
        note(f"{_processes(incident) - _MOST_PROCESSES:,} more processes are not shown.")
        if _processes(incident) > _MOST_PROCESSES
        else None,
    )


def _nested(processes: Sequence[Process]) -> Markup:
    """Return processes in preorder as a list, each with a depth that indents it; at most twelve steps deep."""
    items = []
    for process in processes:
        image = process.image.replace("/", "\\").rpartition("\\")[2] or process.image or "unknown process"
        links = [tag("a", f"#{found:,}", href=f"#finding-{found}", class_="to") for found in process.findings]
        found = tag("span", *links, class_="links") if links else None
        line = tag("code", process.command_line) if process.command_line else None
        step = min(process.depth, 12)
        head = (tag("b", image, class_="found" if links else None), " ", tag("span", process.host, class_="dim"), " ")
        items.append(
            tag(
                "li",
                tag("span", f"level {process.depth + 1}: ", class_="hidden"),
                *head,
                when(process.time),
                found,
                line,
                class_=f"depth-{step}",
            )
        )
    return tag("ul", items, class_="tree")


def _members(incident: Incident, at: int) -> Iterator[Markup]:
    shown = incident.members[:_MOST_MEMBERS]
    heads = ("No.", "Time (UTC)", "Level", "Rule", "Host", "Why it is here")
    yield table(_caption("Findings", incident, at), heads, (_member(item) for item in shown), "members", "No.")
    if incident.findings > len(shown):
        yield note(f"{incident.findings - len(shown):,} more findings are not listed.")


def _caption(what: str, incident: Incident, at: int) -> str:
    """Return the caption of a table, which no other one of the page has: incidents may have the same title."""
    return f"{what} of incident {at + 1}: {incident.title}"


def _member(member: Member) -> tuple[Child, ...]:
    reasons = [tag("li", reason) for reason in member.reasons]
    link = tag("a", f"#{member.number:,}", href=f"#finding-{member.number}", class_="to")
    why: Child = tag("ul", reasons, class_="plain") if reasons else "the first"
    return link, when(member.time), level_mark(member.level), member.title, member.host, why


def _techniques(incident: Incident, at: int) -> Markup:
    rows = [
        (
            choose("technique", stage.name.lower(), stage.name.upper()),
            technique_name(stage.name),
            stage.count,
            when(stage.first),
        )
        for stage in incident.techniques
    ]
    heads = ("Technique", "Name", "Findings", "First (UTC)")
    return table(_caption("Techniques", incident, at), heads, rows, numeric="Findings")


def _rules(incident: Incident, at: int) -> Markup:
    rows = [(level_mark(rule.level), rule.title, rule.count) for rule in incident.rules]
    return table(_caption("Rules", incident, at), ("Level", "Rule", "Findings"), rows, numeric="Findings")


__all__ = ["incidents_section"]
