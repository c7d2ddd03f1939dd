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


def _url_path(url: str) -> str:
    """Return the path of a URL, or of what a request line has in its place."""
    path = url.partition("?")[0].partition("#")[0]
    _, scheme, rest = path.partition("://")
    return f"/{rest.partition('/')[2]}" if scheme else path


def _url_query(url: str) -> str | None:
    _, mark, query = url.partition("?")
    return query.partition("#")[0] if mark else None


def _url_host(url: str) -> str | None:
    rest = url.partition("://")[2] or url
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0] or None
    return host.partition(":")[0] or None


def _url_extension(url: str) -> str | None:
    """Return the letters after the last dot of a path's last part, lower case."""
    _, dot, extension = _url_path(url).rpartition("/")[2].rpartition(".")
    return extension.lower() if dot and 0 < len(extension) <= _MOST_EXTENSION else None


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
SAME: Final = "same"
"""The value as it is, a list as a list; of several sources, the first that is present."""
MAP_TRANSFORMS: Final = frozenset({"lower", "upper", "decimal", "url_path", "url_query", "url_host", "url_extension"})
"""The transforms that a field map may name."""


def made_cell(alias: Alias, cells: Sequence[str | None]) -> str | None:
    """Make the cell of an alias from those of its sources; None when it is absent."""
    if alias.transform == SAME:
        return next((cell for cell in cells if cell is not None), None)
    text = made_text(alias, tuple([text_of(cell) for cell in cells]))
    return None if text is None else encode(text)


def text_of(cell: str | None) -> str | None:
    """Return the one text of a cell; None for a null and for a list of several."""
    if cell is None or not cell.startswith("\0"):
        return cell
    values = decode(cell)
    return values[0] if len(values) == 1 else None


def made_text(alias: Alias, texts: Sequence[str | None]) -> str | None:
    """Make the alias' text from its sources' texts; None when the first of two, or the only one, is absent."""
    if len(texts) == 1:
        return None if texts[0] is None else ONE[alias.transform](texts[0])
    present = [text for text in texts if text is not None]
    return ONE[alias.transform]("\\".join(present)) if texts[0] is not None and present else None


__all__ = ["MAP_TRANSFORMS", "ONE", "SAME", "made_cell", "made_text", "text_of"]
