"""Whole scans: the same bytes by any number of workers, and nothing lost in silence whatever goes wrong."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from scan_samples import RULES, event, rules, scan, write
from shared_data import shared
from tocsin.errors import OutputError, UsageError
from tocsin.findings import Report
from tocsin.runs import batches, spool, units, worker
from tocsin.runs.folder import work_folder
from tocsin.runs.ruleset import load_rules, read_rule_files
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.runs.units import FileSlice
from tocsin.sinks import SINKS
from tocsin.sources import files as source_files

ROWS = 400


def scan_bytes(path: Path) -> tuple[Report, None, bytes]:
    """Scan without reading the findings."""
    out = io.BytesIO()
    return Scan(ScanOptions((str(path),)), rules()).run(SINKS["jsonl"](), out), None, out.getvalue()


def _keys(found: list[dict]) -> Counter[tuple]:
    return Counter((entry["rule"]["title"], Path(entry["source"]["path"]).name, entry["source"]["record"]) for entry in found)


def _wanted(name: str, numbers: range) -> Counter[tuple]:
    found: Counter[tuple] = Counter()
    for line, number in enumerate(numbers, 1):
        if number % 5 == 0:
            found[("Whoami" if number % 10 == 0 else "Word", name, line)] += 1
    return found


@pytest.mark.parametrize("part_bytes", [1000, 7777, 1 << 30])
def test_workers_and_parts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int) -> None:
    """One, two or three workers on a whole or divided file write the same bytes, with the line of each record."""
    path = write(tmp_path / "a.jsonl", range(ROWS))
    write(tmp_path / "b.jsonl", range(7, 90))
    monkeypatch.setattr(units, "PART_BYTES", part_bytes)
    outputs = [scan(tmp_path, jobs=jobs) for jobs in (1, 2, 3)]
    assert len({data for _, _, data in outputs}) == 1
    report, found, _ = outputs[0]
    assert _keys(found) == _wanted("a.jsonl", range(ROWS)) + _wanted("b.jsonl", range(7, 90))
    assert [(Path(file.path).name, file.status, file.events) for file in report.coverage.files] == [
        ("a.jsonl", "read", ROWS),
        ("b.jsonl", "read", 83),
    ]
    lines = path.read_bytes().splitlines()
    for entry in found:
        if entry["source"]["path"].endswith("a.jsonl"):
            assert json.loads(lines[entry["source"]["record"] - 1]) == entry["event"]


def test_divided_files_are_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file of lines becomes parts that two workers share."""
    write(tmp_path / "a.jsonl", range(ROWS))
    monkeypatch.setattr(units, "PART_BYTES", 5000)
    assert len(units.plan_units(list(source_files.find_files([tmp_path])), False)) > 5


