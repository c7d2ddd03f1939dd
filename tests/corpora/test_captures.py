"""Captures of real industrial traffic: every one is read whole, as many messages as tshark itself counts, and attacks show."""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from capture_packets import needs_tshark, read_capture
from shared_data import DATA, need_shared
from tocsin.events import Event

need_shared()
pytestmark = needs_tshark

ROOT = Path(__file__).resolve().parents[2]
FOLDER = DATA / "ics" / "pcap"
CAPTURES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.pcap*"))
FIELDS = (
    "modbus.func_code",
    "dnp3.al.obj",
    "dnp3.ctl.op",
    "iec60870_104.type",
    "cotp.type",
    "s7comm.header.rosctr",
    "enip.command",
    "cip.service",
)
LOGS = ("modbus", "dnp3_objects", "dnp3_control", "iec104", "cotp", "s7comm", "enip", "cip")
FIRST_REPLY = 0x81
TRANSFERS = range(0x1A, 0x20)
PAIRED = ("modbus_detailed", "dnp3")


@cache
def events(name: str) -> tuple[Event, ...]:
    """Return the events of a capture, which must be read without a loss."""
    found, losses = read_capture((FOLDER / name).read_bytes(), label=name)
    assert not losses
    return tuple(found)


def of(name: str, log: str) -> list[dict[str, object]]:
    """Return the fields of the events of one log of a capture."""
    return [dict(event.fields) for event in events(name) if event.gate.channel == log]


@cache
def counted(name: str, *fields: str) -> list[tuple[list[int], ...]]:
    """Return what tshark itself tells of each packet: the numbers of each field."""
    tshark = shutil.which("tshark") or ""
    arguments = [part for field in fields for part in ("-e", field)]
    # idmp would take a client's port 1102 for its own
    command = [tshark, "-n", "-r", str(FOLDER / name), "--disable-protocol", "idmp", "-T", "fields", *arguments]
    out = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    rows = (line.split("\t") for line in out.splitlines())
    return [tuple([int(text, 0) for text in cell.split(",") if text] for cell in row) for row in rows]


@pytest.mark.parametrize("name", CAPTURES)
def test_as_many_messages_as_tshark_counts(name: str) -> None:
    """Each log has as many events as tshark counts messages, packets that hold several included."""
    rows = counted(name, *FIELDS)
    expected = {log: sum(len(row[at]) for row in rows) for at, log in enumerate(LOGS)}
    found = collections.Counter(event.gate.channel for event in events(name))
    assert {log: found[log] for log in LOGS} == expected


@pytest.mark.parametrize("name", CAPTURES)
def test_as_many_conversations(name: str) -> None:
    """There is one event of conn for each conversation that tshark counts, with all its packets."""
    rows = counted(name, "tcp.stream", "udp.stream")
    streams = {("tcp", number) for row in rows for number in row[0]} | {("udp", number) for row in rows for number in row[1]}
    packets = sum(bool(row[0] or row[1]) for row in rows)
    found = of(name, "conn")
    assert len(found) == len(streams)
    assert sum(int(str(event["orig_pkts"])) + int(str(event["resp_pkts"])) for event in found) == packets


@pytest.mark.parametrize("name", [name for name in CAPTURES if name.startswith(("dnp3/", "quickdraw/dnp3"))])
def test_every_dnp3_message_is_in_a_pair_or_alone(name: str) -> None:
    """Requests and replies of the log dnp3 are as many as tshark counts of each."""
    codes = [code for row in counted(name, "dnp3.al.func") for code in row[0]]
    found = of(name, "dnp3")
    assert sum("fc_request" in event for event in found) == sum(code < FIRST_REPLY for code in codes)
    assert sum("fc_reply" in event for event in found) == sum(code >= FIRST_REPLY for code in codes)


@pytest.mark.parametrize("name", [name for name in CAPTURES if "modbus" in name])
def test_every_modbus_message_is_in_a_pair_or_alone(name: str) -> None:
    """Matched events of modbus_detailed stand for two messages, the others for one."""
    found = of(name, "modbus_detailed")
    messages = sum(len(row[0]) for row in counted(name, "modbus.func_code"))
    assert sum(2 if event["matched"] else 1 for event in found) == messages
    assert any(event["matched"] for event in found)


