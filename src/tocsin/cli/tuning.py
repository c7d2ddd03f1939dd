"""`tocsin tuning`: check a tuning file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from tocsin.cli.loading import day_option, load, read_site, rule_options
from tocsin.cli.words import counted
from tocsin.decisions import parse_tuning
from tocsin.decisions.parse import read_tuning
from tocsin.errors import UsageError
from tocsin.findings.text import safe_lines, safe_text
from tocsin.rules.filters import has_expired
from tocsin.runs.decisions import doubts, expired_note, known_rules, needs_site, soon_note

EXIT_PROBLEMS: Final = 4


@click.group()
def tuning() -> None:
    """Check a tuning file: what is suppressed or has another level, by whom, until when."""


@tuning.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@rule_options
@click.option("--today", metavar="DAY", help="The day by which entries have expired [default: today, UTC].")
def check(
    file: Path, rules: tuple[str, ...], packs: tuple[str, ...], config: Path | None, site: Path | None, today: str | None
) -> int:
    """Check a tuning file against rules and a site file: every problem with its place, then every entry.

    Exit code 4 when it has a problem. Names that are not known, and entries that have expired or soon will, are warnings.
    """
    day, found_site = day_option(today), read_site(site)
    try:
        entries, problems = parse_tuning(read_tuning(file), str(file))
    except OSError as error:
        raise UsageError("U004", f"{file}: cannot be read: {error.strerror}") from error
    problems += [needs_site(entry) for entry in entries if entry.needs_site and found_site is None]
    for problem in problems:
        click.echo(safe_lines(problem.render()) + "\n")
    warnings: list[str] = []
    if not problems:
        known = known_rules(load(rules, packs, config, found_site, day=day))
        for entry in entries:
            notes = [expired_note(entry)] if has_expired(entry.expires, day) else [soon_note(entry, day)]
            warnings += [note for note in (*notes, *doubts(entry, known, found_site)) if note]
    for warning in warnings:
        click.echo(safe_text(f"warning: {warning}"))
    click.echo(f"{counted(len(problems), 'problem')}, {counted(len(warnings), 'warning')}")
    if problems:
        return EXIT_PROBLEMS
    for entry in entries:
        what = f"level {entry.level}" if entry.level else entry.kind
        click.echo(safe_text(f"{what:<20} until {entry.expires}  {entry.owner}: {entry.title}"))
    return 0


__all__ = ["tuning"]
