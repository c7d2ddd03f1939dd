"""Which rule may see which event, and under which field names.

A gate (product, channel, event id) offers one or more views of its events: the native one, and those under which an event
stands in for another (a Security 4688 for a Sysmon process creation). A rule sees a view when its logsource fits.
Source: Sigma semantics 18 to 20.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tocsin.events import Gate
from tocsin.rules import fieldmaps
from tocsin.rules import windows_channels as windows
from tocsin.rules.rule import Logsource
from tocsin.rules.view import Alias, Tag, View

_SYSTEM: Final = frozenset(
    (
        "EventID",
        "Channel",
        "Computer",
        "Provider_Name",
        "Provider_Guid",
        "EventRecordID",
        "Level",
        "Keywords",
        "TimeCreated",
        "Task",
        "Opcode",
        "Version",
    )
)

_PROCESS_TWIN: Final = (
    Alias("Image", ("NewProcessName",)),
    Alias("ParentImage", ("ParentProcessName",)),
    Alias("ProcessId", ("NewProcessId",), "decimal"),
    Alias("ParentProcessId", ("ProcessId",), "decimal"),
    Alias("LogonId", ("SubjectLogonId",), "lower"),
    Alias("IntegrityLevel", ("MandatoryLabel",), "integrity"),
    Alias("User", ("SubjectDomainName", "SubjectUserName"), "account"),
)
_NETWORK_TWIN: Final = (
    Alias("Image", ("Application",)),
    Alias("ProcessId", ("ProcessID",), "decimal"),
    Alias("SourceIp", ("SourceAddress",)),
    Alias("DestinationIp", ("DestAddress",)),
    Alias("DestinationPort", ("DestPort",)),
    Alias("Protocol", ("Protocol",), "protocol"),
    Alias("Initiated", ("Direction",), "initiated"),
)
_REGISTRY_TWIN: Final = (
    Alias("TargetObject", ("ObjectName", "ObjectValueName"), "registry"),
    Alias("Details", ("NewValue",)),
    Alias("Image", ("ProcessName",)),
    Alias("ProcessId", ("ProcessId",), "decimal"),
    Alias("User", ("SubjectDomainName", "SubjectUserName"), "account"),
)
_ANTIVIRUS: Final = (Alias("Signature", ("ThreatName",)), Alias("Filename", ("Path",)))


def _twin(category: str, aliases: tuple[Alias, ...], also: str, field: str = "", values: str = "") -> View:
    names = frozenset(alias.field for alias in aliases) | _SYSTEM | frozenset(also.split())
    tag = Tag("windows", category, "security", field, tuple(values.split()))
    return View((tag,), aliases, twin=True, category_only=True, fields=names)


_TWINS: Final[dict[str, View]] = {
    "4688": _twin("process_creation", _PROCESS_TWIN, "CommandLine TokenElevationType"),
    "5156": _twin("network_connection", _NETWORK_TWIN, "SourcePort"),
    "4657": _twin("registry_set", _REGISTRY_TWIN, "", "OperationType", "%%1904 %%1905"),
}

_RPC_FIREWALL: Final = (
    Alias("EventLog", ("Channel",)),
    Alias("InterfaceUuid", ("InterfaceUuid", "Data", "param7"), "item_7"),
    Alias("OpNum", ("OpNum", "Data", "param8"), "item_8"),
)
"""The RPC Firewall writes its data without names; `param7` is Winlogbeat's name for the seventh."""
_RPC_FIREWALL_LOG: Final = "RPCFW"

ALIASES: Final = (*(alias for view in _TWINS.values() for alias in view.aliases), *_ANTIVIRUS, *_RPC_FIREWALL)
"""The aliases of all views."""
TAG_FIELDS: Final = frozenset(tag.field for view in _TWINS.values() for tag in view.tags if tag.field)
"""The native fields that decide whether an event has a twin."""

