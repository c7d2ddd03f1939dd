"""`tocsin share`: check a rulebook, and ask it who would get what, why, and what a change of it would widen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec
from rich.cells import cell_len

from tocsin.cli.node_packages import need_node
from tocsin.cli.words import counted
from tocsin.errors import RulebookError
from tocsin.findings.text import safe_json, safe_lines, safe_text
from tocsin.rules.yaml_maps import placed
from tocsin.sharing.check import Checked, check
from tocsin.sharing.decisions import Considered, Stage
from tocsin.sharing.parse_rulebook import load_rulebook, parse_rulebook
from tocsin.sharing.rulebook import digest
from tocsin.sharing.simulate import Share
from tocsin.sharing.widening import compare

if TYPE_CHECKING:
    from tocsin.runs.share import Publication

EXIT_PROBLEMS: Final = 4
EXIT_WIDENS: Final = 10
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_PACKAGE: Final = click.Path(exists=True, path_type=Path)
"""What a node imports: a file, or the folder of a MISP feed."""
C = TypeVar("C", bound=Callable[..., Any])


def _day(_context: click.Context, _parameter: click.Parameter, value: datetime | None) -> date:
    return value.date() if value else datetime.now(UTC).date()


_day_option: Final = click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), callback=_day, metavar="DAY", help="Ask for another day than today, in UTC."
)
_json_option: Final = click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")


def _publication_options(command: C) -> C:
    """Add the options that say where and by whom a bundle would be published."""
    owner = click.option("--owner", default="", metavar="ORGANISATION", help="Who would publish it; else the operator.")
    collection = click.option("--collection", default="", metavar="NAME", help="Where; needed when rules name several.")
    return collection(owner(command))


@click.group()
def share() -> None:
    """Check a rulebook, and ask it who would get what."""


@share.command("check")
@click.argument("rulebook", type=_FILE)
@_day_option
@_json_option
def check_file(rulebook: Path, day: date, as_json: bool) -> int:
    """Check a rulebook: problems and contradictions with their places, then warnings. Exit code 4 when it has a problem.

    In the folder of a node it may name the collections and shares of node.yml, and no others.
    """
    text = rulebook.read_bytes()
    book, problems = parse_rulebook(text, str(rulebook), _collections_beside(rulebook))
    found = Checked(problems, []) if problems else check(book, day)
    found = Checked(placed(found.problems, text, str(rulebook)), placed(found.warnings, text, str(rulebook)))
    if as_json:
        _echo_json({"problems": _as_data(found.problems), "warnings": _as_data(found.warnings), "digest": digest(book)})
        return EXIT_PROBLEMS if found.problems else 0
    for problem in found.problems:
        click.echo(safe_lines(problem.render()) + "\n")
    for warning in found.warnings:
        click.echo(safe_lines(f"warning: {warning.render()}") + "\n")
    click.echo(f"{counted(len(found.problems), 'problem')}, {counted(len(found.warnings), 'warning')}")
    if problems:
        return EXIT_PROBLEMS
    parts = (("organisations", book.organisations), ("groups", book.groups), ("purposes", book.purposes), ("rules", book.rules))
    click.echo(safe_text(f"{book.community}: {', '.join(f'{len(part)} {name}' for name, part in parts)}"))
    click.echo(f"sha256 {digest(book)}")
    return EXIT_PROBLEMS if found.problems else 0


def _collections_beside(rulebook: Path) -> list[str] | None:
    """Return what a rulebook in the folder of a node can name, None for one that is elsewhere."""
    beside = rulebook.parent / "node.yml"
    if not beside.is_file():
        return None
    need_node()
    from tocsin.runs.node_file import read_node_file

    return read_node_file(beside).holding()


@share.command("simulate")
@click.argument("rulebook", type=_FILE)
@click.argument("file", type=_PACKAGE)
@_publication_options
@_day_option
@_json_option
def simulate_file(rulebook: Path, file: Path, collection: str, owner: str, day: date, as_json: bool) -> int:
    """Show who would get what of a FILE, if it were published: objects for each organisation and purpose.

    FILE is any that a node imports: a bundle of STIX, an event or the folder of a feed of MISP, an advisory, findings of a
    scan. Exit code 4 when a node would refuse some.
    """
    from tocsin.runs.share import read_publication, simulate_publication

    book = load_rulebook(rulebook)
    publication = read_publication(book, file, collection, owner)
    shares = simulate_publication(book, publication, day)
    refused = [str(item) for item in publication.refused]
    code = EXIT_PROBLEMS if refused else 0
    if as_json:
        told = {"collection": publication.collection, "owner": publication.owner, "day": day, "refused": refused}
        _echo_json({**told, "shares": shares})
        return code
    _show_publication(publication, day)
    partly = any(item.partly for item in shares)
    heads = ["organisation", "objects", *(["in part"] if partly else []), "no purpose", *book.purposes, "rules"]
    rows = [_share_row(item, len(publication.objects), partly=partly) for item in shares]
    _table(heads, rows, (1, len(heads) - 2))
    click.echo("\nwithheld")
    for item in shares:
        for why, count in item.withheld.items():
            click.echo(safe_text(f"  {item.organisation}: {count} of {len(publication.objects)}: {why}"))
    if refused:
        click.echo("\nrefused")
        for line in refused:
            click.echo(safe_text(f"  {line}"))
    return code


def _show_publication(publication: Publication, day: date) -> None:
    from tocsin.runs.share import count_published

    where = f"into {publication.collection}, by {publication.owner}, on {day}"
    click.echo(safe_text(f"{len(publication.objects)} objects {where}"))
    rows = [
        (str(count), label.type, ", a part ".join(map(str, (label.marking, *(part.marking for part in parts)))))
        for (label, parts), count in count_published(publication).most_common()
    ]
    _table(["objects", "type", "marking"], rows, (0, 0))
    click.echo()


def _share_row(item: Share, total: int, *, partly: bool) -> tuple[str, ...]:
    rules = ", ".join(name or "its own" for name in item.by_rule)
    counts = [*([item.partly] if partly else []), *item.by_purpose.values()]
    return item.organisation, f"{item.given}/{total}", *map(str, counts), rules


@share.command("explain")
@click.argument("rulebook", type=_FILE)
@click.argument("object_id", metavar="OBJECT")
@click.argument("recipient")
@click.option("--bundle", type=_PACKAGE, required=True, help="The STIX bundle, or another file, that holds the object.")
@click.option("--purpose", multiple=True, metavar="NAME", help="What the recipient asks for (repeatable); else all purposes.")
@_publication_options
@_day_option
@_json_option
def explain_decision(
    rulebook: Path, object_id: str, recipient: str, bundle: Path, day: date, as_json: bool, **options: Any
) -> int:
    """Say why RECIPIENT would get OBJECT, or not: the rule that decides, in a sentence, and what every other rule says."""
    from tocsin.runs.share import explain_object, read_publication

    book = load_rulebook(rulebook)
    publication = read_publication(book, bundle, options["collection"], options["owner"])
    told = explain_object(book, publication, object_id, recipient, options["purpose"], day)
    label, found = told.label, told.whole
    if as_json:
        parts = [{"selectors": selectors, "decision": decision} for selectors, decision in told.parts]
        decided = {"label": label, "marking": str(label.marking), "decision": found.decision}
        _echo_json({**decided, "parts": parts, "rules": _said(found.considered)})
        return 0
    verb = "gets" if found.decision.allowed else "does not get"
    click.echo(safe_text(f"{recipient} {verb} {object_id}: {found.decision.because}"))
    if found.purposes:
        click.echo(safe_text(f"for {', '.join(found.purposes)}"))
    for selectors, decision in told.parts if found.decision.allowed else ():
        word = "with" if decision.allowed else "without"
        click.echo(safe_text(f"{word} {', '.join(selectors)}: {decision.because}"))
    click.echo(f"\n{safe_text(f'{label.type} in {label.collection} of {label.owner}, {label.marking}')}\n")
    for item in found.considered:
        click.echo(safe_text(f"  {'+' if item.stage is Stage.GIVES else '-'} {item.rule} {item.why}"))
    return 0


@share.command("compare")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@_day_option
@_json_option
def compare_files(old: Path, new: Path, day: date, as_json: bool) -> int:
    """Say what a change from OLD to NEW newly allows, today or later: a second person has to approve it. Then exit code 10."""
    found = compare(load_rulebook(old), load_rulebook(new), day)
    if as_json:
        _echo_json({"widens": found.widens, "gains": found.gains, "others": found.others})
        return EXIT_WIDENS if found.widens else 0
    click.echo("the change widens access" if found.widens else "the change widens nothing")
    for sentence in (*map(str, found.gains), *found.others):
        click.echo(safe_text(f"  {sentence}"))
    return EXIT_WIDENS if found.widens else 0


def _said(considered: Sequence[Considered]) -> list[dict[str, object]]:
    return [{"rule": item.rule, "gives": item.stage is Stage.GIVES, "why": item.why} for item in considered]


def _as_data(found: Sequence[RulebookError]) -> list[dict[str, object]]:
    return [
        {
            "code": item.code,
            "message": item.message,
            "line": item.where.line if item.where else 0,
            "column": item.where.column if item.where else 0,
            "hint": item.hint,
        }
        for item in found
    ]


def _echo_json(data: object) -> None:
    click.echo(safe_json(msgspec.json.format(msgspec.json.encode(data), indent=2)))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: tuple[int, int]) -> None:
    """Print rows under their heads, whole; the columns from the first to the last of `numbers` stand to the right."""
    shown = [list(heads), *([safe_text(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[at]) for row in shown) for at in range(len(heads))]
    for row in shown:
        cells = []
        for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
            pad = " " * (width - cell_len(cell))
            cells.append(pad + cell if numbers[0] <= at <= numbers[1] else cell + pad)
        click.echo(f"  {'  '.join(cells)}".rstrip())


__all__ = ["share"]