@pytest.mark.parametrize("name", [name for name in CAPTURES if name.startswith("s7/")])
def test_every_transfer_of_a_program(name: str) -> None:
    """Each message of an upload or download is in its log."""
    codes = [code for row in counted(name, "s7comm.param.func") for code in row[0] if code in TRANSFERS]
    assert len(of(name, "s7comm_upload_download")) == len(codes)


@pytest.mark.parametrize("name", CAPTURES)
def test_every_event_has_a_time_and_its_packet(name: str) -> None:
    """Each event names its packet and has a time; industrial ones know both ends."""
    packets = len(counted(name, "frame.number"))
    for event in events(name):
        assert 1 <= event.record <= packets
        assert event.time.endswith("Z")
        assert event.fields["id.orig_h"]
        assert event.fields["id.resp_p"]


@pytest.mark.parametrize("name", CAPTURES)
def test_every_field_is_documented(name: str) -> None:
    """The page on captures names every log and every field."""
    named = set(re.findall(r"`([A-Za-z_0-9.]+)`", (ROOT / "docs" / "captures.md").read_text()))
    for event in events(name):
        assert event.gate.channel in named
        assert not set(event.fields) - named


def services(name: str) -> set[tuple[object, object]]:
    """Return service and path of every CIP request."""
    return {
        (event["cip_service_code"], event.get("request_path")) for event in of(name, "cip") if event["direction"] == "request"
    }


CONTROLLER = "class:0x8e/instance:0x01"
LOCK = f"{CONTROLLER}/class:0x74/instance:0x01"


def test_the_lock_of_a_controller_shows() -> None:
    """The attempt to lock the controller takes and gives back its semaphore, and changes nothing else."""
    found = services("quickdraw/CL5000EIP-Lock PLC Attempt.pcap")
    assert {("0x4b", LOCK), ("0x4c", LOCK), ("0x4b", "class:0xac/instance:0x01")} <= found
    assert {code for code, _ in found} == {"0x03", "0x0a", "0x4b", "0x4c"}


def test_the_change_of_mode_shows() -> None:
    """The change of the controller's mode is a Stop of it."""
    found = of("quickdraw/CL5000EIP-Remote Mode Change Attempt.pcap", "cip")
    (stop,) = [event for event in found if event["cip_service"] == "Stop" and event["direction"] == "request"]
    assert (stop["class_id"], stop["instance_id"], stop["source_h"]) == ("0x8e", "0x01", "192.168.10.105")
    (answer,) = [event for event in found if event["cip_service"] == "Stop" and event["direction"] == "response"]
    assert answer["cip_status"] == "Success"


def test_the_download_of_a_program_shows() -> None:
    """A download creates programs and tags in the controller and starts it; an upload reads and creates nothing."""
    down = collections.Counter(
        (event["cip_service"], event["class_id"])
        for event in of("quickdraw/CL5000EIP-Software Download.pcap", "cip")
        if event["direction"] == "request"
    )
    assert down["Create", "0x6b"] == 19
    assert down["Create", "0x6a"] == 17
    assert (down["Reset", "0x72"], down["Stop", "0x8e"], down["Start", "0x8e"]) == (1, 1, 1)
    up = {code for code, _ in services("quickdraw/CL5000EIP-Software Upload.pcap")}
    assert not up & {"0x05", "0x06", "0x07", "0x08", "0x10"}


def test_the_change_of_the_control_protocol_shows() -> None:
    """The change of the protocol downloads: it resets, creates, and writes, on a client port that another protocol claims."""
    found = services("quickdraw/CL5000EIP-Control Protocol Change Attempt.pcap")
    assert {("0x05", "class:0x72/instance:0x01"), ("0x07", CONTROLLER)} <= found
    assert {"0x04", "0x08", "0x4d"} <= {code for code, _ in found}


def test_looking_at_a_device_is_a_read() -> None:
    """Looking at the status of a device is nothing but a read and an answer."""
    (event,) = of("quickdraw/CL5000EIP-View Device Status.pcap", "dnp3")
    assert (event["fc_request"], event["fc_reply"]) == ("READ", "RESPONSE")


