"""The naive matcher: the specification line by line, never optimised, kept for ever.

It reads the typed rule, not the compiled plan: modifiers, wildcards and encodings are written here a second time, in the most
literal way, so that a mistake in the lowering or in the engine shows as a disagreement. It shares with the engine what
defines the answer rather than computes it: parsing, the condition's tree, event views, and the two regular expression engines.
Source: Sigma specification 2.1; docs/semantics.md, by number.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from fractions import Fraction
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import product
from typing import Final

from tocsin.events import Event
from tocsin.events.time import parse_time
from tocsin.events.values import json_text
from tocsin.rules.condition import AllOf, Condition, Name, NotOf, has_not, parse_condition
from tocsin.rules.filters import applies
from tocsin.rules.logsource import admits, views
from tocsin.rules.regexes import searcher
from tocsin.rules.rule import Detection, Either, Filter, Item, Rule, Scalar
from tocsin.rules.twins import see
from tocsin.rules.view import View

_DASHES: Final = "-/–—―"
_ORDERS: Final = ("lt", "lte", "gt", "gte")
_TIME_PARTS: Final = ("minute", "hour", "day", "week", "month", "year")


def matches(
    rule: Rule, event: Event, placeholders: Mapping[str, Sequence[str]] | None = None, filters: Sequence[Filter] = ()
) -> bool:
    """Tell whether a rule matches an event through any view that its logsource may see (semantics 18-20)."""
    return any(view_matches(rule, event, view, placeholders, filters) for view in views(event.gate))


def view_matches(
    rule: Rule,
    event: Event,
    view: View,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    filters: Sequence[Filter] = (),
) -> bool:
    """Tell whether a rule matches an event as one view shows it."""
    tags = admits(view, rule.logsource)
    if not tags:
        return False
    seen = see(event, view)
    if not any(not tag.field or _has_value(seen, tag.field, tag.values) for tag in tags):
        return False
    matcher = _Matcher(seen, placeholders or {})
    if not any(matcher.condition(text, rule.detections) for text in rule.conditions):
        return False
    return not any(matcher.suppressed(item) for item in filters if applies(item, rule))


def _has_value(event: Event, field: str, values: tuple[str, ...]) -> bool:
    return any(text is not None and text.casefold() == value.casefold() for text in _texts(event, field) for value in values)


@lru_cache(maxsize=1 << 16)
def _tree(text: str, names: tuple[str, ...]) -> Condition:
    return parse_condition(text, names)


def _texts(event: Event, field: str) -> list[str | None]:
    """Return the elements of a field: none when it is absent, None for an element without a value (semantics 4, 7)."""
    present, value = event.find(field)
    if not present:
        return []
    items = _spread(value) if isinstance(value, (list, tuple)) else [value]
    return [_text(item) for item in items] or [None]


def _spread(value: object) -> list[object]:
    if not isinstance(value, (list, tuple)):
        return [value]
    return [inner for item in value for inner in _spread(item)]


def _text(value: object) -> str | None:
    """Return the text by which a value is compared (semantics 6)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return json_text(value)


