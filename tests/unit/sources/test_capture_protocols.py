"""Messages of industrial protocols in captures: several in one packet, divided over packets, and what each log tells."""

from __future__ import annotations

import struct

from capture_packets import CLIENT, SERVER, Tcp, modbus, needs_tshark, pcap, read_capture, told, udp
from tocsin.events import Event
from tocsin.sources.capture_iec104 import CAUSES, TYPES

pytestmark = needs_tshark


def exchanged(port: int, *payloads: tuple[int, bytes], client: int = 50000) -> list[Event]:
    """Return the events of a connection in which both sides send something, without a loss."""
    link = Tcp(port, client=(CLIENT, client))
    events, losses = read_capture(pcap([*link.opening(), *(link.segment(data, side) for side, data in payloads)]))
    assert not losses
    return events


def test_several_modbus_messages_in_one_segment_and_one_in_two() -> None:
    """Every message is an event, whether it shares a segment with others or is divided over two."""
    whole = b"".join(modbus(number, struct.pack(">BHH", 6, number, 100 + number)) for number in range(1, 4))
    events = exchanged(502, (0, whole + modbus(9, b"\x03\x00\x00\x00\x02")[:5]), (0, modbus(9, b"\x03\x00\x00\x00\x02")[5:]))
    assert [event["tid"] for event in told(events, "modbus")] == [1, 2, 3, 9]
    assert [event.get("request_values") for event in told(events, "modbus_detailed")] == [[101], [102], [103], None]
    assert {event["matched"] for event in told(events, "modbus_detailed")} == {False}


def test_modbus_requests_meet_their_responses() -> None:
    """A response is matched by connection, transaction, unit and function; an exception keeps the function's name."""
    events = exchanged(
        502,
        (0, modbus(1, b"\x10\x00\x05\x00\x02\x04\x00\x0a\x01\x02")),
        (0, modbus(2, b"\x03\x00\x00\x00\x02")),
        (1, modbus(2, b"\x83\x02")),
        (1, modbus(1, b"\x10\x00\x05\x00\x02")),
        (1, modbus(7, b"\x06\x00\x01\x00\x03")),
        (0, modbus(8, b"\x08\x00\x01\x00\x00")),
        (0, modbus(9, b"\x0f\x00\x01\x00\x03\x01\x05")),
    )
    detail = {event["tid"]: event for event in told(events, "modbus_detailed")}
    assert detail[1] == {
        "address": 5,
        "tid": 1,
        "unit": 1,
        "func": "WRITE_MULTIPLE_REGISTERS",
        "quantity": 2,
        "request_values": [10, 258],
        "matched": True,
    }
    assert (detail[2]["func"], detail[2]["exception_code"]) == ("READ_HOLDING_REGISTERS", "ILLEGAL_DATA_ADDRESS")
    assert (detail[7]["matched"], detail[7]["response_values"]) == (False, [3])
    assert detail[8]["request_subfunction_code"] == "Restart Communications Option"
    assert detail[9]["request_values"] == [1, 0, 1]
    assert "READ_HOLDING_REGISTERS_EXCEPTION" in {event["func"] for event in told(events, "modbus")}


def test_modbus_logs_of_their_own() -> None:
    """Masks, reading with writing, and the identification of a device have logs of their own."""
    identity = b"\x2b\x0e\x01\x01\x00\x00\x02\x00\x04ACME\x01\x02P1"
    events = exchanged(
        502,
        (0, modbus(1, b"\x16\x00\x0a\xde\xad\x00\x01")),
        (0, modbus(2, b"\x17\x00\x01\x00\x02\x00\x08\x00\x01\x02\x00\x63")),
        (1, modbus(2, b"\x17\x04\x00\x01\x00\x02")),
        (0, modbus(3, b"\x2b\x0e\x01\x00")),
        (1, modbus(3, identity)),
    )
    (mask,) = told(events, "modbus_mask_write_register")
    assert (mask["address"], mask["and_mask"], mask["or_mask"], mask["request_response"]) == (10, 0xDEAD, 1, "REQUEST")
    first, second = told(events, "modbus_read_write_multiple_registers")
    assert (first["write_start_address"], first["write_registers"], first["read_start_address"]) == (8, [99], 1)
    assert second["read_registers"] == [1, 2]
    found = told(events, "modbus_read_device_identification")
    assert [(event.get("object_id"), event.get("object_value")) for event in found] == [
        (None, None),
        ("VendorName", "ACME"),
        ("ProductCode", "P1"),
    ]


