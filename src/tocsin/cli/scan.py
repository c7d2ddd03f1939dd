"""`tocsin scan`: read evidence, evaluate every rule on every event, report findings and coverage."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from tocsin.cli.loading import day_option, load, read_site, read_tuning, rule_options, rule_texts
from tocsin.errors import OutputError, UsageError
from tocsin.events.time import normal_time
from tocsin.findings import Report
from tocsin.findings.text import safe_json, safe_lines
from tocsin.rules.rule import LEVELS
from tocsin.runs.html_sink import HtmlSink
from tocsin.runs.outputs import check_apart, check_not_read, check_output, writing
from tocsin.runs.packs import waits_for_site
from tocsin.runs.readers import CHOICES, ENVIRONMENT, waits
from tocsin.runs.ruleset import rule_text
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS, Sink, make_sink

EXIT_FAILURE: Final = 1
EXIT_NOTHING_READ: Final = 3
EXIT_STRICT: Final = 4
EXIT_FOUND: Final = 10
EXIT_INTERRUPTED: Final = 130
_SHOWN_REASONS: Final = 10
_FORMATS: Final = {
    ".jsonl": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".html": "html",
    ".ocsf.ndjson": "ocsf",
    ".ecs.ndjson": "ecs",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    ".stix.json": "stix",
    ".navigator.json": "navigator",
    ".navigator-ics.json": "navigator-ics",
}
"""Forms by the end of a file's name; the longest end decides."""
_LEVEL = click.Choice(LEVELS)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@rule_options
@click.option("-o", "--output", metavar="FILE", help="Write findings to FILE ('-': standard output).")
@click.option(
    "--format",
    "form",
    type=click.Choice([*SINKS, HtmlSink.name]),
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
    metavar="FILE",
    help="Write what was looked at as JSON to FILE ('-': standard output).",
)
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
@click.option(
    "--tuning",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that suppresses findings or gives them another level (see 'tocsin tuning').",
)
@click.option(
    "--suppressed",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what filters and the tuning file suppress, a finding a line.",
)
@click.option("--today", metavar="DAY", help="The day by which filters and tuning have expired [default: today, UTC].")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def scan(paths: tuple[str, ...], rules: tuple[str, ...], packs: tuple[str, ...], config: Path | None, **options: Any) -> int:
    """Scan files and folders of logs ('-': standard input) and say what was found, and what could not be looked at.

    Exit codes: 0 done; 10 findings at or above --fail-on; 1 failure of Tocsin; 2 usage; 3 nothing readable;
    4 rules or files failed under --strict; 130 interrupted.
    """
    outputs = Outputs.of(options["output"], options["form"], options["coverage"], options["suppressed"])
    outputs.check((*rules, config, options["site"], options["tuning"]))
    day = day_option(options["today"])
    chosen = ScanOptions(
        paths=paths,
        output=outputs.findings,
        outputs=tuple(path for path in (outputs.coverage, outputs.suppressed) if path),
        level=options["level"],
        since=time_option(options["since"]),
        until=time_option(options["until"]),
        jobs=options["jobs"] or 0,
        dedupe=options["dedupe"],
        passwords=options["password"],
        reader=options["reader"],
        site=read_site(options["site"]),
        tuning=read_tuning(options["tuning"], day),
        suppressed=outputs.suppressed,
    )
    if chosen.since and chosen.until and chosen.since >= chosen.until:
        raise UsageError("U002", f"--since {chosen.since} is not before --until {chosen.until}")
    found = load(rules, packs, config, chosen.site, options["quiet"], day)
    if not found.size:
        for item in found.rejected[:_SHOWN_REASONS]:
            click.echo(safe_lines(item.message), err=True)
    running = Scan(chosen, found)
    if not options["quiet"] and waits(chosen.reader):
        click.echo("note: compiling the fast readers (once, half a minute)", err=True)
    try:
        with interruptible(running), progress(options["quiet"]) as tick:
            form = options["form"] or outputs.form
            if form == HtmlSink.name:
                sink: Sink = HtmlSink(chosen.site, rule_texts(rules, packs))
            else:
                sink = make_sink(form, assets=chosen.site is not None, rule_text=rule_text)
            running.run(sink, sys.stdout.buffer if outputs.stdout == "findings" else None, tick)
    finally:
        if running.compiling and not options["quiet"]:
            click.echo("note: the fast readers are being compiled in the background (once, half a minute)", err=True)
        if running.report:
            tell(running.report, outputs, options["quiet"])
    return exit_code(running.report, options["fail_on"], options["strict"]) if running.report else EXIT_FAILURE


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where findings and coverage go: to files, and one of them, by its name, to standard output."""

    findings: Path | None
    coverage: Path | None
    stdout: str
    form: str
    suppressed: Path | None = None

    @classmethod
    def of(cls, output: str | None, form: str | None, coverage: str | None, suppressed: Path | None = None) -> Outputs:
        """Return what the options say. Raises: UsageError U002 when both would go to standard output, O001 without one."""
        findings_out = output == "-" or (output is None and form is not None)
        if findings_out and coverage == "-":
            raise UsageError("U002", "findings and coverage would both go to standard output", hint="give one of them a file")
        stdout = "findings" if findings_out else "coverage" if coverage == "-" else ""
        if stdout and sys.stdout is None:
            raise OutputError("O001", f"the {stdout} cannot be written: standard output is closed")
        return cls(
            findings=None if findings_out or output is None else Path(output),
            coverage=None if coverage is None or coverage == "-" else Path(coverage),
            stdout=stdout,
            form=_form(Path(output or "").name),
            suppressed=suppressed,
        )

    def check(self, read: Iterable[str | Path | None]) -> None:
        """Find out before a long scan what would make results impossible to write, or overwrite a file that is read."""
        files = [path for path in (self.findings, self.coverage, self.suppressed) if path is not None]
        for path in files:
            check_output(path)
        check_apart(files)
        for other in read:
            if other and Path(other).is_file():
                check_not_read(files, Path(other), str(other))


def _form(name: str) -> str:
    ends = [end for end in _FORMATS if name.endswith(end)]
    return _FORMATS[max(ends, key=len)] if ends else "jsonl"


def tell(report: Report, outputs: Outputs, quiet: bool) -> None:
    """Show the end of a scan and write the coverage; what cannot be written keeps nothing else from being told."""
    try:
        if outputs.coverage or outputs.stdout == "coverage":
            text = safe_json(msgspec.json.format(msgspec.json.encode(report.coverage), indent=2)) + b"\n"
            with writing(outputs.coverage, None if outputs.coverage else sys.stdout.buffer) as out:
                out.write(text)
    finally:
        if not quiet:
            _show(report, outputs)


def time_option(text: str | None) -> str:
    """Return the time that an option gives, or an empty text. Raises: UsageError U002."""
    if not text:
        return ""
    found = normal_time(text if len(text) > 10 else f"{text}T00:00:00Z")
    if not found:
        raise UsageError("U002", f"{text!r} is no time", hint="write for example 2026-10-03 or 2026-10-03T06:00:00Z")
    return found


@contextmanager
def interruptible(running: Scan) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into an early, orderly end."""
    told: list[int] = []

    def stop(number: int, frame: object) -> None:
        running.interrupt()
        if not told:
            told.append(number)
            click.echo("\nending early: writing what was found so far", err=True)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int, int, int], None]]:
    """Give what shows how far a scan is; nothing where nobody looks."""
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