def test_dnp3_operations_show() -> None:
    """A direct operate, a select with its operate, an enabled report and a frozen counter are told."""
    (direct,) = of("dnp3/directoperate_and_response.pcap", "dnp3")
    assert (direct["fc_request"], direct["fc_reply"], direct["iin"]) == ("DIRECT_OPERATE", "RESPONSE", 0)
    request, reply = of("dnp3/directoperate_and_response.pcap", "dnp3_control")
    assert (request["operation_type"], request["trip_control_code"], request["on_time"]) == ("Latch On", "Nul", 100)
    assert "status_code" not in request
    assert reply["status_code"] == "Success"
    pair = [event["fc_request"] for event in of("dnp3/select_operate_and_responses.pcap", "dnp3")]
    assert pair == ["SELECT", "OPERATE"]
    enabled = of("dnp3/enable_unsolicited_and_response.pcap", "dnp3")
    assert [event["fc_request"] for event in enabled] == ["ENABLE_UNSOLICITED"]
    assert "DISABLE_UNSOLICITED" in {event.get("fc_request") for event in of("dnp3/dnp3_test_data_part1.pcap", "dnp3")}
    assert [event["fc_request"] for event in of("dnp3/immediate_freeze.pcap", "dnp3")] == ["IMMED_FREEZE"]


def test_dnp3_file_writing_shows() -> None:
    """A file that is written is told with its name, mode and data."""
    objects = of("dnp3/file_write.pcap", "dnp3_objects")
    assert (objects[0]["function_code"], objects[0]["object_type"]) == ("OPEN_FILE", "File Command")
    assert (objects[0]["file_name"], objects[0]["file_mode"]) == ("./helloworld.txt", "Write")
    assert [event["fc_request"] for event in of("dnp3/file_write.pcap", "dnp3")] == ["OPEN_FILE", "WRITE", "CLOSE_FILE"]


def test_s7_downloads_show() -> None:
    """A download of blocks and the command that activates them are told, with names and kinds of the blocks."""
    for name, block, kind in (
        ("s7/step7_s300_download.pcapng", "_0A00001P", "Data Block"),
        ("s7/tia_s300_downloadOb1.pcapng", "_0800001P", "Organization Block"),
    ):
        asked = [event for event in of(name, "s7comm_upload_download") if event["function_name"] == "Request Download"]
        assert (asked[0]["filename"], asked[0]["block_type"], asked[0]["rosctr"]) == (block, kind, "Job-Request")
        controls = [event for event in of(name, "s7comm") if event["function_name"] == "PLC Control" and "filename" in event]
        assert [event["subfunction_code"] for event in controls] == ["_INSE"]
    plus = {event.get("function_name") for event in of("s7/S7-1200-Uploading-OB1-TIAV12.pcap", "s7comm_plus")}
    assert {"Create Object", "Explore", "Get Multi Variables"} <= plus


def test_iec104_commands_show() -> None:
    """Commands and interrogations are told with type, cause and address; the others are measurements."""
    found = of("iec104/090813_diverse.pcap", "iec104")
    commands = [event for event in found if str(event.get("type_name")).startswith("C_") and event["cause"] == "act"]
    assert (commands[0]["type_name"], commands[0]["ioa"], commands[0]["common_address"]) == ("C_SC_TA_1", 4501, 3)
    assert {True, False} == {event["select"] for event in commands if "select" in event}
    tested = collections.Counter(event.get("type_name") for event in of("iec104/TestDissectIec104.pcap", "iec104"))
    assert tested["C_IC_NA_1"] == 3
    assert tested["C_DC_NA_1"] >= 2


def test_modbus_listen_only_shows() -> None:
    """A diagnostic that silences a device is told by name."""
    found = of("modbus/modbus_test_data_part1.pcap", "modbus_detailed")
    assert "Force Listen Only Mode" in {event.get("request_subfunction_code") for event in found}


def test_the_folder_is_known() -> None:
    """The captures that these tests are about are all there."""
    assert len(CAPTURES) == 33
    assert Path(FOLDER / "quickdraw").is_dir()
