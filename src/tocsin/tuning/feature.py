"""One test of a filter: a field, how it is compared, and the values of which one must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as part
from typing import Final

from tocsin.plans.expr import Cidr, Glob
from tocsin.plans.match import TextTest, read_address, text_test
from tocsin.rules.pattern import ANY, Pattern, quoted, write_pattern
from tocsin.tuning.fields import Kind, Sample, changes, is_code, kind_of
from tocsin.tuning.shapes import common, exact, is_exact, literal_size, network_of

_WORDS: Final = {
    "": "is",
    "startswith": "begins with",
    "endswith": "ends with",
    "contains": "contains",
    "cidr": "is in the network",
}
_FLAGS: Final = frozenset({"true", "false", "yes", "no", "t", "f", "0", "1", "none", "null"})
"""Texts that very many events share."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A test as a filter writes it: `how` is empty, `cidr`, `startswith`, `endswith` or `contains`; values as written."""

    field: str
    how: str
    values: tuple[str, ...]
    kind: Kind
    patterns: tuple[Pattern, ...]
    whole: bool = part(default=False, compare=False)
    """The texts are taken as they are, what may change in them included."""

    @property
    def key(self) -> str:
        """Return the key of the line in a rule."""
        return f"{self.field}|{self.how}" if self.how else self.field

    @property
    def is_exact(self) -> bool:
        """Tell whether every value is a whole text."""
        return not self.how and all(map(is_exact, self.patterns))

    @property
    def size(self) -> int:
        """Return how much text the least of the values demands."""
        return min(map(literal_size, self.patterns), default=0)

    def words(self) -> str:
        """Return the test in plain words."""
        return f"{self.field} {_WORDS[self.how]} {' or '.join(map(quoted, self.values))}"

    def tests(self) -> list[tuple[TextTest, bool]]:
        """Return the test of each value on one text, and whether it wants the text folded."""
        if self.how == "cidr":
            return [text_test(Cidr(value)) for value in self.values]
        return [text_test(Glob(pattern)) for pattern in self.patterns]

    def holds(self, sample: Sample) -> bool:
        """Tell whether the field of an event has one of the values."""
        texts = sample.get(self.field, ())
        return any(test(text.casefold() if folded else text) for test, folded in self.tests() for text in texts)


def feature_of(name: str, samples: Sequence[Sample], tested: frozenset[str], whole: bool = False) -> Feature | None:
    """Return the narrowest test of a field that holds for all samples; None when it says too little, or changes.

    With `whole` the texts are taken as they are, what may change in them included.
    """
    kind = kind_of(name, tested)
    found = [sample.get(name, ()) for sample in samples]
    if kind is Kind.NEVER or any(len(texts) != 1 or not texts[0] for texts in found):
        return None
    texts = [texts[0] for texts in found]
    if not whole and any(changes(name, text) for text in texts):
        return None
    if kind is Kind.ADDRESS and not all(map(read_address, texts)):
        kind = Kind.PLAIN
    if kind is Kind.PLAIN and {text.casefold() for text in texts} <= _FLAGS:
        kind = Kind.PRODUCT
    patterns = exact(texts) if whole or kind is Kind.HASH or is_code(name) else common(texts)
    if kind is Kind.ADDRESS and not all(map(is_exact, patterns)):
        patterns = ()
    if patterns:
        return _written(name, kind, patterns, whole)
    network = network_of(texts) if kind is Kind.ADDRESS else ""
    return Feature(name, "cidr", (network,), kind, ()) if network else None


def _written(name: str, kind: Kind, patterns: tuple[Pattern, ...], whole: bool) -> Feature:
    """Return the test with the modifier that says the same as wildcards at the ends."""
    hows = {_how(pattern) for pattern in patterns}
    how = hows.pop() if len(hows) == 1 else ""
    begin, end = int(how in ("endswith", "contains")), int(how in ("startswith", "contains"))
    inner = [pattern[begin : len(pattern) - end] for pattern in patterns]
    return Feature(name, how, tuple(write_pattern(pattern) for pattern in inner), kind, patterns, whole)


def _how(pattern: Pattern) -> str:
    begins, ends = _is_any(pattern[0]), _is_any(pattern[-1])
    if len(pattern) != 1 + begins + ends or not isinstance(pattern[int(begins)], str):
        return ""
    return {(True, True): "contains", (True, False): "endswith", (False, True): "startswith"}.get((begins, ends), "")


def _is_any(token: str | int) -> bool:
    return isinstance(token, int) and token == ANY


__all__ = ["Feature", "feature_of"]
