"""`tocsin stats` on real logs, against counts made here; wrong usage and hostile values."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from test_cli import HOSTILE, tocsin

from shared_data import shared
from tocsin.inquiries import statistics
from tocsin.runs.evidence import read_events
from tocsin.sources.interface import Loss


@pytest.fixture(scope="module")
def logs() -> list[Path]:
    """Return real logs: an archive of JSON lines, and EVTX files."""
    folder = shared("evtx-attack-samples", "Credential Access")
    return [shared("otrf", "empire_shell_net_local_users.zip"), *sorted(folder.glob("*.evtx"))]


def test_counts(logs: list[Path]) -> None:
    """Events by log and id, computers and logons are those that are counted one by one."""
    done = tocsin("stats", *logs, "--json", "--jobs", 1)
    assert tocsin("stats", *logs, "--json", "--jobs", 2).stdout == done.stdout
    found = json.loads(done.stdout)
    kinds: Counter[tuple[str, str]] = Counter()
    hosts: Counter[str] = Counter()
    logons: Counter[tuple[str, str, str]] = Counter()
    times: dict[tuple[str, str], list[str]] = {}
    for path in logs:
        for event in read_events(path):
            if isinstance(event, Loss):
                continue
            key = (event.gate.channel or "(unknown)", event.gate.event_id)
            kinds[key] += 1
            hosts[event.host] += 1
            times.setdefault(key, []).append(event.time)
            if key in (("Security", "4624"), ("Security", "4625")):
                own = event.fields
                outcome = "success" if key[1] == "4624" else "failure"
                logons[outcome, f"{own['TargetDomainName']}\\{own['TargetUserName']}", str(own["LogonType"])] += 1
    assert {(item["log"], item["event_id"]): item["events"] for item in found["kinds"]} == kinds
    assert {item["host"]: item["events"] for item in found["hosts"]} == hosts
    for item in found["kinds"]:
        own = times[item["log"], item["event_id"]]
        assert (item["first"], item["last"]) == (min(own), max(own))
    assert found["events"] == kinds.total() > 2000
    types = {
        "interactive": "2",
        "network": "3",
        "service": "5",
        "unlock": "7",
        "new credentials": "9",
        "remote interactive": "10",
    }
    told: Counter[tuple[str, str, str]] = Counter()
    for item in found["logons"]:
        told[item["outcome"], item["user"], types.get(item["kind"], item["kind"])] += item["events"]
    assert sum(logons.values()) == sum(told.values()) > 10
    assert {key: count for key, count in told.items() if "\\" in key[1] and "-" not in key[1]} == {
        key: count for key, count in logons.items() if "\\" in key[1] and "-" not in key[1]
    }


def test_missing_records(tmp_path: Path) -> None:
    """Record numbers that were cut out of a real log, and the span that they leave, are told."""
    log = shared("otrf", "metasploit_sharpdump_lsass_memory_dump.zip")
    rows = []
    for event in read_events(log):
        assert not isinstance(event, Loss)
        if event.gate.channel == "Microsoft-Windows-Sysmon/Operational":
            rows.append(event)
        if len(rows) == 3000:
            break
    host = rows[0].host
    lines = [
        {"Channel": "Security", "EventID": 1, "Hostname": host, "EventRecordID": number, "TimeCreated": event.time}
        for number, event in enumerate(sorted(rows, key=lambda row: row.time))
        if not 1000 <= number < 1200 and number != 77
    ]
    path = tmp_path / "cut.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = json.loads(tocsin("stats", path, "--json").stdout)
    (item,) = found["missing_records"]
    assert (item["missing"], item["present"], item["selection"]) == (201, 2799, False)
    assert item["stretches"] == [[1000, 1199], [77, 77]]
    assert not found["clock_steps"]


def test_gaps_and_clocks(tmp_path: Path) -> None:
    """A span without events and a clock that went back are told with their times, in the tables too."""
    hours = [0, 1, 2, 3, 4, 5, 6, 20, 21, 22, 10, 11, 12]
    rows = [
        {
            "Channel": "System",
            "EventID": 1,
            "Hostname": "PC-1",
            "EventRecordID": 60 * at + minute,
            "TimeCreated": f"2026-03-01T{hour:02}:{minute:02}:00Z",
        }
        for at, hour in enumerate(hours)
        for minute in range(60)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = json.loads(tocsin("stats", path, "--json").stdout)
    assert [(gap["begin"], gap["end"], gap["seconds"]) for gap in found["gaps"]] == [
        ("2026-03-01T12:59:00.000000Z", "2026-03-01T20:00:00.000000Z", 25_260.0),
        ("2026-03-01T06:59:00.000000Z", "2026-03-01T10:00:00.000000Z", 10_860.0),
    ]
    (step,) = found["clock_steps"]
    assert (step["earlier_record"], step["record"], step["seconds"]) == (599, 600, 46_740.0)
    shown = tocsin("stats", path).stdout.decode()
    assert "7:01:00  2026-03-01 12:59:00  2026-03-01 20:00:00  PC-1" in shown
    assert "46,740 s  PC-1" in shown


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What exceeds a table's limit is counted and told."""
    table = statistics.Table(2)
    for name in "abcda":
        table.count((name,)).add("2026-01-01T00:00:00.000000Z")
    assert (table.counts["a",].events, table.others.events) == (2, 2)
    monkeypatch.setattr(statistics, "MOST_TRACKS", 0)
    found = statistics.Statistics(hosts=statistics.Table(0))
    for event in read_events(shared("sigma-regression").parent / "otrf" / "sh_arp_cache.zip"):
        if not isinstance(event, Loss):
            found.add(event)
    limits = found.summary(3600).limits
    assert any("kinds of computer are left out" in text for text in limits)
    assert any("not looked at for gaps" in text for text in limits)


