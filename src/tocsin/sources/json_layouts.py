"""Where the fields of an event lie in the JSON shapes that carry most evidence, and decoders that read only those.

A layout gives each Sigma field the paths at which its shape writes it, in the order in which the slow reader looks. A decoder
is made for each set of fields; whatever it does not understand exactly goes to the slow reader (`json_shapes`), which decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.events import HOST, KEYWORDS, TIME, Demand, Event, Gate, cell_column
from tocsin.events.values import encode, encode_texts
from tocsin.sources.interface import EVENTS
from tocsin.sources.json_shapes import FLAT_NAMES, json_event, plain
from tocsin.sources.json_text import load_object
from tocsin.sources.screen import KeywordScreen
from tocsin.sources.zeek_logs import DOTTED

Path = tuple[str, ...]
Raw = bytes | memoryview | str
_MOST_DOTS: Final = 4
Never = Literal["\0no value has this text"]
"""The type of a key that must not be there: any value of it fails, which leads to the slow reader."""
_WHOLE: Final = {int, type(None)}
_Scalar = str | int | float | bool | None


class Layout(Protocol):
    """One JSON shape."""

    @property
    def elements(self) -> bool:
        """Tell whether its objects are XML elements with text and attributes."""
        ...

    @property
    def lists(self) -> bool:
        """Tell whether a path may go through a list of objects."""
        ...

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return the paths of a field, the first that is present counts; None when only the slow reader can tell."""
        ...

    def closed(self, field: str) -> dict[Path, Any]:
        """Return paths at which the field might stand too, and what may be there so that it does not."""
        ...


class FlatLayout:
    """One object, Sigma's names as keys (nxlog, OTRF)."""

    elements = False
    lists = False

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return the key itself, then the other names that flat writers use."""
        if "." in field:
            return None
        if field == TIME:
            return (("TimeCreated_SystemTime",), ("TimeCreated",), *((name,) for name in FLAT_NAMES["TimeCreated"]))
        if field == HOST:
            return (("Computer",), *((name,) for name in FLAT_NAMES["Computer"]))
        return ((field,), *((name,) for name in FLAT_NAMES.get(field, ())))

    def closed(self, field: str) -> dict[Path, Any]:
        """Return nothing."""
        return {}


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
    lists = False

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return EventData's path, then System's."""
        if "." in field or field.endswith("_attributes"):
            return None
        if field == TIME:
            return tuple(self._system("TimeCreated_SystemTime"))
        if field == HOST:
            return tuple(self._system("Computer"))
        system = self._system(field) if field.partition("_")[0] in _SYSTEM else ()
        return (("Event", "EventData", field), *system)

    def closed(self, field: str) -> dict[Path, Any]:
        """Return nothing."""
        return {}

    def _system(self, field: str) -> list[Path]:
        element, _, attribute = field.partition("_")
        if not attribute:
            return [("Event", "System", field)]
        return [
            ("Event", "System", element, "#attributes", attribute),
            ("Event", "System", f"{element}_attributes", attribute),
        ]


