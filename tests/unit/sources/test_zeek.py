"""Zeek's tab-separated logs: what the header says holds, and nothing that is not understood is lost in silence."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from shared_data import shared
from tocsin.events import KEYWORDS, TIME, Demand, Event
from tocsin.events.values import decode
from tocsin.sources import recognise, zeek_headless
from tocsin.sources import zeek as zeek_module
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.interface import Loss, Records, Stream
from tocsin.sources.zeek import ZeekSource
from tocsin.sources.zeek_layout import Layout, decoder_of, unescape

HEAD = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
SAMPLE = Path(__file__).parents[2] / "kits" / "samples" / "smb_files.log"


def log(fields: str, types: str, *rows: str, path: str = "conn") -> bytes:
    """Return a log of rows whose columns are separated by spaces."""
    lines = [f"#path {path}", f"#fields {fields}", f"#types {types}", *rows]
    return (HEAD + "\n".join(lines).replace(" ", "\t") + "\n").encode()


def read(data: bytes) -> tuple[list[Event], list[str]]:
    """Return the events in order of their lines, and the losses as texts."""
    items = list(ZeekSource().read(Stream(io.BytesIO(data), "x.log")))
    events = [
        item.decoder.event(item.gate, raw, number)
        for item in items
        if isinstance(item, Records)
        for raw, number in zip(item.raws, item.numbers, strict=True)
    ]
    losses = [f"{item.error.code} {item.error.message}" for item in items if isinstance(item, Loss)]
    return sorted(events, key=lambda event: event.record), losses


def test_sample() -> None:
    """Every type of the sample has its value, unset fields are absent, and each log of the file has its own gate."""
    (opened, written, asked), losses = read(SAMPLE.read_bytes())
    assert not losses
    assert opened.fields == {
        "ts": "1791266400.120034",
        "uid": "CdRt5k2WvH1aQxZb9",
        "id.orig_h": "192.0.2.10",
        "id.orig_p": 49712,
        "id.resp_h": "192.0.2.40",
        "id.resp_p": 445,
        "action": "SMB::FILE_OPEN",
        "path": "\\\\HIST-01\\IPC$",
        "name": "svcctl",
        "size": 0,
        "times.modified": "1791266400.000000",
        "tags": ["a", "b,c", ""],
        "rtt": 0.00002,
        "is_orig": True,
    }
    assert (opened.time, opened.host, opened.record) == ("2026-10-06T06:00:00.120034Z", "", 9)
    assert (opened.gate, written.gate, asked.gate) == (
        ("zeek", "smb_files", "", False),
        ("zeek", "smb_files", "", False),
        ("zeek", "dns", "", False),
    )
    assert written.fields["name"] == "r\u00e9sum\t.dll"
    assert (written.fields["tags"], written.fields["is_orig"]) == ([], False)
    assert {"rtt", "times.modified"}.isdisjoint(written.fields)
    assert asked.fields["answers"] == ["192.0.2.40", None]
    assert asked.fields["TTLs"] == [60.0, 1.5]
    assert asked.text.startswith("1791270001.500000\tCqX2nB3mLk7PtYw4e")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\x09b", "a\tb"),
        ("\\xc3\\xa9", "\u00e9"),
        ("\\xe9", "\u00e9"),
        ("\\\\\\\\srv\\\\IPC$", "\\\\srv\\IPC$"),
        ("\\\\srv\\IPC$", "\\\\srv\\IPC$"),
        ("C:\\temp\\x41", "C:\\tempA"),
        ("\\\\x41", "\\x41"),
        ("\\x5cx41", "\\x41"),
        ("\\xg1", "\\xg1"),
        ("plain", "plain"),
        ("end\\", "end\\"),
    ],
)
def test_escapes(written: str, meant: str) -> None:
    """Escaped bytes and backslashes are undone; a writer that leaves a backslash alone has escaped none."""
    assert unescape(written) == meant


@pytest.mark.parametrize("text", ["x", "1_000", " 5", "\u0663", "53/tcp", "1" * 30, "1e9", "T"])
def test_text_that_is_no_integer(text: str) -> None:
    """A value that does not fit its type stays the text that it is."""
    assert Layout(("a",)).value(text, "count") == text


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1,5", "0x1p3"])
def test_text_that_is_no_finite_number(text: str) -> None:
    """A number beyond all bounds, or in another form, stays text."""
    assert Layout(("a",)).value(text, "interval") == text


def test_wrong_number_of_columns() -> None:
    """Short and long rows are losses with their line, and what can be read of them is an event."""
    data = log("ts uid n", "time string count", "1.5 a 1", "1.5 b", "1.5 c 3 more", "lonely", "1.5 d 4")
    events, losses = read(data)
    assert [(event.record, event.fields.get("uid"), event.fields.get("n")) for event in events] == [
        (8, "a", 1),
        (9, "b", None),
        (10, "c", 3),
        (12, "d", 4),
    ]
    assert losses == [
        "F006 line 9: 2 columns, where the header has 3: '1.5\\tb'",
        "F006 line 10: 4 columns, where the header has 3: '1.5\\tc\\t3\\tmore'",
        "F006 line 11: 1 columns, where the header has 3: 'lonely'",
    ]


def test_file_that_ends_inside_a_row() -> None:
    """A last row without all columns and line break is told as cut off, and what it has is read."""
    events, losses = read(log("ts uid n", "time string count", "1 a 1", "1 b 2")[:-3])
    assert [event.fields["uid"] for event in events] == ["a", "b"]
    assert losses == ["F005 line 9: the file ends inside a row: 2 columns, where the header has 3: '1\\tb'"]


def test_rows_before_any_header() -> None:
    """Rows that no header describes are named, not guessed."""
    events, losses = read(b"#separator \\x09\n1\ta\n#fields\tts\tuid\n2\tb\n")
    assert [event.fields for event in events] == [{"ts": "2", "uid": "b"}]
    assert losses == ["F006 line 2: a row before any #fields: '1\\ta'"]


def test_another_header_takes_over() -> None:
    """The header of a second log, with other separators, holds from there on; comments and blank lines change nothing."""
    second = "#separator ,\n#set_separator,|\n#empty_field,EMPTY\n#unset_field,NONE\n#path,b\n#fields,ts,x,y\n"
    second += "#types,time,set[count],string\n"
    rows = "1791266400.0,1|2,NONE\n# a comment\n\n1791266400.0,EMPTY,EMPTY\n1791266400.0,NONE,-\n"
    events, losses = read(log("ts uid", "time string", "1 a") + (second + rows).encode())
    assert not losses
    assert [(event.gate.channel, event.record, dict(event.fields)) for event in events[1:]] == [
        ("b", 16, {"ts": "1791266400.0", "x": [1, 2]}),
        ("b", 19, {"ts": "1791266400.0", "x": [], "y": ""}),
        ("b", 20, {"ts": "1791266400.0", "y": "-"}),
    ]


def test_log_that_does_not_name_itself() -> None:
    """Without #path the log is told by its columns; one of no known columns has no name, and no rule sees it."""
    head = "#fields\tts\tuid\t"
    for columns, name in (("qtype_name\tAA\tTC\tRD\tRA", "dns"), ("fc_request\tfc_reply\tiin", "dnp3"), ("a\tb", "")):
        row = "\t".join("1" * (2 + len(columns.split())))
        (event,), _ = read(f"{head}{columns}\n{row}\n".encode())
        assert event.gate == ("zeek", name, "", False)


