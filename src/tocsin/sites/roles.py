"""Roles of assets: the known ones, what they are, and the name of the placeholder that each fills."""

from __future__ import annotations

import re
from typing import Final

ROLES: Final[dict[str, str]] = {
    "plc": "programmable controller",
    "rtu": "remote terminal unit",
    "ied": "protection relay or other intelligent electronic device",
    "safety_controller": "controller of a safety system",
    "building_controller": "controller of a building's technical systems",
    "drive": "variable speed drive or motor starter",
    "field_device": "sensor or actuator with an address",
    "hmi": "operator panel",
    "operator_station": "workstation of an operator",
    "scada_server": "server that polls and commands controllers",
    "data_concentrator": "master of many remote units, or front end of a control centre",
    "protocol_gateway": "converts between protocols, or serial to network",
    "opc_server": "OPC server",
    "historian": "archive of process values",
    "engineering_station": "workstation with the engineering software",
    "jump_host": "host over which the control network is reached",
    "remote_access_server": "server of remote maintenance or VPN",
    "domain_controller": "directory and logons",
    "file_server": "files and projects",
    "backup_server": "backups",
    "update_server": "updates of software and signatures",
    "database_server": "databases",
    "web_server": "web pages",
    "dns_server": "names",
    "time_server": "time",
    "log_server": "collects logs",
    "firewall": "firewall or data diode",
    "network_device": "switch, router, access point",
    "workstation": "office or other workstation",
    "medical_device": "device at a patient or in a laboratory",
    "camera": "camera",
    "printer": "printer",
}
"""Role -> what it is. A site may use others; these are known, so that misspelt ones are told."""
CONTROLLERS: Final = frozenset({"plc", "rtu", "ied", "safety_controller", "building_controller"})
"""The roles of `%Controllers%`."""
MASTERS: Final = frozenset({"scada_server", "data_concentrator"})
"""Roles whose assets are among `%ICSMasters%` whatever the conversations say."""
_ACRONYMS: Final = frozenset(
    {
        "plc",
        "rtu",
        "ied",
        "hmi",
        "scada",
        "opc",
        "dns",
        "vpn",
        "dcs",
        "mes",
        "erp",
        "dmz",
        "ntp",
        "lims",
        "pacs",
        "ems",
        "bms",
        "ups",
        "ip",
        "vfd",
        "sis",
        "it",
        "ot",
        "ai",
        "io",
    }
)
_FORM: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_HISSING: Final = ("s", "x", "z", "ch", "sh")
_VOWELS: Final = "aeiou"


def is_role(text: str) -> bool:
    """Tell whether a text has the form of a role: lower case words joined with `_`."""
    return _FORM.fullmatch(text) is not None


def placeholder_name(role: str) -> str:
    """Return the placeholder of a role: its words in upper camel case, in the plural, such as `EngineeringStations`."""
    *first, last = role.split("_")
    words = [_written(word) for word in first]
    if last in _ACRONYMS:
        return "".join((*words, _written(last), "s"))
    return "".join((*words, _written(_plural(last))))


def _written(word: str) -> str:
    return word.upper() if word in _ACRONYMS else word.capitalize()


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(_HISSING) else "s")


__all__ = ["CONTROLLERS", "MASTERS", "ROLES", "is_role", "placeholder_name"]
