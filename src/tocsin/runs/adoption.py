"""Take a node's `rulebook.yml` in force. A change that widens access needs two people, each with a token of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from tocsin.errors import NodeError, RulebookError
from tocsin.records.entry import Kind, decode
from tocsin.rules.yaml_maps import placed
from tocsin.runs.node import RULEBOOK, Node
from tocsin.sharing.check import check
from tocsin.sharing.decisions import Caller
from tocsin.sharing.parse_rulebook import load_rulebook
from tocsin.sharing.rulebook import Rulebook, digest
from tocsin.sharing.widening import Widening, compare
from tocsin.stores import record
from tocsin.stores.database import writing
from tocsin.stores.grants import refresh
from tocsin.stores.rulebooks import Approval, approvals, approve, digest_in_force, put_in_force
from tocsin.stores.tokens import Access, Role

APPROVERS: Final = 2
"""How many people have to approve what widens access; who changed the file may be one of them."""
_NOTHING: Final = Widening((), ())
_USED: Final = {Kind.WRITE, Kind.RELEASE}


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of a rulebook: whether it is `in_force`, and was before; what it widens, and who approved it so far.

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
    book = load_rulebook(path, node.file.holding())
    problems = tuple(placed(check(book, node.today()).problems, text, str(path)))
    wanted = digest(book)
    with writing(node.engine) as connection:
        before = digest_in_force(connection)
        if before == wanted:
            return Adoption(wanted, True, True, _NOTHING, (), False, problems)
        setup = not before or not _is_used(connection)
        widening = _NOTHING if setup else compare(node.rulebooks.in_force(connection).book, book, node.today())
        if access is not None and not setup:
            _approve(node, connection, access, wanted)
        holders = tuple(item.holder for item in approvals(connection, wanted, before))
        if widening.widens and len(holders) < APPROVERS:
            return Adoption(wanted, False, False, widening, holders, setup, problems)
        done = Adoption(wanted, True, False, widening, holders, setup, problems)
        _put_in_force(node, connection, book, text, done)
    node.tables.sweep()
    return done


def differs(node: Node) -> bool:
    """Return whether `rulebook.yml` says something else than the rulebook in force. Raises: RulebookError, OSError."""
    return digest(load_rulebook(node.folder / RULEBOOK)) != node.rules.digest


def _approve(node: Node, connection: Connection, access: Access, wanted: str) -> None:
    """Keep the approval of somebody who operates the node, and record it."""
    operator = node.rulebooks.in_force(connection).book.operator
    if Role.OPERATE not in access.roles or access.caller.organisation != operator:
        hint = f"take a token of {operator} with the role operate"
        raise NodeError("N040", "this token may not approve a rulebook", hint=hint)
    if not access.holder:
        hint = "issue a token with --holder NAME for each person"
        raise NodeError("N040", "this token names nobody, so it cannot tell who approved", hint=hint)
    before = digest_in_force(connection)
    approve(connection, Approval(wanted, before, access.holder, operator), node.clock())
    detail = {"approved": wanted, "instead_of": before, "holder": access.holder, "token": access.token}
    node.journal.note(connection, Kind.APPROVAL, access.caller, detail)


def _put_in_force(node: Node, connection: Connection, book: Rulebook, text: bytes, done: Adoption) -> None:
    """Put a rulebook in force with its grants, and record it under the rulebook that it becomes."""
    before = digest_in_force(connection)
    put_in_force(connection, book, text, node.clock())
    refresh(connection, book, done.digest, node.today())
    detail = {
        "instead_of": before,
        "widens": "yes" if done.widening.widens else "no",
        "setup": "yes" if done.setup else "no",
        "approved_by": ", ".join(done.holders),
    }
    node.journal.note(connection, Kind.RULE_CHANGE, Caller(book.operator), detail)


def _is_used(connection: Connection) -> bool:
    """Return whether the node has taken or given anything, as its record says."""
    leaves = record.entries(connection, 0, record.size_of(connection))
    return any(decode(leaf.entry).kind in _USED for leaf in leaves if leaf.entry is not None)


__all__ = ["APPROVERS", "Adoption", "adopt", "differs"]
