"""Lower a typed rule to tests: modifiers are applied in the order written, values become patterns.

Source: Sigma specification 2.1 "Value Modifiers"; Sigma semantics 1 to 16.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import product
from typing import Final

from tocsin.errors import RuleError, UnsupportedRule
from tocsin.events import KEYWORDS
from tocsin.events.values import scalar_text
from tocsin.plans.expr import (
    Atom,
    Cidr,
    Exists,
    Expr,
    Glob,
    Null,
    Order,
    Reference,
    Regex,
    Test,
    TimePart,
    either,
    every,
    negate,
)
from tocsin.plans.match import read_number
from tocsin.rules.modifiers import MODIFIERS
from tocsin.rules.pattern import ANY, Pattern, join, literal, mark_dashes, parse_pattern
from tocsin.rules.regexes import check_regex
from tocsin.rules.rule import Detection, Every, Item, Scalar

Placeholders = Mapping[str, Sequence[str]]
_PLACEHOLDER: Final = re.compile(r"%([^%\s]+)%")
_CHARSETS: Final = {"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16-le"}
_OFFSET_TRIMS: Final = ((0, 0), (2, 3), (3, 2))


def lower_detection(detection: Detection, placeholders: Placeholders) -> Expr:
    """Return the expression of one selection.

    Raises: RuleError R014-R016 with the trail to the value; UnsupportedRule R030 for a placeholder without a value.
    """
    if isinstance(detection, Item):
        return _Lowering(detection, placeholders).run()
    parts = [lower_detection(part, placeholders) for part in detection.parts]
    return every(parts) if isinstance(detection, Every) else either(parts)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A value on its way through the modifiers."""

    raw: Scalar
    pattern: Pattern | None = None
    data: bytes | None = None
    cased: bool = False
    regex: str | None = None
    flags: str = ""
    network: str | None = None
    number: int | float | None = None
    how: str = ""
    part: str = ""
    exists: bool | None = None
    other: str | None = None


class _Lowering:
    def __init__(self, item: Item, placeholders: Placeholders) -> None:
        self.item = item
        self.placeholders = placeholders
        self.every_value = "all" in item.modifiers
        self.negated = item.modifiers.count("neq") % 2 == 1
        self.at = 0

    def run(self) -> Expr:
        tests = [self.lower(at, value) for at, value in enumerate(self.item.values)]
        expr = every(tests) if self.every_value else either(tests)
        return negate(expr) if self.negated else expr

    def lower(self, at: int, value: Scalar) -> Expr:
        self.at = at  # an error names the value
        drafts = [_start(value, self.item)]
        for name in self.item.modifiers:
            step = _STEPS.get(MODIFIERS[name].kind)
            if step:
                drafts = [after for draft in drafts for after in step(self, name, draft)]
        field = self.item.field or KEYWORDS
        return either([self.finish(field, draft) for draft in drafts])

    def error(self, code: str, message: str, hint: str = "") -> RuleError:
        field = self.item.field or "keywords"
        return RuleError(code, f"{message} on field {field!r}", hint=hint, trail=(*self.item.trail, self.at))

    def finish(self, field: str, draft: _Draft) -> Expr:
        if draft.exists is not None:
            present = Atom(field, Exists())
            return present if draft.exists else negate(present)
        return Atom(field, self.test(field, draft))

    def test(self, field: str, draft: _Draft) -> Test:
        if draft.part:
            return TimePart(draft.part, draft.how or "eq", self.number(draft))
        if draft.how in _ORDERS:
            return Order(draft.how, self.number(draft))
        if draft.network is not None:
            return Cidr(draft.network)
        if draft.regex is not None:
            return Regex(draft.regex, draft.flags)
        if draft.other is not None:
            return Reference(draft.other, draft.how or "equals", draft.cased)
        if draft.raw is None:
            return Null()
        pattern = draft.pattern if draft.pattern is not None else ()
        if field == KEYWORDS:
            pattern = _around(pattern, "contains")
        return Glob(pattern, draft.cased)

    def number(self, draft: _Draft) -> int | float:
        if draft.number is not None:
            return draft.number
        text = scalar_text(draft.raw)
        try:
            return read_number("" if isinstance(draft.raw, bool) or text is None else text)
        except ValueError:
            hint = "write a number without quotes"
            raise self.error("R014", f"{draft.how or draft.part!r} needs a number, not {text!r}", hint) from None


_ORDERS: Final = frozenset({"lt", "lte", "gt", "gte"})


def _start(value: Scalar, item: Item) -> _Draft:
    text = scalar_text(value)
    if text is None:
        return _Draft(None)
    pattern = parse_pattern(text) if isinstance(value, str) else ((text,) if text else ())
    return _Draft(value, pattern)


def _around(pattern: Pattern, how: str) -> Pattern:
    before: Pattern = (ANY,) if how in ("contains", "endswith") else ()
    after: Pattern = (ANY,) if how in ("contains", "startswith") else ()
    return join(iter((*before, *pattern, *after)))


