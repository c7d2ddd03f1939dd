"""Where rules come from: the packs that ship with Tocsin, those that the user added, and paths."""

from __future__ import annotations

import os
import re
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Final

from tocsin.correlations.plan import CorrelationPlan
from tocsin.errors import RuleError, UsageError
from tocsin.findings import RuleNote
from tocsin.plans.expr import Plan
from tocsin.rules.documents import load_documents
from tocsin.runs.cache import RuleCache, default_cache_dir
from tocsin.runs.ruleset import RuleFile, RuleSet, load_rules, read_rule_files, rule_files

PACKS: Final = Path(__file__).parent.parent / "packs"
"""The folder of the packs that ship with Tocsin."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DOWNLOAD_BYTES: Final = 256 << 20
_TIMEOUT_S: Final = 60
_SHOWN_REASONS: Final = 5
_OF_RULES: Final = frozenset({"detection", "logsource", "correlation", "action", "filter"})
_DETECTION: Final = re.compile(rb"^detection:", re.MULTILINE)
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Pack:
    """A named set of rules: a folder that ships with Tocsin, or a zip that the user added."""

    name: str
    path: Path
    built_in: bool


@dataclass(frozen=True, slots=True)
class Added:
    """A pack that was added: what became of its rules, the files that hold none, and how many of its ids other packs have.

    `filters` counts the files of a pack that holds filters only, which apply to the rules of the other packs.
    """

    pack: Pack
    rules: RuleSet
    without_rules: list[str]
    copies: dict[str, int]
    filters: int = 0


def waits_for_site(note: RuleNote) -> bool:
    """Tell whether a rule that ships with Tocsin is only unsupported because no site file fills its placeholders."""
    return "[R030]" in note.reason and (PACKS / note.path).is_file()


def default_data_dir() -> Path:
    """Return the folder of added packs, by the XDG base directory specification."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base, "tocsin", "packs")


def installed_packs() -> list[Pack]:
    """Return the packs that ship with Tocsin, then those added, each by name."""
    own = [Pack(path.name, path, True) for path in sorted(PACKS.iterdir()) if (path / "pack.yml").is_file()]
    folder = default_data_dir()
    added = sorted(folder.glob("*.zip")) if folder.is_dir() else []
    return own + [Pack(path.stem, path, False) for path in added]


def resolve_rules(rules: Sequence[str], packs: Sequence[str]) -> list[Path]:
    """Return the paths of `--rules` and `--packs`, with every installed pack when neither names a rule.

    So filters alone are added to the installed packs. A name in `rules` that is no path may be that of a pack. Raises:
    UsageError U001 for a name that is neither.
    """
    installed = [pack.path for pack in installed_packs()]
    found = rule_paths(rules, packs)
    return installed + found if found and not packs and _hold_filters_only(found) else found or installed


def tested_by(names: Sequence[str]) -> tuple[list[Path], list[RuleFile]]:
    """Return the folders whose rules are tested when these are named, and the filters that are applied beside their own.

    Those are the filters of added packs, which every scan applies. Without names, and for filters alone, the packs that ship
    are tested. Raises: UsageError U001 for a name that is neither path nor pack.
    """
    packs, paths = installed_packs(), rule_paths(names, ())
    added = [file for pack in packs if not pack.built_in for file in read_rule_files([pack.path]) if _holds_filters(file)]
    if paths and not _hold_filters_only(paths):
        return paths, added
    return [pack.path for pack in packs if pack.built_in], [*added, *read_rule_files(paths)]


def rule_paths(rules: Sequence[str], packs: Sequence[str]) -> list[Path]:
    """Return the paths that names stand for, of packs or of files. Raises: UsageError U001 for a name of neither."""
    return [_path_or_pack(name) for name in rules] + [_pack(name) for name in packs]


def _hold_filters_only(paths: Sequence[Path]) -> bool:
    """Tell whether there are filters and nothing else; the first file that holds something else ends the reading."""
    files = rule_files(paths)
    first = next(files, None)
    return first is not None and all(_holds_filters(file) for file in chain((first,), files))


def _holds_filters(file: RuleFile) -> bool:
    if b"filter:" not in file.text or _DETECTION.search(file.text):
        return False
    try:
        documents = load_documents(file.text, file.label)
    except RuleError:
        return False
    return bool(documents) and all(isinstance(document, dict) and "filter" in document for document in documents)


def _path_or_pack(name: str) -> Path:
    path = Path(name)
    return path if name and path.exists() else _pack(name)


def _pack(name: str) -> Path:
    known = {pack.name: pack.path for pack in installed_packs()}
    if name not in known:
        hint = f"installed packs: {', '.join(known)}"
        raise UsageError("U001", f"no such rule path or pack: {name}", hint=hint)
    return known[name]


