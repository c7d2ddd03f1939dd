"""The shapes in which tools write events as JSON, understood slowly and completely.

A shape is told from the keys of the object: flat (nxlog, OTRF, Splunk), `Event` (evtx_dump, both attribute styles),
`System` (Velociraptor), `winlog` (Winlogbeat, also as ECS alone or as the `fields` of Kibana), `data.win` (Wazuh), journald.
What fits none is a plain JSON event, which no rule can see until a source for it exists, and which is counted as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.events.values import scalar_text
from tocsin.sources.json_audits import AUDIT_KEYS, audit_shape
from tocsin.sources.json_flows import FLOW_KEYS, flow_shape
from tocsin.sources.json_macos import MACOS_KEYS, macos_shape
from tocsin.sources.json_network import EVE_KEYS, ZEEK_KEYS, eve_shape, zeek_shape
from tocsin.sources.json_web import (
    DUO_KEYS,
    GITLAB_KEYS,
    GLOBALPROTECT_KEYS,
    WEB_KEYS,
    duo_shape,
    gitlab_shape,
    globalprotect_shape,
    web_shape,
)
from tocsin.sources.windows import windows_event

Object = Mapping[str, Any]

FLAT_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "Channel": ("LogName",),
    "EventID": ("EventId", "EventCode", "event_id"),
    "Provider_Name": ("SourceName", "Provider", "ProviderName"),
    "Provider_Guid": ("ProviderGuid",),
    "Computer": ("Hostname", "ComputerName", "MachineName"),
    "EventRecordID": ("RecordNumber", "RecordID", "EventRecordId"),
    "TimeCreated": ("@timestamp", "EventTime", "_time", "UtcTime"),
    "Execution_ProcessID": ("ExecutionProcessID",),
    "Execution_ThreadID": ("ExecutionThreadID", "ThreadID"),
}
"""Name of a System field in Sigma -> the names that flat writers give it, in order; the Sigma name itself comes first."""

_WRAPPERS: Final = ("_source", "result")
_OUTER_KEYS: Final = frozenset({"Channel", "EventID", "Event"})
_WINLOG_SYSTEM: Final[dict[str, str]] = {
    "channel": "Channel",
    "event_id": "EventID",
    "provider_name": "Provider_Name",
    "provider_guid": "Provider_Guid",
    "computer_name": "Computer",
    "record_id": "EventRecordID",
    "task": "Task",
    "opcode": "Opcode",
    "version": "Version",
    "keywords": "Keywords",
    "activity_id": "Correlation_ActivityID",
}
_PROVIDER_CHANNELS: Final[dict[str, str]] = {
    "Microsoft-Windows-Security-Auditing": "Security",
    "Microsoft-Windows-Sysmon": "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-PowerShell": "Microsoft-Windows-PowerShell/Operational",
    "PowerShellCore": "PowerShellCore/Operational",
    "PowerShell": "Windows PowerShell",
    "Microsoft-Windows-Windows Defender": "Microsoft-Windows-Windows Defender/Operational",
    "Microsoft-Windows-TaskScheduler": "Microsoft-Windows-TaskScheduler/Operational",
    "Microsoft-Windows-WMI-Activity": "Microsoft-Windows-WMI-Activity/Operational",
    "Service Control Manager": "System",
}
"""Provider -> the one channel into which it writes what rules read, for events whose channel the shipper left out."""


def json_event(found: Object, number: int, own_record: bool = False) -> Event:
    """Return the event of one JSON object; one of no shape is plain.

    Its record is `number`, the 1-based line; with `own_record` its EventRecordID where it has one.
    """
    return shaped_event(found, number, own_record) or plain_event(found, number)


def shaped_event(found: Object, number: int, own_record: bool = False) -> Event | None:
    """Return the event of one JSON object that has a known shape, or None."""
    inner = unwrap(found)
    if SHAPE_KEYS.isdisjoint(inner):
        return None
    for keys, shape in _SHAPES:
        event = None if keys.isdisjoint(inner) else shape(inner, found, number)
        if event:
            return event if own_record or event.record == number else replace(event, record=number)
    return None


def plain_event(found: Object, number: int) -> Event:
    """Return an object of no known shape as an event that no rule sees."""
    inner = unwrap(found)
    time = next((t for t in (normal_time(inner.get(key)) for key in _TIMES) if t), "")
    return Event(PLAIN, inner, found, time, _host(inner), number)


PLAIN: Final = Gate("", "json", "")
"""The gate of objects of no known shape."""

_TIMES: Final = ("@timestamp", "timestamp", "time", "eventTime", "TimeCreated", "_time", "ts")


def unwrap(found: Object) -> Object:
    """Return the object that a database or an export put into another, or the object itself."""
    for key in _WRAPPERS:
        inner = found.get(key)
        if isinstance(inner, dict):
            return inner
    fields = found.get("fields")
    if isinstance(fields, dict) and "_index" in found and _OUTER_KEYS.isdisjoint(found):
        return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in fields.items()}
    return found


def _host(found: Object) -> str:
    for key in ("Computer", "Hostname", "host", "hostname"):
        value = found.get(key)
        if isinstance(value, dict):
            value = value.get("name") or value.get("hostname")
        if isinstance(value, str):
            return value
    return ""


def _event_shape(inner: Object, found: Object, number: int) -> Event | None:
    body = inner.get("Event")
    if not isinstance(body, dict) or not isinstance(body.get("System"), dict):
        return None
    return windows_event(flat_system(body["System"]), event_data(body), found, number)


def _system_shape(inner: Object, found: Object, number: int) -> Event | None:
    system = inner.get("System")
    if not isinstance(system, dict) or "Channel" not in system:
        return None
    flat = flat_system(system)
    if isinstance(flat.get("TimeCreated_SystemTime"), (int, float)):
        flat["TimeCreated_SystemTime"] = str(flat["TimeCreated_SystemTime"])
    data = event_data(inner)
    if isinstance(inner.get("Message"), str):
        data.setdefault("Message", inner["Message"])
    return windows_event(flat, data, found, number)


def flat_system(system: Object) -> dict[str, Any]:
    """Return System's elements and attributes under Sigma's names: attributes are joined with `_`."""
    flat: dict[str, Any] = {}
    for name, value in system.items():
        if name.endswith("_attributes") and isinstance(value, dict):
            flat |= {f"{name[:-11]}_{key.lstrip('@')}": item for key, item in value.items()}
        elif isinstance(value, dict):
            _flatten_element(flat, name, value)
        elif value is not None:
            flat[name] = value
    return flat


def _flatten_element(flat: dict[str, Any], name: str, value: Object) -> None:
    attributes = value.get("#attributes")
    for key, item in (attributes if isinstance(attributes, dict) else {}).items():
        flat[f"{name}_{key}"] = item
    for key, item in value.items():
        if key in ("#text", "Value", "$"):
            flat[name] = item
        elif key != "#attributes":
            flat[f"{name}_{key.lstrip('@')}"] = item


def event_data(body: Object) -> dict[str, Any]:
    """Return the fields of EventData, or those of UserData's one child."""
    data: dict[str, Any] = {}
    for section in ("EventData", "ProcessingErrorData"):
        _add_data(data, body.get(section))
    user = body.get("UserData")
    if isinstance(user, dict):
        for name, child in user.items():
            if isinstance(child, dict):
                _add_data(data, child)
            elif not name.startswith(("#", "@")):
                data[name] = child
    return data


