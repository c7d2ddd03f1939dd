"""What a finding tells of hosts, users, sessions, processes, connections and addresses, whatever the shape of its event."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET, Struct

from tocsin.findings import Finding

_DEPTH: Final = 12
_VALUES: Final = 2_000
"""Values of an event that are looked at; what lies deeper or beyond is not needed to join."""
_USERS: Final = ("User", "SubjectUserName", "TargetUserName", "TargetOutboundUserName", "SourceUser", "userName", "user")
_NOBODY: Final = frozenset(
    ("", "-", "system", "local service", "network service", "anonymous logon", "localsystem", "nobody", "(null)", "unset")
)
_SERVICE: Final = re.compile(r"(?i)(dwm|umfd)-\d+|.*\$")
_SESSIONS: Final = ("LogonId", "SubjectLogonId", "TargetLogonId")
_SYSTEM_SESSIONS: Final = frozenset({"0x0", "0x3e7", "0x3e4", "0x3e5", "0", "-", ""})
_NO_AUDIT_SESSION: Final = frozenset({"", "-1", "4294967295", "unset"})
_ADDRESSES: Final = (
    "SourceIp",
    "DestinationIp",
    "IpAddress",
    "SourceAddress",
    "DestAddress",
    "ClientAddress",
    "sourceIPAddress",
    "id.orig_h",
    "id.resp_h",
    "id_orig_h",
    "id_resp_h",
    "source_h",
    "destination_h",
    "src_ip",
    "dst_ip",
    "src",
    "dst",
    "addr",
)
_ARGUMENT: Final = re.compile(r"a(\d{1,5})")
_IN_TEXT: Final = re.compile(r"\b(?:from|rhost=)\s*((?:\d{1,3}\.){3}\d{1,3})\b")
_GUIDS: Final = ("ProcessGuid", "SourceProcessGUID", "SourceProcessGuid")
_CORRELATION: Final = "correlation"
_CREATED: Final = "NewProcessId"
_OWN_LOGS: Final = ("auditd", "syslog")
"""Formats of logs that one host writes of itself, often without its name."""


class Facts(Struct, frozen=True):
    """What joins a finding to others, and what its incident tells of it.

    `time_s` is seconds since 1970, None when unknown. `process` and `parent` are keys of processes, empty when unknown.
    `host` is its name as shown, `host_key` the same host under all of its names. `records` are keys of the events that it is
    about: its own, or, when it is `correlated`, those that a correlation put together. `created` tells that the event is the
    creation of its process, which is known by its number.
    """

    number: int
    time_s: float | None
    time: str
    level: str
    title: str
    rule: str
    tags: tuple[str, ...]
    host: str
    host_key: str
    users: tuple[str, ...]
    sessions: tuple[str, ...]
    addresses: tuple[str, ...]
    connection: str
    process: str
    parent: str
    image: str
    command_line: str
    parent_image: str
    parent_command_line: str
    assets: tuple[str, ...]
    asset_labels: tuple[str, ...]
    records: tuple[str, ...] = ()
    correlated: bool = False
    created: bool = False


def facts_of(finding: Finding, number: int) -> Facts:
    """Return the facts of a finding."""
    leaves = _leaves(finding.event)
    host_key = _host_key(finding)
    process, parent = _processes(leaves, host_key, finding.source.format)
    assets = () if finding.assets is UNSET else tuple(asset for asset in finding.assets.values() if asset.name)
    return Facts(
        number=number,
        time_s=_seconds(finding.time),
        time=finding.time,
        level=finding.rule.level,
        title=finding.rule.title,
        rule=finding.rule.id or finding.rule.path,
        tags=finding.rule.tags,
        host=finding.host,
        host_key=host_key,
        users=_users(leaves),
        sessions=_sessions(leaves, host_key),
        addresses=_addresses(leaves),
        connection=_first(leaves, "uid") if finding.logsource.product == "zeek" else "",
        process=process,
        parent=parent,
        image=_first(leaves, "NewProcessName", "Image", "SourceImage", "exe"),
        command_line=_first(leaves, "CommandLine") or _executed(finding.event) or _first(leaves, "proctitle"),
        parent_image=_first(leaves, "ParentImage", "ParentProcessName"),
        parent_command_line=_first(leaves, "ParentCommandLine"),
        assets=tuple(sorted({asset.name for asset in assets})),
        asset_labels=tuple(sorted({asset.label for asset in assets})),
        records=_records(finding),
        correlated=finding.telemetry == _CORRELATION,
        created=_CREATED in leaves and not _first(leaves, *_GUIDS),
    )


def _records(finding: Finding) -> tuple[str, ...]:
    """Return keys of the events that a finding is about, by file and record."""
    if finding.telemetry != _CORRELATION:
        return (f"{finding.source.path}\0{finding.source.record}",)
    events = finding.event.get("events") if isinstance(finding.event, dict) else None
    found = (item for item in (events if isinstance(events, list) else ()) if isinstance(item, dict))
    return tuple(dict.fromkeys(f"{item.get('path')}\0{item.get('record')}" for item in found))


def _host_key(finding: Finding) -> str:
    """Return what stands for the host: its first label, or the log where a host's own log does not name it."""
    if finding.host:
        return finding.host if _is_address(finding.host) else finding.host.lower().partition(".")[0]
    return f"log {finding.source.path}" if finding.source.format in _OWN_LOGS else ""