def add_pack(source: str, name: str = "") -> Added:
    """Store the rules of a folder, a zip or an https address as a pack of the user; files that hold no rule are left out.

    Raises: UsageError U001 or U004 when they cannot be read, U002 for a name that cannot be used.
    """
    if not source:
        raise UsageError("U001", "an empty path was given", hint="'.' is the current folder")
    name = name or _name_of(source)
    if not _NAME.fullmatch(name) or name in {pack.name for pack in installed_packs() if pack.built_in}:
        raise UsageError("U002", f"{name!r} cannot be the name of a pack", hint="give another with --name")
    with tempfile.TemporaryDirectory() as folder:
        path = _download(source, Path(folder)) if source.startswith(("https://", "http://")) else Path(source)
        whole = read_rule_files([path])
        files = [file for file in whole if not _holds_no_rule(file)]
        if not whole:
            raise UsageError("U004", f"{source}: holds no rule file (.yml, .yaml)")
        _require_rules(source, files or whole)
        target = default_data_dir() / f"{name}.zip"
        _store(files, path, target)
    pack = Pack(name, target, False)
    found = load_rules(read_rule_files([target]), {})
    kept = {file.label for file in files}
    without = [file.label for file in whole if file.label not in kept]
    if files and all(map(_holds_filters, files)):
        beside = load_rules(read_rule_files([other.path for other in installed_packs()]), {})
        own = [item for item in beside.rejected if item.note.path.startswith(f"{target}!/")]
        return Added(pack, RuleSet([], own), without, {}, len(files))
    return Added(pack, found, without, _copies(pack, found))


def _holds_no_rule(file: RuleFile) -> bool:
    """Tell whether a YAML file has nothing of a rule, such as the settings of a tool beside the rules of a corpus."""
    try:
        documents = load_documents(file.text, file.label)
    except RuleError:
        return False
    return all(isinstance(document, dict) and _OF_RULES.isdisjoint(document) for document in documents)


def _copies(pack: Pack, found: RuleSet) -> dict[str, int]:
    """Return how many ids of a pack's rules each other installed pack has."""
    others = [other for other in installed_packs() if other.name != pack.name]
    known = load_rules(read_rule_files([other.path for other in others]), {}, RuleCache(default_cache_dir()))
    ids = {meta.id for meta in map(_note_of, found.entries)} | {item.note.id for item in found.rejected}
    places = {f"{other.path}!/": other.name for other in others} | {f"{other.name}/": other.name for other in others}
    counts: Counter[str] = Counter()
    for note in (*map(_note_of, known.entries), *(item.note for item in known.rejected)):
        if note.id in ids:
            counts[next((name for place, name in places.items() if note.path.startswith(place)), "another")] += 1
    return dict(counts)


def _note_of(plan: Plan | CorrelationPlan) -> RuleNote:
    return RuleNote(plan.meta.id or plan.meta.path, plan.meta.title, path=plan.meta.path)


def remove_pack(name: str) -> Pack:
    """Delete a pack that the user added, and return what it was.

    Raises: UsageError U001 when there is none of the name, U002 when it ships with Tocsin, U004 when it cannot be deleted.
    """
    known = {pack.name: pack for pack in installed_packs()}
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError("U001", f"no such pack: {name}", hint=f"{hint}installed packs: {', '.join(known)}")
    pack = known[name]
    if pack.built_in:
        hint = "a scan with --rules uses only the rules that it names"
        raise UsageError("U002", f"pack {name!r} ships with Tocsin and cannot be removed", hint=hint)
    try:
        pack.path.unlink()
    except OSError as error:
        raise UsageError("U004", f"{pack.path}: cannot be deleted: {error.strerror}") from error
    return pack


def _require_rules(source: str, files: Sequence[RuleFile]) -> None:
    """Refuse a pack in which no rule can be used, and say why none can."""
    found = load_rules(files, {})
    if not found.plans and not all(map(_holds_filters, files)):
        reasons = "\n".join(item.message for item in found.rejected[:_SHOWN_REASONS])
        raise UsageError("U004", f"{source}: holds no rule that can be used\n{reasons}")


def _name_of(source: str) -> str:
    name = re.sub(r"\.(zip|ya?ml)$", "", Path(source.rstrip("/")).name)
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).strip("-.") or "rules"


def _download(url: str, folder: Path) -> Path:
    if not url.startswith("https://"):
        raise UsageError("U002", f"{url}: only https addresses are fetched", hint="or download it yourself and add the file")
    target = folder / "rules.zip"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:  # noqa: S310 - https only
            while block := answer.read(1 << 20):
                file.write(block)
                if file.tell() > _DOWNLOAD_BYTES:
                    raise UsageError("U004", f"{url}: is larger than {_DOWNLOAD_BYTES} bytes")
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        hint = "without a network, add a zip or folder from disk"
        raise UsageError("U004", f"{url}: cannot be fetched: {error}", hint=hint) from error
    return target


def _store(files: Sequence[RuleFile], root: Path, target: Path) -> None:
    """Write a zip with the same bytes for the same rules, aside first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            label = file.label.partition("!/")[2] or os.path.relpath(file.label, root if root.is_dir() else root.parent)
            archive.writestr(zipfile.ZipInfo(label, _EPOCH), file.text, zipfile.ZIP_DEFLATED)
    part.replace(target)


__all__ = [
    "PACKS",
    "Added",
    "Pack",
    "add_pack",
    "default_data_dir",
    "installed_packs",
    "remove_pack",
    "resolve_rules",
    "rule_paths",
    "tested_by",
    "waits_for_site",
]
