"""Check a bundle without the node that made it, in one reading and bounded memory, and tell every problem with its place.

Nothing that a bundle says of itself is believed: the hashes of its entries are computed, the roots from these hashes, and the
checkpoints are verified with keys that are known from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

from tocsin.errors import RecordError, Where
from tocsin.records.bundle import VERSION
from tocsin.records.checkpoint import Checkpoint, Opened, forked, open_checkpoint
from tocsin.records.entry import LONGEST_BYTES, Entry, read_canonical, read_entry
from tocsin.records.keys import PublicKey, Use, parse_key
from tocsin.records.note import decode64
from tocsin.records.receipt import parse_proof
from tocsin.records.tree import HASH_BYTES, Frontier, Growing, leaf_hash, verify_consistency

LONGEST_LINE: Final = LONGEST_BYTES + 1024
MOST_CHECKPOINTS: Final = 100_000
MOST_KEYS: Final = 1_000
MOST_PROBLEMS: Final = 100

_STAGES: Final = ("bundle", "key", "checkpoint", "frontier", "consistency", "leaf", "end")
_ENTRY_AT: Final = len(b'{"leaf":{"entry":')
_RESIGNED: Final = "the bundle's own keys were used, and who changes a bundle can sign it anew"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known from elsewhere: keys of the log, keys of witnesses who all have to have cosigned, checkpoints once seen."""

    keys: tuple[PublicKey, ...] = ()
    witnesses: tuple[PublicKey, ...] = ()
    seen: tuple[Checkpoint, ...] = ()


