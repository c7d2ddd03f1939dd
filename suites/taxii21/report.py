"""The report: one row for each case, as JSON and as a table in Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from requirements import SHOULD

PASS, FAIL, UNMET, SKIP = "pass", "fail", "not met", "skip"
STANDARD = "TAXII 2.1 (OASIS Standard, 10 June 2021)"


@dataclass(frozen=True)
class Row:
    """What became of one case."""

    section: str
    interop: str
    level: str
    case: str
    requirement: str
    result: str
    why: str


def outcome(made: Any, level: str) -> tuple[str, str]:
    """Return the result of a phase of a case, and why it did not pass. Only a SHOULD that was really tried is `not met`."""
    if made.outcome == "passed":
        return PASS, ""
    if made.outcome == "skipped":
        return SKIP, str(made.longrepr[2] if isinstance(made.longrepr, tuple) else made.longrepr).removeprefix("Skipped: ")
    crash = getattr(made.longrepr, "reprcrash", None)
    why = (crash.message if crash else str(made.longrepr)).removeprefix("AssertionError: ").splitlines()
    return UNMET if level == SHOULD and made.when == "call" else FAIL, why[0] if why else ""


def summary(rows: Sequence[Row]) -> str:
    """Return one line that counts the results."""
    counts = Counter(row.result for row in rows)
    told = ", ".join(f"{counts[name]} {name}" for name in (PASS, FAIL, UNMET, SKIP) if counts[name])
    return f"{len(rows)} cases of {STANDARD}: {told or 'none'}"


def write(path: Path, url: str, rows: Sequence[Row]) -> list[Path]:
    """Write the report as JSON and the table beside it; return both paths."""
    ordered = sorted(rows, key=lambda row: ([int(part) for part in row.section.split(".")], row.case))
    table = path.with_suffix(".md") if path.suffix != ".md" else path.with_suffix(".table.md")
    counts = {name: sum(row.result == name for row in rows) for name in (PASS, FAIL, UNMET, SKIP)}
    text = {"standard": STANDARD, "server": url, "counts": counts, "cases": [asdict(row) for row in ordered]}
    path.write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table.write_text(_table(url, ordered), encoding="utf-8")
    return [path, table]


def _table(url: str, rows: Sequence[Row]) -> str:
    lines = [f"# {STANDARD}", "", f"Server: {_cell(url)}", "", summary(rows), ""]
    lines += ["| section | interop | level | case | result | why |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (row.section, row.interop, row.level, row.case, row.result, row.why)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return text of a server as it may stand in a table: neither markup nor a new column."""
    plain = text.replace("\n", " ").replace("<", "&lt;").replace("`", "'")
    return "".join("\\" + sign if sign in "|\\[]*_" else sign for sign in plain)


__all__ = ["FAIL", "PASS", "SKIP", "UNMET", "Row", "outcome", "summary", "write"]
