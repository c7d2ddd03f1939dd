"""Keys that sign checkpoints, Ed25519: the only file of the record that knows how to sign.

The public form is a line `name+id+key` (a "vkey"). One key serves two uses with different ids: a log signs its own checkpoints,
a witness cosigns those of others, over a message that begins otherwise.

Source: C2SP, signed-note v1 and tlog-cosignature v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tocsin.errors import RecordError
from tocsin.records.note import Signature, decode64, encode64, is_key_name

_KEY_BYTES: Final = 32
_TIME_BYTES: Final = 8
_COSIGNATURE: Final = "cosignature/v1\ntime {}\n{}"


class Use(IntEnum):
    """What a key signs, by the signature type of its id."""

    LOG = 1
    WITNESS = 4


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies; its name is that of the log or witness."""

    name: str
    raw: bytes
    use: Use = Use.LOG

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.raw) != _KEY_BYTES:
            raise RecordError("L009", f"{self.name!r:.80} with {len(self.raw)} bytes is no Ed25519 key")

    @property
    def id(self) -> bytes:
        """Return the four bytes by which signatures name the key."""
        return sha256(f"{self.name}\n".encode() + bytes([self.use]) + self.raw).digest()[:4]

    def __str__(self) -> str:
        """Return the key as one line, in the form in which it is published."""
        return f"{self.name}+{self.id.hex()}+{encode64(bytes([self.use]) + self.raw)}"

    def signed(self, signature: Signature) -> bool:
        """Return whether a signature says that it is of this key."""
        return (signature.name, signature.key_id) == (self.name, self.id)

    def verify(self, text: str, signature: Signature) -> bool:
        """Return whether a signature is of this key over the text of a note."""
        if not self.signed(signature):
            return False
        message, value = text, signature.value
        if self.use is Use.WITNESS:
            seconds = int.from_bytes(value[:_TIME_BYTES], "big")
            message, value = _COSIGNATURE.format(seconds, text), value[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(value, message.encode())
        except InvalidSignature:
            return False
        return True


def parse_key(line: str) -> PublicKey:
    """Return the key that a published line says. Raises: RecordError L009."""
    name, _, rest = line.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    try:
        data = decode64(encoded)
        key = PublicKey(name, data[1:], Use(data[0]))
    except (ValueError, IndexError) as error:
        raise _no_key(line) from error
    if key.id.hex() != stated:
        raise RecordError("L009", f"the key of {name} is damaged: its id is {key.id.hex()}, not {stated!r:.20}")
    return key


def cosigned_at(signature: Signature) -> int:
    """Return when a witness cosigned, in seconds since 1970, as its signature says."""
    return int.from_bytes(signature.value[:_TIME_BYTES], "big")


class Signer:
    """A private key with the name of its log. It signs and cosigns."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = key
        self.public(Use.LOG)

    @classmethod
    def new(cls, name: str) -> Self:
        """Return a signer with a new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Self:
        """Return the signer of a private key in PKCS #8, not encrypted. Raises: RecordError L009."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise RecordError("L009", f"the private key of {name} cannot be read: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise RecordError("L009", f"the private key of {name} is not of Ed25519")
        return cls(name, key)

    def pem(self) -> bytes:
        """Return the private key in PKCS #8, not encrypted."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def public(self, use: Use) -> PublicKey:
        """Return the key that verifies what this one signs for a use."""
        return PublicKey(self.name, self._key.public_key().public_bytes_raw(), use)

    def sign(self, text: str) -> Signature:
        """Return the signature of a log over a note's text."""
        return Signature(self.name, self.public(Use.LOG).id, self._key.sign(text.encode()))

    def cosign(self, text: str, seconds: int) -> Signature:
        """Return the cosignature of a witness over a checkpoint's text, at a time in seconds since 1970."""
        value = self._key.sign(_COSIGNATURE.format(seconds, text).encode())
        return Signature(self.name, self.public(Use.WITNESS).id, seconds.to_bytes(_TIME_BYTES, "big") + value)


def _no_key(line: str) -> RecordError:
    hint = "a public key is one line of name, id and key with + between them"
    return RecordError("L009", f"{line.strip()!r:.100} is no public key", hint=hint)


__all__ = ["PublicKey", "Signer", "Use", "cosigned_at", "parse_key"]
