"""Field values: their texts, and their form inside a column (a cell).

A column is an Arrow dictionary of strings. A null index is an absent field; every other value is one string, its cell:

- a text, number or boolean: its text;
- null: `NUL n`;
- a list: `NUL l`, then a JSON array of the elements' texts, with null for an element that carries no value;
- a text that itself begins with NUL: `NUL s`, then the text.

Source: Sigma semantics 4, 6 and 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

NULL_CELL: Final = "\0n"
_LIST: Final = "\0l"
_TEXT: Final = "\0s"


def scalar_text(value: object) -> str | None:
    """Return the text by which a value is compared, or None for null.

    A boolean is lower case, a number its shortest form, an object its compact JSON.
    """
    if value is None or isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json_text(value)


def json_text(value: object) -> str:
    """Return compact JSON; numbers of any size are kept."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def encode(value: object) -> str:
    """Return the cell of a present value."""
    if isinstance(value, str):
        return _TEXT + value if value.startswith("\0") else value
    if value is None:
        return NULL_CELL
    if isinstance(value, (list, tuple)):
        return encode_texts(scalar_text(item) for item in flatten(value))
    return scalar_text(value) or ""


def encode_texts(texts: Iterable[str | None]) -> str:
    """Return the cell of a list."""
    return _LIST + msgspec.json.encode(list(texts)).decode()


def decode(cell: str) -> tuple[str | None, ...]:
    """Return the elements of a cell: one for a scalar, any number for a list; None carries no value."""
    if not cell.startswith("\0"):
        return (cell,)
    tag, body = cell[:2], cell[2:]
    if tag == _TEXT:
        return (body,)
    if tag == _LIST:
        return tuple(msgspec.json.decode(body)) or (None,)
    return (None,)


def flatten(values: Iterable[object]) -> Iterator[object]:
    """Yield the elements of a list, those of nested lists included."""
    for item in values:
        if isinstance(item, (list, tuple)):
            yield from flatten(item)
        else:
            yield item


def elements(value: object) -> tuple[str | None, ...]:
    """Return what `decode(encode(value))` returns, without the way round."""
    if isinstance(value, (list, tuple)):
        return tuple(scalar_text(item) for item in flatten(value)) or (None,)
    return (scalar_text(value),)


def walk_scalars(value: object) -> Iterator[str]:
    """Yield the text of every scalar inside a value, depth first, in order; null is left out."""
    if isinstance(value, dict):
        for item in value.values():
            yield from walk_scalars(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from walk_scalars(item)
    else:
        text = scalar_text(value)
        if text is not None:
            yield text


def find(fields: Mapping[str, Any], name: str) -> tuple[bool, object]:
    """Look a field up: the literal key first, then the nested path through objects and lists.

    Return whether it is present, and its value; a path through a list gives the list of what its elements have.
    Source: Sigma semantics 21.
    """
    if name in fields:
        return True, fields[name]
    if "." not in name:
        return False, None
    return _find_path(fields, name)


def _find_path(node: object, path: str) -> tuple[bool, object]:
    if isinstance(node, (list, tuple)):
        found = [value for present, value in (_find_path(item, path) for item in node) if present]
        return bool(found), found
    if not isinstance(node, dict):
        return False, None
    if path in node:
        return True, node[path]
    for at in (i for i, char in enumerate(path) if char == "."):
        head, tail = path[:at], path[at + 1 :]
        if head in node:
            present, value = _find_path(node[head], tail)
            if present:
                return True, value
    return False, None


__all__ = [
    "NULL_CELL",
    "decode",
    "elements",
    "encode",
    "encode_texts",
    "find",
    "flatten",
    "json_text",
    "scalar_text",
    "walk_scalars",
]