def _add_data(data: dict[str, Any], section: Any) -> None:
    if not isinstance(section, dict):
        if section is not None:
            data["Data"] = section
        return
    for name, value in section.items():
        if name in ("#attributes", "@xmlns", "xmlns") or name.endswith("_attributes"):
            continue
        if name == "Data":
            _add_unnamed(data, value)
        else:
            data[name] = plain(value)


def _add_unnamed(data: dict[str, Any], value: Any) -> None:
    """Take `Data` apart: named elements of XML converters, or unnamed values."""
    named = value if isinstance(value, list) else [value]
    unnamed = []
    for item in named:
        name = _data_name(item)
        if name:
            _repeat(data, name, plain(item))
        else:
            unnamed.append(plain(item))
    if unnamed:
        data["Data"] = unnamed[0] if len(unnamed) == 1 and not isinstance(value, list) else unnamed


def _repeat(data: dict[str, Any], name: str, value: Any) -> None:
    if name not in data:
        data[name] = value
    else:
        before = data[name]
        data[name] = [*(before if isinstance(before, list) else [before]), value]


def _data_name(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    attributes = item.get("#attributes")
    name = attributes.get("Name") if isinstance(attributes, dict) else item.get("@Name", item.get("Name"))
    return name if isinstance(name, str) else ""


def plain(value: Any) -> Any:
    """Return the text of an element that may carry attributes; a list of such, a list."""
    if isinstance(value, dict):
        if "#text" in value:
            return value["#text"]
        rest = {key: item for key, item in value.items() if key != "#attributes" and not key.startswith("@")}
        return {key: plain(item) for key, item in rest.items()} if rest else None
    return value


def _winlog_shape(inner: Object, found: Object, number: int) -> Event | None:
    winlog = inner.get("winlog")
    if not isinstance(winlog, dict):
        dotted = "winlog.channel" in inner or "winlog.event_id" in inner
        return _winlog_shape(_undotted(inner), found, number) if dotted else None
    system = {name: winlog[key] for key, name in _WINLOG_SYSTEM.items() if winlog.get(key) is not None}
    for prefix in ("process", "user"):
        part = winlog.get(prefix)
        if prefix == "process" and isinstance(part, dict):
            system["Execution_ProcessID"] = part.get("pid")
        elif isinstance(part, dict):
            system["Security_UserID"] = part.get("identifier")
    system["TimeCreated_SystemTime"] = inner.get("@timestamp")
    _add_ecs(system, inner.get("event"))
    if "Channel" not in system and "EventID" not in system:
        return None
    data: dict[str, Any] = {}
    for section in ("event_data", "user_data"):
        _add_data(data, winlog.get(section))
    if isinstance(inner.get("message"), str):
        data.setdefault("Message", inner["message"])
    system.setdefault("Computer", _host(inner))
    return windows_event({k: v for k, v in system.items() if v is not None}, data, found, number)


def _add_ecs(system: dict[str, Any], event: Any) -> None:
    """Take id, provider and channel from ECS's `event` where `winlog` does not tell them."""
    if not isinstance(event, dict):
        return
    for key, name in (("code", "EventID"), ("provider", "Provider_Name")):
        if event.get(key) is not None:
            system.setdefault(name, event[key])
    channel = _PROVIDER_CHANNELS.get(scalar_text(system.get("Provider_Name")) or "")
    if channel and "EventID" in system:
        system.setdefault("Channel", channel)


def _undotted(inner: Object) -> Object:
    """Return what a shipper wrote flat, with dots in its keys, as the objects that these mean."""
    winlog: dict[str, Any] = {"event_data": {}, "user_data": {}}
    for key, value in inner.items():
        _, _, rest = key.partition("winlog.")
        section, _, name = rest.partition(".")
        if section in ("event_data", "user_data") and name:
            winlog[section][name] = value
        elif rest and "." not in rest:
            winlog[rest] = value
    event = inner.get("event", {key: inner.get(f"event.{key}") for key in ("code", "provider")})
    host = inner.get("host.name", inner.get("host"))
    return {"winlog": winlog, "host": host, "event": event} | {key: inner.get(key) for key in ("@timestamp", "message")}


def _ecs_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return an event of a Windows provider that ECS's own fields tell, without the channel and id of `winlog`."""
    event = inner.get("event")
    parts = event if isinstance(event, dict) else {key: inner.get(f"event.{key}") for key in ("code", "provider")}
    if parts.get("code") is None or scalar_text(parts.get("provider")) not in _PROVIDER_CHANNELS:
        return None
    return _winlog_shape(_undotted(inner), found, number)


def _wazuh_shape(inner: Object, found: Object, number: int) -> Event | None:
    data = inner.get("data")
    win = data.get("win") if isinstance(data, dict) else inner.get("win")
    if not isinstance(win, dict) or not isinstance(win.get("system"), dict):
        return None
    system = win["system"]
    flat = {_capital(key): value for key, value in system.items()}
    names = {"ProviderName": "Provider_Name", "ProviderGuid": "Provider_Guid", "SystemTime": "TimeCreated_SystemTime"}
    names |= {"ProcessID": "Execution_ProcessID", "ThreadID": "Execution_ThreadID"}
    flat = {names.get(key, key): value for key, value in flat.items()}
    fields: dict[str, Any] = {}
    section = win.get("eventdata")
    for key, value in (section if isinstance(section, dict) else {}).items():
        fields[key] = value
        fields[_capital(key)] = value
    if isinstance(flat.get("Message"), str):
        fields.setdefault("Message", flat["Message"])
    return windows_event(flat, fields, found, number)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _journal_shape(inner: Object, found: Object, number: int) -> Event | None:
    if "__REALTIME_TIMESTAMP" not in inner or "MESSAGE" not in inner:
        return None
    message = inner["MESSAGE"]
    if isinstance(message, list):
        message = bytes(item & 255 for item in message if isinstance(item, int)).decode("utf-8", "replace")
    text = scalar_text(message) or ""
    program = scalar_text(inner.get("SYSLOG_IDENTIFIER") or inner.get("_COMM")) or ""
    micros = scalar_text(inner["__REALTIME_TIMESTAMP"]) or ""
    time = normal_time(f"{micros[:-6]}.{micros[-6:]}") if micros.isdecimal() else ""
    host = scalar_text(inner.get("_HOSTNAME")) or ""
    fields = {**inner, "message": text, "program": program, "host": host, "MESSAGE": text}
    return Event(Gate("linux", "syslog", program.lower()), fields, found, time, host, number, text)


def _flat_shape(inner: Object, found: Object, number: int) -> Event | None:
    system = {name: value for name, value in _flat_names(inner) if value is not None}
    channel, event_id = system.get("Channel"), system.get("EventID")
    if channel is None or event_id is None:
        channel = channel if channel is not None else _splunk_channel(inner)
        if channel is None or event_id is None:
            return None
        system["Channel"] = channel
    return windows_event({**inner, **system}, {}, found, number)


def _flat_names(inner: Object) -> list[tuple[str, Any]]:
    found = []
    for name, others in FLAT_NAMES.items():
        if name not in inner:
            found += [(name, inner[other]) for other in others if other in inner][:1]
        elif name in ("Channel", "EventID"):
            found.append((name, inner[name]))
    return found


def _splunk_channel(inner: Object) -> str | None:
    for key in ("source", "sourcetype"):
        value = inner.get(key)
        if isinstance(value, str) and "WinEventLog:" in value:
            return value.partition("WinEventLog:")[2]
    return None


_Shape = Callable[[Object, Object, int], Event | None]
_SHAPES: Final[tuple[tuple[frozenset[str], _Shape], ...]] = (
    (frozenset({"Event"}), _event_shape),
    (frozenset({"System"}), _system_shape),
    (frozenset({"winlog", "winlog.channel", "winlog.event_id"}), _winlog_shape),
    (frozenset({"data", "win"}), _wazuh_shape),
    (frozenset({"__REALTIME_TIMESTAMP"}), _journal_shape),
    (frozenset({"EventID", *FLAT_NAMES["EventID"]}), _flat_shape),
    (frozenset({"event", "event.code"}), _ecs_shape),
    (EVE_KEYS, eve_shape),
    (ZEEK_KEYS, zeek_shape),
    (GITLAB_KEYS, gitlab_shape),
    (WEB_KEYS, web_shape),
    (DUO_KEYS, duo_shape),
    (GLOBALPROTECT_KEYS, globalprotect_shape),
    (FLOW_KEYS, flow_shape),
    (AUDIT_KEYS, audit_shape),
    (MACOS_KEYS, macos_shape),
)
"""Keys without which an object does not have a shape, and what reads it, in order."""
SHAPE_KEYS: Final = frozenset[str]().union(*(keys for keys, _ in _SHAPES))
"""An object without any of these keys, and without a wrapper, has no known shape."""
BEFORE_NETWORK: Final = frozenset[str]().union(*(keys for keys, _ in _SHAPES[: _SHAPES.index((EVE_KEYS, eve_shape))]))
"""An object without any of these keys, and without a wrapper, has no shape that comes before those of network sensors."""
WRAPPERS: Final = frozenset({*_WRAPPERS, "fields"})
"""Keys under which another object may have the shape."""


__all__ = [
    "BEFORE_NETWORK",
    "FLAT_NAMES",
    "PLAIN",
    "SHAPE_KEYS",
    "WRAPPERS",
    "event_data",
    "flat_system",
    "json_event",
    "plain",
    "plain_event",
    "shaped_event",
    "unwrap",
]
