"""Modbus in captures, with the logs and names that Zeek and ICSNPP use.

The logs are `modbus`, `modbus_detailed`, `modbus_mask_write_register`, `modbus_read_write_multiple_registers` and
`modbus_read_device_identification`. A request and its response make one event of `modbus_detailed`, with the time and packet
of the request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from tocsin.sources.capture_frames import (
    Frame,
    Made,
    Origin,
    all_numbers,
    first_number,
    first_text,
    nodes,
    present,
    walk,
)

_PENDING: Final = 4096
_FUNCTIONS: Final = {
    0x01: "READ_COILS",
    0x02: "READ_DISCRETE_INPUTS",
    0x03: "READ_HOLDING_REGISTERS",
    0x04: "READ_INPUT_REGISTERS",
    0x05: "WRITE_SINGLE_COIL",
    0x06: "WRITE_SINGLE_REGISTER",
    0x07: "READ_EXCEPTION_STATUS",
    0x08: "DIAGNOSTICS",
    0x09: "PROGRAM_484",
    0x0A: "POLL_484",
    0x0B: "GET_COMM_EVENT_COUNTER",
    0x0C: "GET_COMM_EVENT_LOG",
    0x0D: "PROGRAM_584_984",
    0x0E: "POLL_584_984",
    0x0F: "WRITE_MULTIPLE_COILS",
    0x10: "WRITE_MULTIPLE_REGISTERS",
    0x11: "REPORT_SLAVE_ID",
    0x12: "PROGRAM_884_U84",
    0x13: "RESET_COMM_LINK_884_U84",
    0x14: "READ_FILE_RECORD",
    0x15: "WRITE_FILE_RECORD",
    0x16: "MASK_WRITE_REGISTER",
    0x17: "READ_WRITE_MULTIPLE_REGISTERS",
    0x18: "READ_FIFO_QUEUE",
    0x28: "PROGRAM_CONCEPT",
    0x29: "MULTIPLE_FUNCTION_CODES",
    0x2B: "ENCAP_INTERFACE_TRANSPORT",
    0x5A: "PROGRAM_UNITY",
    0x5B: "OBJECT_MESSAGING",
    0x7D: "FIRMWARE_REPLACEMENT",
    0x7E: "PROGRAM_584_984_2",
    0x7F: "REPORT_LOCAL_ADDRESS",
}
_EXCEPTIONS: Final = {
    0x01: "ILLEGAL_FUNCTION",
    0x02: "ILLEGAL_DATA_ADDRESS",
    0x03: "ILLEGAL_DATA_VALUE",
    0x04: "SLAVE_DEVICE_FAILURE",
    0x05: "ACKNOWLEDGE",
    0x06: "SLAVE_DEVICE_BUSY",
    0x08: "MEMORY_PARITY_ERROR",
    0x0A: "GATEWAY_PATH_UNAVAILABLE",
    0x0B: "GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND",
}
_DIAGNOSTICS: Final = {
    0x00: "Return Query Data",
    0x01: "Restart Communications Option",
    0x02: "Return Diagnostic Register",
    0x03: "Change ASCII Input Delimiter",
    0x04: "Force Listen Only Mode",
    0x0A: "Clear Counters and Diagnostic Register",
    0x0B: "Return Bus Message Count",
    0x0C: "Return Bus Communication Error Count",
    0x0D: "Return Bus Exception Error Count",
    0x0E: "Return Server Message Count",
    0x0F: "Return Server No Response Count",
    0x10: "Return Server NAK Count",
    0x11: "Return Server Busy Count",
    0x12: "Return Bus Character Overrun Count",
    0x14: "Clear Overrun Counter and Flag",
}
_MEI_TYPES: Final = {0x0D: "CANopen General Reference", 0x0E: "Read Device Identification"}
_OBJECTS: Final = {
    0: "VendorName",
    1: "ProductCode",
    2: "MajorMinorRevision",
    3: "VendorUrl",
    4: "ProductName",
    5: "ModelName",
    6: "UserApplicationName",
}
_WRITE_COIL: Final = 0x05
_WRITE_COILS: Final = 0x0F
_SINGLE: Final = frozenset((_WRITE_COIL, 0x06))
_MASK_WRITE: Final = 0x16
_READ_WRITE: Final = 0x17
_ENCAPSULATED: Final = 0x2B
_COIL_ON: Final = 0xFF00


class Modbus:
    """Makes events of Modbus, and holds requests until their responses come."""

    layer = "modbus"

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[str, int, int, int], tuple[Origin, dict[str, Any]]] = OrderedDict()

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet, which may hold several messages."""
        headers = nodes(frame.layers.get("mbtcp")) or nodes(frame.layers.get("mbudp"))
        bodies = nodes(frame.layers.get("modbus"))
        for header, body in zip_longest(headers[: len(bodies)], bodies):
            yield from self._message(frame, header or {}, body or {})

    def flush(self) -> Iterator[Made]:
        """Yield what was never answered."""
        while self._waiting:
            yield self._unanswered()

    def _unanswered(self) -> Made:
        _, (origin, fields) = self._waiting.popitem(last=False)
        return Made("modbus_detailed", origin, {**fields, "matched": False})

    def _message(self, frame: Frame, header: dict[str, Any], body: dict[str, Any]) -> Iterator[Made]:
        tid = first_number(header, "mbtcp.trans_id") or 0
        unit = first_number(header, "mbtcp.unit_id") or 0
        code = (first_number(body, "modbus.func_code") or 0) & 0x7F
        name = _FUNCTIONS.get(code, f"unknown-{code}")
        failed = first_number(body, "modbus.exception_code")
        exception = None if failed is None else _EXCEPTIONS.get(failed, f"unknown-{failed}")
        common = {"tid": tid, "unit": unit, "func": name}
        kind = "REQ" if frame.is_orig else "RESP"
        func = name if exception is None else f"{name}_EXCEPTION"
        own = {"tid": tid, "unit": unit, "func": func, "pdu_type": kind}
        yield Made("modbus", frame.origin, own | present(exception=exception))
        yield from self._special(frame, common, code, body)
        key = (frame.flow, tid, unit, code)
        if frame.is_orig:
            if key in self._waiting:
                origin, fields = self._waiting.pop(key)
                yield Made("modbus_detailed", origin, {**fields, "matched": False})
            self._waiting[key] = (frame.origin, common | _request(code, body))
            if len(self._waiting) > _PENDING:
                yield self._unanswered()
            return
        answer = _response(code, body) | present(exception_code=exception)
        asked = self._waiting.pop(key, None)
        if asked is None:
            yield Made("modbus_detailed", frame.origin, common | answer | {"matched": False})
        else:
            yield Made("modbus_detailed", asked[0], {**answer, **asked[1], "matched": True})

    def _special(self, frame: Frame, common: dict[str, Any], code: int, body: dict[str, Any]) -> Iterator[Made]:
        """Yield the event of a function that has a log of its own."""
        side = {"request_response": "REQUEST" if frame.is_orig else "RESPONSE"}
        if code == _MASK_WRITE and (mask := first_number(body, "modbus.and_mask")) is not None:
            fields = present(
                address=first_number(body, "modbus.reference_num"),
                and_mask=mask,
                or_mask=first_number(body, "modbus.or_mask"),
            )
            yield Made("modbus_mask_write_register", frame.origin, common | side | fields)
        elif code == _READ_WRITE:
            fields = _read_write(frame.is_orig, body)
            yield Made("modbus_read_write_multiple_registers", frame.origin, common | side | fields)
        elif code == _ENCAPSULATED and first_number(body, "modbus.mei") == 0x0E:
            for fields in _identification(body):
                yield Made("modbus_read_device_identification", frame.origin, common | side | fields)


