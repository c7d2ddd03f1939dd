"""Folders of MISP feeds: events as files, a manifest of what they are, and the hashes of their values; in and out.

Source: MISP documentation, "Feeds"; as PyMISP writes and reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from tocsin.errors import OutputError, UsageError
from tocsin.feeds.forms import Json
from tocsin.feeds.interface import Incoming, Rejected, Terms
from tocsin.feeds.loose import as_map, as_maps, as_text
from tocsin.feeds.misp import read_event
from tocsin.feeds.misp_out import Publisher, as_events
from tocsin.indicators.misp import events

MANIFEST: Final = "manifest.json"
HASHES: Final = "hashes.csv"
_EVENT_BYTES: Final = 256 << 20


def is_feed(path: Path) -> bool:
    """Tell whether a path is the folder of a feed."""
    return (path / MANIFEST).is_file()


def read_feed(folder: Path, label: str, terms: Terms) -> Iterator[Incoming | Rejected]:
    """Read the events that the manifest of a feed lists, one after another.

    The tags of the manifest count as those of the event. Raises: UsageError X001 or X004 when the manifest cannot be read.
    """
    manifest = _manifest(folder, label)
    hashes = _hashes(folder)
    for name in sorted(manifest):
        yield from _read_one(folder, label, name, as_map(manifest[name]), hashes, terms)
    others = {path.stem for path in folder.glob("*.json")} - set(manifest) - {Path(MANIFEST).stem}
    for name in sorted(others):
        yield Rejected(f"{label}/{name}.json", "X022", "the file is not in the manifest, and is not taken")


def _manifest(folder: Path, label: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise UsageError("X001", f"{label}/{MANIFEST}: cannot be read: {error.strerror}", hint="check its rights") from error
    except (ValueError, RecursionError) as error:
        raise UsageError("X004", f"{label}/{MANIFEST}: it is no manifest: {error}", hint="fetch the feed again") from error


def _hashes(folder: Path) -> dict[str, set[str]] | None:
    """Return the hashes of each event's values, None when the feed has none."""
    try:
        lines = (folder / HASHES).read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found: dict[str, set[str]] = {}
    for line in lines:
        digest, _, name = line.strip().partition(",")
        found.setdefault(name, set()).add(digest)
    return found


def _read_one(
    folder: Path, label: str, name: str, listed: Mapping[str, Any], hashes: Mapping[str, set[str]] | None, terms: Terms
) -> Iterator[Incoming | Rejected]:
    place = f"{label}/{name[:100]}.json"
    event = _load(folder, name)
    if isinstance(event, str):
        yield Rejected(place, "X022", event)
        return
    if as_text(event.get("uuid")).lower() != name.lower():
        yield Rejected(place, "X022", "the event is another than the manifest says, and is not taken")
        return
    if as_text(listed.get("timestamp")) not in {"", as_text(event.get("timestamp"))}:
        yield Rejected(place, "X022", "the event has another timestamp than in the manifest; it is taken")
    if hashes is not None and not _digests(event) <= hashes.get(name, set()):
        yield Rejected(place, "X022", f"{HASHES} lacks values of the event; it is taken")
    tagged = {**event, "Tag": [*as_maps(event.get("Tag")), *as_maps(listed.get("Tag"))]}
    yield from read_event(tagged, place, terms)


def _load(folder: Path, name: str) -> Mapping[str, Any] | str:
    """Return an event of a feed, or why there is none. The name is that of a file only if it is a UUID."""
    try:
        if str(UUID(name)) != name.lower():
            return "the name of the event is no UUID"
        path = folder / f"{name}.json"
        if path.stat().st_size > _EVENT_BYTES:
            return f"the event is larger than {_EVENT_BYTES >> 20} MiB"
        found = list(events(msgspec.json.decode(path.read_bytes())))
    except OSError as error:
        return f"the event cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return f"the event cannot be read: {str(error)[:100]}"
    return found[0] if len(found) == 1 else "the file holds no event, or more than one"


def write_feed(items: Iterable[Incoming], folder: Path, publisher: Publisher) -> list[Rejected]:
    """Write objects as a feed into a folder that is new or empty; return what has no place in it.

    Raises: OutputError O001.
    """
    lost: list[Rejected] = []
    manifest: dict[str, Json] = {}
    lines: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError("O001", f"{folder} is not empty", hint="give a folder that is new or empty")
        for event in as_events(items, publisher):
            if isinstance(event, Rejected):
                lost.append(event)
                continue
            (folder / f"{event['uuid']}.json").write_bytes(msgspec.json.encode({"Event": event}))
            manifest[event["uuid"]] = {name: event[name] for name in _LISTED}
            lines += [f"{digest},{event['uuid']}\n" for digest in sorted(_digests(event))]
        (folder / HASHES).write_text("".join(lines))
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError("O001", f"{folder}: cannot be written: {error.strerror}", hint="check rights and space") from error
    return lost


_LISTED: Final = ("Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp")


def _digests(event: Mapping[str, Any]) -> set[str]:
    """Return the MD5 of every value of an event, and of each part of one that is composite, as MISP looks them up."""
    held = [*as_maps(event.get("Attribute"))]
    held += [item for holder in as_maps(event.get("Object")) for item in as_maps(holder.get("Attribute"))]
    found: set[str] = set()
    for attribute in held:
        value = as_text(attribute.get("value"))
        parts = value.split("|") if "|" in as_text(attribute.get("type")) else [value]
        found |= {hashlib.md5(part.encode(), usedforsecurity=False).hexdigest() for part in parts}
    return found


__all__ = ["HASHES", "MANIFEST", "is_feed", "read_feed", "write_feed"]
