"""Read the maps of a YAML file strictly: unknown keys, missing keys and wrong values are gathered, each with its trail."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, Generic, NamedTuple, TypeVar

from tocsin.errors import TocsinError
from tocsin.rules.documents import places

E = TypeVar("E", bound=TocsinError)
Trail = tuple[str | int, ...]
_MOST: Final = 100


class Codes(NamedTuple):
    """The codes of what can be wrong in any such file."""

    unknown_key: str
    missing: str
    value: str
    name: str
    twice: str


class MapReader(Generic[E]):
    """Reads the parts of a document and gathers what is wrong with them.

    `forms` tells for keys of the file (empty for the file itself) how their entries are written.
    """

    def __init__(self, error: type[E], codes: Codes, forms: Mapping[str | int, str]) -> None:
        self.problems: list[E] = []
        self.warnings: list[E] = []
        self.codes = codes
        self._error = error
        self._forms = forms

    def wrong(self, code: str, message: str, trail: Trail, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(self._error(code, message, hint=hint, trail=trail))

    def doubtful(self, code: str, message: str, trail: Trail, hint: str) -> None:
        """Note what is likely a mistake, and can be used."""
        self.warnings.append(self._error(code, message, hint=hint, trail=trail))

    def read_map(self, value: Any, trail: Trail, keys: Collection[str]) -> dict[str, Any]:
        """Return a map with known keys only, any when none are given; empty when the value is no map."""
        if not isinstance(value, dict):
            expected = f"expected a map with {', '.join(list(keys)[:4])} ..." if keys else "expected a map"
            hint = self._forms.get(trail[0] if trail else "", "")
            self.wrong(self.codes.value, f"{expected}, not {shown(value)}", trail, hint)
            return {}
        for key in value if keys else ():
            if key not in keys:
                hint = near(str(key), keys) or f"known are {', '.join(keys)}"
                self.wrong(self.codes.unknown_key, f"unknown key {str(key)!r}", (*trail, f"key:{key}"), hint)
        return {str(key): item for key, item in value.items()}

    def read_text(self, found: dict[str, Any], trail: Trail, key: str, required: str = "") -> str:
        """Return the text of a key; `required` is the hint that is given when there is none."""
        value = found.get(key)
        if value is None or value == "":
            if required and found:
                self.wrong(self.codes.missing, f"the key {key!r} is missing or empty", trail, required)
            return ""
        if isinstance(value, (dict, list)):
            self.wrong(self.codes.value, f"{key!r} is a text, not {shown(value)}", (*trail, key))
            return ""
        return str(value)

    def read_list(self, found: dict[str, Any], trail: Trail, key: str) -> list[Any]:
        """Return the list of a key; empty when there is none."""
        value = found.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            hint = self._forms.get(key, "write it as [one, other]")
            self.wrong(self.codes.value, f"{key!r} is a list, not {shown(value)}", (*trail, key), hint)
            return []
        return value

    def read_texts(self, found: dict[str, Any], trail: Trail, key: str) -> Iterator[tuple[Trail, str]]:
        """Yield the texts of a list, or of one text, with their trails."""
        value = found.get(key)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            yield (*trail, key), str(value)
            return
        for at, item in enumerate(self.read_list(found, trail, key)):
            if isinstance(item, (dict, list)) or item is None or item == "":
                self.wrong(self.codes.value, f"{key!r} has texts, not {shown(item)}", (*trail, key, at))
            else:
                yield (*trail, key, at), str(item)

    def one_of(self, value: str, known: Collection[str], trail: Trail, what: str) -> str:
        """Return a value that is one of the known, else an empty text."""
        if value in known:
            return value
        hint = near(value, known) or f"known are {', '.join(known)}"
        self.wrong(self.codes.value, f"{value!r} is no {what}", trail, hint)
        return ""

    def unknown(self, what: str, name: str, known: Collection[str], trail: Trail) -> None:
        """Note that a name stands for nothing in the file."""
        hint = near(name, known) or (f"known are {', '.join(sorted(known)[:10])}" if known else f"the file has no {what}s")
        self.wrong(self.codes.name, f"there is no {what} {name!r}", trail, hint)


def placed(errors: list[E], text: bytes, path: str) -> list[E]:
    """Return the first errors with their places, in the order of the file."""
    found = places(errors[:_MOST], text, path)
    return sorted(found, key=lambda error: (error.where.line, error.where.column) if error.where else (0, 0))


def first_of(problems: list[E], command: str) -> E:
    """Return the first problem; when there are more, its hint names the command that lists them all."""
    first = problems[0]
    if len(problems) == 1:
        return first
    hint = "; ".join(filter(None, (first.hint, f"'{command}' lists all {len(problems)} problems")))
    return type(first)(first.code, first.message, where=first.where, hint=hint)


def shown(value: Any) -> str:
    """Return how a value is called in a message."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)


def near(name: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """Return a hint that names what is almost the same, empty when nothing is."""
    folded = {item.casefold(): item for item in known}
    close = get_close_matches(name.casefold(), folded, 1, cutoff)
    return f"did you mean {folded[close[0]]!r}?" if close else ""


__all__ = ["Codes", "MapReader", "Trail", "first_of", "near", "placed", "shown"]
