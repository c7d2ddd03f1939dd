"""`tocsin incidents`: join the findings of a scan into incidents, each with its reasons."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import click
import msgspec

from tocsin.errors import SourceError
from tocsin.findings import Finding
from tocsin.findings.reading import read_findings
from tocsin.findings.text import safe_json, safe_text
from tocsin.incidents import MOST_FINDINGS, Incident, Process, join
from tocsin.runs.outputs import check_apart, check_output, writing

EXIT_NOTHING_READ: Final = 3
EXIT_INCOMPLETE: Final = 1
_SHOWN_INCIDENTS: Final = 10
_SHOWN_MEMBERS: Final = 12
_SHOWN_PROCESSES: Final = 20
_SHOWN_ERRORS: Final = 5
_WIDTH: Final = 150


@click.command()
@click.argument("findings", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), metavar="FINDINGS")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the incidents as JSON Lines.")
@click.option("-a", "--all", "everything", is_flag=True, help="Show every incident and finding.")
def incidents(findings: Path, output: Path | None, everything: bool) -> int:
    """Join findings (JSON Lines of `tocsin scan -o`; '-' is standard input) into incidents, and tell why.

    Exit codes: 0 done; 1 a line was no finding, the others were joined; 2 usage; 3 no finding could be read.
    """
    if output:
        check_output(output)
        check_apart((output, findings))
    reader = _Reader()
    if str(findings) == "-":
        joined = join(reader.read(sys.stdin.buffer, "-"))
    else:
        with findings.open("rb") as file:
            joined = join(reader.read(file, str(findings)))
    reader.tell()
    if joined.left_out:
        click.echo(f"{joined.left_out:,} findings beyond the first {MOST_FINDINGS:,} were not joined", err=True)
    if not reader.count:
        click.echo(safe_text(f"{findings}: no finding was read"), err=True)
        return EXIT_NOTHING_READ if reader.errors else 0
    if output:
        with writing(output) as out:
            for incident in joined.incidents:
                out.write(safe_json(msgspec.json.encode(incident)) + b"\n")
        click.echo(safe_text(f"{_sum(joined.incidents, reader.count)}, written to {output}"))
    else:
        _show(joined.incidents, reader.count, everything)
    return EXIT_INCOMPLETE if reader.errors or joined.left_out else 0


class _Reader:
    """Counts the findings that are read, and keeps the first errors."""

    def __init__(self) -> None:
        self.count = self.errors = 0
        self._first: list[SourceError] = []

    def read(self, file: BinaryIO, label: str) -> Iterator[Finding]:
        for item in read_findings(file, label):
            if isinstance(item, SourceError):
                self.errors += 1
                self._first += [item] if len(self._first) < _SHOWN_ERRORS else []
            else:
                self.count += 1
                yield item

    def tell(self) -> None:
        for error in self._first:
            click.echo(safe_text(f"not read: {error}"), err=True)
        if self.errors > len(self._first):
            click.echo(f"not read: {self.errors - len(self._first):,} more lines", err=True)


def _sum(found: Sequence[Incident], findings: int) -> str:
    nouns = "finding" if findings == 1 else "findings", "incident" if len(found) == 1 else "incidents"
    return f"{findings:,} {nouns[0]} in {len(found):,} {nouns[1]}"


def _show(found: Sequence[Incident], findings: int, everything: bool) -> None:
    """Print the incidents; text of findings is escaped."""
    click.echo(_sum(found, findings))
    shown = found if everything else found[:_SHOWN_INCIDENTS]
    for incident in shown:
        click.echo()
        click.echo(safe_text(f"{incident.id}  score {incident.score}  {incident.level}  {incident.title}"))
        for line in click.wrap_text(safe_text(incident.summary), width=96).splitlines():
            click.echo(f"  {line}")
        _show_members(incident, everything)
        _show_processes(incident, everything)
    if len(shown) < len(found):
        click.echo(f"\nand {len(found) - len(shown):,} more: see --all, or -o FILE")


def _show_members(incident: Incident, everything: bool) -> None:
    members = incident.members if everything else incident.members[:_SHOWN_MEMBERS]
    for member in members:
        why = f"  [{'; '.join(member.reasons)}]" if member.reasons else ""
        line = f"  {member.number:>6}  {member.time[11:19]}  {member.level:<8}  {member.title}{why}"
        click.echo(safe_text(line if everything else _cut(line)))
    if len(members) < incident.findings:
        click.echo(f"          and {incident.findings - len(members):,} more findings")


def _show_processes(incident: Incident, everything: bool) -> None:
    if len(incident.processes) < 2:
        return
    click.echo("  processes")
    shown = incident.processes if everything else incident.processes[:_SHOWN_PROCESSES]
    for process in shown:
        line = f"    {'  ' * process.depth}{_told(process)}"
        click.echo(safe_text(line if everything else _cut(line)))
    left = len(incident.processes) - len(shown) + incident.processes_left_out
    if left:
        click.echo(f"    and {left:,} more processes")


def _told(process: Process) -> str:
    name = process.command_line or process.image or "a process"
    numbers = f"  (findings {', '.join(map(str, process.findings))})" if process.findings else ""
    return f"{_cut(name, _WIDTH - 30)}{numbers}"


def _cut(line: str, width: int = _WIDTH) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


__all__ = ["incidents"]
