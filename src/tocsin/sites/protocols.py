"""What an event of a network log tells of a conversation: who, with whom, over what, and which function was asked for.

The table has the logs of Zeek and of the ICSNPP parsers, whose names the events of captures have too. Function names are
those that the logs write; which of them change something is told by one expression for each protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from tocsin.events.values import decode

Cells = Mapping[str, str | None]
_RESPONSES: Final = frozenset({"false", "F", "response", "RESPONSE", "Response"})
_UNSET: Final = frozenset({"", "-"})
_LONGEST_ADDRESS: Final = 64
_LONGEST: Final = 200
"""What is read of the name of a function or service; none that is real is longer."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log: its protocol, the fields that together name the function, and what tells a request.

    `request`: a field, and the values that it has in requests; without it a row is one unless a field of direction says no.
    `either_way`: both ends may ask, so that a request goes from `source_h` to `destination_h`.
    """

    protocol: str
    functions: tuple[str, ...] = ()
    request: tuple[str, frozenset[str]] | None = None
    either_way: bool = False
    function: str = ""
    """The function of every request, where the log is of one."""


_MODBUS: Final = Log("modbus", ("func",))
_CONFIRMED: Final = ("pdu_type", frozenset({"CONFIRMED_REQUEST", "UNCONFIRMED_REQUEST"}))
LOGS: Final[dict[str, Log]] = {
    "conn": Log(""),
    "modbus": _MODBUS,
    "modbus_detailed": _MODBUS,
    "modbus_mask_write_register": _MODBUS,
    "modbus_read_write_multiple_registers": _MODBUS,
    "modbus_read_device_identification": _MODBUS,
    "dnp3": Log("dnp3", ("fc_request",)),
    "dnp3_control": Log("dnp3", ("function_code",)),
    "dnp3_objects": Log("dnp3", ("function_code",)),
    "s7comm": Log("s7comm", ("function_name", "subfunction_name")),
    "s7comm_upload_download": Log("s7comm", ("function_name",)),
    "s7comm_read_szl": Log("s7comm"),
    "s7comm_plus": Log("s7comm_plus", ("function_name",), ("opcode_name", frozenset({"Request"}))),
    "enip": Log("enip", ("enip_command",)),
    "cip": Log("cip", ("cip_service",)),
    "cip_identity": Log("enip"),
    "cip_io": Log("cip"),
    "bacnet": Log("bacnet", ("pdu_service",), _CONFIRMED, either_way=True),
    "bacnet_property": Log("bacnet"),
    "bacnet_device_control": Log("bacnet"),
    "bacnet_discovery": Log("bacnet"),
    "opcua_binary": Log("opcua", ("identifier_str",)),
    "opcua_binary_write": Log("opcua", function="WriteRequest"),
    "iec104": Log("iec104", ("type_name",)),
}
"""Log of Zeek's -> how it is read. Any other log that begins with `opcua_binary_` is of OPC UA."""
_OPCUA: Final = Log("opcua")

_WRITES: Final[dict[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "modbus": r"(?:mask_|read_)?write_.*|program_.*|firmware_replacement|reset_comm_link.*",
        "dnp3": r"write|select|operate|direct_operate.*|(?:cold|warm)_restart|initialize_.*|(?:start|stop)_appl|save_config"
        r"|(?:en|dis)able_unsolicited|assign_class|delete_file|activate_config|record_current_time",
        "s7comm": r"write variable|request download|download .*|plc (?:control|stop)(?:: .*)?|time functions: set clock.*"
        r"|programmer controls: (?:modify variable|force|memory reset)|mode-transition: .*",
        "s7comm_plus": r"set .*|create object|delete object|invoke",
        "cip": r"set .*|write .*|read (?:write modify|modify write) .*|reset|start|stop|create|delete|restore|save"
        r"|apply attributes|(?:insert|remove) member",
        "bacnet": r"write_.*|atomic_write_file|(?:add|remove)_list_element|(?:create|delete)_object"
        r"|device_communication_control|reinitialized?_device|life_safety_operation",
        "opcua": r"(?:write|call|historyupdate|(?:add|delete)(?:nodes|references))request",
        "iec104": r"[cp]_(?!ic_|ci_|rd_|ts_).*|f_(?!dr_|af_).*",
    }.items()
}
_TRANSFERS: Final = re.compile(r"request download|download .*|.* upload|upload|plc (?:control|stop).*", re.IGNORECASE)

SERVICES: Final = {
    "dnp3_tcp": "dnp3",
    "dnp3_udp": "dnp3",
    "opcua-binary": "opcua",
    "opcua_binary": "opcua",
    "s7comm-plus": "s7comm_plus",
    "iec60870_5_104": "iec104",
    "iec-104": "iec104",
    "krb": "kerberos",
    "krb_tcp": "kerberos",
    "rfb": "vnc",
    "ssl": "tls",
}
"""Names that logs and people use -> the name here."""
_PORTS: Final = {
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    53: "dns",
    67: "dhcp",
    80: "http",
    88: "kerberos",
    102: "s7comm",
    123: "ntp",
    135: "dce_rpc",
    139: "smb",
    161: "snmp",
    389: "ldap",
    443: "tls",
    445: "smb",
    502: "modbus",
    514: "syslog",
    2222: "cip",
    2404: "iec104",
    3389: "rdp",
    4840: "opcua",
    5900: "vnc",
    20000: "dnp3",
    44818: "enip",
    47808: "bacnet",
}
"""What is taken for spoken where a connection was too short to tell."""
INDUSTRIAL: Final = frozenset((*_WRITES, "enip", "mms", "goose", "profinet"))
"""The protocols of control systems."""
INTERACTIVE: Final = frozenset({"rdp", "ssh", "vnc", "telnet"})
"""The protocols by which a person works on another computer."""
_FAMILIES: Final = (frozenset({"s7comm", "s7comm_plus", "cotp"}), frozenset({"enip", "cip"}))

