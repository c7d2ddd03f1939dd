"""Which rule gives a caller a table, what the look of a table depends on, and what a change of shares newly gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final

import msgspec

from tocsin.sharing.decisions import TABLE, Caller, Label, Stage, consider
from tocsin.sharing.markings import read_refs
from tocsin.sharing.rulebook import Action, Rulebook
from tocsin.sharing.table_policies import TablePolicy
from tocsin.sharing.widening import Gain, expiries

_OWNER: Final = ""
"""Stands for the rule by which an owner gets its table."""


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A table as its share lists it: all that decides who gets it beside the rulebook. `refs` are the ids of its markings."""

    share: str
    name: str
    owner: str
    refs: tuple[str, ...]

    def label(self, book: Rulebook) -> Label:
        """Return the label that a rulebook decides by."""
        return Label(self.share, self.owner, TABLE, read_refs(self.refs, book.markings, book.default))


@dataclass(frozen=True, slots=True)
class Books:
    """A rulebook and the tables that are listed under it."""

    book: Rulebook
    tables: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class TableGrant:
    """How a caller gets a table: by which rule, empty for its owner, who gets all of it as it is; released from `k` on."""

    rule: str
    policy: TablePolicy | None
    k: int


def table_grant(book: Rulebook, caller: Caller, label: Label, name: str, today: date) -> TableGrant | None:
    """Return how a caller gets a table on a day, or None. Of several rules that give it, the first of the rulebook decides."""
    if caller.organisation not in book.organisations:
        return None
    if caller.organisation == label.owner:
        return TableGrant(_OWNER, None, 1)
    for rule in book.rules:
        given = (rule.tables or {}).get(name)
        if given is None or rule.may is not Action.READ:
            continue
        if consider(book, rule, caller, label, today).stage is Stage.GIVES:
            return TableGrant(rule.id, given, rule.k)
    return None


def tables_gained(old: Books, new: Books, today: date) -> Iterator[Gain]:
    """Yield what organisations newly get of tables that are listed otherwise than before, on this day in UTC or later. Pure.

    What a change of the rulebook gives of a table that is listed as before, `compare` tells.
    """
    known = {(item.share, item.name): item for item in old.tables}
    days = sorted({today, *(day for books in (old, new) for day in expiries(books.book) if day > today)})
    for table in sorted(new.tables):
        before = known.get((table.share, table.name))
        if table == before:
            continue
        for organisation in new.book.organisations:
            without: set[str] = set()
            for purpose in ("", *new.book.purposes):
                caller = Caller(organisation, (purpose,) if purpose else ())
                found = {gain.rule: gain for gain in reversed(list(_gained(old, new, (before, table), caller, days)))}
                yield from (gain for rule, gain in sorted(found.items()) if rule not in without)
                without |= set() if purpose else set(found)


def _gained(
    old: Books, new: Books, change: tuple[Listed | None, Listed], caller: Caller, days: Iterable[date]
) -> Iterator[Gain]:
    """Yield what a caller newly gets of one table on these days, in their order."""
    before, table = change
    label = table.label(new.book)
    for day in days:
        grant = table_grant(new.book, caller, label, table.name, day)
        had = table_grant(old.book, caller, before.label(old.book), before.name, day) if before else None
        if grant is None or _is_no_more(grant, had):
            continue
        purpose = caller.purposes[0] if caller.purposes else ""
        whose, marked = (table.owner,), (str(label.marking),)
        types = (f"the table {table.name}",)
        own = grant.rule == _OWNER
        yield Gain(caller.organisation, Action.READ, purpose, day, grant.rule, (table.share,), whose, types, marked, own)


def _is_no_more(grant: TableGrant, had: TableGrant | None) -> bool:
    """Return whether a grant shows nothing that another did not: an owner had all, a rule what looks the same."""
    if had is None or had.rule == _OWNER:
        return had is not None
    return grant.rule != _OWNER and grant.policy == had.policy and had.k <= grant.k


def policy_digest(*parts: object) -> str:
    """Return the SHA-256 of what decides how a table looks, as 64 hexadecimal digits."""
    return sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


__all__ = ["Books", "Listed", "TableGrant", "policy_digest", "table_grant", "tables_gained"]