def _apdu(kind: int, cause: int, objects: bytes, sequence: int = 0) -> bytes:
    body = struct.pack("<HH", sequence << 1, 0) + bytes((kind, 1, cause, 0)) + struct.pack("<H", 3) + objects
    return b"\x68" + bytes([len(body)]) + body


def test_iec104_commands_and_control_frames() -> None:
    """Commands, an interrogation, a setpoint and the frames that start and stop the transfer are told with their names."""
    command = _apdu(45, 6, b"\xa1\x11\x00\x81") + _apdu(100, 6, b"\x00\x00\x00\x14", 1)
    point = _apdu(50, 6, b"\x10\x27\x00" + struct.pack("<f", 1.5) + b"\x00", 2)
    reset = _apdu(105, 6, b"\x00\x00\x00\x01", 3)
    refused = _apdu(45, 0x47, b"\xa1\x11\x00\x81")
    events = exchanged(2404, (0, b"\x68\x04\x07\x00\x00\x00"), (0, command), (0, point + reset), (1, refused))
    found = told(events, "iec104")
    assert found[0] == {"apdu_type": "U", "u_function": "STARTDT act"}
    assert found[1] == {
        "apdu_type": "I",
        "type_id": 45,
        "type_name": "C_SC_NA_1",
        "cause_code": 6,
        "cause": "act",
        "negative": False,
        "test": False,
        "originator_address": 0,
        "common_address": 3,
        "object_count": 1,
        "ioa": 4513,
        "value": 1,
        "select": True,
        "qualifier": 0,
        "send_sequence": 0,
        "receive_sequence": 0,
    }
    assert (found[2]["type_name"], found[2]["qualifier"]) == ("C_IC_NA_1", 20)
    assert (found[3]["type_name"], found[3]["value"], found[3]["select"]) == ("C_SE_NC_1", 1.5, False)
    assert (found[4]["type_name"], found[4]["qualifier"]) == ("C_RP_NA_1", 1)
    assert (found[5]["cause"], found[5]["negative"]) == ("actcon", True)
    assert (TYPES[58], TYPES[70], TYPES[127], CAUSES[3], CAUSES[20], CAUSES[47]) == (
        *("C_SC_TA_1", "M_EI_NA_1", "F_SC_NB_1"),
        *("spont", "inrogen", "unknown_object_address"),
    )


def _s7(body: bytes, data: bytes = b"", kind: int = 1) -> bytes:
    header = struct.pack(">BBHHHH", 0x32, kind, 0, 5, len(body), len(data)) + (b"\0\0" if kind == 3 else b"")
    payload = b"\x02\xf0\x80" + header + body + data
    return struct.pack(">BBH", 3, 0, len(payload) + 4) + payload


def test_s7comm_stop_and_control() -> None:
    """A stop and a start of the controller are told by ICSNPP's names, the acknowledgement with its error class."""
    stop = _s7(b"\x29\0\0\0\0\0\x09P_PROGRAM")
    start = _s7(b"\x28\0\0\0\0\0\0\xfd\0\0\x09P_PROGRAM")
    refused = _s7(b"\x29", kind=3).replace(b"\x00\x00\x29", b"\x81\x04\x29")
    events = exchanged(102, (0, stop + start), (1, refused))
    found = told(events, "s7comm")
    assert [(event["rosctr_name"], event["function_name"]) for event in found] == [
        ("Job-Request", "PLC Stop"),
        ("Job-Request", "PLC Control"),
        ("ACK-Data", "PLC Stop"),
    ]
    assert (found[1]["subfunction_code"], found[1]["subfunction_name"]) == ("P_PROGRAM", "PLC Start / Stop")
    assert (found[2]["error_class"], found[2]["error_code"]) == ("Application relationship error", "0x04")
    assert [event["pdu_name"] for event in told(events, "cotp")] == ["DT Data"] * 3


