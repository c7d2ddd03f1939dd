"""Processes told apart whose number was used again."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tocsin.incidents.facts import Facts


def told_apart(facts: Sequence[Facts]) -> list[Facts]:
    """Return findings in which a number stands for another process from each creation on.

    A creation that several findings are about is one. What was named before by the number, perhaps as a parent, is another
    process than the one that is created with it.
    """
    order = sorted(range(len(facts)), key=lambda at: (*_moment(facts[at]), not facts[at].created, facts[at].number))
    held: dict[str, tuple[int, str]] = {}
    found = list(facts)

    def named(key: str) -> str:
        again, _ = held.setdefault(key, (0, ""))
        return f"{again}:{key}" if again else key

    for at in order:
        item = facts[at]
        parent = named(item.parent) if item.parent else ""
        if item.created and item.process:
            made = f"{item.time} {item.image}"
            again, last = held.get(item.process, (-1, ""))
            if last != made:
                held[item.process] = again + 1, made
        found[at] = replace(item, parent=parent, process=named(item.process) if item.process else "")
    return found


def _moment(item: Facts) -> tuple[bool, float]:
    return item.time_s is None, item.time_s or 0.0


__all__ = ["told_apart"]