def _request(code: int, body: dict[str, Any]) -> dict[str, Any]:
    values = _values(code, body)
    quantity = first_number(body, "modbus.bit_cnt")
    quantity = first_number(body, "modbus.word_cnt") if quantity is None else quantity
    diagnostic = first_number(body, "modbus.diagnostic_code")
    return present(
        address=_address(body),
        quantity=1 if code in _SINGLE else quantity,
        request_values=values or None,
        request_subfunction_code=_diagnostic(diagnostic),
        request_data=_data(code, body, values),
        mei_type=_mei_type(body),
    )


def _response(code: int, body: dict[str, Any]) -> dict[str, Any]:
    values = _values(code, body)
    diagnostic = first_number(body, "modbus.diagnostic_code")
    return present(
        address=_address(body),
        response_values=values or None,
        response_subfunction_code=_diagnostic(diagnostic),
        response_data=_data(code, body, values),
        mei_type=_mei_type(body),
    )


def _address(body: dict[str, Any]) -> int | None:
    found = first_number(body, "modbus.reference_num")
    return first_number(body, "modbus.reference_num_32") if found is None else found


def _diagnostic(code: int | None) -> str | None:
    return None if code is None else _DIAGNOSTICS.get(code, f"unknown-{code}")


def _mei_type(body: dict[str, Any]) -> str | None:
    mei = first_number(body, "modbus.mei")
    return None if mei is None else _MEI_TYPES.get(mei, f"unknown-{mei}")


def _values(code: int, body: dict[str, Any]) -> list[int]:
    """Return the values of coils and registers, from the data where tshark does not tell them apart."""
    found = all_numbers(body, "modbus.regval_uint16") or all_numbers(body, "modbus.bitval")
    if found or code not in (*_SINGLE, _WRITE_COILS, _READ_WRITE):
        return found
    try:
        data = bytes.fromhex((first_text(body, "modbus.data") or "").replace(":", ""))
    except ValueError:
        return []
    if code == _WRITE_COILS:
        bits = [byte >> at & 1 for byte in data for at in range(8)]
        return bits[: first_number(body, "modbus.bit_cnt") or 0]
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]
    return [int(word == _COIL_ON) for word in words] if code == _WRITE_COIL else words


def _data(code: int, body: dict[str, Any], values: list[int]) -> str | None:
    """Return what else the message holds, in hexadecimal digits."""
    if code in _SINGLE or values:
        return None
    return first_text(body, "modbus.data")


def _read_write(is_orig: bool, body: dict[str, Any]) -> dict[str, Any]:
    registers = _values(_READ_WRITE, body)
    if not is_orig:
        return present(read_registers=registers or None)
    return present(
        write_start_address=first_number(body, "modbus.write_reference_num"),
        write_registers=registers or None,
        read_start_address=first_number(body, "modbus.read_reference_num"),
        read_quantity=first_number(body, "modbus.read_word_cnt"),
    )


def _identification(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a device's identification; a request has none, and is one event all the same."""
    common = present(
        mei_type="READ-DEVICE-IDENTIFICATION",
        conformity_level_code=first_text(body, "modbus.conformity_level"),
        device_id_code=first_number(body, "modbus.read_device_id"),
    )
    identifier = None
    found = False
    for key, value in walk(body):
        if key == "modbus.object_id" and isinstance(value, str):
            identifier = first_number({key: value}, key)
        elif key == "modbus.object_str_value" and isinstance(value, str) and identifier is not None:
            found = True
            name = _OBJECTS.get(identifier, f"unknown-{identifier}")
            yield common | {"object_id_code": f"0x{identifier:02x}", "object_id": name, "object_value": value}
    if not found:
        yield common


__all__ = ["Modbus"]
