"""What a scan shows: its progress, and at the end the findings, counted, and what could not be looked at.

All text from events, files and rules goes through `safe_text` and becomes plain `Text`, never markup.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tocsin.cli.words import counted
from tocsin.findings import Coverage, Decision, FileOutcome, Report, RuleNote, Tally
from tocsin.findings.report import may_hold_evidence
from tocsin.findings.text import safe_text

_STYLES: Final = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}
"""The levels, highest first."""
_TACTICS: Final = (
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "evasion",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "inhibit-response-function",
    "impair-process-control",
    "impact",
)
"""The tactics of ATT&CK for enterprises and for control systems, in the order of an attack."""
_NETWORK: Final = "zeek/"
"""Logsources of the logs that checks against a site file read."""
_SHOWN: Final = 15
_SHOWN_REASONS: Final = 10
_SHOWN_NAMES: Final = 3
_MARGIN: Final = "  "
_LEVEL_WIDTH: Final = max(map(len, _STYLES))
_INCOMPLETE: Final = " INCOMPLETE: the scan ended early; this is only what was read until then "
_LEAST_LAST: Final = 20
"""Cells in which the last cell of a row is wrapped, if its words fit; with less room it goes below."""
_REFRESH_S: Final = 0.1
_RATE_S: Final = 0.5
"""Time from which a rate tells something, in seconds."""
_UNSEEN: Final = "unknown/"
_WORD: Final = re.compile(r"(\S*)(\s*)")
_COPY: Final = re.compile(r"the id .* is that of (.+) \[R005\]", re.DOTALL)
_LINKED: Final = re.compile(r"\A.* (?=\[F011\]\Z)", re.DOTALL)


def show_report(report: Report, console: Console, findings_path: str | None) -> None:
    """Print the end of a scan; `findings_path` is where the findings were written, if anywhere."""
    screen = Screen(console)
    interrupted = report.coverage.interrupted
    if interrupted:
        screen.alarm()
    if report.tally.findings:
        _show_findings(screen, report.tally, findings_path)
    else:
        screen.heading(_nothing(report.coverage))
    _show_decisions(screen, report.coverage.decisions)
    _show_coverage(screen, report)
    if interrupted:
        screen.alarm()


def show_hunt(report: Report, console: Console, findings_path: str | None, first: Sequence[Sequence[str]]) -> None:
    """Print the end of a hunt; `first` are the lines that tell of each of the first findings."""
    screen = Screen(console)
    coverage, tally = report.coverage, report.tally
    if coverage.interrupted:
        screen.alarm()
    if tally.findings:
        _show_findings(screen, tally, findings_path, "What was found")
    else:
        where = "" if coverage.complete else " in what was read"
        none = "Nothing was found, and nothing could have been: no event was read."
        screen.heading(f"Nothing of what was looked for was found{where}." if coverage.events else none)
    if first:
        screen.heading("First findings")
        for head, *more in first:
            screen.prose(_MARGIN, plain(head))
            for line in more:
                screen.row(plain(line, "bold"))
        if tally.findings > len(first):
            screen.row(Text(f"and {tally.findings - len(first):,} more: write them to a file with -o", "dim"))
    show_evidence(screen, report, "Coverage of this hunt")
    _show_rules(screen, "Looked for", coverage.rules.compiled)
    _show_rules(screen, "Not looked for", coverage.rules.unsupported, by_path=True)
    _show_rules(screen, "Not decided on some events", coverage.rules.failed)
    if coverage.interrupted:
        screen.alarm()


def show_timeline(report: Report, console: Console, path: str, untimed: int) -> None:
    """Print the end of a timeline; `path` is where it was written, if to a file; `untimed` activities have no time."""
    screen = Screen(console)
    if report.coverage.interrupted:
        screen.alarm()
    screen.heading(counted(report.tally.findings, "activity", "activities") + (f", written to {path}" if path else ""))
    screen.counts([(plain(kind), count) for (kind, _), count in sorted(report.tally.rules.items())])
    if untimed:
        screen.prose("", Text(f"{counted(untimed, 'activity', 'activities')} without a time left out", "yellow"))
    if report.tally.hosts:
        screen.heading("Hosts")
        screen.counts(_ranked(report.tally.hosts, "(no host in the event)"))
    show_evidence(screen, report, "Coverage of this timeline")
    if report.coverage.interrupted:
        screen.alarm()


class Screen:
    """Lines that fit the console: a table's rows are cropped, prose is wrapped under its indent."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, title: str) -> None:
        """Print a title after an empty line."""
        self._console.print()
        self.prose("", plain(title, "bold"))

    def alarm(self) -> None:
        """Print that the scan is not complete, so that it cannot be overlooked."""
        self._console.print()
        self.prose("", Text(_INCOMPLETE, "bold white on red"))

    def prose(self, head: str, text: Text) -> None:
        """Print text after a head, wrapped under its first word."""
        width = max(10, self._console.width - cell_len(head))
        for number, line in enumerate(text.divide(_breaks(text.plain, width))):
            line.rstrip()
            self._console.print(Text.assemble(head if number == 0 else " " * cell_len(head), line), highlight=False)

    def row(self, cells: Text) -> None:
        """Print one line, cropped at the console's width."""
        cells = Text.assemble(_MARGIN, cells)
        cells.truncate(self._console.width, overflow="ellipsis")
        self._console.print(cells, highlight=False, no_wrap=True)

    def last_whole(self, cells: str, last: Text) -> None:
        """Print one line of which the last cell is shown whole: in several lines, or below where there is no room beside it."""
        head = f"{_MARGIN}{cells}"
        longest = max(map(cell_len, last.plain.split()), default=0)
        if not longest:
            self.row(Text(cells.rstrip()))
        elif self._console.width - cell_len(head) >= min(last.cell_len, max(_LEAST_LAST, longest)):
            self.prose(head, last)
        else:
            self.row(Text(cells.rstrip()))
            self.prose(_MARGIN * 3, last)

    def counts(self, found: Sequence[tuple[Text, int]], shown: int = _SHOWN, more: str = "") -> None:
        """Print names after their counts, and how many names are left out."""
        width = _width(count for _, count in found)
        for name, count in found[:shown]:
            self.row(Text.assemble(f"{count:>{width},}", _MARGIN, name))
        if len(found) > shown:
            self.row(Text(f"{'':{width}}{_MARGIN}and {len(found) - shown:,} more{more}", "dim"))

    def reasons(self, notes: Sequence[RuleNote], by_path: bool) -> None:
        """Print how many rules have each reason, most first, with the names of the first ones."""
        groups: dict[str, list[str]] = {}
        for note in notes:
            reason = _common_reason(note)
            groups.setdefault(reason, []).append(_name(note, by_path and reason == note.reason))
        ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
        self.groups(ordered[:_SHOWN_REASONS], sum(len(names) for _, names in ordered[_SHOWN_REASONS:]))

    def groups(self, found: Sequence[tuple[str, Sequence[str]]], left: int, style: str = "") -> None:
        """Print reasons after the number of names that share them, with the first names; how many are left out in all."""
        width = _width(len(names) for _, names in found)
        for reason, names in found:
            head = f"{_MARGIN}{len(names):>{width},}{_MARGIN}"
            if len(names) == 1:
                self.prose(head, Text.assemble(plain(names[0], style), ": ", plain(reason)))
                continue
            more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
            self.prose(head, plain(reason))
            self.prose(" " * len(head) + _MARGIN, plain(", ".join(names[:_SHOWN_NAMES]) + more, style or "dim"))
        if left:
            self.prose(f"{_MARGIN}{'':{width}}{_MARGIN}", Text(f"and {left:,} more: see --coverage", "dim"))


