"""An event as rows of names and texts, and what a report tells of it: accounts, the two ends, the telling value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

Row = tuple[str, str]
"""A name, the parts of a nested one joined with points, and the value as text."""
MOST_ROWS: Final = 2_000
LONGEST_VALUE: Final = 2**21
_LONGEST_NAME: Final = 256
_PREVIEW: Final = 140
_MOST_USERS: Final = 4
_USERS: Final = frozenset(
    (
        "User",
        "SourceUser",
        "TargetUser",
        "SubjectUserName",
        "TargetUserName",
        "AccountName",
        "UserName",
        "userName",
        "username",
        "user",
        "user_name",
        "acct",
        "AUID",
        "UID",
        "UserId",
        "userPrincipalName",
        "principalEmail",
        "initiatedBy",
        "actor",
    )
)
_NOBODY: Final = frozenset(("", "-", "null", "n/a", "unset", "(unknown user)", "unknown", "?", "anonymous logon"))
_ENDS: Final = (
    ("id.orig_h", "id.resp_h"),
    ("source_h", "destination_h"),
    ("src_ip", "dest_ip"),
    ("src_ip", "dst_ip"),
    ("SourceIp", "DestinationIp"),
    ("SourceAddress", "DestAddress"),
)
_TELLING: Final = (
    "CommandLine",
    "ScriptBlockText",
    "TargetObject",
    "TargetFilename",
    "QueryName",
    "PipeName",
    "ImageLoaded",
    "ImagePath",
    "ServiceFileName",
    "DestinationHostname",
    "TaskName",
    "func",
    "c-uri",
    "query",
)
_PLAIN: Final = frozenset(("EventID", "Channel", "Provider_Name", "type", "EventType"))


@dataclass(frozen=True, slots=True)
class EventRows:
    """An event as rows; `left_out` counts values beyond the most that are shown."""

    rows: tuple[Row, ...]
    left_out: int = 0


def event_rows(event: Any) -> EventRows:
    """Return an event as rows in its order; a list without maps is one row. Bounded, and never recursive."""
    rows: list[Row] = []
    left_out = 0
    for name, value in _leaves(event):
        if len(rows) < MOST_ROWS:
            rows.append((name, _as_text(value)))
        else:
            left_out += 1
    return EventRows(tuple(rows), left_out)


def _leaves(event: Any) -> Iterator[tuple[str, Any]]:
    waiting: list[tuple[str, Any]] = [("", event)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [(_joined(name, str(key)), item) for key, item in reversed(value.items())]
        elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
            waiting += [(_joined(name, str(at)), item) for at, item in reversed(list(enumerate(value)))]
        else:
            yield name or "event", value


def _joined(name: str, key: str) -> str:
    found = f"{name}.{key}" if name else key
    return found if len(found) <= _LONGEST_NAME else f"…{found[-_LONGEST_NAME:]}"


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text):,} characters in all)"


def users_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the accounts that an event names, without their domains; those of computers are left out."""
    found: dict[str, str] = {}
    for name, value in rows:
        if name.rpartition(".")[2] in _USERS and len(value) <= _LONGEST_NAME:
            user = value.rpartition("\\")[2].strip()
            if user.casefold() not in _NOBODY and not user.endswith("$") and not user.isdecimal():
                found.setdefault(user.casefold(), user)
    return tuple(found.values())[:_MOST_USERS]


def ends_of(rows: Sequence[Row], host: str) -> tuple[str, str] | None:
    """Return who talks to whom in an event of network traffic or of a logon from elsewhere, None in any other."""
    known = {name.rpartition(".")[2]: value for name, value in rows} | dict(rows)
    for source, target in _ENDS:
        if known.get(source) and known.get(target):
            return known[source], known[target]
    source = known.get("IpAddress", "-")
    return (source, host) if host and source not in ("-", "", "::1", "127.0.0.1") else None


def preview(matched: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return the most telling of the values that matched with its field, cut to a line of a table."""
    values = {field: found[0] for fields in matched.values() for field, found in fields.items() if found}
    field = next((name for name in _TELLING if name in values), "")
    if not field:
        others = [name for name in values if name not in _PLAIN] or list(values)
        field = max(others, key=lambda name: len(values[name]), default="")
    if not field:
        return ""
    value = " ".join(values[field][: 2 * _PREVIEW].split())
    text = value if field == "*" else f"{field}: {value}"
    return text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}…"


__all__ = ["EventRows", "Row", "ends_of", "event_rows", "preview", "users_of"]