def test_small_buffers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With batches and runs of a few rows, and merges of many runs, the bytes are the same."""
    for name in "abcd":
        write(tmp_path / f"{name}.jsonl", range(ROWS))
    whole = scan(tmp_path, jobs=1)[2]
    monkeypatch.setattr(batches, "BATCH_BYTES", 500)
    monkeypatch.setattr(spool, "RUN_BYTES", 300)
    monkeypatch.setattr(spool, "_FAN_IN", 3)
    assert scan(tmp_path, jobs=2)[2] == whole


def test_order(tmp_path: Path) -> None:
    """Findings come by time, then source, record and rule."""
    write(tmp_path / "b.jsonl", range(0, 100))
    write(tmp_path / "a.jsonl", range(50, 150))
    found = scan(tmp_path)[1]
    keys = [(e["time"], e["source"]["path"], e["source"]["record"], e["rule"]["id"]) for e in found]
    assert keys == sorted(keys)
    assert len(keys) == 40


def _instead_of_taking(monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]) -> None:
    """Call something instead of how a worker takes records, and rows of a block, with that and its arguments."""
    for name in ("_take", "_take_rows"):
        monkeypatch.setattr(worker.Worker, name, partialmethod(_changed, change, getattr(worker.Worker, name)))


def _changed(self: worker.Worker, change: Callable[..., None], take: Callable[..., None], *arguments: Any) -> None:
    change(take, self, *arguments)


def _die_on(monkeypatch: pytest.MonkeyPatch, name: str, times: Path, most: int) -> None:
    """Let a worker kill itself when it has taken records of a file, so often."""

    def dying(take: Callable[..., None], *arguments: Any) -> None:
        take(*arguments)
        if arguments[-2].label.endswith(name):
            with times.open("a") as file:
                file.write("x")
            if times.stat().st_size <= most:
                os.kill(os.getpid(), signal.SIGKILL)

    _instead_of_taking(monkeypatch, dying)


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("small", [False, True])
def test_killed_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, small: bool) -> None:
    """A worker killed in the middle costs the file that it was at, which is named; all others are there exactly once."""
    evidence = tmp_path / "evidence"
    for number in range(9):
        write(evidence / f"f{number}.jsonl", range(100))
    if small:
        monkeypatch.setattr(batches, "BATCH_BYTES", 500)
        monkeypatch.setattr(spool, "RUN_BYTES", 300)
    _die_on(monkeypatch, "f4.jsonl", tmp_path / "deaths", 99)
    report, found, _ = scan(evidence, jobs=jobs)
    by_name = {Path(file.path).name: file for file in report.coverage.files}
    assert len(by_name) == 9
    assert "[E003]" in by_name["f4.jsonl"].reason
    assert "SIGKILL" in by_name["f4.jsonl"].reason
    assert by_name["f4.jsonl"].status == "skipped"
    others = [file for name, file in by_name.items() if name != "f4.jsonl"]
    assert all((file.status, file.events, file.reason) == ("read", 100, "") for file in others)
    wanted = sum((_wanted(f"f{number}.jsonl", range(100)) for number in range(9) if number != 4), Counter())
    keys = _keys(found)
    assert not {key: count for key, count in keys.items() if count > 1}
    assert not wanted - keys
    assert {key[1] for key in (keys - wanted)} <= {"f4.jsonl"}


def test_every_worker_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When each file kills its worker, the scan ends, and every file is named."""
    for number in range(40):
        write(tmp_path / "evidence" / f"f{number:02}.jsonl", range(20))
    _die_on(monkeypatch, ".jsonl", tmp_path / "deaths", 10_000)
    report, found, _ = scan(tmp_path / "evidence", jobs=2)
    assert len(report.coverage.files) == 40
    assert all(file.status == "skipped" and file.reason for file in report.coverage.files)
    assert not found


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreadable, empty and unknown files, loops of links and pipes are named with their codes; the rest is read."""
    write(tmp_path / "good.jsonl", range(20))
    locked = write(tmp_path / "locked.jsonl", range(20))
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "unknown.bin").write_bytes(b"\x00\x01\x02nothing that anybody knows")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    os.mkfifo(tmp_path / "pipe")
    really_open = os.open

    def refuse(path: object, *more: object, **named: object) -> int:
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *more, **named)

    monkeypatch.setattr(source_files.os, "open", refuse)
    report, found, _ = scan(tmp_path)
    outcomes = {
        Path(file.path).name: (file.status, file.reason.rpartition("[")[2].rstrip("]")) for file in report.coverage.files
    }
    assert outcomes == {
        "good.jsonl": ("read", ""),
        "locked.jsonl": ("skipped", "F001"),
        "empty.jsonl": ("skipped", "F003"),
        "unknown.bin": ("skipped", "F002"),
        "loop": ("skipped", "F011"),
        "itself": ("skipped", "F001"),
        "pipe": ("skipped", "F012"),
    }
    assert len(found) == 4


def test_file_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone when its worker comes to it is named, and the others are read."""
    write(tmp_path / "a.jsonl", range(20))
    gone = write(tmp_path / "b.jsonl", range(20))
    gather = Scan._gather

    def late(self: Scan, *arguments: object) -> object:
        gone.unlink()
        return gather(self, *arguments)

    monkeypatch.setattr(Scan, "_gather", late)
    report, found, _ = scan(tmp_path)
    assert [(file.status, "[F001]" in file.reason) for file in report.coverage.files] == [("read", False), ("skipped", True)]
    assert len(found) == 4


