"""The bars of the scan, measured: CPU time against only decoding the same records, memory, and the effect of more rules.

usage: python bench/run.py [--data DIR] [--evtx-mb N] [--json-mb N] [--jobs N] [ROW...]

Each row prints what was measured with the match counts of the same run; nothing is asserted. The data is that of
`shared/data` beside the checkout; copies are made under `.bench/`, which can be removed at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".bench"
MIB = 1 << 20

DECODE_EVTX = """
import sys, evtx
n = 0
for path in sys.stdin.read().splitlines():
    for record in evtx.PyEvtxParser(path, number_of_threads=1).records_json():
        n += 1
print(n)
"""
LOAD_JSON = """
import sys, orjson
n = 0
with open(sys.argv[1], "rb") as file:
    for line in file:
        orjson.loads(line)
        n += 1
print(n)
"""
SCAN = "import sys; from tocsin.cli.entry import run; run()"


@dataclass
class Measured:
    """What one process and its children cost: CPU and wall time in seconds, peak memory in MiB (proportional set size)."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    output: str


def measure(command: list[str], stdin: str = "") -> Measured:
    """Run a command to its end; CPU time is that of the whole process tree."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate(stdin)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    watcher.join()
    if process.returncode not in (0, 10):
        raise SystemExit(f"{command[:4]} failed with {process.returncode}")
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Measured(cpu, wall, peak[0], output)


def _watch(pid: int, peak: list[float]) -> None:
    while True:
        total = sum(_pss_mib(member) for member in _tree(pid))
        if not total and not Path(f"/proc/{pid}").exists():
            return
        if not Path(f"/proc/{pid}/smaps_rollup").exists():
            return
        peak[0] = max(peak[0], total)
        if _ended(pid):
            return
        time.sleep(0.2)


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += [int(child) for child in children]
    return found


def _pss_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)


def scan(paths: list[str], rules: list[str], jobs: int, *more: str) -> tuple[Measured, dict]:
    """Scan with a warm rule cache; return the cost and the coverage with the number of findings."""
    output, coverage = WORK / "findings.jsonl", WORK / "coverage.json"
    command = [sys.executable, "-c", SCAN, "scan", *paths, "-o", str(output), "--coverage", str(coverage), "--quiet"]
    command += [part for rule in rules for part in ("--rules", rule)] + ["--jobs", str(jobs), *more]
    measured = measure(command)
    found = json.loads(coverage.read_text())
    with output.open("rb") as file:
        found["findings"] = sum(1 for _ in file)
    return measured, found


def copies(source: Path, target: Path, wanted_mb: int) -> tuple[Path, int]:
    """Return a folder with as many copies of the EVTX files of a folder as the size asks for, and their size in MiB."""
    files = sorted(source.rglob("*.evtx"))
    size = sum(path.stat().st_size for path in files)
    count = -(-wanted_mb * 1_000_000 // size)
    for number in range(count):
        folder = target / f"{number:03d}"
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for at, path in enumerate(files):
                shutil.copyfile(path, part / f"{at:03d}-{path.name}")
            part.rename(folder)
    for extra in target.glob("*"):
        if not extra.name.isdigit() or int(extra.name) >= count:
            shutil.rmtree(extra)
    return target, count * size // MIB


def repeated_json(data: Path, wanted_mb: int) -> Path:
    """Return a file with the sharpdump events repeated to at least a size."""
    target = WORK / f"sharpdump-{wanted_mb}.jsonl"
    if not target.exists():
        archive = zipfile.ZipFile(data / "otrf" / "metasploit_sharpdump_lsass_memory_dump.zip")
        text = archive.read(archive.namelist()[0])
        part = target.with_suffix(".part")
        with part.open("wb") as file:
            while file.tell() < wanted_mb * 1_000_000:
                file.write(text)
        part.rename(target)
    return target


def row(name: str, text: str) -> None:
    """Print one row."""
    print(f"{name:<14} {text}", flush=True)


def bench_evtx(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """EVTX: at most 2.0 times the CPU time of only decoding."""
    folder, size = copies(data / "evtx-attack-samples", WORK / "evtx", options.evtx_mb)
    paths = "\n".join(str(path) for path in sorted(folder.rglob("*.evtx")))
    base = measure([sys.executable, "-c", DECODE_EVTX], paths)
    cost, found = scan([str(folder)], rules, options.jobs)
    row("evtx", f"{size} MiB, {found['events']} records, {found['findings']} findings, decoded alone {base.output.strip()}")
    row("", f"scan {cost.cpu_s:.2f} s CPU, decode alone {base.cpu_s:.2f} s: {cost.cpu_s / base.cpu_s:.2f} times (bar 2.0)")
    row("", f"wall {cost.wall_s:.2f} s, {found['events'] / cost.wall_s:,.0f} records/s, peak {cost.peak_mib:.0f} MiB (bar 600)")


def bench_json(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """JSON: at most 2.5 times the CPU time of orjson.loads on each line, at least 50,000 events/s a core."""
    path = repeated_json(data, options.json_mb)
    base = measure([sys.executable, "-c", LOAD_JSON, str(path)])
    cost, found = scan([str(path)], rules, options.jobs)
    size = path.stat().st_size // MIB
    row("json", f"{size} MiB, {found['events']} events, {found['findings']} findings, loaded alone {base.output.strip()}")
    row("", f"scan {cost.cpu_s:.2f} s CPU, orjson alone {base.cpu_s:.2f} s: {cost.cpu_s / base.cpu_s:.2f} times (bar 2.5)")
    per_core = found["events"] / cost.cpu_s
    row("", f"{per_core:,.0f} events/s a core (bar 50,000), wall {cost.wall_s:.2f} s, peak {cost.peak_mib:.0f} MiB (bar 600)")


def bench_rules(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Ten times the rules: at most 1.5 times the CPU time (400 rules spread over the corpus against all)."""
    path = repeated_json(data, options.json_mb)
    few = WORK / "rules-400"
    shutil.rmtree(few, ignore_errors=True)
    few.mkdir(parents=True)
    files = sorted(found for rule in rules for found in Path(rule).rglob("*.yml"))
    for number, file in enumerate(files[:: max(1, len(files) // 400)][:400]):
        shutil.copyfile(file, few / f"{number:03d}-{file.name}")
    scan([str(ROOT / "examples")], [str(few)], 1)
    small, found_small = scan([str(path)], [str(few)], options.jobs)
    large, found_large = scan([str(path)], rules, options.jobs)
    counts = f"{found_small['findings']} and {found_large['findings']} findings"
    row("rules", f"400 rules {small.cpu_s:.2f} s, {len(files)} rules {large.cpu_s:.2f} s CPU, {counts}")
    row("", f"{large.cpu_s / small.cpu_s:.2f} times (bar 1.5)")


def bench_start(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Load the corpus for a scan of one event: at most 15 s cold, 1 s warm."""
    event = WORK / "one.jsonl"
    event.write_text('{"Channel":"Security","EventID":4624,"Computer":"x","TimeCreated":"2026-01-01T00:00:00Z"}\n')
    shutil.rmtree(WORK / "cache", ignore_errors=True)
    cold, _ = scan([str(event)], rules, 1)
    warm, _ = scan([str(event)], rules, 1)
    row(
        "start",
        f"one event, rules compiled {cold.cpu_s:.2f} s CPU, from the cache {warm.cpu_s:.2f} s CPU {warm.wall_s:.2f} s wall",
    )


ROWS = {"start": bench_start, "evtx": bench_evtx, "json": bench_json, "rules": bench_rules}


def main() -> None:
    """Run the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} [default: all]")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--evtx-mb", type=int, default=500)
    parser.add_argument("--json-mb", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(WORK / "cache")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {commit}")
    print(f"command: python bench/run.py {' '.join(sys.argv[1:])}")
    rules = [str(path) for path in sorted((options.data / "sigma").glob("rules*"))]
    for name in options.rows or ROWS:
        ROWS[name](options.data, rules, options)


if __name__ == "__main__":
    main()