class _Matcher:
    def __init__(self, event: Event, placeholders: Mapping[str, Sequence[str]]) -> None:
        self.event = event
        self.placeholders = placeholders

    def condition(self, text: str, detections: Mapping[str, Detection]) -> bool:
        return self.tree(_tree(text, tuple(detections)), detections)

    def suppressed(self, item: Filter) -> bool:
        """Tell whether a filter removes the match (semantics 23)."""
        tree = parse_condition(item.condition, item.detections)
        held = self.tree(tree, item.detections)
        return not held if has_not(tree) else held

    def tree(self, tree: Condition, detections: Mapping[str, Detection]) -> bool:
        if isinstance(tree, Name):
            return self.detection(detections[tree.name])
        if isinstance(tree, NotOf):
            return not self.tree(tree.part, detections)
        held = (self.tree(part, detections) for part in tree.parts)
        return all(held) if isinstance(tree, AllOf) else any(held)

    def detection(self, detection: Detection) -> bool:
        """Join a list of maps by OR, a map by AND (semantics 9)."""
        if isinstance(detection, Item):
            return self.item(detection)
        held = (self.detection(part) for part in detection.parts)
        return any(held) if isinstance(detection, Either) else all(held)

    def item(self, item: Item) -> bool:
        held = (self.value(item, value) for value in item.values)
        result = all(held) if "all" in item.modifiers else any(held)
        return result != (item.modifiers.count("neq") % 2 == 1)

    def value(self, item: Item, value: Scalar) -> bool:
        """Tell whether one value of the rule matches."""
        modifiers = [name for name in item.modifiers if name not in ("all", "neq")]
        if "expand" in modifiers and isinstance(value, str):
            return any(self.expanded(item, text, modifiers) for text in self.expand(value))
        return self.expanded(item, value, modifiers)

    def expand(self, value: str) -> list[str]:
        """Replace every placeholder by each of its values (semantics 15)."""
        parts = re.split(r"%([^%\s]+)%", value)
        choices = [
            [part] if at % 2 == 0 else [str(v) for v in self.placeholders.get(part, ())] for at, part in enumerate(parts)
        ]
        return ["".join(choice) for choice in product(*choices)]

    def expanded(self, item: Item, value: Scalar, modifiers: list[str]) -> bool:
        if not item.field:
            return self.keyword(value, modifiers)
        if "exists" in modifiers:
            return self.event.find(item.field)[0] == value
        texts = _texts(self.event, item.field)
        if "fieldref" in modifiers:
            return self.reference(texts, str(value), modifiers)
        if value is None:
            return not texts or None in texts or "" in texts
        return any(text is not None and _matches(text, value, modifiers) for text in texts)

    def keyword(self, value: Scalar, modifiers: list[str]) -> bool:
        """Search every value of the event and the raw line (semantics 8)."""
        if value is None:
            return False
        how = modifiers if "re" in modifiers else [*(name for name in modifiers if name not in _SIDES), "contains"]
        return any(_matches(text, value, how) for text in self.event.values())

    def reference(self, texts: list[str | None], other: str, modifiers: list[str]) -> bool:
        """Compare with another field's value, which is never a pattern (semantics 14)."""
        pairs = [(left, right) for left in texts for right in _texts(self.event, other)]
        found = [(left, right) for left, right in pairs if left is not None and right is not None]
        if "cased" not in modifiers:
            found = [(left.casefold(), right.casefold()) for left, right in found]
        if "contains" in modifiers:
            return any(right in left for left, right in found)
        if "startswith" in modifiers:
            return any(left.startswith(right) for left, right in found)
        if "endswith" in modifiers:
            return any(left.endswith(right) for left, right in found)
        return any(left == right for left, right in found)


_SIDES: Final = ("contains", "startswith", "endswith")


def _matches(text: str, value: Scalar, modifiers: list[str]) -> bool:
    """Tell whether one text of the event matches one value of the rule."""
    order = next((name for name in modifiers if name in _ORDERS), "")
    part = next((name for name in modifiers if name in _TIME_PARTS), "")
    if part:
        return _time_matches(text, part, order, value)
    if order:
        return _compares(_number(text), order, _number(_text(value) or ""))
    if "cidr" in modifiers:
        return _in_network(text, str(value))
    if "re" in modifiers:
        return searcher(_text(value) or "", "".join(sorted({m for m in modifiers if m in "ims"})))(text)
    return any(_glob(expression, cased, text) for expression, cased in _expressions(value, tuple(modifiers)))


@lru_cache(maxsize=1 << 18, typed=True)
def _expressions(value: Scalar, modifiers: tuple[str, ...]) -> list[tuple[re.Pattern[str], bool]]:
    """Return the regular expressions, and whether they are cased, that stand for a plain value after its modifiers.

    Remembered, since the same value is asked of every event and compiling costs a thousand times the search.
    """
    return [(re.compile(body, re.DOTALL), cased) for body, cased in _bodies(value, modifiers)]