def test_file_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A divided file that becomes shorter is read in part, and says so; the records that are left keep their lines."""
    path = write(tmp_path / "a.jsonl", range(ROWS))
    monkeypatch.setattr(units, "PART_BYTES", 5000)
    gather = Scan._gather

    def late(self: Scan, *arguments: object) -> object:
        os.truncate(path, path.stat().st_size // 2)
        return gather(self, *arguments)

    monkeypatch.setattr(Scan, "_gather", late)
    report, found, _ = scan(path, jobs=2)
    (file,) = report.coverage.files
    assert file.status == "partial"
    assert "[F010]" in file.reason
    assert 0 < file.events <= ROWS // 2 + 1
    assert not _keys(found) - _wanted("a.jsonl", range(ROWS))
    assert len(found) >= file.events // 5 - 1


def test_device_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A divided file that cannot be read on keeps what was read of that part, and all other parts."""
    path = write(tmp_path / "a.jsonl", range(ROWS))
    monkeypatch.setattr(units, "PART_BYTES", 40_000)

    class Failing(FileSlice):
        """The parts of a file on a device of which one place is broken."""

        def __init__(self, file: BinaryIO, unit: units.Unit) -> None:
            super().__init__(cast(BinaryIO, _Device(file, 60_000)), unit)

    monkeypatch.setattr(worker, "FileSlice", Failing)
    report, found, _ = scan(path, jobs=2)
    (file,) = report.coverage.files
    assert (file.status, "Input/output error [F004]" in file.reason) == ("partial", True)
    lost = ROWS - file.events  # from the broken place to the end of its part
    assert 0 < lost <= 20_000 // (path.stat().st_size // ROWS) + 2
    assert len(found) >= ROWS // 5 - lost // 5 - 1
    assert {entry["source"]["record"] for entry in found} <= set(range(1, ROWS - lost + 1))


class _Device:
    """A file that cannot be read at one place."""

    def __init__(self, file: BinaryIO, broken: int) -> None:
        self.seek, self.tell = file.seek, file.tell
        self._file, self._broken = file, broken

    def read(self, size: int) -> bytes:
        return self._file.read(self._until(size))

    def readinto(self, target: memoryview) -> int:
        return int(self._file.readinto(target[: self._until(len(target))]))  # type: ignore[attr-defined]

    def _until(self, size: int) -> int:
        at = self.tell()
        if at == self._broken:
            raise OSError(errno.EIO, "Input/output error")
        return min(size, self._broken - at) if at < self._broken else size


def test_no_path_is_passed_over(tmp_path: Path) -> None:
    """A path that does not exist is an error before anything is read."""
    write(tmp_path / "a.jsonl", range(20))
    with pytest.raises(UsageError, match="U001"):
        scan(tmp_path, tmp_path / "missing")


def test_levels(tmp_path: Path) -> None:
    """Rules below the level are not evaluated, and the coverage lists those that were; with none left it is an error."""
    write(tmp_path / "a.jsonl", range(20))
    report, found, _ = scan(tmp_path, level="high")
    assert {entry["rule"]["title"] for entry in found} == {"Whoami"}
    assert [note.title for note in report.coverage.rules.compiled] == ["Whoami"]
    with pytest.raises(UsageError, match="U003"):
        scan(tmp_path, level="critical")


def test_since_and_until(tmp_path: Path) -> None:
    """Only findings from `since` on and before `until` are written; one without a time is never left out."""
    write(tmp_path / "a.jsonl", range(100))
    timeless = {key: value for key, value in event(0).items() if key != "@timestamp"}
    (tmp_path / "b.jsonl").write_text(json.dumps(timeless) + "\n")
    since, until = "2026-10-03T06:00:10.000000Z", "2026-10-03T06:00:50.000000Z"
    report, found, _ = scan(tmp_path, since=since, until=until)
    assert (report.tally.untimed, report.coverage.untimed) == (1, 1)
    assert [entry["time"] for entry in found] == [""] + [f"2026-10-03T06:00:{second}.000000Z" for second in range(10, 50, 5)]


def test_dedupe(tmp_path: Path) -> None:
    """A log in two folders gives each finding once under `dedupe`, and the report counts what was left out."""
    write(tmp_path / "live" / "a.jsonl", range(100))
    write(tmp_path / "old" / "b.jsonl", range(50, 150))
    both, _, _ = scan(tmp_path)
    once, found, _ = scan(tmp_path, dedupe=True)
    assert (both.tally.findings, both.tally.duplicates) == (40, 0)
    assert (once.tally.findings, once.tally.duplicates) == (30, 10)
    assert len({entry["event"]["EventRecordID"] for entry in found}) == 30


