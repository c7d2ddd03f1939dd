"""Trees of the processes that an incident's findings name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.incidents.facts import Facts
from tocsin.incidents.incident import Process

MOST: Final = 200
"""Processes of an incident that are listed."""


class _Node:
    """A process while its tree grows."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.host = self.image = self.command_line = self.time = self.parent = ""
        self.findings: list[int] = []
        self.children: list[_Node] = []


def trees(facts: Sequence[Facts]) -> tuple[tuple[Process, ...], int]:
    """Return the processes in preorder, the earliest tree first, and how many are left out beyond `MOST`."""
    nodes: dict[str, _Node] = {}
    for item in facts:
        if item.process:
            node = nodes.setdefault(item.process, _Node(item.process))
            node.findings.append(item.number)
            node.host = node.host or item.host
            node.image = node.image or item.image
            node.command_line = node.command_line or item.command_line
            node.time = min(filter(None, (node.time, item.time)), default="")
            node.parent = node.parent or item.parent
        if item.parent and item.parent_image:
            node = nodes.setdefault(item.parent, _Node(item.parent))
            node.host = node.host or item.host
            node.image = node.image or item.parent_image
            node.command_line = node.command_line or item.parent_command_line
    roots = [node for node in nodes.values() if node.parent not in nodes or _is_above(node, nodes)]
    for node in nodes.values():
        if node not in roots:
            nodes[node.parent].children.append(node)
    found = [process for root in sorted(roots, key=_earliest) for process in _preorder(root)]
    return tuple(found[:MOST]), max(0, len(found) - MOST)


def _is_above(node: _Node, nodes: dict[str, _Node]) -> bool:
    """Tell whether a process is among its own ancestors, as numbers that were used again make it look."""
    seen = {node.key}
    up = nodes.get(node.parent)
    while up:
        if up.key in seen:
            return up is node
        seen.add(up.key)
        up = nodes.get(up.parent)
    return False


def _earliest(node: _Node) -> tuple[bool, str, str]:
    stack, times = [node], []
    while stack:
        one = stack.pop()
        times += [one.time] if one.time else []
        stack += one.children
    return not times, min(times, default=""), node.key


def _preorder(root: _Node) -> Iterator[Process]:
    stack = [(0, root)]
    while stack:
        depth, node = stack.pop()
        yield Process(depth, node.host, node.image, node.command_line, node.time, tuple(node.findings))
        stack += [(depth + 1, child) for child in sorted(node.children, key=_earliest, reverse=True)]


__all__ = ["MOST", "trees"]
