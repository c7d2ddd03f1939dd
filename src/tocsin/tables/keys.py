"""The keys of tables: of one secret, one for each share, recipient and epoch, so that tokens join inside one share alone."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What changes values for one recipient of one share in one epoch."""

    token: bytes
    prefix: bytes

    @property
    def fingerprint(self) -> str:
        """Return what tells keys apart, and nothing of them."""
        return hmac.digest(self.token, b"fingerprint", "sha256").hex()


def derive_keys(secret: bytes, share: str, recipient: str, epoch: int) -> Keys:
    """Return the keys of a recipient of a share in an epoch, from the secret of the node. Source: RFC 2104."""
    return Keys(*(derive(secret, use, share, recipient, str(epoch)) for use in ("token", "prefix")))


def derive(secret: bytes, *parts: str) -> bytes:
    """Return 32 bytes that depend on a secret and on each of the parts."""
    message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return hmac.digest(secret, message, "sha256")


__all__ = ["KEY_BYTES", "Keys", "derive", "derive_keys"]