def _breaks(text: str, width: int) -> list[int]:
    """Return where lines of a text begin, but the first; a word longer than a line goes on after a slash, if it has one."""
    found: list[int] = []
    used = 0
    for match in _WORD.finditer(text):
        at, word = match.start(), match[1]
        if used and used + cell_len(word) > width:
            found.append(at)
            used = 0
        while cell_len(word) > width:
            fits = _fitting(word, width)
            cut = word.rfind("/", 0, fits) + 1 or fits
            at, word = at + cut, word[cut:]
            found.append(at)
        used += cell_len(word) + len(match[2])
    return found


def _fitting(text: str, width: int) -> int:
    """Return how many of the first characters fit a width, at least one."""
    end, used = 0, 0
    while end < len(text) and (used := used + cell_len(text[end])) <= width:
        end += 1
    return max(1, end)


def _common_reason(note: RuleNote) -> str:
    """Return why a rule is in its list, in words that rules share: of copies only the two packs."""
    copy = _COPY.fullmatch(note.reason)
    if copy is None:
        return note.reason or "no reason is given"
    return f"{_pack(note.path)} has the same ids as {_pack(copy[1])}, whose rules are used [R005]"


def _pack(path: str) -> str:
    """Return the pack or folder in which a rule lies."""
    outer, inside, _ = path.partition("!/")
    folder, _, name = (outer if inside else path).rpartition("/")
    return name if inside else folder or name


