"""The view of a decoded event: the native one with the aliases of a twin or a field map laid over it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tocsin.events import Event
from tocsin.events.values import elements
from tocsin.rules.transforms import ITEMS, SAME, made_value, picked
from tocsin.rules.view import Alias, View


def see(event: Event, view: View) -> Event:
    """Return the event as a view shows it: the native one with the aliases laid over it.

    An alias whose source is absent leaves the field absent, even where the native event has one of that name. Keywords search
    the values of the native event.
    """
    if not view.aliases:
        return event
    fields = dict(event.fields)
    for alias in view.aliases:
        present, value = _made(event, alias)
        if present:
            fields[alias.field] = value
        else:
            fields.pop(alias.field, None)
    return replace(event, fields=fields, native=event.fields)


def _made(event: Event, alias: Alias) -> tuple[bool, Any]:
    found = [event.find(name) for name in alias.sources]
    if alias.transform == SAME:
        return next((item for item in found if item[0]), (False, None))
    if alias.transform in ITEMS:
        one = picked(alias, [elements(value) for present, value in found if present])
        return one is not None, one
    made = made_value(alias, tuple(_text(present, value) for present, value in found))
    return made is not None, made


def _text(present: bool, value: object) -> str | None:
    """Return the text of a source; a null, and a list of several, have none."""
    values = elements(value) if present else ()
    return values[0] if len(values) == 1 else None


__all__ = ["see"]
