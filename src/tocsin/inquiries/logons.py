"""Logons as logs of several systems tell them: who, from where, in which way, and whether it succeeded."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tocsin.events import Event
from tocsin.events.values import elements

SUCCESS: Final = "success"
FAILURE: Final = "failure"
_TYPES: Final = {
    "2": "interactive",
    "3": "network",
    "4": "batch",
    "5": "service",
    "7": "unlock",
    "8": "network cleartext",
    "9": "new credentials",
    "10": "remote interactive",
    "11": "cached interactive",
    "12": "cached remote interactive",
    "13": "cached unlock",
}
"""Windows' logon types. Source: Microsoft, event 4624."""
_OUTCOMES: Final = {"4624": SUCCESS, "4625": FAILURE}
_NONE: Final = frozenset({"", "-", "?", "::", "0.0.0.0"})  # noqa: S104 - how logs write that there is no address
_SSHD: Final = re.compile(
    r"(?P<how>Accepted|Failed) (?P<way>[\w/-]+) for (?:invalid user |illegal user )?(?P<user>.{0,256}?) from (?P<source>\S+)"
)
_AUDIT_LOGINS: Final = frozenset({"USER_LOGIN"})


class Logon(NamedTuple):
    """A logon: `outcome` is `SUCCESS` or `FAILURE`, `kind` how it was done, `source` an address or a host, perhaps empty."""

    outcome: str
    user: str
    kind: str
    source: str


def logon_of(event: Event) -> Logon | None:
    """Return the logon that an event tells of, or None."""
    gate = event.gate
    if gate.product == "windows":
        outcome = _OUTCOMES.get(gate.event_id)
        return _windows(event, outcome) if outcome and gate.channel.casefold() == "security" else None
    if gate.product != "linux":
        return None
    if gate.channel == "auditd":
        return _audit(event) if gate.event_id in _AUDIT_LOGINS else None
    return _sshd(event) if gate.event_id.startswith("sshd") else None


def text_of(event: Event, name: str) -> str:
    """Return the text of a field, empty where it has none or says so by a dash."""
    present, value = event.find(name)
    text = next((item for item in elements(value) if item), "") if present else ""
    return "" if text in _NONE else text


def account(event: Event, part: str) -> str:
    r"""Return `DOMAIN\user` of the fields that begin with `part`, such as `Target`."""
    domain, user = text_of(event, f"{part}DomainName"), text_of(event, f"{part}UserName")
    return f"{domain}\\{user}" if domain and user else user


def _windows(event: Event, outcome: str) -> Logon:
    number = text_of(event, "LogonType")
    source = text_of(event, "IpAddress") or text_of(event, "WorkstationName")
    return Logon(outcome, account(event, "Target"), _TYPES.get(number, f"type {number}" if number else ""), source)


def _sshd(event: Event) -> Logon | None:
    found = _SSHD.match(text_of(event, "message"))
    if not found:
        return None
    outcome = SUCCESS if found["how"] == "Accepted" else FAILURE
    return Logon(outcome, found["user"], f"ssh {found['way']}", found["source"])


def _audit(event: Event) -> Logon | None:
    result = text_of(event, "res") or text_of(event, "result")
    outcome = {"success": SUCCESS, "1": SUCCESS, "yes": SUCCESS}.get(result, FAILURE)
    user = text_of(event, "acct") or text_of(event, "id") or text_of(event, "auid")
    terminal = text_of(event, "exe").rpartition("/")[2]
    return Logon(outcome, user, terminal or "login", text_of(event, "addr") or text_of(event, "hostname"))


__all__ = ["FAILURE", "SUCCESS", "Logon", "account", "logon_of", "text_of"]