def _width(counts: Iterable[int]) -> int:
    return max((len(f"{count:,}") for count in counts), default=0)


def _name(note: RuleNote, by_path: bool) -> str:
    return (note.path if by_path else note.title) or note.title or note.id or note.path


def plain(text: str, style: str = "") -> Text:
    """Return text from events, files or rules as it may be shown."""
    return Text(safe_text(text), style)


def _ranked(found: Mapping[str, int], empty: str) -> list[tuple[Text, int]]:
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [(plain(name) if name else Text(empty, "dim"), count) for name, count in ordered]


def _show_findings(screen: Screen, tally: Tally, path: str | None, what: str = "Rules that matched") -> None:
    title = counted(tally.findings, "finding")
    notes = [f"{counted(tally.duplicates, 'duplicate')} left out"] if tally.duplicates else []
    notes += [f"written to {path}"] if path else []
    screen.heading(", ".join([title, *notes]))
    if tally.untimed:
        screen.prose(
            _MARGIN, Text(f"{counted(tally.untimed, 'finding')} without a time: --since and --until keep these", "dim")
        )
    levels = sorted(tally.levels.items(), key=lambda item: _rank(item[0]))
    screen.counts([(plain(level, _STYLES.get(level, "")), count) for level, count in levels])
    screen.heading(what)
    rules = sorted(tally.rules.items(), key=lambda item: (_rank(item[0][1]), -item[1], item[0][0]))
    screen.counts([(_rule(title, level), count) for (title, level), count in rules])
    screen.heading("Hosts")
    screen.counts(_ranked(tally.hosts, "(no host in the event)"))
    if tally.assets:
        screen.heading("Assets of the site")
        screen.counts(_ranked(tally.assets, ""))
    if tally.tactics:
        screen.heading("ATT&CK tactics")
        screen.counts(_tactics(tally.tactics), shown=len(_TACTICS) + _SHOWN)


def _show_decisions(screen: Screen, decisions: Sequence[Decision]) -> None:
    """Say what was suppressed or has another level, and by whom; what took no effect is counted, what is doubtful named."""
    for title, found in (
        ("Suppressed", [item for item in decisions if item.findings and item.kind != "level"]),
        ("Given another level", [item for item in decisions if item.findings and item.kind == "level"]),
    ):
        if found:
            screen.heading(f"{title}: {counted(sum(item.findings for item in found), 'finding')}")
            _show_effects(screen, sorted(found, key=lambda item: -item.findings))
    idle = sum(not item.findings and item.status == "applied" for item in decisions)
    if idle:
        text = f"{counted(idle, 'filter or entry', 'filters and entries')} for suppressing or levelling without any effect"
        screen.prose("", Text(text, "dim"))
    notes = [note for item in decisions for note in item.notes]
    if notes:
        screen.heading(f"To be judged anew: {counted(len(notes), 'remark')} on filters and the tuning file")
        for note in notes[:_SHOWN]:
            screen.prose(_MARGIN, plain(note, "yellow"))
        if len(notes) > _SHOWN:
            screen.prose(_MARGIN, Text(f"and {len(notes) - _SHOWN:,} more: see --coverage", "dim"))


def _show_effects(screen: Screen, found: Sequence[Decision]) -> None:
    width = _width(item.findings for item in found)
    for item in found[:_SHOWN]:
        head = f"{_MARGIN}{item.findings:>{width},}{_MARGIN}"
        screen.prose(head, plain(f"{item.title} ({item.what})"))
        screen.prose(" " * len(head) + _MARGIN, plain(item.whose))
        rules = ", ".join(f"{rule.title} ({rule.findings:,})" for rule in item.rules[:_SHOWN_NAMES])
        more = f" and {len(item.rules) - _SHOWN_NAMES:,} more rules" if len(item.rules) > _SHOWN_NAMES else ""
        screen.prose(" " * len(head) + _MARGIN, plain(f"{rules}{more}{_span(item)}", "dim"))
    if len(found) > _SHOWN:
        screen.prose(_MARGIN, Text(f"and {len(found) - _SHOWN:,} more: see --coverage", "dim"))


def _span(item: Decision) -> str:
    return f", {item.first[:19]} to {item.last[:19]}" if item.first else ""


def _rule(title: str, level: str) -> Text:
    return Text.assemble(plain(level, _STYLES.get(level, "")), " " * max(0, _LEVEL_WIDTH - len(level)), _MARGIN, plain(title))


def _rank(level: str) -> int:
    known = list(_STYLES)
    return known.index(level) if level in known else len(known)


