"""The bars of the scan, measured: CPU time against only decoding the same records, memory, and the effect of more rules.

usage: python bench/run.py [--data DIR] [--evtx-mb N] [--json-mb N] [--network-mb N] [--jobs N] [ROW...]

Each row prints what was measured with the match counts of the same run; nothing is asserted. The data is that of
`shared/data` beside the checkout; copies are made under `.bench/`, which can be removed at any time.
"""

from __future__ import annotations

import argparse
import hashlib
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

from logons import logons
from network import PARSE_ZEEK, eve_lines, zeek_logs

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".bench"
MIB = 1 << 20
WATTS_A_CORE = 5.0
"""A server core under load, by the rated power of the processor shared out: an estimate, not a measurement."""

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


def unique_json(source: Path) -> Path:
    """Return a copy of a file of JSON lines in which no two values of CommandLine are the same."""
    target = source.with_stem(f"{source.stem}-unique")
    if not target.exists():
        part = target.with_suffix(".part")
        with source.open("rb") as lines, part.open("wb") as file:
            for number, line in enumerate(lines):
                file.write(line.replace(b'"CommandLine":"', b'"CommandLine":"%d ' % number))
        part.rename(target)
    return target


def row(name: str, text: str) -> None:
    """Print one row."""
    print(f"{name:<14} {text}", flush=True)


def compare(paths: list[str], rules: list[str], jobs: int) -> tuple[Measured, dict, str]:
    """Scan with the readers that suit the input, and again with the slow ones; tell whether they found the same."""
    cost, found = scan(paths, rules, jobs)
    digest = hashlib.sha256((WORK / "findings.jsonl").read_bytes()).digest()
    slow, _ = scan(paths, rules, jobs, "--reader", "slow")
    same = "the same" if digest == hashlib.sha256((WORK / "findings.jsonl").read_bytes()).digest() else "OTHER"
    return cost, found, f"slow readers {slow.cpu_s:.2f} s CPU, {same} findings"


def show(name: str, size: int, found: dict, base: Measured, cost: Measured, bars: str) -> None:
    """Print what a scan cost against a base."""
    row(name, f"{size} MiB, {found['events']} events, {found['findings']} findings, base read {base.output.strip()}")
    row("", f"scan {cost.cpu_s:.2f} s CPU, base {base.cpu_s:.2f} s: {cost.cpu_s / base.cpu_s:.2f} times ({bars})")
    per_core, per_million = found["events"] / cost.cpu_s, cost.cpu_s / found["events"] * 1e6
    energy = per_million * WATTS_A_CORE
    row("", f"{per_core:,.0f} events/s a core (bar 50,000), {per_million:.1f} CPU s a million events, about {energy:.0f} J")
    row("", f"wall {cost.wall_s:.2f} s, peak {cost.peak_mib:.0f} MiB (bars 600 and 800)")


