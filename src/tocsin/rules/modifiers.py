"""The modifiers of the Sigma specification 2.1: names, what they do, and what may stand before them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from tocsin.errors import RuleError


@dataclass(frozen=True, slots=True)
class Modifier:
    """One modifier: its kind decides what may follow it."""

    name: str
    kind: str
    summary: str


_TABLE: Final = (
    ("all", "link", "every value of the list must match, instead of one"),
    ("neq", "link", "the item holds when the value does not match; true on an absent field"),
    ("contains", "text", "the value occurs anywhere in the field"),
    ("startswith", "text", "the field begins with the value"),
    ("endswith", "text", "the field ends with the value"),
    ("cased", "case", "letters are compared as they are written"),
    ("exists", "presence", "true: the field is present, with any value; false: it is absent"),
    ("re", "regex", "the value is a regular expression, searched in the field, case-sensitive"),
    ("i", "flag", "re: letters match in both cases"),
    ("m", "flag", "re: ^ and $ match at line breaks too"),
    ("s", "flag", "re: the point matches line breaks too"),
    ("base64", "encoding", "the value is base64-encoded"),
    ("base64offset", "encoding", "the value is base64-encoded at each of the three byte offsets"),
    ("wide", "charset", "the value is encoded as UTF-16, little endian"),
    ("utf16le", "charset", "the value is encoded as UTF-16, little endian"),
    ("utf16be", "charset", "the value is encoded as UTF-16, big endian"),
    ("utf16", "charset", "the value is encoded as UTF-16 with the byte order mark FF FE"),
    ("windash", "dash", "a dash or slash that begins an option matches each of - / – — ―"),
    ("cidr", "network", "the field is an address inside the network"),
    ("lt", "order", "the field is a number below the value"),
    ("lte", "order", "the field is a number not above the value"),
    ("gt", "order", "the field is a number above the value"),
    ("gte", "order", "the field is a number not below the value"),
    ("fieldref", "reference", "the value names another field of the event to compare with"),
    ("expand", "placeholder", "%names% in the value are replaced from the configuration"),
    ("minute", "time", "the minute of the field's time, in UTC"),
    ("hour", "time", "the hour of the field's time, in UTC"),
    ("day", "time", "the day of the month of the field's time, in UTC"),
    ("week", "time", "the ISO 8601 week of the field's time, in UTC"),
    ("month", "time", "the month of the field's time, in UTC"),
    ("year", "time", "the year of the field's time, in UTC"),
)
MODIFIERS: Final[dict[str, Modifier]] = {name: Modifier(name, kind, text) for name, kind, text in _TABLE}
"""Every modifier by its name."""

_EXCLUDES: Final[dict[str, frozenset[str]]] = {
    "text": frozenset({"regex", "network", "order", "presence", "time"}),
    "case": frozenset({"network", "order", "presence", "time", "regex"}),
    "presence": frozenset({kind for _, kind, _ in _TABLE} - {"link"}),
    "regex": frozenset({"text", "network", "order", "presence", "time", "encoding", "charset", "dash", "reference"}),
    "encoding": frozenset({"text", "regex", "network", "order", "presence", "time", "dash", "reference"}),
    "charset": frozenset({"text", "regex", "network", "order", "presence", "time", "dash", "reference"}),
    "dash": frozenset({"regex", "network", "order", "presence", "time", "encoding", "charset", "reference"}),
    "network": frozenset({"text", "regex", "order", "presence", "time", "encoding", "charset", "dash", "reference"}),
    "order": frozenset({"text", "regex", "network", "presence", "encoding", "charset", "dash", "reference"}),
    "reference": frozenset({"regex", "network", "order", "presence", "encoding", "charset", "dash", "time"}),
    "time": frozenset({"text", "regex", "network", "presence", "encoding", "charset", "dash", "reference"}),
}


def check_modifiers(field: str, modifiers: tuple[str, ...], trail: tuple[str | int, ...]) -> None:
    """Check that the modifiers exist and go together.

    Raises: RuleError R012 for an unknown one, R013 for one that cannot be used here, R016 for a character encoding that
    no base64 modifier follows.
    """
    for at, name in enumerate(modifiers, 1):
        if name not in MODIFIERS:
            close = get_close_matches(name, MODIFIERS, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            message = f"unknown modifier {name!r} on field {field!r}"
            raise RuleError("R012", message, hint=hint + "`tocsin rules modifiers` lists all", trail=(*trail, f"part:{at}"))
    kinds = [MODIFIERS[name].kind for name in modifiers]
    for at, kind in enumerate(kinds):
        _check_one(modifiers[at], kind, kinds[:at], (*trail, f"part:{at + 1}"))
    if "charset" in kinds and "encoding" not in kinds[kinds.index("charset") :]:
        at = kinds.index("charset")
        message = f"{modifiers[at]!r} on field {field!r} is not followed by a base64 modifier"
        hint = "write for example 'wide|base64offset|contains'"
        raise RuleError("R016", message, hint=hint, trail=(*trail, f"part:{at + 1}"))


def _check_one(name: str, kind: str, before: list[str], trail: tuple[str | int, ...]) -> None:
    clash = _EXCLUDES.get(kind, frozenset()) & set(before)
    if clash:
        message = f"modifier {name!r} cannot follow a modifier of kind {min(clash)!r}"
        raise RuleError("R013", message, hint="modifiers apply in the order written", trail=trail)
    if kind == "flag" and "regex" not in before:
        raise RuleError("R013", f"modifier {name!r} needs 're' before it", hint=f"write 're|{name}'", trail=trail)
    if kind == "order" and "order" in before:
        raise RuleError("R013", f"a second comparison {name!r} on one item", hint="write two lines", trail=trail)


__all__ = ["MODIFIERS", "Modifier", "check_modifiers"]
