"""From a YAML document to a typed rule, filter or correlation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from tocsin.errors import RuleError, Where
from tocsin.rules.correlation import Correlation, parse_correlation
from tocsin.rules.documents import load_documents, place
from tocsin.rules.meta import Trail, kind_of, parse_meta, texts_of
from tocsin.rules.modifiers import check_modifiers
from tocsin.rules.rule import Detection, Either, Every, Filter, Item, Logsource, Meta, Rule, Scalar

_RESERVED: Final = frozenset({"condition", "timeframe"})
_NESTING: Final = 16
Parsed = Rule | Filter | Correlation | RuleError


def parse_text(text: bytes, path: str) -> list[tuple[Meta, Parsed]]:
    """Parse every document of a file; one bad document does not hide the others.

    Return (meta, rule, filter, correlation or error) for each; the meta of an error holds what could be read.
    """
    try:
        documents = load_documents(text, path)
    except RuleError as error:
        return [(Meta("", "", path=path), error)]
    if not documents:
        nothing = RuleError("R002", "the file holds no document", where=Where(path))
        return [(Meta("", "", path=path), nothing)]
    results: list[tuple[Meta, Parsed]] = []
    for index, document in enumerate(documents):
        try:
            results.append(_parse_one(document, path))
        except RuleError as error:
            results.append((_loose_meta(document, path), place(error, text, path, index)))
    return results


def _parse_one(document: Any, path: str) -> tuple[Meta, Parsed]:
    parsed = parse_document(document, path)
    return parsed.meta, parsed


def parse_document(document: Any, path: str = "") -> Rule | Filter | Correlation:
    """Return the typed rule, filter or correlation of one document.

    Raises: RuleError R002-R014 and R072-R075 with the trail to the fault.
    """
    if not isinstance(document, dict):
        raise RuleError("R002", f"expected a rule, found {kind_of(document)}", hint="a rule is a map with 'detection'")
    if "correlation" in document:
        return parse_correlation(document, parse_meta(document, path))
    if document.get("action") == "correlation":
        hint = "write the keys below 'correlation:', as version 2 of the specification has it"
        raise RuleError("R002", "'action: correlation' is a form that was never part of the specification", hint=hint)
    if "filter" in document:
        return _parse_filter(document, path)
    if "detection" not in document:
        raise RuleError("R002", "no 'detection' in the document", hint="a Sigma rule has title, logsource, detection")
    meta = parse_meta(document, path)
    logsource = _parse_logsource(document.get("logsource"), ("logsource",))
    detection = document["detection"]
    detections = _parse_detections(detection, ("detection",))
    conditions = _parse_conditions(detection, ("detection",))
    return Rule(meta, logsource, detections, conditions)


def _loose_meta(document: Any, path: str) -> Meta:
    if not isinstance(document, dict):
        return Meta("", "", path=path)
    return Meta(str(document.get("id") or ""), str(document.get("title") or ""), path=path)


def _parse_logsource(value: Any, trail: Trail) -> Logsource:
    if not isinstance(value, dict):
        raise RuleError("R003", "the rule has no logsource", hint="name product, category or service", trail=trail)
    parts = {key: value.get(key) for key in ("product", "category", "service")}
    for key, part in parts.items():
        if part is not None and not isinstance(part, str):
            raise RuleError("R004", f"{key} is {kind_of(part)}, not a text", trail=(*trail, key))
    if not any(parts.values()):
        raise RuleError("R003", "the logsource names no product, category or service", trail=trail)
    return Logsource(*((part or "").lower() for part in parts.values()))


def _parse_conditions(detection: dict[str, Any], trail: Trail) -> tuple[str, ...]:
    value = detection.get("condition")
    if value is None:
        raise RuleError("R003", "the detection has no condition", hint="add 'condition: selection'", trail=trail)
    conditions = value if isinstance(value, list) else [value]
    if not conditions or not all(isinstance(item, str) and item.strip() for item in conditions):
        raise RuleError("R004", "the condition is not a text or a list of texts", trail=(*trail, "condition"))
    return tuple(conditions)


def _parse_detections(value: Any, trail: Trail) -> dict[str, Detection]:
    if not isinstance(value, dict):
        raise RuleError("R004", f"detection is {kind_of(value)}, not a map", trail=trail)
    found: dict[str, Detection] = {}
    for name, body in value.items():
        if not str(name).strip():
            raise RuleError("R010", "a selection has no name", hint="name it, for example 'selection'", trail=trail)
        if name not in _RESERVED:
            found[str(name)] = _parse_detection(body, (*trail, str(name)))
    if not found:
        raise RuleError("R003", "the detection has no selection", trail=trail)
    return found


def _parse_detection(value: Any, trail: Trail) -> Detection:
    if len(trail) > _NESTING:
        raise RuleError("R004", "the detection is nested too deep", trail=trail)
    if isinstance(value, dict):
        if not value:
            raise RuleError("R003", f"selection {trail[-1]!r} is empty", trail=trail)
        parts = tuple(_parse_item(str(key), item, trail) for key, item in value.items())
        return parts[0] if len(parts) == 1 else Every(parts)
    if isinstance(value, list):
        return _parse_list(value, trail)
    if value is None:
        raise RuleError("R003", f"selection {trail[-1]!r} is empty", trail=trail)
    return Item("", (), (value,), trail)


def _parse_list(values: list[Any], trail: Trail) -> Detection:
    if not values:
        raise RuleError("R003", f"selection {trail[-1]!r} is empty", trail=trail)
    plain = tuple(item for item in values if not isinstance(item, (dict, list)))
    nested = [_parse_detection(item, (*trail, at)) for at, item in enumerate(values) if isinstance(item, (dict, list))]
    parts: list[Detection] = [Item("", (), _scalars(plain, trail), trail)] if plain else []
    parts += nested
    return parts[0] if len(parts) == 1 else Either(tuple(parts))


def _parse_item(key: str, value: Any, trail: Trail) -> Detection:
    field, *rest = key.split("|")
    modifiers = tuple(rest)
    here = (*trail, f"key:{key}")
    check_modifiers(field, modifiers, here)
    if isinstance(value, dict):
        raise RuleError("R004", f"field {field!r} holds a map, not a value or a list", trail=(*trail, key))
    values = value if isinstance(value, list) else [value]
    if not values:
        raise RuleError("R003", f"field {field!r} has no value", hint="an empty list matches nothing", trail=here)
    return Item(field, modifiers, _scalars(values, (*trail, key)), (*trail, key))


def _scalars(values: Iterable[Any], trail: Trail) -> tuple[Scalar, ...]:
    found = tuple(values)
    for at, item in enumerate(found):
        if not (item is None or isinstance(item, (str, int, float, bool))):
            raise RuleError("R004", f"a value is {kind_of(item)}, not a text or number", trail=(*trail, at))
    return found


def _parse_filter(document: dict[str, Any], path: str) -> Filter:
    body = document["filter"]
    if not isinstance(body, dict):
        raise RuleError("R004", f"filter is {kind_of(body)}, not a map", trail=("filter",))
    meta = parse_meta(document, path)
    logsource = _parse_logsource(document.get("logsource"), ("logsource",))
    rules = body.get("rules")
    names = () if rules in (None, "any") else texts_of(rules, ("filter", "rules"))
    selections = {key: value for key, value in body.items() if key != "rules"}
    detections = _parse_detections(selections, ("filter",))
    conditions = _parse_conditions(selections, ("filter",))
    if len(conditions) != 1:
        raise RuleError("R004", "a filter has one condition", trail=("filter", "condition"))
    owner, reason = (_decided(document, key) for key in ("owner", "reason"))
    return Filter(meta, logsource, names, detections, conditions[0], owner or meta.author, reason, _expiry(document))


def _decided(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if isinstance(value, (dict, list)):
        raise RuleError("R004", f"{key} is {kind_of(value)}, not a text", trail=(key,))
    return "" if value is None else str(value).strip()


def _expiry(document: dict[str, Any]) -> str:
    """Return the day on which a filter expires, empty without one."""
    text = _decided(document, "expires")
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise RuleError("R004", f"{text!r} is no day", hint="write for example 2027-05-31", trail=("expires",)) from None


__all__ = ["Parsed", "parse_document", "parse_text"]