_ENDS: Final = ("id.orig_h", "id.resp_h", "id.resp_p", "proto")
_DIRECTION: Final = ("is_orig", "direction", "request_response")
_CONNECTION: Final = ("service", "conn_state")
_EITHER_WAY: Final = ("id.orig_p", "source_h", "destination_h")
_UNANSWERED: Final = frozenset({"S0", "SH"})
"""States in which the target said nothing. `OTH` has no beginning, but was a conversation."""


class Exchange(NamedTuple):
    """One event as a part of a conversation.

    `protocols` are the names of what was spoken, none when the event does not tell; `function` is empty when the event is no
    request; `answered` tells that the target is sure to exist; `fields` are those that hold source and target.
    """

    source: str
    target: str
    port: int
    transport: str
    protocols: tuple[str, ...] = ()
    function: str = ""
    writes: bool = False
    answered: bool = True
    fields: tuple[str, str] = ("id.orig_h", "id.resp_h")


def log_of(channel: str) -> Log | None:
    """Return how a log is read; None when it tells of no conversation."""
    return LOGS.get(channel) or (_OPCUA if channel.startswith("opcua_binary_") else None)


@lru_cache(maxsize=1024)
def fields_of(channel: str) -> tuple[str, ...]:
    """Return the fields of a log that `exchange_of` reads; as few as possible, since each distinct combination costs."""
    log = log_of(channel)
    if log is None:
        return ()
    if not log.protocol:
        return (*_ENDS, *_CONNECTION)
    asked = (log.request[0],) if log.request else _DIRECTION
    more = ("req_identifier_str",) if log.functions == ("identifier_str",) else ()
    return tuple(dict.fromkeys((*_ENDS, *asked, *log.functions, *more, *(_EITHER_WAY if log.either_way else ()))))


def canonical(protocol: str) -> str:
    """Return the name of a protocol as a site file has it."""
    name = protocol.strip().casefold()
    return SERVICES.get(name, name)


def family(protocol: str) -> frozenset[str]:
    """Return the protocols that share a connection with one, itself included."""
    return next((found for found in _FAMILIES if protocol in found), frozenset({protocol}))


def is_write(protocol: str, function: str) -> bool:
    """Tell whether a function changes something."""
    found = _WRITES.get(protocol)
    return found is not None and found.fullmatch(function) is not None


def is_transfer(function: str) -> bool:
    """Tell whether a function is one of engineering software: moves a program, or starts and stops a controller."""
    return _TRANSFERS.fullmatch(function) is not None


def exchange_of(channel: str, cells: Cells) -> Exchange | None:
    """Return what an event tells; None when it has no two ends. `cells` has the cells of `fields_of` the log."""
    log = log_of(channel)
    source, target = _text(cells, "id.orig_h"), _text(cells, "id.resp_h")
    if log is None or not 0 < len(source) <= _LONGEST_ADDRESS or not 0 < len(target) <= _LONGEST_ADDRESS:
        return None
    port = _number(_text(cells, "id.resp_p"))
    transport = _text(cells, "proto").casefold()[:_LONGEST_ADDRESS]
    if not log.protocol:
        services = tuple(sorted({canonical(name) for name in _text(cells, "service")[:_LONGEST].split(",") if name}))
        services = services or ((_PORTS[port],) if port in _PORTS else ())
        answered = _text(cells, "conn_state") not in _UNANSWERED
        return Exchange(source, target, port, transport or "tcp", services, answered=answered)
    function = _function(log, cells)
    found = Exchange(source, target, port, transport or "tcp", (log.protocol,), function, is_write(log.protocol, function))
    if function and log.either_way and _text(cells, "source_h") == target:
        port = _number(_text(cells, "id.orig_p"))
        return found._replace(source=target, target=source, port=port, fields=("source_h", "destination_h"))
    return found


def _function(log: Log, cells: Cells) -> str:
    if log.request:
        if _text(cells, log.request[0]) not in log.request[1]:
            return ""
    elif any(_text(cells, name) in _RESPONSES for name in ("is_orig", "direction", "request_response")):
        return ""
    if log.function:
        return log.function
    parts = [part for name in log.functions if (part := _text(cells, name)) not in _UNSET]
    if not parts and log.functions == ("identifier_str",):
        parts = [part for part in (_text(cells, "req_identifier_str"),) if part]
    return ": ".join(parts)[:_LONGEST].removeprefix("Request: ").removesuffix("_EXCEPTION")


def _text(cells: Cells, name: str) -> str:
    cell = cells.get(name)
    if not cell:
        return ""
    return ",".join(part for part in decode(cell) if part) if cell.startswith("\0") else cell


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 5 else 0


__all__ = [
    "INDUSTRIAL",
    "INTERACTIVE",
    "LOGS",
    "SERVICES",
    "Exchange",
    "Log",
    "canonical",
    "exchange_of",
    "family",
    "fields_of",
    "is_transfer",
    "is_write",
    "log_of",
]
