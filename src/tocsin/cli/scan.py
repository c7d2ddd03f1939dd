"""`tocsin scan`: read evidence, evaluate every rule on every event, report findings and coverage."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from tocsin.cli.loading import load, rule_options
from tocsin.errors import OutputError, UsageError
from tocsin.events.time import normal_time
from tocsin.findings import Coverage, Report
from tocsin.findings.text import safe_json, safe_lines
from tocsin.rules.rule import LEVELS
from tocsin.runs.readers import CHOICES, ENVIRONMENT
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS

EXIT_FAILURE: Final = 1
EXIT_NOTHING_READ: Final = 3
EXIT_STRICT: Final = 4
EXIT_FOUND: Final = 10
EXIT_INTERRUPTED: Final = 130
_SHOWN_REASONS: Final = 10
_FORMATS: Final = {".jsonl": "jsonl", ".json": "json", ".csv": "csv"}
_LEVEL = click.Choice(LEVELS)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@rule_options
@click.option("-o", "--output", metavar="FILE", help="Write findings to FILE ('-': standard output).")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(SINKS)),
    help="Form of the findings [default: by FILE's name, else jsonl].",
)
@click.option("--level", type=_LEVEL, default=LEVELS[0], show_default=True, help="Evaluate rules of this level and above.")
@click.option(
    "--since", metavar="TIME", help="Only findings at or after TIME (RFC 3339 or a date, UTC), and those without a time."
)
@click.option("--until", metavar="TIME", help="Only findings before TIME, and those without a time, which are counted.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Worker processes [default: one for each core].")
@click.option(
    "--reader",
    type=click.Choice(CHOICES),
    default=CHOICES[0],
    show_default=True,
    help=f"Fast readers, slow ones, or what suits the input; {ENVIRONMENT} sets the default.",
)
@click.option("--dedupe", is_flag=True, help="Give one finding for a record that was read twice.")
@click.option("--fail-on", type=_LEVEL, help="Leave with 10 when there is a finding of this level or above.")
@click.option("--strict", is_flag=True, help="Leave with 4 when a rule or file could not be used in full.")
@click.option(
    "--coverage",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what was looked at as JSON.",
)
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def scan(paths: tuple[str, ...], rules: tuple[str, ...], packs: tuple[str, ...], config: Path | None, **options: Any) -> int:
    """Scan files and folders of logs ('-': standard input) and say what was found, and what could not be looked at.

    Exit codes: 0 done; 10 findings at or above --fail-on; 1 failure of Tocsin; 2 usage; 3 nothing readable;
    4 rules or files failed under --strict; 130 interrupted.
    """
    output = options["output"]
    to_stdout = output == "-" or (output is None and options["form"] is not None)
    chosen = ScanOptions(
        paths=paths,
        output=None if to_stdout or output is None else Path(output),
        level=options["level"],
        since=_time(options["since"]),
        until=_time(options["until"]),
        jobs=options["jobs"] or 0,
        dedupe=options["dedupe"],
        passwords=options["password"],
        reader=options["reader"],
    )
    _check_outputs(chosen, options["coverage"])
    form = options["form"] or _FORMATS.get(Path(output or "").suffix, "jsonl")
    found = load(rules, packs, config, options["quiet"])
    if not found.plans:
        for item in found.rejected[:_SHOWN_REASONS]:
            click.echo(safe_lines(item.message), err=True)
    running = Scan(chosen, found)
    out: BinaryIO | None = sys.stdout.buffer if to_stdout else None
    with _interruptible(running), _progress(options["quiet"]) as tick:
        report = running.run(SINKS[form](), out, tick)
    if running.compiling and not options["quiet"]:
        click.echo("note: the fast readers are being compiled in the background (once, half a minute)", err=True)
    if options["coverage"]:
        _write_coverage(options["coverage"], report.coverage)
    if not options["quiet"]:
        _show(report, output, to_stdout)
    return _exit_code(report, options["fail_on"], options["strict"])


def _check_outputs(chosen: ScanOptions, coverage: Path | None) -> None:
    """Find out before a long scan what would make its results impossible to write."""
    for path in (chosen.output, coverage):
        if path is not None and (not path.name or not path.parent.is_dir() or path.is_dir()):
            raise UsageError("U002", f"{path} cannot be written: there is no such folder, or it is one")
    if chosen.since and chosen.until and chosen.since >= chosen.until:
        raise UsageError("U002", f"--since {chosen.since} is not before --until {chosen.until}")


def _time(text: str | None) -> str:
    if not text:
        return ""
    found = normal_time(text if len(text) > 10 else f"{text}T00:00:00Z")
    if not found:
        raise UsageError("U002", f"{text!r} is no time", hint="write for example 2026-10-03 or 2026-10-03T06:00:00Z")
    return found


@contextmanager
def _interruptible(running: Scan) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into an early, orderly end."""

    def stop(number: int, frame: object) -> None:
        running.interrupt()
        click.echo("\nending early: writing what was found so far", err=True)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int, int, int], None]]:
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, events, findings: None
        return
    from rich.console import Console  # costs 50 ms: not for a scan in a pipe

    from tocsin.cli.screen import ScanProgress

    bar: list[ScanProgress] = []

    def tick(done: int, total: int, events: int, findings: int) -> None:
        if not bar:
            bar.append(ScanProgress(Console(stderr=True), total))
        bar[0].update(done, events, findings)

    try:
        yield tick
    finally:
        for shown in bar:
            shown.close()


def _write_coverage(path: Path, coverage: Coverage) -> None:
    try:
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(safe_json(msgspec.json.format(msgspec.json.encode(coverage), indent=2)) + b"\n")
        part.replace(path)
    except OSError as error:
        raise OutputError("O001", f"{path}: cannot be written: {error.strerror}", hint="check folder and free space") from error


def _show(report: Report, output: str | None, to_stdout: bool) -> None:
    from rich.console import Console

    from tocsin.cli.screen import show_report

    show_report(report, Console(stderr=to_stdout), None if to_stdout else output)


def _exit_code(report: Report, fail_on: str | None, strict: bool) -> int:
    coverage = report.coverage
    if not coverage.complete:
        return EXIT_INTERRUPTED
    if any("[E003]" in file.reason for file in coverage.files):
        return EXIT_FAILURE
    if not any(file.status != "skipped" for file in coverage.files):
        return EXIT_NOTHING_READ
    rules = coverage.rules
    if strict and (rules.invalid or rules.unsupported or rules.failed or any(f.status != "read" for f in coverage.files)):
        return EXIT_STRICT
    wanted = LEVELS[LEVELS.index(fail_on) :] if fail_on else ()
    return EXIT_FOUND if any(report.tally.levels[level] for level in wanted) else 0


__all__ = ["scan"]
