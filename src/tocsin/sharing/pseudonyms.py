"""Names that stand for organisations: the same for one recipient in one month, and without relation to any other."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

KEY_BYTES: Final = 32
_UUID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Makes names with a secret key of 32 bytes: HMAC-SHA256 of recipient, month and organisation."""

    key: bytes

    def identity(self, organisation: str, recipient: str, day: date) -> str:
        """Return the id of a STIX identity that stands for an organisation, for a recipient in the month of a day."""
        text = "\0".join(("identity", recipient, f"{day:%Y-%m}", organisation))
        made = hmac.digest(self.key, text.encode(), "sha256")[:_UUID_BYTES]
        return f"identity--{UUID(bytes=made, version=4)}"


__all__ = ["KEY_BYTES", "Pseudonyms"]
