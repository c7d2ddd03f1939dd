"""How the field of a view is made from native ones: those of a twin (semantics 19) and those of a field map."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.events.values import decode, encode
from tocsin.rules.view import Alias

_INTEGRITY: Final = {"S-1-16-4096": "Low", "S-1-16-8192": "Medium", "S-1-16-12288": "High", "S-1-16-16384": "System"}
_PROTOCOLS: Final = {"6": "tcp", "17": "udp"}
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,16}")
_MOST_EXTENSION: Final = 16
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST_END: Final = re.compile(r"[/?#]")
_HIVES: Final = (("\\REGISTRY\\MACHINE", "HKLM"), ("\\REGISTRY\\USER", "HKU"))


def _decimal(text: str) -> str:
    return str(int(text, 16)) if _HEX.fullmatch(text) else text


def _registry(path: str) -> str:
    for prefix, hive in _HIVES:
        if path[: len(prefix)].upper() == prefix:
            return hive + path[len(prefix) :]
    return path


def _initiated(direction: str) -> str:
    return {"%%14593": "true", "%%14592": "false"}.get(direction, direction)


def _url_split(url: str) -> tuple[str, str]:
    """Return the host part of an absolute URL, empty for one that is only a path, and what follows."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "", url
    end = _HOST_END.search(url, scheme.end())
    at = end.start() if end else len(url)
    return url[scheme.end() : at], url[at:]


def _url_path(url: str) -> str:
    """Return the path of a URL, or of what a request line has in its place."""
    host, target = _url_split(url)
    path = target.partition("?")[0].partition("#")[0]
    return path or "/" if host else path


def _url_query(url: str) -> str | None:
    _, mark, query = url.partition("?")
    return query.partition("#")[0] if mark else None


def _url_host(url: str) -> str | None:
    """Return the host of an absolute URL, or of the host and port that a tunnel is asked for."""
    host = (_url_split(url)[0] or url.partition("/")[0].partition("?")[0]).rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0] or None
    return host.partition(":")[0] or None


def _url_extension(url: str) -> str | None:
    """Return the letters after the last dot of a path's last part, lower case."""
    _, dot, extension = _url_path(url).rpartition("/")[2].rpartition(".")
    return extension.lower() if dot and 0 < len(extension) <= _MOST_EXTENSION else None


def _url_and_query(url: str) -> tuple[str | None, ...]:
    """Return a URL as it was requested, then its query, which is null where it has none."""
    return (url, _url_query(url) or None)


def _url_and_target(url: str) -> tuple[str, ...]:
    """Return a URL, then its path and query as a request to the server itself has them."""
    host, target = _url_split(url)
    return (url, target) if host and target else (url,)


def _plus_and_space(text: str) -> tuple[str, ...]:
    """Return a text, then what it was before its spaces were written as plus signs."""
    return (text, text.replace("+", " ")) if "+" in text and " " not in text else (text,)


ONE: Final[dict[str, Callable[[str], str | None]]] = {
    "copy": lambda text: text,
    "decimal": _decimal,
    "lower": str.lower,
    "integrity": lambda text: _INTEGRITY.get(text, text),
    "protocol": lambda text: _PROTOCOLS.get(text, text),
    "initiated": _initiated,
    "account": lambda text: text,
    "registry": _registry,
    "upper": str.upper,
    "url_path": _url_path,
    "url_query": _url_query,
    "url_host": _url_host,
    "url_extension": _url_extension,
}
"""Transforms of one text; those of two sources join the texts with a backslash first."""
MANY: Final[dict[str, Callable[[str], tuple[str | None, ...]]]] = {
    "url_and_query": _url_and_query,
    "url_and_target": _url_and_target,
    "plus_and_space": _plus_and_space,
}
"""Transforms of one text to all of its readings: rules mean now one, now the other by the same field."""
ITEMS: Final = {"item_7": 6, "item_8": 7}
"""Transforms of a list to one of its values, told by its place; a text is that value already. The first source counts."""
SAME: Final = "same"
"""The value as it is, a list as a list; of several sources, the first that is present."""
MAP_TRANSFORMS: Final = frozenset({"lower", "upper", "decimal", "url_path", "url_query", "url_host", "url_extension", *MANY})
"""The transforms that a field map may name."""


def made_cell(alias: Alias, cells: Sequence[str | None]) -> str | None:
    """Make the cell of an alias from those of its sources; None when it is absent."""
    if alias.transform == SAME:
        return next((cell for cell in cells if cell is not None), None)
    if alias.transform in ITEMS:
        value: str | list[str | None] | None = picked(alias, [decode(cell) for cell in cells if cell is not None])
        return None if value is None else encode(value)
    value = made_value(alias, tuple([text_of(cell) for cell in cells]))
    return None if value is None else encode(value)


def picked(alias: Alias, found: Sequence[Sequence[str | None]]) -> str | None:
    """Return the value at the place that an alias names, of the first of its sources that is present."""
    values, place = found[0] if found else (), ITEMS[alias.transform]
    if len(values) == 1:
        return values[0]
    return values[place] if place < len(values) else None


def text_of(cell: str | None) -> str | None:
    """Return the one text of a cell; None for a null and for a list of several."""
    if cell is None or not cell.startswith("\0"):
        return cell
    values = decode(cell)
    return values[0] if len(values) == 1 else None


def made_value(alias: Alias, texts: Sequence[str | None]) -> str | list[str | None] | None:
    """Make the alias' value from its sources' texts; None when the first of two, or the only one, is absent."""
    if alias.transform in MANY:
        return None if texts[0] is None else list(MANY[alias.transform](texts[0]))
    if len(texts) == 1:
        return None if texts[0] is None else ONE[alias.transform](texts[0])
    present = [text for text in texts if text is not None]
    return ONE[alias.transform]("\\".join(present)) if texts[0] is not None and present else None


__all__ = ["ITEMS", "MANY", "MAP_TRANSFORMS", "ONE", "SAME", "made_cell", "made_value", "picked", "text_of"]
