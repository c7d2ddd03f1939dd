"""Load rules: files, folders, zip archives and packs, each bad rule isolated, the result cached.

Every document has one outcome: compiled, unsupported or invalid. The cache holds all three, keyed by the content of every
file, the placeholders and the version; it is data (msgpack), checked by a digest, and anything wrong with it means that the
rules are compiled again.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct

from tocsin.correlations.link import link
from tocsin.correlations.plan import CorrelationPlan
from tocsin.errors import RuleError, TocsinError, UnsupportedRule, UsageError, Where
from tocsin.events.time import today
from tocsin.findings import RuleNote
from tocsin.plans.compile import compile_rule, compile_suppressions
from tocsin.plans.expr import Plan
from tocsin.rules.correlation import Correlation
from tocsin.rules.documents import place
from tocsin.rules.filters import expired_text, has_expired
from tocsin.rules.parse import parse_text
from tocsin.rules.rule import Filter, Meta, Rule
from tocsin.runs.cache import RuleCache, digest_of

_SUFFIXES: Final = (".yml", ".yaml")
_ARCHIVED_BYTES: Final = 256 << 20
_TESTS: Final = "tests"
_PACK: Final = "pack.yml"
_PACKS: Final = f"{Path(__file__).parent.parent / 'packs'}{os.sep}"
_DOCUMENTS: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)
_ACTION: Final = re.compile(r"^action:", re.MULTILINE)
_TEST: Final = re.compile(rb"^(positive|negative):", re.MULTILINE)
_RULE: Final = re.compile(rb"^(detection|correlation|filter):", re.MULTILINE)
_ZIP_MAGIC: Final = b"PK\x03\x04"
Progress = Callable[[int, int], None]


class Rejected(Struct, frozen=True):
    """A document that became no plan: its note, whether it is unsupported or invalid, its code, the full message."""

    note: RuleNote
    outcome: str
    code: str
    message: str


class LoadedFilter(Struct, frozen=True):
    """A filter, by whose decision it suppresses until which day; `expired`: that day has come, and it is not applied."""

    id: str
    title: str
    path: str
    owner: str
    reason: str
    expires: str
    expired: bool

    @property
    def warning(self) -> str:
        """Return a line that tells that it has expired."""
        return f"{self.path}: {expired_text(self.title, self.owner, self.expires)} [R052]"


class Suppression(Struct, frozen=True, array_like=True):
    """What a filter takes from a rule, by their numbers: the plan matches the events that the rule loses to it."""

    rule: int
    filter: int
    plan: Plan


class RuleSet(Struct):
    """All that was loaded, in the order of the paths; correlations after those that they name.

    It holds from the day `first_day` on and before `last_day` (empty: without end), since filters expire.
    """

    plans: list[Plan]
    rejected: list[Rejected]
    correlations: list[CorrelationPlan] = []
    filters: list[LoadedFilter] = []
    suppressions: list[Suppression] = []
    first_day: str = ""
    last_day: str = ""

    def holds_on(self, day: date) -> bool:
        """Tell whether no filter has expired, or has not expired yet, on a day by which it would be another set."""
        return self.first_day <= day.isoformat() and (not self.last_day or day.isoformat() < self.last_day)

    @property
    def entries(self) -> list[Plan | CorrelationPlan]:
        """Return the rules, then the correlations."""
        return [*self.plans, *self.correlations]

    @property
    def size(self) -> int:
        """Return how many rules and correlations can be used."""
        return len(self.plans) + len(self.correlations)

    def notes(self, outcome: str) -> list[RuleNote]:
        """Return the notes of the documents with this outcome."""
        return [item.note for item in self.rejected if item.outcome == outcome]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of rules."""

    label: str
    text: bytes


def read_rule_files(paths: Sequence[Path]) -> list[RuleFile]:
    """Read every rule file under the paths, sorted inside each; a file reached twice is read once.

    Raises: UsageError U001 for a path that does not exist, U004 for one that cannot be read.
    """
    return list(rule_files(paths))


def rule_files(paths: Sequence[Path]) -> Iterator[RuleFile]:
    """Yield what `read_rule_files` returns, each file when it is asked for."""
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise UsageError("U001", f"no such rule path: {path}", hint="give a file, a folder, a zip or a pack's name")
        for found in _rule_paths(path):
            yield from _read(found, seen, found[len(str(path)) :])


