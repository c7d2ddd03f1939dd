"""`tocsin node import`, `export`, `withdraw`: files into a node, what an organisation may get of it, and back what it gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tocsin.cli.node_packages import need_node
from tocsin.errors import UsageError
from tocsin.findings.text import safe_lines, safe_text

if TYPE_CHECKING:
    from tocsin.runs.exchange_files import Imported

EXIT_REFUSED: Final = 4
_OF_A_FILE: Final = frozenset({"X001", "X002", "X003", "X004"})
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command("import")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True)
@click.option("--collection", required=True, metavar="NAME", help="The collection that they come into.")
@click.option("--as", "organisation", required=True, metavar="ORGANISATION", help="Whose the objects become.")
@click.option("--strict", is_flag=True, help="Have the validator of OASIS check each object too; slow.")
def import_files(folder: Path, files: Sequence[Path], collection: str, organisation: str, strict: bool) -> int:
    """Take files into the node of DIR: STIX, MISP events and feeds, CSAF, KEV, CSV, Sigma rules, findings of a scan.

    Their format is told by content. Exit code 4 when anything was refused; what was not is kept.
    """
    need_node()
    from tocsin.runs.exchange_files import import_file
    from tocsin.runs.node import at_work
    from tocsin.runs.rights import for_writing
    from tocsin.sharing.decisions import Caller

    refused = 0
    with at_work(folder) as node:
        caller = Caller(organisation)
        into = for_writing(node, caller, collection)
        for path in files:
            try:
                done = import_file(node, caller, into, path, strict=strict)
            except UsageError as error:
                if error.code not in _OF_A_FILE:
                    raise
                click.echo(safe_lines(error.render()))
                refused += 1
                continue
            _tell(path, done)
            refused += len(done.refused)
    return EXIT_REFUSED if refused else 0


def _tell(path: Path, done: Imported) -> None:
    """Print what became of a file: what was refused, what has no counterpart in STIX, and the receipts."""
    counts = {"taken": done.taken, "known": done.known, "refused": len(done.refused)}
    click.echo(safe_text(f"{path}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}"))
    levels = Counter(item.tlp for item in done.told if item.tlp is not None and not item.why_not)
    if levels:
        click.echo(f"  marked {', '.join(f'{tlp.label} {count:,}' for tlp, count in sorted(levels.items()))}")
    for item in done.refused:
        known_code = "" if item.why_not.endswith(f"[{item.code}]") else f" [{item.code}]"
        click.echo(safe_text(f"  refused: {item.place}: {item.why_not}{known_code}"))
    for item in done.left_out:
        click.echo(safe_text(f"  left out: {item.place}: {item.why_not}"))
    for receipt in done.receipts:
        click.echo(f"  receipt {receipt}")


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--to", required=True, type=click.Path(path_type=Path), metavar="PATH", help="A file, or a new folder for misp.")
@click.option(
    "--format", "form", type=click.Choice(["stix", "misp", "csv"]), required=True, help="A bundle, a MISP feed, or a table."
)
@click.option("--as", "organisation", required=True, metavar="ORGANISATION", help="Who gets it: what the rulebook gives it.")
@click.option("--purpose", "purposes", multiple=True, help="Purpose for which it gets it (repeatable).")
@click.option("--collection", default="", metavar="NAME", help="Of one collection [default: of all that it may read].")
def export(folder: Path, to: Path, form: str, **options: Any) -> int:
    """Write what ORGANISATION may get of the node of DIR: the last versions of objects, recorded as given to it."""
    need_node()
    from tocsin.runs.export_files import Form
    from tocsin.runs.export_files import export as write
    from tocsin.runs.node import at_work
    from tocsin.runs.rights import for_reading
    from tocsin.sharing.decisions import Caller

    with at_work(folder) as node:
        caller = Caller(options["organisation"], tuple(sorted(set(options["purposes"]))))
        done = write(node, caller, for_reading(node, caller, options["collection"]), to, Form(form))
    click.echo(safe_text(f"{to}: {done.objects:,} objects that {caller.organisation} may get"))
    for (code, why), count in sorted(Counter((item.code, item.why) for item in done.lost).items()):
        click.echo(safe_text(f"  left out: {f'{count:,} times ' if count > 1 else ''}{why} [{code}]"))
    if done.silent:
        click.echo(f"  {done.silent:,} are more restricted than they say themselves: x_tocsin_marks in the file tells it")
    for receipt in done.receipts:
        click.echo(f"  receipt {receipt}")
    return 0


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("stix_id", metavar="OBJECT")
@click.option(
    "--as", "organisation", required=True, metavar="ORGANISATION", help="Who put it there: nobody else may withdraw it."
)
@click.option("--collection", required=True, metavar="NAME", help="Where it is.")
def withdraw(folder: Path, stix_id: str, organisation: str, collection: str) -> int:
    """Withdraw all versions of OBJECT that ORGANISATION put into a collection, which it may even be unable to read."""
    need_node()
    from tocsin.runs.node import at_work
    from tocsin.runs.rights import named
    from tocsin.runs.withdraw import withdraw as take_back
    from tocsin.sharing.decisions import Caller

    with at_work(folder) as node:
        gone, receipt = take_back(node, Caller(organisation), named(node, collection), stix_id)
    click.echo(safe_text(f"withdrew {gone} version{'s' * (gone != 1)} of {stix_id} from {collection}"))
    click.echo(f"  receipt {receipt}")
    return 0


__all__ = ["export", "import_files", "withdraw"]
