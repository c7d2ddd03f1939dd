"""Findings in sorted runs on disk, merged into one order without holding them all.

An entry is ordered by time, path, part, record, rule id and its text, so that the order does not depend on which worker
found it when.
"""

from __future__ import annotations

import hashlib
import heapq
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec import UNSET, Struct

from tocsin.findings import Finding, FoundDecision, FoundLogsource, FoundRule
from tocsin.runs.batches import Origin

RUN_BYTES: Final = 8 << 20
"""Findings that a worker holds before it writes a run, in bytes."""
_FAN_IN: Final = 128
_LENGTH: Final = struct.Struct("<I")


class Entry(Struct, frozen=True, array_like=True, order=True):
    """One finding on its way: the sort key, and its JSON line in two halves around the record number.

    The halves are needed because the record of a part of a divided file is known only when the parts before it are read.
    """

    time: str
    path: str
    part: int
    record: int
    rule_id: str
    head: bytes
    tail: bytes
    unit: int
    level: str
    title: str
    host: str
    tags: tuple[str, ...]
    same: tuple[str, str, str, str]
    assets: tuple[str, ...] = ()
    new: str = ""
    """The key of the new thing that a check of the baseline found; empty for the finding of a rule."""
    by: int = -1
    """The number of the decision that suppresses the finding."""
    changed: int = -1
    """The number of the decision that gave the finding its level."""

    def line(self, base: int) -> bytes:
        """Return the JSON line; `base` is the number of records before this part."""
        return b"%b%d%b" % (self.head, base + self.record, self.tail)


_encode: Final = msgspec.json.Encoder().encode
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Entry).decode


def entry_of(
    finding: Finding, origin: Origin, channel: str, record_id: str, new: str = "", by: int = -1, changed: int = -1
) -> Entry:
    """Return the entry of a finding in an event of a channel. The line has `assets` and `decision` only where the finding has.

    `same` is what tells the same record read twice (semantics 26).
    """
    head = b'{"rule":%b,"time":%b,"host":%b,"logsource":%b,"telemetry":%b,"twin":%b' % (
        _encoded(finding.rule),
        _encode(finding.time),
        _encode(finding.host),
        _encoded(finding.logsource),
        _encode(finding.telemetry),
        b"true" if finding.twin else b"false",
    )
    source = b',"source":{"path":%b,"format":%b,"record":' % (_encoded(finding.source.path), _encode(finding.source.format))
    tail = b'},"event":%b,"matched":%b' % (_encode(finding.event), _encode(finding.matched))
    assets = finding.assets
    tail += b"" if assets is UNSET else b',"assets":%b' % _encode(assets)
    record_id = record_id or hashlib.blake2b(tail + b"}", digest_size=16).hexdigest()
    tail += b"}" if finding.decision is UNSET else b',"decision":%b}' % _encoded(finding.decision)
    rule = finding.rule
    return Entry(
        time=finding.time,
        path=finding.source.path,
        part=origin.part,
        record=finding.source.record,
        rule_id=rule.id or rule.path,
        head=head + source,
        tail=tail,
        unit=origin.unit,
        level=rule.level,
        title=rule.title,
        host=finding.host,
        tags=rule.tags,
        same=(rule.id or rule.path, finding.host, channel, record_id),
        assets=tuple(sorted({asset.label for asset in assets.values() if asset.name})) if assets else (),
        new=new,
        by=by,
        changed=changed,
    )


@lru_cache(maxsize=4096)
def _encoded(part: FoundRule | FoundLogsource | FoundDecision | str) -> bytes:
    """Return the JSON of a part that many findings share."""
    return _encode(part)


class Spool:
    """Collects entries and writes sorted runs into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._entries: list[Entry] = []
        self._size = 0
        self._written = 0
        self.count = 0

    def add(self, entry: Entry) -> None:
        """Take an entry."""
        self._entries.append(entry)
        self._size += len(entry.head) + len(entry.tail)
        self.count += 1

    @property
    def full(self) -> bool:
        """Tell whether a run should be written now."""
        return self._size >= RUN_BYTES

    def write(self) -> Path | None:
        """Write what is collected as one sorted run; return its path, or None when there is nothing."""
        if not self._entries:
            return None
        path = self._folder / f"{self._name}-{self._written:06d}.run"
        entries, self._entries, self._size = sorted(self._entries), [], 0
        self._written += 1
        with path.open("wb") as file:
            _write(file, entries)
        return path


def _write(file: BinaryIO, entries: Iterable[Entry]) -> None:
    for entry in entries:
        data = _pack(entry)
        file.write(_LENGTH.pack(len(data)))
        file.write(data)


def _read(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        while length := file.read(_LENGTH.size):
            yield _unpack(file.read(_LENGTH.unpack(length)[0]))


def merge(runs: Sequence[Path], folder: Path, repeated: frozenset[int] = frozenset()) -> Iterator[Entry]:
    """Yield the entries of all runs in order.

    Units in `repeated` were read twice because a worker died: their entries that occur twice are given once.
    """
    runs = list(runs)
    number = 0
    while len(runs) > _FAN_IN:
        joined = folder / f"merged-{number:06d}.run"
        with joined.open("wb") as file:
            _write(file, heapq.merge(*(_read(path) for path in runs[:_FAN_IN])))
        for path in runs[:_FAN_IN]:
            path.unlink()
        runs = [*runs[_FAN_IN:], joined]
        number += 1
    last: Entry | None = None
    for entry in heapq.merge(*(_read(path) for path in runs)):
        if entry.unit in repeated and entry == last:
            continue
        last = entry
        yield entry


def first_of_each(entries: Iterable[Entry], most: int, left_out: list[bool]) -> Iterator[Entry]:
    """Yield the entries, of those that show the same new thing only the first, and of new things no more than `most`.

    `left_out[0]` becomes true when there were more. Cost: remembers 16 bytes of each new thing.
    """
    seen: set[bytes] = set()
    for entry in entries:
        if entry.new:
            key = hashlib.blake2b(f"{entry.rule_id}\0{entry.new}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if key in seen:
                continue
            if len(seen) >= most:
                left_out[0] = True
                continue
            seen.add(key)
        yield entry


def without_duplicates(entries: Iterable[Entry], dropped: list[int]) -> Iterator[Entry]:
    """Yield one entry for the same record read twice; `dropped[0]` counts the others.

    Cost: remembers the findings of one time only, since entries come in order of time (semantics 26).
    """
    time: str | None = None
    seen: set[tuple[str, str, str, str]] = set()
    for entry in entries:
        if entry.time != time:
            time, seen = entry.time, set()
        if entry.same in seen:
            dropped[0] += 1
            continue
        seen.add(entry.same)
        yield entry


def record_bases(part_records: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Return, for each (file, part), how many records lie in the parts before it."""
    bases: dict[tuple[int, int], int] = {}
    before: dict[int, int] = {}
    for file, part in sorted(part_records):
        bases[(file, part)] = before.get(file, 0)
        before[file] = before.get(file, 0) + part_records[(file, part)]
    return bases


__all__ = ["RUN_BYTES", "Entry", "Spool", "entry_of", "first_of_each", "merge", "record_bases", "without_duplicates"]