@pytest.mark.parametrize(
    "data",
    [
        b"a\tb\n#fields\tts\n",
        b"#Fields: date time\n2026-10-06 06:00:00\n",
        b"# separator\n#fields are these\n",
        b"#!/bin/sh\necho\n",
        b"1791266400.120034\tCdRt5k2WvH1aQxZb9\t192.0.2.10\n",
    ],
)
def test_is_not_zeek(data: bytes) -> None:
    """Comments of other kinds, W3C headers, and rows without a header are not taken."""
    assert not ZeekSource().recognise(data)


def test_recognised_after_a_comment() -> None:
    """A comment before the header, and Windows line breaks, do not hide it."""
    data = b"### a note\r\n" + log("ts uid", "time string", "1 a").replace(b"\n", b"\r\n")
    assert isinstance(recognise(data), ZeekSource)
    events, losses = read(data)
    assert not losses
    assert [dict(event.fields) for event in events] == [{"ts": "1", "uid": "a"}]


def test_utf_16_and_latin_1() -> None:
    """Logs that an editor saved as UTF-16, and bytes that are no UTF-8, are read."""
    text = log("ts uid", "time string", "1 \u00e9").decode()
    for data in (text.encode("utf-16"), text.encode("latin-1"), text.encode()):
        events, losses = read(data)
        assert not losses
        assert [event.fields["uid"] for event in events] == ["\u00e9"]


def test_rotated_and_gzipped(tmp_path: Path) -> None:
    """Logs that were rotated and compressed are read like the current one."""
    (tmp_path / "conn.10:00:00-11:00:00.log.gz").write_bytes(gzip.compress(log("ts uid", "time string", "1 a", "2 b")))
    for stream in open_streams(tmp_path / "conn.10:00:00-11:00:00.log.gz", "x", Limits()):
        assert isinstance(stream, Stream)
        assert isinstance(recognise(stream.head), ZeekSource)
        assert sum(len(item.raws) for item in ZeekSource().read(stream) if isinstance(item, Records)) == 2


