"""How the fields of a twin are made from the event that stands in for another (semantics 19)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tocsin.events import Event
from tocsin.events.values import elements
from tocsin.rules.logsource import Alias, View

_INTEGRITY: Final = {"S-1-16-4096": "Low", "S-1-16-8192": "Medium", "S-1-16-12288": "High", "S-1-16-16384": "System"}
_PROTOCOLS: Final = {"6": "tcp", "17": "udp"}
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,16}")
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


ONE: Final[dict[str, Callable[[str], str]]] = {
    "copy": lambda text: text,
    "decimal": _decimal,
    "lower": str.lower,
    "integrity": lambda text: _INTEGRITY.get(text, text),
    "protocol": lambda text: _PROTOCOLS.get(text, text),
    "initiated": _initiated,
    "account": lambda text: text,
    "registry": _registry,
}
"""Transforms of one text; those of two sources join the texts with a backslash first."""


def transform(alias: Alias, texts: tuple[str | None, ...]) -> str | None:
    """Make the alias' text from its sources' texts; None when the first of two, or the only one, is absent."""
    if len(texts) == 1:
        return None if texts[0] is None else ONE[alias.transform](texts[0])
    present = [text for text in texts if text is not None]
    return ONE[alias.transform]("\\".join(present)) if texts[0] is not None and present else None


def see(event: Event, view: View) -> Event:
    """Return the event as a view shows it: the native one with the aliases laid over it.

    An alias whose source is absent leaves the field absent, even where the native event has one of that name.
    """
    if not view.aliases:
        return event
    fields = dict(event.fields)
    for alias in view.aliases:
        text = transform(alias, tuple(_source_text(event, name) for name in alias.sources))
        if text is None:
            fields.pop(alias.field, None)
        else:
            fields[alias.field] = text
    return replace(event, fields=fields)


def _source_text(event: Event, name: str) -> str | None:
    """Return the text of a source; a null, and a list of several, have none."""
    present, value = event.find(name)
    values = elements(value) if present else ()
    return values[0] if len(values) == 1 else None


__all__ = ["ONE", "see", "transform"]
