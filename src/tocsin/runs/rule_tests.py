"""Tests of rules: events that a rule must match, and others that it must not, in files beside the rules."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from xml.etree import ElementTree as ET

from msgspec import Struct

from tocsin.correlations.plan import CorrelationPlan
from tocsin.engine.executor import FastEngine
from tocsin.errors import RuleError, TocsinError, UsageError
from tocsin.events import Event, batch_of
from tocsin.findings.text import safe_text
from tocsin.plans.expr import Plan
from tocsin.rules.documents import load_documents
from tocsin.runs.evidence import stream_events
from tocsin.runs.packs import PACKS, waits_for_site
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules, read_rule_files
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import JsonLinesSink
from tocsin.sources import recognise
from tocsin.sources.interface import Loss, Records, Stream

Outcome = Literal["passed", "failed", "untested", "unusable", "waiting"]
_RULES: Final = "rules"
_TESTS: Final = "tests"
_KEYS: Final = frozenset({"rule", "positive", "negative"})
_TAGS: Final[dict[str, str]] = {"failed": "failure", "unusable": "error", "untested": "skipped", "waiting": "skipped"}
_START: Final = datetime(2026, 10, 6, 8, tzinfo=UTC)
"""The time of `at: 0` in a sequence of events."""
KINDS: Final = (("positive", True), ("negative", False))
"""The lists of a test, and whether the rule must match what is in them."""


class RuleTest(Struct, frozen=True):
    """What became of a rule: its title, path and id, how many events were tried, and what went wrong.

    A rule is `waiting` when it ships with Tocsin and no site file was given that fills its placeholders.
    """

    title: str
    path: str
    rule: str
    outcome: Outcome
    events: int = 0
    problems: tuple[str, ...] = ()


def run_tests(folder: Path, placeholders: Mapping[str, Sequence[str]], filters: Sequence[RuleFile] = ()) -> Iterator[RuleTest]:
    """Run the tests of every rule of a folder, in the order of its files, with the folder's filters and further ones applied.

    All files are loaded together as for a scan, so a correlation may name a rule of another file. The test of `rules/a/b.yml`,
    or of `a/b.yml` in a folder without `rules`, is `tests/a/b.yml`. Raises: UsageError U004 when the folder holds no rule.
    """
    if not folder.is_dir():
        raise UsageError("U004", f"{folder} is no folder", hint="tests lie in files beside the rules, so a folder is needed")
    inside = folder / _RULES if (folder / _RULES).is_dir() else folder
    files = [file for file in read_rule_files([inside]) if not Path(file.label).is_relative_to(folder / _TESTS)]
    if not files:
        raise UsageError("U004", f"{folder}: no rule file (.yml, .yaml)", hint="nothing was tested")
    testing = _Testing([*files, *filters], placeholders)
    used: set[Path] = set()
    for file in files:
        path = folder / _TESTS / _relative(file.label, inside)
        used.add(path)
        yield from testing.of_file(file.label, path)
    for path in sorted((folder / _TESTS).rglob("*.y*ml")):
        if path not in used:
            yield RuleTest(path.stem, str(path), "", "failed", 0, ("the test belongs to no rule: no rule file has its name",))


def _relative(label: str, folder: Path) -> Path:
    """Return the path of a rule file below its folder; a rule that ships with Tocsin is labelled from the packs on."""
    shipped = f"{folder.parent.name}{os.sep}{folder.name}{os.sep}"
    return Path(label).relative_to(folder) if Path(label).is_relative_to(folder) else Path(label.removeprefix(shipped))


class _Testing:
    """The rules and filters of a run of tests, loaded together."""

    def __init__(self, files: Sequence[RuleFile], placeholders: Mapping[str, Sequence[str]]) -> None:
        self.files, self.placeholders = files, placeholders
        self.rules = load_rules(files, placeholders)
        self.serving = {item.rule for plan in self.rules.correlations for item in plan.inputs}
        self.by_path: defaultdict[str, list[int]] = defaultdict(list)
        for number, plan in enumerate(self.rules.plans):
            self.by_path[plan.meta.path].append(number)

    def of_file(self, label: str, path: Path) -> Iterator[RuleTest]:
        """Run the tests at a path, which are those of the rules of a file."""
        rejected = [item.note for item in self.rules.rejected if item.note.path == label]
        for note in rejected:
            outcome: Outcome = "waiting" if waits_for_site(note) else "unusable"
            yield RuleTest(note.title, label, note.id, outcome, 0, (note.reason,))
        plans = {number: self.rules.plans[number] for number in self.by_path[label]}
        correlations = [plan for plan in self.rules.correlations if plan.reported and plan.meta.path == label]
        metas = [*(plan.meta for plan in correlations), *(plan.meta for plan in plans.values())]
        try:
            cases = _cases(path)
        except RuleError as error:
            yield from (RuleTest(meta.title, label, meta.id, "failed", 0, (str(error),)) for meta in metas)
            return
        wanted = {str(case["rule"]) for case in cases}
        strange = sorted(wanted - {meta.id for meta in metas} - {note.id for note in rejected})
        for correlation in correlations:
            yield self._of_correlation(correlation, path, cases)
        for number, plan in plans.items():
            if number in self.serving and plan.meta.id not in wanted:
                continue  # it is tested by what its correlation finds
            of_rule = [case for case in cases if str(case["rule"]) == plan.meta.id]
            if of_rule:
                events, problems = _try(plan, of_rule, partial(self._taken_by, number))
                yield _result(plan, label, "failed" if problems else "passed", events, problems)
            else:
                yield _result(plan, label, "untested", 0, (f"there is no {'test of it in ' if cases else ''}{path}",))
        if strange:
            problem = f"it is the test of {', '.join(strange)}, of which there is no rule in {label}"
            yield RuleTest(path.stem, str(path), "", "failed", 0, (problem,))

    def _taken_by(self, number: int, entry: Mapping[str, Any] | str) -> str:
        """Return which filters take an event from a rule, empty for none."""
        taken = [item.filter for item in self.rules.suppressions if item.rule == number and entry_matches(item.plan, entry)]
        return self._named(taken, "taken by")

    def _named(self, numbers: Sequence[int], what: str) -> str:
        filters = [self.rules.filters[number] for number in numbers]
        return f" ({what} {', '.join(f'the filter {item.title!r} of {item.path}' for item in filters)})" if filters else ""

    def _of_correlation(self, plan: CorrelationPlan, path: Path, cases: Sequence[Mapping[str, Any]]) -> RuleTest:
        """Scan each sequence of events, and compare what the correlation finds with what it must."""
        meta = plan.meta
        of_rule = [case for case in cases if str(case["rule"]) == meta.id]
        if not of_rule:
            return RuleTest(meta.title, meta.path, meta.id, "untested", 0, (f"{path} has no test of it",))
        rules, below = self._with_what_it_names(plan)
        filtered = sorted({item.filter for item in self.rules.suppressions if item.rule in below})
        problems: list[str] = []
        events = 0
        for kind, wanted in KINDS:
            for number, sequence in enumerate((item for case in of_rule for item in case[kind]), 1):
                if not isinstance(sequence, list):
                    problems.append(f"{kind} {number} is no list of entries with at, and event or text")
                    continue
                try:
                    lines = [line for entry in sequence for line in sequence_lines(entry)]
                except (KeyError, TypeError, ValueError) as error:
                    problems.append(f"{kind} sequence {number} has an entry without at, event or text: {error!r}")
                    continue
                events += len(lines)
                if (meta.id in _found(rules, lines)) is not wanted:
                    said = f"does not match{self._named(filtered, 'its rules have')}" if wanted else "matches, and must not"
                    problems.append(f"{kind} sequence {number} {said}")
        return RuleTest(meta.title, meta.path, meta.id, "failed" if problems else "passed", events, tuple(problems))

    def _with_what_it_names(self, plan: CorrelationPlan) -> tuple[RuleSet, set[int]]:
        """Return the rules of the files that a correlation leads to, with all filters, and the numbers of its rules."""
        paths, below, left = {item.path for item in self.rules.filters}, set[int](), [plan]
        while left:
            item = left.pop()
            paths.add(item.meta.path)
            below |= {entry.rule for entry in item.inputs if entry.rule >= 0}
            left += [self.rules.correlations[entry.correlation] for entry in item.inputs if entry.correlation >= 0]
        paths |= {self.rules.plans[number].meta.path for number in below}
        return load_rules([file for file in self.files if file.label in paths], self.placeholders), below


def sequence_lines(entry: Mapping[str, Any]) -> list[str]:
    """Return the lines of logs of an entry: its event or text, `times` times, from `at` on, `every` so many seconds.

    `{n}` and `{time}` in them become the number and the time. Raises: KeyError, TypeError or ValueError for another form.
    """
    found = []
    for number in range(1, int(entry.get("times", 1)) + 1):
        seconds = float(entry["at"]) + (number - 1) * float(entry.get("every", 0))
        time = f"{_START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%fZ}"
        if "text" in entry:
            found.append(str(entry["text"]).replace("{n}", str(number)).replace("{time}", time))
            continue
        event = {"ts" if "_path" in entry["event"] else "@timestamp": time, **entry["event"]}
        found.append(json.dumps(event, default=str).replace("{n}", str(number)))
    return found


def _found(rules: RuleSet, lines: Sequence[str]) -> set[str]:
    """Return the ids of the rules that a scan of lines finds."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="tocsin-test-") as folder:
        path = Path(folder, "events.log")
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8", "surrogatepass")
        Scan(ScanOptions((str(path),), jobs=1), rules).run(JsonLinesSink(), out)
    return {json.loads(line)["rule"]["id"] for line in out.getvalue().splitlines()}


