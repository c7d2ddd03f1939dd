"""Findings in, incidents out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tocsin.findings import Finding
from tocsin.incidents.apart import told_apart
from tocsin.incidents.facts import Facts, facts_of
from tocsin.incidents.incident import Incident, IncidentRule, Member, Stage
from tocsin.incidents.links import EVENT, Groups, Link, in_time, link
from tocsin.incidents.scoring import score, summary_of, title_of
from tocsin.incidents.trees import trees
from tocsin.rules.rule import LEVELS

MOST_FINDINGS: Final = 200_000
"""Findings that are joined; memory is about 2 KiB for each."""
MOST_MEMBERS: Final = 500
MOST_NAMES: Final = 50
_REASONS: Final = 2
_LISTED: Final = 8
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
    facts = told_apart(facts)
    groups, links = link(facts)
    members: dict[int, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    reasons = _reasons(facts, groups, links)
    found = [_incident([facts[at] for at in places], [reasons.get(at, ()) for at in places]) for places in members.values()]
    found.sort(key=lambda incident: (-incident.score, incident.first or "9", incident.id))
    return Joined(tuple(_distinguished(found)), left_out)


def _distinguished(incidents: Iterable[Incident]) -> Iterator[Incident]:
    """Yield the incidents, those with the same findings told apart by a number."""
    counts: Counter[str] = Counter()
    for incident in incidents:
        counts[incident.id] += 1
        number = counts[incident.id]
        yield incident if number == 1 else replace(incident, id=f"{incident.id}-{number}")


def _reasons(facts: Sequence[Facts], groups: Sequence[int], links: Iterable[Link]) -> dict[int, tuple[str, ...]]:
    """Return the reasons of each finding but the first of its group: the link that leads to the first, and one more.

    The links that lead there are a tree of the strongest ones, so that together they say why the group is one.
    """
    names = _names(facts)
    links = sorted(links, key=lambda item: (item.kind.strength, facts[item.earlier].number, facts[item.later].number))
    told = _correlated(facts, links)
    best: dict[int, Link] = {}
    for item in links:
        if facts[item.earlier].number < facts[item.later].number and not (item.kind is EVENT and item.later in told):
            best.setdefault(item.later, item)
    found: dict[int, tuple[str, ...]] = {}
    for at, (item, other) in _ways(facts, groups, links).items():
        way = told[at] if item.kind is EVENT and at in told else item.reason(facts[other], names)
        more = [told[at]] if at in told else []
        more += [best[at].reason(facts[best[at].earlier], names)] if at in best else []
        found[at] = _distinct([way, *more])[:_REASONS]
    return found


def _ways(facts: Sequence[Facts], groups: Sequence[int], links: Iterable[Link]) -> dict[int, tuple[Link, int]]:
    """Return for each finding but the first of its group the link, and the finding, that is next on the way to the first."""
    joined = Groups(len(facts))
    beside: dict[int, list[tuple[int, Link]]] = {}
    for item in links:
        if joined.top(item.earlier) != joined.top(item.later):
            joined.join(item.earlier, item.later)
            beside.setdefault(item.earlier, []).append((item.later, item))
            beside.setdefault(item.later, []).append((item.earlier, item))
    found: dict[int, tuple[Link, int]] = {}
    begun: set[int] = set()
    for first in in_time(facts):
        if groups[first] in begun:
            continue
        begun.add(groups[first])
        waiting = [first]
        while waiting:
            here = waiting.pop()
            for other, item in beside.get(here, ()):
                if other != first and other not in found:
                    found[other] = item, here
                    waiting.append(other)
    return found


def _correlated(facts: Sequence[Facts], links: Iterable[Link]) -> dict[int, str]:
    """Return the reason of each correlation that has findings on its events, and of each of these."""
    of: dict[int, set[int]] = {}
    by: dict[int, set[int]] = {}
    for item in links:
        if item.kind is EVENT and facts[item.later].correlated and not facts[item.earlier].correlated:
            of.setdefault(item.later, set()).add(facts[item.earlier].number)
            by.setdefault(item.earlier, set()).add(facts[item.later].number)
    found = {at: f"correlates {_numbers(numbers)}" for at, numbers in of.items()}
    return found | {at: f"correlated by {_numbers(numbers)}" for at, numbers in by.items()}


def _numbers(numbers: Iterable[int]) -> str:
    """Return numbers of findings, the first of them."""
    shown = [str(number) for number in sorted(numbers)]
    more = f" and {len(shown) - _LISTED:,} more" if len(shown) > _LISTED else ""
    return f"finding{'s' if len(shown) > 1 else ''} {', '.join(shown[:_LISTED])}{more}"


def _names(facts: Sequence[Facts]) -> dict[str, str]:
    """Return how keys of hosts, sessions and processes are shown."""
    names: dict[str, str] = {}
    for item in facts:
        names.setdefault(item.host_key, item.host or "the log")
        for key, image in ((item.process, item.image), (item.parent, item.parent_image)):
            if key and image:
                names.setdefault(key, image.replace("/", "\\").rpartition("\\")[2])
        for session in item.sessions:
            names.setdefault(session, session.rpartition(":")[2])
    for key in [key for item in facts for key in (item.process, item.parent) if key]:
        names.setdefault(key, f"process {key.rpartition(' ')[2]}")
    return names


def _incident(facts: Sequence[Facts], reasons: Sequence[tuple[str, ...]]) -> Incident:
    order = in_time(facts)
    facts, reasons = [facts[at] for at in order], [reasons[at] for at in order]
    times = [item.time for item in facts if item.time_s is not None]
    span = (times[0], times[-1]) if times else ("", "")
    rules = _rules(facts)
    weighed = _rules(_once(facts))
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
        score=score(weighed, len(tactics), len(hosts)),
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


def _once(facts: Sequence[Facts]) -> Iterator[Facts]:
    """Yield findings but for those of which a correlation of the same level or above tells already."""
    graver = _told(facts)
    for item in facts:
        if item.correlated or all(LEVELS.index(level) < LEVELS.index(item.level) for level, _ in graver.get(item.records, ())):
            yield item


def _told(facts: Iterable[Facts]) -> dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]]:
    """Return the levels and tags of the correlations of each event."""
    found: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
    for item in facts:
        for record in item.records if item.correlated else ():
            found.setdefault((record,), []).append((item.level, item.tags))
    return found


def _stages(facts: Sequence[Facts]) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Return tactics and techniques in the order of their first findings; what a correlation tells counts once, as its own."""
    found: dict[str, tuple[str, int]] = {}
    told = _told(facts)
    for item in facts:
        again = {tag for _, tags in told.get(item.records, ()) for tag in tags} if not item.correlated else set()
        for tag in dict.fromkeys(item.tags):
            if tag.startswith(_TAG):
                name = tag.removeprefix(_TAG)
                first, count = found.get(name, (item.time, 0))
                found[name] = (first, count + (tag not in again))
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
