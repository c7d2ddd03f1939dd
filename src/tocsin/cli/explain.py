"""`tocsin explain`: why a rule matches an event, or why not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from tocsin.cli.explain_correlation import explain_correlation
from tocsin.cli.loading import load, read_site, rule_options
from tocsin.cli.rules import find_plan, unusable
from tocsin.correlations.plan import CorrelationPlan
from tocsin.errors import SourceError, UsageError
from tocsin.events import Event
from tocsin.findings.text import safe_text
from tocsin.plans.explain import Verdict, holds, verdicts
from tocsin.plans.expr import Plan, require
from tocsin.rules.condition import write_condition
from tocsin.rules.logsource import admits, views, visible_events
from tocsin.rules.pattern import quoted
from tocsin.rules.twins import see
from tocsin.runs.correlate import only
from tocsin.runs.evidence import read_events
from tocsin.sources.interface import Loss

EXIT_NOTHING_READ: Final = 3
_SHOWN: Final = 200
_MATCH: Final = "  match"


@click.command()
@click.option("--rule", "rule_id", required=True, metavar="ID|FILE", help="The rule: its id, title, or a rule file.")
@click.option(
    "--event",
    "event_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="File with the event or events, in any format that scan reads ('-': standard input).",
)
@rule_options
def explain(
    rule_id: str,
    event_path: Path,
    rules: tuple[str, ...],
    packs: tuple[str, ...],
    config: Path | None,
    site: Path | None,
) -> int:
    """Tell which selections, fields and values of a rule held on an event, and which did not, and why.

    Of a correlation: how many events its rules match, what it finds in them, and which groups come nearest.
    Exit codes: 0 done; 2 usage; 3 no event could be read.
    """
    if Path(rule_id).is_file():
        found = load((rule_id,), (), config, read_site(site))
        if not found.size:
            raise unusable(found.rejected[0]) if found.rejected else UsageError("U001", f"{rule_id}: holds no rule")
        plan = found.correlations[-1] if found.correlations else found.plans[0]
    else:
        found = load(rules, packs, config, read_site(site))
        plan = find_plan(found, rule_id)
    if isinstance(plan, CorrelationPlan):
        return explain_correlation(only(found, found.correlations.index(plan)), event_path)
    told = _Told(plan)
    try:
        path, stdin = (None, sys.stdin.buffer) if str(event_path) == "-" else (event_path, None)
        for event in read_events(path, stdin):
            if isinstance(event, Loss):
                click.echo(safe_text(f"not read: {event.error}"), err=True)
            else:
                told.add(event)
    except SourceError as error:
        click.echo(safe_text(f"not read: {error}"), err=True)
    told.end()
    if not told.events:
        click.echo(safe_text(f"{event_path}: no event could be read"), err=True)
        return EXIT_NOTHING_READ
    return 0


class _Told:
    """Prints events as they come; neighbours that the rule cannot see together."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._unseen: list[Event] = []
        self._run = 0
        self.events = self.matches = self.not_seen = 0

    def add(self, event: Event) -> None:
        """Explain an event, or keep it when the rule cannot see it."""
        self.events += 1
        if _is_seen(self._plan, event):
            self._flush()
            lines = explain_event(self._plan, event)
            self.matches += any(line.startswith(_MATCH) for line in lines)
            self._print(lines)
            return
        self.not_seen += 1
        self._run += 1
        self._unseen = [*self._unseen[:1], event]

    def end(self) -> None:
        """Print what is left, and the sums."""
        self._flush()
        if self.events:
            noun = "event matches" if self.events == 1 else "events match"
            unseen = f"; {self.not_seen:,} not seen by the logsource {self._plan.logsource}" if self.not_seen else ""
            self._print([f"{self.matches:,} of {self.events:,} {noun}{unseen}"])

    def _flush(self) -> None:
        """Print the events that the rule cannot see."""
        if self._run == 1:
            self._print(explain_event(self._plan, self._unseen[0]))
        elif self._run:
            first, last = self._unseen
            self._print([f"events {first.record} to {last.record}: {self._run:,} events", _not_seen(self._plan)])
        self._unseen, self._run = [], 0

    @staticmethod
    def _print(lines: list[str]) -> None:
        for line in lines:
            click.echo(safe_text(line))


def _is_seen(plan: Plan, event: Event) -> bool:
    return any(admits(view, plan.logsource) for view in views(event.gate))


def _not_seen(plan: Plan) -> str:
    sees = ", ".join(visible_events(plan.logsource)[:5]) or "no event at all"
    return f"  not seen: the rule's logsource is {plan.logsource}; it sees {sees}"


def explain_event(plan: Plan, event: Event) -> list[str]:
    """Return the lines that explain one event."""
    lines = [f"event {event.record}: {event.gate.telemetry or 'unknown telemetry'} {event.time} {event.host}".rstrip()]
    seen = [(view, admits(view, plan.logsource)) for view in views(event.gate)]
    admitted = [(view, tags) for view, tags in seen if tags]
    if not admitted:
        return [*lines, _not_seen(plan)]
    for view, tags in admitted:
        shown = see(event, view)
        blocked = [
            v for v in verdicts(require(plan.expr, tags), shown)[: len(tags)] if any(t.field for t in tags) and not v.held
        ]
        matches = holds(plan, shown) and not blocked
        answer = (_MATCH if matches else "  no match") + (" (as twin)" if view.twin else "")
        lines.append(f"{answer}: condition {write_condition(plan.condition)}")
        lines += [f"    logsource wants {v.field} {v.test}, the event has {_values(v)}" for v in blocked]
        for name, expr in plan.selections.items():
            found = verdicts(expr, shown)
            lines.append(f"    {name}: {'holds' if _holds(plan, name, shown) else 'does not hold'}")
            lines += [
                f"      {'+' if verdict.held else '-'} {verdict.field or 'any value'} {verdict.test}: {_why(verdict)}"
                for verdict in found
            ]
    return lines


def _holds(plan: Plan, name: str, event: Event) -> bool:
    from tocsin.rules.condition import Name

    return holds(Plan(plan.meta, plan.logsource, plan.selections, Name(name)), event)


def _why(verdict: Verdict) -> str:
    if not verdict.present:
        return "the event has no such field"
    if verdict.matched:
        return "matched " + ", ".join(quoted(_short(value)) for value in verdict.matched[:3])
    return f"the event has {_values(verdict)}"


def _values(verdict: Verdict) -> str:
    return ", ".join("null" if value is None else quoted(_short(value)) for value in verdict.values[:3]) or "no such field"


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else value[:_SHOWN] + "..."


__all__ = ["explain", "explain_event"]
