"""`tocsin stats`: what is in the logs - events, computers, logons - and what is missing from them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from tocsin.cli.scan import EXIT_FAILURE, Outputs, exit_code, interruptible, progress, tell
from tocsin.errors import OutputError
from tocsin.findings.text import safe_json
from tocsin.inquiries.statistics import Summary
from tocsin.runs.outputs import writing
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.runs.statistics import StatisticsInquiry, joined
from tocsin.sinks import JsonLinesSink


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON to FILE.")
@click.option(
    "--gap",
    "gap_minutes",
    type=click.IntRange(1, 525_600),
    default=60,
    show_default=True,
    help="Shortest span without events that is told, in minutes.",
)
@click.option("--coverage", metavar="FILE", help="Write what was looked at as JSON to FILE.")
@click.option("--strict", is_flag=True, help="Leave with 4 when a file could not be read in full.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Worker processes [default: one for each core].")
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
@click.option("--quiet", is_flag=True, help="Print nothing but errors, and JSON where it was asked for.")
def stats(paths: tuple[str, ...], as_json: bool, output: Path | None, gap_minutes: int, **options: Any) -> int:
    """Count the events of files and folders of logs ('-': standard input) by log and id, computer and logon, and tell gaps.

    Gaps are spans without events that stand out in a log of a host, record numbers that are missing, and clocks that went back.

    Exit codes: 0 done; 1 failure of Tocsin; 2 usage; 3 nothing readable; 4 files failed under --strict; 130 interrupted.
    """
    outputs = Outputs.of(str(output) if output else None, None, options["coverage"])
    outputs.check(())
    if as_json and sys.stdout is None:
        raise OutputError("O001", "the statistics cannot be written: standard output is closed")
    chosen = ScanOptions(
        paths=paths,
        outputs=tuple(path for path in (output, outputs.coverage) if path),
        jobs=options["jobs"] or 0,
        passwords=options["password"],
        inquiry=StatisticsInquiry(),
    )
    running = Scan(chosen, RuleSet([], []))
    with interruptible(running), progress(options["quiet"]) as tick:
        report = running.run(JsonLinesSink(), None, tick)
    tell(report, outputs, quiet=True)
    summary = joined(running.answers).summary(60 * gap_minutes)
    summary.events, summary.complete = report.coverage.events, report.coverage.complete
    if output or as_json:
        with writing(output, None if output else sys.stdout.buffer) as out:
            out.write(_json(summary))
    if not options["quiet"] and not (as_json and not output):
        from rich.console import Console  # costs 50 ms

        from tocsin.cli.stats_screen import show_statistics

        show_statistics(summary, report, Console())
    return exit_code(report, None, options["strict"]) if running.report else EXIT_FAILURE


def _json(summary: Summary) -> bytes:
    return safe_json(msgspec.json.format(msgspec.json.encode(summary), indent=2)) + b"\n"


__all__ = ["stats"]
