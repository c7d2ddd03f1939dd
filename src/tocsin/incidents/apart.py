"""Hosts and processes told apart that have a name or a number in common."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tocsin.incidents.facts import Facts


def told_apart(facts: Sequence[Facts]) -> list[Facts]:
    """Return findings in which each host, and each process that is known by a number, has a key of its own."""
    return _processes_apart(_hosts_apart(facts))


def _hosts_apart(facts: Sequence[Facts]) -> Sequence[Facts]:
    """Return findings in which a name that is seen in two domains stands for a host in each.

    A name without a domain is a third then, since it may be either. Keys of sessions and of numbered processes begin with
    that of their host.
    """
    full = [item.host.lower().rstrip(".") if "." in item.host else "" for item in facts]
    domains: dict[str, set[str]] = {}
    for item, name in zip(facts, full, strict=True):
        if name and item.host_key != name:
            domains.setdefault(item.host_key, set()).add(name)
    several = {key for key, names in domains.items() if len(names) > 1}
    return [_on_host(item, name) if name and item.host_key in several else item for item, name in zip(facts, full, strict=True)]


def _on_host(item: Facts, key: str) -> Facts:
    """Return a finding with another key of its host."""
    old = item.host_key

    def moved(text: str) -> str:
        return key + text[len(old) :] if text.startswith((f"{old}:", f"{old} ")) else text

    sessions = tuple(map(moved, item.sessions))
    return replace(item, host_key=key, sessions=sessions, process=moved(item.process), parent=moved(item.parent))


def _processes_apart(facts: Sequence[Facts]) -> list[Facts]:
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
