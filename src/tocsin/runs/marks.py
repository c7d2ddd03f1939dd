"""Findings that somebody judged: read with their marks, from the findings themselves or from lists of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple, get_args

import msgspec
from msgspec import Raw, Struct

from tocsin.errors import SourceError, TuningError, UsageError, Where
from tocsin.findings import FoundSource
from tocsin.findings.reading import LINE_BYTES, read_lines

Mark = Literal["false_positive", "true"]
MARKS: Final[tuple[str, ...]] = get_args(Mark)
MOST_MARKED: Final = 10_000
"""The most marked findings of one run: a filter is made from examples."""
_MOST_BYTES: Final = 256 << 20
_COLUMNS: Final = ("rule", "path", "record")
_ALSO: Final = {"rule_id": "rule", "source_path": "path"}
"""The names of these columns in the CSV of a scan."""
_HINT: Final = "give lines of the findings, or a CSV or JSON Lines with rule, path and record"


class Place(NamedTuple):
    """What a finding is known by: rule id, path of its source, record."""

    rule: str
    path: str
    record: int


class RuleId(Struct, frozen=True):
    """What of a finding's rule is asked for here."""

    id: str


class Judged(Struct, frozen=True):
    """A finding as its line has it; `event` is the JSON of the event, `mark` what somebody wrote into the line."""

    rule: RuleId
    time: str
    telemetry: str
    source: FoundSource
    event: Raw
    mark: str | None = None

    @property
    def place(self) -> Place:
        """Return what the finding is known by."""
        return Place(self.rule.id, self.source.path, self.source.record)


class _Listed(Struct, frozen=True):
    """A line of a list of marks: a finding, or its rule, path and record."""

    rule: RuleId | str
    source: FoundSource | None = None
    path: str | None = None
    record: int | None = None
    mark: str | None = None


@dataclass(slots=True)
class Marks:
    """What was marked: a place has one mark."""

    places: dict[Place, str] = field(default_factory=dict)

    def add(self, place: Place, mark: str, where: Where) -> None:
        """Note a mark. Raises: TuningError T001 when the place has another, or there are too many."""
        known = self.places.setdefault(place, mark)
        if known != mark:
            raise TuningError("T001", f"{told(place)} is marked {known} and {mark}", where=where, hint="decide for one of them")
        if len(self.places) > MOST_MARKED:
            hint = "a filter needs examples only: mark fewer, or one rule at a time"
            raise TuningError("T001", f"more than {MOST_MARKED:,} findings are marked", where=where, hint=hint)

    def of(self, mark: Mark) -> set[Place]:
        """Return the places with a mark."""
        return {place for place, given in self.places.items() if given == mark}


def told(place: Place) -> str:
    """Return a place in words."""
    return f"{place.path}:{place.record} of rule {place.rule or 'without id'}"


def read_marks(file: BinaryIO, label: str, mark: Mark | None, into: Marks) -> int:
    """Read a list in which every line has the mark, or without one each its own; return how many there were.

    Lines are findings, or JSON objects with rule, path and record; or the whole is a CSV with these columns. Raises:
    TuningError T001 for a line that is neither, and for one that says another mark, or none where it must.
    """
    first = file.readline(LINE_BYTES)
    count = 0
    for number, place, said in _listed_lines(first, file, label):
        where = Where(label, number)
        if mark and said and said != mark:
            raise TuningError("T001", f"the line is marked {said!r}, the list is of {mark}", where=where, hint=_HINT)
        into.add(place, mark or checked_mark(said, where), where)
        count += 1
    return count


def checked_mark(text: str, where: Where) -> str:
    """Return a mark that is written in a line. Raises: TuningError T001 for another text."""
    if text not in MARKS:
        raise TuningError("T001", f"unknown mark {text!r}", where=where, hint=f"one of {', '.join(MARKS)}")
    return text


