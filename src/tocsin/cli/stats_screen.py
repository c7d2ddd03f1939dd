"""What `tocsin stats` shows: tables of counts, and what is missing from the logs.

All text from events goes through `safe_text` and becomes plain `Text`, never markup.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from tocsin.cli.screen import Screen, plain, show_evidence
from tocsin.findings import Report
from tocsin.inquiries.logons import FAILURE, SUCCESS
from tocsin.inquiries.statistics import GapFound, Summary

_SHOWN: Final = 15
_DAY_S: Final = 86_400


def show_statistics(summary: Summary, report: Report, console: Console) -> None:
    """Print the statistics of a scan."""
    screen = Screen(console)
    if report.coverage.interrupted:
        screen.alarm()
    show_evidence(screen, report, "What was read")
    _table(
        screen,
        f"Events by log and id: {len(summary.kinds):,}",
        ("events", "id", "first", "last", "log"),
        [(f"{it.events:,}", it.event_id, _short(it.first), _short(it.last), it.log) for it in summary.kinds],
    )
    _table(
        screen,
        f"Computers: {len(summary.hosts):,}",
        ("events", "first", "last", "computer"),
        [(f"{it.events:,}", _short(it.first), _short(it.last), it.host or "(none in the event)") for it in summary.hosts],
    )
    _show_logons(screen, summary)
    _show_gaps(screen, summary)
    for limit in summary.limits:
        screen.heading(f"Left out: {limit}")
    if report.coverage.interrupted:
        screen.alarm()


def _show_logons(screen: Screen, summary: Summary) -> None:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for it in summary.logons:
        counts[it.user, it.kind][it.outcome] += it.events
        sources[it.user, it.kind].add(it.source)
    ordered = sorted(counts.items(), key=lambda item: (-item[1][FAILURE], -item[1].total(), item[0]))
    rows = []
    for (user, kind), found in ordered:
        named = sorted(filter(None, sources[user, kind]))
        told = ", ".join(named[:3]) + (f" and {len(named) - 3:,} more" if len(named) > 3 else "")
        rows.append((f"{found[SUCCESS]:,}", f"{found[FAILURE]:,}", user or "(none)", kind, told))
    if rows:
        _table(screen, f"Logons: {len(rows):,} users and ways", ("success", "failure", "user", "way", "from"), rows)


def _show_gaps(screen: Screen, summary: Summary) -> None:
    rows: list[Sequence[str]] = [(_length(it), _short(it.begin), _short(it.end), it.host, it.log) for it in summary.gaps]
    if rows:
        _table(screen, f"Spans without events that stand out: {len(rows):,}", ("length", "from", "to", "computer", "log"), rows)
    rows = []
    for it in summary.missing_records:
        if it.selection:
            told = "so many that the log is a selection"
        else:
            told = ", ".join(_stretch(*stretch) for stretch in it.stretches[:3]) + (", ..." if len(it.stretches) > 3 else "")
        rows.append((f"{it.missing:,}", f"{it.present:,}", it.host, it.log, told))
    if rows:
        heads = ("missing", "present", "computer", "log", "which")
        _table(screen, f"Logs in which record numbers are missing: {len(rows):,}", heads, rows)
    rows = [(f"{it.seconds:,.0f} s", it.host, it.log, str(it.record), _short(it.time)) for it in summary.clock_steps]
    if rows:
        heads = ("back by", "computer", "log", "record", "time")
        _table(screen, f"Clocks that went back: {len(rows):,}", heads, rows)
    if not (summary.gaps or summary.missing_records or summary.clock_steps):
        screen.heading("No gap stands out in any log, and no record number is missing where there are any.")


def _table(screen: Screen, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the first rows under their heads; numbers stand to the right, and what is last is never cut off."""
    screen.heading(title)
    shown = [[plain(cell) for cell in row] for row in rows[:_SHOWN]]
    widths = [max([len(head), *(row[at].cell_len for row in shown)]) for at, head in enumerate(heads)]
    titles = _line([Text(head, "dim") for head in heads], widths)
    titles.rstrip()
    screen.row(titles)
    for row in shown:
        screen.last_whole(_line(row[:-1], widths[:-1]).plain, row[-1])
    if len(rows) > len(shown):
        screen.row(Text(f"and {len(rows) - len(shown):,} more: see --json", "dim"))


def _line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        pad = " " * (width - cell.cell_len)
        right = at == 0
        line.append_text(Text.assemble(pad if right else "", cell, "" if right else pad, "  "))
    return line


def _short(time: str) -> str:
    return time[:19].replace("T", " ") or "-"


def _length(gap: GapFound) -> str:
    days, rest = divmod(int(gap.seconds), _DAY_S)
    clock = f"{rest // 3600}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def _stretch(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


__all__ = ["show_statistics"]
