"""What events say that happened, sentence by sentence, from real logs where there are any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_data import shared
from tocsin.events import Event, Gate
from tocsin.inquiries.activities import KINDS, activity_of, tells
from tocsin.inquiries.logons import logon_of
from tocsin.runs.evidence import read_events
from tocsin.sources.interface import Loss

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "water-utility" / "evidence"


def told(product: str, channel: str, event_id: str, **fields: object) -> tuple[str, str, str] | None:
    """Return kind, sentence and user of an event."""
    found = activity_of(Event(Gate(product, channel, event_id), fields, fields))
    return found and (found.kind, found.what, found.user)


def windows(event_id: str, channel: str = "Security", **fields: object) -> tuple[str, str, str] | None:
    """Return what a Windows event tells."""
    return told("windows", channel, event_id, **fields)


SUBJECT = {"SubjectUserName": "bob", "SubjectDomainName": "CORP"}
TARGET = {"TargetUserName": "eve", "TargetDomainName": "CORP"}


@pytest.mark.parametrize(
    ("event_id", "fields", "sentence"),
    [
        ("4741", TARGET | {"TargetUserName": "PC7$"}, r"computer account CORP\PC7$ created by CORP\bob"),
        (
            "4742",
            TARGET | {"DnsHostName": "dc1", "SamAccountName": "-"},
            r"computer account CORP\eve changed by CORP\bob: DnsHostName dc1",
        ),
        (
            "4738",
            TARGET | {"UserAccountControl": "\n\t%%2080\n\t%%2082", "SidHistory": "-", "NewUacValue": "0x210"},
            r"account CORP\eve changed by CORP\bob: NewUacValue 0x210, UserAccountControl %%2080 %%2082",
        ),
        ("4738", TARGET, r"account CORP\eve changed by CORP\bob"),
        ("4767", TARGET, r"account CORP\eve unlocked by CORP\bob"),
        ("4781", {"OldTargetUserName": "DC1$", "NewTargetUserName": "dc1"}, r"account DC1$ renamed to dc1 by CORP\bob"),
        ("4733", {"TargetUserName": "Users", "MemberName": "-"}, r"somebody removed from the group Users by CORP\bob"),
    ],
)
def test_changes_of_accounts(event_id: str, fields: dict[str, str], sentence: str) -> None:
    """What changed of an account is told with its values, a computer as a computer."""
    assert windows(event_id, **SUBJECT, **fields) == ("account", sentence, r"CORP\bob")


def test_a_lockout_names_the_station() -> None:
    """What stands where a domain is elsewhere is the station from which the logons came."""
    fields = {"TargetUserName": "eve", "TargetDomainName": "KIOSK"}
    assert windows("4740", **SUBJECT, **fields) == ("account", "account eve locked out, logons from KIOSK", "")


def test_sentences() -> None:
    """Each kind of event is one plain sentence, with the user that did it."""
    logon = {**TARGET, "LogonType": 3, "IpAddress": "10.0.0.1"}
    assert windows("4624", **logon) == ("logon", r"logon of CORP\eve from 10.0.0.1 (network)", r"CORP\eve")
    assert windows("4625", **logon) == ("logon failure", r"failed logon of CORP\eve from 10.0.0.1 (network)", r"CORP\eve")
    assert windows("4720", **SUBJECT, **TARGET) == ("account", r"account CORP\eve created by CORP\bob", r"CORP\bob")
    group = {"TargetUserName": "Administrators", "MemberName": "-", "MemberSid": "S-1-5-21-1"}
    assert windows("4732", **SUBJECT, **group) == (
        "account",
        r"S-1-5-21-1 added to the group Administrators by CORP\bob",
        r"CORP\bob",
    )
    assert windows("1102", **SUBJECT) == ("log cleared", r"log Security cleared by CORP\bob", r"CORP\bob")
    service = {"ServiceName": "X", "ImagePath": r"C:\x.exe", "AccountName": "LocalSystem"}
    assert windows("7045", "System", **service) == ("service", r"service X installed to run as LocalSystem: C:\x.exe", "")
    content = "&lt;Exec&gt;&lt;Command&gt;C:\\a &amp;amp; b.exe&lt;/Command&gt;&lt;Arguments&gt;-x&lt;/Arguments&gt;"
    task = windows("4698", **SUBJECT, TaskName=r"\T", TaskContent=content)
    assert task == ("task", r"scheduled task \T created by CORP\bob: C:\a & b.exe -x", r"CORP\bob")
    start = {"Image": "b.exe", "ParentImage": "a.exe", "CommandLine": "b.exe 1", "User": "bob"}
    assert windows("1", "Microsoft-Windows-Sysmon/Operational", **start) == (
        "process",
        "b.exe started by a.exe: b.exe 1",
        "bob",
    )
    ends = {
        "SourceAddress": "::1",
        "SourcePort": 1,
        "DestAddress": "10.0.0.2",
        "DestPort": 445,
        "Protocol": 6,
        "Application": "a",
    }
    assert windows("5156", **ends) == ("connection", "connection from [::1]:1 to 10.0.0.2:445 (tcp) by a", "")
    engine = windows("400", "Windows PowerShell", Data="x\nHostApplication=powershell -nop\n\tEngineVersion=5")
    assert engine == ("powershell", "PowerShell started: powershell -nop", "")


def test_linux_sentences() -> None:
    """Syslog tells of logons, of what sudo runs, and of new accounts."""
    sudo = "bob : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/cat /etc/shadow ; x"
    assert told("linux", "syslog", "sudo", message=sudo) == ("process", "bob ran as root: /bin/cat /etc/shadow ; x", "bob")
    assert told("linux", "syslog", "sudo", message="pam_unix(sudo:session): session opened for user root") is None
    new = "new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/bash, from=none"
    assert told("linux", "syslog", "useradd", message=new) == ("account", "account eve created", "")
    failed = "Failed password for invalid user eve from 10.0.0.9 port 22 ssh2"
    assert told("linux", "syslog", "sshd", message=failed) == (
        "logon failure",
        "failed logon of eve from 10.0.0.9 (ssh password)",
        "eve",
    )


def test_nothing_is_told() -> None:
    """Events of other kinds tell of nothing, and fields that say that there is nothing are empty."""
    assert windows("4690") is None
    assert not tells(Gate("windows", "Application", "4624"))
    assert logon_of(Event(Gate("windows", "Application", "4624"), {}, {})) is None
    assert windows("4624", TargetUserName="-", IpAddress="-") == ("logon", "logon of an unnamed user", "")


@pytest.mark.parametrize(
    ("event_id", "channel", "field", "text"),
    [
        ("4698", "Security", "TaskContent", "<Command>" * 500_000),
        ("400", "Windows PowerShell", "Data", "HostApplication=" + " " * 2_000_000),
        ("400", "Windows PowerShell", "Data", "HostApplication= " * 200_000),
        ("1", "Microsoft-Windows-Sysmon/Operational", "CommandLine", "-e " * 500_000),
        ("1", "Microsoft-Windows-Sysmon/Operational", "CommandLine", "-e" + " " * 1_000_000),
        ("1", "Microsoft-Windows-Sysmon/Operational", "CommandLine", "'" + "A" * 1_000_000),
        ("1", "Microsoft-Windows-Sysmon/Operational", "CommandLine", "'A" * 500_000),
        ("4104", "Microsoft-Windows-PowerShell/Operational", "ScriptBlockText", ("A" * 119 + "=") * 20_000),
    ],
)
def test_hostile_texts_take_no_time(event_id: str, channel: str, field: str, text: str) -> None:
    """No text makes an event cost much."""
    begun = time.process_time()
    windows(event_id, channel, **{field: text})
    assert time.process_time() - begun < 3
    assert told("linux", "syslog", "sudo", message="USER=x ; " * 200_000) is None
    assert time.process_time() - begun < 5


def real() -> Iterator[Event]:
    """Yield events of real logs of many kinds."""
    paths = [*sorted(shared("evtx-attack-samples").rglob("*.evtx"))[::4], EXAMPLE / "historian" / "auth.log"]
    for path in paths:
        yield from (item for item in read_events(path) if not isinstance(item, Loss))


def test_real_events() -> None:
    """What real events tell is one of the kinds, a sentence, and never more than the limits."""
    kinds = set()
    for event in real():
        found = activity_of(event)
        if found:
            assert tells(event.gate)
            assert found.what[0].strip()
            assert len(found.what) < 40_000
            kinds.add(found.kind)
    assert kinds <= set(KINDS)
    assert len(kinds) >= 7
