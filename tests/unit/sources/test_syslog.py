"""Syslog lines of three standards, and the Sysmon events that they carry."""

import io
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.events import Gate
from tocsin.sources.interface import Loss, Stream
from tocsin.sources.syslog import SyslogSource

OLD = "Oct  3 06:12:44 plant1 sshd[812]: Failed password for root from 10.0.0.9 port 22 ssh2"
ISO = "2026-10-03T06:12:44.120+02:00 plant1 sudo:   op : TTY=pts/0 ; USER=root ; COMMAND=/bin/sh"
NEW = '<165>1 2026-10-03T06:12:44.003Z plant1 app 12 ID47 [ex@32473 iut="3" app="a\\"b\\]"][two@1 x="y"] \ufeffAn event'
SYSMON = (
    'Oct  3 06:12:44 plant1 sysmon: <Event><System><Provider Name="Linux-Sysmon" Guid="{ff}"/><EventID>1</EventID>'
    '<TimeCreated SystemTime="2026-10-03T06:12:44.5Z"/><EventRecordID>77</EventRecordID>'
    "<Channel>Linux-Sysmon/Operational</Channel><Computer>plant1</Computer></System>"
    '<EventData><Data Name="Image">/usr/bin/curl</Data></EventData></Event>'
)


def read(text, source=None):
    """Return the events and the errors of a log."""
    data = text if isinstance(text, bytes) else text.encode()
    items = list((source or SyslogSource()).read(Stream(io.BytesIO(data), "x")))
    events = [event for item in items if not isinstance(item, Loss) for event in item.raws]
    return sorted(events, key=lambda event: event.record), [i.error for i in items if isinstance(i, Loss)]


def one(text):
    """Return the one event of a line."""
    (event,), errors = read(text)
    assert errors == []
    return event


def test_an_rfc_3164_line_has_its_parts():
    """Host, program and pid are told apart; the time has no year, so there is none."""
    event = one(OLD)
    assert event.gate == Gate("linux", "syslog", "sshd")
    assert (event.time, event.host, event.text) == ("", "plant1", OLD)
    assert event.fields == {
        "message": "Failed password for root from 10.0.0.9 port 22 ssh2",
        "program": "sshd",
        "pid": "812",
        "host": "plant1",
    }


def test_an_rsyslog_line_has_its_time():
    """RFC 3339 times are brought to UTC."""
    event = one(ISO)
    assert (event.gate.event_id, event.time) == ("sudo", "2026-10-03T04:12:44.120000Z")
    assert event.fields["message"].lstrip().startswith("op : TTY")


def test_an_rfc_5424_line_has_its_structured_data():
    """Priority, message id and structured data are fields."""
    event = one(NEW)
    assert event.fields == {
        "ex@32473": {"iut": "3", "app": 'a"b]'},
        "two@1": {"x": "y"},
        "message": "An event",
        "program": "app",
        "pid": "12",
        "host": "plant1",
        "msgid": "ID47",
        "facility": "local4",
        "severity": "notice",
    }
    assert event.find("ex@32473.iut") == (True, "3")
    assert one("<34>1 - - - - - - hello").fields == {
        "message": "hello",
        "program": "",
        "facility": "auth",
        "severity": "crit",
    }


@pytest.mark.parametrize(
    ("rest", "program", "message"),
    [
        ("h CRON[1]: (root) CMD (x)", "cron", "(root) CMD (x)"),
        ("h /USR/SBIN/CRON[1]: x", "cron", "x"),
        ("h su(pam_unix)[1]: x", "su", "x"),
        ("h gdm-password]: x: y", "gdm-password", "x: y"),
        ("h kernel: [1.2] usb: new", "kernel", "[1.2] usb: new"),
        ("h audispd: type=EXECVE msg=audit(1.2:3): a0=1", "audispd", "type=EXECVE msg=audit(1.2:3): a0=1"),
        ("h last message repeated 2 times", "", "last message repeated 2 times"),
        ("sshd[1]: no host", "sshd", "no host"),
    ],
)
def test_programs_of_many_kinds_are_told(rest, program, message):
    """The gate names the program in lower case without path and module."""
    event = one(f"Oct  3 06:12:44 {rest}")
    assert (event.gate.event_id, event.fields["message"]) == (program, message)


def test_a_priority_is_told_by_name():
    """An RFC 3164 line with a priority has facility and severity."""
    fields = one(f"<38>{OLD}").fields
    assert (fields["facility"], fields["severity"], fields["program"]) == ("auth", "info", "sshd")


def test_a_line_that_goes_on_is_not_lost():
    """A line without header is an event with the time and host of the one before, and no program."""
    events, errors = read(f"{ISO}\n\tat java.lang\n\n{ISO}")
    assert errors == []
    assert [(e.record, e.gate.event_id) for e in events] == [(1, "sudo"), (2, ""), (4, "sudo")]
    assert events[1].fields == {"message": "\tat java.lang", "program": ""}
    assert (events[1].time, events[1].host) == (events[0].time, "plant1")


