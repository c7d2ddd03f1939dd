"""DNP3 in captures: the logs `dnp3`, `dnp3_control` and `dnp3_objects`, with the names that Zeek and ICSNPP use.

A request and its response make one event of `dnp3`, with the time and packet of the request; what was not answered has no
`fc_reply`. Beyond ICSNPP, `dnp3_objects` has the objects of every function, and tells files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from tocsin.sources.capture_dnp3_names import FUNCTIONS, OBJECTS, OPERATIONS, STATUSES, TRIPS
from tocsin.sources.capture_frames import (
    Frame,
    Made,
    Origin,
    all_numbers,
    all_texts,
    first_number,
    first_text,
    flag,
    nodes,
    number_of,
    present,
    walk,
)

_PENDING: Final = 4096
_REPLIES: Final = 0x81
_CONFIRM: Final = 0x00
_NO_REPLY: Final = frozenset((0x06, 0x08, 0x0A, 0x0C, 0x21))
_UNSOLICITED: Final = 0x82
_CONTROLS: Final = {0x0C01: "Control Relay Output Block", 0x0C02: "Pattern Control Block"}
_FILE_MODES: Final = {0: "Null", 1: "Read", 2: "Write", 3: "Append"}
_INDEXES: Final = ("dnp3.al.index", "dnp3.al.point_index")


class Dnp3:
    """Makes events of DNP3, and holds requests until their responses come."""

    layer = "dnp3"

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[str, str, str, int], tuple[Origin, dict[str, Any]]] = OrderedDict()

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet, which may hold several messages; a fragment that is not the last holds none."""
        for layer in nodes(frame.layers.get("dnp3")):
            for message in layer.values():
                for part in nodes(message):
                    if isinstance(part.get("dnp3.al.func"), str):
                        yield from self._message(frame, layer, part)

    def flush(self) -> Iterator[Made]:
        """Yield what was never answered."""
        while self._waiting:
            yield self._unanswered()

    def _unanswered(self) -> Made:
        _, (origin, fields) = self._waiting.popitem(last=False)
        return Made("dnp3", origin, fields)

    def _message(self, frame: Frame, layer: dict[str, Any], message: dict[str, Any]) -> Iterator[Made]:
        code = first_number(message, "dnp3.al.func")
        if code is None:
            return
        name = FUNCTIONS.get(code, f"unknown-{code:x}")
        yield from self._exchange(frame, layer, message, code, name)
        for header in message.values():
            for part in nodes(header):
                numbers, trees = all_numbers({"_": part.get("dnp3.al.obj")}, "_"), nodes(part.get("dnp3.al.obj_tree"))
                for kind, tree in zip_longest(numbers, trees, fillvalue=None):
                    if kind is not None:
                        yield from _object(frame, name, kind, tree or {})

    def _exchange(self, frame: Frame, layer: dict[str, Any], message: dict[str, Any], code: int, name: str) -> Iterator[Made]:
        """Yield the event of `dnp3` that this message completes."""
        stations = {key: first_text(layer, f"dnp3.{key}") or "" for key in ("src", "dst")}
        number = first_number(message, "dnp3.al.seq") or 0
        own = present(source_address=number_of(stations["src"]), destination_address=number_of(stations["dst"]))
        if code < _REPLIES:
            fields = {"fc_request": name} | own
            if code == _CONFIRM or code in _NO_REPLY:
                yield Made("dnp3", frame.origin, fields)
                return
            key = (frame.flow, stations["src"], stations["dst"], number)
            if key in self._waiting:
                yield Made("dnp3", *self._waiting.pop(key))
            self._waiting[key] = (frame.origin, fields)
            if len(self._waiting) > _PENDING:
                yield self._unanswered()
            return
        reply = present(fc_reply=name, iin=first_number(message, "dnp3.al.iin"))
        asked = self._waiting.pop((frame.flow, stations["dst"], stations["src"], number), None)
        if asked is None or code == _UNSOLICITED:
            if asked is not None:
                yield Made("dnp3", *asked)
            yield Made("dnp3", frame.origin, reply | own)
        else:
            yield Made("dnp3", asked[0], asked[1] | reply)


def _object(frame: Frame, function: str, kind: int, tree: dict[str, Any]) -> Iterator[Made]:
    name = OBJECTS.get(kind, f"unknown-0x{kind:04x}")
    low, high = first_number(tree, "dnp3.al.range.start"), first_number(tree, "dnp3.al.range.stop")
    count = first_number(tree, "dnp3.al.range.quantity")
    if count is None and low is not None and high is not None:
        count = high - low + 1
    fields = present(function_code=function, object_type=name, object_count=count, range_low=low, range_high=high)
    yield Made("dnp3_objects", frame.origin, fields | _file(tree))
    if kind not in _CONTROLS:
        return
    for point in _points(tree):
        trip, operation = first_number(point, "dnp3.ctl.trip"), first_number(point, "dnp3.ctl.op")
        status = first_number(point, "dnp3.al.ctrlstatus") if not frame.is_orig else None
        yield Made(
            "dnp3_control",
            frame.origin,
            present(
                block_type=_CONTROLS[kind],
                function_code=function,
                index_number=next((found for key in _INDEXES if (found := first_number(point, key)) is not None), None),
                trip_control_code=None if trip is None else TRIPS.get(trip, f"unknown-{trip:x}"),
                operation_type=None if operation is None else OPERATIONS.get(operation, f"unknown-{operation:x}"),
                clear_bit=flag(point, "dnp3.ctl.clr"),
                execute_count=first_number(point, "dnp3.al.count"),
                on_time=first_number(point, "dnp3.al.on_time"),
                off_time=first_number(point, "dnp3.al.off_time"),
                status_code=None if status is None else STATUSES.get(status, f"unknown-{status:x}"),
            ),
        )


def _points(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the subtrees of the points that are controlled."""
    return [part for value in tree.values() for part in nodes(value) if any(key == "dnp3.ctl.op" for key, _ in walk(part))]


def _file(tree: dict[str, Any]) -> dict[str, Any]:
    """Return what an object tells of a file."""
    mode = first_number(tree, "dnp3.al.file.mode")
    names = all_texts(tree, "dnp3.al.file_name") or all_texts(tree, "dnp3.al.file.name")
    return present(
        file_name=names[0] if names else None,
        file_mode=None if mode is None else _FILE_MODES.get(mode, f"unknown-{mode}"),
        file_size=first_number(tree, "dnp3.al.file.size"),
        file_handle=first_text(tree, "dnp3.al.file.handle"),
        file_status=first_number(tree, "dnp3.al.file.status"),
        file_block=first_number(tree, "dnp3.al.file.blocknum"),
        file_data=first_text(tree, "dnp3.al.file.data"),
    )


__all__ = ["Dnp3"]
