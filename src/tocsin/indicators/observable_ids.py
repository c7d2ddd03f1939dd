"""What STIX 2.1 asks of the content of cyber observables, and the id that it derives from it.

Source: STIX 2.1, sections 2.9 (deterministic ids) and 6.17 (registry keys); RFC 8785.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")

_ROOTS: Final = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKU": "HKEY_USERS",
    "HKCU": "HKEY_CURRENT_USER",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCC": "HKEY_CURRENT_CONFIG",
}


def registry_key(key: str) -> str:
    """Return a key of the registry with its root written out."""
    root, separator, rest = key.partition("\\")
    return f"{_ROOTS.get(root.upper(), root)}{separator}{rest}"


def observable_id(kind: str, contributing: Mapping[str, object]) -> str:
    """Return the id of an observable from the properties that contribute to it."""
    return f"{kind}--{uuid5(_NAMESPACE, canonical(contributing))}"


def canonical(content: Mapping[str, object]) -> str:
    """Return content as canonical JSON (RFC 8785, for objects without fractions)."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


__all__ = ["canonical", "observable_id", "registry_key"]
