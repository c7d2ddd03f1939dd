"""The validator of OASIS takes what is made here of other formats, and refuses what only it can tell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from shared_data import shared
from tocsin.errors import UsageError
from tocsin.feeds import strict
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.read import read_package
from tocsin.feeds.strict import strictly
from tocsin.sharing.markings import Tlp

TERMS = Terms({}, Tlp.AMBER)
URL = {"type": "url", "id": "url--00000001-0000-4000-8000-000000000001", "value": "no scheme"}


def _samples(folder: str, pattern: str, most: int) -> Iterator[Incoming]:
    """Yield some objects of each type of a folder."""
    seen: Counter[str] = Counter()
    for path in sorted(shared(folder).glob(pattern))[::7]:
        for item in read_package(path, path.name, TERMS):
            if isinstance(item, Incoming):
                seen[item.type] += 1
                if seen[item.type] <= most:
                    yield item


@pytest.mark.parametrize(
    ("folder", "pattern", "types"),
    [("misp", "*.json", 8), ("csaf", "*.json", 5), ("kev", "*.json", 1), ("sigma", "rules/windows/process_creation/*.yml", 1)],
)
def test_what_is_made_is_valid(folder: str, pattern: str, types: int) -> None:
    """Of each type that is made of a format, the first objects pass."""
    samples = list(_samples(folder, pattern, 5))
    assert len({item.type for item in samples}) >= types
    assert list(strictly(samples)) == samples


def test_what_only_the_validator_tells() -> None:
    """A URL without scheme is refused with the validator's words; what was refused before is passed on."""
    read = list(read_package(json.dumps([URL, {**URL, "value": ""}]).encode(), "file", TERMS))
    first, second = strictly(read)
    assert isinstance(first, Rejected)
    assert (first.code, first.id, first.why) == ("X015", URL["id"], "value: 'no scheme' is not a 'uri'")
    assert second == read[1]


def test_without_the_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error that says what to install."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(strict.importlib, "import_module", missing)
    with pytest.raises(UsageError) as raised:
        list(strictly([]))
    assert raised.value.code == "X005"
