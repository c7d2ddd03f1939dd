"""`tocsin timeline`: what happened, one plain sentence for each event that says so, in order of time."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli.scan import EXIT_FAILURE, Outputs, exit_code, interruptible, progress, tell, time_option
from tocsin.errors import UsageError
from tocsin.events.time import format_time
from tocsin.findings import Report
from tocsin.findings.reading import FindingsFile
from tocsin.inquiries.activities import KINDS
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.runs.timeline import Around, TimelineInquiry, around_incident
from tocsin.sinks.interface import Sink
from tocsin.sinks.timeline import TIMELINE_SINKS, TimelineTextSink

_WINDOW: Final = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--around", metavar="TIME", help="Only what happened around TIME (RFC 3339, UTC).")
@click.option("--incident", metavar="ID", help="Only what happened around an incident of --findings, on its hosts.")
@click.option(
    "--findings", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Findings of a scan."
)
@click.option("--window", default="30m", show_default=True, help="How far around: a number and s, m, h or d.")
@click.option("--since", metavar="TIME", help="Only what happened at or after TIME.")
@click.option("--until", metavar="TIME", help="Only what happened before TIME.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Only this computer, with or without domain (repeatable).")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this kind of activity (repeatable).")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE ('-': standard output), as CSV or JSON Lines by its name.")
@click.option("--format", "form", type=click.Choice(list(TIMELINE_SINKS)), help="Form [default: by FILE's name, else text].")
@click.option("--dedupe", is_flag=True, help="Give one row for a record that was read twice.")
@click.option("--coverage", metavar="FILE", help="Write what was looked at as JSON to FILE.")
@click.option("--strict", is_flag=True, help="Leave with 4 when a file could not be read in full.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Worker processes [default: one for each core].")
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
@click.option("--quiet", is_flag=True, help="Print nothing but the timeline and errors.")
def timeline(paths: tuple[str, ...], output: str | None, form: str | None, **options: Any) -> int:
    """Tell what happened in files and folders of logs ('-': standard input), in order of time.

    Logons, process starts, services, scheduled tasks, accounts, cleared logs, PowerShell with what its encoded parts say, and
    network connections. CSV and JSON Lines are in the form that Timesketch imports.

    Exit codes: 0 done; 1 failure of Tocsin; 2 usage; 3 nothing readable; 4 files failed under --strict; 130 interrupted.
    """
    outputs = Outputs.of(output or "-", form, options["coverage"])
    outputs.check(())
    path = outputs.findings
    around = _incident(options, outputs)
    times = (around.first, around.last) if around else (options["around"], options["around"])
    since, until = _range(times, options["window"], options["since"], options["until"])
    hosts = options["hosts"] or (around.hosts if around else ())
    chosen = ScanOptions(
        paths=paths,
        output=path,
        outputs=(outputs.coverage,) if outputs.coverage else (),
        since=since,
        until=until,
        jobs=options["jobs"] or 0,
        dedupe=options["dedupe"],
        passwords=options["password"],
        inquiry=TimelineInquiry(hosts, options["kinds"], around.found if around else None),
    )
    running = Scan(chosen, RuleSet([], []))
    try:
        with interruptible(running), progress(options["quiet"]) as tick:
            running.run(_sink(path, form), None if path else sys.stdout.buffer, tick)
    finally:
        if running.report:
            tell(running.report, outputs, quiet=True)
            if not options["quiet"]:
                _show(running.report, path, sum(running.answers))
    return exit_code(running.report, None, options["strict"]) if running.report else EXIT_FAILURE


def _sink(path: Path | None, form: str | None) -> Sink:
    form = form or {".csv": "csv", ".jsonl": "jsonl"}.get(path.suffix if path else "", "text")
    if form == "text":
        return TimelineTextSink(0 if path else shutil.get_terminal_size((0, 0)).columns)
    return TIMELINE_SINKS[form]()


def _incident(options: Mapping[str, Any], outputs: Outputs) -> Around | None:
    """Return what the timeline is about when it is about an incident. Raises: UsageError U002."""
    if (options["incident"] is None) != (options["findings"] is None):
        hint = "give both: --incident I-0123456789 --findings findings.jsonl"
        raise UsageError("U002", "an incident is one of a file of findings", hint=hint)
    if options["incident"] is None:
        return None
    if options["around"]:
        raise UsageError("U002", "--incident gives the time, as --around does", hint="leave one of them out")
    outputs.check((options["findings"],))
    return around_incident(FindingsFile(options["findings"]), options["incident"])


def _range(around: tuple[str | None, str | None], window: str, since: str | None, until: str | None) -> tuple[str, str]:
    """Return the range of time that the options give. Raises: UsageError U002."""
    first, last = around
    if not first or not last:
        found = time_option(since), time_option(until)
    elif since or until:
        raise UsageError(
            "U002", "--around and --incident give the range of time, as --since and --until do", hint="leave one of them out"
        )
    else:
        size = _WINDOW.fullmatch(window)
        if not size:
            raise UsageError("U002", f"{window!r} is no window", hint="write for example 90s, 30m, 4h or 2d")
        begin, end = (datetime.fromisoformat(time_option(each)) for each in (first, last))
        reach = timedelta(**{_UNITS[size[2]]: int(size[1])})
        try:
            found = format_time(begin - reach), format_time(end + reach)
        except OverflowError:
            raise UsageError("U002", f"{window} around {first} is beyond all times", hint="give a shorter --window") from None
    if found[0] and found[1] and found[0] >= found[1]:
        raise UsageError("U002", f"--since {found[0]} is not before --until {found[1]}")
    return found


def _show(report: Report, path: Path | None, untimed: int) -> None:
    from rich.console import Console  # costs 50 ms

    from tocsin.cli.screen import show_timeline

    show_timeline(report, Console(stderr=path is None), str(path) if path else "", untimed)


__all__ = ["timeline"]
