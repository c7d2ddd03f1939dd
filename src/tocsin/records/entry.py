"""What the record holds: one entry for each decision and release, in one canonical form of bytes.

The bytes are JSON by RFC 8785 (JCS): keys sorted, no white space, UTF-8. They hold every key, also the empty ones. An entry
names organisations and objects and holds nothing of their content, since what is in the record cannot be taken out. `salt`
keeps who sees only the hash of an entry, as a neighbour in a proof, from guessing what it says.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from tocsin.errors import RecordError
from tocsin.records.tree import leaf_hash

VERSION: Final = 1
LONGEST_BYTES: Final = 16 << 20
"""The largest entry, in its canonical form."""

_JSON: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_SALT: Final = re.compile("[0-9a-f]{32}")
_NAME: Final = re.compile("[a-z][a-z0-9_]*")
_TEXTS: Final = ("kind", "organisation", "rule", "rulebook", "salt", "time")
_KEYS: Final = frozenset({"detail", "objects", "purposes", "v", *_TEXTS})


class Kind(StrEnum):
    """What an entry is about."""

    RELEASE = "release"
    """Objects were given to a caller."""
    READ = "read"
    """Restricted objects were read on the node itself, such as by its operator."""
    DECISION = "decision"
    REFUSAL = "refusal"
    WRITE = "write"
    """Objects were taken from a caller."""
    RULE_CHANGE = "rule-change"
    APPROVAL = "approval"
    WITHDRAWAL = "withdrawal"
    TOKEN = "token"  # noqa: S105 - a kind of entry
    PEER = "peer"
    """A peer's checkpoint was seen, or contradicts one that was."""


_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Reference:
    """An object by its id, and the SHA-256 of the bytes that were given, in hexadecimal."""

    id: str
    sha256: str

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.sha256):
            raise RecordError("L010", f"the digest of {self.id!r} is no SHA-256 in hexadecimal")


def new_salt() -> str:
    """Return 16 random bytes in hexadecimal."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: `time_us` in microseconds of UTC since 1970, `rulebook` the SHA-256 of the rulebook in force.

    Raises: RecordError L010 when it has no canonical form.
    """

    time_us: int
    kind: Kind
    organisation: str
    purposes: tuple[str, ...] = ()
    objects: tuple[Reference, ...] = ()
    rule: str = ""
    rulebook: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)
    salt: str = field(default_factory=new_salt)

    def __post_init__(self) -> None:
        if self.rulebook and not _DIGEST.fullmatch(self.rulebook):
            raise RecordError("L010", f"the digest {self.rulebook!r} of the rulebook is no SHA-256 in hexadecimal")
        if not _SALT.fullmatch(self.salt):
            raise RecordError("L010", f"the salt {self.salt!r} is not 16 bytes in hexadecimal")
        wrong = next((name for name in self.detail if not _NAME.fullmatch(name)), None)
        if wrong is not None:
            raise RecordError("L010", f"{wrong!r} cannot name a detail", hint="use small letters, digits and _")

    def __hash__(self) -> int:
        return hash((self.time_us, self.salt))


def encode(entry: Entry) -> bytes:
    """Return the canonical form. Pure. Raises: RecordError L010 when a text is no Unicode, or there is too much."""
    value = {
        "detail": dict(entry.detail),
        "kind": entry.kind.value,
        "objects": [{"id": item.id, "sha256": item.sha256} for item in entry.objects],
        "organisation": entry.organisation,
        "purposes": list(entry.purposes),
        "rule": entry.rule,
        "rulebook": entry.rulebook,
        "salt": entry.salt,
        "time": time_text(entry.time_us),
        "v": VERSION,
    }
    try:
        data = canonical(value)
    except UnicodeEncodeError as error:
        raise RecordError("L010", f"a text of the entry is no Unicode: {error.object!r:.80}") from error
    if len(data) > LONGEST_BYTES:
        hint = "record a release of many objects as several entries"
        raise RecordError("L010", f"the entry has {len(data):,} bytes, more than {LONGEST_BYTES:,}", hint=hint)
    return data


