"""Which collections of a node an organisation may use, asked by a command: what it may not is an error that says so."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.errors import NodeError
from tocsin.runs.node import Node, check_caller
from tocsin.runs.node_file import Collection
from tocsin.sharing.decisions import Caller


def for_writing(node: Node, caller: Caller, name: str) -> Collection:
    """Return a collection by its alias or id. Raises: NodeError N007, N014, N017."""
    check_caller(node.rules.book, caller)
    found = node.collection(caller, name)
    if found is None or not found.can_write:
        there = [item.collection.alias for item in node.collections(caller) if item.can_write]
        raise _not_for(named(node, name), caller, "write to", there)
    return found.collection


def for_reading(node: Node, caller: Caller, name: str = "") -> tuple[str, ...]:
    """Return the parts of a collection, or of all that the caller may read. Raises: NodeError N007, N014, N017."""
    check_caller(node.rules.book, caller)
    readable = [item.collection for item in node.collections(caller) if item.can_read]
    chosen = [item for item in readable if name in {"", item.alias, item.id}]
    if not chosen:
        there = [item.alias for item in readable]
        raise _not_for(named(node, name) if name else None, caller, "read", there)
    return tuple(dict.fromkeys(part for item in chosen for part in item.parts))


def named(node: Node, name: str) -> Collection:
    """Return a collection by its alias or id, whoever may use it. Raises: NodeError N017."""
    found = next((item for item in node.file.collections if name in {item.alias, item.id}), None)
    if found is None:
        aliases = ", ".join(item.alias for item in node.file.collections)
        raise NodeError("N017", f"there is no collection {name!r}", hint=f"node.yml has {aliases}")
    return found


def _not_for(collection: Collection | None, caller: Caller, verb: str, there: Sequence[str]) -> NodeError:
    what = "any collection" if collection is None else collection.alias
    hint = f"it may {verb} {', '.join(there)}" if there else "rulebook.yml says who may; 'tocsin node adopt' takes it in force"
    return NodeError("N014", f"{caller.organisation} may not {verb} {what}", hint=hint)


__all__ = ["for_reading", "for_writing", "named"]
