"""Where rules come from: the packs that ship with Tocsin, those that the user added, and paths."""

from __future__ import annotations

import os
import re
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from tocsin.errors import UsageError
from tocsin.runs.ruleset import RuleFile, load_rules, read_rule_files

_BUILT_IN: Final = Path(__file__).parent.parent / "packs"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DOWNLOAD_BYTES: Final = 256 << 20
_TIMEOUT_S: Final = 60
_SHOWN_REASONS: Final = 5
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Pack:
    """A named set of rules: a folder that ships with Tocsin, or a zip that the user added."""

    name: str
    path: Path
    built_in: bool


def default_data_dir() -> Path:
    """Return the folder of added packs, by the XDG base directory specification."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base, "tocsin", "packs")


def installed_packs() -> list[Pack]:
    """Return the packs that ship with Tocsin, then those added, each by name."""
    own = [Pack(path.name, path, True) for path in sorted(_BUILT_IN.iterdir()) if (path / "pack.yml").is_file()]
    folder = default_data_dir()
    added = sorted(folder.glob("*.zip")) if folder.is_dir() else []
    return own + [Pack(path.stem, path, False) for path in added]


def resolve_rules(rules: Sequence[str], packs: Sequence[str]) -> list[Path]:
    """Return the paths of `--rules` and `--packs`; every installed pack when neither is given.

    A name in `rules` that is no path may be that of a pack. Raises: UsageError U001 for a name that is neither.
    """
    if not rules and not packs:
        return [pack.path for pack in installed_packs()]
    return [_path_or_pack(name) for name in rules] + [_pack(name) for name in packs]


def _path_or_pack(name: str) -> Path:
    path = Path(name)
    return path if path.exists() else _pack(name)


def _pack(name: str) -> Path:
    known = {pack.name: pack.path for pack in installed_packs()}
    if name not in known:
        hint = f"installed packs: {', '.join(known)}"
        raise UsageError("U001", f"no such rule path or pack: {name}", hint=hint)
    return known[name]


def add_pack(source: str, name: str = "") -> tuple[Pack, list[RuleFile]]:
    """Store the rules of a folder, a zip or an https address as a pack of the user; return it and its files.

    Raises: UsageError U001 or U004 when they cannot be read, U002 for a name that cannot be used.
    """
    name = name or _name_of(source)
    if not _NAME.fullmatch(name) or name in {pack.name for pack in installed_packs() if pack.built_in}:
        raise UsageError("U002", f"{name!r} cannot be the name of a pack", hint="give another with --name")
    with tempfile.TemporaryDirectory() as folder:
        path = _download(source, Path(folder)) if source.startswith(("https://", "http://")) else Path(source)
        files = read_rule_files([path])
        if not files:
            raise UsageError("U004", f"{source}: holds no rule file (.yml, .yaml)")
        _require_rules(source, files)
        target = default_data_dir() / f"{name}.zip"
        _store(files, path, target)
    return Pack(name, target, False), read_rule_files([target])


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
    if not found.plans:
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


__all__ = ["Pack", "add_pack", "default_data_dir", "installed_packs", "remove_pack", "resolve_rules"]
