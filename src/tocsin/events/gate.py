"""Where an event comes from: the key by which rules are admitted to it."""

from __future__ import annotations

from typing import NamedTuple


class Gate(NamedTuple):
    """Product, channel and event id of an event; two events of one gate are seen by the same rules.

    For Windows: `windows`, the channel, the event id as text. For auditd: `linux`, `auditd`, the record type, or
    `process` for the joined view. For syslog: `linux`, `syslog`, the program. Unknown parts are empty. `masked`: the
    event's data has a field named EventID or Channel that hides System's from rules, though never from gating.
    """

    product: str
    channel: str
    event_id: str
    masked: bool = False

    @property
    def telemetry(self) -> str:
        """Return the name of the telemetry that a finding shows."""
        return f"{self.channel}:{self.event_id}" if self.event_id else self.channel or self.product


__all__ = ["Gate"]
