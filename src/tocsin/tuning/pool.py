"""Many events, asked which of them a test holds for: each distinct text is asked once, the answer is a set of bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from tocsin.tuning.feature import Feature
from tocsin.tuning.fields import Sample


class Pool:
    """Events with the number of findings that each stands for; bit n of an answer is the event n."""

    def __init__(self, samples: Sequence[tuple[Sample, int]]) -> None:
        self._by_weight: dict[int, int] = {}
        for number, (_, weight) in enumerate(samples):
            self._by_weight[weight] = self._by_weight.get(weight, 0) | 1 << number
        self._samples = [sample for sample, _ in samples]
        self._index: dict[str, dict[str, int]] = {}
        self._known: dict[Feature, int] = {}

    @property
    def all(self) -> int:
        """Return the bits of all events."""
        return (1 << len(self._samples)) - 1

    def hits(self, selection: Iterable[Feature]) -> int:
        """Return the events for which all tests hold."""
        return reduce(lambda found, feature: found & self._hits(feature), selection, self.all)

    def weight(self, bits: int) -> int:
        """Return how many findings the events stand for."""
        return sum(weight * (bits & members).bit_count() for weight, members in self._by_weight.items())

    def _hits(self, feature: Feature) -> int:
        known = self._known.get(feature)
        if known is None:
            known = 0
            tests = feature.tests()
            for text, bits in self._texts(feature.field).items():
                if any(test(text.casefold() if folded else text) for test, folded in tests):
                    known |= bits
            self._known[feature] = known
        return known

    def _texts(self, field: str) -> dict[str, int]:
        """Return the events that have each text of a field."""
        found = self._index.get(field)
        if found is None:
            found = self._index[field] = {}
            for number, sample in enumerate(self._samples):
                for text in sample.get(field, ()):
                    found[text] = found.get(text, 0) | 1 << number
        return found


__all__ = ["Pool"]
