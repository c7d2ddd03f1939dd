"""The page: one HTML file that needs no other, refuses every connection, and runs no program but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import BinaryIO, Final

from tocsin.findings import Coverage
from tocsin.findings.reading import FindingsFile
from tocsin.incidents import Incident
from tocsin.reports.attack import attack
from tocsin.reports.blocks import blocks, data
from tocsin.reports.coverage import coverage_section
from tocsin.reports.facts import Facts, gather
from tocsin.reports.findings import findings_section, rule_data
from tocsin.reports.hosts import hosts_section
from tocsin.reports.incidents import incidents_section
from tocsin.reports.markup import Markup, tag
from tocsin.reports.matrix import matrix_section
from tocsin.reports.network import network_section
from tocsin.reports.rules import rules_section
from tocsin.reports.shown import short
from tocsin.reports.summary import summary_section
from tocsin.reports.suppressed import suppressed_section
from tocsin.reports.timeline import timeline_section
from tocsin.sites.names import Names
from tocsin.sites.site import Site

_STYLES: Final = ("colours.css", "page.css", "parts.css", "findings.css", "print.css")
_SCRIPTS: Final = ("text.js", "data.js", "filter.js", "details.js", "table.js", "timeline.js", "main.js")
_SECTIONS: Final = {
    "summary": "Summary",
    "incidents": "Incidents",
    "timeline": "Timeline",
    "attack": "ATT&CK",
    "hosts": "Hosts and accounts",
    "network": "Network and zones",
    "rules": "Rules",
    "findings": "Findings",
    "suppressed": "Suppressed",
    "coverage": "Coverage",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a report is made of besides the findings. `texts` has the text of a rule by the path that findings name."""

    coverage: Coverage | None = None
    site: Site | None = None
    incidents: Sequence[Incident] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def write_report(out: BinaryIO, findings: FindingsFile, report: Report) -> int:
    """Write the page and return how many findings it has; the findings are read twice and never held.

    Raises: SourceError when they cannot be read.
    """
    facts = gather(findings, Names(report.site) if report.site else None)
    for piece in _pieces(findings, facts, report):
        out.write(piece.text.encode("utf-8", "backslashreplace") + b"\n")
    return facts.total.count


def _pieces(findings: FindingsFile, facts: Facts, report: Report) -> Iterator[Markup]:
    style, script = _asset(_STYLES), f'"use strict";\n(() => {{\n{_asset(_SCRIPTS)}}})();\n'
    title = (report.site.name if report.site else "") or (report.coverage.site if report.coverage else "") or "Findings"
    yield Markup('<!doctype html>\n<html lang="en">')
    yield _head(title, style, script)
    yield Markup("<body>")
    yield tag("a", "Skip to the report", href="#summary", class_="skip")
    yield _banner(title, facts)
    yield Markup('<div class="frame">')
    yield _contents()
    yield Markup('<main id="report">')
    yield summary_section(facts, report.coverage, report.incidents)
    yield incidents_section(report.incidents)
    yield timeline_section(facts)
    yield matrix_section(facts)
    yield hosts_section(facts)
    yield network_section(facts, report.site)
    yield rules_section(facts)
    yield findings_section(facts)
    yield suppressed_section(report.coverage)
    yield coverage_section(report.coverage)
    yield Markup("</main></div>")
    yield _foot()
    yield rule_data(facts, report.texts)
    yield data("incidents", [(item.id, item.title) for item in report.incidents])
    numbers = {member.number: at for at, item in enumerate(report.incidents) for member in item.members}
    yield from blocks(findings, facts.rules, numbers, report.texts)
    yield Markup(f"<script>{script}</script>\n</body>\n</html>")


def _asset(names: Sequence[str]) -> str:
    folder = files("tocsin.reports") / "assets"
    return "".join((folder / name).read_text("utf-8") for name in names)


def _head(title: str, style: str, script: str) -> Markup:
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", f"{title}: Tocsin report"),
        Markup(f"<style>{style}</style>"),
    )


def _digest(text: str) -> str:
    """Return how the policy names a piece of program or style that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _banner(title: str, facts: Facts) -> Markup:
    when = f"{short(facts.total.first)} to {short(facts.total.last)} UTC" if facts.total.first else "no finding has a time"
    return tag(
        "header",
        tag("div", tag("p", "Tocsin report", class_="mark"), tag("h1", title), tag("p", when, class_="when")),
        tag(
            "div",
            tag("label", "Theme", for_="theme"),
            tag(
                "select",
                [tag("option", name, value=name.lower()) for name in ("System", "Light", "Dark")],
                id="theme",
                autocomplete="off",
            ),
            class_="theme script",
        ),
        class_="banner",
    )


def _contents() -> Markup:
    links = [tag("li", tag("a", name, href=f"#{key}")) for key, name in _SECTIONS.items()]
    return tag("nav", tag("ol", links), aria_label="Contents")


def _foot() -> Markup:
    return tag(
        "footer",
        tag("p", "A report of findings: a rule that did not match says nothing about what it could not see."),
        tag("p", f"MITRE ATT&CK: {attack().notice}"),
    )


__all__ = ["Report", "write_report"]