def test_s7comm_plus_is_read_without_tshark_knowing_it() -> None:
    """The header of S7comm-plus is told in each version, with a digest in version 3, and cut off."""

    def message(data: bytes) -> bytes:
        return struct.pack(">BBH", 3, 0, len(data) + 7) + b"\x02\xf0\x80" + data

    plain = message(b"\x72\x01\x00\x0c\x31\x00\x00\x04\xca\x00\x00\x00\x01")
    digest = message(b"\x72\x03\x00\x30\x20" + bytes(32) + b"\x31\x00\x00\x04\xf2\x00\x00")
    notice = message(b"\x72\x02\x00\x04\x33\x00\x00\x00")
    short = message(b"\x72\x03\x00\x04\x20")
    events = exchanged(102, (0, plain), (0, digest), (1, notice), (0, short))
    assert told(events, "s7comm_plus") == [
        *(
            {
                "version": 1,
                "opcode": "0x31",
                "opcode_name": "Request",
                "function_code": "0x04ca",
                "function_name": "Create Object",
            },
            {
                "version": 3,
                "opcode": "0x31",
                "opcode_name": "Request",
                "function_code": "0x04f2",
                "function_name": "Set Variable",
            },
        ),
        *({"version": 2, "opcode": "0x33", "opcode_name": "Notification"}, {"version": 3}),
    ]


def _enip(cip: bytes, command: int = 0x6F) -> bytes:
    item = struct.pack("<HHHHHH", 0, 2, 0, 0, 0xB2, len(cip))
    data = struct.pack("<I", 0) + item[:2] + item[2:] + cip
    return struct.pack("<HHII8sI", command, len(data), 1, 0, b"\0" * 8, 0) + data


def test_cip_services_and_a_port_that_another_protocol_claims() -> None:
    """A reset and the writing of an attribute are told, also from a client port that tshark would take for another protocol."""
    reset = _enip(b"\x05\x02\x20\x01\x24\x01\x00")
    single = _enip(b"\x10\x03\x20\x04\x24\x65\x30\x03\x01\x02")
    answer = _enip(b"\x85\x00\x00\x00")
    events = exchanged(44818, (0, reset + single), (1, answer), client=1102)
    assert [event["enip_command"] for event in told(events, "enip")] == ["Send RR Data"] * 3
    first, second, third = told(events, "cip")
    assert first == {
        "direction": "request",
        "cip_service_code": "0x05",
        "cip_service": "Reset",
        "class_id": "0x01",
        "class_name": "Identity",
        "instance_id": "0x01",
        "request_path": "class:0x01/instance:0x01",
    }
    assert (second["cip_service"], second["class_name"], second["attribute_id"]) == (
        "Set Attributes Single",
        "Assembly",
        "0x03",
    )
    assert (third["direction"], third["cip_service"], third["cip_status"]) == ("response", "Reset", "Success")


def _bacnet(apdu: str) -> bytes:
    data = bytes.fromhex(apdu)
    return b"\x81\x0a" + struct.pack(">H", 6 + len(data)) + b"\x01\x04" + data


def test_bacnet_writes_and_device_control() -> None:
    """A written property, a device that is put to silence or restarted, and the refusal are told with ICSNPP's names."""
    ends = (CLIENT, 47808), (SERVER, 47808)
    asked = (
        "00050a0f0c0040006519553e44424800003f4908",
        "00050b11090519012d080066696c69737465",
        "00050c1409001d09 0066696c6973746572",
    )
    frames = [udp(_bacnet(text), *ends) for text in (*asked, "1008")]
    frames.append(udp(_bacnet("500c149104911a"), *reversed(ends)))
    events, losses = read_capture(pcap(frames))
    assert not losses
    assert told(events, "bacnet_property") == [
        {
            "invoke_id": 10,
            "pdu_service": "write-property",
            "priority": 8,
            "object_type": "analog-output",
            "instance_number": 101,
            "property": "present-value",
            "value": "50",
        }
    ]
    silence, restart, refused = told(events, "bacnet_device_control")
    assert silence == {
        "invoke_id": 11,
        "pdu_service": "device_communication_control",
        "time_duration": 5,
        "device_state": "disable",
        "password": "filiste",
    }
    assert (restart["pdu_service"], restart["device_state"], restart["password"]) == (
        "reinitialize_device",
        "coldstart",
        "filister",
    )
    assert (refused["result"], refused["result_code"]) == ("ERROR", "password-failure")
    assert [event["pdu_service"] for event in told(events, "bacnet_discovery")] == ["who-is"]
    assert told(events, "bacnet")[-1]["pdu_type"] == "ERROR_PDU"


