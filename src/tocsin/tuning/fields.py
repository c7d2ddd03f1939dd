"""Which fields of an event a filter may rest on, and how much it says that one of them is the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

from tocsin.events import Event
from tocsin.events.values import elements

Sample = Mapping[str, tuple[str, ...]]
"""An event as its rule sees it: field -> the texts of its value."""


class Kind(IntEnum):
    """What a field tells, the best ground for a filter first; fields of `NEVER` change from event to event."""

    PROGRAM = 0
    TESTED = 1
    ADDRESS = 2
    PLAIN = 3
    PRODUCT = 4
    HOST = 5
    ACCOUNT = 6
    HASH = 7
    NEVER = 8


_PROGRAMS: Final = (
    "Image",
    "SourceImage",
    "exe",
    "ServiceName",
    "TaskName",
    "ScriptBlockText",
    "Path",
    "CommandLine",
    "TargetImage",
    "TargetObject",
    "TargetFilename",
    "ImageLoaded",
    "ParentImage",
    "ImagePath",
    "ServiceFileName",
    "PipeName",
    "QueryName",
    "DestinationHostname",
    "ProcessName",
    "NewProcessName",
    "ParentProcessName",
    "Application",
    "OriginalFileName",
    "Details",
    "ParentCommandLine",
    "ObjectName",
    "ShareName",
    "RelativeTargetName",
    "comm",
    "c-uri",
    "cs-uri-stem",
    "cs-host",
    "cs-user-agent",
    "HostApplication",
    "Payload",
    "query",
    "eventSource",
    "eventName",
    "message",
)
_ORDER: Final = {name: at for at, name in enumerate(_PROGRAMS)}
_ENDS: Final = ("id.orig_h", "id.resp_h", "SourceIp", "DestinationIp", "src_ip", "dest_ip", "c-ip", "s-ip", "IpAddress")
_ENDS_ORDER: Final = {name: at - len(_ENDS) for at, name in enumerate(_ENDS)}
"""Addresses of who talks to whom, before other ones."""
_PRODUCTS: Final = re.compile(
    r"^(Company|Description|Product|Signature|SignatureStatus|Signed|IntegrityLevel|CurrentDirectory|EventType|EventID|Channel"
    r"|SourceIsIpv6|DestinationIsIpv6|Initiated|Protocol|proto|success|syscall|arch|type|key|tty)$"
)
_SYSTEM: Final = re.compile(
    r"^(Provider_.*|Level|Keywords|Task|Opcode|Version|TimeCreated.*|Execution_.*|Correlation_.*|Qualifiers"
    r"|EventRecordID|RecordNumber|FileVersion|RuleName|CallTrace|Hash|_path|records?|(?-i:Message)|SourceName|SourceModule.*"
    r"|Category|Severity.*|OpcodeValue|Tags|EventReceived.*|winlog\..*|agent\..*|ecs\..*|log\..*)$",
    re.IGNORECASE,
)
_CHANGING: Final = re.compile(
    r"(guid|uuid|(?<![a-z])time|times?$|timestamp|date$|^ts$|^@|pid$|process_?id$|thread_?id$|tid$|logon_?id$|session|ses$"
    r"|handle|^uid$|^fuid|uids$|^id$|[a-z_]id$|record|seq|reference$|nonce|token|cookie|serial|duration|bytes|pkts|packets|size|count|length"
    r"|exit$|^a\d+_?len|^(?:inode|dev|node|items|cap_\w+)$|offset|address_?of|StartAddress|NewThread)",
    re.IGNORECASE,
)
_KEPT_IDS: Final = re.compile(
    r"(^OpNum$|^(Subcategory|Category|Interface|Class)_?(Guid|Uuid|Id)$|_unit_?id$|unit_id|client_?id$|app_?id$|application_?id$|object_?id$)",
    re.IGNORECASE,
)
_SERVER_PORT: Final = re.compile(r"(dest|dst|resp|server|target).*port|^id\.resp_p$|^s-port$|^dpt$|^dport$", re.IGNORECASE)
_PORT: Final = re.compile(r"port(name)?$|^id\.orig_p$|^spt$|_p$", re.IGNORECASE)
_HASH: Final = re.compile(r"hash|^md5$|^sha\d*$|imphash|ja3|checksum", re.IGNORECASE)
_HOST: Final = re.compile(
    r"^(computer|host|hostname|host[._]name|workstation(name)?|computername|devname|node)$", re.IGNORECASE
)
_ADDRESS: Final = re.compile(
    r"ip$|ipaddress$|address$|addr$|^id\.(orig|resp)_h$|_h$|^[cs]-ip$|^(src|dst|client)$", re.IGNORECASE
)
_ACCOUNT: Final = re.compile(
    r"user(name)?(sid|_?id)?$|(?-i:Sid)$|(?:^|[_.])sid$|domain(name)?$|account(name)?$|^(auid|euid|gid|egid|suid|fsuid|sgid|fsgid)$|^cs-username$"
    r"|useridentity|accesskey|principal",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"[A-Za-z_][\w.@$ :/()-]{0,127}")
_CODE: Final = re.compile(r"(Access|Mask|Rights|Options|Status|Type|Code|Flags|Guid|Uuid)$", re.IGNORECASE)
_HIGHEST_PORT: Final = 32_767
_DEPTH: Final = 4
_MOST_FIELDS: Final = 200
_VALUE_CHANGES: Final = re.compile(
    r"\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*|\d{6,}(?:\.\d+)?"
    r"|0x[0-9a-fA-F]{7,}|[-\s]*"
)
_DIGEST: Final = re.compile(r"(?:\w+=)?(?=[a-fA-F]*\d)[0-9a-fA-F]{32,}")


def kind_of(field: str, tested: frozenset[str]) -> Kind:
    """Return what a field tells; `tested` are the fields that the rule tests."""
    if not _NAME.fullmatch(field) or _SYSTEM.match(field):
        return Kind.NEVER
    for kind, names in ((Kind.HASH, _HASH), (Kind.ACCOUNT, _ACCOUNT), (Kind.HOST, _HOST)):
        if names.search(field):
            return kind
    if field in _ORDER:
        return Kind.PROGRAM
    if _ADDRESS.search(field):
        return Kind.ADDRESS
    if _SERVER_PORT.search(field):
        return Kind.PLAIN
    if _PRODUCTS.match(field):
        return Kind.PRODUCT
    if _PORT.search(field) or (_CHANGING.search(field) and not _KEPT_IDS.search(field)):
        return Kind.NEVER
    return Kind.TESTED if field in tested else Kind.PLAIN


def rank(field: str, tested: frozenset[str]) -> tuple[int, int, str]:
    """Return the place of a field in the order in which a filter takes them."""
    kind = kind_of(field, tested)
    if kind is Kind.PROGRAM and field not in tested:
        return (kind, _ORDER[field] + len(_ORDER), field)
    return (kind, _ORDER.get(field, _ENDS_ORDER.get(field, 0)), field)


def changes(field: str, text: str) -> bool:
    """Tell whether a value is of a kind that is another tomorrow, or that says nothing."""
    if _SERVER_PORT.search(field):
        return not text.isdecimal() or int(text[:9]) > _HIGHEST_PORT
    if is_code(field):
        return False
    return _VALUE_CHANGES.fullmatch(text) is not None or (_DIGEST.fullmatch(text) is not None and _HASH.search(field) is None)


def is_code(field: str) -> bool:
    """Tell whether the values of a field are codes, of which each digit counts."""
    return _CODE.search(field) is not None


def sample_of(event: Event) -> Sample:
    """Return the texts of every field of an event, those inside of objects by their path; bounded in number."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in _walk(event.fields, "", 0):
        texts = tuple(text for text in elements(value) if text is not None)
        if texts and event.find(name)[0]:
            found[name] = texts
        if len(found) >= _MOST_FIELDS:
            break
    return found


def _walk(fields: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and depth < _DEPTH:
            yield from _walk(value, f"{path}.", depth + 1)
        elif not isinstance(value, Mapping):
            yield path, value


__all__ = ["Kind", "Sample", "changes", "is_code", "kind_of", "rank", "sample_of"]