def _rule_paths(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
        return
    if (path / "pack.yml").is_file() and (path / "rules").is_dir():
        path = path / "rules"
    for folder, folders, names in os.walk(path, onerror=_unreadable):
        folders.sort()
        yield from (f"{folder}/{name}" for name in sorted(names) if name.lower().endswith(_SUFFIXES))


def _read(path: str, seen: set[tuple[int, int]], inside: str) -> list[RuleFile]:
    """Return the rules of a file, `inside` being its path below the folder that was given: tests beside rules are no rules."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - thousands of files, and Path costs as much as reading them
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) in seen:
                return []
            seen.add((status.st_dev, status.st_ino))
            text = file.read()
        if inside and _is_test(inside, text):
            return []
        if text.startswith(_ZIP_MAGIC):
            return _read_zip(Path(path))
        label = path.removeprefix(_PACKS)  # a rule that ships with Tocsin has the same path wherever it is installed
        return [RuleFile(label, text)]
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise UsageError("U004", f"{path}: cannot be read: {error}") from error


def _unreadable(error: OSError) -> None:
    raise UsageError("U004", f"{error.filename}: cannot be read: {error.strerror}") from error


def _is_test(inside: str, text: bytes) -> bool:
    """Tell whether a file in a folder `tests` is a test of rules, by its keys."""
    return f"/{_TESTS}/" in inside and bool(_TEST.search(text)) and not _RULE.search(text)


def _is_pack_test(parts: tuple[str, ...], names: set[str]) -> bool:
    """Tell whether a member lies in the `tests` folder beside a `pack.yml`."""
    tests = [at for at, part in enumerate(parts[:-1]) if part == _TESTS]
    return any("/".join((*parts[:at], _PACK)) in names for at in tests)


def _read_zip(path: Path) -> list[RuleFile]:
    files, total = [], 0
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for info in sorted(archive.infolist(), key=lambda item: item.filename):
            parts = Path(info.filename).parts
            if not info.filename.lower().endswith(_SUFFIXES) or parts[-1] == _PACK or _is_pack_test(parts, names):
                continue
            total += info.file_size
            if total > _ARCHIVED_BYTES:
                raise UsageError("U004", f"{path}: holds more than {_ARCHIVED_BYTES} bytes of rules")
            text = archive.read(info)
            if not _is_test(f"/{info.filename}", text):
                files.append(RuleFile(f"{path}!/{info.filename}", text))
    return files


def rule_text(path: str, rule_id: str) -> str:
    """Return the text of the rule with a path and id, as it lies in its file now; empty when it is not there."""
    for file in (path, f"{_PACKS}{path}"):
        text = _text_of(file)
        if text and rule_id in text:
            parts = [part for part in _DOCUMENTS.split(text) if rule_id and rule_id in part]
            return parts[0].lstrip("\n") if len(parts) == 1 and not _ACTION.search(text) else text
    return ""


def _text_of(path: str) -> str:
    """Return the text of a file or of a zip's member, empty when it cannot be read."""
    archive, separator, member = path.partition("!/")
    try:
        if not separator:
            return Path(path).read_text("utf-8", "replace")
        with zipfile.ZipFile(archive) as opened:
            return opened.read(member).decode("utf-8", "replace")
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile):
        return ""


def load_rules(
    files: Sequence[RuleFile],
    placeholders: Mapping[str, Sequence[str]],
    cache: RuleCache | None = None,
    progress: Progress = lambda done, total: None,
    day: date | None = None,
) -> RuleSet:
    """Return the rule set of files as of a day (default: today), from the cache when it has just these.

    `progress` is called with files done and files in all. A filter is not applied from its day on.
    """
    day = day or today()
    digest = digest_of(((file.label, file.text) for file in files), placeholders)
    cached = cache.load(digest, RuleSet) if cache else None
    if cached is not None and cached.holds_on(day):
        return cached
    found = _Loading(placeholders, day).run(files, progress)
    if cache:
        cache.save(digest, found)
    return found


@dataclass(slots=True)
class _Document:
    file: RuleFile
    index: int
    rule: Rule | Correlation


