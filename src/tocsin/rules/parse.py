"""From a YAML document to a typed rule or filter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tocsin.errors import RuleError, UnsupportedRule, Where
from tocsin.rules.documents import load_documents, place
from tocsin.rules.modifiers import check_modifiers
from tocsin.rules.rule import LEVELS, Detection, Either, Every, Filter, Item, Logsource, Meta, Rule, Scalar

_RESERVED: Final = frozenset({"condition", "timeframe"})
_NESTING: Final = 16
Trail = tuple[str | int, ...]
Parsed = Rule | Filter | RuleError


def parse_text(text: bytes, path: str) -> list[tuple[Meta, Parsed]]:
    """Parse every document of a file; one bad document does not hide the others.

    Return (meta, rule, filter or error) for each; the meta of an error holds what could be read.
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


def parse_document(document: Any, path: str = "") -> Rule | Filter:
    """Return the typed rule or filter of one document.

    Raises: RuleError R002-R014 with the trail to the fault; UnsupportedRule R031 for a correlation.
    """
    if not isinstance(document, dict):
        raise RuleError("R002", f"expected a rule, found {_kind(document)}", hint="a rule is a map with 'detection'")
    if "correlation" in document or document.get("action") == "correlation":
        raise UnsupportedRule("R031", "correlation rules are not evaluated by this version", trail=("key:correlation",))
    if "filter" in document:
        return _parse_filter(document, path)
    if "detection" not in document:
        raise RuleError("R002", "no 'detection' in the document", hint="a Sigma rule has title, logsource, detection")
    meta = _parse_meta(document, path)
    logsource = _parse_logsource(document.get("logsource"), ("logsource",))
    detection = document["detection"]
    detections = _parse_detections(detection, ("detection",))
    conditions = _parse_conditions(detection, ("detection",))
    return Rule(meta, logsource, detections, conditions)


def _kind(value: object) -> str:
    names = {dict: "a map", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def _loose_meta(document: Any, path: str) -> Meta:
    if not isinstance(document, dict):
        return Meta("", "", path=path)
    return Meta(str(document.get("id") or ""), str(document.get("title") or ""), path=path)


def _parse_meta(document: dict[str, Any], path: str) -> Meta:
    title = document.get("title")
    if not isinstance(title, str) or not title.strip():
        raise RuleError("R003", "the rule has no title", trail=("key:title",))
    level = document.get("level", "medium") or "medium"
    if level not in LEVELS:
        raise RuleError("R004", f"level {level!r} is none of {', '.join(LEVELS)}", trail=("level",))
    return Meta(
        id=str(document.get("id") or ""),
        title=title,
        level=level,
        status=str(document.get("status") or ""),
        author=str(document.get("author") or ""),
        tags=_texts(document.get("tags"), ("tags",)),
        references=_texts(document.get("references"), ("references",)),
        path=path,
        name=str(document.get("name") or ""),
        description=str(document.get("description") or "").strip(),
    )


def _texts(value: Any, trail: Trail) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise RuleError("R004", f"expected a list of texts, found {_kind(value)}", trail=trail)
    return tuple(str(item) for item in value)


def _parse_logsource(value: Any, trail: Trail) -> Logsource:
    if not isinstance(value, dict):
        raise RuleError("R003", "the rule has no logsource", hint="name product, category or service", trail=trail)
    parts = {key: value.get(key) for key in ("product", "category", "service")}
    for key, part in parts.items():
        if part is not None and not isinstance(part, str):
            raise RuleError("R004", f"{key} is {_kind(part)}, not a text", trail=(*trail, key))
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
        raise RuleError("R004", f"detection is {_kind(value)}, not a map", trail=trail)
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
            raise RuleError("R004", f"a value is {_kind(item)}, not a text or number", trail=(*trail, at))
    return found


def _parse_filter(document: dict[str, Any], path: str) -> Filter:
    body = document["filter"]
    if not isinstance(body, dict):
        raise RuleError("R004", f"filter is {_kind(body)}, not a map", trail=("filter",))
    meta = _parse_meta(document, path)
    logsource = _parse_logsource(document.get("logsource"), ("logsource",))
    rules = body.get("rules")
    names = () if rules in (None, "any") else _texts(rules, ("filter", "rules"))
    selections = {key: value for key, value in body.items() if key != "rules"}
    detections = _parse_detections(selections, ("filter",))
    conditions = _parse_conditions(selections, ("filter",))
    if len(conditions) != 1:
        raise RuleError("R004", "a filter has one condition", trail=("filter", "condition"))
    return Filter(meta, logsource, names, detections, conditions[0])


__all__ = ["Parsed", "parse_document", "parse_text"]
