"""Messages of network devices within syslog: whose they are, the service that rules ask for, and the ends of connections.

Cisco writes `%FACILITY-SEVERITY-MNEMONIC:`, Huawei `%%01MODULE/SEVERITY/MNEMONIC`; Juniper is told by the names of its daemons,
PAN-OS by its comma-separated kinds of logs. A gate's channel is the service; a message of no other is of `syslog`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.events import Gate
from tocsin.sources.actions import blocked

_MARK_CHARS: Final = 320
_ENDS_CHARS: Final = 512
_CISCO: Final = re.compile(
    r"(?:\d{1,12}: +)?(?:: |[\w./-]{1,64}: ?)?"
    r"(?:[*.!]?(?:\d{4} )?[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?[\d:.]{8,18}(?: [A-Z]{2,5})? ?: )?"
    r"(?:[\w-]{1,64}\[\d{1,10}\]: |%\$ VDC-\d{1,4} %\$ )?"
    r"(?P<message>%(?P<facility>[A-Z][A-Z0-9_]{0,40}(?:-[A-Z0-9_]{1,40}){0,4}?)-[0-7]-(?P<mnemonic>[A-Za-z0-9_]{1,64}) ?:)"
)
"""The beginning of a message: a mark further on may be what somebody made a program of another system write."""
_HUAWEI: Final = re.compile(r"(?:[\w./-]{1,64}[: ] ?)?(?P<message>%%\d\d(?P<module>\w{1,40})/\d/(?P<mnemonic>[\w-]{1,80}))")
_COMMANDS: Final = frozenset({"111008", "111009", "111010"})
_LOGGED_COMMAND: Final = frozenset({"CFGLOG_LOGGEDCMD", "AAA_ACCOUNTING_MESSAGE", "VSHD_SYSLOG_CONFIG_I"})
_ACCOUNTING: Final = re.compile(r"tac_plus|tacacs|CISE_TACACS|CSCOacs_TACACS", re.IGNORECASE)
_TASK: Final = re.compile(r"(?:[^\t]{0,255}\t){1,4}(?:start|stop|update)\t")
_COMMAND: Final = re.compile(r"\bcmd=|CmdAV=|\bcmd-arg=")
_JUNIPER: Final = frozenset(
    {
        "rpd",
        "mgd",
        "dcd",
        "chassisd",
        "mib2d",
        "alarmd",
        "cosd",
        "rtlogd",
        "jsrpd",
        "pfed",
        "rt_flow",
        "rt_ids",
        "rt_utm",
        "mcsnoopd",
        "l2ald",
        "lacpd",
        "bfdd",
        "rmopd",
        "ppmd",
        "craftd",
        "utmd",
        "nsd",
        "kmd",
    }
)
_FLOW: Final = "rt_flow"
_KERNEL_TCP: Final = "tcp_auth_ok"
_JUNOS_FLOW: Final = {
    "source-address": "src_ip",
    "source-port": "src_port",
    "destination-address": "dst_ip",
    "destination-port": "dst_port",
}
_JUNOS_SESSION: Final = re.compile(
    r"(?:RT_FLOW_SESSION_[A-Z_]{1,32}: )?session (?P<verb>created|denied|closed(?: [^:]{1,80})?:) ?"
    r"(?P<src_ip>[\da-fA-F.:]{2,45})/(?P<src_port>\d{1,5})->(?P<dst_ip>[\da-fA-F.:]{2,45})/(?P<dst_port>\d{1,5})(?!\d)",
    re.ASCII,
)
"""The same as a sentence, where the device writes no structured data."""
_PAN: Final = re.compile(
    r"\d{0,2},\d{4}/\d\d/\d\d \d\d:\d\d:\d\d,[^,]{0,32},(TRAFFIC|THREAT|GLOBALPROTECT|SYSTEM|CONFIG|USERID|HIPMATCH),"
)
_PAN_TRAFFIC: Final = {"src_ip": 7, "dst_ip": 8, "rule": 11, "src_port": 24, "dst_port": 25, "protocol": 29, "action": 30}
_PAN_URL: Final = 31
_ADDRESS: Final = r"(?:[A-Za-z][\w.-]{0,63}[:/](?=[\da-fA-F.:]))?([\da-fA-F.:]{2,45})[/(](\d{1,5})"
_ENDS: Final = re.compile(
    rf"\b(permitted|denied|[Dd]eny|Built|Teardown)\b([^%]{{0,120}}?)[ ]{_ADDRESS}\)?.{{0,120}}?(?: to | dst |-> ?){_ADDRESS}"
)
_ACTIONS: Final = {"permitted": "accept", "built": "accept", "denied": "deny", "deny": "deny"}
_FILTERS: Final = frozenset({"ASA", "FTD", "PIX", "FWSM", "SEC", "FMANFP", "IPV6_ACL", "ACLLOG"})


def device(rest: str, program: str, fields: Mapping[str, Any]) -> tuple[Gate, dict[str, Any]] | None:
    """Return the gate of the message of a network device, and what it states; None when it is none.

    `rest` is what follows time and host, `fields` what the line states as one of syslog.
    """
    if "%" in rest[:_MARK_CHARS]:
        found = _cisco(rest) or _huawei(rest)
        if found:
            return found
    if program in _JUNIPER or program.startswith(f"{_FLOW}_session_") or (program == "kernel" and _KERNEL_TCP in rest):
        return _juniper(rest, program, fields)
    if _ACCOUNTING.match(program) or _ACCOUNTING.match(rest):
        return (Gate("cisco", "aaa", ""), {}) if _COMMAND.search(rest) else None
    return (Gate("cisco", "aaa", ""), {}) if not program and "\t" in rest and _TASK.match(rest) else None


def _juniper(rest: str, program: str, fields: Mapping[str, Any]) -> tuple[Gate, dict[str, Any]]:
    if program.startswith(_FLOW):
        told = next((data for name, data in fields.items() if name.startswith("junos@") and isinstance(data, dict)), {})
        flow = {name: told[key] for key, name in _JUNOS_FLOW.items() if told.get(key)}
        denied = "DENY" in fields.get("msgid", "")
        session = None if flow else _JUNOS_SESSION.match(str(fields.get("message", "")))
        if session:
            flow, denied = session.groupdict(), session["verb"] == "denied"
            del flow["verb"]
        if flow:
            action = "deny" if denied else "accept"
            return Gate("juniper", "firewall", ""), flow | {"action": action, "blocked": blocked(action)}
    bgp = program == "rpd" or ":179" in rest
    return Gate("juniper", "bgp" if bgp else "syslog", ""), {}


def _cisco(rest: str) -> tuple[Gate, dict[str, Any]] | None:
    found = _CISCO.match(rest)
    if not found:
        return None
    facility, mnemonic = found["facility"], found["mnemonic"]
    fields: dict[str, Any] = {
        "facility_name": facility,
        "mnemonic": mnemonic,
        "message": rest[found.start("message") :],
        "program": "",
    }
    ends = _connection(rest, found.end()) if facility.partition("-")[0] in _FILTERS else {}
    return Gate("cisco", _cisco_service(facility, mnemonic, bool(ends), rest), ""), fields | ends


def _cisco_service(facility: str, mnemonic: str, filtered: bool, text: str) -> str:
    if mnemonic in _COMMANDS or mnemonic in _LOGGED_COMMAND or "AAA" in facility or facility == "ACCOUNTING":
        return "aaa"
    if filtered:
        return "firewall"
    if "BGP" in facility or ("TCP" in facility and ":179" in text):
        return "bgp"
    return "ldp" if "LDP" in facility or "LDP" in text else "syslog"


def _connection(text: str, at: int) -> dict[str, Any]:
    """Return the ends of a connection that an access list or a firewall tells of; an outbound one begins at the second."""
    found = _ENDS.search(text, at, at + _ENDS_CHARS)
    if not found:
        return {}
    verb, between, *ends = found.groups()
    source, destination = (ends[2:], ends[:2]) if "outbound" in between and verb == "Built" else (ends[:2], ends[2:])
    fields = {"src_ip": source[0], "src_port": source[1], "dst_ip": destination[0], "dst_port": destination[1]}
    action = _ACTIONS.get(verb.lower())
    return fields | ({"action": action, "blocked": blocked(action)} if action else {})


def _huawei(rest: str) -> tuple[Gate, dict[str, Any]] | None:
    found = _HUAWEI.match(rest)
    if not found:
        return None
    fields = {
        "module": found["module"],
        "mnemonic": found["mnemonic"],
        "message": rest[found.start("message") :],
        "program": "",
    }
    bgp = "BGP" in found["module"] or "BGP" in found["mnemonic"]
    return Gate("huawei", "bgp" if bgp else "syslog", ""), fields


def panos(text: str) -> tuple[Gate, Mapping[str, Any]] | None:
    """Return the gate and fields of a log line of PAN-OS, or None."""
    found = _PAN.match(text)
    if not found:
        return None
    kind = found[1]
    try:
        cells = next(csv.reader([text]))
    except (csv.Error, StopIteration):
        cells = text.split(",")
    fields: dict[str, Any] = {"type": kind, "serial": cells[2], "receive_time": cells[1]}
    if kind in ("TRAFFIC", "THREAT"):
        fields |= {name: cells[at] for name, at in _PAN_TRAFFIC.items() if at < len(cells) and cells[at]}
        answer = blocked(fields.get("action"))
        fields |= {"blocked": answer} if answer else {}
    if kind == "THREAT" and len(cells) > _PAN_URL and cells[4] == "url":
        fields["url"] = cells[_PAN_URL]
        return Gate("paloalto", "url", ""), fields
    return Gate("paloalto", {"TRAFFIC": "traffic", "GLOBALPROTECT": "globalprotect"}.get(kind, "log"), ""), fields


__all__ = ["device", "panos"]
