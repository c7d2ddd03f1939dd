"""Redaction: what the selectors of granular markings select, and an object of STIX without what some of them select.

Source: STIX 2.1, section 7.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

_AT: Final = re.compile(r"\[(0|[1-9][0-9]{0,8})\]", re.ASCII)
_WHOLE_ITEMS: Final = frozenset({"external_references", "kill_chain_phases", "extensions"})
"""Lists and maps whose items are left out as one, since a part of an item may be required in it."""
_FIXED: Final = frozenset({"id", "type", "spec_version", "created", "modified", "object_marking_refs", "granular_markings"})
"""What no redacted object can do without: others would take it for less restricted, or for another object or version."""
_LONGEST: Final = 1000
Json = dict[str, Any]
Step = str | int
Path = tuple[Step, ...]


def find(content: Mapping[str, Any], selector: str) -> Path | None:
    """Return the way of keys and indexes to what a selector selects, or None when there is no such thing."""
    return _find(content, selector.split("."), ()) if len(selector) <= _LONGEST else None


def _find(held: Any, names: Sequence[str], path: Path) -> Path | None:
    """Follow names; a key may itself hold dots, so the longest name that is a key is tried first."""
    if not names:
        return path
    if isinstance(held, list):
        at = _AT.fullmatch(names[0])
        index = int(at[1]) if at else len(held)
        return _find(held[index], names[1:], (*path, index)) if index < len(held) else None
    if not isinstance(held, dict):
        return None
    for count in range(len(names), 0, -1):
        key = ".".join(names[:count])
        if key in held:
            found = _find(held[key], names[count:], (*path, key))
            if found is not None:
                return found
    return None


def redact(body: bytes, hidden: Iterable[str]) -> bytes | None:
    """Return an object without what some selectors select, and without what its granular markings say of that.

    None when a selector selects nothing, or what no object can do without. Whether what is left is valid is not looked at.
    """
    content = msgspec.json.decode(body)
    paths = [find(content, selector) for selector in hidden]
    found = {_widened(path) for path in paths if path is not None}
    if None in paths or any(path[0] in _FIXED for path in found):
        return None
    kept = _without(content, found)
    marks = [mark for mark in (_moved(content, mark, found) for mark in content.get("granular_markings", ())) if mark]
    kept.pop("granular_markings", None)
    if marks:
        kept["granular_markings"] = marks
    return msgspec.json.encode(kept)


def _widened(path: Path) -> Path:
    """Return the path of what has to go with a part."""
    return path[:2] if path[0] in _WHOLE_ITEMS else path


def _without(held: Any, hidden: set[Path], path: Path = ()) -> Any:
    """Return content without hidden parts, nor what is empty without them."""
    if not isinstance(held, (dict, list)):
        return held
    kept = {}
    for step, value in held.items() if isinstance(held, dict) else enumerate(held):
        below = (*path, step)
        if below in hidden:
            continue
        left = _without(value, hidden, below)
        if left or not isinstance(value, (dict, list)) or left == value:
            kept[step] = left
    return kept if isinstance(held, dict) else list(kept.values())


def _moved(content: Json, mark: Json, hidden: set[Path]) -> Json | None:
    """Return a granular marking with the selectors that still select something, at their new places; None without one."""
    selectors = []
    for selector in mark["selectors"]:
        path = find(content, selector)
        new = None if path is None else _place(content, path, hidden)
        if new is not None:
            selectors.append(new)
    return {**mark, "selectors": selectors} if selectors else None


def _place(content: Json, path: Path, hidden: set[Path]) -> str | None:
    """Return the selector of a path when hidden parts are gone; None when it is gone with them."""
    if any(path[:length] in hidden for length in range(1, len(path) + 1)):
        return None
    names = []
    held: Any = content
    for length, step in enumerate(path):
        if isinstance(step, int):
            names.append(f"[{step - _gone(held, hidden, path[:length], step)}]")
        else:
            names.append(step)
        held = held[step]
    return ".".join(names) if _is_left(held, hidden, path) else None


def _gone(held: list[Any], hidden: set[Path], path: Path, before: int) -> int:
    """Return how many items of a list are gone before an index: of those that are hidden or hold what is."""
    length = len(path)
    touched = {other[length] for other in hidden if len(other) > length and other[:length] == path}
    indexes = [at for at in touched if isinstance(at, int) and at < before]
    return sum(not _is_left(held[at], hidden, (*path, at)) for at in indexes)


def _is_left(held: Any, hidden: set[Path], path: Path) -> bool:
    """Tell whether something is left of a part."""
    if path in hidden:
        return False
    left = _without(held, hidden, path)
    return bool(left) or not isinstance(held, (dict, list)) or left == held


__all__ = ["Path", "find", "redact"]