def _tactics(found: Mapping[str, int]) -> list[tuple[Text, int]]:
    counts: Counter[str] = Counter()
    for name, count in found.items():
        counts[name.lower().replace("_", "-")] += count
    order = {name: place for place, name in enumerate(_TACTICS)}
    ordered = sorted(counts.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    return [(plain(name.replace("-", " ")), count) for name, count in ordered]


def _nothing(coverage: Coverage) -> str:
    """Say that nothing was found, and whether anything could have been."""
    rules = coverage.rules
    able = len(rules.compiled) - len(rules.not_evaluable)
    checks = sum(check.status == "evaluated" for check in coverage.baseline)
    if not coverage.events:
        return "Nothing was found, and nothing could have been: no event was read."
    if able <= 0 and not checks:
        return "Nothing was found, and nothing could have been: no rule could be evaluated on this data."
    if coverage.suppressed:
        return f"No finding is left: {counted(coverage.suppressed, 'finding')} suppressed, by whom is told below."
    where = "" if coverage.complete else " in what was read"
    blind = f", {len(rules.blind):,} of them only in part" if rules.blind else ""
    could = f"{max(0, able):,} of {counted(len(rules.compiled), 'rule')} could see these events{blind}"
    could += f", and {counted(checks, 'check')} against the site file" if checks else ""
    return f"Nothing was found{where}. {could}."


def _show_coverage(screen: Screen, report: Report) -> None:
    coverage, rules = report.coverage, report.coverage.rules
    counted = f"{len(rules.compiled):,} evaluated, {len(rules.unsupported):,} unsupported, {len(rules.invalid):,} invalid"
    more = [f"rules   {counted}"]
    if rules.serving:
        more.append(f"        {len(rules.serving):,} of them only serve correlations, and report nothing themselves")
    show_evidence(screen, report, "Coverage of this scan", more)
    _show_rules(screen, "Rules unsupported", rules.unsupported)
    _show_rules(screen, "Rules invalid", rules.invalid, by_path=True)
    if coverage.events:
        serving = {note.id for note in rules.serving}  # their correlations are named with the same reason
        _show_rules(screen, "Rules that this data cannot show", [n for n in rules.not_evaluable if n.id not in serving])
    _show_rules(screen, "Rules that see this data only in part", rules.blind)
    _show_rules(screen, "Rules that failed on events", rules.failed)
    _show_rules(screen, "Correlations that left events out", rules.left_out)
    _show_baseline(screen, coverage)


def show_evidence(screen: Screen, report: Report, title: str, more: Sequence[str] = ()) -> None:
    """Say what was read, what could not be, and what was in it."""
    coverage = report.coverage
    files: dict[str, list[FileOutcome]] = {"read": [], "partial": [], "skipped": []}
    for file in coverage.files:
        files[file.status].append(file)
    read, partial, skipped = files.values()
    screen.heading(title)
    counted = f"{len(read):,} read, {len(partial):,} in part, {len(skipped):,} skipped"
    screen.row(Text(f"files   {counted} ({_speed(report)})"))
    screen.row(Text(f"events  {coverage.events:,}"))
    for line in more:
        screen.row(Text(line))
    _show_files(screen, partial)
    _show_skipped(screen, skipped)
    _show_unseen(screen, [file for file in read + partial if file.unseen])
    if coverage.logsources:
        screen.heading("Events by logsource")
        _show_logsources(screen, coverage.logsources)


def _show_baseline(screen: Screen, coverage: Coverage) -> None:
    """Say which checks against the site file were evaluated; nothing where there is neither one nor a log to check."""
    if not coverage.site and not any(name.startswith(_NETWORK) for name in coverage.logsources):
        return
    evaluated = [check for check in coverage.baseline if check.status == "evaluated"]
    notes = [RuleNote(check.id, check.title, check.reason) for check in coverage.baseline if check.reason]
    if coverage.baseline:
        screen.heading(f"Checks against the site file: {len(evaluated):,} of {len(coverage.baseline):,} evaluated")
        screen.reasons(notes, by_path=False)


def _show_rules(screen: Screen, title: str, notes: Sequence[RuleNote], by_path: bool = False) -> None:
    if notes:
        screen.heading(f"{title}: {len(notes):,}")
        screen.reasons(notes, by_path)


def _speed(report: Report) -> str:
    size = f"{_size(report.size_bytes)} in {_duration(report.seconds)}"
    return f"{size}, {_size(report.size_bytes / report.seconds)}/s" if report.seconds >= _RATE_S else size


def _show_files(screen: Screen, files: Sequence[FileOutcome]) -> None:
    """Name files that were read in part, each with what was lost."""
    if not files:
        return
    screen.heading(f"Files read in part: {len(files):,}")
    for file in files[:_SHOWN]:
        screen.prose(_MARGIN, Text.assemble(plain(file.path, "yellow"), f" ({counted(file.events, 'event')} read)"))
        screen.prose(3 * _MARGIN, plain(file.reason or "no reason is given"))
    if len(files) > _SHOWN:
        screen.prose(_MARGIN, Text(f"and {len(files) - _SHOWN:,} more: see --coverage", "dim"))


def _show_skipped(screen: Screen, files: Sequence[FileOutcome]) -> None:
    """Name files that were skipped by their reasons, first those that may hold evidence."""
    if not files:
        return
    screen.heading(f"Files skipped: {len(files):,}")
    groups: dict[tuple[bool, str], list[str]] = {}
    for file in files:
        reason = _LINKED.sub("read under another path ", file.reason) or "no reason is given"
        groups.setdefault((not may_hold_evidence(file), reason), []).append(file.path)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1])))
    shown = [(reason, names) for (_, reason), names in ordered[:_SHOWN]]
    screen.groups(shown, len(files) - sum(len(names) for _, names in shown), "yellow")