def test_hostile_values(tmp_path: Path) -> None:
    """Names and numbers from events neither break the tables nor the JSON."""
    rows = [
        {"Channel": HOSTILE, "EventID": HOSTILE, "Hostname": HOSTILE, "EventRecordID": number}
        for number in ("9" * 5000, "-1", "1e9", None, [], {"a": 1}, HOSTILE, 2**52)
    ]
    rows += [{"Channel": "Security", "EventID": 4625, "TargetUserName": HOSTILE, "IpAddress": [HOSTILE, {}], "LogonType": {}}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = tocsin("stats", path)
    assert done.returncode == 0
    assert not {"\x1b", "\u202e", "\x9b", "\x07", "\r"} & set(done.stdout.decode())
    assert json.loads(tocsin("stats", path, "--json").stdout)["events"] == len(rows)


def test_usage(tmp_path: Path) -> None:
    """Paths that are not there, files that are no logs, and outputs over evidence are refused; strict is 4."""
    assert tocsin("stats", tmp_path / "missing").returncode == 2
    assert tocsin("stats").returncode == 2
    (tmp_path / "a.bin").write_bytes(b"\x00\x01")
    assert tocsin("stats", tmp_path / "a.bin").returncode == 3
    log = tmp_path / "a.jsonl"
    log.write_text('{"Channel": "System", "EventID": 1}\n{"Channel": "System", "EventID": 2}\n{broken\n')
    assert tocsin("stats", log, "-o", log).returncode == 2
    assert tocsin("stats", log).returncode == 0
    assert tocsin("stats", log, "--strict").returncode == 4
    out = tmp_path / "s.json"
    assert tocsin("stats", log, "-o", out, "--quiet").stdout == b""
    assert json.loads(out.read_text())["complete"] is False


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_names_are_not_cut_off(columns: str, logs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the screen, the name of a log is shown whole, and no line is wider."""
    monkeypatch.setenv("COLUMNS", columns)
    told = tocsin("stats", *logs).stdout.decode()
    assert "Microsoft-Windows-Sysmon/Operational\n" in told
    assert max(map(len, told.splitlines())) <= int(columns)
