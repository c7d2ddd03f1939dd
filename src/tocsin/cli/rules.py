"""`tocsin rules`: add, remove, list, check, test and show rules, and list the modifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path

import click

from tocsin.cli.loading import all_placeholders, day_option, load, read_site, rule_options
from tocsin.cli.words import counted
from tocsin.correlations.link import serving
from tocsin.correlations.plan import CorrelationPlan, condition_text
from tocsin.errors import TocsinError, UsageError
from tocsin.findings.text import safe_lines, safe_text
from tocsin.plans.explain import outline
from tocsin.plans.expr import Plan
from tocsin.rules.condition import write_condition
from tocsin.rules.documents import place
from tocsin.rules.lint import lint
from tocsin.rules.logsource import visible_events, why_no_source
from tocsin.rules.modifiers import MODIFIERS
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Meta
from tocsin.runs.outputs import check_output, writing
from tocsin.runs.packs import add_pack, installed_packs, remove_pack, resolve_rules, rule_paths, tested_by, waits_for_site
from tocsin.runs.rule_tests import junit, run_tests
from tocsin.runs.ruleset import Rejected, RuleFile, RuleSet, load_rules, read_rule_files

EXIT_REJECTED = 4
_NEAR = 3
_NAMED = 10


@click.group()
def rules() -> None:
    """Add, remove, list, check, test and show rules."""


@rules.command()
@click.argument("source", metavar="PATH|URL")
@click.option("--name", default="", help="Name of the pack [default: from PATH or URL].")
def add(source: str, name: str) -> int:
    """Install rules from a folder, a zip or an https address as a pack that every scan uses."""
    added = add_pack(source, name)
    filters = f"{added.filters:,} file{'s' if added.filters > 1 else ''} of filters, applied to the rules of all packs"
    click.echo(f"added pack {added.pack.name!r}: {filters if added.filters else _counts(added.rules)}")
    click.echo(safe_text(f"stored in {added.pack.path}"))
    invalid = [f"{item.note.path}: {item.note.reason}" for item in added.rules.rejected if item.outcome == "invalid"]
    _list("invalid", invalid)
    _list("left out, since it holds no rule", added.without_rules)
    for other, count in added.copies.items():
        which = "the rule of the pack that comes first in 'tocsin rules list' is used"
        click.echo(f"warning: {count:,} of its ids are in the pack {other!r} already: {which} [R005]")
    return 0


def _list(what: str, names: Sequence[str]) -> None:
    """Print the first names, and how many more there are."""
    for name in names[:_NAMED]:
        click.echo(safe_text(f"{what}: {name}"))
    if len(names) > _NAMED:
        click.echo(f"{what}: {len(names) - _NAMED:,} more")


def _counts(found: RuleSet) -> str:
    outcomes = Counter(item.outcome for item in found.rejected)
    return f"{found.size} rules compiled, {outcomes['unsupported']} unsupported, {outcomes['invalid']} invalid"


@rules.command()
@click.argument("name")
def remove(name: str) -> int:
    """Remove a pack that was added; scans use it no longer."""
    pack = remove_pack(name)
    click.echo(f"removed pack {pack.name!r}")
    click.echo(f"deleted {pack.path}")
    return 0


@rules.command(name="list")
@rule_options
def list_rules(rules: tuple[str, ...], packs: tuple[str, ...], config: Path | None, site: Path | None) -> int:
    """List the rules by logsource and title; those that cannot be used come last, with the reason."""
    found = load(rules, packs, config, read_site(site))
    for plan in sorted(found.plans, key=lambda plan: (plan.logsource.product, plan.logsource.category, plan.meta.title)):
        meta = plan.meta
        click.echo(safe_text(f"{meta.level:<13} {plan.logsource!s:<44} {meta.title}  {meta.id}"))
    for item in sorted(found.correlations, key=lambda item: (item.type, item.meta.title)):
        kind = f"correlation/{item.type}"
        click.echo(safe_text(f"{item.meta.level:<13} {kind:<44} {item.meta.title}  {item.meta.id}"))
    for bad in found.rejected:
        click.echo(safe_text(f"{bad.outcome:<13} {bad.note.title or bad.note.path}: {bad.note.reason}"))
    click.echo(_counts(found))
    if not (rules or packs):
        click.echo("packs: " + ", ".join(pack.name for pack in installed_packs()))
    return 0


@rules.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file with placeholders.")
@click.option("--site", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Site file that fills placeholders.")
@click.option("--today", metavar="DAY", help="The day by which filters have expired [default: today, UTC].")
def check(paths: tuple[str, ...], config: Path | None, site: Path | None, today: str | None) -> int:
    """Check rules and print every problem with its place, code and hint. Exit code 4 when a rule is unusable.

    Filters alone are checked with the installed packs, to which they are added.
    """
    day = day_option(today)
    files = read_rule_files(resolve_rules(paths, ()))
    found = load_rules(files, all_placeholders(config, read_site(site)), day=day)
    if not found.size and not found.rejected:
        raise UsageError("U004", f"{', '.join(paths)}: no rule file (.yml, .yaml)", hint="nothing was checked")
    given = {file.label for file in (read_rule_files(rule_paths(paths, ())) if paths else files)}
    rejected = [item for item in found.rejected if item.note.path in given]
    for item in rejected:
        _echo(f"{item.outcome}: {item.message}")
    warnings = [warning for file in files if file.label in given for warning in _warnings(file, day)]
    for warning in warnings:
        _echo(f"warning: {warning.render()}")
    click.echo(f"{_counts(found)}, {counted(len(warnings), 'warning')}")
    return 0 if all(waits_for_site(item.note) for item in rejected) else EXIT_REJECTED


@rules.command(name="test")
@click.argument("packs", nargs=-1, metavar="[FOLDER|PACK]...")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file with placeholders.")
@click.option("--site", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Site file that fills placeholders.")
@click.option("--junit", "junit_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the results as JUnit XML.")
def run_rule_tests(packs: tuple[str, ...], config: Path | None, site: Path | None, junit_path: Path | None) -> int:
    """Run the positive and negative tests of rules [default: of the packs that ship with Tocsin].

    Filters are applied: those of the folder and of added packs. A folder of filters alone is tried on the packs that ship. Exit
    code 4 when a rule fails its test or cannot be used, or when no rule has a test.
    """
    if junit_path:
        check_output(junit_path)
    placeholders = all_placeholders(config, read_site(site))
    folders, filters = tested_by(packs)
    results = [result for folder in folders for result in run_tests(folder, placeholders, filters)]
    for result in results:
        if result.outcome in ("failed", "unusable", "untested"):
            for problem in result.problems:
                click.echo(safe_text(f"{result.outcome}: {result.path}: {result.title}: {problem}"))
    if junit_path:
        with writing(junit_path) as out:
            out.write(junit(results, ", ".join(packs or [folder.name for folder in folders])))
    counts = Counter(result.outcome for result in results)
    click.echo(
        f"{counts['passed']} rules passed with {sum(result.events for result in results):,} events, {counts['failed']} failed, "
        f"{counts['untested']} without a test, {counts['unusable']} unusable, {counts['waiting']} waiting for a site file"
    )
    if counts["untested"] and not counts["passed"] and not counts["failed"]:
        click.echo("error: no rule has a test, so nothing was shown [U004]", err=True)
        return EXIT_REJECTED
    return EXIT_REJECTED if counts["failed"] or counts["unusable"] else 0


def _warnings(file: RuleFile, day: date) -> list[TocsinError]:
    found: list[TocsinError] = []
    for index, (_, parsed) in enumerate(parse_text(file.text, file.label)):
        if not isinstance(parsed, TocsinError):
            try:
                found += [place(warning, file.text, file.label, index) for warning in lint(parsed, day)]
            except TocsinError:
                continue  # the condition is wrong, which the outcome says already
    return found


def _echo(text: str) -> None:
    click.echo(safe_lines(text) + "\n")


@rules.command()
@click.argument("rule_id", metavar="ID")
@rule_options
def show(rule_id: str, rules: tuple[str, ...], packs: tuple[str, ...], config: Path | None, site: Path | None) -> int:
    """Show a rule: what it is, its condition after filters and placeholders, and the events that it can see."""
    found = load(rules, packs, config, read_site(site))
    plan = find_plan(found, rule_id)
    lines = describe(plan, found) if isinstance(plan, Plan) else describe_correlation(plan, found)
    for line in lines:
        click.echo(safe_text(line))
    return 0


def find_plan(found: RuleSet, wanted: str) -> Plan | CorrelationPlan:
    """Return the rule or correlation with an id, name or title.

    Raises: UsageError U001 when there is none, with those in the hint that are almost the same, or why it was rejected.
    """
    for plan in found.entries:
        if wanted in (plan.meta.id, plan.meta.name, plan.meta.title, plan.meta.path):
            return plan
    for item in found.rejected:
        if wanted in (item.note.id, item.note.title, item.note.path):
            raise unusable(item)
    raise UsageError("U001", f"no such rule: {wanted}", hint=_near(found, wanted))


def unusable(item: Rejected) -> UsageError:
    """Return the error for a rule that was asked for and cannot be used: its own, with the one code of that."""
    name = item.note.title or item.note.id or item.note.path
    message = f"rule {name!r} is {item.outcome}: {item.note.reason.removesuffix(f' [{item.code}]')}"
    return UsageError(item.code, message, hint=f"'tocsin rules check {item.note.path}' shows the place")


def _near(found: RuleSet, wanted: str) -> str:
    """Return a hint that names the rules whose id, name or title is almost what was asked for."""
    notes = [(plan.meta.id, plan.meta.name, plan.meta.title) for plan in found.entries]
    notes += [(item.note.id, "", item.note.title) for item in found.rejected]
    names = {text.casefold(): text for note in notes for text in note if text}
    close = [names[text] for text in get_close_matches(wanted.casefold(), names, _NEAR)]
    listing = "'tocsin rules list' shows ids and titles; --rules names other rules"
    return f"did you mean {' or '.join(map(repr, close))}? {listing}" if close else listing


def _heading(meta: Meta, more: Sequence[str]) -> list[str]:
    lines = [meta.title, f"id          {meta.id}", f"level       {meta.level}   status {meta.status or 'none'}"]
    lines += [f"author      {meta.author}"] if meta.author else []
    lines += [f"tags        {', '.join(meta.tags)}"] if meta.tags else []
    lines += [f"path        {meta.path}", *more]
    return lines + (["", *meta.description.splitlines()] if meta.description else [])


def describe(plan: Plan, found: RuleSet) -> list[str]:
    """Return the lines of `rules show` for a rule."""
    lines = _heading(plan.meta, [f"logsource   {plan.logsource}", *_serves(found, rule=found.plans.index(plan))])
    lines += ["", f"condition   {write_condition(plan.condition)}"]
    for name, expr in plan.selections.items():
        lines += [f"  {name}:", *(f"    {line}" for line in outline(expr))]
    lines += ["", "sees"]
    reason = why_no_source(plan.logsource)
    lines += [f"  nothing: {reason}"] if reason else [f"  {event}" for event in visible_events(plan.logsource)]
    return lines


def describe_correlation(plan: CorrelationPlan, found: RuleSet) -> list[str]:
    """Return the lines of `rules show` for a correlation."""
    serves = _serves(found, correlation=found.correlations.index(plan))
    lines = _heading(plan.meta, [f"correlation {plan.type}", *serves])
    lines += ["", f"condition   {condition_text(plan)}", f"grouped by  {', '.join(plan.group_by) or 'nothing'}", "rules"]
    for item in plan.inputs:
        named = [*zip(plan.group_by, item.groups, strict=True), *zip(plan.demand.fields, item.values, strict=True)]
        aliases = ", ".join(f"{name} is {field}" for name, field in named if name != field)
        lines.append(f"  {item.title}  {item.name}" + (f"  ({aliases})" if aliases else ""))
    lines += ["", "its rules report on their own too" if plan.generate else "its rules report nothing themselves"]
    return lines


def _serves(found: RuleSet, rule: int = -1, correlation: int = -1) -> list[str]:
    """Return a line that tells which correlations name a rule or correlation, if any does."""
    names = [
        plan.meta.title
        for plan in found.correlations
        for item in plan.inputs
        if (item.rule, item.correlation) == (rule, correlation)
    ]
    reports = serving(found.correlations).get(rule, True) if rule >= 0 else found.correlations[correlation].reported
    how = "" if reports else "   (reports nothing itself)"
    return [f"serves      {', '.join(names)}{how}"] if names else []


@rules.command()
def modifiers() -> int:
    """List the modifiers that rules may use."""
    for modifier in MODIFIERS.values():
        click.echo(f"{modifier.name:<13} {modifier.summary}")
    return 0


__all__ = ["describe", "describe_correlation", "find_plan", "rules", "unusable"]
