"""Hosts and accounts: who the findings name, the most serious first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tocsin.reports.facts import MOST_KEYS, Entries, Entry, Facts
from tocsin.reports.markup import Child, Markup, tag
from tocsin.reports.shown import choose, level_bar, note, section, table, when

_MOST: Final = 200
_MOST_NAMES: Final = 4


def hosts_section(facts: Facts) -> Markup:
    """Return both tables."""
    has_assets = bool(facts.assets)
    heads = ("Host", *(("Asset",) if has_assets else ()), "Findings", "By level", "First (UTC)", "Last (UTC)", "Accounts")
    hosts = _table("Hosts", heads, (_host(facts, name, entry, has_assets) for name, entry in _most(facts.hosts)))
    users = _table(
        "Accounts",
        ("Account", "Findings", "By level", "First (UTC)", "Last (UTC)", "Hosts"),
        (_user(name, entry, _largest(facts.users)) for name, entry in _most(facts.users)),
    )
    return section(
        "hosts",
        "Hosts and accounts",
        hosts if len(facts.hosts) else note("No finding names a host."),
        *_beyond(facts.hosts, "hosts"),
        users if len(facts.users) else note("No finding names an account."),
        *_beyond(facts.users, "accounts"),
        note("Accounts as the events name them, without their domain; those of computers are left out.")
        if len(facts.users)
        else None,
    )


def _table(caption: str, heads: tuple[str, ...], rows: Iterable[tuple[Child, ...]]) -> Markup:
    return table(caption, heads, rows, numeric="Findings", class_="wide")


def _most(entries: Entries[str]) -> list[tuple[str, Entry]]:
    return entries.ordered()[:_MOST]


def _largest(entries: Entries[str]) -> int:
    return max((entry.count for entry in entries.known.values()), default=1)


def _host(facts: Facts, name: str, entry: Entry, has_assets: bool) -> tuple[Child, ...]:
    asset = (facts.label(name),) if has_assets else ()
    return (choose("host", name, name), *asset, *_common(entry, _largest(facts.hosts)), _names(entry))


def _user(name: str, entry: Entry, most: int) -> tuple[Child, ...]:
    return (choose("user", name, name), *_common(entry, most), _names(entry))


def _common(entry: Entry, most: int) -> tuple[Child, ...]:
    return entry.count, level_bar(entry, most), when(entry.first), when(entry.last)


def _names(entry: Entry) -> Markup:
    names = sorted(entry.others.items(), key=lambda item: (-item[1], item[0]))
    more = f" +{len(names) - _MOST_NAMES}" if len(names) > _MOST_NAMES else ""
    return tag("span", ", ".join(name for name, _ in names[:_MOST_NAMES]) + more)


def _beyond(entries: Entries[str], what: str) -> Iterator[Markup]:
    if len(entries) > _MOST:
        yield note(f"{len(entries) - _MOST:,} more {what} are not listed; the filter of the findings has them.")
    if entries.beyond:
        yield note(f"Beyond the first {MOST_KEYS:,} {what}, {entries.beyond:,} findings name others, not counted here.")


__all__ = ["hosts_section"]