class EveLayout:
    """Suricata's EVE: objects in objects, whose keys make the name of a field, joined with dots."""

    elements = False
    lists = True

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return the path through the objects."""
        return None if field in (TIME, HOST) or field.count(".") > _MOST_DOTS else (tuple(field.split(".")),)

    def closed(self, field: str) -> dict[Path, Any]:
        """Close all keys that have dots themselves."""
        found = [path for path in _spellings(field) if "." in "".join(path)]
        return {path[: next(at for at, key in enumerate(path, 1) if "." in key)]: Never for path in found}


class ZeekLayout:
    """Rows of Zeek's logs: one object, Zeek's names as keys, with dots or with `_` for them."""

    elements = False
    lists = False

    def paths(self, field: str) -> tuple[Path, ...] | None:
        """Return the name itself, then as writers without dots have it."""
        if field in (TIME, HOST) or field in DOTTED or field.count(".") > _MOST_DOTS:
            return None
        name = field.replace(".", "_")
        return ((field,), (name,)) if DOTTED.get(name) == field else ((field,),)

    def closed(self, field: str) -> dict[Path, Any]:
        """Close objects that would hold the field."""
        return {path[:1]: _Scalar for path in _spellings(field) if len(path) > 1}


def _spellings(field: str) -> list[Path]:
    """Return the paths that a name with dots may mean (semantics 21)."""
    parts = field.split(".")
    found: list[Path] = [(field,)]
    for cut in range(1, len(parts)):
        found += [(".".join(parts[:cut]), *rest) for rest in _spellings(".".join(parts[cut:]))]
    return found


class _Node:
    """A tree of paths, from which nested structures are defined."""

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.exact = False
        self.kind: Any = object

    def close(self, path: Path, kind: Any) -> None:
        """Let only values of a kind stand at a path."""
        if path:
            self.children.setdefault(path[0], _Node()).close(path[1:], kind)
        else:
            self.kind = kind

    def add(self, path: Path, exact: bool) -> None:
        """Add a path; at an exact one null is told from absent."""
        if path:
            self.children.setdefault(path[0], _Node()).add(path[1:], exact)
        self.exact |= exact

    def define(self, name: str, lists: bool = False) -> type[msgspec.Struct]:
        """Return the structure; a missing inner object is one in which everything is absent.

        `lists`: the innermost objects may also come as a list of such.
        """
        fields: list[Any] = []
        renames: dict[str, str] = {}
        for at, (key, child) in enumerate(self.children.items()):
            attribute = f"f{at}"
            renames[attribute] = key
            if child.children:
                inner = child.define(f"{name}_{at}", lists)
                many = lists and not any(below.children for below in child.children.values())
                fields.append((attribute, inner | list[inner] | None if many else inner | None, inner()))  # type: ignore[valid-type]
            else:
                fields.append((attribute, child.kind, msgspec.UNSET if child.exact else None))
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
        self._exact = {
            field: bool(presence) or len(found) > 1 or (layout.lists and len(found[0]) > 1)
            for field, found in self._paths.items()
            if found
        }
        tree = _Node()
        closed: dict[Path, Any] = {}
        for field, found in self._paths.items():
            closed |= layout.closed(field) if found else {}
            for path in found:
                tree.add(path, self._exact[field])
        self.exact = self.exact and not _clashes({*closed, *(path for found in self._paths.values() for path in found)})
        for path, kind in closed.items():
            tree.close(path, kind)
        self._root = tree.define("Record", layout.lists)
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
            column = column or values_column(values, self._exact[field], self._elements)
            if column.null_count < len(rows):
                columns[field] = column
        return columns


def _clashes(paths: set[Path]) -> bool:
    return any(path[:cut] in paths for path in paths for cut in range(1, len(path)))


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
    try:
        return [getattr(row, leaf) for row in rows]
    except AttributeError:  # some are lists
        return [_of_list(row, leaf) if type(row) is list else getattr(row, leaf) for row in rows]


def _of_list(rows: list[Any], leaf: str) -> Any:
    """Return what the objects of a list have under a name; a list of which none has it is one without the field."""
    found = [value for row in rows if (value := getattr(row, leaf)) is not msgspec.UNSET]
    return found or msgspec.UNSET


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
        whole = set(map(type, values)) <= _WHOLE
        column = (
            pa.array(values, pa.int64()).cast(pa.string()) if whole else pa.array(values, pa.string())
        ).dictionary_encode()
        special = pc.any(pc.starts_with(column.dictionary, "\0")).as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        special = True
    return cell_column([None if value is None else _cell(value, elements) for value in values]) if special else column


def _cell(value: Any, elements: bool) -> str | None:
    if value is msgspec.UNSET:
        return None
    return encode(plain(value) if elements and isinstance(value, dict) else value)


class LayoutDecoder:
    """Raw JSON of events in one layout; `own_record`: an event's record is its EventRecordID, not its line."""

    def __init__(self, layout: Layout, own_record: bool = False) -> None:
        self._layout = layout
        self._own_record = own_record
        self._decoders: dict[Demand, FieldDecoder] = {}
        self._screens: dict[tuple[str, ...], KeywordScreen] = {}

    @property
    def tells_hosts(self) -> bool:
        """Tell whether the column of hosts, and that of times where it has one, say what the whole event would."""
        return self._layout.paths(HOST) is not None

    @property
    def own_record(self) -> bool:
        """Tell whether an event's record is its EventRecordID."""
        return self._own_record

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


FLAT: Final = LayoutDecoder(FlatLayout())
"""The decoder of flat JSON."""
NESTED: Final = LayoutDecoder(NestedLayout())
"""The decoder of `Event.System` and `EventData`."""
EVTX: Final = LayoutDecoder(NestedLayout(), own_record=True)
"""The decoder of what the EVTX library writes."""
EVE: Final = LayoutDecoder(EveLayout())
"""The decoder of Suricata's EVE."""
ZEEK_ROWS: Final = LayoutDecoder(ZeekLayout())
"""The decoder of Zeek's logs as JSON."""


__all__ = ["EVE", "EVTX", "FLAT", "NESTED", "ZEEK_ROWS", "FieldDecoder", "LayoutDecoder", "Never", "values_column"]
