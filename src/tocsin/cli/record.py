"""`tocsin record`: check and show an exported record or a receipt, without the node; export the record of a node.

What needs the packages of the extra `node` is imported when a command runs: other commands work without them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tocsin.errors import RecordError, UsageError
from tocsin.findings.text import safe_lines, safe_text
from tocsin.runs.outputs import check_output

if TYPE_CHECKING:
    from tocsin.records.entry import Entry
    from tocsin.records.verify import Trust, Verdict

EXIT_NOTHING_READ: Final = 3
EXIT_PROBLEMS: Final = 4
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_KEY_HELP: Final = "Public key of the log, or a file with such keys (repeatable)."
_WITNESS_HELP: Final = "Public key of a witness that has to have cosigned, or a file with such keys (repeatable)."
_SEEN_HELP: Final = "A checkpoint or receipt that you kept, with which the bundle has to agree (repeatable)."
_ROW: Final = "{:>9}  {:<19}  {:<11}  {:<24}  {:>7}  {}"


@click.group()
def record() -> None:
    """Check, show and export the record of decisions and releases."""


@record.command()
@click.argument("bundle", type=_FILE)
@click.option("--key", "keys", multiple=True, metavar="KEY", help=_KEY_HELP)
@click.option("--witness", "witnesses", multiple=True, metavar="KEY", help=_WITNESS_HELP)
@click.option("--checkpoint", "seen", multiple=True, type=_FILE, help=_SEEN_HELP)
def verify(bundle: Path, keys: tuple[str, ...], witnesses: tuple[str, ...], seen: tuple[Path, ...]) -> int:
    """Check an exported record or a receipt offline: every problem with its place.

    Exit code 4 when anything stands against it, also when no --key is given: nothing then shows who signed it. Exit code 3 when
    the file is neither.
    """
    _need_node()
    from tocsin.runs import record as runs

    trust = _trust(keys, witnesses, seen)
    try:
        verdict = runs.verify(bundle, trust)
    except RecordError as error:
        click.echo(safe_lines(error.render()), err=True)
        return EXIT_NOTHING_READ
    return _tell(verdict, trust)


@record.command()
@click.argument("bundle", type=_FILE)
@click.option("--key", "keys", multiple=True, metavar="KEY", help=_KEY_HELP)
@click.option("--objects", is_flag=True, help="List the objects of each entry.")
def show(bundle: Path, keys: tuple[str, ...], objects: bool) -> int:
    """Show the entries of an exported record or a receipt, and check it on the way. Exit codes as those of verify."""
    _need_node()
    from tocsin.runs import record as runs

    trust = _trust(keys, (), ())
    click.echo(_ROW.format("entry", "time (UTC)", "kind", "organisation", "objects", "rule, purposes, detail"))
    try:
        verdict = runs.verify(bundle, trust, lambda seq, entry: _show_entry(seq, entry, objects))
    except RecordError as error:
        click.echo(safe_lines(error.render()), err=True)
        return EXIT_NOTHING_READ
    click.echo()
    return _tell(verdict, trust)


@record.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Write the bundle to FILE."
)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, metavar="N", help="Begin with entry N; the first is 0.")
@click.option("--only", default="", metavar="ORGANISATION", help="Withhold the entries of other organisations.")
def export(folder: Path, output: Path, start: int, only: str) -> int:
    """Write the record of a node's FOLDER as a bundle that anybody can check; the node may be running."""
    _need_node()
    from tocsin.runs import record as runs

    check_output(output)
    done = runs.export_folder(folder, output, start, only)
    count = done.checkpoint.size - done.start
    click.echo(safe_text(f"wrote {output}: {count:,} entries of {done.checkpoint.origin}"))
    click.echo(safe_text(f"public key: {done.key}"))
    return 0


def _need_node() -> None:
    try:
        import cryptography  # noqa: F401 - whether it is there
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        hint = "install it with pip install 'tocsin[node]'"
        raise UsageError("L015", f"the record needs {error.name}, which is not installed", hint=hint) from error


def _trust(keys: tuple[str, ...], witnesses: tuple[str, ...], seen: tuple[Path, ...]) -> Trust:
    from tocsin.records.keys import Use
    from tocsin.records.verify import Trust
    from tocsin.runs.record import read_keys, read_seen

    try:
        return Trust(read_keys(keys, Use.LOG), read_keys(witnesses, Use.WITNESS), tuple(map(read_seen, seen)))
    except RecordError as error:
        raise UsageError(error.code, error.message, where=error.where, hint=error.hint) from error


def _show_entry(seq: int, entry: Entry, objects: bool) -> None:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.time_us // 1_000_000))
    said = [entry.rule, ", ".join(entry.purposes), " ".join(f"{key}={value}" for key, value in sorted(entry.detail.items()))]
    row = _ROW.format(seq, when, entry.kind, entry.organisation, len(entry.objects), "  ".join(filter(None, said)))
    click.echo(safe_text(row.rstrip()))
    for item in entry.objects if objects else ():
        click.echo(safe_text(f"{'':>11}{item.sha256}  {item.id}"))


def _tell(verdict: Verdict, trust: Trust) -> int:
    for problem in verdict.problems:
        click.echo(safe_lines(problem.render()) + "\n")
    if verdict.unlisted:
        click.echo(f"and {verdict.unlisted:,} more problems\n")
    for line in _summary(verdict, trust):
        click.echo(safe_text(line))
    return 0 if verdict.sound else EXIT_PROBLEMS


def _summary(verdict: Verdict, trust: Trust) -> list[str]:
    """Return what was checked, and the verdict last."""
    withheld = f", {verdict.withheld:,} withheld" if verdict.withheld else ""
    span = f"{verdict.start:,} to {verdict.to - 1:,}" if verdict.start < verdict.to else "none"
    lines = [
        f"log          {verdict.origin}",
        f"entries      {span}: {verdict.shown:,} shown{withheld}",
    ]
    if verdict.last:
        last = verdict.last.checkpoint
        lines.append(f"checkpoints  {verdict.checkpoints:,}, the last of {last.size:,} entries with root {last.root.hex()}")
        who = "signed by" if trust.keys else "signed by the bundle's own key of"
        lines.append(f"signatures   {who} {', '.join(key.name for key in verdict.last.signers)}")
    lines += [f"own key      {key}" for key in verdict.own_keys if not trust.keys]
    problems = len(verdict.problems) + verdict.unlisted
    told = f"NOT VERIFIED: {problems:,} problem{'s' * (problems != 1)}"
    return [*lines, "verified: every entry shown is in the log that was signed" if verdict.sound else told]


__all__ = ["record"]
