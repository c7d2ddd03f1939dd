"""Take a node's `rulebook.yml` in force, with the shares of `node.yml`: both decide who gets what.

A change that widens access needs two people, each with a token of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from tocsin.errors import NodeError, RulebookError
from tocsin.records.entry import Kind, decode
from tocsin.rules.yaml_maps import placed
from tocsin.runs.node import RULEBOOK, Node
from tocsin.sharing.check import check
from tocsin.sharing.decisions import Caller
from tocsin.sharing.parse_rulebook import load_rulebook
from tocsin.sharing.rulebook import digest
from tocsin.sharing.tables import Books, tables_gained
from tocsin.sharing.widening import Widening, compare
from tocsin.stores import record
from tocsin.stores.database import writing
from tocsin.stores.grants import refresh
from tocsin.stores.rulebooks import Approval, Rules, approvals, approve, digest_in_force, digest_of_both, put_in_force
from tocsin.stores.tokens import Access, Role

APPROVERS: Final = 2
"""How many people have to approve what widens access; who changed the file may be one of them."""
_NOTHING: Final = Widening((), ())
_USED: Final = {Kind.WRITE, Kind.RELEASE}


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of a rulebook and the shares: whether they are `in_force`, and were before, and what they widen.

    `digest` is the rulebook's. `holders` are those who approved the change so far.
    `setup` says that the node had taken and given nothing yet, so that nobody had to approve. `problems` are contradictions in
    the rulebook, with their places: no marking is given away by them, but a rule does not do what it says.
    """

    digest: str
    in_force: bool
    was_in_force: bool
    widening: Widening
    holders: tuple[str, ...]
    setup: bool
    problems: tuple[RulebookError, ...] = ()


def adopt(node: Node, access: Access | None = None) -> Adoption:
    """Take a node's rulebook in force if it may be; with `access`, for somebody who approves it.

    Raises: RulebookError for what is wrong in it; NodeError N040 when who approves may not; OSError.
    """
    path = node.folder / RULEBOOK
    text = path.read_bytes()
    books = node.tables.proposed(load_rulebook(path, node.file.holding()))
    problems = tuple(placed(check(books.book, node.today()).problems, text, str(path)))
    wanted = digest(books.book)
    with writing(node.engine) as connection:
        before = node.rulebooks.in_force(connection) if digest_in_force(connection) else None
        setup = before is None or not _is_used(connection)
        done = Adoption(wanted, True, False, _NOTHING, (), setup, problems)
        if before is not None and _are_in_force(books, before):
            return replace(done, was_in_force=True, setup=False)
        if before is not None and not setup:
            change = digest_of_both(wanted, books.tables), digest_of_both(before.digest, before.tables)
            if access is not None:
                _approve(node, connection, access, before, change)
            holders = tuple(item.holder for item in approvals(connection, *change))
            done = replace(done, widening=_widening(before.books, books, node), holders=holders)
            if done.widening.widens and len(holders) < APPROVERS:
                return replace(done, in_force=False)
        _put_in_force(node, connection, books, text, done)
    node.tables.sweep()
    return done


def differs(node: Node) -> bool:
    """Return whether `rulebook.yml` or a share of `node.yml` says something else than what is in force. Raises: as `adopt`."""
    books = node.tables.proposed(load_rulebook(node.folder / RULEBOOK))
    return not _are_in_force(books, node.rules)


def _are_in_force(books: Books, rules: Rules) -> bool:
    return digest(books.book) == rules.digest and set(books.tables) == set(rules.tables)


def _widening(old: Books, new: Books, node: Node) -> Widening:
    """Return what newly is given, of objects and of tables."""
    found = compare(old.book, new.book, node.today())
    return Widening((*found.gains, *tables_gained(old, new, node.today())), found.others)


def _approve(node: Node, connection: Connection, access: Access, before: Rules, change: tuple[str, str]) -> None:
    """Keep the approval of somebody who operates the node, and record it."""
    operator = before.book.operator
    if Role.OPERATE not in access.roles or access.caller.organisation != operator:
        hint = f"take a token of {operator} with the role operate"
        raise NodeError("N040", "this token may not approve a rulebook", hint=hint)
    if not access.holder:
        hint = "issue a token with --holder NAME for each person"
        raise NodeError("N040", "this token names nobody, so it cannot tell who approved", hint=hint)
    wanted, instead_of = change
    approve(connection, Approval(wanted, instead_of, access.holder, operator), node.clock())
    detail = {"approved": wanted, "instead_of": instead_of, "holder": access.holder, "token": access.token}
    node.journal.note(connection, Kind.APPROVAL, access.caller, detail)


def _put_in_force(node: Node, connection: Connection, books: Books, text: bytes, done: Adoption) -> None:
    """Put a rulebook and tables in force with the grants, and record it under the rulebook that it becomes."""
    before = digest_in_force(connection)
    put_in_force(connection, books, text, node.clock())
    refresh(connection, books.book, done.digest, node.today())
    detail = {
        "instead_of": before,
        "change": digest_of_both(done.digest, books.tables),
        "widens": "yes" if done.widening.widens else "no",
        "setup": "yes" if done.setup else "no",
        "approved_by": ", ".join(done.holders),
    }
    node.journal.note(connection, Kind.RULE_CHANGE, Caller(books.book.operator), detail)


def _is_used(connection: Connection) -> bool:
    """Return whether the node has taken or given anything, as its record says."""
    leaves = record.entries(connection, 0, record.size_of(connection))
    return any(decode(leaf.entry).kind in _USED for leaf in leaves if leaf.entry is not None)


__all__ = ["APPROVERS", "Adoption", "adopt", "differs"]
