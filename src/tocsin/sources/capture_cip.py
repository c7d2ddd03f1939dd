"""EtherNet/IP and CIP in captures: the logs `enip`, `cip` and `cip_identity`, with the names that ICSNPP uses.

A message that carries others (Multiple Service Packet, Unconnected Send) makes an event for itself and one for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from tocsin.sources.capture_cip_names import CLASSES, COMMANDS, ENIP_STATUSES, MANAGER_SERVICES, SERVICES, STATUSES
from tocsin.sources.capture_frames import (
    Frame,
    Made,
    all_numbers,
    first_number,
    first_text,
    nodes,
    number_of,
    present,
    walk,
)

_RESPONSE: Final = 0x80
_MANAGER: Final = 0x06
_PATH: Final = "Request Path"
_PARTS: Final = frozenset(("cip.class", "cip.instance", "cip.attribute", "cip.member"))


class Cip:
    """Makes events of EtherNet/IP and CIP."""

    layer = "enip"

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet, which may hold several messages."""
        headers, bodies = nodes(frame.layers.get("enip")), nodes(frame.layers.get("cip"))
        for header in headers:
            yield from _header(frame, header)
            yield from _identity(frame, header)
        counts = [number for header in headers for number in all_numbers(header, "cip.seq")]
        for count, body in zip_longest(counts[: len(bodies)], bodies, fillvalue=None):
            if body is not None:
                yield from _messages(frame, body, count)
        for manager in nodes(frame.layers.get("cipcm")):
            yield from _messages(frame, manager, None)

    def flush(self) -> Iterator[Made]:
        """Yield nothing: no event waits for another packet."""
        yield from ()


def _header(frame: Frame, header: dict[str, Any]) -> Iterator[Made]:
    code = first_number(header, "enip.command")
    if code is None:
        return
    status = first_number(header, "enip.status")
    context = first_text(header, "enip.context")
    yield Made(
        "enip",
        frame.origin,
        present(
            enip_command_code=f"0x{code:02x}",
            enip_command=COMMANDS.get(code, "unknown"),
            length=first_number(header, "enip.length"),
            session_handle=first_text(header, "enip.session"),
            enip_status=None if status is None else ENIP_STATUSES.get(status, f"Unknown ENIP Status-0x{status:02x}"),
            sender_context=None if context is None else "0x" + context.replace(":", ""),
            options=first_text(header, "enip.options"),
        ),
    )


def _messages(frame: Frame, tree: dict[str, Any], count: int | None) -> Iterator[Made]:
    """Yield the events of all messages in a tree, the outer before the inner."""
    for _, item in walk(tree):
        if isinstance(item, dict) and isinstance(item.get("cip.service"), str):
            yield from _message(frame, item, count)


def _message(frame: Frame, message: dict[str, Any], count: int | None) -> Iterator[Made]:
    code = first_number(message, "cip.service")
    if code is None:
        return
    is_response = bool(code & _RESPONSE)
    path = _path(message)
    service = code & ~_RESPONSE
    fields = {
        "direction": "response" if is_response else "request",
        "cip_service_code": f"0x{service:02x}",
        "cip_service": _service(service, path.get("class")),
    }
    if is_response:
        status = next((found for key, item in message.items() if key.startswith("Status") for found in nodes(item)), {})
        number = first_number(status, "cip.genstat")
        if number is not None:
            fields["cip_status_code"] = f"0x{number:02x}"
            fields["cip_status"] = STATUSES.get(number, f"Unknown CIP Status-0x{number:02x}")
        extended = all_numbers(status, "cip.addstat")
        if extended:
            fields["cip_extended_status_code"] = f"0x{extended[0]:04x}"
    else:
        fields |= _path_fields(path)
        whole = "/".join(f"{name}:0x{number:02x}" for name, number in _segments(message))
        fields |= present(request_path=whole or None, symbol=first_text(message, "cip.symbol"))
    yield Made("cip", frame.origin, present(cip_sequence_count=count) | fields)


def _service(code: int, class_id: int | None) -> str:
    if class_id == _MANAGER and code in MANAGER_SERVICES:
        return MANAGER_SERVICES[code]
    return SERVICES.get(code, "unknown")


def _path(message: dict[str, Any]) -> dict[str, int]:
    """Return class, instance and attribute of the request path; of several, the last, as ICSNPP does."""
    return dict(_segments(message))


def _segments(message: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the segments of the request path with their numbers."""
    paths = [item for key, item in message.items() if key.startswith(_PATH)]
    for name, value in walk(paths):
        if name in _PARTS and isinstance(value, str) and (number := number_of(value)) is not None:
            yield name.removeprefix("cip."), number


def _path_fields(path: dict[str, int]) -> dict[str, str]:
    fields = {}
    if "class" in path:
        fields["class_id"] = f"0x{path['class']:02x}"
        fields["class_name"] = CLASSES.get(path["class"], "unknown")
    if "instance" in path:
        fields["instance_id"] = f"0x{path['instance']:02x}"
    if "attribute" in path:
        fields["attribute_id"] = f"0x{path['attribute']:02x}"
    return fields


def _identity(frame: Frame, header: dict[str, Any]) -> Iterator[Made]:
    """Yield who answers to List Identity."""
    name = first_text(header, "enip.lir.name")
    if name is None:
        return
    vendor = first_number(header, "enip.lir.vendor")
    revision = first_number(header, "enip.lir.revision")
    yield Made(
        "cip_identity",
        frame.origin,
        present(
            encapsulation_version=first_number(header, "enip.encapver"),
            socket_address=first_text(header, "enip.sinaddr"),
            socket_port=first_number(header, "enip.sinport"),
            vendor_id=vendor,
            device_type_id=first_number(header, "enip.lir.devtype"),
            product_code=first_number(header, "enip.lir.prodcode"),
            revision=None if revision is None else f"{revision & 0xFF}.{revision >> 8}",
            device_status=first_text(header, "enip.lir.status"),
            serial_number=first_text(header, "enip.lir.serial"),
            product_name=name,
            device_state=first_text(header, "enip.lir.state"),
        ),
    )


__all__ = ["Cip"]
