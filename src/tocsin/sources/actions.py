"""What firewalls, proxies and scanners call their decisions."""

from __future__ import annotations

from typing import Final

_BLOCKED: Final = frozenset(
    {
        "block",
        "blocked",
        "deny",
        "denied",
        "drop",
        "dropped",
        "reject",
        "rejected",
        "reset",
        "discard",
        "discarded",
        "prevent",
        "prevented",
        "close-block",
        "reset-both",
        "reset-client",
        "reset-server",
        "tcp-rst",
        "timeout-block",
    }
)
_ALLOWED: Final = frozenset(
    {
        "accept",
        "accepted",
        "allow",
        "allowed",
        "permit",
        "permitted",
        "pass",
        "passed",
        "forward",
        "forwarded",
        "built",
        "open",
        "opened",
        "ip-conn",
        "close",
    }
)


def blocked(action: str | None) -> str | None:
    """Return whether a decision keeps traffic out, as rules write it; None for any other word."""
    word = (action or "").strip().lower()
    return "true" if word in _BLOCKED else "false" if word in _ALLOWED else None


__all__ = ["blocked"]
