"""`tocsin hunt` as users run it: exit codes, what is written, hostile values, messages that say what to do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_cli import HOSTILE, tocsin

EVENT = {
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "EventID": 1,
    "Hostname": "PC-1",
    "EventTime": "2026-01-02 03:04:05",
}


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Write three events."""
    path = tmp_path / "evidence" / "a.jsonl"
    path.parent.mkdir()
    rows = [
        EVENT | {"Image": r"C:\x\evil.exe", "CommandLine": "=cmd|' /C calc'!A0 evil.exe"},
        EVENT | {"Image": r"C:\x\good.exe", "Hashes": "MD5=" + "D" * 32 + ",IMPHASH=0"},
        EVENT | {"Image": r"C:\y\other.exe", "CommandLine": HOSTILE + " evil.com"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.parent


def test_exit_codes(evidence: Path, tmp_path: Path) -> None:
    """0 done, 10 found, 2 usage, 3 nothing readable, 4 strict."""
    assert tocsin("hunt", evidence, "--text", "evil").returncode == 0
    assert tocsin("hunt", evidence, "--text", "evil", "--fail-on", "informational").returncode == 10
    assert tocsin("hunt", evidence, "--text", "nobody", "--fail-on", "informational").returncode == 0
    assert tocsin("hunt", tmp_path / "missing", "--text", "evil").returncode == 2
    (tmp_path / "no.bin").write_bytes(b"\x00\x01nothing")
    assert tocsin("hunt", tmp_path / "no.bin", "--text", "evil").returncode == 3
    iocs = tmp_path / "iocs.csv"
    iocs.write_text("type,value\nfilename,evil.exe\nmutex,abc\n")
    assert tocsin("hunt", evidence, "--indicators", iocs).returncode == 0
    assert tocsin("hunt", evidence, "--indicators", iocs, "--strict").returncode == 4
    assert tocsin("hunt", evidence, "--indicators", iocs, "--fail-on", "high").returncode == 10


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), "I004"),
        (("--field", "Image"), "U002"),
        (("--regex", "("), "U002"),
        (("--cidr", "10.0.0.0/99"), "U002"),
        (("--cidr", "10.0.0.7/24"), "U002"),
        (("--cidr", "fe80::1/10"), "U002"),
        (("--text", ""), "U002"),
        (("--since", "yesterday"), "U002"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "U002"),
        (("--indicators", "missing.csv"), "U002"),
    ],
)
def test_wrong_usage(evidence: Path, options: tuple[str, ...], code: str) -> None:
    """A wrong option is exit 2 and a message with its code."""
    done = tocsin("hunt", evidence, *options)
    assert done.returncode == 2
    assert f"[{code}]" in done.stderr.decode()


def test_unusable_indicators(evidence: Path, tmp_path: Path) -> None:
    """Indicators that cannot be looked for are named; when none can be, that is an error."""
    iocs = tmp_path / "iocs.csv"
    iocs.write_text("type,value\nmutex,abc\n")
    done = tocsin("hunt", evidence, "--indicators", iocs)
    assert done.returncode == 2
    assert b"[I004]" in done.stderr
    iocs.write_text("type,value\nmutex,abc\nfilename,evil.exe\n")
    done = tocsin("hunt", evidence, "--indicators", iocs)
    assert "indicators of type 'mutex' are not looked for" in " ".join(done.stdout.decode().split())


def test_findings_and_coverage(evidence: Path, tmp_path: Path) -> None:
    """A finding names its indicator and the field; coverage tells what was looked for and at."""
    iocs, out, coverage = tmp_path / "iocs.txt", tmp_path / "f.jsonl", tmp_path / "c.json"
    iocs.write_text("evil.exe\n" + "d" * 32 + "\nevil[.]com\n10.0.0.1\n")
    done = tocsin("hunt", evidence, "--indicators", iocs, "-o", out, "--coverage", coverage, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(item["rule"]["title"], item["source"]["record"]) for item in found] == [
        ("Indicator: file name evil.exe", 1),
        ("Indicator: hash " + "d" * 32, 2),
        ("Indicator: domain evil.com", 3),
    ]
    assert list(found[0]["matched"]["indicator"]) == ["Image", "CommandLine"]
    told = json.loads(coverage.read_text())
    assert told["events"] == 3
    assert [note["reason"] for note in told["rules"]["compiled"]] == [
        f"1 of kind {kind}" for kind in ("address", "domain", "file name", "hash")
    ]


def test_narrowed(evidence: Path, tmp_path: Path) -> None:
    """Options narrow down where indicators count."""
    iocs = tmp_path / "iocs.txt"
    iocs.write_text("evil.exe\nevil.com\n")
    done = tocsin("hunt", evidence, "--indicators", iocs, "--field", r"Image=*\other.exe", "--format", "jsonl")
    assert [json.loads(line)["source"]["record"] for line in done.stdout.splitlines()] == [3]


def test_hostile_values(evidence: Path, tmp_path: Path) -> None:
    """Nothing from events reaches the terminal unescaped, and no cell of the CSV is a formula."""
    done = tocsin("hunt", evidence, "--text", "evil")
    assert b"evil" in done.stdout
    assert not any(char in done.stdout.decode() for char in HOSTILE if char not in "]0;owned[2Jexe.txt31mA\r")
    out = tmp_path / "f.csv"
    assert tocsin("hunt", evidence, "--text", "evil", "-o", out).returncode == 0
    cells = [cell for row in csv.reader(out.read_text().splitlines()) for cell in row]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_evidence_is_not_overwritten(evidence: Path) -> None:
    """Findings are not written over evidence, nor over a file of indicators."""
    before = (evidence / "a.jsonl").read_bytes()
    assert tocsin("hunt", evidence, "--text", "x", "-o", evidence / "a.jsonl").returncode == 2
    iocs = evidence.parent / "iocs.txt"
    iocs.write_text("evil.com\n")
    assert tocsin("hunt", evidence, "--indicators", iocs, "-o", iocs).returncode == 2
    assert (evidence / "a.jsonl").read_bytes() == before
    assert iocs.read_text() == "evil.com\n"