def _leaves(event: Any) -> dict[str, list[str]]:
    """Return the values of an event by the last name on the way to each."""
    found: dict[str, list[str]] = {}
    for name, value in _walk(event, "", _DEPTH, [_VALUES]):
        found.setdefault(name, []).append(value)
    return found


def _walk(value: Any, name: str, depth: int, left: list[int]) -> Iterator[tuple[str, str]]:
    if left[0] <= 0 or depth <= 0:
        return
    if isinstance(value, dict):
        named = value.get("@Name") or value.get("Name")
        if isinstance(named, str) and isinstance(text := value.get("#text"), str):
            left[0] -= 1
            yield named, text
        for key, item in value.items():
            yield from _walk(item, name if key in ("#text", "#attributes") else str(key), depth - 1, left)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, name, depth - 1, left)
    elif value is not None:
        left[0] -= 1
        yield name, str(value)


def _first(leaves: dict[str, list[str]], *names: str) -> str:
    return next((values[0] for name in names if (values := leaves.get(name))), "")


def _executed(event: Any) -> str:
    """Return the arguments that auditd tells of a program that was started, by their numbers; empty when it tells none."""
    records = event.get("records", [event]) if isinstance(event, dict) else ()
    told = (item for item in (records if isinstance(records, list) else ()) if isinstance(item, dict))
    words: dict[int, str] = {}
    for record in told:
        if record.get("type") == "EXECVE":
            for name, value in record.items():
                if found := _ARGUMENT.fullmatch(name):
                    words[int(found[1])] = words.get(int(found[1]), "") + str(value)
    return " ".join(text for _, text in sorted(words.items()))


def _users(leaves: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the people and accounts of an event, without domains, machines and accounts of the system."""
    found = {value.rpartition("\\")[2].partition("@")[0].lower() for name in _USERS for value in leaves.get(name, ())}
    return tuple(sorted(name for name in found if name not in _NOBODY and not _SERVICE.fullmatch(name)))


def _sessions(leaves: dict[str, list[str]], host: str) -> tuple[str, ...]:
    found = {f"{host}:{value.lower()}" for name in _SESSIONS for value in leaves.get(name, ()) if value not in _SYSTEM_SESSIONS}
    if "auid" in leaves:
        found |= {f"{host}:ses {value}" for value in leaves.get("ses", ()) if value not in _NO_AUDIT_SESSION}
    return tuple(sorted(found))


def _addresses(leaves: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the addresses of an event that can tell stations apart."""
    texts = [value for name in _ADDRESSES for value in leaves.get(name, ())]
    texts += [text for message in leaves.get("message", ())[:1] for text in _IN_TEXT.findall(message[:4096])]
    found = set()
    for text in texts:
        try:
            address = ipaddress.ip_address(text.strip().partition("%")[0])
        except ValueError:
            continue
        mapped = getattr(address, "ipv4_mapped", None) or address
        if not (mapped.is_loopback or mapped.is_unspecified or mapped.is_multicast or mapped.is_link_local):
            found.add(str(mapped))
    return tuple(sorted(found))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _processes(leaves: dict[str, list[str]], host: str, form: str) -> tuple[str, str]:
    """Return the keys of the process that acted and of its parent: a GUID where there is one, else host and number."""
    guid = _first(leaves, *_GUIDS)
    parent_guid = _first(leaves, "ParentProcessGuid", "ParentProcessGUID")
    if guid:
        return _guid(guid), _guid(parent_guid)
    if form == "auditd":
        return _numbered(host, _first(leaves, "pid")), _numbered(host, _first(leaves, "ppid"))
    if _CREATED in leaves:
        return _numbered(host, _first(leaves, _CREATED)), _numbered(host, _first(leaves, "ProcessId"))
    return _numbered(host, _first(leaves, "ProcessId")), _numbered(host, _first(leaves, "ParentProcessId"))


def _guid(text: str) -> str:
    text = text.strip("{}").upper()
    return text if text.strip("0-") else ""


def _numbered(host: str, text: str) -> str:
    """Return the key of a process by its number, empty for none and for the system's own."""
    try:
        number = int(text, 0)
    except ValueError:
        return ""
    return f"{host} {number}" if number > 4 else ""  # 4 is the kernel of Windows, 1 the first process of Linux


def _seconds(time: str) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None


__all__ = ["Facts", "facts_of"]
