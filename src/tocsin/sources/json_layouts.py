"""Where the fields of a Windows event lie in the JSON shapes that carry most evidence, and decoders that read only those.

A layout gives each Sigma field the paths at which its shape writes it, in the order in which the slow reader looks. A decoder
is made for each set of fields; whatever it does not understand exactly goes to the slow reader (`json_shapes`), which decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.events import KEYWORDS, TIME, Demand, Event, Gate, cell_column
from tocsin.events.values import encode, encode_texts
from tocsin.sources.interface import EVENTS
from tocsin.sources.json_shapes import FLAT_NAMES, json_event, plain
from tocsin.sources.json_text import load_object
from tocsin.sources.screen import KeywordScreen

Path = tuple[str, ...]
Raw = bytes | memoryview | str


class Layout(Protocol):
    """One JSON shape; `elements`: its objects are XML elements with text and attributes."""

    elements: bool

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return the paths of a field, the first that is present counts; None when only the slow reader can tell."""
        ...


class FlatLayout:
    """One object, Sigma's names as keys (nxlog, OTRF)."""

    elements = False

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return the key itself, then the other names that flat writers use."""
        if "." in field:
            return None
        if field == TIME:
            return (("TimeCreated",), *((name,) for name in FLAT_NAMES["TimeCreated"]))
        return ((field,), *((name,) for name in FLAT_NAMES.get(field, ())))


_SYSTEM: Final = frozenset(
    (
        "Provider",
        "EventID",
        "Version",
        "Level",
        "Task",
        "Opcode",
        "Keywords",
        "TimeCreated",
        "EventRecordID",
        "Correlation",
        "Execution",
        "Channel",
        "Computer",
        "Security",
    )
)


class NestedLayout:
    """`Event` with `System` and `EventData`, as the evtx library and evtx_dump write it."""

    elements = True

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return EventData's path, then System's."""
        if "." in field or field.endswith("_attributes"):
            return None
        if field == TIME:
            return tuple(self._system("TimeCreated_SystemTime"))
        system = self._system(field) if field.partition("_")[0] in _SYSTEM else ()
        return (("Event", "EventData", field), *system)

    def _system(self, field: str) -> list[Path]:
        element, _, attribute = field.partition("_")
        if not attribute:
            return [("Event", "System", field)]
        return [
            ("Event", "System", element, "#attributes", attribute),
            ("Event", "System", f"{element}_attributes", attribute),
        ]


class _Node:
    """A tree of paths, from which nested structures are defined."""

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.exact = False

    def add(self, path: Path, exact: bool) -> None:
        """Add a path; at an exact one null is told from absent."""
        if path:
            self.children.setdefault(path[0], _Node()).add(path[1:], exact)
        self.exact |= exact

    def define(self, name: str) -> type[msgspec.Struct]:
        """Return the structure; a missing inner object is one in which everything is absent."""
        fields: list[Any] = []
        renames: dict[str, str] = {}
        for at, (key, child) in enumerate(self.children.items()):
            attribute = f"f{at}"
            renames[attribute] = key
            if child.children:
                inner = child.define(f"{name}_{at}")
                fields.append((attribute, inner | None, inner()))
            else:
                fields.append((attribute, object, msgspec.UNSET if child.exact else None))
        strict = set(self.children) == {"#attributes"}
        return msgspec.defstruct(name, fields, rename=renames, gc=False, frozen=True, forbid_unknown_fields=strict)


@dataclass(frozen=True, slots=True)
class _Access:
    """How the values at a path are read from decoded structures."""

    steps: tuple[tuple[str, Any], ...]
    leaf: str


class FieldDecoder:
    """Reads the given fields from raw records of one layout."""

    def __init__(self, layout: Layout, fields: Sequence[str], presence: frozenset[str]) -> None:
        paths = {field: layout.paths(field) for field in fields}
        self.exact = all(found is not None for found in paths.values())
        self._paths = {field: found or () for field, found in paths.items()}
        tree = _Node()
        for found in self._paths.values():
            for path in found:
                tree.add(path, bool(presence) or len(found) > 1)
        self.exact = self.exact and not _clashes(self._paths)
        self._root = tree.define("Record")
        self._exact = {field: bool(presence) or len(found) > 1 for field, found in self._paths.items()}
        self._elements = layout.elements
        self._decode = msgspec.json.Decoder(self._root).decode
        self._access = {field: [self._find(path) for path in found] for field, found in self._paths.items()}

    def _find(self, path: Path) -> _Access:
        steps, node = [], self._root
        for key in path[:-1]:
            info = next(f for f in msgspec.structs.fields(node) if f.encode_name == key)
            steps.append((info.name, info.default))
            node = type(info.default)
        leaf = next(f for f in msgspec.structs.fields(node) if f.encode_name == path[-1])
        return _Access(tuple(steps), leaf.name)

    def read(self, raws: Sequence[Raw]) -> dict[str, pa.DictionaryArray]:
        """Return the columns. Raises: msgspec.DecodeError when a record does not fit."""
        decode = self._decode
        rows = [decode(raw) for raw in raws]
        levels: dict[tuple[str, ...], list[Any]] = {(): rows}
        columns = {}
        for field, accesses in self._access.items():
            values = _values(levels, accesses[0])
            column = _texts_column(values)
            for other in accesses[1:] if column is None else ():
                others = _values(levels, other)
                values = [b if a is msgspec.UNSET else a for a, b in zip(values, others, strict=True)]
            columns[field] = column or values_column(values, self._exact[field], self._elements)
        return columns


