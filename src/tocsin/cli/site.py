"""`tocsin site`: check a site file, and propose one from network logs."""

from __future__ import annotations

from pathlib import Path

import click

from tocsin.cli.words import counted
from tocsin.errors import UsageError
from tocsin.findings import FileOutcome
from tocsin.findings.text import safe_lines, safe_text
from tocsin.runs.learn import learn_site
from tocsin.runs.outputs import check_output, writing
from tocsin.sites.baseline import CHECKS, missing
from tocsin.sites.parse import parse_site
from tocsin.sites.placeholders import placeholders_of
from tocsin.sites.site import Site
from tocsin.sites.write import site_text

EXIT_NOTHING_READ = 3
EXIT_PROBLEMS = 4
_LEARN_FROM = "hint: give logs of Zeek, with those of industrial protocols, or captures (pcap, pcapng); see docs/site-file.md"


@click.group()
def site() -> None:
    """Check a site file, or propose one from network logs."""


@site.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> int:
    """Check a site file: every problem with its place, then what it gives. Exit code 4 when it has a problem."""
    found, problems, warnings = parse_site(file.read_bytes(), str(file))
    for problem in problems:
        click.echo(safe_lines(problem.render()) + "\n")
    for warning in warnings:
        click.echo(safe_lines(f"warning: {warning.render()}") + "\n")
    click.echo(f"{counted(len(problems), 'problem')}, {counted(len(warnings), 'warning')}")
    if problems:
        return EXIT_PROBLEMS
    for line in describe(found):
        click.echo(safe_text(line))
    return 0


def describe(found: Site) -> list[str]:
    """Return what a site file gives: its parts counted, the placeholders that it fills, the checks that it allows."""
    parts = f"{len(found.zones)} zones, {len(found.assets)} assets, {len(found.conversations)} conversations"
    lines = [f"{found.name}: {parts}", "", "placeholders"]
    lines += [f"  %{name}% {len(values)} values" for name, values in placeholders_of(found).items()]
    lines += ["", "checks"]
    for item in CHECKS:
        reason = missing(found, item)
        lines.append(f"  {item.title}: {f'not evaluable: {reason}' if reason else 'can be evaluated'}")
    return lines


@site.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the file to FILE.")
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
def learn(paths: tuple[str, ...], output: Path | None, force: bool, password: tuple[str, ...]) -> int:
    """Propose a site file from Zeek logs or captures: who talks which protocol to whom, who writes, how often, when.

    The proposal takes everything that was seen for expected: go through it before you use it. Exit code 3 when no log tells of
    a conversation.
    """
    if output:
        check_output(output)
        if output.exists() and not force:
            hint = "write the proposal to another file and take over what is right, or replace it with --force"
            raise UsageError("U002", f"{output} is there already, and may hold what you wrote", hint=hint)
    learnt, outcomes = learn_site(paths, password)
    for outcome in outcomes:
        _tell(outcome)
    if not any(outcome.status != "skipped" for outcome in outcomes):
        why = "none of the files could be read" if outcomes else f"no file was found in {', '.join(paths)}"
        click.echo(f"{safe_text(f'nothing to learn from: {why}')}\n{_LEARN_FROM}", err=True)
        return EXIT_NOTHING_READ
    if not learnt.talks:
        click.echo("no conversation was seen: give logs of Zeek (conn, modbus, dnp3 ...) or captures of the network", err=True)
        return EXIT_NOTHING_READ
    text = site_text(learnt)
    if output is None:
        click.echo(text, nl=False)
        return 0
    with writing(output) as out:
        out.write(text.encode())
    parts = f"{len(learnt.zones)} zones, {len(learnt.devices)} assets, {len(learnt.talks)} conversations"
    click.echo(safe_text(f"wrote {output}: {parts}; a proposal to go through"))
    return 0


def _tell(outcome: FileOutcome) -> None:
    if outcome.status != "read":
        click.echo(safe_text(f"{outcome.path}: {outcome.status}: {outcome.reason}"), err=True)


__all__ = ["describe", "site"]
