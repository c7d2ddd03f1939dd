"""Withdraw an object for its owner, who may not be able to read the collection and so cannot do it by TAXII."""

from __future__ import annotations

from tocsin.errors import NodeError
from tocsin.runs.node import Node, check_caller
from tocsin.runs.node_file import Collection
from tocsin.sharing.decisions import Caller
from tocsin.stores.interface import Query, Versions


def withdraw(node: Node, caller: Caller, collection: Collection, stix_id: str) -> tuple[int, str]:
    """Withdraw all versions of an object that the caller put into a collection; return how many, and the receipt.

    Raises: NodeError N007, N016 and N017; those of the database.
    """
    check_caller(node.rules.book, caller)
    query = Query(collection.parts, ids=(stix_id,), versions=frozenset({Versions.ALL}))
    gone, others, receipt = node.objects.remove(caller, query)
    if gone:
        return gone, receipt
    if others:
        raise NodeError("N016", f"{stix_id} is another organisation's", hint="its owner has to withdraw it")
    what = f"{caller.organisation} has no object {stix_id} in {collection.alias}"
    raise NodeError("N017", what, hint="it may have withdrawn it already, or put it into another collection")


__all__ = ["withdraw"]
