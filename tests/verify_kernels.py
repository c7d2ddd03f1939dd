"""Compares the fast and the slow readers on all shared data, by all rules of the corpus: `make verify-kernels`.

Findings must be the same bytes, coverage the same. Prints a row for each data set, and fails when any differs.
"""

from __future__ import annotations

import io
import sys
import time
from hashlib import sha256
from pathlib import Path

import msgspec

from shared_data import DATA
from tocsin.findings import Report
from tocsin.runs.readers import compile_kernels
from tocsin.runs.ruleset import RuleSet, load_rules, read_rule_files
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS

RULES = ("rules", "rules-compliance", "rules-emerging-threats", "rules-placeholder", "rules-threat-hunting")
_OTHERS = frozenset({"sigma"})
_HEAD = ("data set", "events", "findings", "slow s", "fast s", "same")


class _Digest(io.RawIOBase):
    """Keeps only the digest of what is written."""

    def __init__(self) -> None:
        self.whole = sha256()

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def write(self, data: object, /) -> int:
        """Take some bytes."""
        self.whole.update(data)  # type: ignore[arg-type]
        return memoryview(data).nbytes  # type: ignore[arg-type]


def scan(path: Path, rules: RuleSet, reader: str) -> tuple[Report, str, float]:
    """Scan a path; return the report, the digest of the findings, and the seconds it took."""
    out, begun = _Digest(), time.monotonic()
    report = Scan(ScanOptions((str(path),), reader=reader), rules).run(SINKS["jsonl"](), io.BufferedWriter(out))
    return report, out.whole.hexdigest(), time.monotonic() - begun


def compare(path: Path, rules: RuleSet) -> tuple[tuple[str, ...], bool]:
    """Return a row of the table, and whether both readers agree."""
    slow, slow_digest, slow_s = scan(path, rules, "slow")
    fast, fast_digest, fast_s = scan(path, rules, "fast")
    parts = [
        name
        for name, same in (
            ("findings", slow_digest == fast_digest),
            ("coverage", msgspec.to_builtins(slow.coverage) == msgspec.to_builtins(fast.coverage)),
        )
        if not same
    ]
    row = (str(slow.coverage.events), str(slow.tally.findings), f"{slow_s:.1f}", f"{fast_s:.1f}")
    return (path.name, *row, " and ".join(parts) + " differ" if parts else "yes"), not parts


def data_sets() -> list[Path]:
    """Return what is compared: each archive and capture alone, and each collection of logs."""
    archives = sorted(path for path in (DATA / "otrf").iterdir() if path.suffix in (".zip", ".gz"))
    collections = sorted(path for path in DATA.iterdir() if path.is_dir() and path.name not in _OTHERS)
    return [*archives, *collections]


def main() -> int:
    """Compare everything; return 1 when anything differs."""
    rules = load_rules(read_rule_files([DATA / "sigma" / name for name in RULES]), {})
    compile_kernels()
    rows, agree = [_HEAD], True
    for path in data_sets():
        row, same = compare(path, rules)
        rows.append(row)
        agree = agree and same
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    for row in rows:
        places = enumerate(zip(row, widths, strict=True))
        cells = [text.ljust(width) if at in (0, 5) else text.rjust(width) for at, (text, width) in places]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.write(f"\n{len(rules.plans)} rules: the readers {'agree' if agree else 'DIFFER'}\n")
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())
