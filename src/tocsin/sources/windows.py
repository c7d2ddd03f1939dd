"""Windows events from flat System fields and data fields, whatever format they were read from."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.events.values import scalar_text
from tocsin.rules.windows_channels import SPACELESS, SYSMON_LINUX

_SYSMON_LINUX_PROVIDER: Final = "Linux-Sysmon"
_GATING: Final = ("EventID", "Channel")
_LONGEST_RECORD_ID: Final = 18  # digits that are sure to fit 64 bits


def windows_event(
    system: Mapping[str, Any], data: Mapping[str, Any], original: Mapping[str, Any], record: int, text: str = ""
) -> Event:
    """Make the event of flat System fields (Sigma's names) and data fields.

    A data field hides a System field of the same name from rules, never from gating (semantics 21). The event's record
    is System's EventRecordID where that is a number, else `record`. Pure: neither mapping is changed.
    """
    gate = windows_gate(system, data)
    fields = {**system, **data}
    if gate.channel not in SPACELESS:
        add_spaceless(fields)
    time = normal_time(system.get("TimeCreated_SystemTime") or system.get("TimeCreated"))
    host = scalar_text(system.get("Computer")) or ""
    return Event(gate, fields, original, time, host, record_id(scalar_text(system.get("EventRecordID")) or "", record), text)


def windows_gate(system: Mapping[str, Any], data: Mapping[str, Any]) -> Gate:
    """Return the gate of an event; one of Sysmon for Linux has its channel even where the shipper left that out."""
    named = scalar_text(system.get("Channel")) or ""
    event_id = scalar_text(system.get("EventID")) or ""
    masked = any(name in data or isinstance(system.get(name), (list, tuple)) for name in _GATING)
    if named == SYSMON_LINUX or (not named and system.get("Provider_Name") == _SYSMON_LINUX_PROVIDER):
        return Gate("linux", SYSMON_LINUX, event_id, masked or named != SYSMON_LINUX)
    return Gate("windows", named, event_id, masked)


def add_spaceless(fields: MutableMapping[str, Any]) -> None:
    """Make every field whose name has spaces also known without them; a field that is there already stays."""
    for name in [name for name in fields if " " in name]:
        fields.setdefault(name.replace(" ", ""), fields[name])


def record_id(found: str, record: int) -> int:
    """Return the number that an EventRecordID says, or `record` when it is no usable one."""
    usable = found.isascii() and found.isdecimal() and len(found) <= _LONGEST_RECORD_ID
    return int(found) if usable else record


__all__ = ["add_spaceless", "record_id", "windows_event", "windows_gate"]
