"""MISP events as JSON: attributes, those of objects too, by their types.

Source: MISP core format, "Attribute" and "Object".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tocsin.indicators.interface import ADDRESS, DOMAIN, FILE_NAME, HASH, URL

_HASH_TYPES: Final = ("md5", "sha1", "sha256", "sha512", "imphash")
_TYPES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(_HASH_TYPES, (HASH,)),
    **{f"filename|{name}": (FILE_NAME, HASH) for name in _HASH_TYPES},
    "filename": (FILE_NAME,),
    "ip-src": (ADDRESS,),
    "ip-dst": (ADDRESS,),
    "ip-src|port": (ADDRESS, ""),
    "ip-dst|port": (ADDRESS, ""),
    "domain": (DOMAIN,),
    "hostname": (DOMAIN,),
    "hostname|port": (DOMAIN, ""),
    "domain|ip": (DOMAIN, ADDRESS),
    "url": (URL,),
    "uri": (URL,),
}
"""Type of an attribute -> the kinds of its parts; an empty kind is a part that is no indicator by itself."""
Part = tuple[str, str, str, str]
"""Kind, value, id and name of a part of an attribute."""


def is_misp(document: object) -> bool:
    """Tell whether a JSON document holds MISP events."""
    return any(True for _ in events(document))


def events(document: object) -> Iterator[dict[str, Any]]:
    """Yield the events of an export, of the answer to a search, or of a list of either."""
    waiting = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += reversed(found)
        elif isinstance(found, dict):
            if isinstance(found.get("response"), (list, dict)):
                waiting.append(found["response"])
            elif isinstance(found.get("Event"), dict):
                yield found["Event"]
            elif isinstance(found.get("Attribute"), list):
                yield found


def attributes(document: object) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every attribute that is not deleted, with what its event is about."""
    for event in events(document):
        about = str(event.get("info") or "")
        objects = [item for item in _list(event.get("Object")) if not item.get("deleted")]
        for holder in (event, *objects):
            for attribute in _list(holder.get("Attribute")):
                if not attribute.get("deleted"):
                    yield attribute, about


def parts(attribute: dict[str, Any], about: str) -> list[Part]:
    """Return the indicators of an attribute. Raises: ValueError for a type that is not looked for."""
    name = str(attribute.get("type"))
    kinds = _TYPES.get(name)
    if kinds is None:
        raise ValueError(f"attributes of type {name} are not looked for")
    value = str(attribute.get("value") or "")
    values = value.split("|") if len(kinds) > 1 else [value]
    if len(values) < len(kinds):
        raise ValueError(f"an attribute of type {name} has {len(kinds)} parts")
    values = ["|".join(values[: len(values) - len(kinds) + 1]), *values[len(values) - len(kinds) + 1 :]]
    own = str(attribute.get("uuid") or "")
    comment = str(attribute.get("comment") or "")
    told = "; ".join(part for part in (about, comment) if part)
    return [(kind, text, own, told) for kind, text in zip(kinds, values, strict=True) if kind]


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


__all__ = ["Part", "attributes", "events", "is_misp", "parts"]