def _result(plan: Plan, label: str, outcome: Outcome, events: int, problems: tuple[str, ...]) -> RuleTest:
    return RuleTest(plan.meta.title, label, plan.meta.id, outcome, events, problems)


def _cases(path: Path) -> list[dict[str, Any]]:
    """Return the tests of a file, none when it is not there. Raises: RuleError R002-R004."""
    if not path.is_file():
        return []
    cases = load_documents(path.read_bytes(), str(path))
    for case in cases:
        if not isinstance(case, dict) or not set(case) <= _KEYS or "rule" not in case:
            raise RuleError("R002", f"{path}: a test has the keys rule, positive and negative")
        for kind, _ in KINDS:
            entries = case.get(kind)
            if (
                not entries
                or not isinstance(entries, list)
                or not all(isinstance(entry, dict | str | list) for entry in entries)
            ):
                hint = "each a map of fields, lines of a log, or for a correlation a list of such in time"
                raise RuleError("R003", f"{path}: {kind} needs a list of events", hint=hint)
    return cases


def cases_of(label: str, rule_id: str) -> list[dict[str, Any]]:
    """Return the tests of a rule by the path of its file, none when there are none beside it.

    They lie in `tests` beside the folder `rules` of the file, or beside the file's own folders. Raises: RuleError R002-R004.
    """
    file = Path(label) if Path(label).is_file() else PACKS / label
    for folder in file.parents:
        for inside in (folder / _RULES, folder):
            if file.is_relative_to(inside) and (path := folder / _TESTS / file.relative_to(inside)).is_file():
                return [case for case in _cases(path) if str(case["rule"]) == rule_id]
    return []