def _text(data: bytes) -> bytes:
    return struct.pack("<i", len(data)) + data


def _ua(service: int, body: bytes, number: int, kind: bytes = b"MSGF") -> bytes:
    header = struct.pack("<IIII", 3, 1, number, number)
    if kind == b"OPNF":
        policy = _text(b"http://opcfoundation.org/UA/SecurityPolicy#None")
        header = struct.pack("<I", 0) + policy + struct.pack("<iiII", -1, -1, number, number)
    data = header + b"\x01\x00" + struct.pack("<H", service) + body
    return kind + struct.pack("<I", 8 + len(data)) + data


def _ua_request(handle: int) -> bytes:
    return b"\0\0" + struct.pack("<qIIiI", 132000000000000000, handle, 0, -1, 10000) + b"\0\0\0"


def _ua_response(handle: int, result: int) -> bytes:
    return struct.pack("<qII", 132000000000000000, handle, result) + b"\0" + struct.pack("<i", -1) + b"\0\0\0"


def test_opcua_sessions_and_writes() -> None:
    """An unencrypted channel, who logs in and how, and what is written are told; a request meets its response."""
    channel = _ua(446, _ua_request(0) + struct.pack("<III", 0, 0, 1) + _text(b"") + struct.pack("<I", 600000), 1, b"OPNF")
    user = _text(b"policy") + _text(b"user1") + _text(b"password") + struct.pack("<i", -1)
    empty = struct.pack("<iiii", -1, -1, 0, 0)
    login = _ua(467, _ua_request(5) + empty + b"\x01\x00\x44\x01\x01" + _text(user) + struct.pack("<ii", -1, -1), 4)
    anonymous = _ua(
        467, _ua_request(6) + empty + b"\x01\x00\x41\x01\x01" + _text(_text(b"anon")) + struct.pack("<ii", -1, -1), 5
    )
    node = b"\x03\x01\x00" + _text(b"the.answer") + struct.pack("<Ii", 13, -1) + b"\x01\x06" + struct.pack("<i", 42)
    write = _ua(673, _ua_request(7) + struct.pack("<i", 1) + node, 6)
    answer = _ua(676, _ua_response(7, 0x803B0000) + struct.pack("<ii", 0, -1), 6)
    events = exchanged(4840, (0, channel), (0, login + anonymous), (0, write), (1, answer))
    assert told(events, "opcua_binary_opensecure_channel")[0]["message_security_mode"] == 1
    first, second = told(events, "opcua_binary_activate_session")
    assert (first["ext_obj_type_id_str"], first["ext_obj_user_name"], first["ext_obj_password"]) == (
        "UserNameIdentityToken",
        "user1",
        "password",
    )
    assert second["ext_obj_type_id_str"] == "AnonymousIdentityToken"
    (written,) = told(events, "opcua_binary_write")
    assert (written["node_id_string"], written["attribute_id_str"], written["value"]) == ("the.answer", "Value", "42")
    messages = {event["request_id"]: event for event in told(events, "opcua_binary")}
    assert messages[1]["sec_policy_uri"].endswith("#None")  # type: ignore[attr-defined]
    assert (messages[6]["req_identifier_str"], messages[6]["res_identifier_str"]) == ("WriteRequest", "WriteResponse")
    assert messages[6]["service_result"] == "0x803b0000"
    assert "res_identifier_str" not in messages[4]
