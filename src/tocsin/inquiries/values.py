"""The values of an event, each with the name of its field: what a search looks through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tocsin.events import KEYWORDS, Event
from tocsin.events.values import scalar_text

_DEEPEST: Final = 64
_HOST_AND_PATH: Final = (
    ("host", "uri"),
    ("host", "url"),
    ("http.hostname", "http.url"),
    ("cs-host", "cs-uri-stem", "cs-uri-query"),
    ("cs(Host)", "cs-uri-stem", "cs-uri-query"),
)
"""Fields that together are the address of a request: in logs of Zeek, web servers, Suricata and W3C logs."""


class Value(NamedTuple):
    """A text of an event: the field that holds it (`*`: the raw line), the text, and the text folded."""

    field: str
    text: str
    fold: str


def values_of(event: Event) -> list[Value]:
    """Return every value of an event under its field's name, nested ones under their path; the raw line of a text log last.

    What is asked for in two fields, such as the host and path of a request, is there as one value too.
    """
    found = [Value(name, text, text.casefold()) for name, text in _walk("", event.fields, 0)]
    found += [Value(name, text, text.casefold()) for name, text in _requests(event)]
    if event.text:
        found.append(Value(KEYWORDS, event.text, event.text.casefold()))
    return found


def _requests(event: Event) -> Iterator[tuple[str, str]]:
    """Yield the address of a request whose host and path are fields of their own, under the names of both."""
    for names in _HOST_AND_PATH:
        texts = [value for name in names if isinstance(value := event.find(name)[1], str) and value not in ("", "-")]
        if len(texts) >= 2 and texts[1].startswith("/"):
            yield "+".join(names[: len(texts)]), "?".join(["".join(texts[:2]), *texts[2:]])


def _walk(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, item in value.items():
            yield from _walk(f"{name}.{key}" if name else str(key), item, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < _DEEPEST:
        for item in value:
            yield from _walk(name, item, depth + 1)
    else:
        text = scalar_text(value)
        if text is not None:
            yield name, text


__all__ = ["Value", "values_of"]