@dataclass(slots=True)
class Verdict:
    """What a bundle holds and every problem of it, each with its place; `unlisted` counts those beyond the first hundred."""

    path: str
    origin: str = ""
    start: int = 0
    to: int = 0
    only: str = ""
    shown: int = 0
    withheld: int = 0
    checkpoints: int = 0
    last: Opened | None = None
    own_keys: list[str] = field(default_factory=list)
    problems: list[RecordError] = field(default_factory=list)
    unlisted: int = 0

    @property
    def sound(self) -> bool:
        """Return whether nothing stands against the bundle."""
        return not self.problems

    def add(self, error: RecordError, line: int) -> None:
        """Keep a problem of a line, or of the whole when the line is 0."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(error.at(Where(self.path, line)))
        else:
            self.unlisted += 1

    def check_witnesses(self, trust: Trust) -> None:
        """Keep as problems the witnesses who did not cosign the last checkpoint."""
        signers = self.last.signers if self.last else ()
        for witness in trust.witnesses:
            if witness not in signers:
                self.add(RecordError("L006", f"{witness.name} did not cosign the last checkpoint"), 0)


class _Expected(NamedTuple):
    """A root that the entries have to give at a size."""

    checkpoint: Checkpoint
    line: int
    """Its line in the bundle, or 0 when it is known from elsewhere."""


def verify_bundle(file: BinaryIO, path: str, trust: Trust, take: Callable[[int, Entry], None] | None = None) -> Verdict:
    """Return what stands in a bundle and against it; `take` is called with each entry that has its place, as it is read.

    Raises: RecordError L001 when the file is no bundle at all.
    """
    check = _Check(path, trust, take)
    check.read(file)
    return check.verdict


class _Check:
    """One reading of a bundle."""

    def __init__(self, path: str, trust: Trust, take: Callable[[int, Entry], None] | None) -> None:
        self.verdict = Verdict(path)
        self._trust = trust
        self._take = take
        self._stage = 0
        self._line = 0
        self._data = b""
        self._digest = sha256()
        self._opened: list[_Expected] = []
        self._linked: set[int] = set()
        self._expected: dict[int, list[_Expected]] = {}
        self._tree = Growing()
        self._next = 0
        self._agreed = 0
        self._comparing = True
        self._ended = False
        self._by_stage: Mapping[str, Callable[[object], None]] = {
            "key": self._key,
            "checkpoint": self._checkpoint,
            "frontier": self._frontier,
            "consistency": self._consistency,
            "leaf": self._leaf,
        }

    def read(self, file: BinaryIO) -> None:
        """Read all lines; a line that cannot be used is a problem, and the next one is read."""
        lines = self._lines(file)
        self._head(next(lines, b""))
        self._digest.update(self._data)
        for line in lines:
            try:
                self._one(line)
            except RecordError as error:
                self.verdict.add(error, self._line)
            self._digest.update(line)
        self._finish()

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        while data := file.readline(LONGEST_LINE + 1):
            self._line += 1
            self._data = data
            if len(data) > LONGEST_LINE:
                self.verdict.add(RecordError("L001", f"the line is longer than {LONGEST_LINE:,} bytes"), self._line)
                return
            yield data

    def _one(self, line: bytes) -> None:
        if self._ended:
            raise RecordError("L001", "there are lines after the end of the bundle")
        if not line.endswith(b"\n"):
            raise RecordError("L002", "the last line is cut off")
        value = read_canonical(line[:-1], "the line")
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in _STAGES[1:]:
            raise RecordError("L001", f"the line is none of {', '.join(_STAGES[1:])}")
        ((name, inner),) = value.items()
        stage = _STAGES.index(name)
        if stage < self._stage:
            raise RecordError("L004", f"a {name} cannot stand after a {_STAGES[self._stage]}")
        if stage >= _STAGES.index("leaf") > self._stage:
            self._begin()
        self._stage = stage
        if name == "end":
            self._end(inner)
        else:
            self._by_stage[name](inner)

    def _head(self, line: bytes) -> None:
        hint = "give a file that tocsin record export wrote, or a receipt"
        value = read_canonical(line[:-1], "the first line") if line.endswith(b"\n") else None
        head = value.get("bundle") if isinstance(value, dict) and len(value) == 1 else None
        if not isinstance(head, dict) or head.keys() != {"from", "only", "origin", "to", "v"}:
            raise RecordError("L001", "this is no bundle of a record", where=Where(self.verdict.path, 1), hint=hint)
        if type(head["v"]) is not int or head["v"] != VERSION:
            said = f"the bundle has version {head['v']!r:.40}, and only {VERSION} is known"
            raise RecordError("L001", said, where=Where(self.verdict.path, 1))
        if not _is_stretch(head["from"], head["to"]) or not all(isinstance(head[key], str) for key in ("only", "origin")):
            said = "the bundle does not say from where to where of which log it goes"
            raise RecordError("L001", said, where=Where(self.verdict.path, 1))
        verdict = self.verdict
        verdict.origin, verdict.only, verdict.start, verdict.to = head["origin"], head["only"], head["from"], head["to"]
        self._next = verdict.start

    def _key(self, value: object) -> None:
        if not isinstance(value, str) or len(self.verdict.own_keys) >= MOST_KEYS:
            raise RecordError("L009", f"this is no public key, or there are more than {MOST_KEYS:,}")
        parse_key(value)
        self.verdict.own_keys.append(value)

    def _keys(self) -> Sequence[PublicKey]:
        own = [] if self._trust.keys else [parse_key(text) for text in self.verdict.own_keys]
        return [*self._trust.keys, *self._trust.witnesses, *(key for key in own if key.use is Use.LOG)]

    def _checkpoint(self, value: object) -> None:
        if not isinstance(value, str):
            raise RecordError("L006", "the checkpoint is no text")
        if len(self._opened) >= MOST_CHECKPOINTS:
            raise RecordError("L001", f"there are more than {MOST_CHECKPOINTS:,} checkpoints")
        opened = open_checkpoint(value, self._keys())
        found = opened.checkpoint
        if found.origin != self.verdict.origin:
            raise RecordError(
                "L006", f"the checkpoint is of {found.origin!r:.100}, and the bundle of {self.verdict.origin!r:.100}"
            )
        before = self._opened[-1] if self._opened else None
        self._opened.append(_Expected(found, self._line))
        self.verdict.last = opened
        self.verdict.checkpoints += 1
        if before and before.checkpoint.size == found.size and before.checkpoint.root != found.root:
            raise forked(before.checkpoint, found)
        if before and before.checkpoint.size > found.size:
            raise RecordError("L004", f"the checkpoint at {found.size:,} stands after the one at {before.checkpoint.size:,}")

    def _frontier(self, value: object) -> None:
        if self._tree.size:
            raise RecordError("L004", "there are two frontiers")
        try:
            hashes = parse_proof(value if isinstance(value, list) else [""])
            self._tree = Growing(Frontier(self.verdict.start, hashes))
        except (ValueError, AttributeError) as error:
            self._comparing = False
            raise RecordError("L008", f"the frontier is not that of {self.verdict.start:,} entries") from error

    def _consistency(self, value: object) -> None:
        if (
            not isinstance(value, dict)
            or value.keys() != {"new", "old", "proof"}
            or not _is_stretch(value["old"], value["new"])
        ):
            raise RecordError("L008", "the proof of consistency has no old and new size")
        if not isinstance(value["proof"], list) or not all(isinstance(item, str) for item in value["proof"]):
            raise RecordError("L008", "the proof of consistency is no list of hashes")
        sizes = {item.checkpoint.size: item.checkpoint for item in self._opened}
        old, new = sizes.get(value["old"]), sizes.get(value["new"])
        if old is None or new is None:
            raise RecordError("L008", f"there is no checkpoint at {value['old']:,} or at {value['new']:,}")
        if not verify_consistency(old.size, new.size, old.root, new.root, parse_proof(value["proof"])):
            raise forked(old, new)
        self._linked.add(old.size)

    def _begin(self) -> None:
        """Do what has to come before the first leaf: gather the roots that the entries have to give."""
        verdict = self.verdict
        if verdict.start and self._stage < _STAGES.index("frontier"):
            self._comparing = False
            verdict.add(RecordError("L008", f"the frontier of {verdict.start:,} entries is missing"), self._line)
        elif self._comparing and self._tree.size != verdict.start:
            self._comparing = False
            verdict.add(RecordError("L008", f"there is no frontier, and the bundle begins at {verdict.start:,}"), self._line)
        for expected in [*(_Expected(item, 0) for item in self._trust.seen), *self._opened]:
            self._expect(expected)
        self._compare()

    def _expect(self, expected: _Expected) -> None:
        size, line, verdict = expected.checkpoint.size, expected.line, self.verdict
        if verdict.start <= size <= verdict.to:
            self._expected.setdefault(size, []).append(expected)
        elif line and size > verdict.to:
            verdict.add(
                RecordError("L005", f"the checkpoint is of {size:,} entries, and the bundle ends at {verdict.to:,}"), line
            )
        elif line and size and size not in self._linked:
            verdict.add(RecordError("L008", f"no proof shows that what follows continues the checkpoint at {size:,}"), line)
        elif not line:
            self._expect_outside(expected.checkpoint)

    def _expect_outside(self, seen: Checkpoint) -> None:
        """Compare a checkpoint known from elsewhere, of a size that lies outside, with one of the bundle of that size."""
        same = next((item.checkpoint for item in self._opened if item.checkpoint.size == seen.size), None)
        if same is None:
            said = f"the checkpoint that you have, at {seen.size:,}, cannot be compared"
            bounds = f"the bundle goes from {self.verdict.start:,} to {self.verdict.to:,}"
            self.verdict.add(RecordError("L012", f"{said}: {bounds}"), 0)
        elif same.root != seen.root:
            self.verdict.add(forked(seen, same), 0)

    def _leaf(self, value: object) -> None:
        if not isinstance(value, dict) or value.keys() - {"entry"} != {"hash", "seq"} or not _is_stretch(0, value["seq"]):
            raise RecordError("L001", "a leaf has a seq, a hash and perhaps an entry")
        seq = value["seq"]
        try:
            stated = decode64(value["hash"])
        except (ValueError, AttributeError):
            stated = b""
        if len(stated) != HASH_BYTES:
            self._comparing = False
            raise RecordError("L001", f"the hash of entry {seq:,} is no SHA-256 in base64")
        self._place(seq)
        if self._comparing:
            self._tree.append(stated)
            self._compare()
        if "entry" in value:
            self._entry(seq, stated, value)
        elif self.verdict.only:
            self.verdict.withheld += 1
        else:
            raise RecordError("L004", f"entry {seq:,} is withheld, and the bundle says that it shows all")

    def _place(self, seq: int) -> None:
        expected, self._next = self._next, max(self._next, seq + 1)
        if seq == expected and seq < self.verdict.to:
            return
        self._comparing = False
        if seq >= self.verdict.to:
            said = f"entry {seq:,} is beyond the end of the bundle at {self.verdict.to:,}"
        elif seq > expected:
            said = (
                f"entry {expected:,} is missing" if seq == expected + 1 else f"entries {expected:,} to {seq - 1:,} are missing"
            )
        else:
            said = f"entry {seq:,} is out of order: {expected:,} was expected"
        self.verdict.add(RecordError("L004", said, hint="the roots of what follows were not compared"), self._line)

    def _entry(self, seq: int, stated: bytes, value: dict[str, object]) -> None:
        data = self._data[_ENTRY_AT : -len(f',"hash":"{value["hash"]}","seq":{seq}}}}}\n')]  # the line is in canonical form
        if leaf_hash(data) != stated:
            raise RecordError("L003", f"entry {seq:,} does not have the hash beside it: one of them was changed")
        entry = read_entry(value["entry"])
        if self.verdict.only not in {"", entry.organisation}:
            raise RecordError("L004", f"entry {seq:,} is of {entry.organisation!r:.80}, and not of {self.verdict.only!r:.80}")
        self.verdict.shown += 1
        if self._take:
            self._take(seq, entry)

    def _compare(self) -> None:
        """Compare the root with every checkpoint of the size that is reached."""
        for checkpoint, line in self._expected.pop(self._tree.size, []) if self._comparing else []:
            if self._tree.root() == checkpoint.root:
                self._agreed = self._tree.size
                continue
            self._comparing = False
            ours = Checkpoint(checkpoint.origin, self._tree.size, self._tree.root())
            if not line:
                self.verdict.add(forked(checkpoint, ours), 0)
                continue
            between = f"entries {self._agreed:,} to {self._tree.size - 1:,}" if self._tree.size else "no entries"
            said = f"{between} do not give the root of the checkpoint at {checkpoint.size:,}"
            hint = "one of them was changed with its hash, or the history is forked; later roots were not compared"
            self.verdict.add(RecordError("L005", said, hint=hint), line)

    def _end(self, value: object) -> None:
        self._ended = True
        if value != {"lines": self._line - 1, "sha256": self._digest.hexdigest()}:
            raise RecordError("L002", "lines or bytes before the end are not those that were written")

    def _finish(self) -> None:
        """Say what is missing when everything was read."""
        verdict = self.verdict
        if not self._ended:
            verdict.add(RecordError("L002", "the file ends before the end of the bundle"), self._line)
        if self._stage < _STAGES.index("leaf"):
            self._begin()
        if self._next < verdict.to:
            verdict.add(RecordError("L004", f"entries {self._next:,} to {verdict.to - 1:,} are missing"), self._line)
        if not self._opened or self._opened[-1].checkpoint.size != verdict.to:
            verdict.add(RecordError("L006", f"no checkpoint of {verdict.to:,} entries is signed by a known key"), 0)
        verdict.check_witnesses(self._trust)
        if not self._trust.keys:
            hint = "ask the operator of the log for its public key, over another way than the bundle, and give it with --key"
            verdict.add(RecordError("L013", f"no key of the log was given: {_RESIGNED}", hint=hint), 0)


def _is_stretch(start: object, end: object) -> bool:
    """Return whether two values are whole numbers, in order."""
    return type(start) is int and type(end) is int and 0 <= start <= end


__all__ = ["MOST_PROBLEMS", "Trust", "Verdict", "verify_bundle"]