def entry_events(entry: Mapping[str, Any] | str) -> list[Event]:
    """Return the events of an entry of a test. Raises: SourceError for one that is no log."""
    stream = Stream(io.BytesIO(_text(entry).encode("utf-8", "surrogatepass") + b"\n"), "test")
    return [event for event in stream_events(stream) if isinstance(event, Event)]


def _text(entry: Mapping[str, Any] | Sequence[Any] | str) -> str:
    return entry if isinstance(entry, str) else json.dumps(entry, default=str)


def _try(
    plan: Plan, cases: Sequence[Mapping[str, Any]], taken_by: Callable[[Mapping[str, Any] | str], str]
) -> tuple[int, tuple[str, ...]]:
    """Show every event to the rule; return their number, and those that went wrong; `taken_by` tells of filters."""
    problems: list[str] = []
    events = 0
    for case in cases:
        for kind, wanted in KINDS:
            for number, entry in enumerate(case[kind], 1):
                events += 1
                try:
                    matched = entry_matches(plan, entry)
                except TocsinError as error:
                    problems.append(f"{kind} event {number} cannot be read: {error}")
                    continue
                if matched is not wanted:
                    said = "matches, and must not" if matched else f"does not match{taken_by(entry)}"
                    problems.append(f"{kind} event {number} {said}: {_short(entry)}")
    return events, tuple(problems)