def test_the_year_comes_from_the_file():
    """A full date of the same day tells the year, which goes on over the turn of the year in both directions."""
    text = "\n".join(
        [
            "Dec 31 23:59:59 h a: old build of 2019-08-01",
            "Jan  1 00:00:01 h kernel: setting system clock to 2027-01-01T00:00:01 UTC",
            "Dec 31 23:59:59 h a: late",
            "Feb  1 00:00:00 h a: x",
        ]
    )
    assert [event.time[:10] for event in read(text)[0]] == ["2026-12-31", "2027-01-01", "2026-12-31", "2027-02-01"]


def test_a_date_of_another_day_tells_no_year():
    """The date of a kernel's build is not the year of the log."""
    assert one("Oct  3 06:12:44 h kernel: Linux 6.1 (2024-08-26)").time == ""


def test_the_year_may_be_stated():
    """A year in the stamp, or one that the caller knows, makes the time whole."""
    assert one("Oct  3 2026 06:12:44 h a: x").time == "2026-10-03T06:12:44.000000Z"
    assert read(OLD, SyslogSource(year_hint=2025))[0][0].time == "2025-10-03T06:12:44.000000Z"
    assert read("Feb 29 06:12:44 h a: x", SyslogSource(year_hint=2025))[0][0].time == ""


def test_sysmon_for_linux_is_read_from_its_message():
    """A line with the XML of an event is that event and no line of syslog."""
    event = one(SYSMON)
    assert event.gate == Gate("linux", "Linux-Sysmon/Operational", "1")
    assert (event.fields["Image"], event.record, event.host) == ("/usr/bin/curl", 77, "plant1")
    assert (event.time, event.text) == ("2026-10-03T06:12:44.500000Z", SYSMON)


def test_a_damaged_sysmon_event_stays_a_line():
    """XML that was cut off is reported, and the line is kept."""
    (event,), errors = read(SYSMON[:-30])
    assert event.gate == Gate("linux", "syslog", "sysmon")
    assert [(e.code, e.message[:25]) for e in errors] == [("F006", "line 1: damaged event XML")]


def test_the_format_is_told_by_content():
    """Half of the first lines need a header; an RFC 3339 time alone is none."""
    source = SyslogSource()
    assert all(source.recognise(text.encode()) for text in (OLD, ISO, NEW, SYSMON, f"{OLD}\n\tmore"))
    assert not source.recognise(b"2026-10-03T06:12:44Z INFO started the thing\n")
    assert not source.recognise(b'{"a": 1}\n')
    assert not source.recognise(b"")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_are_survived(data):
    """Arbitrary bytes, truncations and mutations never raise, and give the same twice."""
    sample = "\n".join([OLD, ISO, NEW, SYSMON, "<13>" + OLD]).encode()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(sample))] * 2)))
    content = sample[:start] + data.draw(st.binary(max_size=60)) + sample[end:]
    events, errors = read(content)
    SyslogSource().recognise(content)
    assert (repr(events), [str(e) for e in errors]) == (repr(read(content)[0]), [str(e) for e in read(content)[1]])
    assert all(text is not None for event in events for text in event.values())


def _told(text, modified):
    """Return the times of a log that was last changed at a time."""
    stream = Stream(io.BytesIO(text.encode()), "x")
    stream.modified = datetime.fromisoformat(modified).timestamp() if isinstance(modified, str) else modified
    return [event.time[:16] for item in SyslogSource().read(stream) for event in item.raws]


def test_the_year_comes_from_the_last_change():
    """It is the newest in which a line is not later than a day after the change, over the turn of the year too."""
    text = "Dec 31 23:59:59 h a: x\nJan  1 00:00:01 h a: x\nMar  1 10:00:00 h a: x\n"
    assert _told(text, "2026-03-01T10:00:00Z") == ["2025-12-31T23:59", "2026-01-01T00:00", "2026-03-01T10:00"]
    assert _told(text, "2026-02-28T10:00:00Z") == ["2025-12-31T23:59", "2026-01-01T00:00", "2026-03-01T10:00"]
    assert _told(text, "2026-02-28T09:59:59Z") == ["2025-12-31T23:59", "2026-01-01T00:00", "2025-03-01T10:00"]
    assert _told(text, "2025-12-31T12:00:00Z")[1] == "2026-01-01T00:00"
    assert _told("Feb 29 06:00:00 h a: x", "2027-01-01T00:00:00Z") == ["2024-02-29T06:00"]
    assert _told("Feb 29 06:00:00 h a: x", "1903-01-01T00:00:00Z") == [""]


@pytest.mark.parametrize("modified", [0.0, -1.0, 1e18, float("nan")])
def test_an_odd_time_of_change_tells_no_year(modified):
    """A time of change that cannot be leaves the events without a time."""
    assert _told(OLD, modified) == [""]


def test_a_stated_year_beats_the_last_change():
    """A full date in the file and a year in the stamp come before what the file system says."""
    assert _told("Oct  3 06:12:44 h a: on 2020-10-03\nOct  4 06:12:44 h a: x", "2026-10-05T00:00:00Z") == [
        "2020-10-03T06:12",
        "2020-10-04T06:12",
    ]
    assert _told("Oct  3 2019 06:12:44 h a: x\n", "2026-10-05T00:00:00Z") == ["2019-10-03T06:12"]
