"""An entry of a tuning file, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tocsin.sites.site import Network, WorkingHours

Kind = Literal["suppress", "level"]
KINDS: Final[tuple[Kind, ...]] = ("suppress", "level")


@dataclass(frozen=True, slots=True)
class TuningEntry:
    """Which findings are suppressed, or get a `level`; by whom, why and before which day (YYYY-MM-DD).

    Of each selector that is given one value must hold. `since` and `until` are RFC 3339 in UTC, empty when not given; `title`
    is the entry's own, else made from its place; `place` is where it stands in the file.
    """

    kind: Kind
    title: str
    place: str
    owner: str
    reason: str
    expires: str
    level: str = ""
    rules: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    since: str = ""
    until: str = ""
    daily: WorkingHours | None = None

    @property
    def needs_site(self) -> bool:
        """Tell whether it selects by what only a site file tells."""
        return bool(self.assets or self.zones)


__all__ = ["KINDS", "Kind", "TuningEntry"]