def decode(data: bytes) -> Entry:
    """Return the entry that canonical bytes say. Raises: RecordError L001 when they are not in canonical form."""
    return read_entry(read_canonical(data, "the entry"))


def read_canonical(data: bytes, what: str) -> object:
    """Return the value that JSON in canonical form says. Raises: RecordError L001 when it is in another form, or none."""
    try:
        value = json.loads(data)
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise RecordError("L001", f"{what} is no JSON in canonical form: {error}") from error
    if not same:
        raise RecordError("L001", f"{what} is not in canonical form")
    return value


def read_entry(value: object) -> Entry:
    """Return the entry that a value of JSON says, which is then its canonical form. Raises: RecordError L001."""
    if not isinstance(value, dict) or value.keys() != _KEYS:
        raise RecordError("L001", f"an entry has the keys {', '.join(sorted(_KEYS))}, and no others")
    if type(value["v"]) is not int or value["v"] != VERSION:
        raise RecordError("L001", f"the entry has version {value['v']!r:.40}, and only {VERSION} is known")
    if not all(isinstance(value[key], str) for key in _TEXTS):
        raise RecordError("L001", f"one of {', '.join(_TEXTS)} of the entry is no text")
    if value["kind"] not in _KINDS:
        raise RecordError("L001", f"the kind {value['kind']!r:.80} of the entry is unknown")
    try:
        return Entry(
            time_us=read_time(value["time"]),
            kind=Kind(value["kind"]),
            organisation=value["organisation"],
            purposes=_texts(value["purposes"]),
            objects=_references(value["objects"]),
            rule=value["rule"],
            rulebook=value["rulebook"],
            detail=_detail(value["detail"]),
            salt=value["salt"],
        )
    except RecordError as error:
        raise RecordError("L001", error.message) from error


def canonical(value: object) -> bytes:
    """Return texts, whole numbers, lists and maps with ASCII keys in the form of RFC 8785.

    Raises: UnicodeEncodeError on a lone surrogate.
    """
    return _JSON.encode(value).encode()


def entry_hash(entry: Entry) -> bytes:
    """Return the hash of the entry as a leaf of the tree."""
    return leaf_hash(encode(entry))


def time_text(time_us: int) -> str:
    """Return a time as RFC 3339 in UTC, always with six digits after the second. Raises: RecordError L010."""
    try:
        time = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError as error:
        raise RecordError("L010", f"the time {time_us} is none of the years 1 to 9999") from error
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_time(text: str) -> int:
    """Return the microseconds since 1970 that `time_text` writes so, and in no other way. Raises: RecordError L001."""
    try:
        time = datetime.fromisoformat(text)
        time_us = (time - _EPOCH) // timedelta(microseconds=1)
        same = time.isoformat(timespec="microseconds").replace("+00:00", "Z") == text
    except (ValueError, TypeError, OverflowError):
        same = False
    if not same:
        raise RecordError("L001", f"{text!r:.60} is no time in UTC with six digits after the second")
    return time_us


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecordError("L001", "the purposes of the entry are no list of texts")
    return tuple(value)


def _references(value: object) -> tuple[Reference, ...]:
    if not isinstance(value, list):
        raise RecordError("L001", "the objects of the entry are no list")
    found = []
    for item in value:
        if not isinstance(item, dict) or item.keys() != {"id", "sha256"} or not all(map(_is_text, item.values())):
            raise RecordError("L001", "an object of the entry is no id with a sha256")
        found.append(Reference(item["id"], item["sha256"]))
    return tuple(found)


def _detail(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(map(_is_text, value.values())):
        raise RecordError("L001", "the detail of the entry is no map of texts")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str)


__all__ = [
    "LONGEST_BYTES",
    "VERSION",
    "Entry",
    "Kind",
    "Reference",
    "canonical",
    "decode",
    "encode",
    "entry_hash",
    "new_salt",
    "read_canonical",
    "read_entry",
    "read_time",
    "time_text",
]
