"""One object of STIX: read once, checked against the form of its type, and known for what its JSON says.

Source: STIX 2.1 (OASIS Standard, 2021). An object of STIX 2.0, which has no `spec_version`, is held to what both have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from tocsin.feeds.forms import DOMAIN, OBSERVABLE, Common, Json
from tocsin.sharing.moments import read_moment

OBJECT_BYTES: Final = 32 << 20
"""The longest object, in bytes."""
DEPTH: Final = 64
"""How deep lists and objects may stand in each other."""
_SHOWN: Final = 100
_TYPE_LENGTH: Final = 250


@dataclass(frozen=True, slots=True)
class Checked:
    """An object that has the form of its type. `version` is in microseconds, None for what has none."""

    form: Common
    content: Json
    version: int | None
    spec_version: str


class FormError(ValueError):
    """An object that has not the form of its type; carries a code."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


_ANY: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()
_FORMS: Final[Mapping[str, type[Common]]] = {**DOMAIN, **OBSERVABLE}


def check(body: bytes) -> Checked:
    """Read an object and check it.

    Raises: FormError.
    """
    if len(body) > OBJECT_BYTES:
        raise FormError("X014", f"the object is longer than {OBJECT_BYTES >> 20} MiB")
    try:
        content = _ANY.decode(body)
        again = _ENCODER.encode(content)
    except RecursionError as error:
        raise FormError("X014", f"the object is deeper than {DEPTH} levels") from error
    except ValueError as error:
        raise FormError("X004", f"the object is no JSON in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise FormError("X010", "it is no object")
    _check_depth(body, content)
    _check_keys(body, again)
    return check_content(content)


def check_content(content: Json) -> Checked:
    """Check an object that was read already.

    Raises: FormError.
    """
    kind = content.get("type")
    spec = content.get("spec_version") or ("2.1" if isinstance(kind, str) and kind in OBSERVABLE else "2.0")
    form = _FORMS.get(kind, Common) if spec == "2.1" and isinstance(kind, str) else Common
    try:
        found = msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        raise FormError("X010", _told(str(error))) from error
    _check_id(found)
    return Checked(found, content, _check_moments(found, content), spec)


def valid(content: Json) -> bool:
    """Tell whether an object, of which something was left out, still has the form of its type."""
    try:
        check_content(content)
    except FormError:
        return False
    return True


_FORM_OF_ID: Final = re.compile(r"`str` matching regex '[^']*--\[0-9[^']*'")


def _told(message: str) -> str:
    """Return a message of the decoder as this project words it."""
    text = message.replace("Object missing required field", "there is no").replace("Expected", "expected")
    text = _FORM_OF_ID.sub("an id as TYPE--UUID", text)
    return text.replace(" - at `$.", ", at `")[: 3 * _SHOWN]


def _check_depth(raw: bytes, content: Json) -> None:
    if raw.count(b"{") <= DEPTH // 2 and raw.count(b"[") <= DEPTH // 2:
        return
    level: list[Any] = [content]
    for _ in range(DEPTH):
        level = [item for held in level for item in _within(held) if isinstance(item, (dict, list))]
        if not level:
            return
    raise FormError("X014", f"the object is deeper than {DEPTH} levels")


def _within(held: Any) -> Iterator[Any]:
    return iter(held.values() if isinstance(held, dict) else held)


def _check_keys(raw: bytes, again: bytes) -> None:
    """Refuse a key that stands twice in one object, of which some readers see the first and some the last.

    Each key has one colon, and texts have as many as they had, unless one was written as an escape. So an object that was
    read and written again has fewer colons exactly when a key was dropped.
    """
    if b"\\u003" not in raw and raw.count(b":") == again.count(b":"):
        return
    try:
        json.loads(raw, object_pairs_hook=_single)
    except RecursionError as error:
        raise FormError("X014", f"the object is deeper than {DEPTH} levels") from error


def _single(pairs: list[tuple[str, Any]]) -> None:
    keys = {key for key, _ in pairs}
    if len(keys) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise FormError("X013", f"the key {twice[:_SHOWN]!r} stands twice in one object")


def _check_id(found: Common) -> None:
    if not 3 <= len(found.type) <= _TYPE_LENGTH:
        raise FormError("X011", f"{found.type[:_SHOWN]!r} is no type of STIX")
    if found.type == "bundle":
        raise FormError("X011", "a bundle does not belong into a bundle")
    if not found.id.startswith(found.type + "--"):
        raise FormError("X011", f"the id {found.id[:_SHOWN]!r} is not of the type {found.type[:_SHOWN]!r}")


def _check_moments(found: Common, content: Json) -> int | None:
    """Check what else the form asks for, and return the object's version."""
    moments: dict[str, int] = {}
    for name in found.moments:
        if name in content:
            moments[name] = _moment(name, content[name])
    for first, last in found.ordered:
        if first in moments and last in moments and moments[last] < moments[first]:
            raise FormError("X012", f"{last} is before {first}")
    if found.either and not any(name in content for name in found.either):
        raise FormError("X010", f"there is none of {', '.join(found.either)}")
    for mark in found.granular_markings:
        if bool(mark.marking_ref) == bool(mark.lang):
            raise FormError("X010", "a granular marking has exactly one of marking_ref and lang")
    return moments.get("modified", moments.get("created"))


def _moment(name: str, text: str) -> int:
    moment = _read(text)
    if moment is None:
        raise FormError("X012", f"{name} is {text[:_SHOWN]!r}, which is no moment such as 2026-01-31T12:00:00.000Z")
    return moment


@lru_cache(maxsize=16384)
def _read(text: str) -> int | None:
    """Return a moment; a package has few distinct ones."""
    return read_moment(text)


__all__ = ["DEPTH", "OBJECT_BYTES", "Checked", "FormError", "check", "check_content", "valid"]