@dataclass(slots=True)
class _Loading:
    placeholders: Mapping[str, Sequence[str]]
    day: date
    plans: list[Plan] = field(default_factory=list)
    suppressions: list[Suppression] = field(default_factory=list)
    expired: list[Filter] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    documents: list[_Document] = field(default_factory=list)
    correlations: list[_Document] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    def run(self, files: Sequence[RuleFile], progress: Progress) -> RuleSet:
        for number, file in enumerate(files):
            progress(number, 2 * len(files))
            self._parse(file)
        self._check_filters()
        for number, document in enumerate(self.documents):
            progress(len(files) + number, len(files) + len(self.documents))
            self._compile(document)
        return self._loaded()

    def _loaded(self) -> RuleSet:
        filters = [_loaded_filter(item, False) for item in self.filters] + [_loaded_filter(item, True) for item in self.expired]
        first = max((item.expires for item in self.expired), default="")
        last = min((item.expires for item in self.filters if item.expires), default="")
        return RuleSet(self.plans, self.rejected, self._link(), filters, self.suppressions, first, last)

    def _parse(self, file: RuleFile) -> None:
        try:
            results = parse_text(file.text, file.label)
        except Exception as error:  # noqa: BLE001 - one bad file must not hide the others
            self._reject(Meta("", "", path=file.label), _unexpected(error, file.label))
            return
        for index, (meta, parsed) in enumerate(results):
            if isinstance(parsed, RuleError):
                self._reject(meta, parsed)
            elif isinstance(parsed, Filter):
                (self.expired if has_expired(parsed.expires, self.day) else self.filters).append(parsed)
            elif self._is_new(parsed.meta):
                documents = self.correlations if isinstance(parsed, Correlation) else self.documents
                documents.append(_Document(file, index, parsed))

    def _is_new(self, meta: Meta) -> bool:
        if not meta.id:
            return True
        first = self.ids.get(meta.id)
        self.ids.setdefault(meta.id, meta.path)
        if first is not None:
            hint = "keep one of them"
            self._reject(meta, RuleError("R005", f"the id {meta.id} is that of {first}", where=Where(meta.path), hint=hint))
            return False
        return True

    def _check_filters(self) -> None:
        known = {name for document in self.documents for name in (document.rule.meta.id, document.rule.meta.name) if name}
        for item in self.filters:
            missing = [name for name in item.rules if name not in known]
            if missing:
                where = Where(item.meta.path)
                self._reject(item.meta, RuleError("R050", f"the filter names {missing[0]!r}, which is not loaded", where=where))

    def _link(self) -> list[CorrelationPlan]:
        """Return the correlations whose rules are all there."""
        parsed = [item.rule for item in self.correlations if isinstance(item.rule, Correlation)]
        linked = link([plan.meta for plan in self.plans], parsed, self.unusable)
        for number, error in sorted(linked.faults.items()):
            document = self.correlations[number]
            self._reject(document.rule.meta, place(error, document.file.text, document.file.label, document.index))
        return linked.plans

    def _compile(self, document: _Document) -> None:
        rule, file = document.rule, document.file
        try:
            if isinstance(rule, Rule):
                filters = tuple(self.filters)
                plan, gone = (
                    compile_rule(rule, self.placeholders, filters),
                    compile_suppressions(rule, self.placeholders, filters),
                )
                self.suppressions += [Suppression(len(self.plans), number, plan) for number, plan in gone]
                self.plans.append(plan)
        except RuleError as error:
            self._reject(rule.meta, place(error, file.text, file.label, document.index))
        except Exception as error:  # noqa: BLE001 - one bad rule must not hide the others
            self._reject(rule.meta, _unexpected(error, file.label))

    def _reject(self, meta: Meta, error: TocsinError) -> None:
        outcome = "unsupported" if isinstance(error, UnsupportedRule) else "invalid"
        note = RuleNote(meta.id or meta.path, meta.title, f"{error.message} [{error.code}]", meta.path)
        self.rejected.append(Rejected(note, outcome, error.code, error.render()))
        if error.code != "R005":
            self.unusable |= dict.fromkeys({meta.id, meta.name, meta.title} - {""}, error.message)


def _loaded_filter(item: Filter, expired: bool) -> LoadedFilter:
    return LoadedFilter(item.meta.id, item.meta.title, item.meta.path, item.owner, item.reason, item.expires, expired)


def _unexpected(error: Exception, label: str) -> RuleError:
    return RuleError("R002", f"cannot be understood: {type(error).__name__}: {error}", where=Where(label))


__all__ = [
    "LoadedFilter",
    "Progress",
    "Rejected",
    "RuleFile",
    "RuleSet",
    "Suppression",
    "load_rules",
    "read_rule_files",
    "rule_files",
    "rule_text",
]
