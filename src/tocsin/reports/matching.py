"""What in the values of a finding its rule was about: parts of them, told by the rule's own text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.errors import TocsinError
from tocsin.findings.finding import FoundRule
from tocsin.plans.expr import Atom, atoms_of
from tocsin.plans.lower import lower_detection
from tocsin.plans.parts import parts_of
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Rule

Atoms = Mapping[str, Sequence[Atom]]


class Parts:
    """Finds parts of values, with the texts of rules by their paths. A rule that has no text here has no parts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._atoms: dict[tuple[str, str], Atoms] = {}

    def of(self, rule: FoundRule, selection: str, field: str, value: str) -> tuple[str, ...]:
        """Return the parts of a value that the tests of a selection were about; none when it is the whole value."""
        key = rule.path, rule.id or rule.title
        if key not in self._atoms:
            self._atoms[key] = self._read(rule)
        atoms = self._atoms[key].get(selection, ())
        named = [atom for atom in atoms if atom.field == field] or atoms
        found = (parts_of(atom.test, value) for atom in named)
        return tuple(dict.fromkeys(part for parts in found for part in parts))

    def _read(self, rule: FoundRule) -> Atoms:
        """Return the tests of each selection of a rule, and nothing where its text is not at hand."""
        try:
            parsed = parse_text(self._texts.get(rule.path, "").encode(), rule.path)
        except TocsinError:
            return {}
        same = (item for meta, item in parsed if isinstance(item, Rule) and (meta.id or meta.title) == (rule.id or rule.title))
        found = next(same, None)
        return {} if found is None else {name: self._tests(found, name) for name in found.detections}

    def _tests(self, rule: Rule, name: str) -> Sequence[Atom]:
        try:
            return atoms_of(lower_detection(rule.detections[name], {}))
        except TocsinError:
            return ()


__all__ = ["Parts"]
