"""Options that several verbs share: which rules, with which placeholders."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from tocsin.decisions import load_tuning
from tocsin.errors import RuleError, UsageError
from tocsin.events.time import today
from tocsin.findings.text import safe_text
from tocsin.rules.documents import load_documents
from tocsin.runs.cache import RuleCache, default_cache_dir
from tocsin.runs.decisions import Tuning
from tocsin.runs.packs import resolve_rules
from tocsin.runs.ruleset import Progress, RuleSet, load_rules, read_rule_files
from tocsin.sites.parse import load_site
from tocsin.sites.placeholders import placeholders_of
from tocsin.sites.site import Site

F = TypeVar("F", bound=Callable[..., Any])


def rule_options(function: F) -> F:
    """Add --rules, --packs, --config and --site."""
    for option in (
        click.option(
            "--site",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Site file: zones, assets, conversations; it fills placeholders (see 'tocsin site').",
        ),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="YAML file with placeholders: {Name: [values]}.",
        ),
        click.option("--packs", multiple=True, metavar="NAME", help="Add an installed pack to --rules (repeatable)."),
        click.option(
            "--rules",
            multiple=True,
            metavar="PATH",
            help="File, folder, zip or pack to use instead of the installed packs; filters are added to them (repeatable).",
        ),
    ):
        function = option(function)
    return function


def load(
    rules: tuple[str, ...],
    packs: tuple[str, ...],
    config: Path | None,
    site: Site | None,
    quiet: bool = False,
    day: date | None = None,
) -> RuleSet:
    """Load the rules that the options name, with a bar on a terminal while they are compiled for the first time.

    A filter that has expired on the day (default: today) is told.
    """
    files = read_rule_files(resolve_rules(rules, packs))
    cache = RuleCache(default_cache_dir())
    placeholders = all_placeholders(config, site)
    progress: Progress = _no_bar if quiet else _bar
    found = load_rules(files, placeholders, cache, progress, day)
    if cache.problem:
        click.echo(f"note: {cache.problem} [O002]", err=True)
    for item in found.filters:
        if item.expired and not quiet:
            click.echo(safe_text(f"warning: {item.warning}"), err=True)
    return found


def day_option(text: str | None) -> date:
    """Return the day of an option, today without one. Raises: UsageError U002."""
    try:
        return date.fromisoformat(text) if text else today()
    except ValueError as error:
        raise UsageError("U002", f"{text!r} is no day", hint="write for example 2027-05-31") from error


def rule_texts(rules: tuple[str, ...], packs: tuple[str, ...]) -> dict[str, str]:
    """Return the text of every rule by the path that findings name."""
    files = read_rule_files(resolve_rules(rules, packs))
    return {file.label: file.text.decode("utf-8", "replace") for file in files}


def _no_bar(done: int, total: int) -> None:
    """Show nothing."""


def _bar(done: int, total: int) -> None:
    stream = sys.stderr
    if stream.isatty() and done % 50 == 0:
        width = 30 * done // max(1, total)
        end = "\r\033[K" if done + 50 >= total else ""
        stream.write(f"\rcompiling rules [{'#' * width:<30}] {100 * done // max(1, total)} %{end}")
        stream.flush()


def read_site(path: Path | None) -> Site | None:
    """Return the site of a file, or None without one. Raises: SiteError for a problem of it, UsageError U004."""
    if path is None:
        return None
    try:
        return load_site(path)
    except OSError as error:
        raise UsageError("U004", f"{path}: cannot be read: {error.strerror}") from error


def read_tuning(path: Path | None, day: date) -> Tuning | None:
    """Return what a tuning file decides as of a day, or None without one. Raises: TuningError, UsageError U004."""
    if path is None:
        return None
    try:
        return Tuning(tuple(load_tuning(path)), day)
    except OSError as error:
        raise UsageError("U004", f"{path}: cannot be read: {error.strerror}") from error


def all_placeholders(config: Path | None, site: Site | None) -> dict[str, list[str]]:
    """Return the placeholders that a site fills and those of a configuration file, which win where both have a name."""
    return (placeholders_of(site) if site else {}) | read_placeholders(config)


def read_placeholders(config: Path | None) -> dict[str, list[str]]:
    """Return the placeholders of a configuration file. Raises: UsageError U004 when it has another form."""
    if config is None:
        return {}
    try:
        documents = load_documents(config.read_bytes(), str(config))
    except RuleError as error:
        raise UsageError("U004", error.message, where=error.where, hint=error.hint) from error
    body = documents[0] if documents else None
    if not isinstance(body, dict) or set(body) != {"placeholders"}:
        raise UsageError("U004", f"{config}: expected the one key 'placeholders'", hint="placeholders: {Name: [values]}")
    found = body["placeholders"]
    if not isinstance(found, dict) or not all(isinstance(values, list) for values in found.values()):
        raise UsageError("U004", f"{config}: expected 'placeholders' with a list of values for each name")
    return {str(name): [str(value) for value in values] for name, values in found.items()}


__all__ = [
    "all_placeholders",
    "day_option",
    "load",
    "read_placeholders",
    "read_site",
    "read_tuning",
    "rule_options",
    "rule_texts",
]
