"""Coverage: which evidence was read, and which rules could not see what they look for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import structs

from tocsin.findings import Coverage, FileOutcome, RuleNote
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import fold, note, plural, section, table

_MOST: Final = 500
_ORDER: Final = {"skipped": 0, "partial": 1, "read": 2}
_TITLES: Final = {
    "invalid": "Invalid rules, which were not evaluated",
    "unsupported": "Unsupported rules, which need what is not there",
    "failed": "Rules that could not be decided on some event",
    "left_out": "Correlations from which events were left out",
    "blind": "Rules of which a part cannot be seen in this evidence",
    "not_evaluable": "Rules that this evidence cannot show",
    "serving": "Rules that only serve correlations",
}
"""The lists of rules in the order in which they are shown; one that is not here comes last under its own name."""


def coverage_section(coverage: Coverage | None) -> Markup:
    """Return what a scan did and did not look at."""
    if coverage is None:
        told = note("Not known: give the file that 'tocsin scan --coverage FILE' wrote with --coverage.")
        return section("coverage", "Coverage", told)
    return section("coverage", "Coverage", *_files(coverage.files), *_rules(coverage), *_checks(coverage), *_events(coverage))


def _files(files: Sequence[FileOutcome]) -> Iterator[Markup]:
    ordered = sorted(files, key=lambda file: (_ORDER.get(file.status, 0), not file.reason, file.path))
    faulty = sum(file.status != "read" or bool(file.reason) for file in files)
    rows = [
        (
            tag("span", file.status, class_=f"status {file.status}"),
            tag("span", file.path, class_="path"),
            file.format,
            file.events,
            file.reason,
        )
        for file in ordered[:_MOST]
    ]
    heads = ("Status", "File", "Format", "Events", "What was lost, and why")
    told = f"Files ({len(files):,}), {f'{faulty:,} with a loss or a remark' if faulty else 'all read whole'}"
    yield fold(told, table("Files", heads, rows, numeric="Events", class_="wide"), *_more(files), open_=faulty > 0)


def _more(items: Sequence[object]) -> Iterator[Markup]:
    if len(items) > _MOST:
        yield note(f"{len(items) - _MOST:,} more are in the coverage file.")


def _rules(coverage: Coverage) -> Iterator[Markup]:
    yield note(f"{plural(len(coverage.rules.compiled), 'rule')} evaluated.")
    lists: dict[str, list[RuleNote]] = structs.asdict(coverage.rules)
    for key in sorted(lists.keys() - {"compiled"}, key=lambda key: (list(_TITLES).index(key) if key in _TITLES else 99, key)):
        notes, title = lists[key], _TITLES.get(key, key.replace("_", " ").capitalize())
        if notes:
            yield fold(f"{title} ({len(notes):,})", _by_reason(title, notes), *_more(notes))


def _by_reason(title: str, notes: Sequence[RuleNote]) -> Markup:
    """Return rules by the reason that they share, the most frequent first."""
    ordered = sorted(notes[:_MOST], key=lambda item: (item.reason, item.title, item.path))
    groups = [(reason, list(found)) for reason, found in groupby(ordered, key=lambda item: item.reason)]
    rows: list[tuple[Child, ...]] = [
        (len(found), reason, tag("ul", [tag("li", item.title or item.path or item.id) for item in found], class_="plain"))
        for reason, found in sorted(groups, key=lambda item: (-len(item[1]), item[0]))
    ]
    return table(title, ("Rules", "Reason", "Titles"), rows, numeric="Rules", class_="wide")


def _checks(coverage: Coverage) -> Iterator[Markup]:
    if coverage.site:
        rows = [(check.title, check.status, check.reason) for check in coverage.baseline]
        told = f"Checks against the site file ({len(rows)})"
        yield fold(told, table("Checks against the site file", ("Check", "Status", "Reason"), rows, class_="wide"))


def _events(coverage: Coverage) -> Iterator[Markup]:
    rows = [(name, count) for name, count in sorted(coverage.logsources.items(), key=lambda item: (-item[1], item[0]))]
    yield fold(
        f"Events by logsource ({coverage.events:,})",
        table("Events by logsource", ("Logsource", "Events"), rows[:_MOST], numeric="Events"),
    )


__all__ = ["coverage_section"]
