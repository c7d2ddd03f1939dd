"""Objects of a node in an envelope of TAXII: as they were received, and their markings beside them for who asks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.feeds.carried import PROPERTY, carried
from tocsin.feeds.interface import Terms
from tocsin.stores.interface import Row


def envelope(rows: Sequence[Row], known: Terms | None, before: Sequence[bytes] = ()) -> bytes:
    """Return an envelope (TAXII 2.1, section 3.7). `known` is what markings mean here; `before` are members as JSON. Pure."""
    parts = list(before)
    if rows and known is not None:
        parts.append(b'"%b":' % PROPERTY.encode() + msgspec.json.encode([carried(row.marks, known, row.parts) for row in rows]))
    if rows:
        parts.append(b'"objects":[' + b",".join(row.body for row in rows) + b"]")
    return b"{" + b",".join(parts) + b"}"


__all__ = ["envelope"]