def _show_unseen(screen: Screen, files: Sequence[FileOutcome]) -> None:
    """Name files that were read, and of which no rule sees all events, whatever rules there are."""
    if not files:
        return
    events = sum(file.unseen for file in files)
    screen.heading(f"Read, but no rule can see it: {counted(len(files), 'file')}, {counted(events, 'event')}")
    for file in sorted(files, key=lambda file: -file.unseen)[:_SHOWN]:
        some = "" if file.unseen == file.events else f"{file.unseen:,} of "
        screen.prose(_MARGIN, Text.assemble(plain(file.path, "yellow"), f" ({some}{counted(file.events, 'event')})"))
    if len(files) > _SHOWN:
        screen.prose(_MARGIN, Text(f"and {len(files) - _SHOWN:,} more: see --coverage", "dim"))
    screen.prose(_MARGIN, Text("They fit no log that Tocsin knows: look at them by hand."))


def _show_logsources(screen: Screen, logsources: Mapping[str, int]) -> None:
    """Count events by logsource; those that no rule can see are never left out."""
    ordered = dict(sorted(logsources.items(), key=lambda item: (-item[1], item[0])))
    first = [name for at, name in enumerate(ordered) if at < _SHOWN or name.startswith(_UNSEEN)]
    rest = [name for name in ordered if name not in first]
    cells = [(plain(name) if name else Text("(none)", "dim"), ordered[name]) for name in first + rest]
    screen.counts(cells, shown=len(first), more=": see --coverage")


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02} min"


class ScanProgress:
    """One line that says how far a scan is; shown on a terminal only, and gone when closed.

    It starts no thread, because a scan starts processes. Expanded archives can be more than `total_bytes`.
    """

    def __init__(self, console: Console, total_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._total = total_bytes
        self._clock = clock
        self._begun = clock()
        self._next = self._begun
        self._shown = False

    def update(self, done_bytes: int, events: int, findings: int) -> None:
        """Show the numbers, at most ten times a second."""
        now = self._clock()
        if now < self._next or not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        self._next = now + _REFRESH_S
        self._shown = True
        self._write(_fit(self._parts(done_bytes, events, findings, now - self._begun), self._console.width - 1))

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write("")
            self._shown = False

    def _parts(self, done: int, events: int, findings: int, seconds: float) -> Iterable[str]:
        rate = done / seconds if seconds >= _RATE_S else 0.0
        if self._total and done < self._total:
            yield f"{100 * done // self._total:3} %"
            yield f"{_size(done)} of {_size(self._total)}"
        else:
            yield f"{_size(done)} read"
        if rate:
            yield f"{rate / 1e6:.1f} MB/s"
        if rate and done < self._total and seconds >= 1:
            yield f"{_duration((self._total - done) / rate)} left"
        yield counted(findings, "finding")
        if seconds >= _RATE_S:
            yield f"{events / seconds:,.0f} events/s"

    def _write(self, line: str) -> None:
        self._console.file.write(f"\r\x1b[K{line}")
        self._console.file.flush()


def _fit(parts: Iterable[str], width: int) -> str:
    """Return as many of the parts as fit on one line."""
    line = ""
    for part in parts:
        longer = f"{line}{_MARGIN}{part}" if line else part
        if len(longer) > width:
            break
        line = longer
    return line


__all__ = ["ScanProgress", "Screen", "plain", "show_evidence", "show_hunt", "show_report", "show_timeline"]
