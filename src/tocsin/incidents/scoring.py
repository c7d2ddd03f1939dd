"""The score of an incident, its title and its paragraph in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tocsin.incidents.incident import IncidentRule, Stage

_WEIGHTS: Final = {"informational": 0.5, "low": 2.0, "medium": 8.0, "high": 25.0, "critical": 60.0}
_REPEATED: Final = 0.15
_TACTIC: Final = 0.12
_HOST: Final = 0.15
_SCALE: Final = 120.0
_LISTED: Final = 4
_UNTIMED: Final = "at an unknown time"


def score(rules: Sequence[IncidentRule], tactics: int, hosts: int) -> int:
    """Return 0 to 100: each rule weighs by its level, a repetition little; more tactics and more hosts weigh more.

    100 is never reached by a sum that could still grow: the scale is 100 * (1 - e^(-weight / 120)).
    """
    weight = sum(_WEIGHTS.get(rule.level, 0.0) * (1 + _REPEATED * math.log2(rule.count)) for rule in rules)
    weight *= 1 + _TACTIC * max(0, tactics - 1)
    weight *= 1 + _HOST * math.log2(max(1, hosts))
    return round(100 * (1 - math.exp(-weight / _SCALE)))


def title_of(rules: Sequence[IncidentRule], hosts: Sequence[str]) -> str:
    """Return the first of the gravest rules, and where."""
    rest = f" and {len(rules) - 1} more" if len(rules) > 1 else ""
    where = f" on {hosts[0]}" if len(hosts) == 1 else f" on {len(hosts)} hosts" if hosts else ""
    return f"{rules[0].title}{rest}{where}"


def summary_of(
    rules: Sequence[IncidentRule],
    tactics: Sequence[Stage],
    hosts: Sequence[tuple[str, str]],
    users: Sequence[str],
    assets: Sequence[str],
    span: tuple[str, str],
    begin: tuple[str, str],
) -> str:
    """Return the paragraph. `hosts` are (name, first time) in order; `begin` is the title and host of the first finding."""
    count = sum(rule.count for rule in rules)
    noun = "finding" if count == 1 else "findings"
    by = "one rule" if len(rules) == 1 else f"{len(rules)} rules"
    sentences = [f"{count:,} {noun} of {by} {_when(*span)}."]
    title, host = begin
    sentences.append(f'It begins with "{title}"{f" on {host}" if host else ""}.')
    if len(hosts) > 1:
        reached = [f"{name}{f' at {time[11:16]}' if time else ''}" for name, time in hosts[1:]]
        sentences.append(f"From there it is seen on {_list(reached)}.")
    grave = [rule for rule in rules if rule.level in ("high", "critical")]
    if grave and (grave[0].title != title or len(grave) > 1):
        named = [f'"{rule.title}"' for rule in grave if rule.title != title]
        if named:
            sentences.append(f"The gravest findings {'besides ' if grave[0].title == title else ''}are {_list(named)}.")
    if tactics:
        sentences.append(f"Tactics in order: {', '.join(stage.name.replace('-', ' ') for stage in tactics)}.")
    if users:
        sentences.append(f"Accounts: {_list(users)}.")
    if assets:
        sentences.append(f"Assets touched: {_list(assets)}.")
    return " ".join(sentences)


def _when(first: str, last: str) -> str:
    if not first:
        return _UNTIMED
    if first == last:
        return f"at {first[:10]} {first[11:19]} UTC"
    day = f"{last[:10]} " if last[:10] != first[:10] else ""
    return f"between {first[:10]} {first[11:19]} and {day}{last[11:19]} UTC ({_span(first, last)})"


def _span(first: str, last: str) -> str:
    seconds = int((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def _list(names: Sequence[str]) -> str:
    """Return names as a list in a sentence, cut after the first ones with the number of the others."""
    shown = list(names[:_LISTED])
    if len(names) > _LISTED:
        shown.append(f"{len(names) - _LISTED:,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


__all__ = ["score", "summary_of", "title_of"]
