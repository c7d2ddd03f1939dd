"""`tocsin tune`: from findings marked as false positives to a proven filter."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from tocsin.cli.loading import all_placeholders, load, read_site, rule_options
from tocsin.errors import UsageError
from tocsin.findings.text import safe_lines, safe_text
from tocsin.runs.marks import MARKS, Mark, Marks, read_marks, told
from tocsin.runs.outputs import check_not_read, check_output, writing
from tocsin.runs.packs import resolve_rules
from tocsin.runs.ruleset import read_rule_files
from tocsin.runs.tune import Refused, Tuned, TuneOptions, Tuning
from tocsin.tuning import Decision

EXIT_REFUSED: Final = 4
_STDIN: Final = "-"
_CUT: Final = 200
_LIST = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.argument("findings", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FINDINGS")
@click.option(
    "--false-positive",
    "false",
    type=_LIST,
    multiple=True,
    metavar="FILE",
    help="Findings that are false positives ('-': stdin).",
)
@click.option("--true", type=_LIST, multiple=True, metavar="FILE", help="Findings that are true and must stay.")
@click.option(
    "--marks", type=_LIST, multiple=True, metavar="FILE", help="Findings each with its mark: rule, path, record, mark."
)
@rule_options
@click.option("--owner", required=True, help="Who answers for the filter.")
@click.option("--reason", required=True, help="Why these findings are no attack.")
@click.option("--expires", required=True, metavar="DATE", help="The day from which the filter is to be judged anew.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the filter [default: show it].")
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@click.option("--password", multiple=True, help="Password to try on encrypted archives (repeatable).")
def tune(findings: Path, rules: tuple[str, ...], packs: tuple[str, ...], config: Path | None, **options: Any) -> int:
    """Propose the narrowest Sigma filter that removes findings marked as false positives, and prove it.

    FINDINGS are JSON Lines of 'tocsin scan -o', in which a line may have "mark": "false_positive" or "true". A filter is
    written only when every finding marked true and every positive test of the rule is still found with it.

    Exit codes: 0 done; 2 usage, or marks that cannot be used; 4 for a rule no filter proved right, the others are written.
    """
    decision = _decision(options["owner"], options["reason"], options["expires"])
    output: Path | None = options["output"]
    lists: list[tuple[Mark | None, Path]] = [("false_positive", path) for path in options["false"]]
    lists += [*(("true", path) for path in options["true"]), *((None, path) for path in options["marks"])]
    _check_output(output, [findings, *(path for _, path in lists)], options["force"])
    marks = _marks(lists)
    site = read_site(options["site"])
    files = read_rule_files(resolve_rules(rules, packs))
    found = load(rules, packs, config, site)
    chosen = TuneOptions(findings, decision, options["password"], output)
    results = Tuning(chosen, files, all_placeholders(config, site), found).run(marks)
    if not results:
        hint = f'give --false-positive FILE, --marks FILE, or lines with "mark": "{MARKS[0]}"'
        raise UsageError("T002", "no finding is marked as a false positive", hint=hint)
    tuned = [result for result in results if isinstance(result, Tuned)]
    for result in results:
        for line in _told(result) if isinstance(result, Tuned) else _refused(result):
            click.echo(line, err=True)
    if tuned:
        _write(tuned, output, (*rules, *packs))
    return EXIT_REFUSED if len(tuned) < len(results) else 0


def _decision(owner: str, reason: str, expires: str) -> Decision:
    """Return who decides what until when. Raises: UsageError U002 for an empty text, or a day that is none or past."""
    for name, text in (("--owner", owner), ("--reason", reason)):
        if not text.strip():
            raise UsageError("U002", f"{name} is empty", hint="a filter without it cannot be judged later")
    try:
        day = date.fromisoformat(expires)
    except ValueError as error:
        raise UsageError("U002", f"{expires!r} is no day", hint="write for example 2027-05-31") from error
    if day <= datetime.now(UTC).date():
        raise UsageError("U002", f"{expires} is not in the future", hint="an expired filter removes nothing")
    return Decision(owner.strip(), reason.strip(), day)


def _check_output(output: Path | None, read: Sequence[Path], force: bool) -> None:
    if output is None:
        return
    check_output(output)
    for path in read:
        check_not_read((output,), path, str(path))
    if output.exists() and not force:
        raise UsageError("U002", f"{output} is there already", hint="--force replaces it; or write to another file")


def _marks(lists: Sequence[tuple[Mark | None, Path]]) -> Marks:
    """Return the marks of lists. Raises: TuningError T001, UsageError U002 for an empty list."""
    marks = Marks()
    for mark, path in lists:
        with nullcontext(sys.stdin.buffer) if str(path) == _STDIN else path.open("rb") as file:
            stream: BinaryIO = file
            if not read_marks(stream, str(path), mark, marks):
                hint = "a search that found nothing would otherwise go unnoticed"
                raise UsageError("T001", f"{path}: no finding is in it", hint=hint)
    return marks


def _told(result: Tuned) -> list[str]:
    """Return what a filter does, and its proof, as lines."""
    proof = result.proof
    lines = [f"{result.rule.title}  ({result.rule.level}, {result.rule.id})", "the filter removes a finding when"]
    for number, selection in enumerate(result.proposal.selections):
        lines.append("  or when" if number else "")
        lines += [f"    {'and ' if at else ''}{feature.words()}" for at, feature in enumerate(selection)]
    lines = [line for line in lines if line]
    lines += [f"note: {note}" for note in result.cautions]
    total = f"{proof.of_unmarked:,}"
    lines += [
        "proof",
        f"  false positives removed   {proof.false_positives:,} of {proof.false_positives:,}",
        f"  true findings kept        {proof.true:,} of {proof.true:,}" + ("" if proof.true else "  (none is marked true)"),
        f"  positive tests kept       {proof.positive:,} of {proof.positive:,}"
        + ("" if proof.positive else "  (the rule has no test)"),
        f"  negative tests kept       {proof.negative:,} of {proof.negative:,}",
        f"  unmarked that would go    {proof.unmarked:,} of {total}",
        *(f"    {told(place)}" for place in proof.listed),
    ]
    if proof.unmarked > len(proof.listed):
        lines.append(f"    and {proof.unmarked - len(proof.listed):,} more")
    if proof.unknown:
        lines.append(f"  unmarked not looked at    {proof.unknown:,}")
    lines.append(f"  evidence scanned again    {_files(proof.scanned)}" + _absent(proof.absent))
    return [_cut(safe_text(line)) for line in lines] + [""]


def _absent(absent: Sequence[str]) -> str:
    return f"; of {len(absent):,} that are not there, the events that findings keep were evaluated" if absent else ""


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _refused(result: Refused) -> list[str]:
    heading = f"{result.title or result.rule or 'a rule without id'}: no filter"
    return [_cut(safe_text(heading)), *safe_lines(result.error.render()).splitlines(), ""]


def _cut(line: str) -> str:
    return line if len(line) <= _CUT else f"{line[: _CUT - 1]}…"


def _write(tuned: Sequence[Tuned], output: Path | None, rules: Sequence[str]) -> None:
    text = "---\n".join(result.text for result in tuned)
    with writing(output, None if output else sys.stdout.buffer) as out:
        out.write(text.encode())
    if output:
        count = "1 filter" if len(tuned) == 1 else f"{len(tuned):,} filters"
        given = [f"--rules {shlex.quote(item)}" for item in dict.fromkeys((*rules, str(output)))]
        click.echo(safe_text(f"{count}, written to {output}"), err=True)
        click.echo(safe_text(f"next: tocsin scan PATH {' '.join(given)}"), err=True)


__all__ = ["tune"]
