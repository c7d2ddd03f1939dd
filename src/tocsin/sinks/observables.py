"""What an event names, told from the fields that logs use: processes, users, addresses, files, hashes.

An event is shown as it was read, so one thing has many names. This is a table of those that are sure; a value that is not
of its kind (an address that is none) is left out, since the databases that documents go to refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from msgspec import DecodeError
from msgspec.json import decode

from tocsin.sinks.found import VALUE_CHARS, Found, cut

Observed = dict[str, str]
"""Values by what they are, such as `process.path` or `src.ip`."""
NUMBERS: Final = frozenset({"src.port", "dst.port", "process.pid", "parent.pid"})
"""Kinds whose text is a number."""
_NEST: Final = "nest"
_FIELDS: Final = {
    "Image": "process.path",
    "NewProcessName": "process.path",
    "exe": "process.path",
    "CommandLine": "process.command",
    "ProcessCommandLine": "process.command",
    "ProcessId": "process.pid",
    "NewProcessId": "process.pid",
    "ProcessGuid": "process.uid",
    "ParentImage": "parent.path",
    "ParentProcessName": "parent.path",
    "ParentCommandLine": "parent.command",
    "ParentProcessId": "parent.pid",
    "User": "user",
    "SubjectUserName": "user",
    "SubjectDomainName": "domain",
    "TargetUserName": "target.user",
    "SourceIp": "src.ip",
    "SourceAddress": "src.ip",
    "IpAddress": "src.ip",
    "id.orig_h": "src.ip",
    "src_ip": "src.ip",
    "srcip": "src.ip",
    "c-ip": "src.ip",
    "sourceIPAddress": "src.ip",
    "SourcePort": "src.port",
    "IpPort": "src.port",
    "id.orig_p": "src.port",
    "src_port": "src.port",
    "srcport": "src.port",
    "DestinationIp": "dst.ip",
    "DestAddress": "dst.ip",
    "id.resp_h": "dst.ip",
    "dest_ip": "dst.ip",
    "dst_ip": "dst.ip",
    "dstip": "dst.ip",
    "DestinationPort": "dst.port",
    "DestPort": "dst.port",
    "id.resp_p": "dst.port",
    "dest_port": "dst.port",
    "dst_port": "dst.port",
    "dstport": "dst.port",
    "Protocol": "proto",
    "proto": "proto",
    "DestinationHostname": "dst.host",
    "server_name": "dst.host",
    "QueryName": "query",
    "query": "query",
    "TargetFilename": "file.path",
    "TargetObject": "registry.key",
    "Hashes": "hashes",
    **dict.fromkeys(("Event", "EventData", "UserData", "winlog", "event_data"), _NEST),
}
_PROTOCOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}")
_NOTHING: Final = "-"
_NEW_PID: Final = "NewProcessId"
_PID: Final = "ProcessId"
_HASH: Final = re.compile(r"(MD5|SHA1|SHA256)=([0-9A-Fa-f]+)(?:,|$)")
_DIGITS: Final = {"MD5": 32, "SHA1": 40, "SHA256": 64}
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]{1,8}")
_MOST_DIGITS: Final = 10
_MAX_PORT: Final = 65535
_MAX_PID: Final = (1 << 32) - 1
_NEST_DEPTH: Final = 3


def observables(found: Found) -> Observed:
    """Return what the event of a finding names; nothing for one that is no object or nested without end."""
    seen: Observed = {}
    try:
        event = decode(found.event)
    except (DecodeError, RecursionError, UnicodeDecodeError):
        return seen
    if isinstance(event, dict):
        _look(event, seen, _NEST_DEPTH)
    return seen


def hashes(observed: Observed) -> dict[str, str]:
    """Return the hashes of the process's or image's file by algorithm: `MD5`, `SHA1`, `SHA256`; digits in lower case."""
    if "hashes" not in observed:
        return {}
    found = _HASH.findall(observed["hashes"])
    return {name: digits.lower() for name, digits in found if len(digits) == _DIGITS[name]}


def base_name(path: str) -> str:
    """Return the last part of a path of Windows or of Unix, else the path."""
    return path.rstrip("\\/").replace("\\", "/").rpartition("/")[2] or path


@lru_cache(maxsize=65536)
def normal_ip(text: str) -> str:
    """Return an address in its one form; empty for what is none."""
    try:
        return str(ip_address(text)) if "%" not in text and len(text) < 64 else ""
    except ValueError:
        return ""


def is_domain(text: str) -> bool:
    """Tell whether a text is a name of DNS."""
    return _DOMAIN.fullmatch(text) is not None


def _look(fields: Mapping[str, object], seen: Observed, depth: int) -> None:
    for name, value in fields.items():
        kind = _FIELDS.get(name)
        if kind is None or kind in seen:
            continue
        if kind == _NEST:
            if depth and type(value) is dict:
                _look(value, seen, depth - 1)
            continue
        if name == _PID and _NEW_PID in fields:  # Security 4688 calls the parent's so
            kind = "parent.pid"
        text = value if type(value) is str else str(value) if type(value) is int else ""
        if text and text != _NOTHING:
            check = _VALID.get(kind)
            text = check(text) if check else text if len(text) <= VALUE_CHARS else cut(text)
            if text:
                seen[kind] = text


def _domain(text: str) -> str:
    return text if is_domain(text) else ""


def _protocol(text: str) -> str:
    return text.lower() if _PROTOCOL.fullmatch(text) else ""


def _port(text: str) -> str:
    return _number(text, _MAX_PORT)


def _pid(text: str) -> str:
    return _number(text, _MAX_PID)


def _number(text: str, most: int) -> str:
    if text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS:
        number = int(text)
    elif _HEXADECIMAL.fullmatch(text):
        number = int(text, 16)
    else:
        return ""
    return str(number) if number <= most else ""


_VALID: Final[dict[str, Callable[[str], str]]] = {
    "src.ip": normal_ip,
    "dst.ip": normal_ip,
    "src.port": _port,
    "dst.port": _port,
    "process.pid": _pid,
    "parent.pid": _pid,
    "dst.host": _domain,
    "query": _domain,
    "proto": _protocol,
}
"""What takes a value of its kind, in its one form, and gives nothing for one that is of another kind."""

__all__ = ["NUMBERS", "Observed", "base_name", "hashes", "is_domain", "normal_ip", "observables"]
