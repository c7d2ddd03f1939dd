"""Which rule gives a caller a table, and what the look of a table depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import msgspec

from tocsin.sharing.decisions import Caller, Label, Stage, consider
from tocsin.sharing.rulebook import Action, Rulebook
from tocsin.sharing.table_policies import TablePolicy


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
        return TableGrant("", None, 1)
    for rule in book.rules:
        given = (rule.tables or {}).get(name)
        if given is None or rule.may is not Action.READ:
            continue
        if consider(book, rule, caller, label, today).stage is Stage.GIVES:
            return TableGrant(rule.id, given, rule.k)
    return None


def policy_digest(*parts: object) -> str:
    """Return the SHA-256 of what decides how a table looks, as 64 hexadecimal digits."""
    return sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


__all__ = ["TableGrant", "policy_digest", "table_grant"]
