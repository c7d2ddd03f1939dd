"""CEF and LEEF, alone and behind headers of syslog."""

import pytest
from text_reading import MEGABYTE, one, read, seconds, seen

from tocsin.events import Gate
from tocsin.sources.cef import CefSource
from tocsin.sources.syslog import SyslogSource

SOURCE = CefSource()


def test_cef():
    """Escapes are undone, values keep their spaces, a labelled field has its label's name too."""
    event = one(
        SOURCE,
        r"CEF:0|A\|B|Fire\\wall|1|7|n|5|src=10.0.0.1 dst=10.0.0.2 act=Allowed dpt=23 msg=a \= b\nc cs1=x y cs1Label=Rule Name",
    )
    assert event.gate == Gate("cef", "firewall", "")
    assert (event.fields["deviceVendor"], event.fields["deviceProduct"], event.fields["severity"]) == ("A|B", "Fire\\wall", "5")
    assert (event.fields["msg"], event.fields["Rule Name"]) == ("a = b\nc", "x y")
    fields = seen(event)
    assert (fields["src_ip"], fields["dst_ip"], fields["dst_port"], fields["blocked"]) == (
        "10.0.0.1",
        "10.0.0.2",
        "23",
        "false",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LEEF:1.0|V|P|1|id|src=1.1.1.1\tdst=2.2.2.2\tusrName=a b", {"src": "1.1.1.1", "usrName": "a b"}),
        ("LEEF:2.0|V|P|1|id|^|src=1.1.1.1^dst=2.2.2.2", {"src": "1.1.1.1", "dst": "2.2.2.2"}),
        ("LEEF:2.0|V|P|1|id|x7c|src=1.1.1.1|dst=2.2.2.2", {"src": "1.1.1.1", "dst": "2.2.2.2"}),
        ("LEEF:2.0|V|P|1|id||src=1.1.1.1\tdst=2.2.2.2", {"src": "1.1.1.1", "dst": "2.2.2.2"}),
    ],
)
def test_leef(text, expected):
    """Both versions are read, the second with its delimiter, a sign or its number."""
    event = one(SOURCE, text)
    assert event.gate == Gate("leef", "firewall", "")
    assert expected.items() <= event.fields.items()


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("CEF:0|V|P|1|7|n|5|cs1=Eicar cs1Label=VirusName fname=a", "antivirus"),
        ("CEF:0|Trend Micro|OfficeScan|1|7|n|5|filePath=a", "antivirus"),
        ("CEF:0|V|Gateway|1|7|n|5|request=http://a/ src=1.1.1.1 dst=2.2.2.2", "proxy"),
        ("CEF:0|F5|ASM|1|7|n|5|request=/a src=1.1.1.1", "webserver"),
        ("CEF:0|Infoblox|NIOS|1|7|DNS Query|5|destinationDnsDomain=a.example", "dns"),
        ("CEF:0|V|P|1|7|n|5|fname=a", "event"),
        ("CEF:0|V|P|1|7|n|5|", "event"),
    ],
)
def test_what_an_event_is(text, channel):
    """The channel follows from what an event states."""
    assert one(SOURCE, text).gate.channel == channel


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("rt=1791267121000", "06:12:01"), ("rt=Oct 06 2026 06:12:02", "06:12:02"), ("end=2026-10-06T08:12:03+02:00", "06:12:03")],
)
def test_times(stated, expected):
    """Times in milliseconds, in words, and of RFC 3339."""
    assert one(SOURCE, f"CEF:0|V|P|1|7|n|5|{stated}").time == f"2026-10-06T{expected}.000000Z"


@pytest.mark.parametrize(
    "header", ["Oct  6 2026 06:12:01 gw1 ", "<14>Oct  6 2026 06:12:01 gw1 ", "<14>1 2026-10-06T06:12:01Z gw1 - - - - "]
)
def test_behind_syslog(header):
    """An event in a line of syslog has time and host of the header where it states none."""
    event = one(SyslogSource(), header + "CEF:0|V|P|1|7|n|5|src=1.1.1.1 dst=2.2.2.2")
    assert (event.gate, event.time, event.host) == (Gate("cef", "firewall", ""), "2026-10-06T06:12:01.000000Z", "gw1")


def test_a_header_that_is_cut_off_is_a_loss():
    """It is named, not dropped."""
    events, errors = read(SOURCE, "CEF:0|V|P|1\n")
    assert (events, [error.code for error in errors]) == ([], ["F006"])


@pytest.mark.parametrize("part", ["a", "\\", "|", "a=", " a=", "a b ", "cs1Label=x "])
def test_long_lines_take_linear_time(part):
    """A line of a megabyte made to harm takes less than two seconds."""
    assert seconds(SOURCE, ("CEF:0|V|P|1|7|n|5|" + part * MEGABYTE)[:MEGABYTE]) < 2
    assert seconds(SOURCE, ("CEF:0|" + part * MEGABYTE)[:MEGABYTE]) < 2