def _show(report: Report, outputs: Outputs) -> None:
    from rich.console import Console

    from tocsin.cli.screen import show_report

    show_report(report, Console(stderr=bool(outputs.stdout)), str(outputs.findings) if outputs.findings else None)


def exit_code(report: Report, fail_on: str | None, strict: bool) -> int:
    """Return the exit code of a scan, the worst that applies."""
    coverage = report.coverage
    if coverage.interrupted:
        return EXIT_INTERRUPTED
    if any("[E003]" in file.reason for file in coverage.files):
        return EXIT_FAILURE
    if not any(file.status != "skipped" for file in coverage.files):
        return EXIT_NOTHING_READ
    rules = coverage.rules
    unusable = [note for note in rules.unsupported if not waits_for_site(note)]
    limited = any("[E004]" in note.reason for note in rules.left_out)
    if strict and (rules.invalid or unusable or rules.failed or limited or any(f.status != "read" for f in coverage.files)):
        return EXIT_STRICT
    wanted = LEVELS[LEVELS.index(fail_on) :] if fail_on else ()
    return EXIT_FOUND if any(report.tally.levels[level] for level in wanted) else 0


__all__ = ["EXIT_FAILURE", "Outputs", "exit_code", "interruptible", "progress", "scan", "tell", "time_option"]