def _clashes(paths: dict[str, tuple[Path, ...]]) -> bool:
    every = {path for found in paths.values() for path in found}
    return any(path[:cut] in every for path in every for cut in range(1, len(path)))


def _values(levels: dict[tuple[str, ...], list[Any]], access: _Access) -> list[Any]:
    at: tuple[str, ...] = ()
    rows = levels[()]
    for name, empty in access.steps:
        below = (*at, name)
        if below not in levels:
            inner = [getattr(row, name) for row in rows]
            levels[below] = [empty if item is None else item for item in inner]
        at, rows = below, levels[below]
    leaf = access.leaf
    return [getattr(row, leaf) for row in rows]


def _texts_column(values: list[Any]) -> pa.DictionaryArray | None:
    """Return the column of values that are all texts, the common case; None when one of them is anything else."""
    try:
        column = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        return None
    if column.null_count:
        return None
    encoded = column.dictionary_encode()
    return None if pc.any(pc.starts_with(encoded.dictionary, "\0")).as_py() else encoded


def values_column(values: list[Any], exact: bool, elements: bool) -> pa.DictionaryArray:
    """Return the column of decoded JSON values; texts pass as they are.

    Nulls: UNSET is absent; None is null when `exact`, otherwise absent. `elements`: an object may be an XML element
    with its text and attributes.
    """
    if exact:
        if None in values:
            return cell_column([_cell(value, elements) for value in values])
        if msgspec.UNSET in values:
            values = [None if value is msgspec.UNSET else value for value in values]
    try:
        column = pa.array(values, pa.string()).dictionary_encode()
        special = pc.any(pc.starts_with(column.dictionary, "\0")).as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        special = True
    return cell_column([None if value is None else _cell(value, elements) for value in values]) if special else column


def _cell(value: Any, elements: bool) -> str | None:
    if value is msgspec.UNSET:
        return None
    return encode(plain(value) if elements and isinstance(value, dict) else value)


class WindowsDecoder:
    """Raw JSON of Windows events in one layout; `own_record`: an event's record is its EventRecordID, not its line."""

    def __init__(self, layout: Layout, own_record: bool = False) -> None:
        self._layout = layout
        self._own_record = own_record
        self._decoders: dict[Demand, FieldDecoder] = {}
        self._screens: dict[tuple[str, ...], KeywordScreen] = {}

    def columns(self, gate: Gate, raws: Sequence[Raw], demand: Demand) -> dict[str, pa.DictionaryArray]:
        """Return the columns of the demand; a batch that does not fit is read slowly, with the same result."""
        decoder = self._decoders.get(demand)
        if decoder is None:
            names = [name for name in demand.fields if name != KEYWORDS]
            decoder = self._decoders[demand] = FieldDecoder(self._layout, names, demand.presence)
        if not decoder.exact:
            return self._slow(raws, demand)
        try:
            columns = decoder.read(raws)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._slow(raws, demand)
        if KEYWORDS in demand.fields:
            columns[KEYWORDS] = self._keywords(raws, demand)
        return columns

    def _slow(self, raws: Sequence[Raw], demand: Demand) -> dict[str, pa.DictionaryArray]:
        return EVENTS.columns(Gate("", "", ""), [self._event(raw, 0) for raw in raws], demand)

    def _keywords(self, raws: Sequence[Raw], demand: Demand) -> pa.DictionaryArray:
        screen = self._screens.get(demand.screen)
        if screen is None:
            screen = self._screens[demand.screen] = KeywordScreen(demand.screen)
        wanted = screen.rows(raws)
        return cell_column(
            [encode_texts(self._event(raw, 0).values()) if row in wanted else None for row, raw in enumerate(raws)]
        )

    def event(self, gate: Gate, raw: Raw, number: int) -> Event:
        """Return the whole event."""
        text = raw.encode("utf-8", "replace") if isinstance(raw, str) else bytes(raw)
        return replace(self._event(text, number), json=_one_line(text))

    def _event(self, raw: Raw, number: int) -> Event:
        return json_event(load_object(raw), number, self._own_record)


def _one_line(text: bytes) -> bytes:
    """Return JSON that can stand in a line as it is; empty when it has line breaks or is no UTF-8."""
    text = text.strip()
    if b"\n" in text or b"\r" in text:
        return b""
    try:
        return text if text.isascii() or text.decode() else b""
    except UnicodeDecodeError:
        return b""


FLAT: Final = WindowsDecoder(FlatLayout())
"""The decoder of flat JSON."""
NESTED: Final = WindowsDecoder(NestedLayout())
"""The decoder of `Event.System` and `EventData`."""
EVTX: Final = WindowsDecoder(NestedLayout(), own_record=True)
"""The decoder of what the EVTX library writes."""


__all__ = ["EVTX", "FLAT", "NESTED", "FieldDecoder", "WindowsDecoder", "values_column"]