def bench_evtx(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """EVTX against only decoding to JSON by the `evtx` library."""
    folder, size = copies(data / "evtx-attack-samples", WORK / "evtx", options.evtx_mb)
    paths = "\n".join(str(path) for path in sorted(folder.rglob("*.evtx")))
    base = measure([sys.executable, "-c", DECODE_EVTX], paths)
    cost, found, slow = compare([str(folder)], rules, options.jobs)
    show("evtx", size, found, base, cost, "bars: scan 2.0, speed 0.35")
    row("", slow)


def bench_json(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """JSON lines against only `orjson.loads` on each line."""
    path = repeated_json(data, options.json_mb)
    base = measure([sys.executable, "-c", LOAD_JSON, str(path)])
    cost, found, slow = compare([str(path)], rules, options.jobs)
    show("json", path.stat().st_size // MIB, found, base, cost, "bars: scan 2.5, speed 1.0")
    row("", slow)


def bench_zeek(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Tab-separated Zeek logs against only splitting them into typed values."""
    paths = zeek_logs(data, WORK, options.network_mb)
    base = measure([sys.executable, "-c", PARSE_ZEEK], "\n".join(map(str, paths)))
    cost, found = scan([str(path) for path in paths], rules, options.jobs)
    show("zeek", sum(path.stat().st_size for path in paths) // MIB, found, base, cost, "no bar")


def bench_eve(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """EVE lines against only `orjson.loads` on each."""
    path = eve_lines(data, WORK, options.network_mb)
    base = measure([sys.executable, "-c", LOAD_JSON, str(path)])
    cost, found, slow = compare([str(path)], rules, options.jobs)
    show("eve", path.stat().st_size // MIB, found, base, cost, "no bar")
    row("", slow)


def bench_unique(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Read the same lines with every value of CommandLine made unique."""
    path = unique_json(repeated_json(data, options.json_mb))
    base = measure([sys.executable, "-c", LOAD_JSON, str(path)])
    cost, found, slow = compare([str(path)], rules, options.jobs)
    show("unique", path.stat().st_size // MIB, found, base, cost, "bar: 2.0")
    row("", slow)


def bench_cores(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Two workers against one, in wall time."""
    path = repeated_json(data, options.json_mb)
    one, _ = scan([str(path)], rules, 1)
    two, _ = scan([str(path)], rules, 2)
    row("cores", f"one worker {one.wall_s:.2f} s, two {two.wall_s:.2f} s wall: {one.wall_s / two.wall_s:.2f} times (bar 1.8)")


def bench_rules(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Ten times the rules, in CPU time (400 rules spread over the corpus against all)."""
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
    row("", f"{large.cpu_s / small.cpu_s:.2f} times (bars: scan 1.5, speed 1.3)")


def bench_start(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Load the corpus for a scan of one event: at most 15 s cold, 1 s warm."""
    event = WORK / "one.jsonl"
    event.write_text('{"Channel":"Security","EventID":4624,"Computer":"x","TimeCreated":"2026-01-01T00:00:00Z"}\n')
    shutil.rmtree(WORK / "cache", ignore_errors=True)
    cold, _ = scan([str(event)], rules, 1)
    warm, _ = scan([str(event)], rules, 1)
    row("start", f"one event, rules compiled {cold.cpu_s:.2f} s CPU (bar 15), from the cache {warm.wall_s:.2f} s wall (bar 1)")
    compiled, _ = scan([str(event)], rules, 1, "--reader", "fast")
    fast, _ = scan([str(event)], rules, 1, "--reader", "fast")
    row(
        "",
        f"kernels compiled {compiled.cpu_s - warm.cpu_s:.2f} s CPU (bar 30), from the cache {fast.wall_s:.2f} s wall (bar 1.5)",
    )


def bench_logons(data: Path, rules: list[str], options: argparse.Namespace) -> None:
    """Logons that base rules of correlations match, with the default packs against `essentials` alone."""
    path = logons(WORK)
    scan([str(path)], [], 1)
    base, alone = scan([str(path)], [], 1, "--packs", "essentials")
    cost, found, slow = compare([str(path)], [], 1)
    row("logons", f"{path.stat().st_size // MIB} MiB, {found['events']} events, {found['findings']} findings, one worker")
    what = f"default packs {cost.cpu_s:.2f} s CPU, essentials {base.cpu_s:.2f} s with {alone['findings']} findings"
    row("", f"{what}: {cost.cpu_s / base.cpu_s:.2f} times; peak {cost.peak_mib:.0f} MiB")
    row("", slow)


ROWS = {
    "start": bench_start,
    "evtx": bench_evtx,
    "json": bench_json,
    "unique": bench_unique,
    "zeek": bench_zeek,
    "eve": bench_eve,
    "rules": bench_rules,
    "cores": bench_cores,
    "logons": bench_logons,
}


def main() -> None:
    """Run the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} [default: all]")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--evtx-mb", type=int, default=2000)
    parser.add_argument("--json-mb", type=int, default=2000)
    parser.add_argument("--network-mb", type=int, default=300)
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