def _listed_lines(first: bytes, file: BinaryIO, label: str) -> Iterator[tuple[int, Place, str]]:
    names = [name.strip(' "') for name in first.decode("utf-8-sig", "replace").strip().split(",")]
    names = [_ALSO.get(name, name) for name in names]
    if set(_COLUMNS) <= set(names):
        yield from _rows(names, file, label)
        return
    number, line = 1, first
    while line:
        if line.strip():
            yield (number, *_place(line, Where(label, number)))
        number, line = number + 1, file.readline(LINE_BYTES)


def _rows(names: Sequence[str], file: BinaryIO, label: str) -> Iterator[tuple[int, Place, str]]:
    text = io.TextIOWrapper(file, "utf-8", "strict", newline="")
    try:
        for number, row in enumerate(csv.DictReader(text, names), 2):
            where = Where(label, number)
            record = (row["record"] or "").strip()
            if not record.isascii() or not record.isdecimal() or not row["path"]:
                raise TuningError("T001", f"record {record!r} is no number, or there is no path", where=where, hint=_HINT)
            yield number, Place(row["rule"], row["path"], int(record)), (row.get("mark") or "").strip()
    except (csv.Error, UnicodeDecodeError) as error:
        raise TuningError("T001", f"the list is no CSV: {error}", where=Where(label), hint=_HINT) from error
    finally:
        text.detach()


def _place(line: bytes, where: Where) -> tuple[Place, str]:
    try:
        found = msgspec.json.decode(line, type=_Listed)
    except (msgspec.DecodeError, RecursionError) as error:
        raise TuningError("T001", f"the line is no finding: {error}", where=where, hint=_HINT) from error
    rule = found.rule if isinstance(found.rule, str) else found.rule.id
    path = found.source.path if found.source else found.path
    record = found.source.record if found.source else found.record
    if path is None or record is None:
        raise TuningError("T001", "the line has no path and record", where=where, hint=_HINT)
    return Place(rule, path, record), found.mark or ""


def read_judged(path: Path) -> Iterator[tuple[int, Judged]]:
    """Yield each finding of a file with its line. Raises: TuningError T001 for a line that is none, UsageError U004."""
    decode = msgspec.json.Decoder(Judged).decode
    try:
        with path.open("rb") as file:
            for number, item in read_lines(file, str(path), decode):
                if isinstance(item, SourceError):
                    raise TuningError("T001", item.message, where=item.where, hint=item.hint) from item
                yield number, item
    except OSError as error:
        raise UsageError("U004", f"{path}: cannot be read: {error.strerror}") from error


def marked_findings(path: Path, marks: Marks) -> list[Judged]:
    """Return the marked findings of a file; marks that its lines carry are added to those that are known.

    Raises: TuningError T001 for a mark of another name, T002 for a mark that fits no finding.
    """
    found: list[Judged] = []
    size_bytes = 0
    for number, finding in read_judged(path):
        where = Where(str(path), number)
        if finding.mark:
            marks.add(finding.place, checked_mark(finding.mark, where), where)
        if finding.place in marks.places:
            found.append(msgspec.structs.replace(finding, event=Raw(bytes(finding.event)), mark=marks.places[finding.place]))
            size_bytes += len(bytes(finding.event))
            if size_bytes > _MOST_BYTES:
                raise TuningError("T001", "the marked findings are too large", where=where, hint="mark fewer")
    _check_found(marks.places, found, path)
    return found


def _check_found(places: Iterable[Place], found: Sequence[Judged], path: Path) -> None:
    missing = sorted(set(places) - {finding.place for finding in found})
    if missing:
        more = f", and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        hint = "marks name rule id, path and record as the findings have them"
        raise TuningError("T002", f"no finding is {told(missing[0])}{more}", where=Where(str(path)), hint=hint)


__all__ = ["MARKS", "MOST_MARKED", "Judged", "Mark", "Marks", "Place", "marked_findings", "read_judged", "read_marks", "told"]
