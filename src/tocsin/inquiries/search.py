"""A search of all fields of all events: texts, expressions, networks and fields, and indicators by the ten thousands.

Values of one option are alternatives, or all needed when that is asked for; different options must all hold, as must different
fields. With indicators, every one that an event holds is a hit of its own, and the options narrow down where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

import hyperscan

from tocsin.errors import UsageError
from tocsin.events import Event, Gate
from tocsin.events.values import elements
from tocsin.indicators import Indicator
from tocsin.inquiries import needles as needle
from tocsin.inquiries.matching import fold_test, network_test
from tocsin.inquiries.values import Value, values_of
from tocsin.plans.expr import Glob
from tocsin.plans.match import glob_test
from tocsin.rules import fieldmaps
from tocsin.rules.logsource import ALIASES, views
from tocsin.rules.pattern import parse_pattern
from tocsin.rules.regexes import check_regex, searcher
from tocsin.rules.transforms import SAME
from tocsin.rules.twins import see

_SHOWN: Final = 20
_KEEPING: Final = frozenset({SAME, "copy", "lower", "upper"})
"""Transforms that leave a text what it is in any case."""
Finder = Callable[[bytes], Iterable[int]]
"""Tells which needles stand in folded bytes, by their places among all of a search; numbers beyond these mean nothing."""
Found = dict[str, list[str]]
"""Field -> the values of it that were found."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for. `fields` are pairs of name and value, with `*` and `?`; `every`: all values of an option."""

    texts: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    every: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to find: its name, the needles of which its events hold one, what finds it, and at which gates it may be."""

    name: str
    needles: tuple[str, ...]
    find: Callable[[Event, Sequence[Value]], Found]
    may_see: Callable[[Gate], bool] = lambda gate: True


@dataclass(frozen=True, slots=True)
class _Group:
    """Terms of which one must be found, or all."""

    terms: tuple[Term, ...]
    every: bool

    @property
    def told(self) -> str:
        """Return the group in words."""
        names = (" and " if self.every else " or ").join(term.name for term in self.terms)
        return f"({names})" if len(self.terms) > 1 else names

    def needles(self) -> tuple[str, ...]:
        """Return texts of which one must occur for the group to hold; none when nothing can be said."""
        if self.every:
            return max((term.needles for term in self.terms), key=lambda found: min(map(len, found), default=0))
        found = [term.needles for term in self.terms]
        return tuple(text for texts in found for text in texts) if all(found) else ()

    def may_see(self, gate: Gate) -> bool:
        """Tell whether the group may hold for an event of a gate."""
        return (all if self.every else any)(term.may_see(gate) for term in self.terms)

    def found(self, event: Event, values: Sequence[Value]) -> dict[str, Found]:
        """Return what each term finds; nothing when the group does not hold."""
        found = {term.name: hits for term in self.terms if (hits := term.find(event, values))}
        return found if len(found) == len(self.terms) or not self.every else {}


@dataclass(slots=True)
class Hit:
    """What was found in an event: the number of an indicator, -1 for the search itself, and where."""

    indicator: int
    matched: dict[str, Found] = field(default_factory=dict)


class Search:
    """A search that is ready to run. `needles` are texts of which a raw record must hold one; empty: every one is looked at."""

    def __init__(self, terms: Terms, indicators: Sequence[Indicator] = (), whole: bool = False) -> None:
        """Make a search; `whole` allows one that finds every event, as for a range of time.

        Raises: UsageError U002 for an expression or network that is none, I004 when there is nothing to find.
        """
        self._groups = _groups(terms)
        self.indicators = tuple(indicators)
        if not self._groups and not self.indicators and not whole:
            hint = "give --text, --regex, --cidr, --field, --since, --until or --indicators"
            raise UsageError("I004", "nothing to hunt for is left", hint=hint)
        self._index = _Index(self.indicators) if self.indicators else None
        choices = [self._index.needles] if self._index else []
        choices += [group.needles() for group in self._groups]
        chosen: tuple[str, ...] = min(filter(None, choices), key=_cost, default=())
        self.needles = needle.Needles(chosen)
        self.told = " and ".join(group.told for group in self._groups)

    def may_see(self, gate: Gate) -> bool:
        """Tell whether anything may be found in an event of a gate."""
        return all(group.may_see(gate) for group in self._groups)

    def use(self, finder: Finder) -> None:
        """Find needles with what was made to screen for them: compiling ten thousands takes seconds."""
        if self._index and self._index.needles and self.needles == self._index.needles:
            self._index.finder = finder

    def hits(self, event: Event) -> list[Hit]:
        """Return what is found in an event, by number. Raises: RegexTimeout E001."""
        values = values_of(event)
        indicators: dict[int, Found] = {}
        if self._index:
            indicators = self._index.found(values)
            if not indicators:
                return []
        matched: dict[str, Found] = {}
        for group in self._groups:
            found = group.found(event, values)
            if not found:
                return []
            matched |= found
        if self._index:
            return [Hit(number, {"indicator": found, **matched}) for number, found in sorted(indicators.items())]
        return [Hit(-1, matched)]

    def may_hold(self, texts: Sequence[str | None]) -> bool:
        """Tell whether an event with these values can hold an indicator; true when there are no indicators."""
        return self._index is None or bool(self._index.candidates("\n".join(filter(None, texts)).casefold()))


def _cost(needles: tuple[str, ...]) -> tuple[bool, int]:
    """Return how much a choice of needles is worth avoiding: short ones are found everywhere."""
    return min(map(len, needles)) < 3, len(needles)


class _Index:
    """Indicators by needle: one search of an event's values tells which of them are worth a look."""

    def __init__(self, indicators: Sequence[Indicator]) -> None:
        self._indicators = indicators
        by_needle: dict[str, list[int]] = {}
        self._always: list[int] = []
        for number, indicator in enumerate(indicators):
            found = needle.of_indicator(indicator)
            for text in found:
                by_needle.setdefault(text, []).append(number)
            if not found:
                self._always.append(number)
        texts = tuple(sorted(by_needle))
        self._numbers = [by_needle[text] for text in texts]
        self._texts = texts
        self.finder: Finder | None = None
        self.needles = () if self._always else texts

    def candidates(self, fold: str) -> set[int]:
        """Return the numbers of the indicators whose needles a folded text holds."""
        if self.finder is None:
            self.finder = _finder(self._texts)
        last = len(self._numbers)
        hits = self.finder(fold.encode("utf-8", "replace"))
        return {number for hit in hits if hit < last for number in self._numbers[hit]}.union(self._always)

    def found(self, values: Sequence[Value]) -> dict[int, Found]:
        """Return the indicators that values hold, and where."""
        found: dict[int, Found] = {}
        for number in self.candidates("\n".join([value.fold for value in values])):
            indicator = self._indicators[number]
            where = _where(fold_test(indicator.kind, indicator.value), values)
            if where:
                found[number] = where
        return found


