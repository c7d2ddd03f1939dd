"""Tables with a header: Windows events of several tools, and others."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.events import Gate
from tocsin.sources.csv import CsvSource
from tocsin.sources.interface import Loss, Records, Stream

EVTXECMD = (
    "RecordNumber,EventRecordId,TimeCreated,EventId,Level,Provider,Channel,ProcessId,ThreadId,Computer,UserId,Payload\r\n"
    "1,501,2020-03-10 18:12:44.1234567,1,Info,Microsoft-Windows-Sysmon,"
    "Microsoft-Windows-Sysmon/Operational,3120,1544,hmi01,"
    'S-1-5-18,"{""EventData"":{""Data"":[{""@Name"":""Image"",""#text"":""C:\\\\a.exe""},'
    '{""@Name"":""ProcessId"",""#text"":""9""},{""@Name"":""User""}]}}"\r\n'
)
GET_WINEVENT = (
    '#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\r\n"Message","Id","ProviderName","LogName","MachineName",'
    '"RecordId","TimeCreated"\r\n"A service\r\nwas installed","7045","Service Control Manager","System","hmi01","7",'
    '"2024-05-14T08:15:00"\r\n'
)
PLAIN = 'time;host;Threat Name;note\n2024-05-14 08:15:00;gw1;X;"a;b"\n;gw2;;\n'


def read(text):
    """Return the events and the errors of a table."""
    data = text if isinstance(text, bytes) else text.encode()
    items = list(CsvSource().read(Stream(io.BytesIO(data), "x")))
    events = [event for item in items if not isinstance(item, Loss) for event in item.raws]
    return sorted(events, key=lambda e: e.record), [item.error for item in items if isinstance(item, Loss)]


def test_evtxecmd_is_read_with_its_payload():
    """The payload's data are fields; the columns of the writing process are not the event's ProcessId."""
    (event,), errors = read(EVTXECMD)
    assert errors == []
    assert event.gate == Gate("windows", "Microsoft-Windows-Sysmon/Operational", "1")
    assert (event.time, event.host, event.record) == ("2020-03-10T18:12:44.123456Z", "hmi01", 501)
    assert (event.fields["Image"], event.fields["ProcessId"], event.fields["User"]) == ("C:\\a.exe", "9", None)
    assert (event.fields["Execution_ProcessID"], event.fields["Security_UserID"]) == ("3120", "S-1-5-18")
    assert event.original["Payload"].startswith('{"EventData"')


def test_a_damaged_payload_is_reported():
    """A row whose payload is no JSON is kept, and the loss of its fields told."""
    (event,), errors = read(EVTXECMD.replace('""EventData""', "EventData"))
    assert (event.gate.event_id, "Image" in event.fields) == ("1", False)
    assert [e.message[:36] for e in errors] == ["line 2: no JSON in the column Payload"[:36]]


def test_export_csv_of_powershell_is_read():
    """Columns by other names, a type line first, and a message over two lines."""
    (event,), errors = read(GET_WINEVENT)
    assert errors == []
    assert event.gate == Gate("windows", "System", "7045")
    assert event.fields["EventID"] == event.fields["Id"] == "7045"
    assert event.fields["Provider_Name"] == "Service Control Manager"
    assert event.fields["Message"] == "A service\nwas installed"
    assert (event.time, event.host, event.record) == ("2024-05-14T08:15:00.000000Z", "hmi01", 7)


def test_event_viewer_leaves_out_the_name_of_the_message():
    """A row of Event Viewer has one cell more than its header."""
    (event,), errors = read("Level,Date and Time,Source,Event ID,Task Category\nInfo,5/14/2024 8:15:00 AM,S,1,None,hello\n")
    assert errors == []
    assert event.gate == Gate("", "csv", "")
    assert (event.fields["Message"], event.fields["EventID"], event.time) == ("hello", "1", "")


def test_a_table_of_something_else_has_no_product():
    """Other tables keep their columns; an empty cell is the empty text, a name with blanks is known without."""
    events, errors = read(PLAIN)
    assert errors == []
    assert [event.gate for event in events] == [Gate("", "csv", "")] * 2
    assert events[0].fields == {
        "time": "2024-05-14 08:15:00",
        "host": "gw1",
        "Threat Name": "X",
        "ThreatName": "X",
        "note": "a;b",
    }
    assert (events[0].time, events[0].host, events[0].record) == ("2024-05-14T08:15:00.000000Z", "gw1", 2)
    assert events[1].fields["note"] == ""


def test_json_in_a_cell_is_spread():
    """A JSON object in any column gives fields, but never hides a column."""
    (event,), _ = read('Operation,AuditData\nLogin,"{""Operation"":""x"",""ClientIP"":""10.0.0.1""}"\n')
    assert (event.fields["Operation"], event.fields["ClientIP"]) == ("Login", "10.0.0.1")
    deep = '{""a"":' * 200 + "1" + "}" * 200
    (event,), _ = read(f'Operation,AuditData\nLogin,"{deep}"\n')
    assert set(event.fields) == {"Operation", "AuditData"}


def test_rows_of_the_wrong_length_are_kept_and_reported():
    """Too few cells leave fields out, too many are listed."""
    events, errors = read("a,b\n1,2\n3\n4,5,6,7\n")
    assert [event.fields for event in events] == [
        {"a": "1", "b": "2"},
        {"a": "3"},
        {"a": "4", "b": "5", "_extra": ["6", "7"]},
    ]
    assert [(e.code, e.message) for e in errors] == [
        ("F006", "line 3: a row of 1 cells under 2 columns"),
        ("F006", "line 4: a row of 4 cells under 2 columns"),
    ]


def test_data_that_hide_the_channel_are_masked():
    """A field of the payload may be named like a System element; the gate stays."""
    payload = '"{""UserData"":{""LogFileCleared"":{""Channel"":""Application""}}}"'
    (event,), _ = read(f"EventId,Channel,Payload\n104,System,{payload}\n")
    assert event.gate == Gate("windows", "System", "104", masked=True)
    assert event.fields["Channel"] == "Application"


def test_cells_may_be_large():
    """A cell beyond the csv module's default limit is read."""
    (event,), errors = read("a,b\n1,2\n3," + "x" * 300_000 + "\n")[0][1:], read("a,b\n1,2\n")[1]
    assert (len(event.fields["b"]), errors) == (300_000, [])