def test_dedupe_evtx(tmp_path: Path) -> None:
    """The same event log in two folders gives the findings of one."""
    path = next(shared("sigma-regression").rglob("proc_creation_win_sc_stop_service/*.evtx"))
    found = load_rules(read_rule_files([next(shared("sigma", "rules").rglob("proc_creation_win_sc_stop_service.yml"))]), {})
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.evtx").write_bytes(path.read_bytes())
    one = scan(path, found=found)[0].tally.findings
    assert one
    assert scan(tmp_path, found=found)[0].tally.findings == 2 * one
    assert scan(tmp_path, found=found, dedupe=True)[0].tally.findings == one


def test_one_bad_file_among_good_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that fails in an unexpected way costs its file only, and is named."""
    write(tmp_path / "a.jsonl", range(20))
    write(tmp_path / "b.jsonl", range(20))

    def failing(take: Callable[..., None], *arguments: Any) -> None:
        if arguments[-2].label.endswith("a.jsonl"):
            raise RuntimeError("surprise")
        take(*arguments)

    _instead_of_taking(monkeypatch, failing)
    report, found, _ = scan(tmp_path)
    assert [file.status for file in report.coverage.files] == ["skipped", "read"]
    assert "surprise" in report.coverage.files[0].reason
    assert len(found) == 4


def test_bad_line_costs_that_line(tmp_path: Path) -> None:
    """A line that is no event is named by its number; every other line of the file is evaluated."""
    for name, bad in (("a", b"{oops"), ("b", b"[1, 2]"), ("c", b'"x"'), ("d", b"\xff\xfe\x00"), ("e", b"{}{}1")):
        path = write(tmp_path / f"{name}.jsonl", range(20))
        path.write_bytes(path.read_bytes() + bad + b"\n" + path.read_bytes())
    report, found, _ = scan(tmp_path)
    for file in report.coverage.files:
        assert file.status == "partial", file
        assert "line 21" in file.reason, file
        assert file.events >= 40, file
    assert len(found) == 5 * 8


def test_odd_records_make_valid_lines(tmp_path: Path) -> None:
    """Whatever the form of a record that matches, its finding is one line of strict JSON in UTF-8."""
    row = json.dumps(event(0, X="Q")).encode()
    forms = {
        "crlf": row + b"\r\n",
        "array": json.dumps([event(0, X="Q")], indent=1).encode(),
        "crlf_array": json.dumps([event(0, X="Q")], indent=1).encode().replace(b"\n", b"\r\n"),
        "spaced": b"  " + row + b"  \n",
        "nan": row.replace(b'"Q"', b"NaN") + b"\n",
        "utf8": row.replace(b"Q", b"\xff\xfe") + b"\n",
        "surrogate": row.replace(b"Q", b"\xed\xa0\x80") + b"\n",
        "escaped": row.replace(b"Q", b"\\ud800") + b"\n",
        "control": row.replace(b"Q", b"a\tb\x01") + b"\n",
        "twice": row[:-1] + b',"X":1}\n',
        "utf16": (row.decode() + "\r\n").encode("utf-16"),
    }

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    for name, data in forms.items():
        (tmp_path / name).write_bytes(data)
        report, _, written = scan_bytes(tmp_path / name)
        assert report.tally.findings == 1, name
        assert written.endswith(b"\n"), name
        (line,) = written.decode().splitlines()
        assert json.loads(line, parse_constant=refuse)["rule"]["title"] == "Whoami", name


def test_rule_with_a_nul(tmp_path: Path) -> None:
    """A rule whose value holds a NUL character, or any other control character, takes nothing from the other rules."""
    values = "".join(f'    - "*\\x{number:02x}end{number}*"\n' for number in range(8))
    odd = (
        RULES
        + "---\n"
        + (
            "title: Odd\nid: 44444444-4444-4444-8444-444444444444\nlevel: low\nlogsource: {product: windows}\ndetection:\n"
            f"  s:\n    CommandLine:\n{values.replace('    -', '      -')}  condition: s\n"
        )
    )
    many = [event(number, CommandLine=f"needleword {number}") for number in range(1000)]
    many[500]["CommandLine"] = "a \x00end0 b"
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in many))
    report, found, _ = scan(tmp_path, found=rules(odd))
    assert Counter(entry["rule"]["title"] for entry in found) == {"Whoami": 100, "Word": 999, "Odd": 1}
    assert all(file.status == "read" for file in report.coverage.files)
    assert not report.coverage.rules.failed


def test_slow_expression_is_named(tmp_path: Path) -> None:
    """An expression that is cut off on one event is reported by rule, and other rules still match that event."""
    slow = RULES + (
        "---\ntitle: Slow\nid: 55555555-5555-4555-8555-555555555555\nlevel: low\nlogsource: {product: windows}\n"
        "detection:\n  s:\n    CommandLine|re: '^(?=a)(a|aa)+$'\n  condition: s\n"
    )
    (tmp_path / "a.jsonl").write_text(json.dumps(event(0, CommandLine="a" * 60 + "!")) + "\n")
    report, found, _ = scan(tmp_path, found=rules(slow))
    assert [entry["rule"]["title"] for entry in found] == ["Whoami"]
    (note,) = report.coverage.rules.failed
    assert note.title == "Slow"
    assert "[E001]" in note.reason


# -- scans in a process of their own ------------------------------------------------------------------------------------

SLOW = """
import sys, time, pathlib
from tocsin.runs import worker
def slowly(take):
    def slow(self, *arguments):
        pathlib.Path({started!r}).touch()
        take(self, *arguments)
        time.sleep(0.05)
    return slow