def _finder(texts: Sequence[str]) -> Finder:
    """Return what finds texts."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(texts)
    expressions = [b"".join(b"\\x%02x" % byte for byte in text.encode()) for text in texts]
    if expressions:
        flags = [hyperscan.HS_FLAG_SINGLEMATCH] * count
        database.compile(expressions=expressions, ids=list(range(count)), elements=count, flags=flags)

    def find(data: bytes) -> set[int]:
        hits: set[int] = set()
        if expressions:
            database.scan(data, match_event_handler=lambda number, start, end, flags, context: hits.add(number))
        return hits

    return find


def _where(test: Callable[[str], bool], values: Sequence[Value]) -> Found:
    return _gathered([value for value in values if test(value.fold)])


def _gathered(values: Sequence[Value]) -> Found:
    """Return values by field; the raw line only where no field has what was found."""
    named = [value for value in values if value.field != "*"] or list(values)
    found: Found = {}
    for value in named:
        texts = found.setdefault(value.field, [])
        if value.text not in texts and len(texts) < _SHOWN:
            texts.append(value.text)
    return found


def _groups(terms: Terms) -> tuple[_Group, ...]:
    groups = [[_text(text) for text in terms.texts], [_regex(text) for text in terms.regexes]]
    groups.append([_network(text) for text in terms.networks])
    by_name: dict[str, list[Term]] = {}
    for name, value in terms.fields:
        by_name.setdefault(name, []).append(_field(name, value))
    return tuple(_Group(tuple(found), terms.every) for found in (*groups, *by_name.values()) if found)


def _text(text: str) -> Term:
    fold = text.casefold()
    if not fold:
        raise UsageError("U002", "an empty text would be found everywhere", hint="leave --text out")
    return Term(f"text {text}", needle.of_pattern((text,)), lambda event, values: _where(lambda it: fold in it, values))


def _regex(expression: str) -> Term:
    fault = check_regex(expression) or ("it is empty" if not expression else "")
    if fault:
        raise UsageError("U002", f"{expression!r} is no regular expression: {fault}", hint="RE2's syntax; (?i) for any case")
    test = searcher(expression)

    def find(event: Event, values: Sequence[Value]) -> Found:
        return _gathered([value for value in values if test(value.text)])

    return Term(f"regex {expression}", needle.of_regex(expression), find)


def _network(text: str) -> Term:
    try:
        found = ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError("U002", f"{text!r} is no network: {error}", hint="write for example 10.0.0.0/8") from error
    address, network = text.strip().partition("/")[0], str(found)
    if ip_address(address) != found.network_address:
        hint = f"write {network} for the whole network, or {address} for the one address"
        raise UsageError("U002", f"{text!r} is an address with the length of its network", hint=hint)
    test = network_test(network)
    return Term(f"cidr {network}", needle.of_network(network), lambda event, values: _where(test, values))


def _field(name: str, value: str) -> Term:
    """Return what finds a field's value under any name by which rules know it: that of the event or of one of its views."""
    glob = Glob(parse_pattern(value))
    test = glob_test(glob.pattern, cased=False)

    def find(event: Event, values: Sequence[Value]) -> Found:
        for seen in (event, *(see(event, view) for view in views(event.gate) if view.aliases)):
            present, found = seen.find(name)
            texts = [text for text in elements(found) if text is not None and test(text.casefold())] if present else []
            if texts:
                return {name: texts[:_SHOWN]}
        return {}

    plain = () if name in _made_fields() else needle.of_field(glob.pattern)
    return Term(f"field {name}={value}", plain, find, _event_id_test(test) if name == "EventID" else lambda gate: True)


def _event_id_test(test: Callable[[str], bool]) -> Callable[[Gate], bool]:
    """Return what tells whether the event id of a gate may be the one that is asked for."""

    def may_see(gate: Gate) -> bool:
        known = gate.product == "windows" and gate.event_id and not gate.masked
        return not known or test(gate.event_id.casefold())

    return may_see


@lru_cache(maxsize=1)
def _made_fields() -> frozenset[str]:
    """Return the fields of which some view shows another text than any that the event has."""
    maps = [found for name in fieldmaps.products() if (found := fieldmaps.field_map(name))]
    seen = [view for found in maps for view in found.channels.values()]
    aliases = [*ALIASES, *(alias for found in maps for alias in found.aliases)]
    aliases += [alias for view in seen for alias in view.aliases]
    return frozenset(alias.field for alias in aliases if alias.transform not in _KEEPING)


__all__ = ["Finder", "Found", "Hit", "Search", "Terms"]
