"""`tocsin explain`: why a rule matches an event, or why not."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.cli.loading import load, read_site, rule_options
from tocsin.cli.rules import find_plan, unusable
from tocsin.errors import UsageError
from tocsin.events import Event
from tocsin.findings.text import safe_text
from tocsin.plans.explain import Verdict, holds, verdicts
from tocsin.plans.expr import Plan, require
from tocsin.rules.condition import write_condition
from tocsin.rules.logsource import admits, views, visible_events
from tocsin.rules.pattern import quoted
from tocsin.rules.twins import see
from tocsin.runs.evidence import read_events
from tocsin.sources.interface import Loss

_SHOWN = 200


@click.command()
@click.option("--rule", "rule_id", required=True, metavar="ID|FILE", help="The rule: its id, title, or a rule file.")
@click.option(
    "--event",
    "event_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the event or events, in any format that scan reads.",
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
    """Tell which selections, fields and values of a rule held on an event, and which did not, and why."""
    if Path(rule_id).is_file():
        found = load((rule_id,), (), config, read_site(site))
        if not found.plans:
            raise unusable(found.rejected[0]) if found.rejected else UsageError("U001", f"{rule_id}: holds no rule")
        plan = found.plans[0]
    else:
        plan = find_plan(load(rules, packs, config, read_site(site)), rule_id)
    count = 0
    for event in read_events(event_path):
        if isinstance(event, Loss):
            click.echo(safe_text(f"not read: {event.error}"), err=True)
            continue
        count += 1
        for line in explain_event(plan, event):
            click.echo(safe_text(line))
    if not count:
        raise UsageError("U004", f"{event_path}: no event could be read")
    return 0


def explain_event(plan: Plan, event: Event) -> list[str]:
    """Return the lines that explain one event."""
    lines = [f"event {event.record}: {event.gate.telemetry or 'unknown telemetry'} {event.time} {event.host}".rstrip()]
    seen = [(view, admits(view, plan.logsource)) for view in views(event.gate)]
    admitted = [(view, tags) for view, tags in seen if tags]
    if not admitted:
        sees = ", ".join(visible_events(plan.logsource)[:5]) or "no event at all"
        return [*lines, f"  not seen: the rule's logsource is {plan.logsource}; it sees {sees}"]
    for view, tags in admitted:
        shown = see(event, view)
        blocked = [
            v for v in verdicts(require(plan.expr, tags), shown)[: len(tags)] if any(t.field for t in tags) and not v.held
        ]
        matches = holds(plan, shown) and not blocked
        answer = ("match" if matches else "no match") + (" (as twin)" if view.twin else "")
        lines.append(f"  {answer}: condition {write_condition(plan.condition)}")
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
