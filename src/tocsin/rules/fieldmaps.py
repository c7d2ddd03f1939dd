"""Field maps: which logsources the logs of a product answer, and how their fields are called in Sigma's taxonomy.

They are data: one file a product in `rules/maps`, described in `docs/extending/field-map.md`. A file is read when the first
event of its product, or a rule's logsource, asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tocsin.errors import FieldMapError, Where
from tocsin.rules.rule import Logsource
from tocsin.rules.transforms import MAP_TRANSFORMS, SAME
from tocsin.rules.view import Alias, Tag, View

_FOLDER: Final = Path(__file__).parent / "maps"
_SUFFIX: Final = ".yml"
_WITHOUT_SOURCE: Final = "_without_source"
_FORMATS: Final = (
    "access_log application_log auditd capture cef clamav csv dns_log error_log evtx json keyvalue sql_log squid syslog w3c xml"
    " zeek"
)
FORMATS: Final = frozenset(_FORMATS.split())
"""The names of all sources, which this room must not import."""
_KEYS: Final = frozenset({"product", "formats", "open", "fields", "channels"})
_CHANNEL_KEYS: Final = frozenset({"logsources", "fields"})
_LOGSOURCE_KEYS: Final = frozenset({"category", "service"})


@dataclass(frozen=True, slots=True)
class FieldMap:
    """The views of one product's channels.

    `formats`: the sources that read its logs. `open`: any channel is a service, since the product names its logs itself.
    """

    product: str
    formats: tuple[str, ...]
    open: bool
    aliases: tuple[Alias, ...]
    channels: Mapping[str, View]

    def view(self, channel: str) -> View | None:
        """Return the view of a channel; None when no rule can see it."""
        found = self.channels.get(channel)
        if found is None and self.open and channel:
            return View((Tag(self.product, "", channel),), self.aliases)
        return found


@cache
def products() -> tuple[str, ...]:
    """Return the products that have a map, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob(f"*{_SUFFIX}") if not path.stem.startswith("_")))


@cache
def field_map(product: str) -> FieldMap | None:
    """Return the map of a product, or None when it has none. Raises: FieldMapError for a damaged file."""
    if product not in products():
        return None
    path = _FOLDER / f"{product}{_SUFFIX}"
    return parse_map(path.read_text("utf-8"), path.name)


def is_open(logsource: Logsource) -> bool:
    """Tell whether a logsource is just a service of a product that names its logs itself."""
    found = field_map(logsource.product)
    return found is not None and found.open and bool(logsource.service) and not logsource.category


@cache
def without_source() -> Mapping[tuple[str, str, str], str]:
    """Return product, category and service of rules that no source can feed -> the reason."""
    found = yaml.load((_FOLDER / f"{_WITHOUT_SOURCE}{_SUFFIX}").read_text("utf-8"), yaml.CSafeLoader)
    return {
        (item.get("product", ""), item.get("category", ""), item.get("service", "")): item["reason"] for item in found or ()
    }


def parse_map(text: str, label: str) -> FieldMap:
    """Understand one file. Raises: FieldMapError R060, with the place in words, for what is wrong with it."""
    try:
        found = yaml.load(text, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise _wrong(label, "the file", f"no YAML: {error}") from error
    _check(label, "the file", found, _KEYS)
    product = found.get("product", "")
    if f"{product}{_SUFFIX}" != label:
        raise _wrong(label, "product", f"{product!r} is not the name of the file")
    shared = _aliases(label, "fields", found.get("fields") or {})
    channels = {}
    for name, entry in (found.get("channels") or {}).items():
        place = f"channels.{name}"
        _check(label, place, entry, _CHANNEL_KEYS)
        own = _aliases(label, f"{place}.fields", entry.get("fields") or {})
        named = {alias.field for alias in own}
        aliases = (*own, *(alias for alias in shared if alias.field not in named))
        tags = _tags(label, product, str(name), entry.get("logsources"))
        channels[str(name)] = View(tags, aliases)
    return FieldMap(product, _formats(label, found.get("formats") or []), found.get("open") is True, shared, channels)


def _formats(label: str, formats: Any) -> tuple[str, ...]:
    if not isinstance(formats, list) or not all(isinstance(item, str) for item in formats):
        raise _wrong(label, "formats", "no list of names")
    for item in formats:
        if item not in FORMATS:
            near = get_close_matches(item, FORMATS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(FORMATS))}"
            raise _wrong(label, "formats", f"unknown format {item!r}; {hint}")
    return tuple(formats)


def _tags(label: str, product: str, channel: str, logsources: Any) -> tuple[Tag, ...]:
    if logsources is None:
        return (Tag(product, "", channel),)
    place = f"channels.{channel}.logsources"
    if not isinstance(logsources, list) or not logsources:
        raise _wrong(label, place, "no list of logsources")
    for item in logsources:
        _check(label, place, item, _LOGSOURCE_KEYS)
    return tuple(Tag(product, item.get("category", ""), item.get("service", "")) for item in logsources)


def _aliases(label: str, place: str, fields: Any) -> tuple[Alias, ...]:
    if not isinstance(fields, dict):
        raise _wrong(label, place, "no map of fields")
    return tuple(_alias(label, f"{place}.{name}", str(name), entry) for name, entry in fields.items())


def _alias(label: str, place: str, name: str, entry: Any) -> Alias:
    """Understand `field: native`, `field: [first, else second]`, `field: {from: native, as: transform}`."""
    if isinstance(entry, str):
        return Alias(name, (entry,), SAME)
    if isinstance(entry, list) and entry and all(isinstance(item, str) for item in entry):
        return Alias(name, tuple(entry), SAME)
    if not isinstance(entry, dict) or set(entry) != {"from", "as"} or not isinstance(entry["from"], str):
        raise _wrong(label, place, "neither a field, a list of fields, nor {from: field, as: transform}")
    if entry["as"] not in MAP_TRANSFORMS:
        raise _wrong(label, place, f"unknown transform {entry['as']!r}; known are {', '.join(sorted(MAP_TRANSFORMS))}")
    return Alias(name, (entry["from"],), entry["as"])


def _check(label: str, place: str, found: Any, keys: frozenset[str]) -> None:
    if not isinstance(found, dict):
        raise _wrong(label, place, "no map")
    unknown = sorted(str(key) for key in found if key not in keys)
    if unknown:
        raise _wrong(label, place, f"unknown key {unknown[0]!r}; known are {', '.join(sorted(keys))}")


def _wrong(label: str, place: str, message: str) -> FieldMapError:
    return FieldMapError("R060", f"{place}: {message}", where=Where(label))


__all__ = ["FORMATS", "FieldMap", "field_map", "is_open", "parse_map", "products", "without_source"]
