"""`tocsin hunt`: search all fields of all events for texts, expressions, networks, fields and indicators."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

import click
import msgspec

from tocsin.cli.scan import EXIT_FAILURE, Outputs, exit_code, interruptible, progress, tell, time_option
from tocsin.errors import UsageError
from tocsin.findings import Coverage, FoundSource, Report
from tocsin.indicators import Indicators, read_indicators
from tocsin.inquiries.search import Search, Terms
from tocsin.rules.rule import LEVELS
from tocsin.runs.hunt import Hunt
from tocsin.runs.outputs import check_apart
from tocsin.runs.readers import CHOICES
from tocsin.runs.ruleset import RuleSet
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS, Sink, make_sink

_FIRST: Final = 10
_SHOWN_VALUE: Final = 100


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="Events that hold TEXT in any case (repeatable).")
@click.option(
    "--regex", "regexes", multiple=True, metavar="EXPR", help="Events with a value in which EXPR is found (repeatable)."
)
@click.option("--cidr", "networks", multiple=True, metavar="NET", help="Events that hold an address of NET (repeatable).")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="Events whose field NAME is VALUE; * and ? are wildcards (repeatable).",
)
@click.option("--all", "every", is_flag=True, help="All values of a repeated option must be found, not just one.")
@click.option(
    "--indicators",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="STIX 2.1 bundle, MISP events as JSON, or CSV with the columns type,value or one column (repeatable).",
)
@click.option(
    "--since", metavar="TIME", help="Only events at or after TIME (RFC 3339 or a date, UTC), and those without a time."
)
@click.option("--until", metavar="TIME", help="Only events before TIME, and those without a time, which are counted.")
@click.option("-o", "--output", metavar="FILE", help="Write findings to FILE ('-': standard output).")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(SINKS)),
    help="Form of the findings [default: by FILE's name, else jsonl].",
)
@click.option("--coverage", metavar="FILE", help="Write what was looked at as JSON to FILE ('-': standard output).")
@click.option("--dedupe", is_flag=True, help="Give one finding for a record that was read twice.")
@click.option(
    "--fail-on", type=click.Choice(LEVELS), help="Leave with 10 when something was found: indicators are of level high."
)
@click.option("--strict", is_flag=True, help="Leave with 4 when an indicator or file could not be used in full.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Worker processes [default: one for each core].")
@click.option("--reader", type=click.Choice(CHOICES), default=CHOICES[0], help="Fast readers, slow ones, or what suits.")
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def hunt(paths: tuple[str, ...], indicators: tuple[Path, ...], **options: Any) -> int:
    """Search all fields of all events in files and folders of logs ('-': standard input), those of unknown logs too.

    Values of one option are alternatives; different options, and different fields, must all hold. With indicators each one
    found is a finding of its own, and the other options narrow down where.

    Exit codes: 0 done; 10 findings at or above --fail-on; 1 failure of Tocsin; 2 usage; 3 nothing readable;
    4 indicators or files failed under --strict; 130 interrupted.
    """
    outputs = Outputs.of(options["output"], options["form"], options["coverage"])
    outputs.check(indicators)
    known = read_indicators(indicators)
    since, until = time_option(options["since"]), time_option(options["until"])
    if since and until and since >= until:
        raise UsageError("U002", f"--since {since} is not before --until {until}")
    chosen = ScanOptions(
        paths=paths,
        output=outputs.findings,
        outputs=(outputs.coverage,) if outputs.coverage else (),
        since=since,
        until=until,
        jobs=options["jobs"] or 0,
        dedupe=options["dedupe"],
        passwords=options["password"],
        reader=options["reader"],
        inquiry=Hunt(_search(options, known, bool(since or until) and not indicators), known),
    )
    check_apart([path for path in (outputs.findings, outputs.coverage) if path])
    running = Scan(chosen, RuleSet([], []))
    shown = _First(make_sink(options["form"] or outputs.form))
    try:
        with interruptible(running), progress(options["quiet"]) as tick:
            running.run(shown, sys.stdout.buffer if outputs.stdout == "findings" else None, tick)
    finally:
        if running.report:
            tell(running.report, outputs, quiet=True)
            if not options["quiet"]:
                _show(running.report, outputs, shown.lines if not (outputs.findings or outputs.stdout) else [])
    return exit_code(running.report, options["fail_on"], options["strict"]) if running.report else EXIT_FAILURE


def _search(options: dict[str, Any], known: Indicators, whole: bool) -> Search:
    fields = []
    for text in options["fields"]:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError("U002", f"{text!r} is no NAME=VALUE", hint="write for example --field 'Image=*\\cmd.exe'")
        fields.append((name, value))
    terms = Terms(options["texts"], options["regexes"], options["networks"], tuple(fields), options["every"])
    if not known.found and known.unusable:
        raise UsageError("I004", f"none of {len(known.unusable):,} indicators can be looked for: {known.unusable[0].reason}")
    return Search(terms, known.found, whole)


class _Found(msgspec.Struct):
    """What the screen tells of a finding."""

    time: str
    host: str
    telemetry: str
    source: FoundSource
    matched: dict[str, dict[str, list[str]]]

    @property
    def lines(self) -> tuple[str, str]:
        """Return when and where it was found, then what, and the place in the evidence."""
        values = [(field, value) for fields in self.matched.values() for field, found in fields.items() for value in found[:1]]
        told = "; ".join(f"{field}={value[:_SHOWN_VALUE]}" for field, value in values[:2])
        place = f"{self.source.path}:{self.source.record}"
        head = "  ".join(part for part in (self.time[:19] or "(no time)", self.host, self.telemetry, place) if part)
        return head, f"  {told}"


_DECODER: Final = msgspec.json.Decoder(_Found)


class _First:
    """A sink that keeps the first findings for the screen, and hands all on."""

    name: ClassVar[str] = "first"

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.lines: list[tuple[str, str]] = []

    def begin(self, out: BinaryIO) -> None:
        """Hand on."""
        self._sink.begin(out)

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Keep one of the first, and hand it on."""
        if len(self.lines) < _FIRST:
            self.lines.append(_DECODER.decode(line).lines)
        self._sink.write(out, line)

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Hand on."""
        self._sink.end(out, coverage)


def _show(report: Report, outputs: Outputs, first: list[tuple[str, str]]) -> None:
    from rich.console import Console  # costs 50 ms

    from tocsin.cli.screen import show_hunt

    show_hunt(report, Console(stderr=bool(outputs.stdout)), str(outputs.findings) if outputs.findings else None, first)


__all__ = ["hunt"]
