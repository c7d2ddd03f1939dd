"""Whether the packages that a node needs are installed: they are no part of what a scan needs."""

from __future__ import annotations

import importlib.util
from typing import Final

from tocsin.errors import NodeError

_NEEDED: Final = ("sqlalchemy", "starlette", "uvicorn", "cryptography", "joserfc", "deltalake", "httpcore")


def need_node() -> None:
    """Raise NodeError unless the packages that a node needs are installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NodeError("N009", f"a node needs {', '.join(missing)}", hint="install it with: pip install 'tocsin[node]'")


__all__ = ["need_node"]
