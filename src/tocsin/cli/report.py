"""`tocsin report`: make one page of findings, for people to read offline."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO, Final

import click
import msgspec

from tocsin.cli.loading import read_site, rule_texts
from tocsin.errors import UsageError
from tocsin.findings import Coverage
from tocsin.findings.reading import FindingsFile
from tocsin.findings.text import safe_text
from tocsin.incidents import MOST_FINDINGS, join
from tocsin.reports import Report, find_browser, print_pdf, write_report
from tocsin.runs.outputs import check_not_read, check_output, writing

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("findings", type=_FILE)
@click.option("--coverage", type=_FILE, metavar="FILE", help="What the scan looked at, as its --coverage wrote it.")
@click.option("--site", type=_FILE, metavar="FILE", help="Site file of the scan, for the picture of zones.")
@click.option("--rules", multiple=True, metavar="PATH", help="Rules of the scan, for their texts (repeatable).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="report.html", show_default=True, help="Write the page to FILE."
)
def report(findings: Path, coverage: Path | None, site: Path | None, rules: tuple[str, ...], output: Path) -> int:
    """Make a page of FINDINGS, which 'tocsin scan -o findings.jsonl' wrote: one HTML file that needs no network.

    The same findings give the same bytes. A FILE that ends in .pdf is the page on paper, printed by Chromium.
    """
    check_output(output)
    browser = find_browser() if output.suffix.lower() == ".pdf" else ""
    for path in (findings, coverage, site):
        if path is not None:
            check_not_read((output,), path, str(path))
    file = FindingsFile(findings)
    joined = join(file)
    if joined.left_out:
        click.echo(f"{joined.left_out:,} findings beyond the first {MOST_FINDINGS:,} were not joined to incidents", err=True)
    made = Report(_coverage(coverage), read_site(site), joined.incidents, rule_texts(rules, ()))
    with writing(output) as out:
        count = _print(out, browser, file, made) if browser else write_report(out, file, made)
    click.echo(safe_text(f"wrote {output}: a report of {count:,} finding{'' if count == 1 else 's'}"))
    return 0


def _print(out: BinaryIO, browser: str, findings: FindingsFile, made: Report) -> int:
    """Write the page as PDF and return how many findings it has."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        page = Path(folder) / "report.html"
        with page.open("wb") as file:
            count = write_report(file, findings, made)
        out.write(print_pdf(browser, page))
    return count


def _coverage(path: Path | None) -> Coverage | None:
    """Return the coverage of a file. Raises: UsageError U004 when it is none."""
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Coverage)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        hint = "give the file that 'tocsin scan --coverage FILE' wrote"
        raise UsageError("U004", f"{path}: is no coverage: {error}", hint=hint) from error


__all__ = ["report"]