def test_line_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is too long is a loss with its number, and the lines around it are read."""
    monkeypatch.setattr(zeek_module, "RECORD_BYTES", 2_000_000)
    rows = [f"{at} a" for at in range(3)]
    data = log("ts uid", "time string", *rows, "9 " + "x" * 3_000_000, "4 b")
    events, losses = read(data)
    assert [event.record for event in events] == [8, 9, 10, 12]
    assert losses == ["F013 line 11: longer than 2000000 bytes"]
    assert read(data.removesuffix(b"4\tb\n").removesuffix(b"\n"))[1] == losses


def test_layout_is_shared() -> None:
    """Rows of two logs with one header have one decoder, so that they share a batch."""
    first, second = (
        next(item for item in ZeekSource().read(Stream(io.BytesIO(SAMPLE.read_bytes()), "x")) if isinstance(item, Records))
        for _ in range(2)
    )
    assert first.decoder is second.decoder


def test_columns_of_many_rows() -> None:
    """Columns of enough rows for the parser of tables hold typed, escaped, empty, unset and absent values apart."""
    layout = Layout(("ts", "s", "n", "b", "l"), ("time", "string", "double", "bool", "set[string]"), "x")
    rows = [b"1791266400.5\ta\\x2cb\t0.000001\tT\tx\\x2cy,z", b"-\t(empty)\t-\tF\t(empty)", b'1\t"q\tx\t-\t-'] * 10
    columns = decoder_of(layout).columns(layout.gate, rows, Demand(("s", "n", "b", "l", "other", TIME, KEYWORDS), ("q",)))
    found = {
        name: [None if cell is None else decode(cell) for cell in column.to_pylist()[:3]] for name, column in columns.items()
    }
    keywords = found.pop(KEYWORDS)
    assert found == {
        "s": [("a,b",), ("",), ('"q',)],
        "n": [("1e-06",), None, ("x",)],
        "b": [("true",), ("false",), None],
        "l": [("x,y", "z"), (None,), None],
        TIME: [("2026-10-06T06:00:00.500000Z",), None, None],
    }
    assert [bool(cell) for cell in keywords] == [True, False, True]


ROW = "1791266400.120034\tCdRt5k2WvH1aQxZb9\t192.0.2.10\t49712\t192.0.2.40\t502"


def headless(label: str, *rows: str) -> tuple[list[Event], list[str]]:
    """Return the events and losses of rows without a header in a file of some name."""
    data = "".join(f"{row}\n" for row in rows).encode()
    assert isinstance(recognise(data), ZeekSource)
    items = list(ZeekSource().read(Stream(io.BytesIO(data), label)))
    losses = [f"{item.error.code} {item.error.message}" for item in items if isinstance(item, Loss)]
    records = [item for item in items if isinstance(item, Records)]
    return [item.decoder.event(item.gate, raw, 1) for item in records for raw in item.raws], losses


@pytest.mark.parametrize("label", ["modbus.log", "x.zip!/a/modbus.10:00:00-11:00:00.log", "C:\\logs\\modbus.log.gz"])
def test_header_lost_and_log_known(label: str) -> None:
    """Rows that a search left of a log are read by the name of the file, when their number of columns is a known one."""
    (event,), losses = headless(label, f"{ROW}\tWRITE_SINGLE_COIL\t-")
    assert not losses
    assert event.gate == ("zeek", "modbus", "", False)
    assert (event.fields["func"], event.fields["id.resp_p"]) == ("WRITE_SINGLE_COIL", 502)
    (event,), losses = headless(label, f"{ROW}\t7\t1\tREAD_COILS\tREQ\t-")
    assert not losses
    assert (event.fields["tid"], event.fields["func"]) == (7, "READ_COILS")


@pytest.mark.parametrize(("label", "log"), [("modbus.log", "modbus"), ("evil.txt", ""), ("-", "")])
def test_header_lost_and_columns_unknown(label: str, log: str) -> None:
    """Without a known number of columns only the first six have names; the loss says so once, and no value is dropped."""
    events, losses = headless(label, f"{ROW}\tx\ty\tz", f"{ROW}\tx\ty\tz")
    assert losses == ["F006 line 1: no header: columns from the seventh have no names"]
    for event in events:
        assert event.gate == ("zeek", log, "", False)
        assert event.time == "2026-10-06T06:00:00.120034Z"
        assert [event.fields[f"column_{at}"] for at in (7, 8, 9)] == ["x", "y", "z"]


def test_columns_of_logs_without_header() -> None:
    """Known columns of a log have unique names, begin with those of a connection, and have types that are read."""
    for log, layouts in zeek_headless._layouts().items():
        for width, layout in layouts.items():
            assert len(layout.fields) == len(layout.types) == len(set(layout.fields)) == width, log
            assert layout.fields[:6] == ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
            assert {kind.partition("[")[0] for kind in layout.types} <= {
                *("time", "string", "addr", "port", "count", "int", "double", "interval", "bool", "enum", "set", "vector"),
            }


def test_columns_are_those_of_real_headers() -> None:
    """Where a real log has both columns and a header, the known columns are the header's."""
    known = zeek_headless._layouts()
    checked = set()
    paths = [shared("otrf", "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip"), *shared("ics", "zeek").rglob("*.log")]
    for path in paths:
        for stream in open_streams(path, path.name, Limits()):
            assert isinstance(stream, Stream)
            if b"\n#fields" not in stream.head or not isinstance(recognise(stream.head), ZeekSource):
                continue
            for item in ZeekSource().read(stream):
                layout = item.decoder.layout
                if layout.path in known:
                    assert known[layout.path][len(layout.fields)] == layout
                    checked.add(layout.path)
    assert checked == {"conn", "dns", "http", "dnp3"}
