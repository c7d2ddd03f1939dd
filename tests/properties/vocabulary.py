"""Random rules and events from one small vocabulary, so that they often meet."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tocsin.errors import RuleError
from tocsin.plans.compile import compile_rule
from tocsin.plans.expr import Plan
from tocsin.rules.parse import parse_document
from tocsin.rules.rule import Rule

FIELDS = ("Image", "CommandLine", "User", "Port", "a.b", "List", "UtcTime", "EventID", "Data", "My Field")
WORDS = (
    "cmd",
    "cmd.exe",
    "C:\\Windows\\cmd.exe",
    "\\cmd.exe",
    "whoami /all",
    "-enc",
    "/enc",
    "–enc",
    "Straße",
    "STRASSE",
    "İstanbul",
    "ﬁle",
    "K",
    "k",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "2001:db8::1",
    "80",
    "80.0",
    " 80 ",
    "1e2",
    "0x50",
    "100",
    "true",
    "True",
    "",
    " ",
    "a\nb",
    "*",
    "?",
    "\\",
    "\\\\",
    "Y21k",
    "d2hvYW1p",
    "2026-10-03T06:10:13.120Z",
    "2026-01-01 23:59:60",
    "😀",
    "\x00n",
    "\x00l[]",
    "x\x00y",
)
PATTERNS = (
    *(word for word in WORDS if "\0" not in word),
    "*cmd*",
    "cmd*",
    "*.exe",
    "c?d",
    "*\\c?d.exe",
    "\\*",
    "\\?",
    "\\\\*",
    "*\\\\",
    "c*d*e",
    "?",
    "??",
    "*?*",
    "strasse",
    "*stra??e*",
    "cmd -enc",
    "*-enc*",
    "%Name%",
)
NUMBERS = (0, 1, 80, 80.0, 80.5, -1, 100, 4294967296, 1e2)
REGEXES = ("cmd", "^cmd$", "(?i)CMD", "c.d", "a.b", "^$", "\\d+", "(?=cmd)cmd", "(c)md\\1?", "[^x]*$", "b\\z|e$", "(?i:k)")
NETWORKS = ("10.0.0.0/8", "10.0.0.1/32", "2001:db8::/32", "0.0.0.0/0", "::/0")
TEXT_MODIFIERS = (
    (),
    ("contains",),
    ("startswith",),
    ("endswith",),
    ("contains", "all"),
    ("all",),
    ("cased",),
    ("contains", "cased"),
    ("endswith", "cased"),
    ("neq",),
    ("contains", "neq"),
    ("all", "neq"),
    ("windash",),
    ("windash", "contains"),
    ("contains", "windash", "all"),
    ("base64",),
    ("base64", "contains"),
    ("base64offset", "contains"),
    ("wide", "base64offset", "contains"),
    ("utf16", "base64", "contains"),
    ("utf16be", "base64offset", "contains"),
    ("expand",),
    ("expand", "contains"),
    ("contains", "expand"),
)
REGEX_MODIFIERS = (("re",), ("re", "i"), ("re", "m"), ("re", "s"), ("re", "i", "m", "s"), ("re", "all"), ("re", "neq"))
ORDERS = (("lt",), ("lte",), ("gt",), ("gte",), ("gt", "neq"), ("lt", "all"))
TIMES = (("hour",), ("minute", "gte"), ("day",), ("week",), ("month", "lt"), ("year",), ("hour", "neq"))
REFERENCES = (
    ("fieldref",),
    ("fieldref", "neq"),
    ("fieldref", "contains"),
    ("fieldref", "startswith"),
    ("endswith", "fieldref"),
    ("cased", "fieldref"),
)
PLACEHOLDERS = {"Name": ["cmd", "*.exe", "80"]}

_field = st.sampled_from(FIELDS)


def _values(one: st.SearchStrategy) -> st.SearchStrategy:
    return one | st.lists(one, min_size=1, max_size=4)


def _item(modifiers: tuple[tuple[str, ...], ...], value: st.SearchStrategy) -> st.SearchStrategy:
    keys = st.tuples(_field, st.sampled_from(modifiers)).map(lambda pair: "|".join((pair[0], *pair[1])))
    return st.tuples(keys, _values(value))


_PLAIN = st.sampled_from(PATTERNS) | st.sampled_from(NUMBERS) | st.booleans() | st.none()
_ITEMS = st.one_of(
    _item(((), ("neq",), ("all",)), _PLAIN),
    _item(TEXT_MODIFIERS, st.sampled_from(PATTERNS)),
    _item(TEXT_MODIFIERS, st.sampled_from(PATTERNS)),
    _item(REGEX_MODIFIERS, st.sampled_from(REGEXES)),
    _item((("cidr",), ("cidr", "neq")), st.sampled_from(NETWORKS)),
    _item(ORDERS, st.sampled_from(NUMBERS)),
    _item(TIMES, st.sampled_from((0, 6, 10, 3, 40, 2026))),
    _item(REFERENCES, st.sampled_from(FIELDS)),
    st.tuples(_field.map(lambda name: name + "|exists"), st.booleans()),
)
_MAPS = st.lists(_ITEMS, min_size=1, max_size=3).map(dict)
_KEYWORDS = st.lists(st.sampled_from(PATTERNS) | st.sampled_from((80, 100)), min_size=1, max_size=3)
_KEYWORD_MAPS = st.tuples(
    st.sampled_from(("|all", "|contains", "|re", "|cased", "|windash", "|startswith")),
    st.lists(st.sampled_from(("cmd", "enc", "80", "Straße", "-enc", "whoami")), min_size=1, max_size=2),
).map(lambda pair: {pair[0]: pair[1]})
_SELECTIONS = st.one_of(
    _MAPS,
    _MAPS,
    st.lists(_MAPS, min_size=1, max_size=3),
    _KEYWORDS,
    _KEYWORD_MAPS,
    st.tuples(_KEYWORDS, _MAPS).map(lambda pair: [*pair[0], pair[1]]),
)
_NAMES = ("sel_a", "sel_b", "filter_c", "_d")


@st.composite
def _conditions(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    leaves = [*names, "1 of them", "all of them", "any of sel*", "all of sel_*", "1 of *"]
    usable = st.sampled_from(leaves)
    tree = st.recursive(
        usable,
        lambda inner: st.one_of(
            inner.map("not ({})".format),
            st.tuples(inner, inner).map(lambda pair: f"({pair[0]} and {pair[1]})"),
            st.tuples(inner, inner).map(lambda pair: f"{pair[0]} OR {pair[1]}"),
            st.tuples(inner, inner).map(lambda pair: f"{pair[0]} and not {pair[1]}"),
        ),
        max_leaves=4,
    )
    return draw(tree)


@st.composite
def rule_documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return the document of a rule for Windows or Sysmon events; most of them compile."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True))
    if names == ["_d"]:
        names.append("sel_a")
    detection: dict[str, Any] = {name: draw(_SELECTIONS) for name in names}
    conditions = draw(st.lists(_conditions(tuple(names)), min_size=1, max_size=2))
    detection["condition"] = conditions[0] if len(conditions) == 1 else conditions
    logsource = draw(
        st.sampled_from(
            (
                {"product": "windows"},
                {"product": "windows"},
                {"category": "process_creation", "product": "windows"},
                {"category": "process_creation"},
                {"product": "windows", "service": "security"},
                {"product": "windows", "service": "sysmon"},
                {"product": "windows", "category": "registry_set"},
                {"product": "windows", "category": "network_connection"},
            )
        )
    )
    return {"title": "random", "level": "low", "logsource": logsource, "detection": detection}


def compiled(document: dict[str, Any]) -> tuple[Rule, Plan] | None:
    """Return the rule and its plan; None for a document that is no rule."""
    try:
        rule = parse_document(document, "random.yml")
        assert isinstance(rule, Rule)
        return rule, compile_rule(rule, PLACEHOLDERS)
    except RuleError:
        return None


_SCALARS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS),
    st.sampled_from((0, 1, 80, 80.5, 100, -1, 4294967296, 10**30, 1e300, True, False, None)),
    st.text(alphabet="cmd.ex-/\\ K\u212aßſ*?\x00", max_size=12),
)
VALUES = st.one_of(
    _SCALARS,
    _SCALARS,
    st.lists(_SCALARS, max_size=3),
    st.lists(st.lists(_SCALARS, max_size=2), max_size=2),
    st.dictionaries(st.sampled_from(("b", "c", "#text", "#attributes", "@x")), _SCALARS, max_size=2),
)
_EXTRA = ("a", "NewProcessName", "ProcessId", "SubjectUserName", "SubjectDomainName", "ObjectName", "ObjectValueName")
_DATA = st.dictionaries(st.sampled_from((*FIELDS[:7], *FIELDS[8:], *_EXTRA, "OperationType", "Channel")), VALUES, max_size=6)
GATES = (
    ("Microsoft-Windows-Sysmon/Operational", 1),
    ("Microsoft-Windows-Sysmon/Operational", 3),
    ("Security", 4688),
    ("Security", 4657),
    ("Security", "4624"),
    ("System", 80),
    ("Nobody/Knows", 1),
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Return a Windows event as a JSON object, flat or nested."""
    channel, event_id = draw(st.sampled_from(GATES))
    data = draw(_DATA)
    if draw(st.booleans()):
        if draw(st.integers(0, 9)):
            data = {key: value for key, value in data.items() if key != "Channel"}
        return {**data, "Channel": data.get("Channel", channel), "EventID": event_id, "Hostname": "h"}
    system: dict[str, Any] = {"Channel": channel, "EventID": event_id, "Computer": "h"}
    if draw(st.booleans()):
        system["EventID"] = {"#text": event_id, "#attributes": {"Qualifiers": 0}}
    return {"Event": {"System": system, "EventData": draw(st.sampled_from((data, data, data or None)))}}


def lines(found: list[dict[str, Any]]) -> bytes:
    """Write events as JSON lines."""
    return b"".join(json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n" for event in found)


__all__ = ["FIELDS", "PATTERNS", "PLACEHOLDERS", "VALUES", "WORDS", "compiled", "events", "lines", "rule_documents"]
