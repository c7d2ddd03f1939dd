"""`tocsin node profile` and `preview`: give a recipient its profile file of Delta Sharing; see what it would get."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tocsin.cli.node_packages import need_node
from tocsin.errors import NodeError, OutputError, TableError
from tocsin.findings.text import safe_text

if TYPE_CHECKING:
    from tocsin.runs.node import Node
    from tocsin.runs.tables import Preview

_DAY_US: Final = 24 * 3600 * 1_000_000
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_WIDEST: Final = 40
EXIT_HELD_BACK: Final = 10


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("organisation")
@click.option("-o", "--output", type=_FILE, required=True, metavar="FILE", help="The profile to write, such as partner.share.")
@click.option("--url", metavar="URL", help="Where the node is reached [default: public_url of node.yml].")
@click.option("--purpose", "purposes", multiple=True, help="Purpose for which it is used (repeatable).")
@click.option("--holder", default="", metavar="NAME", help="The person or program that it is for, as the record shall name it.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Days until it expires.")
@click.option("--from", "networks", multiple=True, metavar="NETWORK", help="Network it may be used from [default: any].")
@click.option(
    "--instead-of", metavar="TOKEN-ID", help="Token of an earlier profile, which is revoked when this one is written."
)
def profile(folder: Path, organisation: str, output: Path, **options: Any) -> None:
    """Write a profile file of Delta Sharing for ORGANISATION: it holds a token, and opens its tables for who has it."""
    need_node()
    from tocsin.runs.node import check_caller, issue_token, open_node
    from tocsin.sharing.decisions import Caller
    from tocsin.stores.tokens import Role, Terms

    opened = open_node(folder)
    try:
        url = options["url"] or opened.file.public_url or f"http://{opened.file.listen}"
        expires = opened.clock() + options["days"] * _DAY_US
        terms = Terms((Role.READ,), expires, tuple(options["networks"]), options["holder"])
        check_caller(opened.rules.book, Caller(organisation, tuple(options["purposes"])))
        with os.fdopen(_new(output), "w") as file, ExitStack() as unfinished:
            unfinished.callback(output.unlink)
            token = issue_token(opened, Caller(organisation, tuple(options["purposes"])), terms)
            until = datetime.fromtimestamp(expires / 1e6, UTC).isoformat(timespec="seconds")
            endpoint = f"{url.rstrip('/')}/delta-sharing"
            body = {"shareCredentialsVersion": 1, "endpoint": endpoint, "bearerToken": token, "expirationTime": until}
            file.write(json.dumps(body, indent=2) + "\n")
            unfinished.pop_all()
        old = options["instead_of"]
        if old and not opened.tokens.revoke(old):
            hint = "the new profile holds; its id is the part between the underscores"
            raise NodeError("N007", f"there is no token {safe_text(old)} to revoke", hint=hint)
    finally:
        opened.close()
    name = token.split("_")[1]
    click.echo(f"{output} is for {safe_text(organisation)}, until {until}; 'tocsin node revoke {folder} {name}' revokes it.")


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("organisation")
@click.argument("table", required=False, metavar="[SHARE/TABLE]")
@click.option("--purpose", "purposes", multiple=True, help="Purpose for which it asks (repeatable).")
@click.option(
    "--rulebook",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another than the one in force, with the shares as node.yml has them now.",
)
@click.option("--rows", type=click.IntRange(0, 10_000), default=10, show_default=True, help="How many rows to show.")
def preview(folder: Path, organisation: str, table: str | None, **options: Any) -> int:
    """Show what ORGANISATION would get of a table, or of all: its rows, and how many look alike. Nothing is released.

    Exit code 10: a table would be held back, since fewer look alike than the rule's k.
    """
    need_node()
    from tocsin.runs.node import check_caller, open_node
    from tocsin.sharing.decisions import Caller
    from tocsin.sharing.parse_rulebook import load_rulebook

    opened = open_node(folder)
    try:
        path = options["rulebook"]
        proposed = opened.tables.proposed(load_rulebook(path, opened.file.holding())) if path else None
        books = proposed or opened.rules.books
        caller = Caller(organisation, tuple(sorted(set(options["purposes"]))))
        check_caller(books.book, caller)
        held = False
        found = 0
        for share, name in _asked(opened, table):
            given = opened.tables.find(caller, share, name, books)
            if given is None:
                known = (share, name) in [(item.share, item.name) for item in books.tables]
                why = "" if known else f": it is not adopted yet ('tocsin node adopt {folder}')"
                click.echo(f"{share}/{name}: {safe_text(organisation)} gets nothing of it{why}\n")
                continue
            found += 1
            seen = opened.tables.preview(given, options["rows"])
            held |= _is_held_back(seen)
            _show(seen)
    finally:
        opened.close()
    if not found:
        click.echo("No table is given.", err=True)
    return EXIT_HELD_BACK if held else 0


def _asked(opened: Node, table: str | None) -> list[tuple[str, str]]:
    """Return the share and the name of each table that is asked for. Raises: TableError D008."""
    known = [(item.share, item.name) for item in opened.tables.all]
    if table is None:
        return known
    share, _, name = table.partition("/")
    wanted = (share, name if "." in name else f"default.{name}")
    if wanted not in known:
        names = ", ".join(f"{share}/{name}" for share, name in known) or "none"
        raise TableError("D008", f"the node has no table {safe_text(table)}", hint=f"it has {names}")
    return [wanted]


def _is_held_back(seen: Preview) -> bool:
    return seen.alike.rows > 0 and seen.given.grant.k > 1 and seen.alike.smallest < seen.given.grant.k


def _show(seen: Preview) -> None:
    """Print a preview as text."""
    table, grant, alike = seen.given.table, seen.given.grant, seen.alike
    by = f"by rule {grant.rule}" if grant.rule else "as its owner"
    click.echo(f"{table.share}/{table.name}: {alike.rows:,} rows for {safe_text(seen.given.recipient)}, {by}")
    identifying = ", ".join(grant.policy.identifying()) if grant.policy else ""
    if identifying:
        click.echo(f"  {alike.groups:,} groups look alike by {safe_text(identifying)}; the smallest has {alike.smallest:,}")
    if _is_held_back(seen):
        click.echo(f"  HELD BACK: the rule wants {grant.k:,}; {alike.below:,} groups, with {alike.rows_below:,}, are smaller")
    for name, count in sorted(seen.unreadable.items()):
        click.echo(f"  {count:,} values of {safe_text(name)} are no addresses, and given as null")
    rows = [[_cell(value) for value in row.values()] for row in seen.rows.to_pylist()]
    names = [safe_text(name) for name in seen.rows.column_names]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)] if names else []
    for row in (names, *rows) if rows else ():
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo()


def _cell(value: object) -> str:
    text = "-" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
    text = safe_text(text)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _new(path: Path) -> int:
    """Open a new file that only its owner may read. Raises: OutputError O001."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        hint = "give a file that is not there yet" if isinstance(error, FileExistsError) else ""
        raise OutputError("O001", f"{path} cannot be written: {error.strerror}", hint=hint) from error


__all__ = ["preview", "profile"]
