"""Captures: both formats in either byte order, conversations and their summaries, damage, and a machine without tshark."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest

from capture_packets import CLIENT, SERVER, Tcp, modbus, needs_tshark, pcap, pcapng, read_capture, told, udp
from tocsin.errors import SourceError
from tocsin.runs.ruleset import RuleFile, load_rules
from tocsin.runs.scan import Scan, ScanOptions
from tocsin.sinks import SINKS
from tocsin.sources.capture import CaptureSource
from tocsin.sources.interface import Loss, Stream

WRITE = b"\x06\x00\x04\x09\xc4"
RULE = r"""
title: Write
id: 00000000-0000-4000-8000-000000000009
logsource: {product: zeek, service: modbus_detailed}
detection:
  a: {func: WRITE_SINGLE_REGISTER, request_values: 2500, matched: true, source_h: 10.0.0.5}
  condition: a
"""


def exchange() -> list[bytes]:
    """Return the frames of a connection in which a register is written."""
    link = Tcp(502)
    return [*link.opening(), link.segment(modbus(7, WRITE)), link.segment(modbus(7, WRITE), 1), *link.closing()]


def test_recognised_by_magic() -> None:
    """Both byte orders of pcap, in micro- and nanoseconds, and of pcapng are told by their magic, text that says so is not."""
    source = CaptureSource()
    for order in "<>":
        assert source.recognise(pcap([], order))
        assert source.recognise(pcap([], order, nanoseconds=True))
        assert source.recognise(pcapng([], order))
    assert not source.recognise(b"\n\r\r\n but no byte order follows")
    assert not source.recognise(b"\xd4\xc3\xb2")
    assert not source.recognise(b"a1b2c3d4")


@needs_tshark
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["micro", "nano", "ng"])
def test_all_formats_say_the_same(order: str, form: str) -> None:
    """A capture gives the same events in every format, with the time to the microsecond."""
    frames = exchange()
    data = pcapng(frames, order) if form == "ng" else pcap(frames, order, nanoseconds=form == "nano")
    events, losses = read_capture(data)
    assert not losses
    (detail,) = [event for event in events if event.gate.channel == "modbus_detailed"]
    assert detail.time == "2026-09-21T14:13:20.030000Z"
    assert detail.record == 4
    assert detail.original == detail.fields


@needs_tshark
def test_a_conversation_is_summed_up() -> None:
    """A whole connection is one event of conn with bytes, packets, state and service, under the uid of its messages."""
    events, _ = read_capture(pcap(exchange()))
    (conn,) = told(events, "conn")
    assert conn == {
        "proto": "tcp",
        "service": "modbus",
        "duration": 0.07,
        "orig_bytes": 12,
        "resp_bytes": 12,
        "conn_state": "SF",
        "orig_pkts": 5,
        "orig_ip_bytes": 212,
        "resp_pkts": 3,
        "resp_ip_bytes": 132,
    }
    assert len({event.fields["uid"] for event in events}) == 1
    assert all(event.fields["id.orig_h"] == CLIENT and event.fields["id.resp_h"] == SERVER for event in events)


@needs_tshark
@pytest.mark.parametrize(
    ("segments", "state"),
    [
        ([(0, 2)], "S0"),
        ([(0, 2), (1, 0x14)], "REJ"),
        ([(0, 2), (1, 0x12), (0, 0x10)], "S1"),
        ([(0, 2), (1, 0x12), (0, 0x10), (0, 0x11)], "S2"),
        ([(0, 2), (1, 0x12), (0, 0x10), (1, 0x11)], "S3"),
        ([(0, 2), (1, 0x12), (0, 0x10), (0, 0x14)], "RSTO"),
        ([(0, 2), (1, 0x12), (0, 0x10), (1, 0x14)], "RSTR"),
        ([(0, 2), (0, 0x04)], "RSTOS0"),
        ([(0, 0x10), (1, 0x10)], "OTH"),
    ],
)
def test_states_of_connections(segments: list[tuple[int, int]], state: str) -> None:
    """How a connection went is told in Zeek's words."""
    link = Tcp(502)
    events, _ = read_capture(pcap([link.segment(side=side, flags=flags) for side, flags in segments]))
    assert [conn["conn_state"] for conn in told(events, "conn")] == [state]


