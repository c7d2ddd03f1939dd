"""Where the JSON kernel finds fields: one table of paths for all shapes that it reads, made from their layouts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tocsin.events import Gate
from tocsin.kernels.json import (
    FIELDS,
    NO_AT,
    NOT_NULL,
    OBJECT_ONLY,
    REFUSE,
    STRICT,
    TELLS_CHANNEL,
    TELLS_EVENT_ID,
    TEXT_ONLY,
    PathTable,
)
from tocsin.rules.windows_channels import SPACELESS, SYSMON_LINUX
from tocsin.sources.json import FOREIGN
from tocsin.sources.json_layouts import FlatLayout, Layout, NestedLayout, Path
from tocsin.sources.json_shapes import FLAT_NAMES, WRAPPERS

LAYOUTS: Final = ("flat", "flat with spaces", "nested", "nested with spaces")
"""The shapes; "with spaces": the name of some field has a space, which matters for most channels."""
_FLAT: Final = 0
_NESTED: Final = 2
_GATE: Final = ("Channel", "EventID")
_REFUSED: Final[frozenset[Path]] = frozenset(
    {
        *((key,) for key in (*FOREIGN, *WRAPPERS)),
        *(("Event", key) for key in ("UserData", "ProcessingErrorData")),
        *(("Event", "EventData", key) for key in _GATE),
    }
)
"""Keys of other shapes, and data that hides what tells the gate: only the slow reader knows what they mean."""
_DATA: Final[Path] = ("Event", "EventData", "Data")
"""Elements with names make fields of any name; a reader of none of them must know that they are there."""
_TELLS: Final[dict[Path, int]] = {
    ("Channel",): TELLS_CHANNEL,
    ("EventID",): TELLS_EVENT_ID,
    ("Event", "System", "Channel"): TELLS_CHANNEL,
    ("Event", "System", "EventID"): TELLS_EVENT_ID,
}
_ALTERNATES: Final = frozenset((name,) for names in FLAT_NAMES.values() for name in names)
"""Other names of a field, which count only when they are not null."""


@dataclass
class JsonPaths:
    """Numbers the paths at which the given fields may stand; `table` is what the kernel reads."""

    table: PathTable = field(default_factory=PathTable)
    numbers: dict[Path, int] = field(default_factory=dict)
    _wanted: frozenset[str] = frozenset()
    _containers: dict[Path, int] = field(default_factory=lambda: {(): 0})
    _layouts: tuple[Layout, Layout] = field(default_factory=lambda: (FlatLayout(), NestedLayout()))

    @classmethod
    def of(cls, fields: Iterable[str]) -> JsonPaths:
        """Make the table for all fields that rules may read."""
        paths = cls()
        paths._containers |= {
            ("Event",): paths.table.container(0, _NESTED),
            ("Event", "System"): paths.table.container(NO_AT, _NESTED),
            ("Event", "EventData"): paths.table.container(FIELDS, _NESTED),
        }
        paths._wanted = frozenset((*fields, *_GATE))
        found = {path for name in paths._wanted for layout in paths._layouts for path in layout.paths(name) or ()}
        paths._add(sorted(found - _REFUSED, key=lambda path: (len(path), path)))
        return paths

    def _add(self, leaves: list[Path]) -> None:
        """Give each path a number, and each object on the way a container."""
        self.numbers = {path: number for number, path in enumerate(leaves)}
        inner = {path[:cut] for path in leaves for cut in range(1, len(path))} | set(self._containers) - {()}
        for path in sorted(inner, key=lambda path: (len(path), path)):
            if path not in self._containers:
                flags = NO_AT if path[-1].endswith("attributes") else NO_AT | STRICT
                self._containers[path] = self.table.container(flags, _NESTED, self._beside(path))
        for path in sorted({*leaves, *inner, *_REFUSED, _DATA}, key=lambda path: (len(path), path)):
            self._add_key(path)

    def _beside(self, path: Path) -> int:
        """Return the container of the same attributes in the other style, of which the later one counts; -1 when none."""
        return self._containers.get((*path[:-2], f"{path[-2]}_attributes"), -1) if path[-1] == "#attributes" else -1

    def _add_key(self, path: Path) -> None:
        name, inner = self.numbers.get(path, -1), self._containers.get(path, -1)
        flags = REFUSE if path in _REFUSED else 0
        flags |= OBJECT_ONLY if inner >= 0 and name < 0 else 0
        flags |= NOT_NULL if path in _ALTERNATES or path in (("Event",), ("Event", "System")) else 0
        flags |= TEXT_ONLY if path == _DATA else 0
        tells = _TELLS.get(path, 0)
        self.table.add(self._containers[path[:-1]], path[-1], name, inner, flags | tells)
        if path[:2] == ("Event", "System") and len(path) == 3 and inner >= 0 and not path[2].endswith("_attributes"):
            self.table.add(inner, "#text", name, flags=NOT_NULL | tells)  # a null here is one, unlike one of the whole element

    def names(self, layout: int, field_name: str) -> tuple[int, ...] | None:
        """Return the numbers of a field's paths in a layout, in order; None when only the slow reader can tell.

        Only the slow reader can tell of a field that the table was not made for.
        """
        paths = self._layouts[layout // 2].paths(field_name) if field_name in self._wanted else None
        return None if paths is None else tuple([self.numbers[path] for path in paths if path in self.numbers])

    def system_names(self, layout: int, field_name: str) -> tuple[int, ...]:
        """Return the numbers of a System field's paths alone, which data of the same name does not hide."""
        numbers = self.names(layout, field_name) or ()
        hidden = self.numbers.get(("Event", "EventData", field_name))
        return tuple([number for number in numbers if number != hidden])

    def gate_names(self, layout: int) -> tuple[int, int]:
        """Return the numbers of the paths of channel and event id."""
        prefix: Path = ("Event", "System") if layout >= _NESTED else ()
        return self.numbers[*prefix, "Channel"], self.numbers[*prefix, "EventID"]


def gate_of(layout: int, channel: str, event_id: str) -> Gate | None:
    """Return the gate of a Windows event; None when only the slow reader can tell it."""
    if not channel or not event_id or channel.startswith("\0") or event_id.startswith("\0"):
        return None
    if layout % 2 and channel not in SPACELESS:
        return None
    return Gate("linux" if channel == SYSMON_LINUX else "windows", channel, event_id)


__all__ = ["LAYOUTS", "JsonPaths", "gate_of"]