def _bodies(value: Scalar, modifiers: tuple[str, ...]) -> list[tuple[str, bool]]:
    cased = "cased" in modifiers
    pieces = _pieces(value) if isinstance(value, str) else list(_text(value) or "")
    texts: list[str] = []
    data = "".join(pieces).encode() if all(piece not in (_STAR, _QUESTION) for piece in pieces) else b""
    encoded = False
    for name in modifiers:
        if name in ("wide", "utf16le"):
            data = data.decode().encode("utf-16-le")
        elif name == "utf16be":
            data = data.decode().encode("utf-16-be")
        elif name == "utf16":
            data = b"\xff\xfe" + data.decode().encode("utf-16-le")
        elif name == "base64":
            data, encoded = base64.b64encode(data), True
            texts = [data.decode()]
        elif name == "base64offset":
            texts, encoded = _offsets(data), True
    if encoded:
        bodies = ["".join(re.escape(char) for char in text) for text in texts if text]
        return [(_sided(body, modifiers), True) for body in bodies]
    body = _body(pieces, "windash" in modifiers, cased)
    return [(_sided(body, modifiers), cased)]


_STAR: Final = "\0*"
_QUESTION: Final = "\0?"


def _pieces(value: str) -> list[str]:
    """Return the characters of a value, wildcards marked (semantics 2)."""
    pieces, at = [], 0
    while at < len(value):
        following = value[at + 1 : at + 2]
        if value[at] == "\\" and following in ("*", "?", "\\"):
            pieces.append(following)
            at += 2
            continue
        pieces.append({"*": _STAR, "?": _QUESTION}.get(value[at], value[at]))
        at += 1
    return pieces


def _body(pieces: list[str], windash: bool, cased: bool) -> str:
    dashes = _dash_positions(pieces) if windash else set()
    out = []
    for at, piece in enumerate(pieces):
        if piece == _STAR:
            out.append(".*")
        elif piece == _QUESTION:
            out.append(".")
        elif at in dashes:
            out.append(f"[{re.escape(_DASHES)}]")
        else:
            out.append(re.escape(piece if cased else piece.casefold()))
    return "".join(out)


def _dash_positions(pieces: list[str]) -> set[int]:
    r"""Return where `\B[-/]\b` holds, wildcards being the edges of a text (semantics 10)."""

    def is_word(at: int) -> bool:
        return 0 <= at < len(pieces) and len(pieces[at]) == 1 and re.match(r"\w", pieces[at]) is not None

    return {at for at, piece in enumerate(pieces) if piece in ("-", "/") and not is_word(at - 1) and is_word(at + 1)}


def _sided(body: str, modifiers: tuple[str, ...]) -> str:
    for name in modifiers:
        if name in ("contains", "endswith"):
            body = ".*" + body
        if name in ("contains", "startswith"):
            body = body + ".*"
    return body


def _glob(expression: re.Pattern[str], cased: bool, text: str) -> bool:
    return expression.fullmatch(text if cased else text.casefold()) is not None


def _offsets(data: bytes) -> list[str]:
    """Encode at each byte offset and keep what does not depend on the neighbours (semantics 11)."""
    texts = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        bits_before, bits = offset * 8, (offset + len(data)) * 8
        texts.append(encoded[-(-bits_before // 6) : bits // 6])
    return texts


def _in_network(text: str, network: str) -> bool:
    try:
        address = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address in ip_network(network)


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text.strip()) if re.fullmatch(r"[-+0-9.eE\s]+", text) else None
    except (ValueError, ZeroDivisionError):
        return None


def _compares(left: Fraction | None, order: str, right: Fraction | None) -> bool:
    if left is None or right is None:
        return False
    return {"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}.get(order, left == right)


def _time_matches(text: str, part: str, order: str, value: Scalar) -> bool:
    moment = parse_time(text)
    if moment is None:
        return False
    utc = moment.astimezone(UTC)
    found = utc.isocalendar()[1] if part == "week" else getattr(utc, part)
    return _compares(Fraction(found), order, _number(_text(value) or ""))


__all__ = ["matches", "view_matches"]