def test_a_quote_without_end_is_reported():
    """What a stray quote swallows is one row of the wrong length, with its lines."""
    events, errors = read('a,b\n1,2\n"3,4\n5,6\n')
    assert [event.fields for event in events] == [{"a": "1", "b": "2"}, {"a": "3,4\n5,6\n"}]
    assert errors[0].message == "lines 3-4: a row of 1 cells under 2 columns"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (EVTXECMD, True),
        (GET_WINEVENT, True),
        (PLAIN, True),
        ("a\tb\n1\t2\n", True),
        ("sep=|\na|b\n1|2\n", True),
        ("EventId,Channel\n", True),
        ("a,b\n", False),
        ("a,b\n1,2,3\n", False),
        ("a,a\n1,2\n", False),
        ("a,\n1,2\n", False),
        ('{"a":1,"b":2}\n{"a":1,"b":2}\n', False),
        ("Oct  3 06:12:44 h sudo: op ; USER=root\nOct  3 06:12:45 h sudo: op ; USER=root\n", False),
        ("1,2\n3,4\n", False),
        ("", False),
    ],
)
def test_the_format_is_told_conservatively(text, known):
    """A header of unique names and a row that fits it make a table."""
    assert CsvSource().recognise(text.encode()) is known
    assert CsvSource().recognise(text.encode("utf-16")) is known


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_are_survived(data):
    """Arbitrary bytes, truncations and mutations never raise, and give the same twice."""
    sample = data.draw(st.sampled_from([EVTXECMD, GET_WINEVENT, PLAIN])).encode()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(sample))] * 2)))
    content = sample[:start] + data.draw(st.binary(max_size=60)) + sample[end:]
    events, errors = read(content)
    CsvSource().recognise(content)
    assert (repr(events), [str(e) for e in errors]) == (repr(read(content)[0]), [str(e) for e in read(content)[1]])
    assert all(text is not None for event in events for text in event.values())


def test_known_tables_have_a_gate() -> None:
    """A table of a proxy is told by its columns, and one with audit records in a column by those records."""
    proxy = (
        b"Time,URL,Request Method,User Agent,Client IP\n2026-03-01T10:00:00Z,http://a.example/x.exe?q=1,GET,curl,192.0.2.1\n"
    )
    record = '{"CreationTime":"2026-03-01T10:00:00","Operation":"Set-X","RecordType":1,"Workload":"Exchange"}'.replace(
        '"', '""'
    )
    audit = f'RecordId,CreationDate,AuditData\n1,2026-03-01T10:00:00Z,"{record}"\n'.encode()
    for data, gate in ((proxy, ("zscaler", "proxy")), (audit, ("m365", "exchange"))):
        items = list(CsvSource().read(Stream(io.BytesIO(data), "x")))
        assert [tuple(item.gate[:2]) for item in items if isinstance(item, Records)] == [gate]
        for item in items:
            assert isinstance(item, Records)
            assert item.decoder.event(item.gate, item.raws[0], 1).time == "2026-03-01T10:00:00.000000Z"
