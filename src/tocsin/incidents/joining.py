"""Findings in, incidents out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from tocsin.findings import Finding
from tocsin.incidents.facts import Facts, facts_of
from tocsin.incidents.incident import Incident, IncidentRule, Member, Stage
from tocsin.incidents.links import Link, link
from tocsin.incidents.scoring import score, summary_of, title_of
from tocsin.incidents.trees import trees
from tocsin.rules.rule import LEVELS

MOST_FINDINGS: Final = 200_000
"""Findings that are joined; memory is about 2 KiB for each."""
MOST_MEMBERS: Final = 500
MOST_NAMES: Final = 50
_REASONS: Final = 2
_TAG: Final = "attack."


class Joined(Struct, frozen=True):
    """Incidents, the highest score first, and the number of findings beyond `MOST_FINDINGS` that were not joined."""

    incidents: tuple[Incident, ...]
    left_out: int


def join(findings: Iterable[Finding], most: int = MOST_FINDINGS) -> Joined:
    """Join findings, numbered from 1 as they come, into incidents. Every joined finding is in exactly one."""
    facts: list[Facts] = []
    left_out = 0
    for number, finding in enumerate(findings, 1):
        if len(facts) < most:
            facts.append(facts_of(finding, number))
        else:
            left_out += 1
    groups, links = link(facts)
    members: dict[int, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    reasons = _reasons(facts, links)
    found = [_incident([facts[at] for at in places], [reasons.get(at, ()) for at in places]) for places in members.values()]
    found.sort(key=lambda incident: (-incident.score, incident.first or "9", incident.id))
    return Joined(tuple(found), left_out)


def _reasons(facts: Sequence[Facts], links: Iterable[Link]) -> dict[int, tuple[str, ...]]:
    """Return the reasons of each finding: its strongest link to each of some earlier ones, or else to a later one."""
    names = _names(facts)
    back: dict[int, dict[int, Link]] = {}
    forth: dict[int, Link] = {}
    for item in links:
        known = back.setdefault(item.later, {})
        if item.earlier not in known or item.kind.strength < known[item.earlier].kind.strength:
            known[item.earlier] = item
        if item.earlier not in forth or item.kind.strength < forth[item.earlier].kind.strength:
            forth[item.earlier] = item
    found: dict[int, tuple[str, ...]] = {
        at: (item.reason(facts[item.later].number, names),) for at, item in forth.items() if at not in back
    }
    for at, items in back.items():
        best = sorted(items.values(), key=lambda item: (item.kind.strength, -facts[item.earlier].number, item.shared))
        found[at] = tuple(item.reason(facts[item.earlier].number, names) for item in best[:_REASONS])
    return found


def _names(facts: Iterable[Facts]) -> dict[str, str]:
    """Return how keys of hosts, sessions and processes are shown."""
    names: dict[str, str] = {}
    for item in facts:
        names.setdefault(item.host_key, item.host or "the log")
        for key, image in ((item.process, item.image), (item.parent, item.parent_image)):
            if key and image:
                names.setdefault(key, image.replace("/", "\\").rpartition("\\")[2])
        for session in item.sessions:
            names.setdefault(session, session.rpartition(":")[2])
    return names


def _incident(facts: Sequence[Facts], reasons: Sequence[tuple[str, ...]]) -> Incident:
    order = sorted(range(len(facts)), key=lambda at: (facts[at].time_s is None, facts[at].time_s or 0.0, facts[at].number))
    facts, reasons = [facts[at] for at in order], [reasons[at] for at in order]
    times = [item.time for item in facts if item.time_s is not None]
    span = (times[0], times[-1]) if times else ("", "")
    rules = _rules(facts)
    tactics, techniques = _stages(facts)
    hosts: dict[str, str] = {}
    for item in facts:
        if item.host:
            hosts.setdefault(item.host, item.time)
    users = _distinct(user for item in facts for user in item.users)
    assets = _distinct(label for item in facts for label in item.asset_labels)
    processes, processes_left_out = trees(facts)
    return Incident(
        id=_id(facts),
        title=title_of(rules, tuple(hosts)),
        score=score(rules, len(tactics), len(hosts)),
        level=rules[0].level,
        first=span[0],
        last=span[1],
        findings=len(facts),
        summary=summary_of(rules, tactics, tuple(hosts.items()), users, assets, span, (facts[0].title, facts[0].host)),
        rules=rules,
        tactics=tactics,
        techniques=techniques,
        hosts=tuple(hosts)[:MOST_NAMES],
        users=users[:MOST_NAMES],
        addresses=_distinct(address for item in facts for address in item.addresses)[:MOST_NAMES],
        assets=assets[:MOST_NAMES],
        processes=processes,
        processes_left_out=processes_left_out,
        members=tuple(
            Member(item.number, item.time, item.level, item.title, item.host, why if place else ())
            for place, (item, why) in enumerate(zip(facts[:MOST_MEMBERS], reasons, strict=False))
        ),
    )


def _rules(facts: Iterable[Facts]) -> tuple[IncidentRule, ...]:
    """Return the rules, the gravest first, then in the order of their first findings."""
    counts: dict[tuple[str, str], int] = {}
    for item in facts:
        key = (item.title, item.level)
        counts[key] = counts.get(key, 0) + 1
    rules = [IncidentRule(title, level, count) for (title, level), count in counts.items()]
    return tuple(sorted(rules, key=lambda rule: -LEVELS.index(rule.level)))


def _stages(facts: Iterable[Facts]) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Return tactics and techniques in the order of their first findings."""
    found: dict[str, tuple[str, int]] = {}
    for item in facts:
        for tag in dict.fromkeys(item.tags):
            if tag.startswith(_TAG):
                name = tag.removeprefix(_TAG)
                first, count = found.get(name, (item.time, 0))
                found[name] = (first, count + 1)
    stages = [Stage(name, first, count) for name, (first, count) in found.items()]
    tactics = tuple(stage for stage in stages if not any(char.isdigit() for char in stage.name))
    techniques = tuple(stage for stage in stages if stage.name[:1] == "t" and stage.name[1:2].isdigit())
    return tactics, techniques


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _id(facts: Sequence[Facts]) -> str:
    """Return an identifier that is the same for the same findings, wherever their files lie."""
    parts = sorted(f"{item.rule}\0{item.time}\0{item.host}\0{item.process}" for item in facts)
    return "I-" + hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=5).hexdigest().upper()


__all__ = ["MOST_FINDINGS", "MOST_MEMBERS", "MOST_NAMES", "Joined", "join"]
