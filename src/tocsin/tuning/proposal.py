"""The narrowest selections that hold for every false positive, and for nothing that has to stay.

A selection is a conjunction of tests that all its false positives share. It begins with the fields that say most, with the host
and the account if they are the same in all, and takes more until nothing that must stay is touched and no test more would spare
an unmarked finding. Where the false positives share
too little they are divided by the values of a field, into as few groups as will do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Final

from tocsin.tuning.feature import Feature, feature_of
from tocsin.tuning.fields import Kind, Sample, rank
from tocsin.tuning.pool import Pool
from tocsin.tuning.shapes import LONGEST, is_exact, shape_of

MOST_SELECTIONS: Final = 32
"""The most selections of one filter: more would be a list of events, not a filter."""
_CORE: Final = 3
_ENDS: Final = 2
_FEW: Final = 4
_TELLING: Final = 6
_MOST_SPARING: Final = 8
_STRONG: Final = (Kind.PROGRAM, Kind.TESTED, Kind.ADDRESS)
_WEAK: Final = (Kind.PRODUCT, Kind.HOST, Kind.ACCOUNT)
Selection = tuple[Feature, ...]
"""Tests that must all hold."""


class Inseparable(ValueError):  # noqa: N818 - it says what is the case
    """False positives that no filter tells from something that must stay: `false` and `kept` are numbers of samples.

    `kept` is -1 when it would need too many selections instead, or no field of the false positive can carry a filter.
    """

    def __init__(self, false: int, kept: int = -1) -> None:
        super().__init__(false, kept)
        self.false = false
        self.kept = kept


@dataclass(frozen=True, slots=True)
class Proposal:
    """Selections of which one must hold for a finding to be removed."""

    selections: tuple[Selection, ...]

    def removes(self, sample: Sample) -> bool:
        """Tell whether a finding of this event would be removed."""
        return any(all(feature.holds(sample) for feature in selection) for selection in self.selections)


def propose(
    false: Sequence[Sample], kept: Sequence[Sample], unmarked: Sequence[tuple[Sample, int]], tested: frozenset[str]
) -> Proposal:
    """Return the narrowest filter that removes the false positives and keeps the others.

    `unmarked` have the number of findings that each stands for; `tested` are the fields that the rule tests. Deterministic, and
    the same for any order of the false positives. Raises: Inseparable.
    """
    search = _Search(false, kept, unmarked, tested)
    groups = search.spared(search.solved(search.members))
    found = dict.fromkeys(search.selection(group) or () for group in groups)
    return Proposal(tuple(sorted(found, key=lambda selection: [(item.key, item.values) for item in selection])))


Group = tuple[int, ...]


class _Search:
    """The search for one rule; `members` are the false positives that differ in a field that counts."""

    def __init__(
        self, false: Sequence[Sample], kept: Sequence[Sample], unmarked: Sequence[tuple[Sample, int]], tested: frozenset[str]
    ) -> None:
        self._tested = tested
        names = {name for sample in false for name in sample}
        ranked = sorted(rank(name, tested) for name in names)
        self._fields = [name for kind, _, name in ranked if kind != Kind.NEVER]
        self._false = false
        self._kept = Pool([(sample, 1) for sample in kept])
        self._unmarked = Pool(unmarked)
        self._selections: dict[Group, Selection | None] = {}
        self.members: Group = tuple(
            sorted(range(len(false)), key=lambda at: [false[at].get(name, ()) for name in self._fields])
        )

    def selection(self, group: Group) -> Selection | None:
        """Return the selection of a group, or None when it would touch what must stay, or say too little."""
        if group not in self._selections:
            self._selections[group] = self._select(group)
        return self._selections[group]

    def _select(self, group: Group) -> Selection | None:
        samples = [self._false[at] for at in group]
        found = [feature_of(name, samples, self._tested) for name in self._fields]
        usable = [feature for feature in found if feature]
        features = [feature for feature in usable if feature.kind != Kind.HASH]
        if not features or self._kept.hits(features):
            features = usable
        if not features or self._kept.hits(features):
            features = self._with_whole(samples, features)
        if not features or self._kept.hits(features):
            return None
        stable = [feature for feature in features if not feature.whole]
        return self._narrowed(_core(stable or features), features)

    def _with_whole(self, samples: Sequence[Sample], features: list[Feature]) -> list[Feature]:
        """Return the tests and those of texts as they are, for what nothing else tells apart."""
        whole = (feature_of(name, samples, self._tested, whole=True) for name in self._fields)
        return features + [feature for feature in whole if feature and feature not in features]

    def _narrowed(self, chosen: list[Feature], features: Sequence[Feature]) -> Selection:
        """Add tests to the chosen until nothing is touched that all of the tests would not touch."""
        least = self._unmarked.weight(self._unmarked.hits(features))
        rest = [feature for feature in features if feature not in chosen]
        while True:
            kept, gone = self._kept.hits(chosen), self._unmarked.hits(chosen)
            if not kept and self._unmarked.weight(gone) <= least:
                return tuple(chosen)
            best = min(rest, key=partial(self._left, kept, gone))
            chosen = [*(feature for feature in chosen if feature.field != best.field), best]
            rest = [item for item in rest if item.field != best.field or (item.whole and not best.whole)]

    def _left(self, kept: int, gone: int, feature: Feature) -> tuple[int, int, bool, bool]:
        """Return what one more test would still touch; of two that spare as much, one that says more comes first."""
        left = self._kept.weight(kept & self._kept.hits((feature,)))
        spared = self._unmarked.weight(gone & self._unmarked.hits((feature,)))
        return left, spared, feature.whole, feature.kind in _WEAK or feature.kind == Kind.HASH

    def solved(self, group: Group) -> list[Group]:
        """Return the groups into which false positives must be divided. Raises: Inseparable."""
        if _is_strong(self.selection(group)):
            parts = self._by_presence(group)
            return parts if all(_is_strong(self.selection(part)) for part in parts) else [group]
        parts = self._divided(group)
        if not parts:
            if self.selection(group):
                return [group]
            raise Inseparable(group[0], self._touched(group))
        if len(parts) > MOST_SELECTIONS:
            raise Inseparable(group[0])
        found = [inner for part in parts for inner in self.solved(part)]
        if len({self.selection(inner) for inner in found}) > MOST_SELECTIONS:
            raise Inseparable(group[0])
        return found

    def _by_presence(self, group: Group) -> list[Group]:
        """Return the members by which of the fields that tell what was run or written they have."""
        return _grouped(group, lambda at: repr([name in self._false[at] for name in _WHAT_RUNS]))

    def _touched(self, group: Group) -> int:
        """Return the first of what must stay that a group cannot be told from, or -1."""
        samples = [self._false[at] for at in group]
        found = [feature for name in self._fields if (feature := feature_of(name, samples, self._tested))]
        found = self._with_whole(samples, found)
        hits = self._kept.hits(found) if found else 0
        return (hits & -hits).bit_length() - 1

    def _divided(self, group: Group) -> list[Group]:
        """Return the division by the field of which most parts stand alone, then the fewest parts; none of one kind."""
        best: tuple[tuple[int, int], list[Group]] | None = None
        for name in self._fields:
            parts = self._parts(group, name)
            if not 1 < len(parts) <= MOST_SELECTIONS:
                continue
            alone = sum(_is_strong(self.selection(part)) for part in parts)
            score = (len(parts) - alone, len(parts))
            if best is None or score < best[0]:
                best = (score, parts)
        if best:
            return best[1]
        single = _grouped(group, lambda at: repr([self._false[at].get(name, ()) for name in self._fields]))
        return single if len(single) > 1 else []

    def _parts(self, group: Group, field: str) -> list[Group]:
        """Return the members by the value of a field, without regard to what changes in it."""
        return _grouped(group, lambda at: repr([shape_of(text.casefold()) for text in self._false[at].get(field, ())]))

    def spared(self, groups: list[Group]) -> list[Group]:
        """Divide groups further where that removes fewer unmarked findings, into few parts each."""
        while len(groups) < _MOST_SPARING and (cost := self._cost(groups)):
            best: tuple[int, int, list[Group]] | None = None
            for at, group in enumerate(groups):
                for parts in self._sparing(group):
                    trial = [*groups[:at], *parts, *groups[at + 1 :]]
                    score = (self._cost(trial), len(trial))
                    if len(trial) <= _MOST_SPARING and (best is None or score < best[:2]):
                        best = (*score, trial)
            if best is None or best[0] >= cost:
                return groups
            groups = best[2]
        return groups

    def _sparing(self, group: Group) -> list[list[Group]]:
        divisions = [self._parts(group, name) for name in self._fields]
        few = [parts for parts in divisions if 1 < len(parts) <= _FEW]
        return [parts for parts in few if all(_is_strong(self.selection(part)) for part in parts)]

    def _cost(self, groups: Sequence[Group]) -> int:
        """Return how many unmarked findings the groups would remove."""
        hits = (self._unmarked.hits(self.selection(group) or ()) for group in groups)
        return self._unmarked.weight(reduce(int.__or__, hits, 0))


def _grouped(group: Group, key_of: Callable[[int], str]) -> list[Group]:
    """Return the members by a key, in order of the keys."""
    found: dict[str, list[int]] = {}
    for at in group:
        found.setdefault(key_of(at), []).append(at)
    return [tuple(found[key]) for key in sorted(found)]


def _is_strong(selection: Selection | None) -> bool:
    """Tell whether some test of a selection says what happened, rather than where or to whom."""
    found = selection or ()
    return any(item.kind in _STRONG or (item.kind == Kind.PLAIN and item.size >= _TELLING) for item in found)


def _core(features: Sequence[Feature]) -> list[Feature]:
    """Return the tests to begin with: a few that say most, and where it happened, whatever the data would need."""
    plain = [feature for feature in features if feature.kind == Kind.PLAIN]
    ranked = [feature for feature in features if feature.kind in (Kind.PROGRAM, Kind.TESTED)]
    ranked += sorted(plain, key=lambda item: (not item.is_exact, -item.size, item.field))
    chosen: list[Feature] = []
    for feature in ranked:
        if len(chosen) < _CORE and feature.values not in [known.values for known in chosen]:
            chosen.append(feature)
    addresses = [feature for feature in features if feature.kind == Kind.ADDRESS]
    chosen = chosen + addresses[:_ENDS] or list(features[:_CORE])
    return chosen + [feature for feature in _where(features) if feature not in chosen]


def _where(features: Sequence[Feature]) -> list[Feature]:
    """Return the host and the account, where all false positives have the same: elsewhere the same may be an attack."""
    found = []
    for kind in (Kind.HOST, Kind.ACCOUNT):
        same = [feature for feature in features if feature.kind == kind and feature.is_exact and len(feature.values) == 1]
        found += sorted(same, key=lambda item: (not item.field.lower().endswith("user"), "user" not in item.field.lower()))[:1]
    return found


def cautions(proposal: Proposal) -> list[str]:
    """Return what a reader should know of a filter that is weaker than it may look."""
    found = []
    for selection in proposal.selections:
        kinds = {feature.kind for feature in selection}
        if kinds <= {Kind.HOST, Kind.ACCOUNT}:
            names = " and ".join(feature.field for feature in selection)
            found.append(f"it rests on {names} alone: whatever happens there is no longer reported by this rule")
        elif not _is_strong(selection):
            found.append("it rests on fields that say little of what happened")
        found += [caution for feature in selection if (caution := _writable(feature) or _long(feature))]
        found += [f"it needs all of {item.field}, of which a part may be another next time" for item in selection if item.whole]
        found += _interpreters(selection)
    return list(dict.fromkeys(found))


_WRITABLE: Final = ("\\users\\", "\\temp\\", "\\programdata\\", "\\appdata\\", "/tmp/", "/home/", "/var/tmp/", "/dev/shm/")  # noqa: S108
_FILES: Final = ("Image", "ImageLoaded", "exe", "SourceImage", "ImagePath", "ServiceFileName", "Path")


_INTERPRETERS: Final = re.compile(
    r"(?:^|[\\/*])(?:cmd|powershell|pwsh|powershell_ise|[cw]script|mshta|rundll32|regsvr32|msbuild|wmic|msiexec"
    r"|bash|sh|dash|zsh|busybox|env|sudo|perl|ruby|php|node|pythonw?[\d.]*|java)(?:\.exe)?$",
    re.IGNORECASE,
)
_PROGRAM: Final = ("Image", "NewProcessName", "exe", "SourceImage", "ProcessName")
_WHAT_RUNS: Final = ("CommandLine", "ScriptBlockText", "HostApplication", "TargetObject", "TargetFilename")


def _interpreters(selection: Selection) -> list[str]:
    """Return a warning for each interpreter of which the filter does not say what it runs."""
    if any(feature.field in _WHAT_RUNS for feature in selection):
        return []
    values = [value for feature in selection if feature.field in _PROGRAM for value in feature.values]
    return [
        f"{value} runs whatever it is given, and the filter does not say what"
        for value in values
        if _INTERPRETERS.search(value)
    ]


def _long(feature: Feature) -> str:
    long = any(
        sum(len(str(token)) for token in pattern) > LONGEST // 2 and not is_exact(pattern) for pattern in feature.patterns
    )
    return f"{feature.field} is so long that only its beginning and end are compared" if long else ""


def _writable(feature: Feature) -> str:
    if feature.field not in _FILES or not any(place in value.casefold() for value in feature.values for place in _WRITABLE):
        return ""
    return f"{feature.field} lies where users can write: another program put in its place would not be reported either"


__all__ = ["MOST_SELECTIONS", "Inseparable", "Proposal", "Selection", "cautions", "propose"]