@needs_tshark
def test_the_client_is_told_by_syn_then_by_port() -> None:
    """Who sends SYN is the originator; in the middle of a connection it is the side without a server's port."""
    link = Tcp(502)
    frames = [link.segment(modbus(1, WRITE), 1), link.segment(modbus(2, b"\x03\x00\x00\x00\x01"))]
    events, _ = read_capture(pcap(frames))
    assert {(event.fields["id.orig_h"], event.fields["id.resp_p"]) for event in events} == {(CLIENT, 502)}
    assert [event.fields["is_orig"] for event in events if event.gate.channel == "modbus"] == [False, True]
    odd = Tcp(60000, client=(CLIENT, 502))
    events, _ = read_capture(pcap(odd.opening()))
    assert [event.fields["id.orig_p"] for event in events] == [502]


def _name(text: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


@needs_tshark
def test_dns_query_and_answer_are_one() -> None:
    """A query and its answer make one event with Zeek's names; a query without an answer is told too."""
    question = _name("plc.example.org") + struct.pack(">HH", 1, 1)
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((192, 0, 2, 7))
    ask = struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + question
    reply = struct.pack(">HHHHHH", 0x1234, 0x8180, 1, 1, 0, 0) + question + answer
    lone = struct.pack(">HHHHHH", 0x0001, 0x0100, 1, 0, 0, 0) + _name("c2.example.net") + struct.pack(">HH", 16, 1)
    ends = (CLIENT, 50000), (SERVER, 53)
    events, losses = read_capture(pcap([udp(ask, *ends), udp(reply, *reversed(ends)), udp(lone, *ends)]))
    assert not losses
    first, second = told(events, "dns")
    assert first == {
        "proto": "udp",
        "trans_id": 0x1234,
        "query": "plc.example.org",
        "qclass": 1,
        "qclass_name": "C_INTERNET",
        "qtype": 1,
        "qtype_name": "A",
        "RD": True,
        "rtt": 0.01,
        "rcode": 0,
        "rcode_name": "NOERROR",
        "AA": False,
        "TC": False,
        "RA": True,
        "answers": ["192.0.2.7"],
        "TTLs": [60.0],
    }
    assert second["query"] == "c2.example.net"
    assert "rcode" not in second
    assert told(events, "conn")[0]["service"] == "dns"


@needs_tshark
def test_http_request_and_response_are_one() -> None:
    """A request and its response make one event with Zeek's names, also when both are divided over segments."""
    request = (
        b"POST /login?x=1 HTTP/1.1\r\nHost: hmi.example\r\nUser-Agent: probe/1\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"
    )
    response = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    link = Tcp(80)
    frames = [*link.opening(), link.segment(request[:30]), link.segment(request[30:]), link.segment(response, 1)]
    events, losses = read_capture(pcap(frames))
    assert not losses
    assert told(events, "http") == [
        {
            "trans_depth": 1,
            "method": "POST",
            "host": "hmi.example",
            "uri": "/login?x=1",
            "version": "1.1",
            "user_agent": "probe/1",
            "username": "alice",
            "status_code": 401,
            "status_msg": "Unauthorized",
            "response_body_len": 0,
        }
    ]


def _hello(kind: int, body: bytes) -> bytes:
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


@needs_tshark
def test_tls_is_told_by_both_hellos() -> None:
    """The name that the client asks for, and version and cipher that the server chose, are one event of ssl."""
    name = b"vpn.example.org"
    sni = struct.pack(">HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    client = b"\x03\x03" + bytes(32) + b"\0" + b"\x00\x02\xc0\x2f" + b"\x01\x00" + struct.pack(">H", len(sni)) + sni
    server = b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x2f" + b"\0" + b"\0\0"
    link = Tcp(443)
    frames = [*link.opening(), link.segment(_hello(1, client)), link.segment(_hello(2, server), 1)]
    quiet, _ = read_capture(pcap(frames))
    assert [event["established"] for event in told(quiet, "ssl")] == [False]
    frames.append(link.segment(b"\x17\x03\x03\x00\x04abcd"))
    events, losses = read_capture(pcap(frames))
    assert not losses
    assert told(events, "ssl") == [
        {
            "server_name": "vpn.example.org",
            "version": "TLSv12",
            "cipher": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "established": True,
        }
    ]


@needs_tshark
def test_a_capture_that_breaks_off_is_read_in_part() -> None:
    """What came before a cut is read; one loss names the last packet, not one for each view."""
    data = pcap(exchange())
    events, losses = read_capture(data[:-10])
    assert [loss.error.code for loss in losses] == ["F005"]
    assert losses[0].error.message == "after packet 7: the capture ends in the middle of a packet"
    assert len(told(events, "modbus_detailed")) == 1
    events, losses = read_capture(data[:30])
    assert not events
    assert [loss.error.code for loss in losses] == ["F005"]


@needs_tshark
def test_a_damaged_capture_says_where() -> None:
    """A packet whose length cannot be true ends the reading with a loss that quotes tshark."""
    data = pcap(exchange()) + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0x7FFFFFFF) + bytes(100)
    events, losses = read_capture(data)
    assert len(told(events, "modbus_detailed")) == 1
    assert [loss.error.code for loss in losses] == ["F004"]
    assert losses[0].error.message.startswith("after packet 8: tshark cannot read on: ")


@needs_tshark
def test_a_stream_that_breaks_off_keeps_what_came_before() -> None:
    """An error of the file below is told after the events of all whole packets before it."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            if not found:
                raise SourceError("F004", "the archive is damaged")
            return found

    items = list(CaptureSource().read(Stream(Broken(pcap(exchange())), "x")))
    assert [item.error.message for item in items if isinstance(item, Loss)] == ["the archive is damaged"]
    assert {item.gate.channel for item in items if not isinstance(item, Loss)} == {"modbus", "modbus_detailed", "conn"}


@needs_tshark
def test_rules_of_zeek_see_a_capture(tmp_path: Path) -> None:
    """A rule on the logs of Zeek finds what a capture holds."""
    (tmp_path / "a.pcap").write_bytes(pcap(exchange()))
    out = io.BytesIO()
    Scan(ScanOptions((str(tmp_path),), jobs=1), load_rules([RuleFile("r.yml", RULE.encode())], {})).run(SINKS["jsonl"](), out)
    (finding,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert finding["telemetry"] == "modbus_detailed"
    assert finding["source"]["format"] == "capture"
    assert finding["source"]["record"] == 4


def test_without_tshark_the_scan_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A capture is skipped with a code and the line that installs tshark; everything else is still read."""
    monkeypatch.setenv("PATH", str(tmp_path))
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "a.pcap").write_bytes(pcap(exchange()))
    (evidence / "b.jsonl").write_text('{"Channel": "Security", "EventID": 4688, "NewProcessName": "x"}\n')
    rules = load_rules([RuleFile("r.yml", RULE.encode())], {})
    report = Scan(ScanOptions((str(evidence),), jobs=1), rules).run(SINKS["jsonl"](), io.BytesIO())
    assert report.coverage.events == 1
    outcomes = {Path(outcome.path).name: outcome for outcome in report.coverage.files}
    assert outcomes["a.pcap"].status == "skipped"
    assert "sudo apt-get install tshark" in outcomes["a.pcap"].reason
    assert "F014" in outcomes["a.pcap"].reason
    _, losses = read_capture(pcap(exchange()))
    assert [loss.error.code for loss in losses] == ["F014"]
    assert losses[0].error.hint == "install it: sudo apt-get install tshark"
