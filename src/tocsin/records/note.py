"""Signed notes: a text and signatures below it, as peers of any make exchange them. Nothing is signed or verified here.

Source: C2SP, signed-note v1.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import Final

from tocsin.errors import RecordError

LONGEST: Final = 1 << 16
"""The largest note, in characters."""

_DASH: Final = "\u2014 "
_KEY_ID_BYTES: Final = 4
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_NO_NAME: Final = re.compile(r"[\s+\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a note: the name and id of its key, and its bytes."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        """Return the line without its end."""
        return f"{_DASH}{self.name} {encode64(self.key_id + self.value)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends with its last line, and its signatures in their order."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        """Return the note as it is exchanged."""
        return f"{self.text}\n" + "".join(f"{signature}\n" for signature in self.signatures)

    def with_signature(self, signature: Signature) -> Note:
        """Return the note with one more signature, which takes the place of an earlier one of the same key."""
        kept = tuple(item for item in self.signatures if (item.name, item.key_id) != (signature.name, signature.key_id))
        return replace(self, signatures=(*kept, signature))


def parse_note(content: str) -> Note:
    """Return the note that a text holds. Raises: RecordError L006 when it is none."""
    text, blank, below = content.rpartition("\n\n")
    if not blank or not text or len(content) > LONGEST or _CONTROL.search(content):
        raise RecordError("L006", "this is no signed note: a text, an empty line, and signatures")
    return Note(text + "\n", parse_signatures(below))


def parse_signatures(content: str) -> tuple[Signature, ...]:
    """Return the signatures of lines such as a witness answers. Raises: RecordError L006."""
    if not content.endswith("\n"):
        raise RecordError("L006", "the last signature of the note is cut off")
    return tuple(map(_signature, content[:-1].split("\n")))


def _signature(line: str) -> Signature:
    name, _, value = line.removeprefix(_DASH).partition(" ")
    try:
        data = decode64(value)
    except ValueError:
        data = b""
    if not line.startswith(_DASH) or not is_key_name(name) or len(data) <= _KEY_ID_BYTES:
        raise RecordError("L006", f"a line of the note is no signature: {line!r:.100}")
    return Signature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def is_key_name(name: str) -> bool:
    """Return whether a key can have this name."""
    return bool(name) and not _NO_NAME.search(name)


def encode64(data: bytes) -> str:
    """Return bytes as base64 of RFC 4648, section 4."""
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes:
    """Return what base64 says, in the one form that says it. Raises: ValueError."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("no base64") from error
    if encode64(data) != text:
        raise ValueError("base64 with bits left over")
    return data


__all__ = ["LONGEST", "Note", "Signature", "decode64", "encode64", "is_key_name", "parse_note", "parse_signatures"]