worker.Worker._take = slowly(worker.Worker._take)
worker.Worker._take_rows = slowly(worker.Worker._take_rows)
"""
RUN = "from tocsin.cli.main import run; import sys; sys.argv[0] = 'tocsin'; run()"


@pytest.fixture
def rule_path(tmp_path: Path) -> Path:
    """Write the rules to a file."""
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def _start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, "the scan did not start"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path: Path, rule_path: Path, number: int) -> None:
    """Ctrl-C in the middle ends early with 130: what was found is written as valid lines, the coverage is incomplete."""
    for n in range(100):
        write(tmp_path / "evidence" / f"f{n:03}.jsonl", range(50))
    started, output, coverage = tmp_path / "started", tmp_path / "out.jsonl", tmp_path / "coverage.json"
    code = SLOW.format(started=str(started)) + RUN
    running = _start(
        code, "scan", tmp_path / "evidence", "--rules", rule_path, "-o", output, "--coverage", coverage, "--jobs", 2
    )
    _wait_for(started)
    time.sleep(0.5)
    running.send_signal(number)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert b"Traceback" not in errors
    found = [json.loads(line) for line in output.read_bytes().splitlines()]
    told = json.loads(coverage.read_bytes())
    assert told["complete"] is False
    assert len(told["files"]) == 100
    statuses = Counter(file["status"] for file in told["files"])
    assert statuses["read"] > 0
    assert statuses["skipped"] > 0
    assert all(file["reason"] for file in told["files"] if file["status"] != "read")
    read = {file["path"] for file in told["files"] if file["status"] == "read"}
    counts = Counter(entry["source"]["path"] for entry in found)
    assert all(counts[path] == 10 for path in read)
    assert set(counts) <= {file["path"] for file in told["files"] if file["events"]}


def test_interrupted_idle_input(tmp_path: Path, rule_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input from which nothing came before Ctrl-C is told as interrupted, not as an empty file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    coverage = tmp_path / "coverage.json"
    command = [sys.executable, "-c", RUN, "scan", "-", "--rules", str(rule_path), "--coverage", str(coverage)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        end = time.monotonic() + 30
        while not list(tmp_path.glob("tocsin-*")):
            assert time.monotonic() < end, "the scan did not start"
            time.sleep(0.01)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
    told = json.loads(coverage.read_bytes())
    (file,) = told["files"]
    assert (file["path"], file["status"], told["complete"]) == ("-", "skipped", False)
    assert "interrupted" in file["reason"]
    assert "empty" not in file["reason"]


def test_killed_idle_input(tmp_path: Path, rule_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that waits for standard input ends when its scan was killed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-c", RUN, "scan", "-", "--rules", str(rule_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        end = time.monotonic() + 30
        while len(_alive(str(tmp_path))) < 2:
            assert time.monotonic() < end, "the scan did not start"
            time.sleep(0.01)
        running.kill()
        running.wait(timeout=30)
        while _alive(str(tmp_path)):
            assert time.monotonic() < end, "the worker outlives its scan"
            time.sleep(0.1)


def test_killed_scan(tmp_path: Path, rule_path: Path) -> None:
    """A scan killed at any moment leaves no output file or a whole one, and no process."""
    for n in range(20):
        write(tmp_path / "evidence" / f"f{n:03}.jsonl", range(50))
    moments = random.Random(7)
    complete = len(scan(tmp_path / "evidence")[1])
    for attempt in range(6):
        started, output = tmp_path / f"started{attempt}", tmp_path / f"out{attempt}.jsonl"
        running = _start(
            SLOW.format(started=str(started)) + RUN, "scan", tmp_path / "evidence", "--rules", rule_path, "-o", output
        )
        _wait_for(started)
        time.sleep(moments.random() * 1.2)
        running.kill()
        running.communicate(timeout=30)
        if output.exists():
            assert len([json.loads(line) for line in output.read_bytes().splitlines()]) == complete
    end = time.monotonic() + 10
    while _alive(str(tmp_path)):
        assert time.monotonic() < end, "workers outlive their scan"
        time.sleep(0.1)


def test_folders_of_killed_scans_are_removed(tmp_path: Path, rule_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next scan removes what a killed one left in the temporary folder, and leaves that of one that still runs."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    for n in range(200):
        write(tmp_path / "evidence" / f"f{n:03}.jsonl", range(50))
    left = []
    for name in ("killed", "running"):
        code = SLOW.format(started=str(tmp_path / name)) + RUN
        left.append(_start(code, "scan", tmp_path / "evidence", "--rules", rule_path, "--jobs", 2))
        _wait_for(tmp_path / name)
    killed, running = left
    folders = {int((folder / "lock").read_text().split()[1]): folder for folder in place.iterdir()}
    assert set(folders) == {killed.pid, running.pid}
    killed.kill()
    killed.communicate(timeout=30)
    assert folders[killed.pid].is_dir()
    end = time.monotonic() + 30
    while folders[killed.pid].exists():  # its workers hold the lock until they see that it is gone
        assert time.monotonic() < end, "the folder of the killed scan stays"
        with work_folder() as own:
            assert own.parent == place
            assert folders[running.pid].is_dir()
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    assert not list(place.iterdir())


def test_foreign_folders_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no lock of a scan, or is a link, is nobody's to remove; that of a process that is gone is."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, text in (("a", None), ("b", "other\n"), ("c", "tocsin 4194304\n")):
        folder = tmp_path / f"tocsin-{name}"
        folder.mkdir()
        if text:
            (folder / "lock").write_text(text)
    (tmp_path / "tocsin-d").symlink_to(tmp_path / "tocsin-c")
    (tmp_path / "tocsin-e").write_text("x")
    with work_folder() as own:
        (own / "sub").mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tocsin-a", "tocsin-b", "tocsin-d", "tocsin-e"]


def _alive(marker: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and marker.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""


def test_disk_full_for_the_spool(tmp_path: Path, rule_path: Path) -> None:
    """When findings cannot be kept the scan fails with O001, exit 1 and without an output file."""
    for n in range(4):
        write(tmp_path / "evidence" / f"f{n}.jsonl", range(2000))
    output = tmp_path / "out" / "found.jsonl"
    output.parent.mkdir()
    code = "from tocsin.cli.main import run; import sys\n" + LIMITED.format(size=60_000) + "run()"
    running = _start(code, "scan", tmp_path / "evidence", "--rules", rule_path, "-o", output)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1, errors
    assert b"[O001]" in errors
    assert b"Traceback" not in errors
    assert not list(output.parent.iterdir())


def test_disk_full_for_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the output cannot be written whole, the scan fails with O001 and leaves nothing half written."""
    write(tmp_path / "evidence" / "a.jsonl", range(200))
    output = tmp_path / "out" / "found.jsonl"
    output.parent.mkdir()
    sink = SINKS["jsonl"]()
    real, written = sink.write, []

    def full(out: io.BufferedWriter, line: bytes) -> None:
        written.append(line)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        real(out, line)

    monkeypatch.setattr(sink, "write", full)
    with pytest.raises(OutputError, match="No space left"):
        Scan(ScanOptions((str(tmp_path / "evidence"),), output), rules()).run(sink, None)
    assert not list(output.parent.iterdir())


def test_output_folder_is_missing(tmp_path: Path) -> None:
    """An output in a folder that is not there is O001."""
    write(tmp_path / "a.jsonl", range(20))
    with pytest.raises(OutputError, match="O001"):
        Scan(ScanOptions((str(tmp_path),), tmp_path / "no" / "x.jsonl"), rules()).run(SINKS["jsonl"](), None)


def test_no_temporary_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan leaves nothing in the folder of temporary files."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    write(tmp_path / "evidence" / "a.jsonl", range(100))
    assert scan(tmp_path / "evidence")[1]
    assert not list(temporary.iterdir())
