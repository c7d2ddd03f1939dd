"""S7comm in captures, with the logs and names that ICSNPP uses.

The logs are `cotp`, `s7comm`, `s7comm_upload_download`, `s7comm_read_szl` and `s7comm_plus`. tshark does not know S7comm-plus;
its header is read here, from the data that COTP carries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tocsin.sources import capture_s7comm_names as names
from tocsin.sources.capture_frames import Frame, Made, all_texts, first_number, first_text, nodes, number_of, present

_USER_DATA: Final = 0x07
_CONTROL: Final = 0x28
_TRANSFERS: Final = range(0x1A, 0x20)
_CPU_GROUP: Final = 0x04
_READ_SZL: Final = 0x01
_PARAMETER_ERROR: Final = "Parameter Error"
_KINDS: Final = {4: "Request", 8: "Response", 0: "Push"}
_METHODS: Final = {0x11: "Request", 0x12: "Response"}
_PLUS: Final = 0x72
_PLUS_DIGEST_VERSION: Final = 3
_PLUS_HEADER_BYTES: Final = 4
_NOTIFICATION: Final = 0x33


class S7comm:
    """Makes events of COTP and what Siemens controllers speak over it."""

    layer = "cotp"

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet, which may hold several messages."""
        for header in nodes(frame.layers.get("cotp")):
            code = first_number(header, "cotp.type")
            if code is not None:
                name = names.PDU_TYPES.get(code, f"Unknown COTP PDU-0x{code:02x}")
                tsaps = present(src_tsap=first_text(header, "cotp.src-tsap"), dst_tsap=first_text(header, "cotp.dst-tsap"))
                yield Made("cotp", frame.origin, {"pdu_code": f"0x{code:02x}", "pdu_name": name} | tsaps)
        for message in nodes(frame.layers.get("s7comm")):
            yield from _message(frame, message)
        if "cotp" in frame.layers:
            for text in all_texts(frame.layers.get("data"), "data.data"):
                yield from _plus(frame, text)

    def flush(self) -> Iterator[Made]:
        """Yield nothing: no event waits for another packet."""
        yield from ()


def _message(frame: Frame, message: dict[str, Any]) -> Iterator[Made]:
    kind = first_number(message, "s7comm.header.rosctr")
    if kind is None:
        return
    reference = first_number(message, "s7comm.header.pduref")
    rosctr = names.ROSCTR.get(kind, "unknown")
    common = present(rosctr_code=kind, rosctr_name=rosctr, pdu_reference=reference)
    if kind == _USER_DATA:
        yield Made("s7comm", frame.origin, common | _user_data(message))
        group, sub = _group(message)
        if group == _CPU_GROUP and sub == _READ_SZL:
            yield from _szl(frame, message, reference)
        return
    code = first_number(message, "s7comm.param.func")
    yield Made("s7comm", frame.origin, common | _function(message, code))
    if code is not None and code in _TRANSFERS:
        yield Made("s7comm_upload_download", frame.origin, _transfer(message, code, rosctr, reference))


def _group(message: dict[str, Any]) -> tuple[int | None, int | None]:
    group = first_number(message, "s7comm.param.userdata.funcgroup")
    return group, first_number(message, "s7comm.param.userdata.subfunc")


def _user_data(message: dict[str, Any]) -> dict[str, Any]:
    kind = first_number(message, "s7comm.param.userdata.type") or 0
    group, sub = _group(message)
    error = first_number(message, "s7comm.param.errcod")
    fields: dict[str, Any] = {}
    if group is not None:
        fields["function_code"] = f"0x{kind << 4 | group:02x}"
        fields["function_name"] = f"{_KINDS.get(kind, 'unknown')}: {names.GROUPS.get(group, 'unknown')}"
    if sub is not None:
        fields["subfunction_code"] = f"0x{sub:02x}"
        fields["subfunction_name"] = names.SUBFUNCTIONS.get(group or 0, {}).get(sub, "unknown")
    if error is not None:
        fields["error_class"] = _PARAMETER_ERROR if error else names.ERROR_CLASSES[0]
        fields["error_code"] = f"0x{error:02x}"
    return fields