def _text(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    if draft.other is not None:
        return [replace(draft, how=name)]
    if draft.pattern is None:
        return [draft]
    return [replace(draft, pattern=_around(draft.pattern, name), how=name)]


def _case(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    return [replace(draft, cased=True)]


def _presence(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    if not isinstance(draft.raw, bool):
        raise low.error("R014", f"'exists' needs true or false, not {draft.raw!r}")
    return [replace(draft, exists=draft.raw)]


def _regex(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    text = scalar_text(draft.raw)
    if text is None:
        raise low.error("R014", "'re' needs a text, not null")
    _try_regex(low, text, "")
    return [replace(draft, regex=text, pattern=None)]


def _flag(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    flags = "".join(sorted({*draft.flags, name}))
    _try_regex(low, draft.regex or "", flags)
    return [replace(draft, flags=flags)]


def _try_regex(low: _Lowering, text: str, flags: str) -> None:
    problem = check_regex(text, flags)
    if problem:
        raise low.error("R015", f"regular expression {text!r} does not compile: {problem}")


def _plain(low: _Lowering, name: str, draft: _Draft) -> bytes:
    if draft.data is not None:
        return draft.data
    text = literal(draft.pattern or ())
    if text is None:
        hint = "encode the parts between the wildcards one by one"
        raise low.error("R014", f"a wildcard in {draft.raw!r} cannot be encoded by {name!r}", hint)
    if draft.raw is None:
        raise low.error("R014", f"{name!r} needs a text, not null")
    return text.encode()


def _charset(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    text = _plain(low, name, draft).decode()
    data = text.encode(_CHARSETS[name])
    return [replace(draft, data=b"\xff\xfe" + data if name == "utf16" else data)]


def _encoding(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    data = _plain(low, name, draft)
    texts = [base64.b64encode(data).decode()] if name == "base64" else _offsets(data)
    if not texts:
        raise low.error("R014", f"{draft.raw!r} is too short for 'base64offset'", "use at least three bytes")
    return [replace(draft, data=text.encode(), pattern=(text,), cased=True) for text in texts]


def _offsets(data: bytes) -> list[str]:
    texts = []
    for offset, (start, _) in enumerate(_OFFSET_TRIMS):
        encoded = base64.b64encode(b" " * offset + data).decode()
        end = _OFFSET_TRIMS[(len(data) + offset) % 3][1]
        text = encoded[start : len(encoded) - end]
        if text:
            texts.append(text)
    return texts


def _dash(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    return [draft if draft.pattern is None else replace(draft, pattern=mark_dashes(draft.pattern))]


def _network(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    try:
        return [replace(draft, network=str(ip_network(str(draft.raw), strict=True)))]
    except ValueError as error:
        hint = "clear the bits after the prefix" if "host bits" in str(error) else "write for example 10.0.0.0/8"
        raise low.error("R014", f"{draft.raw!r} is no network: {error}", hint) from error


def _order(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    return [replace(draft, how=name, number=low.number(replace(draft, how=name)))]


def _reference(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    if not isinstance(draft.raw, str) or not draft.raw:
        raise low.error("R014", f"'fieldref' needs the name of a field, not {draft.raw!r}")
    how = draft.how if draft.how in ("contains", "startswith", "endswith") else ""
    return [replace(draft, other=draft.raw, how=how)]


def _time(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    return [replace(draft, part=name, number=low.number(replace(draft, part=name)))]


def _placeholder(low: _Lowering, name: str, draft: _Draft) -> list[_Draft]:
    if not isinstance(draft.raw, str):
        return [draft]
    names = _PLACEHOLDER.findall(draft.raw)
    for placeholder in names:
        if not low.placeholders.get(placeholder):
            hint = f"give it values in the configuration: placeholders: {{{placeholder}: [...]}}"
            message = f"placeholder %{placeholder}% has no value"
            raise UnsupportedRule("R030", message, hint=hint, trail=(*low.item.trail, low.at))
    drafts = []
    for values in product(*(low.placeholders[placeholder] for placeholder in names)):
        replacements = iter([scalar_text(value) or "" for value in values])
        text = _PLACEHOLDER.sub(lambda _: next(replacements), draft.raw)  # noqa: B023 - used at once
        pattern = parse_pattern(text)
        drafts.append(replace(draft, raw=text, pattern=_around(pattern, draft.how) if draft.how else pattern))
    return drafts


_Step = Callable[[_Lowering, str, _Draft], list[_Draft]]
_STEPS: Final[dict[str, _Step]] = {
    "text": _text,
    "case": _case,
    "presence": _presence,
    "regex": _regex,
    "flag": _flag,
    "encoding": _encoding,
    "charset": _charset,
    "dash": _dash,
    "network": _network,
    "order": _order,
    "reference": _reference,
    "time": _time,
    "placeholder": _placeholder,
}


__all__ = ["Placeholders", "lower_detection"]