def entry_matches(plan: Plan, entry: Mapping[str, Any] | Sequence[Any] | str) -> bool:
    """Tell whether a rule matches an event as a scan reads it. Raises: RuleError R014 when it cannot be read whole."""
    if isinstance(entry, list):
        raise RuleError("R014", "a list of events is for correlations")
    stream = Stream(io.BytesIO(_text(entry).encode("utf-8", "surrogatepass") + b"\n"), "test")
    source = recognise(stream.head)
    if source is None:
        raise RuleError("R014", "no format of a log is recognised")
    engine, matched = FastEngine([plan]), False
    for item in source.read(stream):
        if isinstance(item, Loss):
            raise RuleError("R014", str(item.error))
        columns = item.decoder.columns(item.gate, item.raws, engine.gate_plan(item.gate).demand)
        answer = engine.match(batch_of(item.gate, columns, len(item.raws), partial(_event, item)))
        if answer.faults:
            raise RuleError("R014", "the rule could not be decided on it")
        matched = matched or bool(answer.found)
    return matched


def _event(item: Records, row: int) -> Event:
    return item.decoder.event(item.gate, item.raws[row], item.numbers[row])


def _short(entry: Mapping[str, Any] | str) -> str:
    text = _text(entry)
    return text if len(text) <= 200 else f"{text[:199]}…"


def junit(results: Sequence[RuleTest], name: str) -> bytes:
    """Return the results in the form of JUnit that servers of continuous integration read: a case for each rule."""
    counts = Counter(_TAGS.get(result.outcome) for result in results)
    numbers = {"tests": len(results), "failures": counts["failure"], "errors": counts["error"], "skipped": counts["skipped"]}
    attributes = {"name": _xml(name), **{key: str(value) for key, value in numbers.items()}}
    root = ET.Element("testsuites", attributes)
    suite = ET.SubElement(root, "testsuite", attributes)
    for result in results:
        case = ET.SubElement(suite, "testcase", {"classname": _xml(result.path), "name": _xml(result.title or result.rule)})
        tag = _TAGS.get(result.outcome)
        if tag:
            told = ET.SubElement(case, tag, {"message": _xml("; ".join(result.problems))})
            told.text = _xml("\n".join(result.problems))
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _xml(text: str) -> str:
    """Return text that XML 1.0 may hold: what it may not is written as an escape."""
    allowed = (0x9, 0xA, 0xD)
    return "".join(
        char
        if ord(char) in allowed or 0x20 <= ord(char) <= 0xD7FF or 0xE000 <= ord(char) <= 0xFFFD or ord(char) > 0xFFFF
        else f"\\u{ord(char):04x}"
        for char in "\n".join(safe_text(line) for line in text.split("\n"))
    )


__all__ = ["KINDS", "Outcome", "RuleTest", "cases_of", "entry_events", "entry_matches", "junit", "run_tests", "sequence_lines"]