_CHANNEL_SERVICES: Final[dict[str, tuple[str, ...]]] = {}
for _service, _channels in windows.SERVICES.items():
    for _channel in _channels:
        _CHANNEL_SERVICES[_channel.casefold()] = (*_CHANNEL_SERVICES.get(_channel.casefold(), ()), _service)
_CHANNEL_CATEGORIES: Final = {
    (channel.casefold(), event_id): found for (channel, event_id), found in windows.CHANNEL_CATEGORIES.items()
}

SYSLOG_SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "sshd": ("sshd", "auth"),
    "sshd-session": ("sshd", "auth"),
    "sshd-auth": ("sshd", "auth"),
    "sudo": ("sudo", "auth"),
    "su": ("auth",),
    "login": ("auth",),
    "pkexec": ("auth",),
    "polkitd": ("auth",),
    "systemd-logind": ("auth",),
    "useradd": ("auth",),
    "usermod": ("auth",),
    "userdel": ("auth",),
    "groupadd": ("auth",),
    "passwd": ("auth",),
    "chpasswd": ("auth",),
    "gdm-password": ("auth",),
    "cron": ("cron",),
    "crond": ("cron",),
    "crontab": ("cron",),
    "vsftpd": ("vsftpd",),
    "clamd": ("clamav",),
    "clamav": ("clamav",),
    "clamscan": ("clamav",),
    "guacd": ("guacamole",),
    "guacamole": ("guacamole",),
}
"""Program of a syslog line -> services of rules, beside `syslog`, which sees them all."""


@lru_cache(maxsize=4096)
def views(gate: Gate) -> tuple[View, ...]:
    """Return the views that a gate offers; none when no rule can see its events."""
    if gate.product == "windows":
        return _windows_views(gate)
    if gate.product == "linux":
        return _linux_views(gate)
    found = fieldmaps.field_map(gate.product)
    view = found.view(gate.channel) if found else None
    return (view,) if view else ()


def _windows_views(gate: Gate) -> tuple[View, ...]:
    channel = gate.channel.casefold()
    services = _CHANNEL_SERVICES.get(channel, ("",))
    categories = _CHANNEL_CATEGORIES.get((channel, gate.event_id), ("",))
    if channel == windows.SYSMON.casefold():
        categories = windows.SYSMON_CATEGORIES.get(gate.event_id, ("",))
    native = View(tuple(_tag("windows", category, service) for service in services for category in categories))
    found = [native]
    if channel == windows.SECURITY.casefold() and gate.event_id in _TWINS:
        found.append(_TWINS[gate.event_id])
    if channel == windows.DEFENDER.casefold() and gate.event_id in windows.ANTIVIRUS_IDS:
        found.append(View((Tag("windows", "antivirus", "windefend"),), _ANTIVIRUS, category_only=True))
    if channel == _RPC_FIREWALL_LOG.casefold():
        found.append(View((Tag("rpc_firewall", "application"),), _RPC_FIREWALL))
    return tuple(found)


def _tag(product: str, category: str, service: str) -> Tag:
    field, values = windows.REQUIRED.get(category, ("", ()))
    return Tag(product, category, service, field, values)


def _linux_views(gate: Gate) -> tuple[View, ...]:
    if gate.channel == windows.SYSMON_LINUX:
        categories = windows.SYSMON_CATEGORIES.get(gate.event_id, ("",))
        return (View(tuple(_tag("linux", category, "sysmon") for category in categories)),)
    if gate.channel == "auditd":
        if gate.event_id == "process":
            return (View((Tag("linux", "process_creation", "auditd"),), category_only=True),)
        return (View((Tag("linux", "", "auditd"),)),)
    program = gate.event_id.casefold()
    services = ("syslog", *SYSLOG_SERVICES.get(program, ()))
    return (View(tuple(Tag("linux", "", service) for service in services)),)


