"""What objects of a package state of markings, and what that means on the terms of a community."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tocsin.feeds.check import Checked
from tocsin.feeds.granular import MOST
from tocsin.feeds.interface import Part, Terms
from tocsin.feeds.spreading import Links, links
from tocsin.sharing.markings import PAP_2, PAP_IDS, TLP_2, TLP_IDS, Marks, Tlp, read_marks, read_name
from tocsin.sharing.redaction import find

_TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_PAP_EXTENSION: Final = "extension-definition--f8d78575-edfd-406e-8e84-6162a8450f5b"
_DEFINITION: Final = "marking-definition"


@dataclass(frozen=True, slots=True)
class Stated:
    """An object without its content, which is let go: a package of a million objects fits so.

    `granular` are selectors with the id of their marking, `blind` the ids of markings whose selectors select nothing;
    `defines` is the known id of what a marking definition defines, empty when it is neither TLP nor PAP.
    """

    links: Links
    type: str
    version: int | None
    spec_version: str
    refs: tuple[str, ...]
    granular: tuple[tuple[tuple[str, ...], str], ...] = ()
    blind: tuple[str, ...] = ()
    defines: str = ""


def stated(item: Checked) -> Stated:
    """Return what an object states."""
    form = item.form
    head = (links(item.content), form.type, item.version, item.spec_version, tuple(form.object_marking_refs))
    if not form.granular_markings and form.type != _DEFINITION:
        return Stated(*head)
    marks = [mark for mark in form.granular_markings if mark.marking_ref]
    few = sum(len(mark.selectors) for mark in marks) <= MOST
    granular = tuple((tuple(mark.selectors), mark.marking_ref) for mark in marks) if few else ()
    blind = [mark.marking_ref for mark in marks if not few or not _selects(item.content, mark.selectors)]
    return Stated(*head, granular, tuple(blind), _level(item.content) if form.type == _DEFINITION else "")


def _selects(content: Mapping[str, Any], selectors: Iterable[str]) -> bool:
    """Tell whether each selector selects something."""
    return all(find(content, selector) for selector in selectors)


class Reader:
    """Reads the markings of a package, each set of references once.

    A definition of TLP or PAP that the package brings under an id of its own stands for the known one, unless the id is
    known already or is told in two ways.
    """

    def __init__(self, terms: Terms, items: Iterable[Stated]) -> None:
        known = {*terms.declared, *TLP_IDS, *PAP_IDS}
        self._alias = {ref: level for ref, level in _own_definitions(items).items() if ref not in known}
        self._known: dict[tuple[str, ...], Marks] = {}
        self.meaning = cache(terms.meaning)

    def own(self, item: Stated) -> Marks:
        """Return what an object says of itself, and of itself as a whole by selectors that select nothing."""
        marks = self._known.get(item.refs)
        if marks is None:
            marks = self._known[item.refs] = read_marks([self._alias.get(ref, ref) for ref in item.refs])
        for ref in item.blind:
            marks = marks.join(self._of_part(ref))
        return marks

    def parts(self, item: Stated, marks: Marks) -> tuple[Part, ...]:
        """Return the parts of an object that are more restricted than it, by some rulebook: one for each marking."""
        together: dict[str, list[str]] = {}
        for selectors, ref in item.granular:
            together.setdefault(ref, []).extend(selectors)
        found = [(tuple(dict.fromkeys(those)), marks.join(self._of_part(ref))) for ref, those in together.items()]
        return tuple(Part(selectors, joined, self.meaning(joined)) for selectors, joined in found if joined != marks)

    def _of_part(self, ref: str) -> Marks:
        return read_marks([self._alias.get(ref, ref)], Tlp.CLEAR)


def _own_definitions(items: Iterable[Stated]) -> dict[str, str]:
    """Return the known id for each marking definition of a package that defines one level."""
    told: dict[str, set[str]] = {}
    for item in items:
        if item.type == _DEFINITION:
            told.setdefault(item.links.id, set()).add(item.defines)
    return {name: level for name, levels in told.items() for level in levels if len(levels) == 1 and level}


def _level(content: Mapping[str, Any]) -> str:
    """Return the known id of what a definition defines, empty when it is neither TLP nor PAP."""
    kind = content.get("definition_type")
    definition = content.get("definition")
    extensions = content.get("extensions")
    names = []
    if kind in {"tlp", "pap"} and isinstance(definition, dict):
        names.append(f"{kind}:{definition.get(kind)}")
    for extension, prefix, key in ((_TLP_EXTENSION, "tlp", "tlp_2_0"), (_PAP_EXTENSION, "pap", "pap")):
        if isinstance(extensions, dict) and isinstance(extensions.get(extension), dict):
            names.append(f"{prefix}:{extensions[extension].get(key)}")
    levels = [read_name(name) for name in names]
    if len(levels) != 1 or levels[0] is None:
        return ""
    level = levels[0]
    return TLP_2[level] if isinstance(level, Tlp) else PAP_2[level]


__all__ = ["Reader", "Stated", "stated"]