def _function(message: dict[str, Any], code: int | None) -> dict[str, Any]:
    """Return the fields of a job or its acknowledgement; the sub-function of PLC control is the service's name."""
    fields: dict[str, Any] = {}
    if code is not None:
        fields |= {"function_code": f"0x{code:02x}", "function_name": names.FUNCTIONS.get(code, "unknown")}
    service = first_text(message, "s7comm.param.pistart.servicename") if code == _CONTROL else None
    if service:
        name = names.CONTROL_SERVICES.get(service, "unknown")
        fields |= {"subfunction_code": service, "subfunction_name": name}
        fields |= present(filename=first_text(message, "s7comm.param.blockcontrol.filename"))
    error_class = first_number(message, "s7comm.header.errcls")
    if error_class is not None:
        fields["error_class"] = names.ERROR_CLASSES.get(error_class, f"Unknown error class-0x{error_class:02x}")
        fields["error_code"] = f"0x{first_number(message, 's7comm.header.errcod') or 0:02x}"
    return fields | _items(message)


def _items(message: dict[str, Any]) -> dict[str, Any]:
    """Return the areas and data blocks that a job reads or writes, which ICSNPP does not tell."""
    areas = sorted(set(all_texts(message, "s7comm.param.item.area")))
    blocks = sorted({number for text in all_texts(message, "s7comm.param.item.db") if (number := number_of(text)) is not None})
    return present(areas=areas or None, db_numbers=blocks or None)


def _transfer(message: dict[str, Any], code: int, rosctr: str, reference: int | None) -> dict[str, Any]:
    """Return the fields of an upload or download; a download goes to the controller, an upload comes from it."""
    block = first_text(message, "s7comm.data.blockcontrol.block_type")
    target = first_text(message, "s7comm.data.blockcontrol.dest_filesys")
    length = first_text(message, "s7comm.param.blockcontrol.upl_lenstring")
    length = first_text(message, "s7comm.data.length") if length is None else length
    length = first_text(message, "s7comm.data.blockcontrol.loadmem_len") if length is None else length
    return present(
        rosctr=rosctr,
        pdu_reference=reference,
        function_name=names.FUNCTIONS[code],
        function_status=first_text(message, "s7comm.param.blockcontrol.functionstatus"),
        session_id=first_number(message, "s7comm.data.blockcontrol.uploadid"),
        blocklength=number_of(length),
        filename=first_text(message, "s7comm.param.blockcontrol.filename"),
        block_type=None if block is None else names.BLOCK_TYPES.get(block, "Unknown"),
        block_number=first_text(message, "s7comm.data.blockcontrol.block_number"),
        destination_filesystem=None if target is None else names.FILE_SYSTEMS.get(target, "Unknown"),
    )


def _szl(frame: Frame, message: dict[str, Any], reference: int | None) -> Iterator[Made]:
    code = first_number(message, "s7comm.data.userdata.szl_id")
    method = first_number(message, "s7comm.param.userdata.reqres1")
    result = first_number(message, "s7comm.data.returncode")
    if code is None:
        return
    yield Made(
        "s7comm_read_szl",
        frame.origin,
        present(
            pdu_reference=reference,
            method=None if method is None else _METHODS.get(method, "Unknown"),
            szl_id=f"0x{code:04x}",
            szl_id_name=names.SZL_IDS.get(code & 0xFF, "Unknown"),
            szl_index=first_text(message, "s7comm.data.userdata.szl_index"),
            return_code=None if result is None else f"0x{result:02x}",
            return_code_name=None if result is None else names.RETURN_CODES.get(result, "Unknown"),
        ),
    )


def _plus(frame: Frame, text: str) -> Iterator[Made]:
    """Read the header of S7comm-plus.

    It is 0x72, the version, a length of two bytes, in version 3 a digest with its length, the operation, two bytes, and the
    function.
    """
    try:
        data = bytes.fromhex(text.replace(":", "")[:128])
    except ValueError:
        return
    if len(data) <= _PLUS_HEADER_BYTES or data[0] != _PLUS:
        return
    version, at = data[1], _PLUS_HEADER_BYTES
    if version == _PLUS_DIGEST_VERSION:
        at += 1 + data[at]
    fields: dict[str, Any] = {"version": version}
    if at < len(data) and data[at] in names.PLUS_OPCODES:
        opcode = data[at]
        fields |= {"opcode": f"0x{opcode:02x}", "opcode_name": names.PLUS_OPCODES[opcode]}
        if opcode != _NOTIFICATION and at + 5 <= len(data):
            code = int.from_bytes(data[at + 3 : at + 5], "big")
            name = names.PLUS_FUNCTIONS.get(code, f"Unknown s7comm-plus function-0x{code:04x}")
            fields |= {"function_code": f"0x{code:04x}", "function_name": name}
    yield Made("s7comm_plus", frame.origin, fields)


__all__ = ["S7comm"]
