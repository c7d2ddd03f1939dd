"""`tocsin explain` of a correlation: what its rules match in a file, what it finds, and what comes nearest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from tocsin.correlations.plan import CorrelationPlan, condition_text
from tocsin.errors import SourceError
from tocsin.events import Event
from tocsin.findings.text import safe_text
from tocsin.runs.correlate import Chosen
from tocsin.runs.correlate_events import Correlated, correlate_events
from tocsin.runs.evidence import read_events
from tocsin.sources.interface import Loss

EXIT_NOTHING_READ: Final = 3
_EVENTS: Final = 10


def explain_correlation(chosen: Chosen, event_path: Path) -> int:
    """Print what the last of the chosen correlations makes of a file; return the exit code."""
    plan = chosen.correlations[-1]
    told = correlate_events(chosen, _events(event_path))
    for line in _lines(plan, chosen, told):
        click.echo(safe_text(line))
    if not told.events:
        click.echo(safe_text(f"{event_path}: no event could be read"), err=True)
        return EXIT_NOTHING_READ
    return 0


def _events(event_path: Path) -> Iterator[Event]:
    """Yield the events of a file, and print what is lost."""
    path, stdin = (None, sys.stdin.buffer) if str(event_path) == "-" else (event_path, None)
    try:
        for event in read_events(path, stdin):
            if isinstance(event, Loss):
                click.echo(safe_text(f"not read: {event.error}"), err=True)
            else:
                yield event
    except SourceError as error:
        click.echo(safe_text(f"not read: {error}"), err=True)


def _lines(plan: CorrelationPlan, chosen: Chosen, told: Correlated) -> Iterator[str]:
    yield f"{plan.meta.title}: {condition_text(plan)}, grouped by {', '.join(plan.group_by) or 'nothing'}"
    for rule in chosen.plans:
        count = told.matches[rule.meta.title]
        yield f"  {count:,} event{'' if count == 1 else 's'} of {told.events:,} match its rule {rule.meta.title}"
    for (number, reason), count in sorted(told.left.items()):
        yield f"  {chosen.correlations[number].meta.title}: {count:,} {reason}"
    for finding in told.findings:
        yield from _finding(finding)
    if not told.findings:
        yield "  no match; the groups that come nearest:" if told.nearest else "  no match: no group has an event"
        yield from (f"    {group}: {measure:g}" for group, measure in told.nearest)


def _finding(finding: dict[str, Any]) -> Iterator[str]:
    group = ", ".join(f"{name} {text}" for name, text in finding["group"].items()) or "all events"
    yield f"  match: {group}, {finding['count']:,} from {finding['first']} to {finding['last']}"
    for event in finding["events"][:_EVENTS]:
        yield f"    event {event['record']} {event['time']} {event['host']} {event['rule']}".rstrip()
    more = finding["count"] - _EVENTS
    if more > 0:
        yield f"    and {more:,} more"


__all__ = ["explain_correlation"]