def admits(view: View, logsource: Logsource) -> tuple[Tag, ...]:
    """Return the tags of a view that a rule's logsource fits; none when the rule may not see it."""
    if view.category_only and not logsource.category:
        return ()
    if logsource.product == "linux" and not logsource.category and not logsource.service:
        return tuple(tag for tag in view.tags if tag.product == "linux" and tag.service == "syslog")
    return tuple(
        tag
        for tag in view.tags
        if logsource.product in ("", tag.product)
        and logsource.category in ("", tag.category)
        and logsource.service in ("", tag.service)
    )


@lru_cache(maxsize=4096)
def visible_events(logsource: Logsource) -> tuple[str, ...]:
    """Return, in words, the events that a rule of this logsource can see; empty when no source is known."""
    seen = [(gate, view, tags) for gate in _known_gates() for view in views(gate) if (tags := admits(view, logsource))]
    if fieldmaps.is_open(logsource):
        return (f"{logsource.product} {logsource.service}",)
    whole = {gate.channel for gate, view, _ in seen if not gate.event_id and not view.twin}
    found = []
    for gate, view, tags in seen:
        if gate.event_id and gate.channel in whole and not view.twin:
            continue
        limited = not any(not tag.field for tag in tags)
        limit = f" with {tags[0].field} {' or '.join(tags[0].values)}" if limited else ""
        name = f"{gate.product} {gate.channel}" if gate.product in fieldmaps.products() else f"{gate.channel} {gate.event_id}"
        found.append(name.strip() + limit + (" (twin)" if view.twin else ""))
    return tuple(dict.fromkeys(found))


def feeding_products(logsource: Logsource) -> tuple[str, ...]:
    """Return the products whose events a rule of this logsource can see, sorted; empty when there are none."""
    if windows.WITHOUT_SOURCE.get((logsource.product, logsource.category)):
        return ()
    if fieldmaps.is_open(logsource):
        return (logsource.product,)
    found = {gate.product for gate in _known_gates() for view in views(gate) if admits(view, logsource)}
    return tuple(sorted(found))


@lru_cache(maxsize=1)
def _known_gates() -> tuple[Gate, ...]:
    gates = [Gate("windows", windows.SYSMON, event_id) for event_id in windows.SYSMON_CATEGORIES]
    gates += [Gate("windows", channel, event_id) for channel, event_id in windows.CHANNEL_CATEGORIES]
    gates += [Gate("windows", windows.SECURITY, event_id) for event_id in _TWINS]
    gates += [Gate("windows", windows.DEFENDER, event_id) for event_id in sorted(windows.ANTIVIRUS_IDS)]
    gates += [Gate("windows", channel, "") for channels in windows.SERVICES.values() for channel in channels]
    gates.append(Gate("windows", _RPC_FIREWALL_LOG, ""))
    gates += [Gate("linux", windows.SYSMON_LINUX, event_id) for event_id in windows.SYSMON_CATEGORIES]
    gates += [Gate("linux", "auditd", ""), Gate("linux", "auditd", "process"), Gate("linux", "syslog", "")]
    gates += [Gate("linux", "syslog", program) for program in SYSLOG_SERVICES]
    for product in fieldmaps.products():
        found = fieldmaps.field_map(product)
        gates += [Gate(product, channel, "") for channel in (found.channels if found else ())]
    return tuple(gates)


def why_no_source(logsource: Logsource) -> str:
    """Return why no event can reach a rule of this logsource, or an empty text when one can."""
    reason = windows.WITHOUT_SOURCE.get((logsource.product, logsource.category))
    reason = reason or fieldmaps.without_source().get((logsource.product, logsource.category, logsource.service))
    if reason:
        return reason
    return "" if visible_events(logsource) else f"no source of events is known for the logsource {logsource}"


__all__ = [
    "ALIASES",
    "SYSLOG_SERVICES",
    "TAG_FIELDS",
    "admits",
    "feeding_products",
    "views",
    "visible_events",
    "why_no_source",
]
