"""What an event says that happened, in one plain sentence: logons, processes, services, tasks, accounts, connections."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from tocsin.events import Event, Gate
from tocsin.inquiries.decoding import decoded
from tocsin.inquiries.logons import FAILURE, account, logon_of, text_of

LOGON: Final = "logon"
LOGON_FAILURE: Final = "logon failure"
PROCESS: Final = "process"
SERVICE: Final = "service"
TASK: Final = "task"
LOG_CLEARED: Final = "log cleared"
ACCOUNT: Final = "account"
POWERSHELL: Final = "powershell"
CONNECTION: Final = "connection"
KINDS: Final = (LOGON, LOGON_FAILURE, PROCESS, SERVICE, TASK, LOG_CLEARED, ACCOUNT, POWERSHELL, CONNECTION)
"""Every kind of activity."""
_LONGEST: Final = 4096
_SCRIPT: Final = 1 << 15
_CONTENT: Final = 1 << 16
_VALUE: Final = 200
_ATTRIBUTES: Final = (
    "SamAccountName",
    "DisplayName",
    "UserPrincipalName",
    "DnsHostName",
    "ServicePrincipalNames",
    "HomeDirectory",
    "ScriptPath",
    "ProfilePath",
    "UserWorkstations",
    "PasswordLastSet",
    "AccountExpires",
    "PrimaryGroupId",
    "AllowedToDelegateTo",
    "NewUacValue",
    "UserAccountControl",
    "SidHistory",
    "LogonHours",
)
"""What a change of an account may tell, empty or `-` where it stays. Source: Microsoft, events 4738 and 4742."""
_USERADD: Final = re.compile(r"new user: name=([^,\s]+)")


class Activity(NamedTuple):
    """One thing that happened: its kind, a sentence, the user that did it, and what encoded parts of it say."""

    kind: str
    what: str
    user: str
    decoded: tuple[str, ...] = ()


Teller = Callable[[Event], Activity | None]


def activity_of(event: Event) -> Activity | None:
    """Return what an event says that happened, or None for one of no kind that is told."""
    teller = _teller(event.gate)
    return teller(event) if teller else None


def tells(gate: Gate) -> bool:
    """Tell whether events of a gate may say that something happened."""
    return _teller(gate) is not None


def _teller(gate: Gate) -> Teller | None:
    if gate.product == "windows" or gate.channel == _SYSMON_LINUX:
        return _WINDOWS.get((gate.channel.casefold(), gate.event_id))
    if gate.product == "linux":
        if gate.channel == "auditd":
            return _AUDITD.get(gate.event_id)
        return _logon if gate.event_id.startswith("sshd") else _SYSLOG.get(gate.event_id)
    return _zeek_conn if gate.product == "zeek" and gate.channel == "conn" else None


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _by(user: str) -> str:
    return f" by {user}" if user else ""


def _logon(event: Event) -> Activity | None:
    found = logon_of(event)
    if found is None:
        return None
    failed = found.outcome == FAILURE
    source = f" from {found.source}" if found.source else ""
    way = f" ({found.kind})" if found.kind else ""
    what = f"{'failed logon' if failed else 'logon'} of {found.user or 'an unnamed user'}{source}{way}"
    return Activity(LOGON_FAILURE if failed else LOGON, what, found.user)


def _explicit_logon(event: Event) -> Activity:
    user, target, server = account(event, "Subject"), account(event, "Target"), text_of(event, "TargetServerName")
    place = f" on {server}" if server else ""
    return Activity(LOGON, f"{user or 'somebody'} used the credentials of {target or 'another user'}{place}", user)


def _process(event: Event, image: str, parent: str, user: str) -> Activity:
    line = text_of(event, "CommandLine")
    started = f"{image or 'a process'} started" + (f" by {parent}" if parent else "")
    what = f"{started}: {_cut(line)}" if line else started
    return Activity(PROCESS, what, user, tuple(decoded(line)))


def _sysmon_process(event: Event) -> Activity:
    return _process(event, text_of(event, "Image"), text_of(event, "ParentImage"), text_of(event, "User"))


def _audited_process(event: Event) -> Activity:
    image, parent = text_of(event, "NewProcessName"), text_of(event, "ParentProcessName")
    return _process(event, image, parent, account(event, "Subject"))


def _auditd_process(event: Event) -> Activity:
    return _process(event, text_of(event, "Image"), text_of(event, "ParentImage"), text_of(event, "User"))


def _service(event: Event) -> Activity:
    name = text_of(event, "ServiceName") or "without a name"
    path = text_of(event, "ImagePath") or text_of(event, "ServiceFileName")
    runs_as = text_of(event, "AccountName") or text_of(event, "ServiceAccount")
    user = account(event, "Subject")
    what = f"service {name} installed{_by(user)}" + (f" to run as {runs_as}" if runs_as else "")
    return Activity(SERVICE, f"{what}: {_cut(path)}" if path else what, user, tuple(decoded(path)))


def _task(done: str) -> Teller:
    def tell(event: Event) -> Activity:
        name = text_of(event, "TaskName") or "without a name"
        user = account(event, "Subject") or text_of(event, "UserContext") or text_of(event, "UserName")
        command = _task_command(text_of(event, "TaskContent") or text_of(event, "TaskContentNew"))
        what = f"scheduled task {name} {done}{_by(user)}"
        return Activity(TASK, f"{what}: {_cut(command)}" if command else what, user, tuple(decoded(command)))

    return tell


def _task_command(content: str) -> str:
    content = content[:_CONTENT]
    content = content if "<Command>" in content else html.unescape(content)
    parts = (_between(content, f"<{name}>", f"</{name}>") for name in ("Command", "Arguments"))
    return html.unescape(" ".join(filter(None, parts)))


def _between(text: str, begin: str, end: str) -> str:
    """Return what stands between the first of two marks and the second one after it. Cost: linear, whatever the text."""
    rest = text.partition(begin)[2]
    found, mark, _ = rest.partition(end)
    return found if mark else ""


def _log_cleared(event: Event) -> Activity:
    user = account(event, "Subject")
    log = text_of(event, "Channel") if event.gate.event_id == "104" else "Security"
    return Activity(LOG_CLEARED, f"log {log or event.gate.channel} cleared{_by(user)}", user)


def _account(done: str, kind: str = "account") -> Teller:
    def tell(event: Event) -> Activity:
        user = account(event, "Subject")
        return Activity(ACCOUNT, f"{kind} {account(event, 'Target') or 'without a name'} {done}{_by(user)}", user)

    return tell


def _account_changed(kind: str) -> Teller:
    """Return the teller of a change that names what has another value now: the fields that are not empty."""

    def tell(event: Event) -> Activity:
        user = account(event, "Subject")
        changed = [
            f"{name} {_cut(value, _VALUE)}"
            for name in _ATTRIBUTES
            if (value := " ".join(text_of(event, name).split())) not in ("", "-")
        ]
        what = f"{kind} {account(event, 'Target') or 'without a name'} changed{_by(user)}"
        return Activity(ACCOUNT, f"{what}: {', '.join(changed)}" if changed else what, user)

    return tell


def _account_renamed(event: Event) -> Activity:
    user = account(event, "Subject")
    names = (text_of(event, f"{which}TargetUserName") or "without a name" for which in ("Old", "New"))
    return Activity(ACCOUNT, f"account {' renamed to '.join(names)}{_by(user)}", user)


def _account_locked(event: Event) -> Activity:
    """Tell of a lockout; what stands for the domain in it is the station from which the logons came."""
    name, station = text_of(event, "TargetUserName") or "without a name", text_of(event, "TargetDomainName")
    return Activity(ACCOUNT, f"account {name} locked out" + (f", logons from {station}" if station else ""), "")


def _group_member(done: str) -> Teller:
    def tell(event: Event) -> Activity:
        user = account(event, "Subject")
        member = next(
            (text for name in ("MemberName", "MemberSid") if (text := text_of(event, name)) not in ("", "-")), "somebody"
        )
        return Activity(ACCOUNT, f"{member} {done} the group {account(event, 'Target') or 'without a name'}{_by(user)}", user)

    return tell


def _script(event: Event) -> Activity:
    text = text_of(event, "ScriptBlockText")
    number, total = text_of(event, "MessageNumber"), text_of(event, "MessageTotal")
    part = f" (part {number} of {total})" if total not in ("", "1") else ""
    return Activity(POWERSHELL, f"PowerShell ran a script{part}: {_cut(text, _SCRIPT)}", _user(event), tuple(decoded(text)))


def _engine(event: Event) -> Activity | None:
    line = "\n".join(event.values()).partition("HostApplication=")[2][:_SCRIPT].partition("EngineVersion=")[0]
    line = next(iter(line.splitlines()), "").strip()
    return Activity(POWERSHELL, f"PowerShell started: {_cut(line)}", _user(event), tuple(decoded(line))) if line else None


def _user(event: Event) -> str:
    return (
        text_of(event, "User") or text_of(event, "AccountName") or text_of(event, "Security_UserID") or text_of(event, "UserID")
    )


def _sysmon_connection(event: Event) -> Activity:
    names = ("SourceIp", "SourcePort", "DestinationIp", "DestinationPort", "Protocol", "Image")
    source, source_port, target, port, protocol, image = (text_of(event, name) for name in names)
    return _connection(_end(source, source_port), _end(target, port), protocol, image, text_of(event, "User"))


def _permitted_connection(event: Event) -> Activity:
    names = ("SourceAddress", "SourcePort", "DestAddress", "DestPort", "Protocol", "Application")
    source, source_port, target, port, protocol, image = (text_of(event, name) for name in names)
    protocol = {"6": "tcp", "17": "udp"}.get(protocol, protocol)
    return _connection(_end(source, source_port), _end(target, port), protocol, image, "")


def _zeek_conn(event: Event) -> Activity:
    names = ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service")
    source, source_port, target, port, protocol, service = (text_of(event, name) for name in names)
    found = _connection(_end(source, source_port), _end(target, port), protocol, "", "")
    return found._replace(what=f"{found.what}, {service}") if service else found


def _connection(source: str, target: str, protocol: str, image: str, user: str) -> Activity:
    way = f" ({protocol})" if protocol else ""
    return Activity(CONNECTION, f"connection from {source} to {target}{way}{_by(image)}", user)


def _end(address: str, port: str) -> str:
    host = f"[{address}]" if ":" in address else address or "somewhere"
    return f"{host}:{port}" if port else host


def _sudo(event: Event) -> Activity | None:
    user, mark, rest = text_of(event, "message").strip().partition(" : ")
    _, wanted, command = rest.partition("COMMAND=")
    if not mark or not wanted or " " in user:
        return None
    runs_as = _between(rest, "USER=", " ;")
    return Activity(PROCESS, f"{user} ran as {runs_as or 'somebody'}: {_cut(command)}", user)


def _useradd(event: Event) -> Activity | None:
    found = _USERADD.match(text_of(event, "message"))
    return Activity(ACCOUNT, f"account {found[1]} created", "") if found else None


def _audited_account(event: Event) -> Activity:
    user = text_of(event, "auid")
    name = text_of(event, "acct") or text_of(event, "id") or "without a name"
    done = "created" if event.gate.event_id == "ADD_USER" else "deleted"
    return Activity(ACCOUNT, f"account {name} {done}{_by(user)}", user)


_SECURITY: Final = "security"
_SYSMON: Final = "microsoft-windows-sysmon/operational"
_SYSMON_LINUX: Final = "Linux-Sysmon/Operational"
_TASKS: Final = "microsoft-windows-taskscheduler/operational"
_POWERSHELL: Final = "microsoft-windows-powershell/operational"
_WINDOWS: Final[dict[tuple[str, str], Teller]] = {
    (_SECURITY, "4624"): _logon,
    (_SECURITY, "4625"): _logon,
    (_SECURITY, "4648"): _explicit_logon,
    (_SECURITY, "4688"): _audited_process,
    (_SYSMON, "1"): _sysmon_process,
    (_SYSMON_LINUX.casefold(), "1"): _sysmon_process,
    (_SECURITY, "4697"): _service,
    ("system", "7045"): _service,
    (_SECURITY, "4698"): _task("created"),
    (_SECURITY, "4699"): _task("deleted"),
    (_SECURITY, "4702"): _task("changed"),
    (_TASKS, "106"): _task("created"),
    (_TASKS, "140"): _task("changed"),
    (_TASKS, "141"): _task("deleted"),
    (_SECURITY, "1102"): _log_cleared,
    ("system", "104"): _log_cleared,
    (_SECURITY, "4720"): _account("created"),
    (_SECURITY, "4722"): _account("enabled"),
    (_SECURITY, "4724"): _account("given another password"),
    (_SECURITY, "4725"): _account("disabled"),
    (_SECURITY, "4726"): _account("deleted"),
    (_SECURITY, "4723"): _account("asked for another password"),
    (_SECURITY, "4738"): _account_changed("account"),
    (_SECURITY, "4740"): _account_locked,
    (_SECURITY, "4741"): _account("created", "computer account"),
    (_SECURITY, "4742"): _account_changed("computer account"),
    (_SECURITY, "4743"): _account("deleted", "computer account"),
    (_SECURITY, "4767"): _account("unlocked"),
    (_SECURITY, "4781"): _account_renamed,
    **dict.fromkeys(((_SECURITY, event_id) for event_id in ("4728", "4732", "4756")), _group_member("added to")),
    **dict.fromkeys(((_SECURITY, event_id) for event_id in ("4729", "4733", "4757")), _group_member("removed from")),
    (_POWERSHELL, "4104"): _script,
    ("powershellcore/operational", "4104"): _script,
    ("windows powershell", "400"): _engine,
    (_SYSMON, "3"): _sysmon_connection,
    (_SYSMON_LINUX.casefold(), "3"): _sysmon_connection,
    (_SECURITY, "5156"): _permitted_connection,
}
_AUDITD: Final[dict[str, Teller]] = {
    "process": _auditd_process,
    "USER_LOGIN": _logon,
    "ADD_USER": _audited_account,
    "DEL_USER": _audited_account,
}
_SYSLOG: Final[dict[str, Teller]] = {"sudo": _sudo, "useradd": _useradd}


__all__ = ["KINDS", "Activity", "activity_of", "tells"]
